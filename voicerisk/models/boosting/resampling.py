"""Resampling by caller with many lanes: cvrisk, stability selection, and fits that survive a kill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boosting.effects import learner_table
from voicerisk.models.boosting.engine.lanes import fit_lanes
from voicerisk.models.boosting.path import LanePath
from voicerisk.models.boosting.scores import held_out_path
from voicerisk.models.boosting.spec import BoostData, Lane, LazyLanes, Learner
from voicerisk.types import Floats, Progress

Fit = Callable[..., Iterator[LanePath]]


@dataclass(frozen=True, eq=False, slots=True)
class CvRisk:
    """Held-out risk by fold and number of steps.

    Attributes
    ----------
    risk : DataFrame
        fold, step, risk (mean negative log-likelihood of the fold's rows, weighted by the model weights).
    mean : ndarray, shape (M + 1,)
        Mean over the folds, each counting the same (mboost's definition).
    mstop : int
        Number of steps with the smallest mean; 0 is possible.
    """

    risk: pd.DataFrame
    mean: Floats
    mstop: int


def cvrisk(
    data: BoostData,
    learners: Sequence[Learner],
    folds: ArrayLike,
    mstop: int = 100,
    nu: float = 0.1,
    weights: Floats | None = None,
    *,
    boundary: str = "all",
    outside: str = "extrapolate",
    family: str = "adaboost",
    threads: int = 1,
    progress: Progress | None = None,
) -> CvRisk:
    """Cross-validate the number of steps over folds of callers (mboost's `cvrisk`, grouped).

    Parameters
    ----------
    data : BoostData
    learners : sequence of Learner
    folds : array of int, shape (n,)
        Fold of each row; a caller lies in one fold. `data.caller` leaves one caller out at a time.
    mstop, nu, family, boundary, outside
        As in `fit_lanes` and `Lane`; the defaults are mboost's.
    weights : ndarray, shape (n,), optional
        Model weights; a fold's risk is weighted by them too.
    threads, progress
        As in `fit_lanes`.

    Returns
    -------
    CvRisk

    Raises
    ------
    ModelError
        If a caller lies in two folds or there is one fold only.

    Examples
    --------
    >>> import numpy as np
    >>> from voicerisk.models import BoostData, Lane, fit_lanes, learners_for
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=200)
    >>> data = BoostData({"x": x}, None, (x > 0).astype(np.int8), np.repeat(np.arange(20), 10))
    >>> found = cvrisk(data, learners_for(["x"], moderator=None), folds=data.caller % 5, mstop=20)
    >>> found.mstop
    20
    """
    fold = np.asarray(folds)
    if fold.shape != (data.n,):
        raise ModelError(f"folds has shape {fold.shape}; it must be ({data.n},) as the rows.")
    first = np.full(int(data.caller.max()) + 1, -1)
    names, fold = np.unique(fold, return_inverse=True)
    first[data.caller] = fold
    split = np.flatnonzero(first[data.caller] != fold)
    if len(split):
        raise ModelError(
            f"Caller code {data.caller[split[0]]} lies in two folds; folds must keep callers whole."
        )
    if len(names) < 2:
        raise ModelError("All rows lie in one fold; cross-validation needs at least two.")
    own = np.ones(data.n) if weights is None else np.asarray(weights, np.float64)

    def lane(number: int) -> Lane:
        training = own * (fold != number)
        return Lane(f"fold {names[number]}", training, tuple(learners), boundary, outside)

    rows_of = np.split(np.argsort(fold, kind="stable"), np.cumsum(np.bincount(fold))[:-1])
    risks = np.empty((len(names), mstop + 1))
    lanes = LazyLanes(lane, len(names))
    paths = fit_lanes(data, lanes, mstop, nu, threads, progress, family=family)
    for number, path in enumerate(paths):
        rows = rows_of[number]
        values, group = np.unique(own[rows], return_inverse=True)
        kept = [rows[group == g] for g in range(len(values)) if values[g] > 0]
        if not kept:
            raise ModelError(f"Fold {names[number]} has no row with a weight above 0.")
        _, deviance = held_out_path(path, kept)
        mass = np.array([own[part].sum() for part in kept])
        risks[number] = mass @ deviance / (2 * mass.sum())
    mean = risks.mean(axis=0)
    steps = np.arange(mstop + 1)
    table = pd.DataFrame(
        {"fold": np.repeat(names, mstop + 1), "step": np.tile(steps, len(names)), "risk": risks.ravel()}
    )
    return CvRisk(table, mean, int(np.argmin(mean)))


@dataclass(frozen=True, eq=False, slots=True)
class Stability:
    """Stability selection over caller halves.

    Attributes
    ----------
    table : DataFrame
        learner, marker, sex, frequency (share of the half-samples in which it was among the first q), stable.
    q : int
        Distinct learners taken from each half-sample.
    cutoff : float
    pfer : float
        Bound on the expected number of falsely selected learners.
    assumption : str
        'unimodal' (Shah and Samworth) or 'none' (Meinshausen and Buehlmann).
    n_short : int
        Half-samples in which fewer than q learners had entered after the last step.
    """

    table: pd.DataFrame
    q: int
    cutoff: float
    pfer: float
    assumption: str
    n_short: int


def stability_selection(
    data: BoostData,
    learners: Sequence[Learner],
    q: int,
    seed: int,
    cutoff: float = 0.75,
    pairs: int = 50,
    mstop: int = 200,
    nu: float = 0.1,
    *,
    assumption: str = "unimodal",
    threads: int = 1,
    progress: Progress | None = None,
) -> Stability:
    """Select base-learners that enter early on most halves of the callers.

    Complementary pairs: the callers are split into halves, `pairs` times, within strata of level and outcome
    pattern, and the model is boosted on each half until q distinct learners have entered.

    Parameters
    ----------
    data : BoostData
    learners : sequence of Learner
    q : int
        Distinct learners per half-sample, 1 .. number of learners.
    seed : int
    cutoff : float
        Share of half-samples that makes a learner stable, in (0.5, 1].
    pairs : int
        Number of complementary pairs (2 fits each).
    mstop, nu
        Steps at most, and step length.
    assumption : {'unimodal', 'none'}
        Of the bound on the number of false selections.
    threads, progress
        As in `fit_lanes`.

    References
    ----------
    Meinshausen, Buehlmann (2010), J. R. Stat. Soc. B 72:417; Shah, Samworth (2013), J. R. Stat. Soc. B 75:55,
    theorem 2; Hofner, Boccuto, Goeker (2015), BMC Bioinformatics 16:144.
    """
    p = len(learners)
    if not 1 <= q <= p:
        raise ModelError(f"q is {q}; it must be from 1 to the number of learners, {p}.")
    pfer = error_bound(p, q, cutoff, pairs, assumption)
    halves = caller_halves(data, pairs, seed)

    def lane(number: int) -> Lane:
        chosen = halves[number // 2][data.caller]
        weights = (chosen if number % 2 == 0 else ~chosen).astype(np.float64)
        return Lane(f"half {number}", weights, tuple(learners))

    counts = dict.fromkeys(range(p), 0)
    place = {learner: j for j, learner in enumerate(learners)}
    short = 0
    for path in fit_lanes(data, LazyLanes(lane, 2 * pairs), mstop, nu, threads, progress):
        entered = list(dict.fromkeys(path.selected[path.selected >= 0].tolist()))[:q]
        short += len(entered) < q
        for j in entered:
            counts[place[path.learners[j].learner]] += 1
    table = learner_table(learners, data.moderator)
    table["frequency"] = np.array([counts[j] for j in range(p)]) / (2 * pairs)
    table["stable"] = table["frequency"] >= cutoff
    return Stability(table, q, cutoff, pfer, assumption, short)


def caller_halves(data: BoostData, pairs: int, seed: int) -> NDArray[np.bool_]:
    """Return which callers form the first half of each pair, shape (pairs, callers).

    Split within strata of level and outcome pattern; odd callers go to either half by chance.
    """
    if data.y is None:
        raise ModelError("Halves of callers are drawn within outcomes; the rows have none.")
    codes = np.unique(data.caller)
    stratum = np.zeros(int(data.caller.max()) + 1, np.int64)
    np.bitwise_or.at(stratum, data.caller, 1 << data.y.astype(np.int64))
    if data.level is not None:
        np.bitwise_or.at(stratum, data.caller, 4 << data.level.astype(np.int64))
    halves = np.zeros((pairs, len(stratum)), bool)
    for pair in range(pairs):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(pair,)))
        turn = int(rng.integers(2))
        for value in np.unique(stratum[codes]):
            members = rng.permutation(codes[stratum[codes] == value])
            halves[pair, members[(np.arange(len(members)) + turn) % 2 == 0]] = True
            turn = (turn + len(members)) % 2
    return halves


def error_bound(p: int, q: int, cutoff: float, pairs: int, assumption: str) -> float:
    """Return the bound on the expected number of false selections (PFER) of complementary-pairs selection."""
    if not 0.5 < cutoff <= 1:
        raise ModelError(f"cutoff is {cutoff!r}; it must be above 0.5 and at most 1.")
    if pairs < 1:
        raise ModelError(f"pairs is {pairs!r}; it must be at least 1.")
    if assumption == "none":
        return q**2 / ((2 * cutoff - 1) * p)
    if assumption != "unimodal":
        raise ModelError(f"assumption is {assumption!r}; it must be unimodal or none.")
    theta, half = q / p, 1 / (2 * pairs)
    if cutoff <= min(0.5 + theta**2, 0.5 + half + 0.75 * theta**2):
        raise ModelError(
            f"cutoff {cutoff:g} is too low for the unimodal bound with q = {q} of {p} learners; "
            "raise the cutoff, lower q, or use assumption = 'none'."
        )
    if cutoff <= 0.75:
        return q**2 / p / (2 * (2 * cutoff - 1 - half))
    return 4 * (1 - cutoff + half) / (1 + 1 / pairs) * q**2 / p


def fit_lanes_in_folder(
    data: BoostData,
    lanes: Sequence[Lane],
    mstop: int,
    nu: float,
    folder: Path,
    progress: Progress | None = None,
    *,
    family: str = "adaboost",
    fit: Fit = fit_lanes,
) -> Iterator[LanePath]:
    """As `fit_lanes`, keeping every finished lane in `folder`, so that a killed run goes on from there.

    A file's name carries a hash of all that the lane depends on (rows, weights, learners, settings): a
    changed input is fitted anew, an unchanged one is read. A file that cannot be read is fitted anew too.
    Results are the same to the last bit whether a run was interrupted or not.

    Parameters
    ----------
    data, lanes, mstop, nu, progress, family
        As in `fit_lanes`.
    folder : Path
        Made when missing; holds one npz a lane (mode 0600).
    fit : callable
        What fits the missing lanes: `fit_lanes`, or a function with its parameters. `functools.partial`
        sets its number of threads.

    Yields
    ------
    LanePath
        In the order of `lanes`.
    """
    rows = _data_digest(data)
    files = [folder / f"{_lane_digest(rows, lane, mstop, nu, family)}.npz" for lane in lanes]
    missing = [number for number, file in enumerate(files) if not _readable(file)]
    todo = LazyLanes(lambda number: lanes[missing[number]], len(missing))
    fitted = fit(data, todo, mstop, nu, family=family)
    waiting = set(missing)
    for number, file in enumerate(files):
        if number in waiting:
            path = next(fitted)
            path.to_npz(file)
        else:
            path = LanePath.from_npz(file, data.of_lane(lanes[number]))
        if progress is not None:
            progress(number + 1, len(files))
        yield path


def _readable(file: Path) -> bool:
    if not file.exists():
        return False
    try:
        LanePath.from_npz(file)
    except ModelError:
        return False
    return True


def _data_digest(data: BoostData) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(data.columns):
        digest.update(name.encode() + b"\0" + data.columns[name].tobytes())
    for part in (data.level, data.y, data.caller):
        digest.update(b"-" if part is None else part.tobytes())
    if data.moderator is not None:
        digest.update("\0".join((data.moderator.name, *data.moderator.levels)).encode())
    return digest.digest()


def _lane_digest(rows: bytes, lane: Lane, mstop: int, nu: float, family: str) -> str:
    settings = {
        "key": lane.key,
        "learners": [asdict(learner) for learner in lane.learners],
        "boundary": lane.boundary,
        "outside": lane.outside,
        "offset": lane.offset,
        "mstop": int(mstop),
        "nu": float(nu),
        "family": family,
        "engine": 1,  # raised when the engine's numbers change
    }
    digest = hashlib.sha256(rows + json.dumps(settings, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(lane.weights, np.float64).tobytes())
    if lane.y is not None:
        digest.update(b"y" + np.ascontiguousarray(lane.y, np.int8).tobytes())
    return digest.hexdigest()[:40]
