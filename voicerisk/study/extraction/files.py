"""Markers of recordings without a study: one file, a folder, or a table of calls.

A finished recording is kept beside the output until all are done, so that a run that was stopped goes on
from there.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import (
    BiomarkerSettings,
    extract_call_file,
    preset_audio,
    read_marker_table_in_pieces,
    write_marker_table,
    write_marker_tables,
)
from voicerisk.cohort.labels import ROUNDING_S, read_track
from voicerisk.cohort.spans import apart, sort_labels
from voicerisk.errors import StudyError, VoiceriskError
from voicerisk.files import PRIVATE, replacing, sha256_file, without_formulas
from voicerisk.intake import clean, find_file, is_missing, is_there, leads_out, read_sheet
from voicerisk.intake.cells import is_excel_error
from voicerisk.intake.sheet import TABLES
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.results_folder import fingerprint, keep_only
from voicerisk.pipeline.study_file import as_json

# What recorders, phones and telephone systems call their files; any case.
SOUNDS = {
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".gsm"),
    *(".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2"),
    *(".m4a", ".mp4", ".aac", ".webm", ".mkv", ".mka", ".amr", ".3gp", ".3ga", ".wma"),
}
SHOWN = 5  # broken recordings that an error names


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
        files = [file for file in _files_of(source) if file.suffix.lower() in SOUNDS]
        if not files:
            raise StudyError(f"{source} holds no recording ({', '.join(sorted(SOUNDS))}).")
        short = [file.relative_to(source).with_suffix("").as_posix() for file in files]
        # a.wav and a.flac are two recordings: names that would be one id keep their ending
        return [
            Job(name if short.count(name) == 1 else file.relative_to(source).as_posix(), file)
            for name, file in zip(short, files, strict=True)
        ]
    if not source.is_file():
        raise StudyError(f"{source} is not there; name a recording, a folder or a table of calls.")
    if source.suffix.lower() not in TABLES:
        return [Job(source.stem, source)]
    sheet = read_sheet(source, StudyError, required=("file",), text=("call_id", "file", "labels"))
    table = sheet.as_text().cells
    ids = table["call_id"] if "call_id" in table else table["file"]
    tracks = table["labels"] if "labels" in table else pd.Series([""] * len(table))
    jobs: list[Job] = []
    seen: set[str] = set()
    for row, call_id, file, track in zip(sheet.rows, ids, table["file"], tracks, strict=True):
        if is_missing(call_id) or is_missing(file):
            raise StudyError(f"{source.name}, row {row}: the file or call_id is missing.")
        if call_id in seen:
            raise StudyError(f"{source.name}, row {row}: {call_id!r} is there twice.")
        seen.add(call_id)
        if is_excel_error(track):
            raise StudyError(
                f"{source.name}, row {row}: labels is {track!r}, an error of Excel's; name the track, or "
                f"leave "
                "it empty."
            )
        own = None if is_missing(track) else _there(source, row, "labels", track)
        jobs.append(Job(call_id, _there(source, row, "file", file), own))
    return jobs


def left_out_of(source: Path) -> list[str]:
    """Return the files of a folder that are not taken for recordings, by their names; empty for no folder."""
    if not source.is_dir():
        return []
    return [
        file.relative_to(source).as_posix() for file in _files_of(source) if file.suffix.lower() not in SOUNDS
    ]


def _files_of(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _there(source: Path, row: int, column: str, name: str) -> Path:
    if leads_out(source.parent, name):
        raise StudyError(
            f"{source.name}, row {row}: {column} {name!r} leads out of the folder {source.parent}; put the "
            "table above all files that it names."
        )
    path = find_file(source.parent, name)
    if not is_there(path) or not path.is_file():
        raise StudyError(f"{source.name}, row {row}: {column} {name!r} is not there ({source.parent}).")
    return path


def extract_files(
    source: Path,
    out: Path,
    markers: str | Sequence[str] = "all",
    preset: str = "published",
    labels: Sequence[str] = (),
    channel: int | str | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    tier: str | None = None,
) -> pd.DataFrame:
    """Take the markers of recordings and write them as one table.

    The table has call_id, segment, frame, time_s, silent, then one column a marker; silent frames are marked,
    not dropped. It is written recording by recording and never held whole.

    Parameters
    ----------
    source : Path
        A sound file, a folder of sound files, or a table (CSV, Excel, Parquet) with `file` and, where known,
        `call_id` and `labels` (label tracks: only the labelled spans are analysed).
    out : Path
        `.parquet` (definitions travel in its metadata) or `.csv`. Of several recordings the finished ones lie
        in `.<name>.parts` beside it (private) until it is written.
    markers : 'all', 'named' or sequence of str
    preset : {'published', 'soundgen-2.5.1'}
    labels : sequence of str
        Label texts to keep; `*` stands for any characters; empty keeps all.
    channel : int, 'left', 'right' or None
        The caller's channel of recordings with several.
    jobs : int
        Processes.
    progress : callable, optional
    tier : str, optional
        Tier of Praat TextGrids; needed where one has several interval tiers.

    Returns
    -------
    DataFrame
        One row a recording, in the order of the table: call_id, n_frames, n_silent, whole (whether it has no
        label track, so that the whole file was analysed).

    Raises
    ------
    StudyError
        If recordings cannot be analysed, after all others were; it names them and what is wrong with each.
    """
    from joblib import Parallel, delayed

    if out.suffix not in (".parquet", ".csv"):
        raise StudyError(f"--out {out} must end in .parquet or .csv.")
    settings = BiomarkerSettings(preset=preset, set=markers)
    audio = replace(preset_audio(preset), channel=channel)
    wanted = jobs_of(source)
    spans = [_spans_of(job, labels, tier) for job in wanted]
    if len(wanted) == 1:  # there is nothing that another run could go on from
        frames = _frames_of(wanted[0], spans[0], audio, settings)
        if frames.empty:
            raise StudyError(
                f"{wanted[0].path} holds no whole frame: no stretch of it is as long as one (40 ms)."
            )
        counts = _write(out, wanted, [[frames]])
        if progress:
            progress(1, 1)
        return counts
    made_by = {
        "settings": [as_json(audio), settings.preset, settings.markers],
        "code": code_of(_extract_one),
    }
    parts = out.with_name(f".{out.name}.parts")
    places = [parts / f"{_mark(job, span, made_by)}.parquet" for job, span in zip(wanted, spans, strict=True)]
    keep_only(parts, {place.name for place in places})
    pending = [n for n, place in enumerate(places) if not place.exists()]
    found = Parallel(n_jobs=max(1, min(jobs, len(pending))), return_as="generator")(
        delayed(_extract_one)(wanted[n], spans[n], audio, settings, places[n]) for n in pending
    )
    broken = []
    for done, problem in enumerate(found, start=len(wanted) - len(pending) + 1):
        if problem:
            broken.append(problem)
        if progress:
            progress(done, len(wanted))
    if broken:
        raise StudyError(_what_is_broken(broken, len(wanted)))
    counts = _write(out, wanted, map(read_marker_table_in_pieces, places))
    shutil.rmtree(parts)
    return counts


def _spans_of(job: Job, labels: Sequence[str], tier: str | None) -> pd.DataFrame | None:
    """Return the spans of a recording by the rules of a study's cohort; None where the whole file is one."""
    if job.track is None:
        return None
    kept = tuple(clean(label) for label in labels) or None
    chosen, _, _ = sort_labels(read_track(job.track, tier), kept)
    if not chosen:
        raise StudyError(f"{job.track} has no span with one of the labels {', '.join(labels) or '(any)'}.")
    rows = apart(chosen, job.track, ROUNDING_S, job.call_id)
    return pd.DataFrame(rows, columns=["start_s", "end_s", "label", "line"])


