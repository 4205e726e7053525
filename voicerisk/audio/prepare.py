"""From samples to scaled spans, frames and silence: the one place where the order of the steps is fixed."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicerisk.audio.framing import frame_rms, frame_starts, window_and_hop
from voicerisk.audio.levels import (
    Level,
    Scaling,
    extent_scaling,
    fixed_scaling,
    level_over,
    measure,
    normalise,
    pcm16,
    pre_emphasise,
    stretches,
)
from voicerisk.audio.settings import AudioSettings
from voicerisk.audio.silence import VoiceActivity, silent_by_level
from voicerisk.errors import AudioError
from voicerisk.types import Floats

Spans = pd.DataFrame | Iterable[tuple[float, float]] | None


@dataclass(frozen=True, slots=True, eq=False)
class SpanFrames:
    """One span, ready for markers.

    Attributes
    ----------
    segment : int
        Number of the span within the call, from 0.
    start_s, end_s : float
        As given, seconds in the file.
    first_sample : int
        Index of ``signal[0]`` in the file.
    signal : float64 (n,)
        Analysed sound of the span: after 16-bit PCM, normalisation, pre-emphasis and `scaling`.
    starts : int64 (n_frames,)
        First sample of each frame within `signal`; frames start anew in every span and never cross it.
    window, hop : int
        Samples of a frame and of a step.
    time_s : float64 (n_frames,)
        Centre of each frame, seconds in the file.
    silent : bool (n_frames,)
    level : Level
        Of the extent, after normalisation and pre-emphasis.
    scaling : Scaling
        What was applied to reach `signal`, and the constants for ``ampl`` and ``loudness``.
    """

    segment: int
    start_s: float
    end_s: float
    first_sample: int
    signal: Floats
    starts: npt.NDArray[np.int64]
    window: int
    hop: int
    time_s: Floats
    silent: npt.NDArray[np.bool_]
    level: Level
    scaling: Scaling


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """All spans of a call, ready for markers.

    Attributes
    ----------
    spans : tuple of SpanFrames
        In the order given; a span too short for a frame is there with none.
    sample_rate : int
        Hz.
    n_clipped : int
        Samples of the recording beyond full scale that the 16-bit step clipped (float recordings only).
    counts : DataFrame
        What left at each step: step, unit, reason, n, remaining.
    """

    spans: tuple[SpanFrames, ...]
    sample_rate: int
    n_clipped: int
    counts: pd.DataFrame


def prepare(
    samples: Floats,
    sample_rate: int,
    spans: Spans = None,
    settings: AudioSettings | None = None,
    name: str = "the recording",
) -> Prepared:
    """Apply the paper's steps to a recording and cut its spans into frames.

    16-bit PCM, normalisation over the extent, pre-emphasis, scaling over the extent (centre and peak of
    soundgen's front end, or constants where the calibration is fixed), 40 ms frames every 20 ms, silence.
    Each step sees what the one before left; normalisation, pre-emphasis and silence never see sound outside
    the extent.

    Parameters
    ----------
    samples : float64 (n,)
        Mono, full scale = 1, finite.
    sample_rate : int
        Hz.
    spans : DataFrame with start_s and end_s (and segment), pairs of seconds, or None
        The caller's speech; None takes the whole recording as one span.
    settings : AudioSettings, optional
    name : str
        How errors call the recording, for example its file name.

    Returns
    -------
    Prepared

    Raises
    ------
    AudioError
        For samples that are not finite or not one-dimensional, or spans outside the recording.

    Examples
    --------
    >>> import numpy as np
    >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    >>> call = prepare(tone, 8000, [(0.1, 0.5), (0.6, 0.9)])
    >>> [len(span.starts) for span in call.spans]
    [18, 13]
    >>> call.spans[1].time_s[:2].round(3).tolist()
    [0.62, 0.64]
    """
    settings = settings or AudioSettings()
    recorded = _checked(samples, name)
    window, hop = window_and_hop(sample_rate)
    segments, times, borders = span_borders(spans, len(recorded), sample_rate, name)
    n_clipped = 0
    if settings.pcm16:
        recorded, n_clipped = pcm16(recorded)

    first = [frame_starts(b - a, window, hop) for a, b in borders]
    prepared: dict[int, SpanFrames] = {}
    for members in _extents(settings.extent, borders):
        pieces = [recorded[slice(*borders[i])] for i in members]
        ground = [recorded] if settings.extent == "file" else pieces
        signals, level, scaling = _analysed(ground, settings)
        if settings.extent == "file":
            signals = [signals[0][slice(*borders[i])] for i in members]
        ground_rms = _rms(ground, window, hop) if settings.rule.rule == "noise-floor" else np.empty(0)
        for i, piece, signal in zip(members, pieces, signals, strict=True):
            a = borders[i][0]
            prepared[i] = SpanFrames(
                segment=segments[i],
                start_s=times[i][0],
                end_s=times[i][1],
                first_sample=a,
                signal=signal,
                starts=first[i],
                window=window,
                hop=hop,
                time_s=(a + first[i] + window / 2) / sample_rate,
                silent=silent_frames(
                    settings,
                    piece,
                    relative_rms(signal, level, scaling, first[i], window),
                    first[i],
                    window,
                    sample_rate,
                    ground_rms,
                ),
                level=level,
                scaling=scaling,
            )
    in_order = tuple(prepared[i] for i in range(len(borders)))
    n_file = len(frame_starts(len(recorded), window, hop))
    silent = sum(int(span.silent.sum()) for span in in_order)
    counts = counted([len(starts) for starts in first], silent, n_file, settings)
    return Prepared(in_order, sample_rate, n_clipped, counts)


def _extents(extent: str, borders: list[tuple[int, int]]) -> list[list[int]]:
    """Return which spans share one extent, in order of time."""
    in_time = sorted(range(len(borders)), key=borders.__getitem__)
    if extent == "segment":
        return [[i] for i in in_time]
    return [in_time] if in_time else []


def _analysed(ground: Sequence[Floats], settings: AudioSettings) -> tuple[list[Floats], Level, Scaling]:
    """Normalise, pre-emphasise and scale the pieces of one extent."""
    recorded_level = measure(ground) if settings.normalise else None
    signals = [np.empty(len(piece)) for piece in ground]

    def processed() -> Iterator[Floats]:
        for piece, signal in zip(ground, signals, strict=True):
            for a, b in stretches(0, len(piece)):
                before = max(a - 1, 0)
                signal[a:b] = conditioned(piece[before:b], recorded_level, settings)[a - before :]
                yield signal[a:b]

    level = level_over(processed())
    scaling = scaling_of(level, settings)
    for signal in signals:
        for a, b in stretches(0, len(signal)):
            scaling.apply(signal[a:b], out=signal[a:b])
    return signals, level, scaling


def conditioned(recorded: Floats, level: Level | None, settings: AudioSettings) -> Floats:
    """Normalise (where there is a level to normalise by) and pre-emphasise a stretch of sound."""
    coefficient = float(settings.pre_emphasis)
    if level is None or level.centred_peak == 0.0 or coefficient == 0.0 or len(recorded) == 0:
        normalised = recorded if level is None else normalise(recorded, level)
        return pre_emphasise(normalised, coefficient)
    from voicerisk.audio.loops import emphasise  # compiles, so only when it is called

    out = np.empty_like(recorded)  # both steps in one pass
    emphasise(recorded, level.mean, level.centred_peak, coefficient, out)
    return out


def scaling_of(level: Level, settings: AudioSettings) -> Scaling:
    """Return the scaling that the calibration asks for."""
    if settings.calibration == "extent":
        return extent_scaling(level)
    return fixed_scaling(float(settings.calibration))


def _rms(pieces: Sequence[Floats], window: int, hop: int) -> Floats:
    """Return the RMS of all frames of all pieces."""
    return np.concatenate(
        [frame_rms(piece, frame_starts(len(piece), window, hop), window, centred=True) for piece in pieces]
    )


def relative_rms(
    signal: Floats, level: Level, scaling: Scaling, starts: npt.NDArray[np.int64], window: int
) -> Floats:
    """Return the RMS of each frame as a share of the peak that the span is scaled by."""
    if level.centred_peak == 0.0:
        return np.zeros(len(starts))
    mean = (level.mean - scaling.centre) / scaling.divisor
    return frame_rms(signal, starts, window, centre=mean) * (scaling.divisor / level.centred_peak)


def silent_frames(
    settings: AudioSettings,
    recorded: Floats,
    relative: Floats,
    starts: npt.NDArray[np.int64],
    window: int,
    sample_rate: int,
    extent_rms: Floats,
) -> npt.NDArray[np.bool_]:
    """Mark the silent frames of one span, whose levels beside the peak are `relative`."""
    rule = settings.rule
    if rule.rule == "vad":
        detector = VoiceActivity(rule, sample_rate)
        detector.feed(recorded)
        return detector.silent(starts)
    return silent_by_level(rule, relative, frame_rms(recorded, starts, window, centred=True), extent_rms)


def _checked(samples: Floats, name: str) -> Floats:
    """Return the samples as float64 (n,), or say why they cannot be analysed."""
    checked = np.require(samples, np.float64, ["C", "A", "W"])  # what the loops are compiled for
    if checked.ndim != 1:
        raise AudioError(f"{name} has samples of shape {checked.shape}; one channel, a vector, is needed.")
    if len(checked) == 0:
        raise AudioError(f"{name} holds no sample.")
    from voicerisk.audio.loops import all_finite  # compiles, so only when it is called

    if not all_finite(checked):
        finite = np.isfinite(checked)
        bad = int(np.argmin(finite))
        raise AudioError(
            f"{name} holds {int((~finite).sum())} samples that are NaN or infinite, the first at {bad} "
            f"({checked[bad]}); repair the recording."
        )
    return checked


def span_borders(
    spans: Spans, n_samples: int, sample_rate: int, name: str
) -> tuple[list[int], list[tuple[float, float]], list[tuple[int, int]]]:
    """Return segment numbers, times and sample borders [a, b) of the spans."""
    if spans is None:
        return [0], [(0.0, n_samples / sample_rate)], [(0, n_samples)]
    if isinstance(spans, pd.DataFrame):
        times = [(float(a), float(b)) for a, b in zip(spans["start_s"], spans["end_s"], strict=True)]
        segments = [int(s) for s in spans["segment"]] if "segment" in spans else list(range(len(times)))
    else:
        times = [(float(a), float(b)) for a, b in spans]
        segments = list(range(len(times)))
    borders = []
    for segment, (start_s, end_s) in zip(segments, times, strict=True):
        where = f"Span {segment} of {name} ({start_s:g} to {end_s:g} s)"
        if not (np.isfinite(start_s) and np.isfinite(end_s)):
            raise AudioError(f"{where} has no proper times.")
        a, b = round(start_s * sample_rate), round(end_s * sample_rate)
        if a < 0 or b > n_samples:
            raise AudioError(f"{where} lies outside the recording of {n_samples / sample_rate:g} s.")
        if b <= a:
            raise AudioError(f"{where} holds no sample.")
        borders.append((a, b))
    order = sorted(range(len(borders)), key=borders.__getitem__)
    for i, j in itertools.pairwise(order):
        if borders[j][0] < borders[i][1]:
            raise AudioError(
                f"Spans {segments[i]} and {segments[j]} of {name} overlap; no sound may count twice."
            )
    return segments, times, borders


def counted(framed: Sequence[int], silent: int, n_file: int, settings: AudioSettings) -> pd.DataFrame:
    """Count what left at each step.

    Parameters
    ----------
    framed : sequence of int
        Frames of each span.
    silent : int
        Silent ones among them.
    n_file : int
        Frames of the whole recording.
    settings : AudioSettings
    """
    n, short = sum(framed), sum(count == 0 for count in framed)
    rows = [
        ("spans", "frame", "not wholly within one span", n_file - n, n),
        ("framing", "span", "shorter than one frame", short, len(framed) - short),
        ("silence", "frame", f"silent ({settings.rule.rule})", silent, n - silent),
    ]
    return pd.DataFrame(rows, columns=["step", "unit", "reason", "n", "remaining"])
