"""What a score of ordered grades, or of a number, is worth: concordance, losses, agreement, calibration.

Every measure takes weights, so that a bootstrap of whole callers is one weight a row.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from voicerisk.callers.draws import MOST_UNDEFINED
from voicerisk.callers.schema import require_both_classes
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.calibration import calibration_line
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.metrics.rater_agreement import kappa_of_table
from voicerisk.validation.metrics.widening import widened

Measures = Mapping[str, Callable[[np.ndarray], float]]
NOT_LEARNED = ("rps_of_shares",)  # nothing is learned, so that learning anew adds nothing
RANGE_OF = {"without the middle": "auroc", "everyone": "auroc"}
DISTANCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"linear": np.abs, "quadratic": np.square}


def ordinal_c(grade: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the share of pairs of unlike grades whose scores stand in the order of the grades.

    Equal scores count one half. With two grades it is the AUROC.

    Parameters
    ----------
    grade : ndarray of int, shape (n,)
        0 .. K - 1.
    score : ndarray, shape (n,)
    weights : ndarray, shape (n,), optional

    Returns
    -------
    float
        NaN where only one grade has weight.

    References
    ----------
    Harrell (2015), Regression Modeling Strategies, chapter 13 (c index of an ordinal outcome).

    Examples
    --------
    >>> ordinal_c(np.array([0, 1, 2]), np.array([0.1, 0.3, 0.2]))
    0.6666666666666666
    """
    grade, w = _checked(grade, weights)
    levels, place = np.unique(score, return_inverse=True)
    mass = np.zeros((int(grade.max()) + 1, len(levels)))
    np.add.at(mass, (grade, place), w)
    below = np.cumsum(mass, axis=1) - 0.5 * mass  # of each grade: lower scores, and half of equal ones
    lower_grades = np.cumsum(below, axis=0) - below
    totals = mass.sum(axis=1)
    pairs = float((totals * (np.cumsum(totals) - totals)).sum())
    return float((mass * lower_grades).sum() / pairs) if pairs > 0 else np.nan


def within_callers_c(
    outcome: np.ndarray, score: np.ndarray, caller: np.ndarray
) -> Callable[[np.ndarray], float] | None:
    """Return what measures whether a caller's own calls stand in the right order; None where none differ.

    Parameters
    ----------
    outcome : ndarray, shape (n,)
        Grades or numbers, one row a call.
    score, caller : ndarray, shape (n,)

    Returns
    -------
    callable or None
        Of the weights of the rows (alike within a caller): the share of pairs of calls of one caller with
        unlike outcomes whose scores stand in the order of the outcomes; equal scores count one half. What
        differs between callers has no part in it.

    Examples
    --------
    >>> score = np.array([0.1, 0.9, 5.0, 6.0])
    >>> found = within_callers_c(np.array([0, 2, 1, 1]), score, np.array(list("aabb")))
    >>> found(np.ones(4))
    1.0
    """
    first, right, pairs = [], [], []
    for one in np.unique(caller):
        rows = np.flatnonzero(caller == one)
        ahead = np.sign(outcome[rows][:, None] - outcome[rows]) > 0
        gap = np.sign(score[rows][:, None] - score[rows])
        first.append(rows[0])
        pairs.append(float(ahead.sum()))
        right.append(float((0.5 * (1.0 + gap))[ahead].sum()))
    if not any(pairs):
        return None
    kept, won, all_pairs = np.array(first), np.array(right), np.array(pairs)

    def measure(w: np.ndarray) -> float:
        total = float(w[kept] @ all_pairs)
        return float(w[kept] @ won) / total if total > 0 else np.nan

    return measure


