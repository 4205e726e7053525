"""Scores of new calls by a saved model, with what each marker adds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.audio import AudioSettings, read_recording
from voicerisk.biomarkers import BiomarkerSettings, extract_call, preset_audio
from voicerisk.callers.moderator import Moderator, level_text
from voicerisk.errors import StudyError
from voicerisk.intake import is_missing
from voicerisk.intake.sheet import REFUSED, TABLES
from voicerisk.models import ScoringModel, read_model
from voicerisk.study.marker_table import MarkerTable, read_markers


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
        A sound file (analysed whole, with the audio settings of the model's study), or a table of frames
        (CSV,
        Excel, Parquet) with `call_id` and the model's markers, as `voicerisk extract` or a study writes it.
    sex : str, optional
        The level of the model's moderator ('female' or 'male' where that is sex) where the table does not
        say: it fills gaps of the column and may not contradict it. A moderated model needs the level of every
        call.

    Returns
    -------
    Scores

    Raises
    ------
    StudyError
        If there is no table, no frame, nothing that says the level, two different levels of a call, or no
        frame of a call that can be scored; if a marker is missing from the table.
    """
    scorer = read_model(model) if isinstance(model, Path) else model
    frames = _frames(source, scorer, sex)
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


def _frames(source: Path, scorer: ScoringModel, sex: str | None) -> pd.DataFrame:
    moderator = scorer.moderator
    given = None if sex is None else level_text(sex, scorer.moderated_by)
    if moderator is not None and given is not None and given not in moderator.levels:
        raise StudyError(f"--sex is {sex!r}, but must be {' or '.join(moderator.levels)}.")
    if source.suffix.lower() in TABLES or source.suffix.lower() in REFUSED:
        if not source.is_file():
            raise StudyError(f"{source} is not there.")
        markers = read_markers(source, scorer.markers)
        table = markers.frames
        if moderator is not None and moderator.name in markers.sheet.cells:
            table[moderator.name] = _levels(markers, moderator, given)
    else:
        kept = scorer.notes.get("audio")
        audio = AudioSettings(**kept) if kept else preset_audio("published")
        preset = str(scorer.notes.get("preset", "published"))
        settings = BiomarkerSettings(preset=preset, set=scorer.markers or "named")
        recording = read_recording(source, channel=audio.channel, resample_hz=audio.resample_hz)
        table = extract_call(recording, None, audio, settings, name=str(source)).frames
        table.insert(0, "call_id", source.stem)
    if moderator is not None and moderator.name not in table:
        if given is None:
            raise StudyError(
                f"The model differs by {moderator.name}, but {source.name} does not say which it is; add "
                f"--sex with {' or '.join(moderator.levels)}."
            )
        table[moderator.name] = given
    if "silent" in table:
        table = table[~table["silent"].astype(bool)]
    if table.empty:
        raise StudyError(f"{source.name} holds no frame with speech.")
    if "segment" not in table:
        table = table.assign(segment=0)
    return table.reset_index(drop=True)


def _levels(table: MarkerTable, moderator: Moderator, given: str | None) -> pd.Series:
    """Return the level of each row, gaps filled with the one given; nothing is overwritten."""
    name = moderator.name
    cells = table.sheet.cells[name].astype("str")
    missing = cells.map(is_missing).to_numpy(dtype=bool)
    levels = cells.map(lambda cell: level_text(cell, name)).mask(missing)
    unknown = ~levels.isin(moderator.levels).to_numpy(dtype=bool) & ~missing
    if unknown.any():
        raise StudyError(
            f"{table.name}: {name} must be one of {', '.join(moderator.levels)} "
            f"({table.sheet.shown(name, unknown)})."
        )
    if given is not None:
        against = (levels.notna() & (levels != given)).to_numpy(dtype=bool)
        if against.any():
            raise StudyError(
                f"--sex {given} contradicts {table.name} ({table.sheet.shown(name, against)}); it only says "
                "what the table does not."
            )
        levels = levels.where(levels.notna(), given)
    elif missing.any():
        raise StudyError(
            f"{table.name}: {name} is missing ({table.sheet.shown(name, missing)}); fill it, or add --sex."
        )
    both = levels.groupby(table.frames["call_id"]).unique()
    several = both[both.map(len) > 1]
    if len(several):
        first, second = several.iloc[0][:2]
        raise StudyError(
            f"{table.name}: call {several.index[0]!r} is {first} in some rows and {second} in others."
        )
    return levels


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
