"""What each switch of the audit ladder did, in plain words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.validation.audit.findings import LADDER, STUDY, Finding

SWITCHES = {
    "global_scaling": (
        "bias",
        "The held-out caller's values, not the outcome, entered through scaling and knots.",
        "Learn scaling and knots from the training callers.",
    ),
    "global_screening": (
        "leak",
        "The held-out caller's label entered through the screening.",
        "Screen inside the fold.",
    ),
    "row_lambda": (
        "bias",
        "The screening's lambda was chosen on folds that callers straddle: markers that recognise callers "
        "are kept.",
        "Choose lambda on folds of whole callers.",
    ),
    "row_steps": (
        "bias",
        "The number of steps was chosen on folds that callers straddle, so that the model is tuned to "
        "recognise callers.",
        "Choose the number of steps on folds of whole callers.",
    ),
    "holdout_threshold": (
        "leak",
        "The held-out caller's label entered through the threshold: decisions are judged by the cut that "
        "suits them best.",
        "Learn the cut on inner out-of-fold scores of the training callers.",
    ),
    "cut_at_score": (
        "note",
        "The cut lies at the score of a caller it was learned from, not half-way to the next lower one: the "
        "lowest such positive is met exactly, a new one with a slightly lower score is missed.",
        "Cut half-way between neighbouring scores.",
    ),
    "no_recalibration": (
        "bias",
        "The risk is the score as it is: nothing makes it agree with how often the outcome occurs.",
        "Recalibrate on inner out-of-fold scores.",
    ),
    "shifting_prior": (
        "bias",
        "Without a constant class prior the scores move against the outcome of whoever is left out.",
        "Weight the training rows so that positives carry the same share in every fold.",
    ),
    "row_weights": (
        "bias",
        "Training rows weigh alike: the callers with most frames decide what is learned, and the share of "
        "positives shifts by their frames when one of them is left out.",
        "Weight training rows by 1/(rows of the caller), so that every caller counts alike.",
    ),
    "frame_units": (
        "bias",
        "Frames were counted as if each were a person: intervals become too narrow by up to the square root "
        "of the frames a caller.",
        "Count callers.",
    ),
    "caller_effect": (
        "leak",
        "The held-out caller's label entered through the caller effect.",
        "Leave caller effects out of the scoring model.",
    ),
    "automatic_direction": (
        "bias",
        "The direction was chosen from the same scores.",
        "Fix the direction in advance.",
    ),
}
UNITS = {"call": "calls", "frame": "frames", "frame_by_call": "frames by their call's score"}
SHOWN_BRIER = 0.001
NO_SCREENING = "The study does not screen its markers, so this step changes nothing."
OFFSET_ALONE = (
    "The caller effect took what there was to learn, so that a caller the model never saw is scored by the "
    "offset alone."
)
TURNED = "The direction was chosen from the same scores: reversed scores became a success."


def ladder_findings(table: pd.DataFrame) -> tuple[Finding, ...]:
    """Say what each switch did, with the change it made.

    Parameters
    ----------
    table : DataFrame
        From `audit_ladder`, in the order of the rungs.

    Returns
    -------
    tuple of Finding
        `mechanism` is the rung's name; `<rung>_null` and `<rung>_degenerate` are what permutations and the
        alarm say of a rung. Those of the rung 'honest' concern the study, the others the ladder.
    """
    found: list[Finding] = []
    before: dict[str, Any] | None = None
    for record in table.to_dict("records"):
        row = {str(key): value for key, value in record.items()}
        name = str(row["rung"])
        concerns = STUDY if name == "honest" else LADDER
        if name == "honest" and row["leaked"]:
            found.append(
                Finding(
                    "honest_provenance",
                    "leak",
                    f"The honest pipeline has seen held-out callers through {row['leaked']}.",
                    "provenance of the refits",
                    "Look at the refit before reading any number.",
                    STUDY,
                )
            )
        if name in SWITCHES:
            found.append(_of_switch(name, row, before))
        if row["null_verdict"] == "leak":
            what, remedy = f"pipeline of rung {name}", "Look at the switch of this rung first."
            if name == "honest":
                what = "honest pipeline"
                remedy = "Look at the provenance of the refits: something sees held-out callers' outcomes."
            found.append(
                Finding(
                    f"{name}_null",
                    "leak",
                    f"The {what} succeeds on shuffled outcomes.",
                    _null(row),
                    remedy,
                    concerns,
                )
            )
        elif row["null_verdict"] == "hold-out bias" and name == "honest":
            found.append(
                Finding(
                    "honest_null",
                    "note",
                    "On shuffled outcomes the honest pipeline lies below one half: holding callers out moves "
                    "scores against their outcome.",
                    _null(row),
                    "This is bias against the model, not a leak; more callers lessen it.",
                    STUDY,
                )
            )
        if row["degenerate"]:
            found.append(_of_degenerate(name, row, concerns))
        before = row
    return tuple(found)


def _of_degenerate(name: str, row: Mapping[str, Any], concerns: str) -> Finding:
    if row["copies_empty_model"]:
        return Finding(
            f"{name}_degenerate",
            "bias",
            f"On rung {name} the scores say no more than who was left out.",
            "they copy the share of positives among those who were not left out",
            "Do not read this AUROC in either direction.",
            concerns,
        )
    return Finding(
        f"{name}_degenerate",
        "note",
        f"On rung {name} the model learned next to nothing: its scores hardly vary.",
        f"their spread is no larger than that of a model without predictors; AUROC of calls "
        f"{row['auroc_call']:.3f}, {row['n_without_cut']} calls without a cut",
        "Do not read this AUROC in either direction; no leak is involved.",
        concerns,
    )


def _of_switch(name: str, row: Mapping[str, Any], before: Mapping[str, Any] | None) -> Finding:
    severity, sentence, remedy = SWITCHES[name]
    if name in ("global_screening", "row_lambda") and "screening" not in row["leaked"]:
        severity, sentence, remedy = "note", NO_SCREENING, "None is needed."
    if name == "caller_effect" and "caller_effect" not in row["leaked"] and row["degenerate"]:
        severity, sentence = "bias", OFFSET_ALONE
    if name == "automatic_direction" and before is not None and row["auroc"] > before["auroc"]:
        severity, sentence = "leak", TURNED
    return Finding(name, severity, sentence, _evidence(row, before), remedy, LADDER)


def _evidence(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    text = f"AUROC of {UNITS[row['unit']]} {row['auroc']:.3f}"
    if before is not None:
        other = f" (of {UNITS[before['unit']]})" if before["unit"] != row["unit"] else ""
        text += f" after {before['auroc']:.3f}{other} on the rung before"
        if np.isfinite(row.get("change_lower", np.nan)):
            text += (
                f" (of calls {row['change']:+.3f}, {row['change_lower']:+.3f} to {row['change_upper']:+.3f})"
            )
        text += f"; J {row['youden_j']:.3f} after {before['youden_j']:.3f}"
        if row["n_without_cut"] or before["n_without_cut"]:
            text += f", calls without a cut {row['n_without_cut']} after {before['n_without_cut']}"
        if abs(row["brier"] - before["brier"]) >= SHOWN_BRIER:
            text += f"; Brier score {row['brier']:.3f} after {before['brier']:.3f}"
    if row["n_permutations"]:
        text += f"; {_null(row)}"
    if row["leaked"]:
        text += f"; held-out callers were seen by: {row['leaked']}"
    return text


def _null(row: Mapping[str, Any]) -> str:
    return (
        f"with outcomes shuffled {row['n_permutations']:.0f} times the AUROC of {UNITS[row['unit']]} is "
        f"{row['null_mean_kfold']:.3f} on average (grouped k-fold, Monte Carlo error "
        f"{row['null_se_kfold']:.3f})"
    )