def ranked_probability_score(
    grade: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the mean over rows and thresholds of (P(y <= k) - [y <= k])^2; 0 is perfect.

    Parameters
    ----------
    grade : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, K)
        Of each grade; rows sum to 1.
    weights : ndarray, shape (n,), optional

    References
    ----------
    Epstein (1969), Journal of Applied Meteorology 8:985. With two grades it is the Brier score.
    """
    grade, w = _checked(grade, weights)
    return float(np.average(_ranked_losses(grade, np.asarray(probabilities, np.float64)), weights=w))


def _ranked_losses(grade: np.ndarray, p: np.ndarray) -> np.ndarray:
    if p.ndim != 2 or len(p) != len(grade) or p.shape[1] <= grade.max():
        raise ValidationError(
            f"Probabilities of shape {p.shape} do not fit {len(grade)} grades up to {grade.max()}."
        )
    if not np.allclose(p.sum(axis=1), 1.0, atol=1e-6) or (p < -1e-12).any():
        row = int(np.flatnonzero(~np.isclose(p.sum(axis=1), 1.0, atol=1e-6) | (p < -1e-12).any(axis=1))[0])
        raise ValidationError(f"The probabilities of row {row} are no distribution: {p[row].tolist()}.")
    seen = grade[:, None] <= np.arange(p.shape[1] - 1)
    return np.asarray(((np.cumsum(p, axis=1)[:, :-1] - seen) ** 2).mean(axis=1))


def weighted_kappa(
    grade: np.ndarray, predicted: np.ndarray, distance: str = "quadratic", weights: np.ndarray | None = None
) -> float:
    """Return Cohen's weighted kappa of grades and predicted grades.

    Parameters
    ----------
    grade, predicted : ndarray of int, shape (n,)
    distance : {'linear', 'quadratic'}
        Of grades as numbers: a grade that nobody has still lies between its neighbours.
    weights : ndarray, shape (n,), optional

    Returns
    -------
    float
        NaN where both are one grade only.
    """
    if distance not in DISTANCES:
        raise ValidationError(f"The distance of kappa is one of {', '.join(DISTANCES)}, not {distance!r}.")
    grade, w = _checked(grade, weights)
    predicted, _ = _checked(predicted, weights)
    k = int(max(grade.max(), predicted.max())) + 1
    table = np.zeros((k, k))
    np.add.at(table, (grade, predicted), w / w.sum())
    apart = DISTANCES[distance](np.subtract.outer(np.arange(k), np.arange(k)).astype(np.float64))
    return kappa_of_table(table, apart)


def grade_calibration(grade: np.ndarray, at_least: np.ndarray) -> pd.DataFrame:
    """Return calibration of each P(y >= k), k = 1 .. K - 1.

    Parameters
    ----------
    grade : ndarray of int, shape (n,)
    at_least : ndarray, shape (n, K - 1)

    Returns
    -------
    DataFrame
        grade (k), n, n_events (rows of grade k or more), observed (their share), expected (mean P),
        in_the_large, intercept, slope (as `calibration_line`; NaN where all rows or none reach the grade).
    """
    grade, _ = _checked(grade, None)
    rows = []
    for number, p in enumerate(np.asarray(at_least, np.float64).T, start=1):
        y = (grade >= number).astype(np.int64)
        line = (np.nan, np.nan, np.nan)
        if 0 < y.sum() < len(y):
            found = calibration_line(y, p)
            line = (found.in_the_large, found.intercept, found.slope)
        rows.append((number, len(y), int(y.sum()), y.mean(), p.mean(), *line))
    names = ["grade", "n", "n_events", "observed", "expected", "in_the_large", "intercept", "slope"]
    return pd.DataFrame(rows, columns=names)


def spectrum_effect(grade: np.ndarray, score: np.ndarray, low: int, high: int) -> pd.DataFrame:
    """Return the AUROC of one score without the middle grades and with everyone.

    A study that leaves the middle out looks better than practice, where the middle calls too.

    Parameters
    ----------
    grade : ndarray of int, shape (n,)
    score : ndarray, shape (n,)
    low, high : int
        Grades up to `low` against grades from `high` on, low < high; what lies between is the middle.

    Returns
    -------
    DataFrame
        calls ('without the middle', 'everyone'), auroc (grades from `high` on against the others), n,
        n_events, n_middle.
    """
    if not low < high:
        raise ValidationError(f"low is {low} and high is {high}; low must be below high.")
    grade, _ = _checked(grade, None)
    event = grade >= high
    middle = (grade > low) & ~event
    rows = []
    for name, used in (("without the middle", ~middle), ("everyone", np.ones(len(grade), bool))):
        y = event[used].astype(np.int64)
        require_both_classes(y, f"The calls {name}")
        rows.append((name, auroc(y, np.asarray(score)[used]), len(y), int(y.sum()), int(middle[used].sum())))
    return pd.DataFrame(rows, columns=["calls", "auroc", "n", "n_events", "n_middle"])


def grade_metrics(
    grade: np.ndarray,
    score: np.ndarray,
    probabilities: np.ndarray,
    caller: np.ndarray,
    *,
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Measure a score of ordered grades, with percentile intervals over bootstrapped callers.

    Parameters
    ----------
    grade : ndarray of int, shape (n,)
        One row a call.
    score : ndarray, shape (n,)
    probabilities : ndarray, shape (n, K)
    caller : ndarray, shape (n,)
    n_boot, level, seed
        Bootstraps, level of the intervals, and seed.

    Returns
    -------
    DataFrame
        metric (ordinal_c, rps, rps_of_shares: of the grades' shares as everyone's probabilities, kappa_linear
        and kappa_quadratic of the most likely grade), estimate, lower, upper, n, n_callers. Scores are taken
        as given.
    """
    return measured([grade_measures(grade, score, probabilities)], caller, n_boot, level, seed)


