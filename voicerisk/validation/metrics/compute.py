"""metrics.csv: every metric of every unit with its intervals, from one predictions table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from voicerisk.callers.draws import (
    CallerDraws,
    bca_interval,
    caller_draws,
    percentile_interval,
    undefined_share,
)
from voicerisk.callers.schema import (
    RUN,
    check_predictions,
    classes_of,
    require_both_classes,
)
from voicerisk.callers.streams import Stream, generator
from voicerisk.types import Progress
from voicerisk.validation.metrics.classes.decisions import MACRO, class_decisions, class_losses
from voicerisk.validation.metrics.decisions import callers_behind, confusion, decision_metrics
from voicerisk.validation.metrics.discrimination import AurocInterval, delong, obuchowski
from voicerisk.validation.metrics.proportions import (
    npv_at_prevalence,
    ppv_at_prevalence,
    proportion_interval,
    wilson,
)
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.metrics.risk import net_benefits, risk_metrics, smooth_metrics
from voicerisk.validation.metrics.subsets import ALL, Cell, cells_of
from voicerisk.validation.metrics.units import METRIC_UNITS, UnitRows
from voicerisk.validation.metrics.widening import CROSS_VALIDATED, widened_rows, widening
from voicerisk.validation.metrics.youden import automatic_direction, bootstrap_youden
from voicerisk.validation.settings import METRIC_BOOTSTRAPS, ValidationSettings

ONE_CLASS = "one class only"  # how the note on a subgroup without discrimination is known
METRIC_COLUMNS = (
    "protocol", "model", "target", "design", "unit", "class", "subgroup", "metric", "threshold", "estimate",
    "lower", "upper", "level", "method", "n", "n_events", "n_callers",
)  # fmt: skip
PERCENTILE = "caller_bootstrap_percentile_given_scores"
BCA = "caller_bootstrap_bca_given_scores"
WIDENED = "caller_bootstrap_widened_given_scores"
NAIVE = "delong_frames_as_independent"
WILSON = "wilson_callers"
# The folds' shares of the outcome add up to the study's, so that on the study's own callers they say nothing.
ELSEWHERE = ("calibration_in_the_large", "observed_expected")
Name = TypeVar("Name")


def compute_metrics(
    predictions: pd.DataFrame,
    settings: ValidationSettings,
    *,
    n_boot: int = METRIC_BOOTSTRAPS,
    level: float = 0.95,
    bootstrap_strata: Sequence[str] = (),
    subgroups: Sequence[str] = (),
    units: Sequence[str] = METRIC_UNITS,
    prevalence: float | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure a predictions table.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table (`check_predictions`), any number of protocols, models, targets and designs.
    settings : ValidationSettings
        Its seed, and whether `*_auto` rows are wanted for `nested` too.
    n_boot : int
        Bootstraps of callers; all metrics of a run come from the same draws.
    level : float
    bootstrap_strata : sequence of str
        Strata columns, or 'outcome', within which callers are drawn; none for consecutive calls.
    subgroups : sequence of str
        Strata columns whose values get rows of their own (`sex=female`).
    units : sequence of {'frame', 'frame_by_call', 'call', 'caller'}
    prevalence : float, optional
        Target prevalence at which `ppv_at_prevalence` and `npv_at_prevalence` are shown, by Bayes' rule.
    progress : callable, optional

    Returns
    -------
    DataFrame
        The schema of metrics.csv, one row a metric and method. The first method is the percentile interval of
        the caller bootstrap; it takes the scores as given. Of cross-validated binary scores it also comes
        widened for what learning anew would add (`caller_bootstrap_widened_given_scores`). With several
        repeats a metric is the mean over repeats under the same draws. `threshold` is empty where folds cut
        differently. `attrs['notes']` holds what was left out and why (no caller rows where a caller has both
        outcomes, constant scores), and how
        many calls had no cut: those are not flagged, and count.

    Raises
    ------
    ValidationError
        Where the table is unusable or holds one class only.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> ids = [f"c{i}" for i in range(8)]
    >>> table = pd.DataFrame({"protocol": "nested", "model": "m", "target": "outcome", "design": "loco",
    ...     "repeat": 0, "fold": range(8), "unit": "call", "call_id": ids, "caller_id": ids, "segment": None,
    ...     "frame": None, "time_s": None, "y": [0, 1] * 4, "p_raw": np.linspace(0.2, 0.9, 8),
    ...     "p": np.linspace(0.2, 0.9, 8), "threshold": 0.5, "weight": 1.0})
    >>> metrics = compute_metrics(table, ValidationSettings(), n_boot=200)
    >>> metrics.set_index(["unit", "metric"])["estimate"].loc[("call", "auroc")].iloc[0]
    np.float64(0.625)
    """
    check_predictions(predictions)
    runs = predictions[list(RUN)].drop_duplicates().sort_values(list(RUN))
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    asked = _Asked(settings, n_boot, level, bootstrap_strata, subgroups, units, prevalence)
    for done, names in enumerate(runs.to_dict("records")):
        mine = np.ones(len(predictions), dtype=bool)
        for column, value in names.items():
            mine &= (predictions[column] == value).to_numpy()
        rows += _measure_run(predictions[mine], {str(k): v for k, v in names.items()}, asked, notes)
        if progress is not None:
            progress(done + 1, len(runs))
    table = pd.DataFrame(rows, columns=list(METRIC_COLUMNS))
    table.attrs["notes"] = tuple(notes)
    return table


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `compute_metrics` was asked for; its docstring says what each means."""

    settings: ValidationSettings
    n_boot: int
    level: float
    bootstrap_strata: Sequence[str]
    subgroups: Sequence[str]
    units: Sequence[str]
    prevalence: float | None


def _measure_run(
    table: pd.DataFrame, names: dict[str, Any], asked: _Asked, notes: list[str]
) -> list[dict[str, Any]]:
    settings, level = asked.settings, asked.level
    where = "/".join(str(v) for v in names.values())
    calls = table[table["unit"] == "call"].sort_values(["repeat", "caller_id", "call_id"])
    if calls.empty:
        notes.append(f"{where}: no call rows, so nothing was measured")
        return []
    require_both_classes(calls["y"].to_numpy(), f"The calls of {where}")
    classes = classes_of(table)
    # Every caller of the run can be drawn, also where repeats hold out different ones.
    first = calls.drop_duplicates("call_id")
    event = (first["y"] == 1) if not classes else (first["y"].astype(str) == classes[-1])
    rng = generator(Stream.METRICS, settings.seed)
    draws = caller_draws(first.assign(y=event.astype(int)), asked.n_boot, rng, asked.bootstrap_strata)
    notes.extend(f"{where}: {line}" for line in draws.merged)
    auto = names["protocol"] == "published" or settings.direction == "auto"
    decides = bool(calls["threshold"].notna().any())
    if not decides and not classes:
        notes.append(f"{where}: no fold found a cut, so that no call is flagged and no decision is measured")
    rows: list[dict[str, Any]] = []
    measured: dict[tuple[str, str], list[dict[str, Any]]] = {}
    families: dict[tuple[str, str], list[Cell]] = {}
    factor = 1.0
    if names["design"] in CROSS_VALIDATED and not classes:
        folds = calls.loc[calls["repeat"] == calls["repeat"].min(), "fold"].nunique()
        factor = widening(folds) if folds > 1 else 1.0
    for found in cells_of(table, calls, draws, classes, asked.subgroups, asked.units, where, notes):
        cell = replace(found, widening=factor)
        if classes:
            families.setdefault((cell.unit, cell.subgroup), []).append(cell)
        same = measured.get((cell.label, cell.subgroup))
        if cell.unit == "caller" and same is not None:
            rows += [{**row, "unit": "caller"} for row in same]
            continue
        start = len(rows)
        label = f"{where}, {cell.unit}, class {cell.label}, {cell.subgroup}"
        told = _measure_cell(cell, draws, level, asked.prevalence, decides, label, notes)
        if names["design"] != "external" and cell.subgroup == ALL:
            told = [row for row in told if row["metric"] not in ELSEWHERE]
        rows += [{**names, **row} for row in told]
        if auto and cell.unit in ("call", "caller", "frame_by_call") and len(cell.repeats) == 1:
            rows += [{**names, **row} for row in _automatic(cell, draws, level, settings)]
        both = cell.first.y.min() != cell.first.y.max()
        if names["protocol"] == "published" and cell.unit == "frame" and both:
            interval = delong(cell.first.y, cell.first.score[cell.label])
            rows.append({**names, **_auroc_row(cell, interval, level, NAIVE)})
        if cell.unit == "call" and cell.one_call_a_caller:
            # Caller rows will be the same numbers.
            measured[cell.label, cell.subgroup] = rows[start:]
    for family in families.values():
        rows += [{**names, **row} for row in _macro_rows(family, draws, level)]
        rows += [{**names, **row} for row in _class_rows(family, draws, level)]
    if factor > 1.0:
        rows += widened_rows(rows, PERCENTILE, WIDENED, factor)
    return rows


def _macro_rows(family: Sequence[Cell], draws: CallerDraws, level: float) -> list[dict[str, Any]]:
    """Average the one-against-the-rest rank metrics of all classes, each class counting alike."""
    of_classes = [_rank_metrics(cell, draws) for cell in family]
    macro = replace(family[0], label=MACRO)
    out: list[dict[str, Any]] = []
    for metric in of_classes[0]:
        values = np.mean([one[metric] for one in of_classes], axis=0)
        for row in _bootstrap_rows(macro, metric, values, draws, level):
            out.append({**row, "n_events": row["n"]})
    return out


def _class_rows(family: Sequence[Cell], draws: CallerDraws, level: float) -> list[dict[str, Any]]:
    """Measure the decision for the likeliest class, and where there are risks, their losses."""
    labels = [cell.label for cell in family]
    of_repeats = []
    for number, rows in enumerate(family[0].repeats):
        y = np.column_stack([cell.repeats[number].y for cell in family]).argmax(axis=1)
        score, p = (np.column_stack([kind[name] for name in labels]) for kind in (rows.score, rows.p))
        found = class_decisions(y, score, rows.groups, rows.weight, draws.counts)
        if np.isfinite(p).all() and len(y):
            losses = class_losses(y, p, rows.groups, rows.weight, draws.counts)
            found |= {(-1, name): values for name, values in losses.items()}
        of_repeats.append(found)
    out: list[dict[str, Any]] = []
    for number, metric in of_repeats[0]:
        values = np.mean([one[number, metric] for one in of_repeats], axis=0)
        cell = replace(family[0], label=MACRO) if number < 0 else family[number]
        for row in _bootstrap_rows(cell, metric, values, draws, level):
            out.append({**row, "n_events": row["n"]} if number < 0 else row)
    return out


def _measure_cell(
    cell: Cell,
    draws: CallerDraws,
    level: float,
    prevalence: float | None,
    decides: bool,
    where: str,
    notes: list[str],
) -> list[dict[str, Any]]:
    rows = cell.first
    if rows.y.min() == rows.y.max():
        notes.append(f"{where}: {ONE_CLASS}, so that there is no discrimination to measure")
    elif all(np.ptp(one.score[cell.label]) == 0 for one in cell.repeats):
        notes.append(f"{where}: the scores are constant, so that the AUROC is 0.5 and there is no cut")
    without = int(np.isnan(rows.threshold).sum())
    if decides and without > 0 and cell.unit == "call":
        notes.append(f"{where}: {without} of {len(rows.y)} calls have no cut and count as not flagged")
    out: list[dict[str, Any]] = []
    for metric, values in _rank_metrics(cell, draws).items():
        out += _bootstrap_rows(cell, metric, values, draws, level)
    if cell.subgroup == ALL and len(cell.repeats) == 1:
        out += _auroc_intervals(cell, level)
    if decides and all(len(one.y) for one in cell.repeats):
        # A comparison with no cut is false: a fold that found none flags nobody, and its calls count.
        flags = [one.score[cell.label] >= one.threshold for one in cell.repeats]
        out += _decision_rows(cell, flags, draws, level, prevalence=prevalence)
    if cell.unit in ("call", "caller"):
        usable = [np.isfinite(one.p[cell.label]).all() for one in cell.repeats]
        if all(usable):
            out += _risk_rows(cell, draws, level, where, notes)
    return out


def _mean_over_repeats(
    cell: Cell, measure: Callable[[UnitRows], dict[Name, np.ndarray]]
) -> dict[Name, np.ndarray]:
    of_repeats = [measure(one) for one in cell.repeats]
    return {name: np.mean([one[name] for one in of_repeats], axis=0) for name in of_repeats[0]}


def _rank_metrics(cell: Cell, draws: CallerDraws) -> dict[str, np.ndarray]:
    def measure(rows: UnitRows) -> dict[str, np.ndarray]:
        found = rank_statistics(rows.score[cell.label], rows.y, rows.groups, draws.counts, rows.weight)
        return {
            "auroc": found.auroc,
            "average_precision": found.average_precision,
            "pr_integral": found.pr_integral,
        }

    return _mean_over_repeats(cell, measure)


def _risk_rows(
    cell: Cell, draws: CallerDraws, level: float, where: str, notes: list[str]
) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for metric, values in _mean_over_repeats(
        cell, lambda rows: risk_metrics(rows, cell.label, draws.counts)
    ).items():
        out += _bootstrap_rows(cell, metric, values, draws, level)
        lost = undefined_share(values, draws)
        if lost > 0 and np.isfinite(values[0]):
            notes.append(f"{where}: {metric} is undefined in {lost:.1%} of the resamples")
    if cell.subgroup != ALL:
        return out
    for (metric, cut), values in _mean_over_repeats(
        cell, lambda rows: net_benefits(rows, cell.label, draws.counts)
    ).items():
        out += _bootstrap_rows(cell, metric, values, draws, level, cut)
    # A smoother a draw: affordable for one repeat of unweighted rows, and without leaving callers out.
    if len(cell.repeats) == 1 and (cell.first.weight == 1).all():
        bootstraps = draws.counts[: 1 + draws.n_boot]
        for metric, values in smooth_metrics(cell.first, cell.label, bootstraps).items():
            out += _bootstrap_rows(cell, metric, values, draws, level)
    return out


def _decision_rows(
    cell: Cell,
    flags: Sequence[np.ndarray],
    draws: CallerDraws,
    level: float,
    suffix: str = "",
    prevalence: float | None = None,
) -> list[dict[str, Any]]:
    of_repeats = [
        decision_metrics(one.y == 1, flag, one.groups, one.weight, draws.counts)
        for one, flag in zip(cell.repeats, flags, strict=True)
    ]
    if prevalence is not None:
        for one in of_repeats:
            of_class = one["sensitivity"], one["specificity"]
            one["ppv_at_prevalence"] = ppv_at_prevalence(*of_class, prevalence)
            one["npv_at_prevalence"] = npv_at_prevalence(*of_class, prevalence)
    cuts = np.unique(np.concatenate([one.threshold for one in cell.repeats]))
    cut = float(cuts[0]) if len(cuts) == 1 else np.nan
    out = []
    means = {name: np.mean([one[name] for one in of_repeats], axis=0) for name in of_repeats[0]}
    for name, values in means.items():
        out += _bootstrap_rows(cell, name + suffix, values, draws, level, cut)
    if cell.unit in ("call", "caller"):
        out += _wilson_rows(cell, flags, {name: of[0] for name, of in means.items()}, level, suffix, cut)
    if cell.independent and len(cell.repeats) == 1:
        for name, (successes, n) in confusion(cell.first.y == 1, flags[0]).items():
            for method in ("wilson", "clopper_pearson"):
                low, high = proportion_interval(successes, n, method, level)
                out.append(_row(cell, name + suffix, successes / n, low, high, level, method, cut))
    return out


def _wilson_rows(
    cell: Cell,
    flags: Sequence[np.ndarray],
    estimates: dict[str, float],
    level: float,
    suffix: str,
    cut: float,
) -> list[dict[str, Any]]:
    """Wilson's interval of each proportion with callers as the sample size, however many calls they have.

    As if all calls of a caller were alike: too wide where they are not, never 1 to 1. Of cross-validated
    scores the variance is widened as everywhere, so that there are as many callers fewer.
    """
    out = []
    of_repeats = [
        callers_behind(one.y == 1, flag, one.groups) for one, flag in zip(cell.repeats, flags, strict=True)
    ]
    for name in of_repeats[0]:
        n = float(np.mean([one[name] for one in of_repeats])) / cell.widening**2
        if n > 0 and np.isfinite(estimates[name]):
            low, high = wilson(estimates[name], n, level)
            out.append(_row(cell, name + suffix, estimates[name], low, high, level, WILSON, cut))
    return out


def _auroc_intervals(cell: Cell, level: float) -> list[dict[str, Any]]:
    rows = cell.first
    classes_by_callers = [len(np.unique(rows.groups[rows.y == v])) for v in (0, 1)]
    if cell.unit == "frame_by_call" or min(classes_by_callers) < 2 or not (rows.weight == 1).all():
        return []
    score = rows.score[cell.label]
    if cell.independent:
        return [_auroc_row(cell, delong(rows.y, score), level, "delong")]
    return [_auroc_row(cell, obuchowski(rows.y, score, rows.groups), level, "obuchowski")]


def _auroc_row(cell: Cell, interval: AurocInterval, level: float, method: str) -> dict[str, Any]:
    if not interval.informative:
        # At complete separation the variance is 0 and the interval would be 1 to 1.
        return _row(cell, "auroc", interval.auroc, np.nan, np.nan, level, method + "_not_informative")
    low, high = interval.wald(level)
    return _row(cell, "auroc", interval.auroc, low, high, level, method)


def _automatic(
    cell: Cell, draws: CallerDraws, level: float, settings: ValidationSettings
) -> list[dict[str, Any]]:
    """Metrics with the direction that R's packages would choose from the same scores."""
    rows = cell.first
    if rows.y.min() == rows.y.max():
        return []
    score = rows.score[cell.label]
    reverse = automatic_direction(score, rows.y) == "<="
    signed = -score if reverse else score
    found = rank_statistics(signed, rows.y, rows.groups, draws.counts, rows.weight)
    out = _bootstrap_rows(cell, "auroc_auto", found.auroc, draws, level)
    cut = rows.threshold
    if reverse:
        rng = generator(Stream.AUTOMATIC_DIRECTION, settings.seed)
        groups = np.unique(rows.groups, return_inverse=True)[1]
        learned = bootstrap_youden(signed, rows.y, groups, rng, settings.bootstraps)
        cut = np.full(len(signed), learned.threshold)
    if np.isnan(cut).any():
        return out
    shown = replace(rows, threshold=-cut if reverse else cut)
    turned = Cell(cell.unit, cell.label, cell.subgroup, (shown,))
    return out + _decision_rows(turned, [signed >= cut], draws, level, "_auto")


def _bootstrap_rows(
    cell: Cell, metric: str, values: np.ndarray, draws: CallerDraws, level: float, cut: float = np.nan
) -> list[dict[str, Any]]:
    estimate = float(values[0])
    low, high = percentile_interval(values, draws, level)
    out = [_row(cell, metric, estimate, low, high, level, PERCENTILE, cut)]
    low, high = bca_interval(values, draws, level)
    if np.isfinite(low):
        out.append(_row(cell, metric, estimate, low, high, level, BCA, cut))
    return out


def _row(
    cell: Cell,
    metric: str,
    estimate: float,
    lower: float,
    upper: float,
    level: float,
    method: str,
    cut: float = np.nan,
) -> dict[str, Any]:
    rows = cell.first
    return {
        "unit": cell.unit, "class": cell.label, "subgroup": cell.subgroup, "metric": metric, "threshold": cut,
        "estimate": estimate, "lower": lower, "upper": upper, "level": level, "method": method,
        "n": int(rows.size.sum()), "n_events": int(rows.size[rows.y == 1].sum()),
        "n_callers": len(np.unique(rows.groups)),
    }  # fmt: skip
