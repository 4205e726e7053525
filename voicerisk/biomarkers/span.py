"""All markers of one span: which depends on which, and what is missing when."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from voicerisk.audio.prepare import SpanFrames
from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import assemble as local
from voicerisk.biomarkers.change import modulation
from voicerisk.biomarkers.change.novelty_flux import FLUX_SCALES, KERNEL, flux, novelty
from voicerisk.biomarkers.change.roughness import (
    LEAST,
    Layout,
    between,
    chunk_roughness,
    equal_chunks,
    modulation_columns,
    modulation_hz,
    neighbours,
    steady_chunks,
)
from voicerisk.biomarkers.change.smoothing import median_smooth
from voicerisk.biomarkers.soundgen import novelty_flux as soundgen_context
from voicerisk.biomarkers.soundgen.contours import stretched
from voicerisk.biomarkers.soundgen.modulation import contour_modulation, envelope_modulation
from voicerisk.biomarkers.voicing.harmonics import harmonic_markers
from voicerisk.biomarkers.voicing.path import PathTracker
from voicerisk.biomarkers.voicing.pitch import PitchSettings, pitch_candidates
from voicerisk.biomarkers.voicing.unemphasised import PlainSound
from voicerisk.types import Floats, Ints

NOISY = 0.6  # from this Wiener entropy on a frame counts as noise: no dominant frequency
KEPT_ON_SILENCE = ("rms_db", "ampl", "voiced", "flux")
SMOOTHED_S = 0.1  # length of the running median of the dominant frequency
PIECE = 750  # frames that are worked on at a time
MARGIN_S = 0.5  # of sound to either side of them
ROWS = 1 << 14  # frames that values of chunks are interpolated onto at a time

FROM_PITCH = ("pitch", "voiced")
FROM_HARMONICS = ("CPP", "harmHeight", "subDep", "subRatio")
FROM_CHUNKS = ("roughness", "amMsFreq", "amMsPurity")
FROM_ENVELOPE = ("amEnvFreq", "amEnvPurity", "amEnvDep")
FROM_CONTOUR = ("fmFreq", "fmPurity", "fmDep")
NEED_PITCH = (*FROM_PITCH, *FROM_HARMONICS, *FROM_CONTOUR, "harmEnergy")


def needed(names: tuple[str, ...], preset: str) -> frozenset[str]:
    """Return the markers to compute for those asked for."""
    wanted = set(names)
    if "flux" in wanted:
        wanted |= set(FLUX_SCALES)
    if "dom" in wanted or "HNR" in wanted:
        wanted.add("entropy")
    if wanted.intersection(NEED_PITCH) or ("HNR" in wanted and preset == "published"):
        wanted.add("pitch")
    return frozenset(wanted)


def measure_span(
    span: SpanFrames,
    sample_rate: int,
    names: tuple[str, ...],
    preset: str,
    audio: AudioSettings,
    mask: bool,
    pitch: Floats | None,
) -> dict[str, Floats]:
    """Take the markers `names` of one span; see `extract` for their meaning.

    The sound is looked at piece by piece, each with what lies around it, so that a span of any length needs
    little more memory than its table. The pieces change nothing: every value depends on a bounded stretch of
    sound, on the path of the pitch, which goes on from piece to piece, or on other values of the table.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_frames,)
    """
    wanted = needed(names, preset)
    sounds_soundgen = preset == "soundgen-2.5.1"
    n_frames = len(span.starts)
    values = {name: np.full(n_frames, np.nan) for name in wanted}
    kept = KEPT_ON_SILENCE + (("entropy",) if sounds_soundgen else ())
    heard = ~span.silent if mask else np.ones(n_frames, np.bool_)
    if n_frames:
        chunks = _Chunks(span, sample_rate, wanted, sounds_soundgen, heard)
        change = None
        if sounds_soundgen and "novelty" in wanted:
            change = soundgen_context.Novelty(n_frames, span.window, sample_rate)
        whole = None
        if sounds_soundgen and wanted.intersection(FROM_ENVELOPE):  # its filters take the span at once
            whole = span.signal if isinstance(span.signal, np.ndarray) else np.empty(len(span.signal))
        for piece in _pieces(span, sample_rate, wanted, audio, pitch):
            rows = slice(piece.first, piece.end)
            found = _of_piece(piece, sample_rate, wanted, sounds_soundgen, kept if mask else None, heard)
            for name, column in found.items():
                values[name][rows] = column
            chunks.take(piece)
            if whole is not None and whole is not span.signal:
                whole[piece.origin : piece.origin + len(piece.signal)] = piece.signal
            if change is not None:
                own = piece.frames(piece.first, piece.end)
                change.take(own.signal, own.starts)
        chunks.on_frames(values)
        if change is not None:
            values["novelty"] = change.values()
        if whole is not None:
            found = envelope_modulation(whole, sample_rate, n_frames)
            values |= {name: column for name, column in found.items() if name in wanted}
    if mask:
        mask_noise(values, span.silent, sounds_soundgen)
    frame_rate = sample_rate / span.hop
    half = int(SMOOTHED_S * frame_rate) // 2
    if sounds_soundgen and n_frames:  # its window is a tenth of the frames a second of the recording
        half = round(n_frames / (len(span.signal) / sample_rate) * SMOOTHED_S) // 2
    for name in ("dom", "harmHeight") if sounds_soundgen else ("dom",):
        if name in values:
            values[name] = median_smooth(values[name], half)
    if wanted.intersection(FROM_CONTOUR):
        if sounds_soundgen:
            found = contour_modulation(values["pitch"], frame_rate)
            values |= {name: column for name, column in found.items() if name in wanted}
        else:
            contour = modulation.pitch_modulation(values["pitch"], frame_rate, np.flatnonzero(heard))
            values |= dict(zip(FROM_CONTOUR, contour, strict=True))
    if mask:
        for name in set(values).difference((*kept, "pitch")):
            values[name][span.silent] = np.nan
    if sounds_soundgen and "flux" in wanted:
        # soundgen bridges the pitch over short silences, and such frames count as voiced
        values["flux"] = soundgen_context.flux(values)
    if mask:
        if "pitch" in values:
            values["pitch"][span.silent] = np.nan
        if "voiced" in values:
            values["voiced"][span.silent] = 0.0
    if "flux" in wanted and not sounds_soundgen:
        values["flux"] = flux(values)
    return {name: values[name] for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Frames `first` to `end` of a span, and its sound from sample `origin` on, as far as it is read."""

    span: SpanFrames
    origin: int
    signal: Floats
    sound: Floats
    first: int
    end: int
    pitch: Floats | None
    height: Floats | None

    def frames(self, low: int, high: int) -> SpanFrames:
        """Frames from `low` up to `high`, in the places of `signal`."""
        span = self.span
        return replace(
            span,
            signal=self.signal,
            starts=span.starts[low:high] - self.origin,
            time_s=span.time_s[low:high],
            silent=span.silent[low:high],
        )


