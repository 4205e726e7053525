"""From a recording to a table of markers, one row a frame."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from voicerisk.audio.long_file import PreparedFile, prepare_file
from voicerisk.audio.prepare import Prepared, Spans, prepare
from voicerisk.audio.recording import opened, read_recording
from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers.catalogue import select_markers
from voicerisk.biomarkers.settings import BiomarkerSettings
from voicerisk.errors import BiomarkerError
from voicerisk.types import Floats

LOWEST_RATE = 8000
WHOLE_S = 900.0  # files up to 15 minutes are held in memory


@dataclass(frozen=True, slots=True, eq=False)
class CallFrames:
    """Markers of one call.

    Attributes
    ----------
    frames : DataFrame
        segment (int32), frame (int32, within the segment), time_s, silent (bool), then one float64 column a
        marker. All frames, silent ones too.
    counts : DataFrame
        What left at each step of the audio stage: step, unit, reason, n, remaining.
    """

    frames: pd.DataFrame
    counts: pd.DataFrame


def extract(
    signal: ArrayLike,
    sample_rate: int,
    preset: str = "published",
    spans: Spans = None,
    markers: Any = None,
    audio: AudioSettings | None = None,
    mask: bool = True,
    pitch: ArrayLike | None = None,
) -> pd.DataFrame:
    """Take the markers of one recording.

    Parameters
    ----------
    signal : array of shape (n,)
        Mono sound: floats with full scale = 1, or signed integers of 16 or 32 bits (full scale = their
        range).
    sample_rate : int
        Hz, at least 8000.
    preset : {'published', 'soundgen-2.5.1'}
        ``published``: the paper's steps (16-bit PCM, normalisation, pre-emphasis 0.97, frames of the caller's
        speech). ``soundgen-2.5.1``: the whole file as `soundgen::analyze()` 2.5.1 takes it (40 ms, step 20
        ms).
    spans : DataFrame with start_s and end_s, pairs of seconds, or None
        The caller's speech; None is the whole recording.
    markers : 'named', 'all', or names, optional
        Default 'all'. What is left out costs nothing.
    audio : AudioSettings, optional
        In place of the preset's audio settings.
    mask : bool
        Set markers to NaN on silent frames (all but level, voicing and flux; soundgen keeps entropy, too),
        and `dom` (in the soundgen preset `HNR`, too) on noisy ones, as soundgen does by default. False gives
        what each frame's sound gives.
    pitch : array of shape (n_frames,), optional
        Pitch in Hz of every frame (NaN unvoiced), for markers that depend on it, in place of ours; with the
        preset ``soundgen-2.5.1`` only.

    Returns
    -------
    DataFrame
        segment, frame, time_s, silent, then the markers in the order of the catalogue; the same columns
        always.

    Raises
    ------
    BiomarkerError
        For unknown markers or a sample rate below 8000 Hz.
    AudioError
        For samples that are not finite, or spans outside the recording.

    References
    ----------
    Iyer et al. (2022); soundgen 2.5.1 `analyze()`.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(8000) / 8000
    >>> vowel = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20)) / 4
    >>> table = extract(vowel, 8000, markers=["quartile50", "rms_db"])
    >>> list(table.columns)
    ['segment', 'frame', 'time_s', 'silent', 'rms_db', 'quartile50']
    >>> len(table)
    48
    """
    names = select_markers("all" if markers is None else markers, preset)
    rate = check_rate(sample_rate)
    _require_soundgen(pitch, preset)
    settings = audio or preset_audio(preset)
    prepared = prepare(_as_float(signal), rate, spans, settings, "the signal")
    given = None if pitch is None else np.asarray(pitch, np.float64)
    return measure(prepared, names, preset, settings, mask, given)


def extract_file(
    path: str | Path,
    preset: str = "published",
    spans: Spans = None,
    markers: Any = None,
    audio: AudioSettings | None = None,
    mask: bool = True,
    pitch: ArrayLike | None = None,
) -> pd.DataFrame:
    """Take the markers of a recording from its file: what `extract` takes and gives, for a path.

    A file longer than 15 minutes is read piece by piece, in bounded memory; the numbers are the same.

    Parameters
    ----------
    path : str or Path
        A sound file of a format that libsndfile reads.
    preset, spans, markers, audio, mask, pitch
        As in `extract`; `channel` and `resample_hz` of the audio settings are honoured.

    Returns
    -------
    DataFrame
        As from `extract`.

    Raises
    ------
    BiomarkerError, AudioError
        As `extract`, and where the file cannot be read.

    Examples
    --------
    >>> extract_file("call.wav", markers=["rms_db"], spans=[(0.5, 9.0)])  # doctest: +SKIP
    """
    names = select_markers("all" if markers is None else markers, preset)
    _require_soundgen(pitch, preset)
    settings = audio or preset_audio(preset)
    given = None if pitch is None else np.asarray(pitch, np.float64)
    prepared = _prepared_file(Path(path), spans, settings, str(path))
    return measure(prepared, names, preset, settings, mask, given)


def extract_call(
    recording: Any,
    spans: Spans,
    audio: AudioSettings,
    settings: BiomarkerSettings,
    name: str = "the recording",
) -> CallFrames:
    """Take the markers of one call.

    Parameters
    ----------
    recording : Recording
        As `voicerisk.audio.read_recording` returns it (`samples`, `sample_rate`).
    spans : DataFrame with start_s and end_s (and segment), pairs of seconds, or None
        The caller's speech.
    audio : AudioSettings
    settings : BiomarkerSettings
    name : str
        How errors call the recording.

    Returns
    -------
    CallFrames
    """
    rate = check_rate(recording.sample_rate, name)
    prepared = prepare(recording.samples, rate, spans, audio, name)
    return CallFrames(measure(prepared, settings.markers, settings.preset, audio), prepared.counts)


def extract_call_file(
    path: str | Path, spans: Spans, audio: AudioSettings, settings: BiomarkerSettings, name: str = ""
) -> CallFrames:
    """Take the markers of one call from its file.

    A file longer than `WHOLE_S` is read a few times, piece by piece, in bounded memory; the numbers are those
    of `read_recording` and `extract_call`, bit for bit.

    Parameters
    ----------
    path : str or Path
    spans : DataFrame with start_s and end_s (and segment), pairs of seconds, or None
        The caller's speech.
    audio : AudioSettings
        `channel` and `resample_hz` are honoured here.
    settings : BiomarkerSettings
    name : str
        How errors call the recording; default: its path.

    Returns
    -------
    CallFrames

    Raises
    ------
    AudioError
        As `read_recording` and `prepare`.
    BiomarkerError
        For a sample rate below 8000 Hz.
    """
    prepared = _prepared_file(Path(path), spans, audio, name or str(path))
    return CallFrames(measure(prepared, settings.markers, settings.preset, audio), prepared.counts)


def _prepared_file(path: Path, spans: Spans, audio: AudioSettings, name: str) -> Prepared | PreparedFile:
    """Prepare a recording: a short one in memory, a long one piece by piece."""
    if not is_long(path, audio.channel):
        recording = read_recording(path, audio.channel, audio.resample_hz)
        return prepare(recording.samples, check_rate(recording.sample_rate, name), spans, audio, name)
    with opened(path, audio.channel) as (file, _):
        check_rate(audio.resample_hz or int(file.samplerate), name)
    return prepare_file(path, spans, audio)


def _require_soundgen(pitch: ArrayLike | None, preset: str) -> None:
    if pitch is not None and preset != "soundgen-2.5.1":
        raise BiomarkerError(
            f"A pitch can be handed in with the preset 'soundgen-2.5.1' only, not with {preset!r}."
        )


def is_long(path: Path, channel: int | str | None = None) -> bool:
    """Whether a file is read piece by piece: longer than `WHOLE_S`, or of unknown length."""
    with opened(path, channel) as (file, _):
        return file.frames is None or file.frames > WHOLE_S * file.samplerate


def check_rate(sample_rate: int, name: str = "The signal") -> int:
    """Return a sample rate that markers can be taken at.

    Raises
    ------
    BiomarkerError
        Where it is not a whole number, or below 8000 Hz.
    """
    if isinstance(sample_rate, bool) or int(sample_rate) != sample_rate or sample_rate < LOWEST_RATE:
        raise BiomarkerError(
            f"{name} has a sample rate of {sample_rate} Hz; the markers need whole Hz, {LOWEST_RATE} or more "
            f"(set [audio] resample_hz = {LOWEST_RATE})."
        )
    return int(sample_rate)


def preset_audio(preset: str) -> AudioSettings:
    """Return the audio settings that belong to a preset."""
    if preset == "published":
        return AudioSettings()
    return AudioSettings(extent="file", pre_emphasis=0.0, normalise=False, pcm16=False)


def measure(
    prepared: Prepared | PreparedFile,
    names: tuple[str, ...],
    preset: str,
    audio: AudioSettings,
    mask: bool = True,
    pitch: Floats | None = None,
) -> pd.DataFrame:
    """Take markers of spans prepared with `audio`; see `extract` for the columns."""
    from voicerisk.biomarkers.span import measure_span  # compiles, so only when something is measured

    if pitch is not None and pitch.shape != (n_frames := sum(len(span.starts) for span in prepared.spans),):
        raise BiomarkerError(f"The pitch given has shape {pitch.shape}, but there are {n_frames} frames.")
    tables: dict[str, list[Any]] = {name: [] for name in ("segment", "frame", "time_s", "silent", *names)}
    done = 0
    for span in prepared.spans:
        n = len(span.starts)
        given = None if pitch is None else pitch[done : done + n]
        done += n
        tables["segment"].append(np.full(n, span.segment, np.int32))
        tables["frame"].append(np.arange(n, dtype=np.int32))
        tables["time_s"].append(span.time_s)
        tables["silent"].append(span.silent)
        values = measure_span(span, prepared.sample_rate, names, preset, audio, mask, given)
        for name in names:
            tables[name].append(values[name])
    empty = {"segment": np.int32, "frame": np.int32, "silent": np.bool_}

    def joined(name: str) -> NDArray[Any]:
        parts = tables.pop(name)  # each column is held once
        if not parts:
            return np.empty(0, empty.get(name, np.float64))
        return np.asarray(parts[0] if len(parts) == 1 else np.concatenate(parts))

    return pd.DataFrame({name: joined(name) for name in list(tables)}, copy=False)


def _as_float(signal: ArrayLike) -> Floats:
    """Return samples with full scale = 1; integers are divided by their range."""
    samples = np.asarray(signal)
    if samples.dtype in (np.int16, np.int32):
        return samples / float(-np.iinfo(samples.dtype).min)
    if samples.dtype.kind != "f":
        raise BiomarkerError(
            f"The signal is of type {samples.dtype}; floats (full scale = 1), int16 or int32 are needed."
        )
    return np.asarray(samples, np.float64)
