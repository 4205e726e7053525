"""The boosting engine 'mboost': R's own package, through the bridge, in the native engine's terms.

Every fit is made by mboost and read back as the `LanePath` of the native engine, in log-odds (twice mboost's
half log-odds under `Binomial()`), so that prediction, effects and files are one code. New rows never go
through mboost's `predict`, which matches caller levels by position.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.moderator import SEX, Moderator
from voicerisk.errors import ModelError, RBridgeError
from voicerisk.models.boosting.learner_rows import is_level_learner
from voicerisk.models.boosting.path import FittedLearner, LanePath
from voicerisk.models.boosting.spec import BoostData, Lane, Learner, check_steps
from voicerisk.models.splines import Grid, difference_matrix
from voicerisk.rbridge import Kept, Worker
from voicerisk.types import Floats

_SCALE = {"adaboost": 2.0, "glm": 1.0}


def fit_mboost(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int = 100,
    nu: float = 0.1,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    *,
    family: str = "adaboost",
    time_limit: float | None = None,
) -> Iterator[LanePath]:
    """Boost every lane with R's mboost and yield the paths in the order of `lanes`.

    Its parameters are those of `fit_lanes`, so that the two can be exchanged. Every fit runs in a child
    process with an R of its own, which Ctrl-C stops and whose death is an error that names the lane; what was
    yielded before is done. `fit_mboost_in_folder` keeps it on disk.

    The learners become ``bols(sex) + bbs(x, by = female) + bbs(x, by = male)`` with numeric 0/1 columns, one
    a level of the moderator; where a marker has missing values its learner is taken by (available x level)
    and the gaps hold the training median. A lane with boundary 'train' is fitted on the rows with weight
    alone, which differs from zero weights only in the knots. Warnings of R are passed on as `RuntimeWarning`.

    Parameters
    ----------
    data : BoostData
        Rows, the same for all lanes; sent to each child once.
    lanes : sequence of Lane
        Weights, learners, boundary and offset of each fit.
    mstop : int
        Number of steps, >= 0.
    nu : float
        Step length.
    jobs : int
        Child processes with an R each, one a core. Does not change any number.
    progress : callable, optional
        Called as progress(done lanes, all lanes).
    family : {'adaboost', 'glm'}
        mboost's ``Binomial()`` or ``Binomial(type = "glm")``.
    time_limit : float, optional
        Seconds for one lane.

    Yields
    ------
    LanePath

    Raises
    ------
    ModelError
        For settings or weights that cannot be used.
    RBridgeError
        mboost or R is not installed (with the line that installs it), or mboost failed.

    References
    ----------
    Hothorn, T., Buehlmann, P., Kneib, T., Schmid, M., Hofner, B.: mboost (R package), `gamboost`, `Binomial`.
    """
    check_steps(mstop, nu)
    if family not in _SCALE:
        raise ModelError(f"family is {family!r}; it must be one of {', '.join(_SCALE)}.")
    if jobs < 1:
        raise ModelError(f"jobs is {jobs!r}; it must be at least 1.")
    if data.y is None:
        raise ModelError("Boosting needs an outcome for every row; none was given.")
    return _run(data, lanes, int(mstop), float(nu), family, jobs, time_limit, progress)


def _run(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int,
    nu: float,
    family: str,
    jobs: int,
    time_limit: float | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[LanePath]:
    total = len(lanes)
    table, names = _table(data)
    children: list[Worker] = []
    idle: SimpleQueue[Worker] = SimpleQueue()
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="mboost")

    def fit(lane: Lane) -> LanePath:
        child = idle.get()
        try:
            return _fit_lane(child, data, names, lane, mstop, nu, family, time_limit)
        except RBridgeError as failure:
            raise RBridgeError(f"Engine 'mboost', lane {lane.key}: {failure}") from failure
        finally:
            idle.put(child)

    waiting: deque[Future[LanePath]] = deque()
    try:
        for _ in range(min(jobs, total)):
            child = Worker()
            children.append(child)
            child.call("need_package", package="mboost")
            child.keep("boost_data", table)
            idle.put(child)
        for done in range(total):
            while len(waiting) < jobs + 1 and done + len(waiting) < total:
                waiting.append(pool.submit(fit, lanes[done + len(waiting)]))
            path = waiting.popleft().result()
            if progress is not None:
                progress(done + 1, total)
            yield path
    finally:  # also when the consumer stops early or presses Ctrl-C
        for later in waiting:
            later.cancel()
        for child in children:
            child.close()
        pool.shutdown(wait=True, cancel_futures=True)


def fit_mboost_in_folder(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int,
    nu: float,
    folder: Path,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    *,
    family: str = "adaboost",
) -> Iterator[LanePath]:
    """As `fit_mboost`, keeping every finished lane in `folder`, so that a killed run goes on from there.

    Parameters are those of `fit_mboost`; the files lie in `folder/mboost`, apart from those of the native
    engine. With one lane a caller this is leave-one-caller-out that survives a crash.
    """
    from voicerisk.models.boosting.resampling import fit_lanes_in_folder

    fit = partial(fit_mboost, jobs=jobs)
    return fit_lanes_in_folder(data, lanes, mstop, nu, folder / "mboost", progress, family=family, fit=fit)


def _table(data: BoostData) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the rows for R and the name that each column has there (always a legal name in R)."""
    names = {name: f"x{i}" for i, name in enumerate(data.columns)}
    columns: dict[str, Any] = {names[name]: column for name, column in data.columns.items()}
    if data.level is not None:
        categories = pd.Index(_level_names(data.moderator))
        columns["sex"] = pd.Categorical.from_codes(data.level.astype(int), categories=categories)
    codes = np.unique(data.caller)
    levels = pd.Index([f"c{code:09d}" for code in codes])
    columns["caller"] = pd.Categorical.from_codes(np.searchsorted(codes, data.caller), categories=levels)
    columns["y"] = data.y
    return pd.DataFrame(columns), names


