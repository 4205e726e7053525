"""One call to look at and listen to: its sound, its markers, and what adds up to its score."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from voicerisk.audio import Recording, read_recording
from voicerisk.errors import StudyError
from voicerisk.files import read_json
from voicerisk.models.calls.model import COMMON, mixed
from voicerisk.pipeline.results_folder import ORIGIN, STATE, read_record
from voicerisk.pipeline.tables import read_table
from voicerisk.study.extraction.channels import audio_of_calls
from voicerisk.study.fitting.boost_rows import FrameRows
from voicerisk.study.fitting.design import FRAME_KEYS, ModelTables, model_tables
from voicerisk.study.fitting.family import FamilyFitter, call_frames
from voicerisk.study.protocols import fitter_of, part_of
from voicerisk.study.settings import Study, load_study
from voicerisk.validation import TrainingSet
from voicerisk.validation.protocols.choice import BOOSTED

SHOWN_MARKERS = 4
# The refit repeats the fold's arithmetic; what differs is the order of sums on another machine.
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class HeardCall:
    """A call's sound and the tables of its listening figure.

    Attributes
    ----------
    call_id : str
    protocol : {'nested', 'published'}
        Whose leave-one-caller-out model the contributions and scores are of.
    recording : Recording
        The channel that was analysed.
    envelope : DataFrame
        time_s, low, high.
    parts : mapping of str to DataFrame
        spectrogram, spans (start_s, end_s, label), tracks (marker, time_s, value), contributions (term,
        time_s, value in log-odds; in every frame they sum to the log-odds of p_raw), scores (time_s, p_raw,
        call_score, threshold, protocol).
    """

    call_id: str
    protocol: str
    recording: Recording
    envelope: pd.DataFrame
    parts: Mapping[str, pd.DataFrame]


def study_of(results: Path) -> Study:
    """Return the study that wrote a results folder.

    Raises
    ------
    StudyError
        If the folder does not say where its study file lies, or it lies there no more.
    """
    note = read_record(results / STATE / ORIGIN)
    if note is None or not isinstance(note.get("study"), str):
        raise StudyError(
            f"{results} does not say where its study file lies; name it with --study STUDY.toml."
        )
    path = (results / note["study"]).resolve()
    if not path.is_file():
        raise StudyError(
            f"The study file of {results} is no longer at {path}; name it with --study STUDY.toml."
        )
    return load_study(path)


def calls_of(results: Path) -> list[str]:
    """Return the ids of all calls of a finished study that have frames, in the order of its calls table."""
    known = read_table(results, "calls")["call_id"]
    framed = set(read_table(results, "frames", columns=["call_id"])["call_id"])
    return [call for call in known if call in framed]


def missed_calls_of(results: Path, protocol: str | None = None) -> list[str]:
    """Return the calls that a protocol (default: nested where it was run) decided wrongly, worst first."""
    from voicerisk.figures import call_scores

    name = protocol or _default(results)
    path = results / f"predictions_{name}.parquet"
    if not path.is_file():
        raise StudyError(f"{results} holds no predictions of the {name} protocol.")
    scores = call_scores(read_table(results, f"predictions_{name}", filters=[("unit", "==", "call")]))
    wrong = scores[scores["wrong"]]
    far = (wrong["p_raw"] - wrong["threshold"]).abs().sort_values(ascending=False, kind="stable")
    return [str(call) for call in wrong.loc[far.index, "call_id"]]


def _default(results: Path) -> str:
    return "nested" if (results / "predictions_nested.parquet").is_file() else "published"


def listen_to(study: Study, results: Path, call_id: str, protocol: str | None = None) -> HeardCall:
    """Gather what the listening figure of one call shows.

    The model that scored the call when its caller was left out is fitted again, so that its contributions are
    those of the score that was reported; the sum of them is checked against the stored scores.

    Parameters
    ----------
    study : Study
        The study file the results were made with.
    results : Path
        Its results folder.
    call_id : str
    protocol : {'nested', 'published'}, optional
        Default: nested where it was run.

    Returns
    -------
    HeardCall

    Raises
    ------
    StudyError
        If the call, its times or its leave-one-caller-out scores are not there, the recording is another one
        than was analysed, or the settings no longer give the stored scores.
    """
    protocol = protocol or _default(results)
    calls = read_table(results, "calls")
    known = calls_of(results)
    if call_id not in known:
        some = ", ".join(known[:5]) + (", ..." if len(known) > 5 else "")
        raise StudyError(f"{results} has no analysed call {call_id!r}; its calls are {some}.")
    scores = _scores(results, protocol, call_id)
    recording = _recording(study, results, call_id)
    frames, segments = (read_table(results, name) for name in ("frames", "segments"))
    markers = tuple(column for column in frames.columns if column not in FRAME_KEYS)
    tables = model_tables(
        calls, frames, segments, markers, study.biomarkers.levels, study.cohort, study.boost.covariates
    )
    contributions = _contributions(study, results, protocol, tables, scores)

    from voicerisk.figures import frame_tracks, sound_tables

    envelope, spectrogram = sound_tables(recording.samples, recording.sample_rate)
    size = contributions.groupby("term")["value"].apply(lambda values: values.abs().mean())
    strongest = [str(term) for term in size.sort_values(ascending=False).index if term in tables.markers]
    mine = tables.frames[tables.frames["call_id"] == call_id]
    spans = segments.loc[segments["call_id"] == call_id, ["start_s", "end_s", "label"]]
    parts = {
        "spectrogram": spectrogram,
        "spans": spans.reset_index(drop=True),
        "tracks": frame_tracks(mine, strongest[:SHOWN_MARKERS]),
        "contributions": contributions,
        "scores": scores[["time_s", "p_raw", "call_score", "threshold", "protocol"]],
    }
    return HeardCall(call_id, protocol, recording, envelope, parts)


def sound_of(heard: HeardCall) -> bytes:
    """Return a call's sound as a 16-bit FLAC file; samples beyond full scale are clipped."""
    import io

    import soundfile

    buffer = io.BytesIO()
    samples = np.clip(heard.recording.samples, -1.0, 1.0)
    soundfile.write(buffer, samples, heard.recording.sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _scores(results: Path, protocol: str, call_id: str) -> pd.DataFrame:
    path = results / f"predictions_{protocol}.parquet"
    if not path.is_file():
        raise StudyError(f"{results} holds no predictions of the {protocol} protocol.")
    chosen = [("unit", "==", "frame"), ("design", "==", "loco"), ("call_id", "==", call_id)]
    rows = read_table(results, f"predictions_{protocol}", filters=chosen)
    if rows.empty:
        raise StudyError(
            f"The {protocol} protocol holds no leave-one-caller-out scores of the frames of call "
            f"{call_id!r}; the study needs the design loco."
        )
    if rows["time_s"].isna().any():
        raise StudyError(f"The frames of call {call_id!r} have no times (time_s): there is nothing to draw.")
    # A call's score need not be the mean of its frames': of call models it is not.
    whole = [("unit", "==", "call"), *chosen[1:]]
    own = read_table(results, f"predictions_{protocol}", filters=whole)["p_raw"]
    rows = rows.assign(call_score=float(own.iloc[0]))
    return rows.sort_values(["segment", "frame"], kind="stable").reset_index(drop=True)


def _recording(study: Study, results: Path, call_id: str) -> Recording:
    from voicerisk.cohort import load_cohort

    calls = load_cohort(study.cohort, study.folder).calls
    cohort = calls.set_index("call_id")
    if call_id not in cohort.index:
        raise StudyError(f"{study.path.name} has no call {call_id!r}, though {results} holds results of it.")
    audio = audio_of_calls(calls, study.audio)[call_id]
    path = Path(str(cohort.at[call_id, "path"]))
    recording = read_recording(path, channel=audio.channel, resample_hz=audio.resample_hz)
    channel = read_table(results, "channel")
    own = channel.loc[channel["call_id"] == call_id, "sha256"].tolist() if "sha256" in channel else []
    if own and recording.sha256 != own[0]:
        raise StudyError(
            f"The recording of call {call_id!r} ({path.name}) is not the one that was analysed; "
            "run the study again."
        )
    return recording


def _contributions(
    study: Study, results: Path, protocol: str, tables: ModelTables, scores: pd.DataFrame
) -> pd.DataFrame:
    """Return each term's part of the log-odds of each frame, from the model that left the caller out."""
    first = scores.iloc[0]
    call_id, caller, fold = str(first["call_id"]), str(first["caller_id"]), int(first["fold"])
    notes = _protocol_notes(results, protocol)
    key = f"{protocol}/loco/r00/f{fold:03d}/outer"
    if key not in notes["fits"]:
        raise StudyError(f"{results} does not say which markers the model without call {call_id!r} had.")
    others = tuple(one for one in sorted(tables.calls["caller_id"].unique()) if one != caller)
    prior = float(notes["class_prior"]) if protocol == "nested" else None
    asked = TrainingSet(key, others, (caller,), prior, 0)
    fitter = fitter_of(study, protocol, tables, (), results, 1)
    if protocol == "nested" and notes.get("member_weights"):
        weights = read_table(results, "tuning")
        weights = weights[(weights["design"] == "loco") & (weights["fold"] == fold) & weights["step"].isna()]
        of_member = dict(zip(weights["member"].astype(str), weights["weight"].astype(float), strict=True))
        if of_member.get(BOOSTED, 0.0) == 0.0:
            return _of_members(study, tables, asked, of_member, scores)
    path = fitter.refit(asked, tuple(notes["fits"][key]["selected"]))
    cuts = read_table(results, "thresholds")
    cuts = cuts[(cuts["protocol"] == protocol) & (cuts["design"] == "loco")]
    own = cuts[cuts["fold"].isna() | (cuts["fold"] == fold)]
    step = int(own["mstop"].iloc[0])

    data = FrameRows.of(tables)
    mine = data.data.take(data.rows_of_call[call_id])
    values = path.contributions(mine, step)
    start = "start" if tables.moderator is None else f"start and {tables.moderator.name}"
    terms: dict[str, NDArray[np.float64]] = {start: np.full(mine.n, path.offset)}
    for fitted, part in zip(path.learners, values, strict=True):
        name = fitted.learner.variable
        name = name if name in tables.inputs else start
        terms[name] = terms.get(name, np.zeros(mine.n)) + part
    return _checked_terms(study, protocol, terms, scores)


def _of_members(
    study: Study,
    tables: ModelTables,
    asked: TrainingSet,
    weights: dict[str, float],
    scores: pd.DataFrame,
) -> pd.DataFrame:
    """Return the parts of each frame's log-odds in the mean of the family's members."""
    members = tuple(name for name in weights if name != BOOSTED)
    family = FamilyFitter(tables, members)
    model = mixed(family.fit(asked).models, [weights[name] for name in members])
    frames = call_frames(tables)
    call = int(np.flatnonzero(tables.calls["call_id"] == str(scores.iloc[0]["call_id"]))[0])
    mine = np.flatnonzero(frames.call == call)
    level = family.level[call] if family.level[call] in model.level_effect else COMMON
    start = "start" if tables.moderator is None else f"start and {tables.moderator.name}"
    terms = {start: np.full(len(mine), model.offset + model.level_effect[level])}
    terms |= {
        effect.marker: effect(frames.columns[effect.marker][mine])
        for effect in model.effects
        if effect.level == level
    }
    return _checked_terms(study, "nested", terms, scores)


def _checked_terms(
    study: Study, protocol: str, terms: dict[str, NDArray[np.float64]], scores: pd.DataFrame
) -> pd.DataFrame:
    """Return the terms as a table, if they add up to the stored scores."""
    call_id = str(scores.iloc[0]["call_id"])
    total = np.sum(list(terms.values()), axis=0)
    gap = np.abs(expit(total) - scores["p_raw"].to_numpy(float)).max()
    if not gap <= TOLERANCE:
        raise StudyError(
            f"The settings of {study.path.name} no longer give the stored {protocol} scores of call "
            f"{call_id!r} (they differ by up to {gap:.2g}); run the study again."
        )
    time = scores["time_s"].to_numpy(float)
    return pd.concat(
        [pd.DataFrame({"term": name, "time_s": time, "value": part}) for name, part in terms.items()],
        ignore_index=True,
    )


def _protocol_notes(results: Path, protocol: str) -> dict[str, Any]:
    path = results / part_of(protocol) / "notes.json"
    if not path.is_file():
        raise StudyError(f"{results} lacks {path.relative_to(results)}; run the study again.")
    return read_json(path, StudyError)
