"""The ladder from the honest to the published protocol, one switch at a time, on the same seed and folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws, percentile_interval
from voicerisk.callers.folds import caller_table, require_callers, strata_columns
from voicerisk.callers.provenance import leaks
from voicerisk.callers.schema import check_calls
from voicerisk.callers.shuffling import Permutable, permutable, permute_outcomes
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.validation.audit.constant_scores import degenerate_scores
from voicerisk.validation.audit.findings import Finding, exit_code
from voicerisk.validation.audit.ladder import (
    FitSwitches,
    MakeFitter,
    Rung,
    ladder,
    printed_auroc,
    printed_rows,
    rung_metrics,
)
from voicerisk.validation.audit.ladder_findings import ladder_findings
from voicerisk.validation.audit.permutation import in_batches, judge_permutations
from voicerisk.validation.contract import FitPaths, TrainingSet
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.protocols.fold_plan import plan_folds
from voicerisk.validation.protocols.kfold_scores import pipeline_rows, pipeline_sets
from voicerisk.validation.protocols.run import LEAST_CALLERS, run_protocol
from voicerisk.validation.resume import Resume
from voicerisk.validation.settings import ValidationSettings

__all__ = ["Audit", "FitSwitches", "MakeFitter", "Rung", "audit_ladder", "ladder", "ladder_size"]

BOOTSTRAPS = 1000
PERMUTATION = "permutation/"


@dataclass(frozen=True, slots=True)
class Audit:
    """What climbing the ladder gave.

    Parameters
    ----------
    table : DataFrame
        rung, label, unit, auroc (what the rung would print, of this unit), auroc_call, auroc_caller,
        auroc_frame, average_precision, sensitivity, specificity, youden_j, accuracy_frame (the call's
        decision carried by its frames), n_with_cut, n_without_cut, brier, calibration_slope, leaked (learned
        objects that saw held-out callers), degenerate (the scores hardly vary), copies_empty_model (they are
        the share of positives among those not left out), lower and upper (of auroc_call), change (of
        auroc_call from the rung before), change_lower, change_upper (95% intervals over callers from the
        same draws, given the scores). By grouped k-fold, in the rung's own unit and
        direction: auroc_kfold (outcomes as they are), null_mean_kfold and null_se_kfold (outcomes permuted),
        p_value_kfold, null_verdict and n_permutations; the same of calls: auroc_call_kfold,
        null_mean_call_kfold.
    permutations : DataFrame
        rung, unit, permutation (0 = outcomes as they are), auroc_kfold (of the rung's unit, as it would print
        it), auroc_call_kfold (of calls, in the rung's direction), by one repeat of grouped k-fold.
    scores : DataFrame
        rung, call_id, caller_id, y, p_raw, p, threshold.
    findings : tuple of Finding
    """

    table: pd.DataFrame
    permutations: pd.DataFrame
    scores: pd.DataFrame
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """3 where the honest rung itself leaks, else 0; the other rungs leak on purpose."""
        return exit_code(self.findings)


def audit_ladder(
    calls: pd.DataFrame,
    make_fitter: MakeFitter,
    settings: ValidationSettings,
    design: str = "loco",
    n_permutations: int = 0,
    rungs: Sequence[Rung] | None = None,
    resume: Resume | None = None,
) -> Audit:
    """Climb the ladder.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    make_fitter : callable
        (switches, calls) -> refit function.
    settings : ValidationSettings
    design : {'loco', 'grouped_kfold'}
        One repeat of it, the same folds on every rung. Frame scores exist for 'loco' only.
    n_permutations : int
        Permutations among all callers on every rung; 0 leaves the columns of grouped k-fold empty. They run
        by one repeat of grouped k-fold whatever the design, since leaving one out is biased against a model
        that learned nothing; `auroc_kfold` is the value of the same folds without permutation.
    rungs : sequence of Rung, optional
        `ladder()` when left out.
    resume : Resume, optional
        Steps are names of rungs and permutations, their records JSON-ready. `ahead` gets switches, calls and
        training sets of several permutations.

    Returns
    -------
    Audit

    Raises
    ------
    ValidationError
        Where the calls table is broken (row and value are named), a class has fewer than 4 callers, there is
        no rung, or a refit does not keep its contract.
    """
    table = check_calls(calls)
    chosen = ladder() if rungs is None else tuple(rungs)
    if not chosen or n_permutations < 0:
        raise ValidationError(
            f"The ladder needs a rung or more and 0 permutations or more, not {len(chosen)} and "
            f"{n_permutations}."
        )
    require_callers(caller_table(table), LEAST_CALLERS["nested"], "honest")
    once = replace(settings, designs=(design,), repeats=1)
    steps = resume or Resume()
    done = steps.finished
    numbers = range(1 + n_permutations) if n_permutations else range(0)
    total = len(chosen) + len(numbers)
    records: list[Mapping[str, Any]] = []
    for number, rung in enumerate(chosen):
        record = done.get(rung.name)
        if record is None:
            record = _climb(rung, table, make_fitter, once, design)
            steps.done(rung.name, record)
        records.append(record)
        steps.advance(number + 1, total)
    areas_of = {b: done[_name(b)] for b in numbers if _name(b) in done}
    for some in in_batches([b for b in numbers if b not in areas_of]):
        tables = [_shuffled(table, once, b) for b in some]
        if steps.ahead is not None:
            steps.ahead([one for shuffled in tables for one in _asked(chosen, shuffled, once)])
        for b, shuffled in zip(some, tables, strict=True):
            areas_of[b] = _permuted(chosen, shuffled, make_fitter, once)
            steps.done(_name(b), areas_of[b])
            steps.advance(len(chosen) + len(areas_of), total)
    rows = [
        {"rung": rung.name, "permutation": b, **areas_of[b][rung.name]} for b in numbers for rung in chosen
    ]
    permutations = pd.DataFrame(
        rows, columns=["rung", "unit", "permutation", "auroc_kfold", "auroc_call_kfold"]
    )
    permutations["unit"] = permutations["rung"].map({str(one["rung"]): one["unit"] for one in records})
    scores = pd.concat([pd.DataFrame(one["scores"]).assign(rung=one["rung"]) for one in records])
    scores = scores[["rung", *(c for c in scores.columns if c != "rung")]].reset_index(drop=True)
    measured = pd.DataFrame([{k: v for k, v in one.items() if k != "scores"} for one in records])
    climbed = _judged(_with_intervals(measured, scores, settings.seed), permutations, permutable(table))
    return Audit(climbed, permutations, scores, ladder_findings(climbed))


def ladder_size(
    calls: pd.DataFrame,
    settings: ValidationSettings,
    design: str = "loco",
    n_permutations: int = 0,
    rungs: Sequence[Rung] | None = None,
) -> tuple[int, int]:
    """Count the models of the ladder and of one permutation of all its rungs, before anything runs.

    Rungs that differ in what is done with scores share their models.

    Returns
    -------
    ladder, permutation : int
    """
    callers = caller_table(check_calls(calls), strata_columns(calls))
    chosen = ladder() if rungs is None else tuple(rungs)
    once = replace(settings, repeats=1)
    counts = []
    for kind, lean in ((design, False), ("grouped_kfold", True)):
        asked: dict[tuple[FitSwitches, bool], int] = {}
        for rung in chosen:
            inner = rung.protocol.tune_steps if lean else rung.protocol.inner
            folds, _ = plan_folds(callers, (kind,), once, "size", None, inner)
            key = (rung.fit, rung.protocol.constant_prior)
            asked[key] = max(asked.get(key, 0), sum(1 + len(one.inner) for one in folds))
        counts.append(sum(asked.values()))
    return counts[0], counts[1] if n_permutations else 0


def _climb(
    rung: Rung, calls: pd.DataFrame, make_fitter: MakeFitter, settings: ValidationSettings, design: str
) -> dict[str, Any]:
    result = run_protocol(calls, _refits(rung, make_fitter, calls), settings, rung.protocol, (design,))
    rows = result.predictions[result.predictions["unit"] == "call"]
    kept = rows[["call_id", "caller_id", "y", "p_raw", "p", "threshold"]].astype(
        {"p": float, "threshold": float}
    )
    # Without the class factor an empty model scores the share of positive callers, or of their frames.
    by_caller = not (rung.protocol.constant_prior or rung.fit.row_weights)
    alarms = degenerate_scores(result.predictions, by_caller)
    return {
        "rung": rung.name,
        "label": rung.label,
        **rung_metrics(result, calls, rung, settings),
        "leaked": ", ".join(sorted({str(one["learned"]) for one in leaks(result.provenance)})),
        "degenerate": bool(alarms["alarm"].any()),
        "copies_empty_model": bool(alarms["copies"].any()),
        "scores": {str(column): kept[column].tolist() for column in kept.columns},
    }


def _refits(rung: Rung, make_fitter: MakeFitter, calls: pd.DataFrame) -> FitPaths:
    """Return the refit function of a rung, which is asked for the rung's weights."""
    fit = make_fitter(rung.fit, calls)
    return lambda sets, progress: fit(_weighted(rung, sets), progress)


def _weighted(rung: Rung, sets: Sequence[TrainingSet]) -> list[TrainingSet]:
    return [replace(one, caller_weights=not rung.fit.row_weights) for one in sets]


def _name(b: int) -> str:
    return f"{PERMUTATION}{b:04d}"


def _shuffled(calls: pd.DataFrame, settings: ValidationSettings, b: int) -> pd.DataFrame:
    """Return the calls under permutation `b`; 0 leaves the outcomes as they are."""
    if b == 0:
        return calls
    rng = generator(Stream.LADDER_PERMUTATION, settings.seed, b - 1)
    return permute_outcomes(calls, rng)


def _asked(
    rungs: Sequence[Rung], calls: pd.DataFrame, settings: ValidationSettings
) -> list[tuple[FitSwitches, pd.DataFrame, Sequence[TrainingSet]]]:
    """Return what the rungs will ask for on a table of calls, each model once."""
    alike = {_models(rung): rung for rung in rungs}
    return [
        (rung.fit, calls, _weighted(rung, pipeline_sets(calls, settings, rung.protocol)))
        for rung in alike.values()
    ]


def _models(rung: Rung) -> tuple[FitSwitches, bool, bool]:
    """Return what tells a rung's models; rungs that differ in the cut or the unit alone rank alike."""
    return rung.fit, rung.protocol.constant_prior, rung.protocol.tune_steps


def _permuted(
    rungs: Sequence[Rung], calls: pd.DataFrame, make_fitter: MakeFitter, settings: ValidationSettings
) -> dict[str, dict[str, float]]:
    """Return each rung's AUROCs on a table of calls."""
    y, n_frames = calls["y"].to_numpy(), calls["n_frames"].to_numpy()
    by_frame = {_models(rung) for rung in rungs if rung.unit == "frame"}
    scored: dict[tuple[FitSwitches, bool, bool], Any] = {}
    areas = {}
    for rung in rungs:
        key = _models(rung)
        if key not in scored:
            fit = _refits(rung, make_fitter, calls)
            scored[key] = pipeline_rows(calls, fit, settings, rung.protocol, key in by_frame)
        score, frames = scored[key]
        shown = printed_rows(rung, y, score, n_frames, frames)
        areas[rung.name] = {
            "auroc_kfold": printed_auroc(*shown, rung.automatic),
            "auroc_call_kfold": printed_auroc(y, score, rung.automatic),
        }
    return areas


def _with_intervals(measured: pd.DataFrame, scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add intervals of the call AUROC and of its change, all rungs under the same draws of callers."""
    order = ["caller_id", "call_id"]
    first = scores[scores["rung"] == measured["rung"].iloc[0]].sort_values(order)
    rng = generator(Stream.LADDER_INTERVAL, seed)
    draws = caller_draws(first, BOOTSTRAPS, rng)
    groups = np.unique(first["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
    y = first["y"].to_numpy()
    out, before = [], None
    for name in measured["rung"]:
        rows = scores[scores["rung"] == name].sort_values(order)
        values = rank_statistics(rows["p_raw"].to_numpy(), y, groups, draws.counts).auroc
        low, high = percentile_interval(values, draws)
        change = np.full(len(values), np.nan) if before is None else values - before
        less, more = percentile_interval(change, draws)
        out.append((low, high, change[0], less, more))
        before = values
    columns = ["lower", "upper", "change", "change_lower", "change_upper"]
    return measured.assign(**dict(zip(columns, np.array(out).T, strict=True)))


def _judged(climbed: pd.DataFrame, permutations: pd.DataFrame, moving: Permutable) -> pd.DataFrame:
    rows = []
    for name in climbed["rung"]:
        mine = permutations[permutations["rung"] == name].set_index("permutation")
        null = mine[mine.index > 0]
        if null.empty:
            rows.append((np.nan, np.nan, np.nan, np.nan, "", 0, np.nan, np.nan))
            continue
        observed = float(mine["auroc_kfold"][0])
        judged = judge_permutations("all", observed, null["auroc_kfold"].to_numpy(), moving)
        rows.append(
            (
                observed,
                judged.null_mean,
                judged.monte_carlo_se,
                judged.p_value,
                judged.verdict,
                len(null),
                float(mine["auroc_call_kfold"][0]),
                float(null["auroc_call_kfold"].mean()),
            )
        )
    columns = [
        "auroc_kfold", "null_mean_kfold", "null_se_kfold", "p_value_kfold", "null_verdict", "n_permutations",
        "auroc_call_kfold", "null_mean_call_kfold",
    ]  # fmt: skip
    return pd.concat([climbed, pd.DataFrame(rows, columns=columns)], axis=1)
