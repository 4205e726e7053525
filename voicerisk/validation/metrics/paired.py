"""Two models on the same calls: the difference of each metric, with an interval of the pair."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws, percentile_interval
from voicerisk.callers.schema import check_predictions, classes_of
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.call_draws import BINARY, call_metrics
from voicerisk.validation.metrics.discrimination import obuchowski_paired
from voicerisk.validation.metrics.units import UnitRows, rows_of
from voicerisk.validation.metrics.widening import CROSS_VALIDATED, RANGES, widened, widening
from voicerisk.validation.settings import METRIC_BOOTSTRAPS

PAIRED = "paired_caller_bootstrap_given_scores"
WIDENED_PAIRED = "paired_caller_bootstrap_widened_given_scores"
CLUSTERED = "obuchowski_paired"
PAIRED_COLUMNS = (
    "protocol", "model", "other_protocol", "other_model", "target", "design", "metric", "threshold",
    "estimate", "other", "difference", "lower", "upper", "level", "method", "n", "n_events", "n_callers",
)  # fmt: skip


def paired_differences(
    predictions: pd.DataFrame,
    reference: tuple[str, str] | None = None,
    *,
    n_boot: int = METRIC_BOOTSTRAPS,
    level: float = 0.95,
    seed: int = 1,
    bootstrap_strata: Sequence[str] = (),
) -> pd.DataFrame:
    """Compare one model with every other on the same calls.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table, binary; call rows are used. Two models are compared in each design that both
        have.
    reference : tuple of str, optional
        Protocol and model that the others are compared with; default: the first model of nested.
    n_boot : int
        Bootstraps of callers. Both models of a pair are measured under the same draws.
    level : float
    seed : int
        The study's.
    bootstrap_strata : sequence of str
        As in `compute_metrics`.

    Returns
    -------
    DataFrame
        A row a pair, metric and method: protocol, model (the reference), other_protocol, other_model,
        target, design, metric, threshold (of net benefit), estimate, other, difference (estimate - other),
        lower, upper, level, method, n, n_events, n_callers. The percentile interval of the caller bootstrap
        comes first; the AUROC also has DeLong's interval of a pair, for callers with several calls
        Obuchowski's (`obuchowski_paired`). Both take the scores as given; of cross-validated scores the first
        also comes widened (`widening`). Empty where there is nothing to compare.

    Raises
    ------
    ValidationError
        For a table of several classes, an unknown reference, or models that judged different calls.

    Notes
    -----
    Scores of a repeat are averaged as in `compute_metrics`: a metric is the mean over repeats.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> ids = [f"c{i}" for i in range(8)]
    >>> one = pd.DataFrame({"protocol": "nested", "model": "m", "target": "outcome", "design": "loco",
    ...     "repeat": 0, "fold": range(8), "unit": "call", "call_id": ids, "caller_id": ids, "segment": None,
    ...     "frame": None, "time_s": None, "y": [0, 1] * 4, "p_raw": np.linspace(0.2, 0.9, 8),
    ...     "p": np.linspace(0.2, 0.9, 8), "threshold": 0.5, "weight": 1.0})
    >>> other = one.assign(protocol="published", p_raw=0.5)
    >>> both = pd.concat([one, other], ignore_index=True)
    >>> found = paired_differences(both, n_boot=200).query("metric == 'auroc'").iloc[0]
    >>> float(found["estimate"]), float(found["other"]), float(found["difference"])
    (0.625, 0.5, 0.125)
    """
    check_predictions(predictions)
    if classes_of(predictions):
        raise ValidationError(
            "paired_differences takes binary predictions; give it one class against the rest."
        )
    calls = predictions[predictions["unit"] == "call"]
    first = _reference(calls, reference)
    rows: list[dict[str, Any]] = []
    if first is not None:
        for (target, design), part in calls.groupby(["target", "design"], sort=True):
            runs = dict(iter(part.groupby(["protocol", "model"], sort=False)))
            for other in [run for run in runs if run != first and first in runs]:
                names = dict(zip(PAIRED_COLUMNS, (*first, *other, target, design), strict=False))
                pair = runs[first], runs[other]
                rng = generator(Stream.METRICS, seed)
                rows += [names | row for row in _compared(pair, names, n_boot, level, rng, bootstrap_strata)]
    return pd.DataFrame(rows, columns=list(PAIRED_COLUMNS))


def _reference(calls: pd.DataFrame, asked: tuple[str, str] | None) -> tuple[str, str] | None:
    runs = list(dict.fromkeys(zip(calls["protocol"], calls["model"], strict=True)))
    if asked is None:
        return next((run for run in runs if run[0] == "nested"), None)
    if asked not in runs:
        known = ", ".join("/".join(run) for run in runs)
        raise ValidationError(f"No call is scored by {'/'.join(asked)}; the predictions table has {known}.")
    return asked


def _compared(
    pair: tuple[pd.DataFrame, pd.DataFrame],
    names: dict[str, Any],
    n_boot: int,
    level: float,
    rng: np.random.Generator,
    strata: Sequence[str],
) -> list[dict[str, Any]]:
    mine, theirs = (table.sort_values(["repeat", "caller_id", "call_id"]) for table in pair)
    first = mine.drop_duplicates("call_id")
    _require_same_calls(first, theirs.drop_duplicates("call_id"), names)
    draws = caller_draws(first, n_boot, rng, strata)
    callers = pd.Index(draws.callers)
    repeats = [
        [rows_of(part, callers, (), []) for _, part in table.groupby("repeat")] for table in (mine, theirs)
    ]
    own, others = (call_metrics(one, draws.counts) for one in repeats)
    n_callers = first["caller_id"].nunique()
    sizes = {"n": len(first), "n_events": int(first["y"].sum()), "n_callers": n_callers}
    cross_validated = names["design"] in CROSS_VALIDATED
    folds = mine.loc[mine["repeat"] == mine["repeat"].min(), "fold"].nunique()
    out = []
    for (metric, cut), values in own.items():
        if (metric, cut) not in others:
            continue
        gap = values - others[metric, cut]
        low, high = percentile_interval(gap, draws, level)
        row = {
            "metric": metric, "threshold": cut, "estimate": values[0], "other": others[metric, cut][0],
            "difference": gap[0], "level": level, **sizes,
        }  # fmt: skip
        out.append(row | {"lower": low, "upper": high, "method": PAIRED})
        if cross_validated and folds > 1 and np.isfinite(low):
            # On the scale of the metric: a difference of two rates has no log-odds.
            low, high = widened("difference", gap[0], low, high, widening(folds))
            least, most = RANGES.get(metric, (-np.inf, np.inf))
            low, high = max(low, least - most), min(high, most - least)
            out.append(row | {"lower": low, "upper": high, "method": WIDENED_PAIRED})
        if metric == "auroc":
            out += [row | ends for ends in _clustered(repeats[0], repeats[1], level)]
    return out


def _clustered(mine: list[UnitRows], theirs: list[UnitRows], level: float) -> list[dict[str, Any]]:
    """Return DeLong's interval of a pair over callers; none with weights or one caller in a class."""
    y, groups = mine[0].y, mine[0].groups
    few = min(len(np.unique(groups[y == v])) for v in (0, 1)) < 2
    # Repeats that held out different calls have no common components.
    parted = any(not np.array_equal(one.groups, groups) for one in (*mine, *theirs))
    if few or parted or any((one.weight != 1).any() for one in (*mine, *theirs)):
        return []
    first, second = ([one.score[BINARY] for one in part] for part in (mine, theirs))
    _, low, high = obuchowski_paired(y, first, second, groups, level)
    return [{"lower": low, "upper": high, "method": CLUSTERED}] if np.isfinite(low) else []


def _require_same_calls(mine: pd.DataFrame, theirs: pd.DataFrame, names: dict[str, Any]) -> None:
    keys = ["call_id", "caller_id", "y"]
    if not mine[keys].reset_index(drop=True).equals(theirs[keys].reset_index(drop=True)):
        raise ValidationError(
            f"{names['protocol']}/{names['model']} and {names['other_protocol']}/{names['other_model']} "
            f"judged different calls ({len(mine)} and {len(theirs)}) in design {names['design']}; compare "
            "models on the same calls."
        )