def _pieces(
    span: SpanFrames, sample_rate: int, wanted: frozenset[str], audio: AudioSettings, given: Floats | None
) -> Iterator[_Piece]:
    """Read a span piece by piece, with pitch where it is wanted: frames come once theirs is decided."""
    n_frames, n_samples = len(span.starts), len(span.signal)
    margin = math.ceil(MARGIN_S * sample_rate)
    # sound is cut at whole hops and whole places of the envelope
    grain = math.lcm(span.hop, modulation.envelope_step(sample_rate))
    settings = PitchSettings()
    tracks = "pitch" in wanted and given is None
    plain = PlainSound(span, audio)
    tracker = PathTracker(plain.loud(), span.hop / sample_rate, settings) if tracks else None
    done = 0
    for first in range(0, n_frames, PIECE):
        end = min(first + PIECE, n_frames)
        read = n_samples if end == n_frames else int(span.starts[end - 1]) + span.window + margin
        read = min(read, n_samples)
        origin = max(0, int(span.starts[done]) - margin) // grain * grain
        signal = np.asarray(span.signal[origin:read])
        sound = signal
        hz = height = None
        decided = end
        if tracker is not None:
            sound = plain.between(origin, signal)
            centres = span.starts[first:end] + span.window // 2 - origin
            found = pitch_candidates(sound, centres, sample_rate, settings, tracker.least)
            hz, height = tracker.add(found, last=end == n_frames)
            decided = done + len(hz)
        elif given is not None:
            hz = np.where(given[done:end] > 0, given[done:end], np.nan)
        if decided > done:
            yield _Piece(span, origin, signal, sound, done, decided, hz, height)
        done = decided


