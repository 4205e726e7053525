"""Recordings to frames and segments, call by call, in parallel; an unchanged call is not analysed again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.audio import AudioSettings, Recording, channel_table, read_recording
from voicerisk.biomarkers import (
    BiomarkerSettings,
    extract_call,
    extract_call_file,
    is_long,
    keep_frames,
    summarise_segments,
)
from voicerisk.cohort import Cohort
from voicerisk.errors import StudyError
from voicerisk.files import sha256_file, write_parquet
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.kept_steps import keep_step, kept_step
from voicerisk.pipeline.results_folder import fingerprint, keep_only
from voicerisk.pipeline.study_file import as_json
from voicerisk.study.extraction.channels import audio_of_calls
from voicerisk.study.extraction.marker_table import (
    match_calls,
    place_by_time,
    place_segments,
    read_markers,
    refuse_late_times,
)
from voicerisk.study.fitting.design import FRAME_KEYS

_OF_CALL = ["path", "file", "caller_id"]


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
        One row a call: what the recording channel reveals.
    markers : tuple of str
    notes : tuple of str
        What a reader should know.
    """

    frames: pd.DataFrame
    segments: pd.DataFrame
    counts: pd.DataFrame
    channel: pd.DataFrame
    markers: tuple[str, ...]
    notes: tuple[str, ...] = ()


def contents(cohort: Cohort) -> dict[str, str]:
    """Return the SHA-256 of each recording by its path."""
    return {path: sha256_file(Path(path)) for path in cohort.calls["path"].unique()}


def call_fingerprints(
    cohort: Cohort,
    audio: AudioSettings,
    biomarkers: BiomarkerSettings,
    content: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return for each call a hash of its recording, its spans and the settings that shape its markers."""
    own = audio_of_calls(cohort.calls, audio)
    settings = {"preset": biomarkers.preset, "markers": biomarkers.markers}
    code = code_of(_extract_one)
    spans = dict(iter(cohort.spans.groupby("call_id", sort=False)))
    content = contents(cohort) if content is None else content
    return {
        call: fingerprint(
            recording=content[path],
            spans=spans[call][["segment", "start_s", "end_s"]].to_numpy().tolist(),
            settings={"audio": as_json(own[call]), **settings},
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
    content: Mapping[str, str] | None = None,
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
    content : mapping, optional
        What `contents` returned of this cohort, where that is known already.

    Returns
    -------
    Extraction
    """
    from joblib import Parallel, delayed

    content = contents(cohort) if content is None else content
    marks = call_fingerprints(cohort, audio, biomarkers, content)
    own_audio = audio_of_calls(cohort.calls, audio)
    keep_only(cache, {f"{mark}{end}" for mark in marks.values() for end in (".parquet", ".json")})

    of_call: dict[Any, Any] = cohort.calls.set_index("call_id")[_OF_CALL].to_dict("index")
    spans = dict(iter(cohort.spans.groupby("call_id", sort=False)))
    pending = [call for call, mark in marks.items() if kept_step(cache / f"{mark}.json") is None]
    done = len(marks) - len(pending)
    results = Parallel(n_jobs=max(1, min(jobs, len(pending))), return_as="generator_unordered")(
        delayed(_extract_one)(
            of_call[call]["path"],
            of_call[call]["file"],
            spans[call],
            own_audio[call],
            biomarkers,
            cache / marks[call],
            content[of_call[call]["path"]],
        )
        for call in pending
    )
    for _ in results:
        done += 1
        if progress:
            progress(done, len(marks))

    frames, counts, channel = [], [], []
    for call, mark in marks.items():
        kept = kept_step(cache / f"{mark}.json")
        assert kept is not None  # made or found above
        table = pd.read_parquet(cache / f"{mark}.parquet")
        table.insert(0, "call_id", call)
        table.insert(1, "caller_id", of_call[call]["caller_id"])
        frames.append(table)
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
    content: str,
) -> None:
    source: Path | Recording = Path(path)
    if is_long(Path(path), audio.channel):
        call = extract_call_file(path, spans, audio, biomarkers, name=name)
    else:
        recording = read_recording(path, audio.channel, audio.resample_hz)
        call = extract_call(recording, spans, audio, biomarkers, name=name)
        if recording.sample_rate == recording.file_rate:
            source = recording
    channel = _channel(source, spans, audio)
    if sha256_file(Path(path)) != content:
        raise StudyError(f"{path} changed while it was read; run the study again once it stays as it is.")
    table = stem.with_suffix(".parquet")
    write_parquet(table, call.frames)
    found = {"counts": call.counts.to_dict("records"), "channel": channel}
    keep_step(stem.with_suffix(".json"), found, table)


def _channel(source: Path | Recording, spans: pd.DataFrame, audio: AudioSettings) -> dict[str, Any]:
    row = channel_table(source, spans, channel=audio.channel)
    return {key: _json_value(value) for key, value in row.items() if key != "call_id"}


