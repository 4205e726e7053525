"""The steps of `prepare` on a file of any length, in bounded memory.

The file is decoded a few times, block by block: once to know its length, once or twice to measure the levels
of its extents, once to mark silent frames, and once more to hand out spans or pieces of spans. Sums are cut
where those of `prepare` are, so that all numbers equal, bit for bit, those of the file read whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicerisk.audio.framing import frame_rms, frame_starts, window_and_hop
from voicerisk.audio.levels import Level, Scaling, level_over, pcm16, stretches
from voicerisk.audio.prepare import (
    SpanFrames,
    Spans,
    conditioned,
    counted,
    relative_rms,
    scaling_of,
    silent_frames,
    span_borders,
)
from voicerisk.audio.recording import blocks, opened, resampled
from voicerisk.audio.settings import AudioSettings
from voicerisk.audio.silence import VoiceActivity
from voicerisk.errors import AudioError
from voicerisk.types import Bools, Floats

Border = tuple[int, int]

PIECE = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class SpanPiece:
    """A stretch of whole frames of one span.

    Attributes
    ----------
    frames : SpanFrames
        As for a whole span, but `signal` covers these frames and the margins only, `starts` point into it,
        and `first_sample` is the place of ``signal[0]`` in the file.
    first_frame : int
        Index of the first of these frames within its span.
    n_frames : int
        Frames of the whole span.
    """

    frames: SpanFrames
    first_frame: int
    n_frames: int


@dataclass(frozen=True, slots=True, eq=False)
class _Extent:
    """What was measured over one extent."""

    recorded: Level | None
    level: Level
    scaling: Scaling
    rms: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFile:
    """A recording whose spans are read when they are asked for; it stands in for `Prepared`.

    Attributes
    ----------
    path : Path
    settings : AudioSettings
    sample_rate : int
        Hz, after resampling where it was asked for.
    n_samples : int
    n_clipped : int
        As in `Prepared`.
    counts : DataFrame
        As in `Prepared`.
    """

    path: Path
    settings: AudioSettings
    sample_rate: int
    n_samples: int
    n_clipped: int
    counts: pd.DataFrame
    _segments: tuple[int, ...]
    _times: tuple[tuple[float, float], ...]
    _borders: tuple[Border, ...]
    _extents: tuple[_Extent, ...]
    _silent: tuple[Bools, ...] = ()

    @property
    def spans(self) -> "LazySpans":
        """The spans in the order given; the sound of each is read where it is looked at."""
        return LazySpans(self)

    def pieces(self, seconds: float | None = 30.0, margin_s: float = 0.0) -> Iterator[SpanPiece]:
        """Yield all spans in order of time, cut into pieces of at most about `seconds`.

        Parameters
        ----------
        seconds : float or None
            Length of the frames of a piece, at least one frame; None gives whole spans.
        margin_s : float
            Sound of the same span to keep on either side of the frames, for markers with longer context.
        """
        window, hop = window_and_hop(self.sample_rate)
        many = self.n_samples if seconds is None else max(1, int(seconds * self.sample_rate) // hop)
        margin = int(margin_s * self.sample_rate)
        rule = self.settings.rule
        reader = _Reader(_decoded(self.path, self.settings))
        for i in sorted(range(len(self._borders)), key=self._borders.__getitem__):
            a, b = self._borders[i]
            starts = frame_starts(b - a, window, hop)
            voice = VoiceActivity(rule, self.sample_rate) if rule.rule == "vad" else None
            for first in range(0, max(1, len(starts)), many):
                own = starts[first : first + many]
                last = first + many >= len(starts)
                low = a + (max(0, int(own[0]) - margin) if len(own) else 0)
                high = min(b, a + int(own[-1]) + window + margin) if len(own) and not last else b
                piece = self._piece(reader, i, (low, high), own + a - low, voice)
                yield SpanPiece(piece, first, len(starts))

    def _piece(
        self,
        reader: "_Reader",
        i: int,
        border: Border,
        starts: npt.NDArray[np.int64],
        voice: VoiceActivity | None,
    ) -> SpanFrames:
        """Read, process and mark one stretch of span `i`."""
        a, b = border
        extent = self._extent(i)
        window, _ = window_and_hop(self.sample_rate)
        recorded, processed = _processed(reader, self._ground(i), a, b, self.settings, extent.recorded)
        signal = extent.scaling.apply(processed)
        if voice is not None:
            heard = self._borders[i][0] + voice.heard
            voice.feed(recorded[max(0, heard - a) :])
            silent = voice.silent(starts + a - self._borders[i][0])
        else:
            silent = silent_frames(
                self.settings,
                recorded,
                relative_rms(signal, extent.level, extent.scaling, starts, window),
                starts,
                window,
                self.sample_rate,
                extent.rms,
            )
        return self._frames(i, a, signal, starts, silent)

    def _frames(
        self, i: int, first_sample: int, signal: Any, starts: npt.NDArray[np.int64], silent: Bools
    ) -> SpanFrames:
        extent = self._extent(i)
        window, hop = window_and_hop(self.sample_rate)
        return SpanFrames(
            segment=self._segments[i],
            start_s=self._times[i][0],
            end_s=self._times[i][1],
            first_sample=first_sample,
            signal=signal,
            starts=starts,
            window=window,
            hop=hop,
            time_s=(first_sample + starts + window / 2) / self.sample_rate,
            silent=silent,
            level=extent.level,
            scaling=extent.scaling,
        )

    def _extent(self, i: int) -> _Extent:
        return self._extents[i if self.settings.extent == "segment" else 0]

    def _ground(self, i: int) -> Border:
        return (0, self.n_samples) if self.settings.extent == "file" else self._borders[i]


@dataclass(frozen=True, slots=True, eq=False)
class LazySpans:
    """The spans of a `PreparedFile` in the order given; their `signal` is a `LazySignal`.

    Spans in order of time are read in one pass; each that lies before the last one has the file decoded anew.
    """

    file: PreparedFile

    def __len__(self) -> int:
        return len(self.file._borders)

    def __iter__(self) -> Iterator[SpanFrames]:
        file = self.file
        window, hop = window_and_hop(file.sample_rate)
        sound = _Sound(file)
        for i, (a, b) in enumerate(file._borders):
            yield file._frames(
                i, a, LazySignal(sound, i, b - a), frame_starts(b - a, window, hop), file._silent[i]
            )


class _Sound:
    """The decoded sound of a file; going back decodes it again from its beginning."""

    def __init__(self, file: PreparedFile) -> None:
        self.file = file
        self._reader: _Reader | None = None
        self._at = 0

    def analysed(self, i: int, a: int, b: int) -> Floats:
        """Return samples [a, b) of the file, analysed as part of span `i`."""
        file = self.file
        if self._reader is None or max(a - 1, 0) < self._at:
            self._reader = _Reader(_decoded(file.path, file.settings))
        extent, ground = file._extent(i), file._ground(i)
        self._at = max(a - 1, ground[0])
        _, processed = _processed(self._reader, ground, a, b, file.settings, extent.recorded)
        return extent.scaling.apply(processed)


@dataclass(frozen=True, slots=True, eq=False)
class LazySignal:
    """Analysed sound of a span that is read when it is sliced: ``signal[a:b]``, float64 (b - a,).

    Slices in ascending order are read in one pass. ``numpy.asarray(signal)`` reads the span whole.
    """

    sound: _Sound
    span: int
    n_samples: int

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, part: slice) -> Floats:
        a, b, step = part.indices(self.n_samples)
        if step != 1:
            raise AudioError(f"The sound of a long file can be sliced with step 1 only, not {step}.")
        first = self.sound.file._borders[self.span][0]
        return self.sound.analysed(self.span, first + a, first + max(a, b))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Read the span whole."""
        return np.asarray(self[:], dtype=dtype)