def _level_names(moderator: Moderator | None) -> tuple[str, ...]:
    """Return what the levels are called in R: never text that could be read as code."""
    if moderator is None:
        return ()
    return moderator.levels if moderator == SEX else tuple(f"level{i}" for i in range(len(moderator.levels)))


def _learner_table(
    learners: Sequence[Learner], names: dict[str, str], moderator: Moderator | None
) -> pd.DataFrame:
    where = {**names, "1": "1", "caller": "caller"}
    if moderator is not None:
        where |= {moderator.name: "sex", **dict(zip(moderator.levels, _level_names(moderator), strict=True))}
    for learner in learners:
        for name in (learner.variable, learner.by):
            if name is not None and name not in where:
                raise ModelError(f"{learner.name} names column {name}, which the data do not have.")

    return pd.DataFrame(
        {
            "kind": [learner.kind for learner in learners],
            "variable": [where[learner.variable] for learner in learners],
            "by": ["" if one.by is None else where[one.by] for one in learners],
            "available": [learner.available for learner in learners],
            "df": [np.nan if one.wanted_df is None else float(one.wanted_df) for one in learners],
            "penalty": [np.nan if one.penalty is None else float(one.penalty) for one in learners],
            "knots": [learner.knots for learner in learners],
            "degree": [learner.degree for learner in learners],
            "differences": [learner.differences for learner in learners],
            "center": [learner.center for learner in learners],
            "intercept": [learner.intercept for learner in learners],
        }
    )


def _fit_lane(
    child: Worker,
    data: BoostData,
    names: dict[str, str],
    lane: Lane,
    mstop: int,
    nu: float,
    family: str,
    time_limit: float | None,
) -> LanePath:
    weights = np.asarray(lane.weights, np.float64)
    if weights.shape != (data.n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ModelError(f"Lane {lane.key} needs {data.n} finite weights >= 0; it has {weights.shape}.")
    if lane.y is not None:
        raise ModelError(
            f"Lane {lane.key} has an outcome of its own; engine 'mboost' fits that of the data alone."
        )
    if not lane.learners:
        # mboost fits nothing without a learner; the model is the offset, whose formula both engines share.
        from voicerisk.models.boosting.engine.lanes import fit_lanes

        (path,) = fit_lanes(data, [lane], mstop, nu, family=family)
        return path
    answer = child.call(
        "bridge_boost",
        data=Kept("boost_data"),
        learners=_learner_table(lane.learners, names, data.moderator),
        weights=weights,
        mstop=mstop,
        nu=nu,
        family=family,
        boundary=lane.boundary,
        offset=lane.offset,
        time_limit=time_limit,
    )
    for text in answer.warnings:
        warnings.warn(f"mboost, lane {lane.key}: {text}", RuntimeWarning, stacklevel=2)
    got = answer.value
    seen = weights > 0 if lane.boundary == "train" else np.ones(data.n, bool)
    fitted: list[FittedLearner] = []
    left_out: list[tuple[str, str]] = []
    place = np.full(len(lane.learners), -1)
    bases: list[Floats | None] = []
    callers = int(data.caller.max()) + 1
    sizes = iter(got["sizes"])
    for j, (learner, status) in enumerate(zip(lane.learners, got["status"], strict=True)):
        if status:
            left_out.append((learner.name, status))
            continue
        place[j] = len(fitted)
        size = int(next(sizes))
        basis: Floats | None = None
        if learner.center:
            differences = difference_matrix(learner.knots + learner.degree + 1, learner.differences)
            basis = np.asarray(np.linalg.solve(differences @ differences.T, differences).T, np.float64)
        elif learner.kind == "brandom":
            basis = np.zeros((callers, size))
            basis[[int(level[1:]) for level in got["callers"]], np.arange(size)] = 1.0
        bases.append(basis)
        size = size if basis is None else len(basis)
        fitted.append(FittedLearner(learner, _grid(data, learner, seen), float(got["lambda"][j]), size))
    selected = place[got["selected"].astype(int) - 1].astype(np.int32)
    steps = np.zeros((mstop, max(one.size for one in fitted)))
    raw = got["steps"]
    for m, j in enumerate(selected):
        basis = bases[j]
        step = raw[m] if basis is None else basis @ raw[m, : basis.shape[1]]
        steps[m, : fitted[j].size] = step[: fitted[j].size]
    return LanePath(
        key=lane.key,
        offset=float(got["offset"][0]),
        outside=lane.outside,
        learners=tuple(fitted),
        left_out=tuple(left_out),
        selected=selected,
        steps=steps,
        risk=got["risk"],
        n=data.n,
        data=data,
    )


def _grid(data: BoostData, learner: Learner, seen: np.ndarray) -> Grid | None:
    if learner.kind == "brandom" or learner.variable == "1" or is_level_learner(learner, data.moderator):
        return None
    column = data.columns[learner.variable][seen]
    intervals = learner.knots + 1 if learner.kind == "bbs" else 1
    return Grid(float(np.nanmin(column)), float(np.nanmax(column)), intervals)