def _mark(job: Job, spans: pd.DataFrame | None, made_by: Mapping[str, object]) -> str:
    cut = None if spans is None else spans[["start_s", "end_s"]].to_numpy().tolist()
    return fingerprint(call=job.call_id, recording=sha256_file(job.path), spans=cut, **made_by)


def _frames_of(
    job: Job, spans: pd.DataFrame | None, audio: AudioSettings, settings: BiomarkerSettings
) -> pd.DataFrame:
    frames = extract_call_file(job.path, spans, audio, settings).frames
    frames.insert(0, "call_id", job.call_id)
    return frames


def _extract_one(
    job: Job,
    spans: pd.DataFrame | None,
    audio: AudioSettings,
    settings: BiomarkerSettings,
    place: Path,
) -> str | None:
    # What is wrong with one recording is handed back, so that it does not stop the others.
    try:
        write_marker_table(place, _frames_of(job, spans, audio, settings))
    except VoiceriskError as problem:
        return str(problem)
    return None


def _what_is_broken(broken: Sequence[str], n: int) -> str:
    shown = " ".join(broken[:SHOWN])
    more = f" And {len(broken) - SHOWN} more." if len(broken) > SHOWN else ""
    kept = " The others are kept for the next run." if n > len(broken) else ""
    return f"{len(broken)} of {n} recordings cannot be analysed. {shown}{more}{kept}"


def _write(out: Path, wanted: Sequence[Job], pieces: Iterable[Iterable[pd.DataFrame]]) -> pd.DataFrame:
    counts: list[dict[str, Any]] = []

    def tables() -> Iterator[pd.DataFrame]:
        for job, own in zip(wanted, pieces, strict=True):
            count: dict[str, Any] = {"call_id": job.call_id, "n_frames": 0, "n_silent": 0}
            count["whole"] = job.track is None
            for table in own:
                count["n_frames"] += len(table)
                count["n_silent"] += int(table["silent"].sum())
                yield table
            counts.append(count)

    if out.suffix == ".parquet":
        write_marker_tables(out, tables())
    else:
        with replacing(out, PRIVATE) as temporary, temporary.open("w", encoding="utf-8", newline="") as sheet:
            for n, table in enumerate(tables()):
                without_formulas(table).to_csv(sheet, index=False, header=n == 0)
    return pd.DataFrame(counts)