def prepare_file(
    path: str | Path, spans: Spans = None, settings: AudioSettings | None = None
) -> PreparedFile:
    """Measure the levels of a recording in bounded memory, and hand out its spans on demand.

    The same steps as `read_recording` and `prepare` together, with the same numbers.

    Parameters
    ----------
    path : str or Path
    spans : DataFrame with start_s and end_s (and segment), pairs of seconds, or None
    settings : AudioSettings, optional
        `channel` and `resample_hz` are honoured here.

    Returns
    -------
    PreparedFile

    Raises
    ------
    AudioError
        As `read_recording` and `prepare`.

    Examples
    --------
    >>> prepare_file("call.wav", [(0.5, 12.0)])  # doctest: +SKIP
    """
    path, settings = Path(path), settings or AudioSettings()
    with opened(path, settings.channel) as (file, _):
        rate = int(settings.resample_hz or file.samplerate)
    window, hop = window_and_hop(rate)
    n_samples = n_clipped = 0
    for block in _decoded(path, settings):
        n_samples += len(block)
        n_clipped += pcm16(block)[1] if settings.pcm16 else 0
    segments, times, borders = span_borders(spans, n_samples, rate, str(path))
    if settings.extent == "file":
        grounds = [[(0, n_samples)]] if borders else []
    elif settings.extent == "segment":
        grounds = [[border] for border in borders]
    else:
        grounds = [sorted(borders)] if borders else []
    extents = tuple(_measure(path, settings, ground, rate) for ground in grounds)
    empty = pd.DataFrame()
    prepared = PreparedFile(
        path,
        settings,
        rate,
        n_samples,
        n_clipped,
        empty,
        tuple(segments),
        tuple(times),
        tuple(borders),
        extents,
    )
    framed = [len(frame_starts(b - a, window, hop)) for a, b in borders]
    marked: list[list[Bools]] = []
    for piece in prepared.pieces():
        if piece.first_frame == 0:
            marked.append([])
        marked[-1].append(piece.frames.silent)
    in_time = sorted(range(len(borders)), key=borders.__getitem__)
    silent = tuple(np.concatenate(marked[in_time.index(i)]) for i in range(len(borders)))
    n_file = len(frame_starts(n_samples, window, hop))
    counts = counted(framed, sum(int(mask.sum()) for mask in silent), n_file, settings)
    return replace(prepared, counts=counts, _silent=silent)