def _of_piece(
    piece: _Piece,
    sample_rate: int,
    wanted: frozenset[str],
    sounds_soundgen: bool,
    kept: tuple[str, ...] | None,
    heard: NDArray[np.bool_],
) -> dict[str, Floats]:
    """Take what depends on a bounded stretch of sound alone; `kept` names what silence does not mask."""
    first, end = piece.first, piece.end
    own = piece.frames(first, end)
    heard_here = heard[first:end]
    if not heard_here.any():  # only what silence does not mask, and the pitch whose path goes on
        wanted = wanted.intersection((*(kept or ()), *FROM_PITCH))
    values: dict[str, Floats] = {}
    if piece.pitch is not None:
        values["pitch"] = piece.pitch
        values["voiced"] = (piece.pitch > 0).astype(np.float64)
    if piece.pitch is not None and piece.height is not None and not sounds_soundgen:
        if "HNR" in wanted:
            values["HNR"] = harmonicity(piece.height)
        if wanted.intersection(FROM_HARMONICS):
            centres = own.starts + own.window // 2
            hz = np.where(heard_here, piece.pitch, np.nan)
            values |= harmonic_markers(piece.sound, centres, hz, sample_rate, PitchSettings())
    values |= take_local(own, sample_rate, wanted, sounds_soundgen, kept, piece.pitch)
    if sounds_soundgen:
        return {name: column for name, column in values.items() if name in wanted}
    if wanted.intersection(FROM_ENVELOPE):
        rows = np.flatnonzero(heard_here)
        centres = own.starts[rows] + own.window // 2
        envelope = modulation.amplitude_modulation(piece.signal, sample_rate, centres)
        for name, column in zip(FROM_ENVELOPE, envelope, strict=True):
            values[name] = np.full(end - first, np.nan)
            values[name][rows] = column
    if "novelty" in wanted:
        low, high = max(0, first - KERNEL), min(len(heard), end + KERNEL)
        around = piece.frames(low, high)
        ours = heard[low:high].copy()
        ours[: first - low] = False
        ours[end - low :] = False
        every = novelty(around.signal, around.starts, own.window, sample_rate, ours)
        values["novelty"] = every[first - low : end - low]
    return {name: column for name, column in values.items() if name in wanted}


