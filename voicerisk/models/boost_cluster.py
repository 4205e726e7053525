"""Lanes on several processes or machines, through joblib's backends (loky, or a Dask cluster)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from voicerisk.errors import ModelError
from voicerisk.models.boost_lanes import WIDTH, fit_lanes
from voicerisk.models.boost_path import LanePath
from voicerisk.models.boost_spec import BoostData, Lane


def fit_lanes_by_joblib(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int = 100,
    nu: float = 0.1,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    family: str = "adaboost",
) -> Iterator[LanePath]:
    """As `fit_lanes`, with batches of lanes as joblib tasks.

    The backend is joblib's: processes on this machine, or what ``joblib.parallel_config`` names around the
    loop, for example ``with joblib.parallel_config("dask"):`` after a ``distributed.Client(address)``. A
    worker that dies is the backend's matter: Dask runs its batches again. No number depends on who computed
    it, as long as the processors are alike.

    Parameters
    ----------
    data, lanes, mstop, nu, progress, family
        As in `fit_lanes`. Lanes are made in this process, one wave of batches at a time.
    jobs : int, optional
        Number of tasks at once; None = the backend's own default.

    Yields
    ------
    LanePath
        In the order of `lanes`.
    """
    from joblib import Parallel, delayed

    if jobs is not None and jobs < 1:
        raise ModelError(f"jobs is {jobs!r}; it must be at least 1.")
    total, batch = len(lanes), WIDTH
    parallel = Parallel(n_jobs=jobs)
    wave = batch * 4 * max(parallel.n_jobs if isinstance(parallel.n_jobs, int) else 1, 1)
    done = 0
    for start in range(0, total, wave):
        tasks = (
            delayed(_fit_batch)(
                data, [lanes[i] for i in range(at, min(at + batch, total))], mstop, nu, family
            )
            for at in range(start, min(start + wave, total), batch)
        )
        for paths in parallel(tasks):
            for path in paths:
                done += 1
                if progress is not None:
                    progress(done, total)
                yield path.replace(data=data)


def _fit_batch(data: BoostData, lanes: list[Lane], mstop: int, nu: float, family: str) -> list[LanePath]:
    # without their data, which would travel back with every path
    return [path.replace(data=None) for path in fit_lanes(data, lanes, mstop, nu, family=family)]