def grade_measures(
    grade: np.ndarray, score: np.ndarray, probabilities: np.ndarray, values: np.ndarray | None = None
) -> Measures:
    """Return the measures of `grade_metrics`, each a function of the weights of the rows.

    Parameters
    ----------
    grade, score, probabilities
        As in `grade_metrics`.
    values : ndarray of int, shape (K,), optional
        What the grades 0 .. K - 1 are called, where some have nobody (0, 1, 5); kappa's distances are theirs.
    """
    grade, _ = _checked(grade, None)
    p = np.asarray(probabilities, np.float64)
    named = np.arange(p.shape[1]) if values is None else np.asarray(values)
    shares = np.bincount(grade, minlength=p.shape[1]) / len(grade)
    own, likely = named[grade], named[p.argmax(axis=1)]
    losses = _ranked_losses(grade, p)
    losses_of_shares = _ranked_losses(grade, np.tile(shares, (len(grade), 1)))
    return {
        "ordinal_c": lambda w: ordinal_c(grade, score, w),
        "rps": lambda w: float(np.average(losses, weights=w)),
        "rps_of_shares": lambda w: float(np.average(losses_of_shares, weights=w)),
        "kappa_linear": lambda w: weighted_kappa(own, likely, "linear", w),
        "kappa_quadratic": lambda w: weighted_kappa(own, likely, "quadratic", w),
    }


def number_metrics(
    outcome: np.ndarray,
    predicted: np.ndarray,
    caller: np.ndarray,
    *,
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 1,
) -> pd.DataFrame:
    """Measure predictions of a number, with percentile intervals over bootstrapped callers.

    Parameters
    ----------
    outcome, predicted : ndarray, shape (n,)
        One row a call, in the outcome's unit.
    caller, n_boot, level, seed
        As in `grade_metrics`.

    Returns
    -------
    DataFrame
        metric (r2: 1 - squared error / that of the mean, below 0 for predictions worse than the mean; rmse;
        calibration_intercept and calibration_slope of outcome on prediction), estimate, lower, upper, n,
        n_callers.
    """
    return measured([number_measures(outcome, predicted)], caller, n_boot, level, seed)


def number_measures(outcome: np.ndarray, predicted: np.ndarray) -> Measures:
    """Return the measures of `number_metrics`, each a function of the weights of the rows."""
    y, f = np.asarray(outcome, np.float64), np.asarray(predicted, np.float64)
    if y.shape != f.shape or not (np.isfinite(y).all() and np.isfinite(f).all()):
        raise ValidationError(f"Outcome {y.shape} and prediction {f.shape} must be finite and of one length.")

    def line(w: np.ndarray) -> tuple[float, float]:
        about = f - np.average(f, weights=w)
        spread = float((w * about**2).sum())
        # what is left by rounding is no spread
        slope = float((w * about * y).sum()) / spread if spread > 1e-18 * float((w * f**2).sum()) else np.nan
        return float(np.average(y, weights=w) - slope * np.average(f, weights=w)), slope

    def r2(w: np.ndarray) -> float:
        total = float((w * (y - np.average(y, weights=w)) ** 2).sum())
        return 1.0 - float((w * (y - f) ** 2).sum()) / total if total > 0 else np.nan

    return {
        "r2": r2,
        "rmse": lambda w: float(np.sqrt(np.average((y - f) ** 2, weights=w))),
        "calibration_intercept": lambda w: line(w)[0],
        "calibration_slope": lambda w: line(w)[1],
    }


def measured(
    repeats: Sequence[Measures],
    caller: np.ndarray,
    n_boot: int,
    level: float = 0.95,
    seed: int = 1,
    factor: float = 1.0,
) -> pd.DataFrame:
    """Take the mean of each measure over repeats, with intervals over bootstrapped callers.

    Parameters
    ----------
    repeats : sequence of mapping of str to callable
        The same measures of the same calls, in the same order of rows, in each repeat of the folds.
    caller : ndarray, shape (n,)
    n_boot, level, seed
        As in `grade_metrics`.
    factor : float
        How much longer than percentile intervals they are (`widening`, of cross-validated scores).

    Returns
    -------
    DataFrame
        metric, estimate, lower, upper, n, n_callers.
    """
    names, group = np.unique(np.asarray(caller).astype(str), return_inverse=True)
    rng = generator(Stream.GRADES, seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), n_boot)[:, group]
    ends = [(1 - level) / 2, (1 + level) / 2]
    rows = []
    for metric in repeats[0]:
        found = np.array(
            [[one[metric](w) for one in repeats] for w in (np.ones(len(group)), *draws.astype(np.float64))]
        ).mean(axis=1)
        values = found[1:][np.isfinite(found[1:])]
        # As of two classes: what too many resamples leave undefined has no interval.
        known = len(values) >= (1.0 - MOST_UNDEFINED) * n_boot and len(values) > 0
        low, high = np.quantile(values, ends) if known else (np.nan, np.nan)
        if known and metric not in NOT_LEARNED:
            low, high = widened(RANGE_OF.get(metric, metric), float(found[0]), low, high, factor)
        rows.append((metric, float(found[0]), low, high, len(group), len(names)))
    return pd.DataFrame(rows, columns=["metric", "estimate", "lower", "upper", "n", "n_callers"])


def _checked(grade: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    found = np.asarray(grade)
    if found.ndim != 1 or not len(found) or (found != np.floor(found)).any() or found.min() < 0:
        raise ValidationError("Grades must be whole numbers from 0 on, one a row.")
    w = np.ones(len(found)) if weights is None else np.asarray(weights, np.float64)
    return found.astype(np.int64), w
