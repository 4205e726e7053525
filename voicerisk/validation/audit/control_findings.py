"""What the negative controls found, in plain words."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.validation.audit.findings import Finding

# How much an AUROC must move to be spoken of.
JUMP = 0.1
OFF = 0.05
RECOGNISED = 0.05
UNCERTAIN = 0.1
CHANCE = 0.005  # one side of the 99% that the controls' intervals have

# Of the controls on sound and facts that no model is given: mechanism, severity, finding, remedy.
ALONE = {
    "silence": (
        "silence_alone", "bias",
        "Where nothing is said, the same markers predict the outcome: line, room or device differ.",
        "Ask which line, device or service differs by class; report the result within one of them.",
    ),
    "other voice": (
        "other_voice_alone", "note",
        "The voice that is not the caller's predicts the outcome: who answers, or how they answer, differs "
        "by class, and what seeps into the caller's labels would too.",
        "Ask who took which calls and when the rating was made; check a few label tracks by ear.",
    ),
    "lengths": (
        "lengths_alone", "note", "How long a call lasts and how much the caller speaks predict the outcome.",
        "Report what voice adds to it: compare the model's AUROC with this one.",
    ),
    "moments": (
        "moments_alone", "bias", "The order of the table, or a call's date and hour, predicts the outcome.",
        "Ask whether the classes were gathered at different times; report them in one period.",
    ),
}  # fmt: skip


def said_of_voices(change: float, lower: float, upper: float) -> str:
    """Say what the change of control (c) means.

    Parameters
    ----------
    change, lower, upper : float
        AUROC of segments whose voice the model met minus that of the same segments unmet, with its interval.
    """
    if not np.isfinite(lower):
        return "its interval cannot be given, so that nothing follows"
    if lower > 0.0 and change > RECOGNISED:
        return "the model recognises callers, or their recordings, that it has met"
    if upper > UNCERTAIN:
        return "too uncertain to tell whether the model recognises callers or recordings"
    if lower > 0.0:
        return "having met the voice helps, but little"
    return "no jump: what it finds in a segment it finds as well in voices it never met"


def _tells(row: dict[Hashable, Any]) -> bool:
    """Whether an AUROC lies above 0.5: by its interval, or by being 1 where chance would not have it."""
    return bool(row["lower"] > 0.5 or row["chance"] <= CHANCE)


def control_findings(controls: pd.DataFrame) -> list[Finding]:
    """Say what the controls found, one finding each where the control is not as expected.

    Parameters
    ----------
    controls : DataFrame
        From `negative_controls`.
    """
    honest = float(controls.loc[controls["control"] == "none", "auroc"].iloc[0])
    out = []
    for row in controls.to_dict("records"):
        shown = f"control {row['control']}, {row['what']}: AUROC {row['auroc']:.3f}"
        if np.isfinite(row["lower"]):
            shown += f" ({row['lower']:.2f} to {row['upper']:.2f})"
        elif np.isfinite(row["chance"]):
            shown += f" (no interval; by chance with probability {row['chance']:.2g})"
        if row["control"] == "a" and _tells(row):
            out.append(
                Finding(
                    "channel_readable", "bias",
                    "The markers predict a caller's service at the same outcome: the channel is readable.",
                    shown, "Report the result within one service, and without the service that differs.",
                )
            )  # fmt: skip
        if row["control"] == "c" and row["change_lower"] > 0.0 and row["change"] > RECOGNISED:
            out.append(
                Finding(
                    "identity_readable", "note",
                    "The model recognises callers, or their recordings, that it has met: the markers hold "
                    "who speaks or how they were recorded. The honest numbers leave whole callers out and "
                    "are not raised by it; those of a caller under two ids, or of folds over rows, would be.",
                    f"control c: AUROC of segments {row['auroc']:.3f} where the model met other segments of "
                    f"the voice, {row['reference']:.3f} where it did not; change {row['change']:+.3f} "
                    f"({row['change_lower']:+.3f} to {row['change_upper']:+.3f})",
                    "Make sure that one person is one caller_id, over services and years.",
                )
            )  # fmt: skip
        if row["control"] == "d" and _tells(row):
            out.append(
                Finding(
                    "recording_alone", "bias", "The recording alone predicts the outcome.", shown,
                    "Ask which of level, noise, bandwidth and length differs by class, and why.",
                )
            )  # fmt: skip
        if row["control"] == "d, missing" and _tells(row):
            out.append(
                Finding(
                    "missing_alone", "note",
                    "Which markers are missing predicts the outcome by itself. It can be the voice (frames "
                    "without a pitch, a formant or a strong band) as much as the line.",
                    shown, "See missing.csv, and report the result without the markers that are missing.",
                )
            )  # fmt: skip
        if row["control"] in ALONE and _tells(row):
            out.append(Finding(*ALONE[row["control"]][:3], shown, ALONE[row["control"]][3]))
        if row["control"] == "e" and np.isfinite(row["auroc"]) and row["auroc"] < honest - JUMP:
            out.append(
                Finding(
                    "one_service", "note", "The result depends on one service.",
                    f"{shown}; {honest:.3f} with all", "Report both.",
                )
            )  # fmt: skip
        if row["control"] == "g" and abs(row["auroc"] - 0.5) > OFF:
            out.append(
                Finding(
                    "callers_straddle", "leak",
                    "The validation code itself is at fault: knowing nothing but who called tells the "
                    "outcome, so that it has callers in training and test at once.",
                    f"{shown}; this control tests the code, not the study",
                    "Do not use this version; report the fault.",
                )
            )  # fmt: skip
    return out
