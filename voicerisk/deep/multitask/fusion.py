"""Late fusion with the score of the voice pipeline, and whether text rescues the caller that voice misses."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.schema import classes_of
from voicerisk.errors import MultitaskError
from voicerisk.validation.metrics.proportions import proportion_interval

VOICE = "voice"
LEAST = 1e-6


def read_voice_scores(path: Path, protocol: str) -> pd.DataFrame:
    """Read the call scores of the main pipeline.

    Parameters
    ----------
    path : Path
        `predictions_<protocol>.parquet` of a results folder.
    protocol : str

    Returns
    -------
    DataFrame
        call_id, p_raw, threshold: of leave-one-caller-out where the file has it, else the mean over repeats
        of another design. A call is flagged where p_raw >= threshold.

    Raises
    ------
    MultitaskError
        For a missing file, or one without such rows.
    """
    if not path.is_file():
        raise MultitaskError(f"There is no predictions file {path}; check [multitask] voice_scores.")
    table = pd.read_parquet(path)
    lost = {"protocol", "design", "unit", "call_id", "p_raw", "threshold"} - set(table.columns)
    if lost:
        raise MultitaskError(
            f"{path.name} is no binary predictions table: it lacks {', '.join(sorted(lost))}."
        )
    rows = table[(table["protocol"] == protocol) & (table["unit"] == "call")]
    if rows.empty:
        raise MultitaskError(f"{path.name} holds no call rows of the protocol {protocol!r}.")
    design = "loco" if (rows["design"] == "loco").any() else rows["design"].iloc[0]
    rows = rows[rows["design"] == design]
    return rows.groupby("call_id", as_index=False)[["p_raw", "threshold"]].mean()


def fuse(predictions: pd.DataFrame, voice: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Add the voice score alone, and fused with each model, to the predictions of risk.

    Nothing is learned: the fused log-odds of the last class are the mean of both log-odds. (Weights learned
    on out-of-fold scores would have seen, through the models that gave those scores, the cases they are
    tested on.)

    Parameters
    ----------
    predictions : DataFrame
        Predictions of a task with two classes; one protocol.
    voice : DataFrame
        call_id, p_raw.

    Returns
    -------
    DataFrame, list of str
        Predictions of models 'voice' and '<model> + voice' on the cases that have a voice score, the models
        themselves on these same cases, and notes.

    Raises
    ------
    MultitaskError
        Where no case has a voice score, or the task has more than two classes.
    """
    low, high = _two(predictions)
    score = predictions["call_id"].map(voice.drop_duplicates("call_id").set_index("call_id")["p_raw"])
    there = score.notna()
    n, total = (predictions["call_id"][mask].nunique() for mask in (there, there | True))
    if n == 0:
        raise MultitaskError("No case of this study has a voice score; case ids must be the call ids.")
    own, voice_p = predictions[there], score[there].to_numpy(dtype=np.float64)
    notes = (
        [f"{total - n} of {total} cases have no voice score and are left out of the fusion."]
        if n < total
        else []
    )

    def with_p(table: pd.DataFrame, names: Any, p: np.ndarray) -> pd.DataFrame:
        new: dict[str, Any] = {f"p_raw_{high}": p, f"p_raw_{low}": 1.0 - p}
        return table.assign(model=names, **new, **{f"p_{name}": np.nan for name in (low, high)})

    logit = 0.5 * (_logit(own[f"p_raw_{high}"].to_numpy(dtype=np.float64)) + _logit(voice_p))
    fused = with_p(own, own["model"] + " + " + VOICE, 1.0 / (1.0 + np.exp(-logit)))
    once = own["model"] == own["model"].iloc[0]
    alone = with_p(own[once], VOICE, voice_p[once.to_numpy()])
    return pd.concat([alone, own, fused], ignore_index=True), notes


def rescue_table(predictions: pd.DataFrame, voice: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Count what each model does with the cases that voice misses, and what that costs.

    Parameters
    ----------
    predictions : DataFrame
        Predictions of a task with two classes; the first repeat counts.
    voice : DataFrame
        call_id, p_raw, threshold; a case is missed where its y is the last class and p_raw < threshold.
    level : float

    Returns
    -------
    DataFrame
        model, missed (cases at raised risk that voice lets pass), rescued (of these, given the last class by
        the model), share, lower, upper (Clopper-Pearson), cleared (cases at low risk that voice lets pass),
        false_alarms (of these, given the last class), share_false, lower_false, upper_false. Intervals take
        cases as independent.
    """
    low, high = _two(predictions)
    known = voice.dropna(subset=["p_raw", "threshold"]).drop_duplicates("call_id").set_index("call_id")
    passed = known["p_raw"] < known["threshold"]
    rows = []
    for model, table in predictions.groupby("model", sort=False):
        one = table[table["repeat"] == table["repeat"].min()]
        voice_passes = one["call_id"].map(passed)
        one = one[voice_passes.fillna(False).astype(bool)]
        flagged = (one[f"p_raw_{high}"] > one[f"p_raw_{low}"]).to_numpy()
        positive = (one["y"].astype(str) == high).to_numpy()
        row: dict[str, Any] = {"model": model}
        for names, part in (
            (("missed", "rescued", "share", "lower", "upper"), positive),
            (("cleared", "false_alarms", "share_false", "lower_false", "upper_false"), ~positive),
        ):
            n, hit = int(part.sum()), int((flagged & part).sum())
            ends = proportion_interval(hit, n, "clopper_pearson", level) if n else (np.nan, np.nan)
            row |= dict(zip(names, (n, hit, hit / n if n else np.nan, *ends), strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _two(predictions: pd.DataFrame) -> tuple[str, str]:
    classes = classes_of(predictions)
    if len(classes) != 2:
        raise MultitaskError(f"Fusion with the voice score needs a task of two classes, not {len(classes)}.")
    return classes[0], classes[1]


def _logit(p: np.ndarray) -> np.ndarray:
    kept = np.clip(p, LEAST, 1.0 - LEAST)
    return np.asarray(np.log(kept / (1.0 - kept)))
