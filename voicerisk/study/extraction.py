"""Recordings to frames and segments, call by call, in parallel; an unchanged call is not analysed again."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.audio import AudioSettings, Recording, channel_table, read_recording
from voicerisk.biomarkers import (
    BiomarkerSettings,
    extract_call,
    extract_file,
    is_long,
    keep_frames,
    summarise_segments,
)
from voicerisk.cohort import Cohort
from voicerisk.errors import StudyError
from voicerisk.files import PRIVATE, sha256_file, write_json, write_parquet
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.results_folder import fingerprint, keep_only
from voicerisk.pipeline.study_file import plain
from voicerisk.study.design import FRAME_KEYS

_OF_CALL = ["path", "file", "caller_id"]
# Words that mean something else in the tables and models of a study.
RESERVED = {
    *("sex", "y", "outcome", "caller", "call", "file", "path", "start_s", "end_s", "label"),
    *("n_frames", "n_silent", "p", "p_raw", "threshold", "weight"),
}


@dataclass(frozen=True, slots=True)
class Extraction:
    """What the recordings became.

    Attributes
    ----------
    frames : DataFrame
        Non-silent frames that stay under the rule for missing values.
    segments : DataFrame
        One row a span, markers averaged over the frames that stay.
    counts : DataFrame
        step, unit, reason, n, remaining: frames that left, summed over calls.
    channel : DataFrame
        One row a call: what the recording channel gives away.
    markers : tuple of str
    """

    frames: pd.DataFrame
    segments: pd.DataFrame
    counts: pd.DataFrame
    channel: pd.DataFrame
    markers: tuple[str, ...]


def call_fingerprints(cohort: Cohort, audio: AudioSettings, biomarkers: BiomarkerSettings) -> dict[str, str]:
    """Return for each call a hash of its recording, its spans and the settings that shape its markers."""
    settings = {"audio": plain(audio), "preset": biomarkers.preset, "markers": biomarkers.markers}
    code = code_of(_extract_one)
    spans = dict(iter(cohort.spans.groupby("call_id", sort=False)))
    content = {path: sha256_file(Path(path)) for path in cohort.calls["path"].unique()}
    return {
        call: fingerprint(
            recording=content[path],
            spans=spans[call][["segment", "start_s", "end_s"]].to_numpy().tolist(),
            settings=settings,
            code=code,
        )
        for call, path in zip(cohort.calls["call_id"], cohort.calls["path"], strict=True)
        if call in spans
    }


def extract_calls(
    cohort: Cohort,
    audio: AudioSettings,
    biomarkers: BiomarkerSettings,
    cache: Path,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Extraction:
    """Take the markers of every call.

    Parameters
    ----------
    cohort : Cohort
    audio, biomarkers : settings
    cache : Path
        Folder with one file a call, named by its fingerprint; what lies there is not analysed again, and what
        belongs to no call any more is removed.
    jobs : int
        Processes.
    progress : callable, optional

    Returns
    -------
    Extraction
    """
    from joblib import Parallel, delayed

    marks = call_fingerprints(cohort, audio, biomarkers)
    keep_only(cache, {f"{mark}{end}" for mark in marks.values() for end in (".parquet", ".json")})

    of_call: dict[Any, Any] = cohort.calls.set_index("call_id")[_OF_CALL].to_dict("index")
    spans = dict(iter(cohort.spans.groupby("call_id", sort=False)))
    pending = [call for call, mark in marks.items() if not (cache / f"{mark}.json").exists()]
    done = len(marks) - len(pending)
    results = Parallel(n_jobs=max(1, min(jobs, len(pending))), return_as="generator_unordered")(
        delayed(_extract_one)(
            of_call[call]["path"],
            of_call[call]["file"],
            spans[call],
            audio,
            biomarkers,
            cache / marks[call],
        )
        for call in pending
    )
    for _ in results:
        done += 1
        if progress:
            progress(done, len(marks))

    frames, counts, channel = [], [], []
    for call, mark in marks.items():
        table = pd.read_parquet(cache / f"{mark}.parquet")
        table.insert(0, "call_id", call)
        table.insert(1, "caller_id", of_call[call]["caller_id"])
        frames.append(table)
        kept = json.loads((cache / f"{mark}.json").read_text(encoding="utf-8"))
        counts.append(pd.DataFrame(kept["counts"]))
        channel.append({"call_id": call, **kept["channel"]})
    every = pd.concat(frames, ignore_index=True)
    stays = keep_frames(every, biomarkers.missing, biomarkers.markers)
    n_missing = int((~every["silent"].to_numpy(bool) & ~stays).sum())
    owner = cohort.calls[["call_id", "caller_id"]]
    spans_of_callers = cohort.spans.merge(owner, on="call_id", how="left")
    segments = summarise_segments(
        every.loc[stays | every["silent"].to_numpy(bool)], spans_of_callers, biomarkers.markers
    )
    return Extraction(
        frames=every.loc[stays, [*FRAME_KEYS, *biomarkers.markers]].reset_index(drop=True),
        segments=segments,
        counts=_total(counts, n_missing, biomarkers.missing),
        channel=pd.DataFrame(channel),
        markers=tuple(biomarkers.markers),
    )


def _extract_one(
    path: str,
    name: str,
    spans: pd.DataFrame,
    audio: AudioSettings,
    biomarkers: BiomarkerSettings,
    stem: Path,
) -> None:
    source: Path | Recording = Path(path)
    if is_long(Path(path), audio.channel):
        call = extract_file(path, spans, audio, biomarkers, name=name)
    else:
        recording = read_recording(path, audio.channel, audio.resample_hz)
        call = extract_call(recording, spans, audio, biomarkers, name=name)
        if recording.sample_rate == recording.file_rate:
            source = recording
    write_parquet(stem.with_suffix(".parquet"), call.frames)
    row = channel_table(source, spans, channel=audio.channel)
    channel = {key: _json_value(value) for key, value in row.items() if key != "call_id"}
    # Written last: its presence says that the call is done.
    write_json(
        stem.with_suffix(".json"), {"counts": call.counts.to_dict("records"), "channel": channel}, PRIVATE
    )


def _json_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _total(counts: list[pd.DataFrame], n_missing: int, rule: str) -> pd.DataFrame:
    total = (
        pd.concat(counts)
        .groupby(["step", "unit", "reason"], sort=False)[["n", "remaining"]]
        .sum()
        .reset_index()
    )
    if rule != "masked":
        left = int(total.loc[total["step"] == "silence", "remaining"].iloc[0])
        row = {"step": "missing", "unit": "frame", "reason": f"a marker is missing ({rule})", "n": n_missing}
        total = pd.concat([total, pd.DataFrame([{**row, "remaining": left - n_missing}])], ignore_index=True)
    return total


def read_marker_table(path: Path, cohort: Cohort) -> Extraction:
    """Read a table of the user's own markers (soundgen, openSMILE, Praat ...) in place of extraction.

    Parameters
    ----------
    path : Path
        CSV or Parquet, one row a frame (or segment) with `call_id`; `segment`, `frame` and `time_s` (seconds
        in the file) where known. Every other numeric column is a marker; missing values are empty.
    cohort : Cohort
        Rows of calls that are not in it are left out and counted. Rows without `segment` are placed by
        `time_s`.

    Returns
    -------
    Extraction
        `channel` is empty: there is no sound to look at.

    Raises
    ------
    StudyError
        Names file, row and value for a missing column, an infinite value, text in a marker, or a duplicate
        row.
    """
    if not path.is_file():
        raise StudyError(f"[biomarkers] frames names {path.name}, which is not there ({path.parent}).")
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={"call_id": str})
    if "call_id" not in table:
        raise StudyError(
            f"{path.name} has no column call_id; its columns are {', '.join(map(str, table.columns))}."
        )
    table["call_id"] = table["call_id"].astype(str)
    n_given = len(table)
    table = table[table["call_id"].isin(cohort.calls["call_id"])]
    counts = [("own markers", "frame", "call not in the cohort", n_given - len(table), len(table))]
    if "segment" not in table:
        table, n_outside = _placed(table, cohort.spans, path.name)
        counts.append(("own markers", "frame", "outside the labelled spans", n_outside, len(table)))
    if "frame" not in table:
        table["frame"] = table.groupby(["call_id", "segment"], sort=False).cumcount()
    if "time_s" not in table:
        table["time_s"] = np.nan
    twice = table.duplicated(["call_id", "segment", "frame"])
    if twice.any():
        row = table.loc[twice].iloc[0]
        raise StudyError(
            f"{path.name} holds call {row['call_id']}, segment {row['segment']}, frame {row['frame']} twice."
        )
    markers = tuple(name for name in table.columns if name not in {*FRAME_KEYS, "silent"})
    taken = [name for name in markers if name in RESERVED]
    if taken:
        raise StudyError(f"{path.name}: a marker cannot be called {taken[0]}; rename the column.")
    if not markers:
        raise StudyError(f"{path.name} has no column of markers beside {', '.join(table.columns)}.")
    for marker in markers:
        if not pd.api.types.is_numeric_dtype(table[marker]):
            raise StudyError(f"{path.name}: the column {marker} holds text; leave missing values empty.")
        infinite = np.isinf(table[marker].to_numpy(np.float64))
        if infinite.any():
            raise StudyError(f"{path.name}, row {int(table.index[infinite][0]) + 2}: {marker} is infinite.")
    callers = cohort.calls.set_index("call_id")["caller_id"]
    frames = table.assign(caller_id=table["call_id"].map(callers))[[*FRAME_KEYS, *markers]].reset_index(
        drop=True
    )
    frames = frames.astype({"segment": np.int32, "frame": np.int32, **dict.fromkeys(markers, np.float64)})
    spans = (
        frames[["call_id", "segment"]]
        .drop_duplicates()
        .merge(cohort.spans, on=["call_id", "segment"], how="left")
    )
    spans["caller_id"] = spans["call_id"].map(callers)
    segments = summarise_segments(frames.assign(silent=False), spans, markers)
    return Extraction(
        frames=frames,
        segments=segments,
        counts=pd.DataFrame(counts, columns=["step", "unit", "reason", "n", "remaining"]),
        channel=pd.DataFrame(columns=["call_id"]),
        markers=markers,
    )


def _placed(table: pd.DataFrame, spans: pd.DataFrame, name: str) -> tuple[pd.DataFrame, int]:
    if "time_s" not in table:
        raise StudyError(
            f"{name} has neither a column segment nor time_s; one of them must say where a row belongs."
        )
    segment = np.full(len(table), -1)
    calls = table["call_id"].to_numpy()
    times = table["time_s"].to_numpy(np.float64)
    for span in spans.itertuples():
        inside = (calls == span.call_id) & (times >= span.start_s) & (times < span.end_s)
        segment[inside] = span.segment
    placed = table.assign(segment=segment)
    return placed[placed["segment"] >= 0].copy(), int((segment < 0).sum())
