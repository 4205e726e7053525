"""Sound and facts that no model is given: what lies outside the caller's speech, how long and when they call.

Where such sound predicts the outcome, so may anything that seeps from it into the caller's speech: the
line, the room, the counsellor. A reader wants to know before they believe that it was the voice.
"""

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.audio import AudioSettings, sound_length
from voicerisk.audio.recording import opened
from voicerisk.audio.settings import channel_number
from voicerisk.audio.silence import SilenceRule
from voicerisk.biomarkers import extract_file
from voicerisk.biomarkers.catalogue import select_markers
from voicerisk.cohort import Cohort
from voicerisk.files import PRIVATE, write_parquet
from voicerisk.pipeline.kept_steps import keep_step, kept_step
from voicerisk.pipeline.progress import Reporter
from voicerisk.study.extraction.channels import audio_of_calls
from voicerisk.study.settings import Study
from voicerisk.types import Progress
from voicerisk.validation.audit.controls import Alone

# Of each call, in order of time: enough for a mean, and a bound on what a long call costs.
MOST_S = 120.0
# Labels are set by ear: sound this close to a span may be the caller's.
MARGIN_S = 0.1
SHORTEST_S = 0.2
LEAST_FRAMES = 10
SILENCE, OTHER_VOICE = "silence", "other voice"
# Frames less than 10 dB above the floor of what lies outside the caller's speech count as silence.
FLOOR = SilenceRule("noise-floor", 10.0)
OUTCOME = "0.5; above it this predicts the outcome"
WHAT = {
    SILENCE: "the study's markers where nothing is said, outside the caller's speech",
    OTHER_VOICE: "the study's markers of what is heard outside the caller's speech",
}


def outside(spans: pd.DataFrame, start: float, end: float) -> list[tuple[float, float]]:
    """Return the stretches of a call that lie outside the caller's spans.

    Parameters
    ----------
    spans : DataFrame
        start_s and end_s, seconds in the file, in any order.
    start, end : float
        Seconds of the recording between which the call lies.

    Returns
    -------
    list of (float, float)
        In order of time: at least 0.2 s long, 0.1 s away from every span, 120 s in all.

    Examples
    --------
    >>> outside(pd.DataFrame({"start_s": [1.0, 5.0], "end_s": [4.9, 9.0]}), 0.0, 10.0)
    [(0.0, 0.9), (9.1, 10.0)]
    """
    found, left, at = [], MOST_S, start
    ordered = spans.sort_values("start_s")
    starts = [*(ordered["start_s"] - MARGIN_S), end]
    ends = [*(ordered["end_s"] + MARGIN_S), end]
    for next_start, next_end in zip(starts, ends, strict=True):
        stop = min(next_start, at + left)
        if stop - at >= SHORTEST_S:
            found.append((round(at, 9), round(stop, 9)))
            left -= stop - at
        at = max(at, next_end)
    return found


