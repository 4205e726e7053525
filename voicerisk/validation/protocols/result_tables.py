"""From finished outer folds to the tables that a protocol returns."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table
from voicerisk.callers.provenance import Provenance, seen_record
from voicerisk.validation.metrics.youden import BootstrapCut, automatic_direction
from voicerisk.validation.protocols.choice import BOOSTED
from voicerisk.validation.protocols.outer_fold import FinishedFold, cut_scores
from voicerisk.validation.protocols.prediction_rows import call_rows
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import DESIGNS, ValidationSettings

SharedCuts = dict[tuple[str, int], BootstrapCut]


def shared_cuts(
    finished: Sequence[FinishedFold], table: pd.DataFrame, settings: ValidationSettings, switches: Switches
) -> SharedCuts:
    """Cut each repeat's hold-out scores where the switches say that the cut comes from them."""
    if switches.threshold_from == "inner":
        return {}
    cuts = {}
    for design, repeat in dict.fromkeys((one.plan.design, one.plan.repeat) for one in finished):
        mine = [one for one in finished if (one.plan.design, one.plan.repeat) == (design, repeat)]
        rows = np.concatenate([one.rows for one in mine])
        order = np.argsort(rows, kind="stable")
        score = np.concatenate([one.score for one in mine])[order]
        held = table.iloc[rows[order]]
        cuts[design, repeat] = cut_scores(
            score,
            held["y"].to_numpy(),
            held["caller_id"].to_numpy(dtype=str),
            settings,
            switches.midpoints,
            (DESIGNS.index(design), repeat),
        )
    return cuts


def _cut_of(one: FinishedFold, shared: SharedCuts) -> BootstrapCut:
    return one.cut if one.cut is not None else shared[one.plan.design, one.plan.repeat]


def predictions_of(
    finished: Sequence[FinishedFold],
    shared: SharedCuts,
    table: pd.DataFrame,
    names: dict[str, str],
) -> pd.DataFrame:
    """Return call rows of all folds, then the frame rows of leave-one-caller-out."""
    parts = []
    for one in finished:
        place = {**names, "design": one.plan.design, "repeat": one.plan.repeat, "fold": one.plan.fold}
        p = one.score if one.calibration is None else one.calibration(one.score)
        threshold = _cut_of(one, shared).threshold
        parts.append(call_rows(place, table.iloc[one.rows], one.score, p, threshold))
    for one in finished:
        if one.frames is not None and len(one.frames):
            place = {**names, "design": one.plan.design, "repeat": one.plan.repeat, "fold": one.plan.fold}
            parts.append(call_rows(place, one.frames, None, None, _cut_of(one, shared).threshold))
    return pd.concat(parts, ignore_index=True)


def thresholds_of(
    finished: Sequence[FinishedFold], shared: SharedCuts, names: dict[str, str]
) -> pd.DataFrame:
    """Return one row a cut: one a fold, or one a repeat where all folds share it."""
    rows = []
    if shared:
        steps = _common(one.mstop for one in finished)
        selected = _common(one.selected for one in finished)
        for (design, repeat), cut in shared.items():
            rows.append(
                {
                    **names,
                    "design": design,
                    "repeat": repeat,
                    "fold": None,
                    **_cut_row(cut),
                    "slope": np.nan,
                    "intercept": np.nan,
                    "mstop": steps,
                    "n_selected": selected,
                }
            )
    for one in finished:
        if one.cut is None:
            continue
        fit = one.calibration
        rows.append(
            {**names, "design": one.plan.design, "repeat": one.plan.repeat, "fold": one.plan.fold,
             **_cut_row(one.cut), "slope": np.nan if fit is None else fit.slope,
             "intercept": np.nan if fit is None else fit.intercept, "mstop": one.mstop,
             "n_selected": one.selected}
        )  # fmt: skip
    table = pd.DataFrame(rows)
    return table.astype({"fold": "Int64", "mstop": "Int64", "n_selected": "Int64"})