def channel_of_calls(
    cohort: Cohort, audio: AudioSettings, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Return what the recording channel of each call reveals, for a study whose markers are in a table.

    Parameters
    ----------
    cohort : Cohort
    audio : AudioSettings
        Of which `channel` counts.
    jobs : int
        Processes.
    progress : callable, optional

    Returns
    -------
    DataFrame
        One row a call, as `Extraction.channel`.
    """
    from joblib import Parallel, delayed

    spans = dict(iter(cohort.spans.groupby("call_id", sort=False)))
    paths = dict(zip(cohort.calls["call_id"], cohort.calls["path"], strict=True))
    own_audio = audio_of_calls(cohort.calls, audio)
    results = Parallel(n_jobs=max(1, min(jobs, len(spans))), return_as="generator")(
        delayed(_channel)(Path(paths[call]), own, own_audio[call]) for call, own in spans.items()
    )
    rows = []
    for done, (call, row) in enumerate(zip(spans, results, strict=True), 1):
        rows.append({"call_id": call, **row})
        if progress:
            progress(done, len(spans))
    return pd.DataFrame(rows)


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


def read_marker_table(path: Path, cohort: Cohort, missing: str = "masked") -> Extraction:
    """Read a table of the user's own markers (soundgen, openSMILE, Praat ...) in place of extraction.

    Parameters
    ----------
    path : Path
        Any table that is read (CSV, Excel, Parquet), one row a frame (or segment) with `call_id`; `segment`,
        `frame`, `time_s` (seconds in the file) and `silent` where known. Every other column is a marker;
        missing values are empty.
    cohort : Cohort
        Rows of calls that are not in it, and silent ones, are left out and counted. Rows without `segment`
        are placed by `time_s`; segments that count from 1 are read as such, which a note says.
    missing : {'masked', 'named', 'complete'}
        The rule for missing values.

    Returns
    -------
    Extraction
        `channel` is empty: the table holds no sound to look at.

    Raises
    ------
    StudyError
        Names file, row and value for what cannot be used: a missing column, text in a marker, an id that the
        table of calls spells otherwise, a segment or time that the label tracks do not have, a duplicate row.
    """
    if not path.is_file():
        raise StudyError(f"[biomarkers] frames names {path.name}, which is not there ({path.parent}).")
    table = read_markers(path)
    markers = table.markers
    known, notes = match_calls(table, cohort.calls["call_id"], list(cohort.exclusions["call_id"]))
    notes = [*table.sheet.notes(), *notes]
    frames = table.frames[known]
    counts = [_left("own markers", "call not in the cohort", len(table.frames), len(frames))]
    refuse_late_times(frames, cohort, path.name)
    if "segment" in frames:
        segment, told = place_segments(frames, cohort.spans, path.name)
        notes += told
    else:
        segment = place_by_time(frames, cohort.spans, table)
    frames = frames.assign(segment=segment)
    if (segment < 0).any():
        placed = frames[segment >= 0]
        counts.append(_left("own markers", "outside the labelled spans", len(frames), len(placed)))
        frames = placed
    if "frame" not in frames:
        frames = frames.assign(frame=frames.groupby(["call_id", "segment"], sort=False).cumcount())
    if "time_s" not in frames:
        frames = frames.assign(time_s=np.nan)
    twice = frames.duplicated(["call_id", "segment", "frame"])
    if twice.any():
        row = frames.loc[twice].iloc[0]
        raise StudyError(
            f"{path.name}, row {table.sheet.rows[frames.index[twice][0]]}: call {row['call_id']}, segment "
            f"{row['segment']}, frame {row['frame']} is there twice."
        )
    callers = cohort.calls.set_index("call_id")["caller_id"]
    every = frames.assign(caller_id=frames["call_id"].map(callers)).reset_index(drop=True)
    every = every.astype({"segment": np.int32, "frame": np.int32})
    n_heard = int((~every["silent"]).sum())
    if "silent" in table.sheet.cells:
        counts.append(_left("silence", "silent", len(every), n_heard))
    stays = keep_frames(every, missing, markers)
    if missing != "masked":
        counts.append(_left("missing", f"a marker is missing ({missing})", n_heard, int(stays.sum())))
    summed = every.loc[stays | every["silent"].to_numpy(bool)]
    segments = summarise_segments(summed, _spans_of(every, cohort.spans, callers), markers)
    return Extraction(
        frames=every.loc[stays, [*FRAME_KEYS, *markers]].reset_index(drop=True),
        segments=segments,
        counts=pd.DataFrame(counts, columns=["step", "unit", "reason", "n", "remaining"]),
        channel=pd.DataFrame(columns=["call_id"]),
        markers=markers,
        notes=tuple(notes),
    )


def _left(step: str, reason: str, before: int, after: int) -> tuple[str, str, str, int, int]:
    return step, "frame", reason, before - after, after


def _spans_of(frames: pd.DataFrame, spans: pd.DataFrame, callers: pd.Series) -> pd.DataFrame:
    """Return the spans of the segments that a table has; the table's own ones last as long as their rows."""
    found = frames.groupby(["call_id", "segment"], sort=False)["time_s"].agg(["min", "max"]).reset_index()
    labelled = spans.groupby("call_id", sort=False).size()
    own = found.groupby("call_id", sort=False)["segment"].transform("max") >= found["call_id"].map(labelled)
    found = found.merge(spans, on=["call_id", "segment"], how="left")
    found["start_s"] = found["start_s"].mask(own.to_numpy(bool), found["min"])
    found["end_s"] = found["end_s"].mask(own.to_numpy(bool), found["max"])
    found["label"] = found["label"].fillna("")
    return found.drop(columns=["min", "max"]).assign(caller_id=found["call_id"].map(callers))
