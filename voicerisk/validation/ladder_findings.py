"""What each switch of the audit ladder did, in plain words."""

from typing import Any

import pandas as pd

from voicerisk.validation.findings import Finding

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
    "row_folds": (
        "bias",
        "Lambda and the number of steps were chosen on folds that callers straddle, so that the "
        "model is tuned "
        "to recognise callers.",
        "Tune on folds of whole callers.",
    ),
    "holdout_threshold": (
        "leak",
        "The held-out caller's label entered through the threshold: decisions are judged by the cut that "
        "suits them best.",
        "Learn the cut on inner out-of-fold scores of the training callers.",
    ),
    "shifting_prior": (
        "bias",
        "Without a constant class prior the scores move against the outcome of whoever is left out.",
        "Weight the training rows so that positives carry the same share in every fold.",
    ),
    "frame_units": (
        "bias",
        "Frames were counted as if each were a person: intervals become too narrow by up to the "
        "square root of "
        "the frames a caller.",
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
        alarm say of a rung.
    """
    found: list[Finding] = []
    before: dict[str, Any] | None = None
    for row in table.to_dict("records"):
        name = str(row["rung"])
        if name in SWITCHES:
            severity, sentence, remedy = SWITCHES[name]
            if name == "caller_effect" and "caller_effect" not in row["leaked"] and row["degenerate"]:
                sentence = (
                    "The caller effect took what there was to learn, so that a caller the model never saw is "
                    "scored by the offset alone."
                )
                severity = "bias"
            if name == "automatic_direction" and before is not None and row["auroc"] > before["auroc"]:
                sentence = "The direction was chosen from the same scores: reversed scores became a success."
                severity = "leak"
            found.append(Finding(name, severity, sentence, _evidence(row, before), remedy))
        if row["null_verdict"] == "leak":
            found.append(
                Finding(
                    f"{name}_null", "leak", f"On rung {name} the pipeline succeeds on shuffled outcomes.",
                    f"null mean {row['null_mean']:.3f}, Monte Carlo error {row['null_se']:.3f}",
                    "Look at the switch of this rung first.",
                )
            )  # fmt: skip
        if row["degenerate"]:
            found.append(
                Finding(
                    f"{name}_degenerate", "bias",
                    f"On rung {name} the scores say no more than who was left out.",
                    "their spread is that of a model without predictors",
                    "Do not read this AUROC in either direction.",
                )
            )  # fmt: skip
        before = {str(key): value for key, value in row.items()}
    return tuple(found)


def _evidence(row: dict[Any, Any], before: dict[str, Any] | None) -> str:
    text = f"AUROC {row['auroc']:.3f}"
    if before is not None:
        text += f" after {before['auroc']:.3f} on the rung before"
        text += f"; J {row['youden_j']:.3f} after {before['youden_j']:.3f}"
    if row["n_permutations"]:
        text += f"; {row['null_mean']:.3f} on average with outcomes shuffled"
    if row["leaked"]:
        text += f"; held-out callers were seen by: {row['leaked']}"
    return text