def other_sound(
    cohort: Cohort,
    audio: AudioSettings,
    markers: tuple[str, ...],
    preset: str,
    jobs: int = 1,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Take the markers of the sound outside the caller's speech, call by call.

    Parameters
    ----------
    cohort : Cohort
    audio : AudioSettings
    markers : tuple of str
    preset : str
    jobs : int
    progress : callable, optional

    Returns
    -------
    DataFrame
        kind (`'silence'`: frames in which nothing sounds; `'other voice'`: the others, and those of the
        recording's other channel where the caller has one of two), call_id, n_frames, then the mean of each
        marker over frames that have it. A call with fewer than 10 such frames has no row.
    """
    from joblib import Parallel, delayed

    own: dict[Hashable, AudioSettings] = audio_of_calls(cohort.calls, audio)
    paths = dict(zip(cohort.calls["call_id"], cohort.calls["path"], strict=True))
    shared = set(cohort.calls.loc[cohort.calls["path"].duplicated(keep=False), "call_id"])
    spans = dict(iter(cohort.spans.groupby("call_id", sort=False)))
    results = Parallel(n_jobs=max(1, min(jobs, len(spans))), return_as="generator")(
        delayed(_of_call)(Path(paths[call]), part, own[call], markers, preset, call in shared)
        for call, part in spans.items()
    )
    rows: list[dict[str, Any]] = []
    for done, (call, found) in enumerate(zip(spans, results, strict=True), 1):
        rows += [{"kind": kind, "call_id": call, **row} for kind, row in found.items()]
        if progress is not None:
            progress(done, len(spans))
    return pd.DataFrame(rows, columns=["kind", "call_id", "n_frames", *markers])


def _of_call(
    path: Path,
    spans: pd.DataFrame,
    audio: AudioSettings,
    markers: tuple[str, ...],
    preset: str,
    shared: bool,
) -> dict[str, dict[str, float]]:
    # Where calls share a file, only what lies between a call's own spans is surely of that call.
    start, end = 0.0, sound_length(path)[0]
    if shared:
        start, end = float(spans["start_s"].min()), float(spans["end_s"].max())
    # The scale comes from the sound that is measured, and never from the caller's speech.
    apart = replace(audio, extent="caller_speech", silence=FLOOR)
    found = {}
    if gaps := outside(spans, start, end):
        frames = extract_file(path, preset, gaps, markers, apart, mask=False)
        found = {SILENCE: frames[frames["silent"]], OTHER_VOICE: frames[~frames["silent"]]}
    other = _other_channel(path, audio)
    if other is not None:
        whole = [(start, min(end, start + MOST_S))]
        frames = extract_file(path, preset, whole, markers, replace(apart, channel=other), mask=False)
        found[OTHER_VOICE] = frames[~frames["silent"]]
    return {
        kind: {"n_frames": len(part), **{name: float(part[name].mean()) for name in markers}}
        for kind, part in found.items()
        if len(part) >= LEAST_FRAMES
    }


def _other_channel(path: Path, audio: AudioSettings) -> int | None:
    """Return the channel that is not the caller's, of a recording with two; None for any other recording."""
    if audio.channel is None:
        return None
    with opened(path, audio.channel) as (file, _):
        two = file.channels == 2
    return 3 - channel_number(audio.channel) if two else None


def lengths(cohort: Cohort, seconds: pd.Series) -> pd.DataFrame:
    """Return how long each call lasts and how much of it the caller speaks; no sound enters.

    Parameters
    ----------
    cohort : Cohort
    seconds : Series
        Of the recording, by call_id.

    Returns
    -------
    DataFrame
        call_id, log of the recording's seconds, log of the caller's seconds, log of their spans, the caller's
        share of the call.
    """
    spans = cohort.spans.assign(length=cohort.spans["end_s"] - cohort.spans["start_s"])
    speech = spans.groupby("call_id")["length"].agg(["sum", "size"])
    whole = seconds.loc[speech.index]
    return pd.DataFrame(
        {
            "call_id": speech.index,
            "log seconds of the call": np.log(whole.to_numpy(np.float64)),
            "log seconds of speech": np.log(speech["sum"].to_numpy()),
            "log number of spans": np.log(speech["size"].to_numpy()),
            "share of speech": speech["sum"].to_numpy() / whole.to_numpy(np.float64),
        }
    )


def moments(calls: pd.DataFrame) -> pd.DataFrame:
    """Return when each call was, from the columns that hold dates; their order is another check's matter.

    Parameters
    ----------
    calls : DataFrame
        The table of calls, with its further columns as text.

    Returns
    -------
    DataFrame
        call_id, and for each column of ISO dates its days and, where it has times, the hour on a circle.
    """
    found: dict[str, Any] = {"call_id": calls["call_id"]}
    for name in calls.columns:
        text = calls[name]
        if pd.api.types.is_numeric_dtype(text) or not text.astype(str).str.match(r"\d{4}-\d{2}-\d{2}").any():
            continue
        times = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
        if times.isna().ne(text.isna()).any():
            continue
        found[f"{name} (days)"] = (times - times.min()).dt.total_seconds() / 86400.0
        hour = times.dt.hour + times.dt.minute / 60.0
        if hour.nunique() > 1:
            found[f"{name} (hour, sine)"] = np.sin(2.0 * np.pi * hour / 24.0)
            found[f"{name} (hour, cosine)"] = np.cos(2.0 * np.pi * hour / 24.0)
    return pd.DataFrame(found)


def controls_beside(
    study: Study, cohort: Cohort, place: Path, jobs: int, reporter: Reporter, channel: pd.DataFrame
) -> tuple[Alone, ...]:
    """Return the controls on sound and facts that no model is given.

    Parameters
    ----------
    study : Study
    cohort : Cohort
    place : Path
        Folder of the audit's finished steps; the markers of the other sound are kept there.
    jobs : int
    reporter : Reporter
    channel : DataFrame
        channel.csv; without `sha256` the study has no recordings.
    """
    found = [Alone("moments", "the date and hour of the call alone", OUTCOME, moments(cohort.calls))]
    if "sha256" not in channel:
        return tuple(one for one in found if len(one.columns.columns) > 1)
    file = place / "other_sound.parquet"
    kept = place / "other_sound.json"
    if kept_step(kept) is None:
        # A table of the user's own markers names markers that no recording here can give again.
        own = study.biomarkers.frames is not None
        markers = select_markers("all", "published") if own else tuple(study.biomarkers.markers)
        preset = "published" if own else study.biomarkers.preset
        with reporter.stage("Sound outside the caller's speech") as move:
            write_parquet(file, other_sound(cohort, study.audio, markers, preset, jobs, move), PRIVATE)
        keep_step(kept, sorted(markers), file)
    table = pd.read_parquet(file)
    for kind, what in WHAT.items():
        columns = table[table["kind"] == kind].drop(columns=["kind", "n_frames"])
        found.append(Alone(kind, what, OUTCOME, columns))
    long = lengths(cohort, channel.set_index("call_id")["duration_s"])
    found.append(Alone("lengths", "lengths of the call and of the caller's speech alone", OUTCOME, long))
    return tuple(one for one in found if len(one.columns.columns) > 1)