def _common(values: Iterable[int | None]) -> int | None:
    """Return the one value all folds share, None where they differ."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def _cut_row(cut: BootstrapCut) -> dict[str, Any]:
    return {
        "threshold": cut.threshold, "method": cut.method, "n_boot": cut.n_boot, "spread_sd": cut.sd,
        "q025": cut.q025, "q975": cut.q975,
    }  # fmt: skip


def provenance_of(finished: Sequence[FinishedFold], switches: Switches, callers: pd.DataFrame) -> Provenance:
    """Return who was held out and who was seen by each learned object, JSON-ready."""
    everyone = callers["caller_id"].tolist()
    folds: dict[str, Any] = {}
    for one in finished:
        seen = dict(one.seen)
        if one.cut is None:
            seen["threshold"] = tuple(everyone)
        folds.setdefault(one.plan.design, {}).setdefault(str(one.plan.repeat), {})[str(one.plan.fold)] = {
            "held_out": list(one.plan.outer.assess),
            "seen": {name: seen_record(who, everyone) for name, who in seen.items()},
        }
    return {"protocol": switches.name, "callers": everyone, "folds": folds}


def tuning_of(finished: Sequence[FinishedFold], names: dict[str, str]) -> pd.DataFrame:
    """Return what the inner folds of each fold compared: the members, and every number of steps.

    Rows of members have a weight and no step; their deviance is that of recalibrated calls for each caller.
    Rows of steps are of the boosted model; their deviance is that of frames. The row of the boosted model
    beside members that has no step compares it with them.
    """
    columns = [*names, "design", "repeat", "fold", "member", "weight", "step", "deviance", "se", "chosen"]
    parts: list[pd.DataFrame] = []
    for one in finished:
        place = {**names, "design": one.plan.design, "repeat": one.plan.repeat, "fold": one.plan.fold}
        choice = one.choice
        if len(choice.deviance):
            beside = [BOOSTED] if choice.steps is not None else []
            weights = np.r_[choice.weights, [float(choice.step is not None)] * len(beside)]
            parts.append(
                pd.DataFrame(
                    {
                        **place,
                        "member": [*(member.name for member in choice.members), *beside],
                        "weight": weights,
                        "step": pd.NA,
                        "deviance": choice.deviance,
                        "se": np.nan,
                        "chosen": weights == weights.max(),
                    }
                )
            )
        if choice.steps is not None:
            step = np.arange(len(choice.steps.deviance))
            parts.append(
                pd.DataFrame(
                    {
                        **place,
                        "member": BOOSTED,
                        "weight": np.nan,
                        "step": step,
                        "deviance": choice.steps.deviance,
                        "se": choice.steps.se,
                        "chosen": step == choice.steps.step,
                    }
                )
            )
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat([part.astype({"step": "Int64"}) for part in parts], ignore_index=True)[columns]


def _tuned_to(one: FinishedFold) -> int | None:
    """Return the step that inner folds chose; None where none was tuned or members are taken."""
    return None if one.choice.steps is None else one.mstop


def _share_constant(finished: Sequence[FinishedFold]) -> dict[str, float]:
    """Return by design the share of folds that learned nothing."""
    designs = dict.fromkeys(one.plan.design for one in finished)
    return {
        design: float(np.mean([one.is_constant for one in finished if one.plan.design == design]))
        for design in designs
    }


def _mean_weights(finished: Sequence[FinishedFold]) -> dict[str, float]:
    """Return by member the mean weight over the folds; empty where there is one model."""
    if not finished or not finished[0].choice.members:
        return {}
    weights = np.mean([one.choice.weights for one in finished], axis=0)
    named = {member.name: float(w) for member, w in zip(finished[0].choice.members, weights, strict=True)}
    boosted = float(np.mean([one.choice.step is not None for one in finished]))
    return named | ({BOOSTED: boosted} if finished[0].choice.steps is not None else {})


def notes_of(
    finished: Sequence[FinishedFold],
    shared: SharedCuts,
    table: pd.DataFrame,
    settings: ValidationSettings,
    switches: Switches,
    prior: float,
    merged: tuple[str, ...],
) -> dict[str, Any]:
    """Return what was counted and flagged, JSON-ready."""
    mixed = caller_table(table, ())["pattern"] == "both"
    if not switches.constant_prior:
        prior = float(np.average(table["y"], weights=table["n_frames"]))
    calibrations = [one.calibration for one in finished if one.calibration is not None]
    notes: dict[str, Any] = {
        "class_prior": prior,
        "class_prior_is": "training weight of positives in every fold"
        if switches.constant_prior
        else "frame-weighted share of positives, which shifts from fold to fold",
        "callers_with_both_outcomes": int(mixed.sum()),
        "fast": settings.fast and switches.inner,
        "merged_strata": list(merged),
        "folds": len(finished),
        "folds_with_empty_selection": sum(one.selected == 0 for one in finished),
        "folds_at_last_step": sum(_tuned_to(one) == one.last > 0 for one in finished),
        "folds_at_step_0": sum(_tuned_to(one) == 0 < one.last for one in finished),
        "folds_constant": sum(one.is_constant for one in finished),
        "share_constant": _share_constant(finished),
        "member_weights": _mean_weights(finished),
        "folds_with_flat_recalibration": sum(one.flat for one in calibrations),
        "folds_with_separated_recalibration": sum(one.separated for one in calibrations),
        "folds_without_cut": sum(bool(np.isnan(_cut_of(one, shared).threshold)) for one in finished),
        "redrawn_bootstraps": sum(cut.redrawn for cut in shared.values())
        + sum(one.cut.redrawn for one in finished if one.cut is not None),
        "fits": {one.plan.outer.key: one.fit_notes for one in finished},
    }
    loco = [one for one in finished if one.plan.design == "loco"]
    if loco:
        rows = np.concatenate([one.rows for one in loco])
        score = np.concatenate([one.score for one in loco])
        notes["automatic_direction"] = automatic_direction(score, table["y"].to_numpy()[rows])
        # Step 0 is what a model that learned nothing would say; the degenerate-score alarm compares with it.
        start = np.concatenate([one.start for one in loco])
        if any(one.last > 0 for one in loco):
            notes["sd_of_step_0_scores"] = float(start.std())
            notes["sd_of_scores"] = float(score.std())
    return notes
