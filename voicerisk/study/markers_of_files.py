"""Markers of recordings without a study: one file, a folder, or a table of calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import BiomarkerSettings, extract_file, preset_audio, write_marker_table
from voicerisk.cohort import read_audacity, read_textgrid
from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, write_csv

SOUNDS = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au", ".gsm", ".w64", ".caf"}


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to take markers of: its id, its file, and its label track where there is one."""

    call_id: str
    path: Path
    track: Path | None = None


def jobs_of(source: Path) -> list[Job]:
    """Return the recordings that `source` names: a sound file, a folder of them, or a table with `file`.

    Raises
    ------
    StudyError
        If nothing is there, an id occurs twice, or a file of the table is missing (with its row).
    """
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.suffix.lower() in SOUNDS)
        if not files:
            raise StudyError(f"{source} holds no recording ({', '.join(sorted(SOUNDS))}).")
        return [Job(file.relative_to(source).with_suffix("").as_posix(), file) for file in files]
    if not source.is_file():
        raise StudyError(f"{source} is not there; name a recording, a folder or a table of calls.")
    if source.suffix.lower() != ".csv":
        return [Job(source.stem, source)]
    try:
        table = pd.read_csv(source, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as broken:
        raise StudyError(f"{source.name} cannot be read as a table: {str(broken).strip()}.") from broken
    if table.empty:
        raise StudyError(f"{source.name} names no recording; it has no row.")
    if "file" not in table:
        raise StudyError(f"{source.name} has no column file; its columns are {', '.join(table.columns)}.")
    ids = table["call_id"] if "call_id" in table else table["file"]
    twice = ids[ids.duplicated()]
    if len(twice):
        raise StudyError(f"{source.name}, row {int(twice.index[0]) + 2}: {twice.iloc[0]!r} is there twice.")
    tracks = table["labels"] if "labels" in table else pd.Series([""] * len(table))
    jobs = []
    for row, (call_id, file, track) in enumerate(zip(ids, table["file"], tracks, strict=True), start=2):
        for column, name in (("file", file), ("labels", track)):
            if (name or column == "file") and not (source.parent / name).is_file():
                raise StudyError(
                    f"{source.name}, row {row}: {column} {name!r} is not there ({source.parent})."
                )
        jobs.append(Job(call_id, source.parent / file, source.parent / track if track else None))
    return jobs


def extract_files(
    source: Path,
    out: Path,
    markers: str | Sequence[str] = "all",
    preset: str = "published",
    labels: Sequence[str] = (),
    channel: int | str | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Take the markers of recordings and write them as one table.

    Parameters
    ----------
    source : Path
        A sound file, a folder of sound files, or a CSV with `file` and, where known, `call_id` and `labels`
        (label tracks: only the labelled spans are analysed).
    out : Path
        `.parquet` (definitions travel in its metadata) or `.csv`.
    markers : 'all', 'named' or sequence of str
    preset : {'published', 'soundgen-2.5.1'}
    labels : sequence of str
        Label texts to keep; empty keeps all.
    channel : int, 'left', 'right' or None
        The caller's channel of recordings with several.
    jobs : int
        Processes.
    progress : callable, optional

    Returns
    -------
    DataFrame
        call_id, segment, frame, time_s, silent, then one column a marker; silent frames are marked, not
        dropped.
    """
    from dataclasses import replace

    from joblib import Parallel, delayed

    if out.suffix not in (".parquet", ".csv"):
        raise StudyError(f"--out {out} must end in .parquet or .csv.")
    settings = BiomarkerSettings(preset=preset, set=markers)
    audio = replace(preset_audio(preset), channel=channel)
    wanted = jobs_of(source)
    tables: list[pd.DataFrame] = []
    found = Parallel(n_jobs=min(jobs, len(wanted)), return_as="generator")(
        delayed(_frames_of)(job, audio, settings, tuple(labels)) for job in wanted
    )
    for table in found:
        tables.append(table)
        if progress:
            progress(len(tables), len(wanted))
    every = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
    if out.suffix == ".csv":
        write_csv(out, every, PRIVATE)
    else:
        write_marker_table(out, every)
    return every


def _frames_of(
    job: Job, audio: AudioSettings, settings: BiomarkerSettings, labels: tuple[str, ...]
) -> pd.DataFrame:
    spans: Any = None
    if job.track is not None:
        read = read_textgrid if job.track.suffix.lower() == ".textgrid" else read_audacity
        track = read(job.track)
        spans = track[track["label"].isin(labels)] if labels else track
        spans = spans[spans["end_s"] > spans["start_s"]].reset_index(drop=True)
        if spans.empty:
            raise StudyError(
                f"{job.track} has no span with one of the labels {', '.join(labels) or '(any)'}."
            )
    frames = extract_file(job.path, spans, audio, settings).frames
    frames.insert(0, "call_id", job.call_id)
    return frames
