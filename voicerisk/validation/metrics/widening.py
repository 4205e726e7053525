"""Wider intervals for cross-validated metrics: what learning anew would add, without learning anew."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from voicerisk.types import Floats

# Ranges of metrics, on whose log-odds an interval is widened.
OF_RISK = (0.0, 1.0)
RANGES: Mapping[str, tuple[float, float]] = {
    "auroc": OF_RISK, "average_precision": OF_RISK, "pr_integral": OF_RISK, "accuracy": OF_RISK,
    "sensitivity": OF_RISK, "specificity": OF_RISK, "ppv": OF_RISK, "npv": OF_RISK, "brier": OF_RISK,
    "youden_j": (-1.0, 1.0), "ordinal_c": OF_RISK, "within_callers_c": OF_RISK,
    "rps": OF_RISK, "kappa_linear": (-1.0, 1.0),
    "kappa_quadratic": (-1.0, 1.0), "r2": (-np.inf, 1.0), "rmse": (0.0, np.inf),
}  # fmt: skip
CROSS_VALIDATED = ("grouped_kfold", "loco")


def widening(folds: int) -> float:
    """Return how much longer an interval given cross-validated scores must be: sqrt(1 + k / (k - 1)).

    A bootstrap of the scores of k folds takes the models as given. Test and training callers change roles,
    so that scores of different folds go together. Nadeau and Bengio (2003, *Machine Learning* 52:239-281)
    replace the variance s2 / k of the mean over k folds by (1 / k + test / training) s2; with k folds
    test / training is 1 / (k - 1), which is this factor. It is an approximation; docs/coverage.md has its
    coverage measured.

    Parameters
    ----------
    folds : int
        k, at least 2.

    Examples
    --------
    >>> round(widening(10), 3)
    1.453
    """
    return float(np.sqrt(1.0 + folds / (folds - 1.0)))


def widened(metric: str, estimate: float, lower: float, upper: float, factor: float) -> tuple[float, float]:
    """Return an interval whose arms are `factor` times as long, on the log-odds of a metric with a range.

    Parameters
    ----------
    metric : str
    estimate, lower, upper : float
    factor : float

    Returns
    -------
    lower, upper : float
        NaN where an end is missing. Where the estimate or an end is the end of the range, its log-odds are
        not finite: the arms are then lengthened as they are, and held within the range.

    Examples
    --------
    >>> [round(end, 3) for end in widened("auroc", 0.8, 0.7, 0.9, 1.5)]
    [0.641, 0.931]
    >>> [round(end, 3) for end in widened("calibration_slope", 1.0, 0.6, 1.4, 1.5)]
    [0.4, 1.6]
    """
    values = np.array([estimate, lower, upper])
    low, high = RANGES.get(metric.removesuffix("_auto"), (-np.inf, np.inf))
    if np.isfinite([low, high]).all() and ((values > low) & (values < high)).all():
        share = (values - low) / (high - low)
        ends = _lengthened(np.log(share) - np.log1p(-share), factor)
        ends = low + (high - low) / (1.0 + np.exp(-ends))
    else:
        ends = np.clip(_lengthened(values, factor), low, high)
    return float(ends[0]), float(ends[1])


def widened_rows(
    rows: Iterable[Mapping[str, Any]], of_method: str, named: str, factor: float
) -> list[dict[str, Any]]:
    """Return rows of a table of metrics again, with the wider intervals.

    Parameters
    ----------
    rows : iterable of mapping
        metric, estimate, lower, upper, method and further columns; rows without an interval give none.
    of_method, named : str
        The method whose intervals are widened, and the name of the wider ones.
    factor : float
    """
    out = []
    for row in rows:
        if row["method"] == of_method and np.isfinite(row["lower"]) and np.isfinite(row["upper"]):
            ends = widened(str(row["metric"]), row["estimate"], row["lower"], row["upper"], factor)
            out.append({**row, "lower": ends[0], "upper": ends[1], "method": named})
    return out


def _lengthened(values: Floats, factor: float) -> Floats:
    return np.asarray(values[0] + factor * (values[1:] - values[0]))