class _Chunks:
    """Roughness and amplitude modulation, which share the modulation spectra of chunks.

    soundgen's chunks are equal shares of the span, and its values are stretched over the frames end to end;
    those of the published preset are 114 ms long, and interpolated between their middles. Of these only the
    ones are taken that a frame which is heard looks at.
    """

    def __init__(
        self,
        span: SpanFrames,
        sample_rate: int,
        wanted: frozenset[str],
        sounds_soundgen: bool,
        heard: NDArray[np.bool_],
    ) -> None:
        self._rate = sample_rate
        self._wanted = wanted.intersection(FROM_CHUNKS)
        self._sounds_soundgen = sounds_soundgen
        self._centres = span.starts + span.window / 2
        divide = equal_chunks if sounds_soundgen else steady_chunks
        self._layout = divide(len(span.signal), sample_rate)
        n = len(self._layout.first)
        self._values = {name: np.full(n, np.nan) for name in FROM_CHUNKS}
        self._use = np.ones(n, np.bool_)
        if not sounds_soundgen:
            self._use[:] = False
            left, right, _ = neighbours(self._layout, self._centres[heard])
            self._use[left] = self._use[right] = True
        whole = np.flatnonzero(self._layout.count >= LEAST)
        # soundgen reads the frequencies of the first chunk into all
        self._hz = (
            modulation_hz(int(self._layout.count[whole[0]]), sample_rate)
            if sounds_soundgen and len(whole)
            else None
        )
        self._done = 0

    def take(self, piece: _Piece) -> None:
        """Take the chunks that the piece's sound completes."""
        if not self._wanted:
            return
        read = piece.origin + len(piece.signal)
        high = int(np.searchsorted(self._layout.end, read, side="right"))
        own = self._done + np.flatnonzero(self._use[self._done : high])
        self._done = max(self._done, high)
        if not len(own):
            return
        layout = self._layout
        here = Layout(layout.first[own] - piece.origin, layout.end[own] - piece.origin, layout.count[own])
        found = of_chunks(
            piece.signal, self._rate, here, self._wanted, self._hz, within=self._sounds_soundgen
        )
        for name, column in found.items():
            self._values[name][own] = column

    def on_frames(self, out: dict[str, Floats]) -> None:
        """Write the markers of all frames."""
        n = len(self._centres)
        for name in self._wanted:
            values = self._values[name]
            if not self._sounds_soundgen:
                for first in range(0, n, ROWS):
                    rows = slice(first, first + ROWS)
                    out[name][rows] = between(values, self._layout, self._centres[rows])
            else:
                out[name] = stretched(values, n)


def of_chunks(
    signal: Floats,
    sample_rate: int,
    layout: Layout,
    wanted: Iterable[str],
    hz: Floats | None = None,
    within: bool = False,
) -> dict[str, Floats]:
    """Return those of roughness, amMsFreq and amMsPurity that are wanted, of each chunk of the layout."""
    groups = modulation_columns(signal, sample_rate, layout)
    n = len(layout.first)
    out = {"roughness": chunk_roughness(groups, n, hz)} if "roughness" in wanted else {}
    if {"amMsFreq", "amMsPurity"}.intersection(wanted):
        out["amMsFreq"], out["amMsPurity"] = modulation.chunk_modulation(groups, n, within)
    return {name: column for name, column in out.items() if name in wanted}


def take_local(
    span: SpanFrames,
    sample_rate: int,
    wanted: frozenset[str],
    sounds_soundgen: bool,
    kept: tuple[str, ...] | None,
    pitch: Floats | None,
) -> dict[str, Floats]:
    """Take frame-local markers; what silence would mask is not computed in the first place."""

    def take(starts: Ints, names: frozenset[str], pitch: Floats | None) -> dict[str, Floats]:
        return local.local_markers(
            span.signal, starts, span.window, sample_rate, span.scaling, names, sounds_soundgen, pitch
        )

    if kept is None:
        return take(span.starts, wanted, pitch)
    # the height of harmonics is smoothed over neighbours that soundgen calls voiced, silent or not
    on_silence = wanted.intersection((*kept, "harmHeight") if sounds_soundgen else kept)
    heard = np.flatnonzero(~span.silent)
    values = take(span.starts, on_silence, pitch)
    loud = take(span.starts[heard], wanted - on_silence, None if pitch is None else pitch[heard])
    for name, column in loud.items():
        values[name] = np.full(len(span.starts), np.nan)
        values[name][heard] = column
    return values


def harmonicity(height: Floats) -> Floats:
    """Harmonics-to-noise ratio in dB of a normalised autocorrelation; at most 120 (perfectly periodic)."""
    r = np.minimum(height, 1 - 1e-12)
    return 10 * np.log10(r / (1 - r))


def mask_noise(values: dict[str, Floats], silent: NDArray[np.bool_], sounds_soundgen: bool) -> None:
    """Set `dom` (for soundgen `HNR`, too) to NaN on silent and on noisy frames, before any smoothing."""
    names = [name for name in (("dom", "HNR") if sounds_soundgen else ("dom",)) if name in values]
    if names:
        with np.errstate(invalid="ignore"):
            gone = ~(values["entropy"] < NOISY) | silent
        for name in names:
            values[name][gone] = np.nan
