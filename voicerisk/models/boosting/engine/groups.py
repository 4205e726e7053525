"""Which lanes are fitted side by side: those whose rows are cut alike, and that share most knots' ranges.

A marker costs one pass over the rows per distinct range in its group, so that what lies together decides on
the time, never on a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicerisk.models.boosting.engine.rows import RowOrder, RowOrders
from voicerisk.models.boosting.learner_rows import mask_name
from voicerisk.models.boosting.spec import BoostData, Lane

WIDTH = 16  # lanes of a group; one width alone is compiled, and a single fit leaves 15 lanes empty
WINDOW = 8 * WIDTH  # lanes that are grouped at a time; `alike_order` looks at all

Range = tuple[str, str | None, float, float]
Traits = tuple[RowOrder, frozenset[Range]]


def like_groups(
    data: BoostData, orders: RowOrders, lanes: Sequence[Lane], window: int = WINDOW
) -> Iterator[tuple[RowOrder, list[int]]]:
    """Yield groups of at most `WIDTH` lanes, as the common order of their rows and the lanes' numbers."""
    traits_of = _traits(data, orders)
    for start in range(0, len(lanes), window):
        numbers = range(start, min(start + window, len(lanes)))
        traits = [traits_of(lanes[number]) for number in numbers]
        cuts: dict[int, list[int]] = {}
        for place, (rows, _) in enumerate(traits):
            cuts.setdefault(id(rows), []).append(place)
        for places in cuts.values():
            for members in _groups([traits[place][1] for place in places]):
                yield traits[places[0]][0], [start + places[member] for member in members]


def alike_order(data: BoostData, lanes: Sequence[Lane]) -> list[int]:
    """Return an order of all lanes in which those that share most lie side by side.

    Lanes whose knots come from their training rows differ in ranges. Fitted in this order they take less
    time, the more so the more there are; their numbers are the same in any.

    Parameters
    ----------
    data : BoostData
    lanes : sequence of Lane
        Each is asked for once, so a lazy sequence keeps memory low.

    Returns
    -------
    list of int
        Numbers of the lanes.

    Examples
    --------
    >>> from voicerisk.models import BoostData, Lane, LazyLanes, learners_for
    >>> x = np.arange(80.0)
    >>> data = BoostData({"x": x}, None, (x % 2).astype(np.int8), np.arange(80))
    >>> learners = learners_for(["x"], moderator=None)
    >>> def lane(number):  # every other one is without the first row, and its range narrower
    ...     weights = (x != number + 1) * (x > number % 2 - 1.0)
    ...     return Lane(str(number), weights.astype(float), learners, "train")
    >>> order = alike_order(data, LazyLanes(lane, 32))
    >>> [number % 2 for number in order] == [order[0] % 2] * 16 + [order[16] % 2] * 16
    True
    """
    groups = like_groups(data, RowOrders(data), lanes, max(len(lanes), 1))
    return [number for _, members in groups for number in members]


def _traits(data: BoostData, orders: RowOrders) -> Callable[[Lane], Traits]:
    """Return what gives the order of a lane's rows and its knots' ranges; of these, nothing is checked."""
    by_caller = np.argsort(data.caller, kind="stable")
    starts = np.flatnonzero(np.diff(data.caller[by_caller], prepend=-1))
    code = np.cumsum(np.diff(data.caller[by_caller], prepend=-1) > 0) - 1
    caller = np.empty(data.n, np.int64)
    caller[by_caller] = code
    sorted_columns = [column[by_caller] for column in data.columns.values()]
    # a row a column, a column a caller; a caller without a value changes nothing
    shape = (len(sorted_columns), len(starts))  # a model of callers or levels alone has no column
    low = np.array([np.fmin.reduceat(column, starts) for column in sorted_columns]).reshape(shape)
    high = np.array([np.fmax.reduceat(column, starts) for column in sorted_columns]).reshape(shape)
    place = {name: number for number, name in enumerate(data.columns)}

    def traits(lane: Lane) -> Traits:
        seen: Any = slice(None)
        if lane.boundary == "train" and np.shape(lane.weights) == (data.n,):
            seen = np.bincount(caller, np.asarray(lane.weights) > 0, len(starts)) > 0
        bottom = np.fmin.reduce(low[:, seen], axis=1, initial=np.inf)
        top = np.fmax.reduce(high[:, seen], axis=1, initial=-np.inf)
        used = {
            (one.variable, mask_name(one, data.moderator)) for one in lane.learners if one.variable in place
        }
        ranges = ((name, by, float(bottom[place[name]]), float(top[place[name]])) for name, by in used)
        return orders.of(lane), frozenset(ranges)

    return traits


def _groups(ranges: Sequence[frozenset[Range]]) -> Iterator[list[int]]:
    """Group lanes by their ranges: one left with many uncommon ones, and those that add the fewest to it."""
    every = {one: number for number, one in enumerate(dict.fromkeys(one for own in ranges for one in own))}
    has = np.zeros((len(ranges), len(every)), np.float32)
    for lane, own in enumerate(ranges):
        has[lane, [every[one] for one in own]] = 1.0
    uncommon = has @ (1.0 - has.mean(axis=0))
    left = np.ones(len(ranges), bool)
    while left.any():
        members: list[int] = []
        covered = np.zeros(len(every), np.float32)
        while left.any() and len(members) < WIDTH:
            open_ = np.flatnonzero(left)
            added = has[open_] @ (1.0 - covered) if members else np.zeros(len(open_))
            near = open_[added == added.min()]
            best = int(near[np.argmax(uncommon[near])])
            members.append(best)
            left[best] = False
            covered = np.maximum(covered, has[best])
        yield _side_by_side(members, has[members] > 0)


def _side_by_side(members: list[int], has: NDArray[np.bool_]) -> list[int]:
    """Order the lanes of a group so that those that share an uncommon range are neighbours.

    The sums of a range are taken for an aligned quarter or half of the lanes where that is enough.
    """
    rare = (has & (2 * has.sum(axis=0) < len(members))).astype(np.int64)
    left = sorted(range(len(members)), key=lambda number: rare[number].sum())
    order = [left.pop()]
    while left:
        near = max(left, key=lambda number: rare[number] @ rare[order[-1]])
        left.remove(near)
        order.append(near)
    return [members[number] for number in order]
