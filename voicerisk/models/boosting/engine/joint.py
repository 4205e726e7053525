"""Folds whose summed held-out deviance decides the number of steps, boosted together and halted together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boosting.engine.groups import WIDTH, like_groups
from voicerisk.models.boosting.engine.lanes import GroupFit, check_fit
from voicerisk.models.boosting.engine.rows import RowOrders
from voicerisk.models.boosting.engine.setup import prepare
from voicerisk.models.boosting.path import LanePath
from voicerisk.models.boosting.spec import BoostData, Lane, LazyLanes
from voicerisk.types import Floats

STAGE = 50  # steps between two looks at the held-out deviance


@dataclass(frozen=True, eq=False, slots=True)
class JointLanes:
    """The inner folds of one outer fold, and the fit that they tune.

    Attributes
    ----------
    inner : sequence of Lane
        Fits whose held-out rows decide the number of steps.
    held_out : tuple of ndarray of int
        Row numbers that each inner fit is assessed on.
    weights : tuple of ndarray of float64
        Weight of each of these rows in the criterion.
    outer : Lane
        Fitted for as many steps as the inner ones.
    """

    inner: Sequence[Lane]
    held_out: tuple[NDArray[np.int64], ...]
    weights: tuple[Floats, ...]
    outer: Lane

    def __post_init__(self) -> None:
        if not 0 < len(self.inner) == len(self.held_out) == len(self.weights):
            raise ModelError(
                f"The set of {self.outer.key} has {len(self.inner)} inner fits, {len(self.held_out)} groups "
                f"of held-out rows and {len(self.weights)} of weights; there must be as many, at least one."
            )


def fit_jointly(
    data: BoostData,
    sets: Sequence[JointLanes],
    mstop: int,
    nu: float,
    patience: int,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    *,
    family: str = "adaboost",
) -> Iterator[list[LanePath]]:
    """Boost sets of folds, each until its summed held-out deviance has turned; yield the paths of each set.

    Every 50 steps the deviance of the held-out rows, summed over the inner folds of a set, is looked at. A
    set halts once the smallest value seen lies `patience` or more steps back. So the number of steps with the
    smallest deviance along the shortened paths is that along the full ones, unless the deviance, after
    `patience` steps above its minimum at the looks, falls again below that minimum: a second descent. Which
    numbers a path holds does not change; it is cut.

    Parameters
    ----------
    data : BoostData
    sets : sequence of JointLanes
    mstop, nu, family
        As in `fit_lanes`; `mstop` is the largest number of steps.
    patience : int
        Steps without a new minimum after which a set halts, > 0.
    threads : int
        Groups of lanes run at once. Does not change any number.
    progress : callable, optional
        Called as progress(done sets, all sets).

    Yields
    ------
    list of LanePath
        The inner paths in order, then the outer; all of one length, a multiple of 50 or `mstop`.

    Raises
    ------
    ModelError
        As `fit_lanes`, and for a patience that is not a whole number above 0.
    """
    check_fit(mstop, nu, threads, family)
    check_patience(patience)
    return _run(data, sets, _Asked(int(mstop), float(nu), int(patience), family), threads, progress)


def check_patience(patience: int) -> None:
    """Refuse a patience that is not a whole number above 0."""
    if not isinstance(patience, int | np.integer) or isinstance(patience, bool) or patience < 1:
        raise ModelError(f"patience is {patience!r}; it must be a whole number of steps above 0.")


def _run(
    data: BoostData,
    sets: Sequence[JointLanes],
    asked: _Asked,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[list[LanePath]]:
    orders = RowOrders(data)
    stop = np.zeros(1, np.uint8)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="boost")
    done = 0
    try:
        while done < len(sets):
            # as many sets as fill two groups a thread: full groups, little memory
            window: list[JointLanes] = []
            lanes = 0
            while done + len(window) < len(sets) and (not window or lanes < 2 * threads * WIDTH):
                window.append(sets[done + len(window)])
                lanes += len(window[-1].inner)
            for paths in _fit_window(data, orders, window, asked, pool, stop):
                done += 1
                if progress is not None:
                    progress(done, len(sets))
                yield paths
    finally:  # also when the caller stops early or presses Ctrl-C
        stop[0] = 1
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How far to boost: steps at most, step length, steps without a new minimum, and the loss."""

    mstop: int
    nu: float
    patience: int
    family: str


def _fit_window(
    data: BoostData,
    orders: RowOrders,
    window: Sequence[JointLanes],
    asked: _Asked,
    pool: ThreadPoolExecutor,
    stop: NDArray[np.uint8],
) -> list[list[LanePath]]:
    mstop, family = asked.mstop, asked.family
    places = [(s, k) for s, one in enumerate(window) for k in range(len(one.inner))]

    def set_up(lanes: Sequence[Lane]) -> list[tuple[list[int], GroupFit]]:
        groups = list(like_groups(data, orders, lanes, max(len(lanes), 1)))
        made = pool.map(
            lambda group: prepare(data, group[0], [lanes[number] for number in group[1]], WIDTH, family),
            groups,
        )
        return [
            (group[1], GroupFit(data, one, mstop, asked.nu, family))
            for group, one in zip(groups, made, strict=True)
        ]

    inner = set_up(LazyLanes(lambda number: window[places[number][0]].inner[places[number][1]], len(places)))
    paths: list[list[LanePath]] = [[] for _ in window]
    looks: list[list[float]] = [[] for _ in window]  # the criterion every STAGE steps
    end: list[int | None] = [None for _ in window]
    step = 0
    while None in end:
        busy = [(members, fit) for members, fit in inner if any(end[places[i][0]] is None for i in members)]
        limits = [step if end[s] is None else end[s] for s, _ in places]
        _advance(pool, busy, limits, stop)
        found = {i: fit.path(number) for members, fit in inner for number, i in enumerate(members)}
        for s, one in enumerate(window):
            if end[s] is not None:
                continue
            paths[s] = [found[i] for i, (owner, _) in enumerate(places) if owner == s]
            looks[s].append(sum(pool.map(_deviance, paths[s], one.held_out, one.weights)))
            if step == mstop or step - int(np.argmin(looks[s])) * STAGE >= asked.patience:
                end[s] = step
        step = min(step + STAGE, mstop)
    outer = set_up([one.outer for one in window])
    _advance(pool, outer, end, stop)
    last = {s: fit.path(number) for members, fit in outer for number, s in enumerate(members)}
    return [[*paths[s], last[s]] for s in range(len(window))]


def _advance(
    pool: ThreadPoolExecutor,
    fits: Sequence[tuple[list[int], GroupFit]],
    limits: Sequence[int | None],
    stop: NDArray[np.uint8],
) -> None:
    """Boost each lane up to its limit, the groups in threads."""

    def advance(one: tuple[list[int], GroupFit]) -> bool:
        members, fit = one
        return fit.advance(np.array([limits[i] for i in members], np.int64), stop)

    list(pool.map(advance, fits))


def _deviance(path: LanePath, held_out: NDArray[np.int64], weights: Floats) -> float:
    """Return the weighted sum of -2 log-likelihood of held-out rows after the last step."""
    data = path.data
    if data is None or data.y is None:
        raise ModelError(f"Path {path.key} has no outcomes to assess it on.")
    wrong = np.where(data.y[held_out] == 1, -1.0, 1.0) * path.link(held_out)
    return float(2.0 * (weights * np.logaddexp(0.0, wrong)).sum())