class _Reader:
    """Random access with ascending starts to a sound that is decoded once, block by block."""

    def __init__(self, source: Iterator[Floats]) -> None:
        self._source = source
        self._kept = np.zeros(0)
        self._start = 0

    def take(self, a: int, b: int) -> Floats:
        """Return samples [a, b) and forget what lies before `a`."""
        end = self._start + len(self._kept)
        parts = [self._kept[min(a, end) - self._start :]]
        while end < b:
            block = next(self._source)
            parts.append(block[max(0, a - end) :])
            end += len(block)
        self._kept = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._start = a
        return self._kept[: b - a]


def _decoded(path: Path, settings: AudioSettings) -> Iterator[Floats]:
    """Decode, and resample where it was asked for."""
    with opened(path, settings.channel) as (file, _):
        rate = int(file.samplerate)
    parts = blocks(path, settings.channel)
    to_hz = settings.resample_hz
    return parts if to_hz is None or to_hz == rate else resampled(parts, rate, int(to_hz))


def _processed(
    reader: _Reader, ground: Border, a: int, b: int, settings: AudioSettings, recorded_level: Level | None
) -> tuple[Floats, Floats]:
    """Return samples [a, b) of a stretch of sound, on the 16-bit grid, and normalised and pre-emphasised."""
    before = max(a - 1, ground[0])
    recorded = reader.take(before, b)
    if settings.pcm16:
        recorded = pcm16(recorded)[0]
    return recorded[a - before :], conditioned(recorded, recorded_level, settings)[a - before :]


def _measure(path: Path, settings: AudioSettings, grounds: list[Border], rate: int) -> _Extent:
    """Measure the levels of one extent, which may be several stretches of the file in order of time."""
    parts = [(ground, a, b) for ground in grounds for a, b in stretches(*ground)]
    recorded = None
    if settings.normalise:
        reader = _Reader(_decoded(path, settings))
        recorded = level_over(_processed(reader, g, a, b, settings, None)[0] for g, a, b in parts)
    reader = _Reader(_decoded(path, settings))
    level = level_over(_processed(reader, g, a, b, settings, recorded)[1] for g, a, b in parts)
    rms = np.zeros(0)
    if settings.rule.rule == "noise-floor":
        rms = _recorded_rms(_Reader(_decoded(path, settings)), grounds, settings, rate)
    return _Extent(recorded, level, scaling_of(level, settings), rms)


def _recorded_rms(reader: _Reader, grounds: list[Border], settings: AudioSettings, rate: int) -> Floats:
    """Return the RMS of every frame of the stretches about its own mean."""
    window, hop = window_and_hop(rate)
    many = max(1, PIECE // hop)
    found = [np.zeros(0)]
    for a, b in grounds:
        starts = frame_starts(b - a, window, hop)
        for first in range(0, len(starts), many):
            own = starts[first : first + many]
            low = a + int(own[0])
            samples = _processed(reader, (low, b), low, a + int(own[-1]) + window, settings, None)[0]
            found.append(frame_rms(samples, own - own[0], window, centred=True))
    return np.concatenate(found)
