"""Scores of new calls by a saved model, with what each marker adds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.audio import AudioSettings, read_recording
from voicerisk.biomarkers import BiomarkerSettings, extract_call, preset_audio
from voicerisk.errors import StudyError
from voicerisk.models import ScoringModel, read_model


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of frames, segments and calls.

    Attributes
    ----------
    frames : DataFrame
        call_id, segment, frame, time_s, p_raw, log_odds, base (offset and sex), what each marker adds to the
        log-odds under its name, n_outside, `<marker>_outside`. Silent frames have no row.
    segments, calls : DataFrame
        call_id (and segment), the mean of p_raw, log_odds, base and of what each marker adds, n_frames. The
        score of a call is its mean p_raw; base and the markers' parts add up to its mean log_odds.
    outside : DataFrame
        call_id, marker, n_values (available ones), n_outside (beyond the range of the training data), share.
    notes : tuple of str
        Frames that the model cannot score, counted.
    """

    frames: pd.DataFrame
    segments: pd.DataFrame
    calls: pd.DataFrame
    outside: pd.DataFrame
    notes: tuple[str, ...] = ()


def score(model: Path | ScoringModel, source: Path, sex: str | None = None) -> Scores:
    """Score a recording or a table of frames.

    Parameters
    ----------
    model : Path or ScoringModel
        `boost/model.json` of a study.
    source : Path
        A sound file (analysed whole, with the audio settings of the model's study), or a Parquet or CSV table
        of frames with `call_id` and the model's markers, as `voicerisk extract` or a study writes it.
    sex : str, optional
        The caller's level of the model's moderator ('female' or 'male' where that is sex); needed by a
        moderated model unless the table has a column of the moderator's name.

    Returns
    -------
    Scores

    Raises
    ------
    StudyError
        If there is no table, no frame, nothing that says the level of the moderator, or no frame of a
        call that can be scored.
    ModelError
        If a marker is missing from the table, or the level is one that the model does not know.
    """
    scorer = read_model(model) if isinstance(model, Path) else model
    frames = _frames(source, scorer)
    if sex is not None:
        frames[scorer.moderated_by] = sex
    if scorer.moderator is not None and scorer.moderated_by not in frames:
        raise StudyError(
            f"The model differs by {scorer.moderated_by} ({', '.join(scorer.moderator.levels)}), but "
            f"{source.name} does not say which it is; add --sex with one of these."
        )
    frames, notes = scorable(scorer, frames)
    scored = scorer.score(frames)
    keys = [name for name in ("call_id", "segment", "frame", "time_s") if name in frames]
    scored = pd.concat([frames[keys], scored], axis=1)
    return Scores(
        scored,
        _means(scored, ["call_id", "segment"], scorer.markers),
        _means(scored, ["call_id"], scorer.markers),
        _outside(frames, scored, scorer.markers),
        notes,
    )


def scorable(scorer: ScoringModel, frames: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out frames in which a marker is missing that the model never saw missing, and say how many.

    Parameters
    ----------
    scorer : ScoringModel
    frames : DataFrame
        call_id and the model's markers.

    Returns
    -------
    frames : DataFrame
        Numbered anew.
    notes : tuple of str

    Raises
    ------
    StudyError
        Where a call would lose all its frames.
    """
    never = [marker for marker in scorer.markers if marker not in scorer.availability and marker in frames]
    missing = frames[never].isna()
    gone = missing.any(axis=1).to_numpy()
    if not gone.any():
        return frames.reset_index(drop=True), ()
    counts = missing.sum()
    named = ", ".join(f"{marker} in {n}" for marker, n in counts[counts > 0].items())
    empty = sorted(set(frames["call_id"]) - set(frames.loc[~gone, "call_id"]))
    if empty:
        raise StudyError(
            f"Call {empty[0]} has no frame that the model can score: {named} frames (of all "
            "calls) is missing, which the model never saw in its training; leave such calls out."
        )
    note = (
        f"{gone.sum()} of {len(frames)} frames were left out: a marker is missing in them that the model "
        f"never saw missing ({named})."
    )
    return frames[~gone].reset_index(drop=True), (note,)


def _frames(source: Path, scorer: ScoringModel) -> pd.DataFrame:
    if source.suffix in (".parquet", ".csv"):
        if not source.is_file():
            raise StudyError(f"{source} is not there.")
        try:
            table = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source)
        except (OSError, ValueError) as error:  # pyarrow's and pandas' own errors are ValueErrors
            raise StudyError(f"{source} is not a readable table of frames ({error}).") from error
        if "call_id" not in table:
            raise StudyError(f"{source.name} has no column call_id.")
        table = table.astype({"call_id": str})
    else:
        kept = scorer.notes.get("audio")
        audio = AudioSettings(**kept) if kept else preset_audio("published")
        preset = str(scorer.notes.get("preset", "published"))
        settings = BiomarkerSettings(preset=preset, set=scorer.markers or "named")
        recording = read_recording(source, channel=audio.channel, resample_hz=audio.resample_hz)
        table = extract_call(recording, None, audio, settings, name=str(source)).frames
        table.insert(0, "call_id", source.stem)
    if "silent" in table:
        table = table[~table["silent"].astype(bool)]
    if table.empty:
        raise StudyError(f"{source.name} holds no frame with speech.")
    return table.assign(segment=table.get("segment", 0)).reset_index(drop=True)


def _means(frames: pd.DataFrame, keys: list[str], markers: tuple[str, ...]) -> pd.DataFrame:
    grouped = frames.groupby(keys, sort=False)
    columns = ["p_raw", "log_odds", "base", *markers]
    return grouped[columns].mean().assign(n_frames=grouped.size()).reset_index()


def _outside(frames: pd.DataFrame, scored: pd.DataFrame, markers: tuple[str, ...]) -> pd.DataFrame:
    """Count values beyond the training range by call and marker; missing ones are neither in nor out."""
    ranged = [marker for marker in markers if f"{marker}_outside" in scored]
    call = frames["call_id"]
    order = pd.unique(call)
    parts = []
    for marker in ranged:
        values = frames[marker].notna().groupby(call, sort=False).sum()
        beyond = scored[f"{marker}_outside"].groupby(call, sort=False).sum()
        parts.append(pd.DataFrame({"marker": marker, "n_values": values, "n_outside": beyond}))
    if not parts:
        return pd.DataFrame(columns=["call_id", "marker", "n_values", "n_outside", "share"])
    table = pd.concat(parts).rename_axis("call_id").reset_index()
    place = pd.Series(np.arange(len(order)), index=order)
    table = table.iloc[table["call_id"].map(place).argsort(kind="stable")].reset_index(drop=True)
    return table.assign(share=table["n_outside"] / table["n_values"].where(table["n_values"] > 0))
