"""Boost many lanes: pack them into groups, run groups in threads, hand the paths back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boosting.engine.groups import WIDTH, like_groups
from voicerisk.models.boosting.engine.loop import State, boost
from voicerisk.models.boosting.engine.rows import RowOrder, RowOrders
from voicerisk.models.boosting.engine.setup import Group, aligned, prepare
from voicerisk.models.boosting.path import LanePath
from voicerisk.models.boosting.spec import TILE, BoostData, Lane, check_steps
from voicerisk.models.splines import basis_weights

# family -> (log-odds per unit of the family's own link, factor of y - p in the gradient)
FAMILIES = {"adaboost": (2.0, 2.0 / np.log(2.0)), "glm": (1.0, 1.0)}


def fit_lanes(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int = 100,
    nu: float = 0.1,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    *,
    family: str = "adaboost",
) -> Iterator[LanePath]:
    """Boost every lane and yield the paths in the order of `lanes`.

    Component-wise gradient boosting of a binomial model, as R's mboost 2.9-11 does it (`mboost_fit`,
    `Binomial()`): at each step every base-learner is fitted to the negative gradient by weighted penalised
    least squares, the one with the smallest residual sum of squares (the first in order on ties) is added,
    shrunk by `nu`. Sums over rows are exact and in float64; nothing is binned.

    Parameters
    ----------
    data : BoostData
        Rows, the same for all lanes.
    lanes : sequence of Lane
        Read one group at a time, so a lazy sequence keeps memory low.
    mstop : int
        Number of steps, >= 0.
    nu : float
        Step length.
    threads : int
        Groups of lanes run at once. Does not change any number.
    progress : callable, optional
        Called as progress(done lanes, all lanes).
    family : {'adaboost', 'glm'}
        mboost's ``Binomial()`` (gradient on the half log-odds, factor 2 / ln 2) or
        ``Binomial(type = "glm")`` (whose offset is taken from the rows with weight: no held-out outcome).

    Yields
    ------
    LanePath

    Raises
    ------
    ModelError
        For settings, weights or columns that cannot be used.

    Examples
    --------
    >>> from voicerisk.models import BoostData, Lane, learners_for
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=200)
    >>> data = BoostData({"x": x}, None, (x > 0).astype(np.int8), np.arange(200))
    >>> lane = Lane("all", np.ones(200), learners_for(["x"], moderator=None))
    >>> path, = fit_lanes(data, [lane], mstop=50)
    >>> bool(path.risk[50] < path.risk[0])
    True
    """
    check_fit(mstop, nu, threads, family)
    return _run(data, lanes, int(mstop), float(nu), threads, progress, family)


def check_fit(mstop: int, nu: float, threads: int, family: str) -> None:
    """Refuse settings that cannot be meant, before anything is computed."""
    check_steps(mstop, nu)
    if family not in FAMILIES:
        raise ModelError(f"family is {family!r}; it must be one of {', '.join(FAMILIES)}.")
    if threads < 1:
        raise ModelError(f"threads is {threads!r}; it must be at least 1.")


def _run(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int,
    nu: float,
    threads: int,
    progress: Callable[[int, int], None] | None,
    family: str,
) -> Iterator[LanePath]:
    total = len(lanes)
    if not total:
        return
    stop = np.zeros(1, np.uint8)

    def fit_group(rows: RowOrder, members: list[int]) -> list[LanePath]:
        chosen = [lanes[number] for number in members]
        fit = GroupFit(data, prepare(data, rows, chosen, WIDTH, family), mstop, nu, family)
        if not fit.advance(np.full(len(chosen), mstop), stop):
            return []
        return [fit.path(number) for number in range(len(chosen))]

    done = 0
    ready: dict[int, LanePath] = {}
    pool = ThreadPoolExecutor(threads, thread_name_prefix="boost")
    waiting: deque[tuple[list[int], Future[list[LanePath]]]] = deque()
    groups = like_groups(data, RowOrders(data), lanes)
    try:
        while done < total:
            while len(waiting) <= threads and (group := next(groups, None)) is not None:
                waiting.append((group[1], pool.submit(fit_group, *group)))
            members, future = waiting.popleft()
            ready.update(zip(members, future.result(), strict=True))
            while done in ready:
                path = ready.pop(done)
                done += 1
                if progress is not None:
                    progress(done, total)
                yield path
    finally:  # also when the caller stops early or presses Ctrl-C
        stop[0] = 1
        pool.shutdown(wait=True, cancel_futures=True)


class GroupFit:
    """The fit of one prepared group, which can halt and go on.

    Parameters
    ----------
    data : BoostData
    group : Group
    mstop : int
        Largest number of steps.
    nu : float
    family : str
    """

    def __init__(self, data: BoostData, group: Group, mstop: int, nu: float, family: str) -> None:
        self.data, self.group = data, group
        rows, used, width = group.rows, len(group.lanes), group.weights.shape[1]
        most = max([len(fitted) for fitted in group.learners] + [1])
        size = max([len(f.inverse) for fitted in group.learners for f in fitted] + [1])
        stored = max([f.fitted.size for fitted in group.learners for f in fitted] + [2, size])
        table = {
            name: np.zeros((used, most), np.int64)
            for name in ("kind", "variant", "blocks", "degree", "penalty_kind", "order")
        }
        penalty = np.zeros((used, most))
        inverse = np.zeros((used, most, size, size))
        variant_blocks = np.zeros(len(group.grids), np.int64)
        variant_lanes = np.zeros((len(group.grids), width), np.bool_)
        for i, fitted in enumerate(group.learners):
            for j, f in enumerate(fitted):
                learner = f.fitted.learner
                values = (f.kind, f.variant, f.blocks, learner.degree, f.penalty_kind, learner.differences)
                for name, value in zip(table, values, strict=True):
                    table[name][i, j] = value
                penalty[i, j] = f.fitted.penalty
                p = len(f.inverse)
                inverse[i, j, :p, :p] = f.inverse
                if f.variant >= 0:
                    variant_blocks[f.variant] |= f.blocks
                    variant_lanes[f.variant, i] = True
        active: NDArray[np.bool_] = np.asarray((group.weights > 0).any(axis=1))
        tile_active = np.logical_or.reduceat(active, rows.tile_run[:-1])
        scale, gradient_factor = FAMILIES[family]
        link = aligned(data.n, width)
        link[:] = group.offsets
        buffer = aligned((len(group.grids) * rows.n_blocks + used) * group.ends.shape[2] * 4 * width)
        self.state = State.start(link, used, rows.n_blocks, len(rows.run_start) - 1, most, stored, mstop)
        self._arguments = (
            (0.0,) * width, group.order, group.t, group.ends, rows.tile_row, rows.tile_run, rows.block_tile,
            tile_active, rows.run_start, 2.0 * group.outcomes - 1.0, rows.run_caller, group.weights,
            rows.block_run, variant_blocks, variant_lanes,
            np.array([g.intervals for g in group.grids], np.int64), np.array([g.low for g in group.grids]),
            np.array([g.width for g in group.grids]),
            np.stack([basis_weights(degree) for degree in range(4)]),
            np.array([len(fitted) for fitted in group.learners], np.int64),
            *(table[name] for name in ("kind", "variant", "blocks", "degree", "penalty_kind")),
            penalty, table["order"], inverse, group.caller_weight, group.offsets, group.block_weight,
            gradient_factor, scale * nu, aligned(TILE, width), buffer,
        )  # fmt: skip

    def advance(self, limits: NDArray[np.int64], stop: NDArray[np.uint8]) -> bool:
        """Boost each lane up to its limit of steps; return whether it came to an end before `stop` was set.

        Parameters
        ----------
        limits : ndarray of int64, shape (lanes,)
            Steps of each lane, not below those taken.
        stop : ndarray of uint8, shape (1,)
            Set to 1 from another thread, it ends the loop soon.
        """
        status = boost(*self._arguments, limits, self.state, stop)
        if status > 0:
            raise ModelError(
                f"Lane {self.group.lanes[status - 1].key} gave gains that are not finite; "
                "look at its weights and its markers' ranges."
            )
        return status == 0

    def path(self, number: int) -> LanePath:
        """Return the path of a lane as far as it has come."""
        done, state, group = int(self.state.done[number]), self.state, self.group
        lane = group.lanes[number]
        return LanePath(
            lane.key,
            float(group.offsets[number]),
            lane.outside,
            tuple(f.fitted for f in group.learners[number]),
            tuple(group.left_out[number]),
            state.selected[number, :done],
            state.steps[number, :done],
            state.risk[number, : done + 1],
            self.data.n,
            self.data.of_lane(lane),
        )
