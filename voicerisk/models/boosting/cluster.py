"""Lanes on several processes or machines, through joblib's backends (loky, or a Dask cluster)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boosting.engine.groups import WIDTH
from voicerisk.models.boosting.engine.joint import JointLanes, check_patience, fit_jointly
from voicerisk.models.boosting.engine.lanes import check_fit, fit_lanes
from voicerisk.models.boosting.path import LanePath
from voicerisk.models.boosting.spec import BoostData, Lane
from voicerisk.types import Progress

LANES_A_TASK = 2 * WIDTH  # two full groups, so that the rows travel seldom

Task = tuple[Sequence[Lane], tuple[Any, ...]]  # lanes, and the call that fits them


def fit_lanes_by_joblib(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int = 100,
    nu: float = 0.1,
    jobs: int | None = None,
    progress: Progress | None = None,
    *,
    family: str = "adaboost",
) -> Iterator[LanePath]:
    """As `fit_lanes`, with batches of lanes as joblib tasks.

    The backend is joblib's: processes on this machine, or what ``joblib.parallel_config`` names around the
    loop, for example ``with joblib.parallel_config("dask"):`` after a ``distributed.Client(address)``. A
    worker that dies is the backend's matter: Dask runs its tasks again. Every task carries its rows, so that
    nothing is lost with a worker. No number depends on who computed it, as long as the processors are alike.

    Parameters
    ----------
    data, lanes, mstop, nu, progress, family
        As in `fit_lanes`. Lanes are made in this process, a few tasks ahead of the workers.
    jobs : int, optional
        Number of tasks at once; None = the backend's own default.

    Yields
    ------
    LanePath
        In the order of `lanes`.
    """
    check_fit(mstop, nu, 1, family)
    batches = (
        [lanes[i] for i in range(at, min(at + LANES_A_TASK, len(lanes)))]
        for at in range(0, len(lanes), LANES_A_TASK)
    )
    tasks = (
        (batch, (_fit_batch, data, [_pack(lane) for lane in batch], mstop, nu, family)) for batch in batches
    )
    return _in_order(tasks, data, len(lanes), jobs, progress)


def fit_jointly_by_joblib(
    data: BoostData,
    sets: Sequence[JointLanes],
    mstop: int,
    nu: float,
    patience: int,
    jobs: int | None = None,
    progress: Progress | None = None,
    *,
    family: str = "adaboost",
) -> Iterator[list[LanePath]]:
    """As `fit_jointly`, with a few sets as a joblib task; see `fit_lanes_by_joblib`.

    Yields
    ------
    list of LanePath
        The paths of each set, in the order of `sets`.
    """
    check_fit(mstop, nu, 1, family)
    check_patience(patience)
    widest = max([len(one.inner) for one in sets] + [1])
    size = max(LANES_A_TASK // widest, 1)
    batches = (sets[at : at + size] for at in range(0, len(sets), size))
    tasks = (
        (
            [lane for one in batch for lane in (*one.inner, one.outer)],
            (_fit_sets, data, [_pack_set(one) for one in batch], mstop, nu, patience, family),
        )
        for batch in batches
    )
    found = _in_order(tasks, data, sum(len(one.inner) + 1 for one in sets), jobs, None)
    return _by_set(found, sets, progress)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A lane whose weights and outcome are given by the rows where they change.

    Callers' rows mostly lie together. With slots and without a weak reference, which keeps joblib from
    leaving it on one worker alone.
    """

    lane: Lane  # without weights and outcome
    weights: _Changes
    y: _Changes | None

    def lane_of(self) -> Lane:
        y = None if self.y is None else self.y.array()
        return replace(self.lane, weights=self.weights.array(), y=y)


@dataclass(frozen=True, slots=True)
class _Changes:
    """An array by its changes."""

    starts: NDArray[np.int64]
    values: NDArray[Any]
    n: int

    @classmethod
    def of(cls, array: NDArray[Any]) -> _Changes:
        first = np.ones(min(len(array), 1), bool)
        starts = np.flatnonzero(np.r_[first, array[1:] != array[:-1]])
        return cls(starts, array[starts], len(array))

    def array(self) -> NDArray[Any]:
        return np.repeat(self.values, np.diff(np.r_[self.starts, self.n]))


def _pack(lane: Lane) -> _Packed:
    return _Packed(
        replace(lane, weights=np.zeros(0), y=None),
        _Changes.of(np.asarray(lane.weights, np.float64)),
        None if lane.y is None else _Changes.of(np.asarray(lane.y)),
    )


def _pack_set(one: JointLanes) -> tuple[Any, ...]:
    return [_pack(lane) for lane in one.inner], one.held_out, one.weights, _pack(one.outer)


def _fit_batch(data: BoostData, lanes: list[_Packed], mstop: int, nu: float, family: str) -> list[LanePath]:
    # without their data, which would travel back with every path
    paths = fit_lanes(data, [lane.lane_of() for lane in lanes], mstop, nu, family=family)
    return [path.replace(data=None) for path in paths]


def _fit_sets(
    data: BoostData, packed: list[tuple[Any, ...]], mstop: int, nu: float, patience: int, family: str
) -> list[LanePath]:
    sets = [
        JointLanes([lane.lane_of() for lane in inner], held_out, weights, outer.lane_of())
        for inner, held_out, weights, outer in packed
    ]
    fitted = fit_jointly(data, sets, mstop, nu, patience, family=family)
    return [path.replace(data=None) for paths in fitted for path in paths]


def _in_order(
    tasks: Iterable[Task], data: BoostData, total: int, jobs: int | None, progress: Progress | None
) -> Iterator[LanePath]:
    """Run the tasks on joblib's backend and yield their paths as they come, in order."""
    if jobs is not None and jobs < 1:
        raise ModelError(f"jobs is {jobs!r}; it must be at least 1.")
    return _stream(tasks, data, total, jobs, progress)


def _stream(
    tasks: Iterable[Task], data: BoostData, total: int, jobs: int | None, progress: Progress | None
) -> Iterator[LanePath]:
    from joblib import Parallel, delayed

    asked: deque[BoostData] = deque()  # the rows of each lane that was handed out

    def calls() -> Iterator[Any]:
        for lanes, (function, *arguments) in tasks:
            asked.extend(data.of_lane(lane) for lane in lanes)
            yield delayed(function)(*arguments)

    done = 0
    # One task a batch, as each lasts long; tasks are made when a worker will soon be free.
    parallel = Parallel(n_jobs=jobs, return_as="generator", batch_size=1, pre_dispatch="1.5*n_jobs")
    for paths in parallel(calls()):
        for path in paths:
            done += 1
            if progress is not None:
                progress(done, total)
            yield path.replace(data=asked.popleft())


def _by_set(
    paths: Iterator[LanePath], sets: Sequence[JointLanes], progress: Progress | None
) -> Iterator[list[LanePath]]:
    for number, one in enumerate(sets, start=1):
        own = [next(paths) for _ in range(len(one.inner) + 1)]
        if progress is not None:
            progress(number, len(sets))
        yield own
