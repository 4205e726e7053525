"""Subgroups side by side: how large the gaps are, and whether there were callers enough to see one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws, percentile_interval
from voicerisk.callers.schema import RUN, check_predictions, classes_of
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.calibration import calibration_draws
from voicerisk.validation.metrics.decisions import decision_metrics
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.settings import METRIC_BOOTSTRAPS

FEW_CALLERS = 10


def fairness_gaps(
    predictions: pd.DataFrame,
    column: str,
    n_boot: int = METRIC_BOOTSTRAPS,
    level: float = 0.95,
    seed: int = 1,
    bootstrap_strata: Sequence[str] = (),
) -> pd.DataFrame:
    """Compare every subgroup with the callers outside it, with intervals of the difference.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, binary. Call rows of the first repeat of each design are used.
    column : str
        A strata column, for example sex or service.
    n_boot : int
    level : float
    seed : int
    bootstrap_strata : sequence of str

    Returns
    -------
    DataFrame
        protocol, model, target, design, subgroup, metric (auroc, sensitivity, specificity, ppv,
        flagged_share, mean_p_minus_prevalence, calibration_in_the_large), estimate, rest, difference, lower,
        upper, level, n, n_events, n_callers, note. A subgroup with fewer than 10 callers in a
        class is noted: its gap is hardly known. One
        with a single class has no AUROC and says so.

    Raises
    ------
    ValidationError
        Where the table or the column cannot be used.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> gaps = fairness_gaps(load_example("predictions"), "sex", n_boot=100)
    >>> sorted(gaps["subgroup"].unique())
    ['sex=female', 'sex=male']
    """
    check_predictions(predictions)
    if classes_of(predictions):
        raise ValidationError("fairness_gaps takes binary predictions; give it one class against the rest.")
    if column not in predictions.columns:
        raise ValidationError(f"The predictions table has no column {column!r} to compare subgroups by.")
    calls = predictions[predictions["unit"] == "call"]
    out = []
    for names, table in calls.groupby(list(RUN), sort=True):
        rows = table[table["repeat"] == table["repeat"].min()].sort_values(["caller_id", "call_id"])
        draws = caller_draws(rows, n_boot, generator(Stream.SUBGROUP_GAPS, seed), bootstrap_strata)
        groups = pd.Index(draws.callers).get_indexer(pd.Index(rows["caller_id"]))
        value = rows[column].astype(str).to_numpy()
        for subgroup in sorted(set(value)):
            inside = value == subgroup
            here = _measures(rows[inside], groups[inside], draws.counts)
            rest = _measures(rows[~inside], groups[~inside], draws.counts) if (~inside).any() else {}
            part = rows[inside]
            of_class = [part["caller_id"][part["y"] == v].nunique() for v in (0, 1)]
            for metric, values in here.items():
                other = rest.get(metric, np.full_like(values, np.nan))
                low, high = percentile_interval(values - other, draws, level)
                out.append(
                    {
                        **dict(zip(RUN, names, strict=True)), "subgroup": f"{column}={subgroup}",
                        "metric": metric, "estimate": values[0], "rest": other[0],
                        "difference": values[0] - other[0], "lower": low, "upper": high, "level": level,
                        "n": len(part), "n_events": int(part["y"].sum()),
                        "n_callers": part["caller_id"].nunique(), "note": _note(of_class),
                    }
                )  # fmt: skip
    return pd.DataFrame(out)


def _measures(rows: pd.DataFrame, groups: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    y = rows["y"].to_numpy()
    score = rows["p_raw"].to_numpy(dtype=np.float64)
    p = rows["p"].to_numpy(dtype=np.float64, na_value=np.nan)
    cut = rows["threshold"].to_numpy(dtype=np.float64, na_value=np.nan)
    weights = rows["weight"].to_numpy(dtype=np.float64)
    found = {"auroc": rank_statistics(score, y, groups, counts, weights).auroc}
    decided = ~np.isnan(cut)
    if decided.any():
        flagged = score[decided] >= cut[decided]
        decisions = decision_metrics(y[decided] == 1, flagged, groups[decided], weights[decided], counts)
        found.update({name: decisions[name] for name in ("sensitivity", "specificity", "ppv")})
        found["flagged_share"] = _mean(flagged, groups[decided], weights[decided], counts)
    if np.isfinite(p).all():
        found["mean_p_minus_prevalence"] = _mean(p - y, groups, weights, counts)
        w = counts[:, groups] * weights
        large = calibration_draws(y.astype(np.float64), p, w)["calibration_in_the_large"]
        found["calibration_in_the_large"] = large
    return found


def _mean(values: np.ndarray, groups: np.ndarray, weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    n_callers = counts.shape[1]
    total = counts @ np.bincount(groups, weights * values, n_callers)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(total / (counts @ np.bincount(groups, weights, n_callers)))


def _note(of_class: Sequence[int]) -> str:
    if min(of_class) == 0:
        return "one class only: discrimination cannot be measured here"
    if min(of_class) < FEW_CALLERS:
        return f"only {min(of_class)} callers in the smaller class"
    return ""
