"""All markers of one span: which depends on which, and what is missing when."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from voicerisk.audio.prepare import SpanFrames
from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import local, modulation
from voicerisk.biomarkers.context import FLUX_SCALES, flux, novelty
from voicerisk.biomarkers.harmonics import harmonic_markers
from voicerisk.biomarkers.pitch import PathTracker, PitchSettings, pitch_candidates
from voicerisk.biomarkers.roughness import chunk_borders, chunk_roughness, interpolate, modulation_columns
from voicerisk.biomarkers.smoothing import median_smooth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOISY = 0.6  # from this Wiener entropy on a frame counts as noise: no dominant frequency
KEPT_ON_SILENCE = ("rms_db", "ampl", "voiced", "flux")
SMOOTHED_S = 0.1  # length of the running median of the dominant frequency
CREST = 8.0  # peak over RMS of speech (18 dB), where a fixed calibration says nothing of peaks

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

    Returns
    -------
    dict of str to ndarray of float64, shape (n_frames,)
    """
    wanted = needed(names, preset)
    sounds_soundgen = preset == "soundgen-2.5.1"
    n_frames = len(span.starts)
    values: dict[str, Floats] = {}
    kept = KEPT_ON_SILENCE + (("entropy",) if sounds_soundgen else ())
    if "pitch" in wanted:
        values |= _pitched(span, sample_rate, wanted, audio, sounds_soundgen, mask, pitch)
    values |= take_local(
        span, sample_rate, wanted, sounds_soundgen, kept if mask else None, values.get("pitch")
    )
    if mask:
        mask_noise(values, span.silent, sounds_soundgen)
    if "dom" in values:
        values["dom"] = median_smooth(values["dom"], int(SMOOTHED_S * sample_rate / span.hop) // 2)
    if wanted.intersection(FROM_CHUNKS):
        values |= _from_chunks(span.signal, sample_rate, n_frames, wanted)
    if wanted.intersection(FROM_ENVELOPE):
        heard = np.flatnonzero(~span.silent) if mask else np.arange(n_frames)
        centres = span.starts[heard] + span.window // 2
        envelope = modulation.amplitude_modulation(span.signal, sample_rate, centres)
        for name, column in zip(FROM_ENVELOPE, envelope, strict=True):
            values[name] = np.full(n_frames, np.nan)
            values[name][heard] = column
    if wanted.intersection(FROM_CONTOUR):
        contour = modulation.pitch_modulation(values["pitch"], sample_rate / span.hop)
        values |= dict(zip(FROM_CONTOUR, contour, strict=True))
    if "novelty" in wanted:
        values["novelty"] = novelty(span.signal, span.starts, span.window, sample_rate)
    if mask:
        for name in set(values).difference(kept):
            values[name][span.silent] = np.nan
        if "voiced" in values:
            values["voiced"][span.silent] = 0.0
    if "flux" in wanted:
        values["flux"] = flux(values)
    return {name: values[name] for name in names}


def _pitched(
    span: SpanFrames,
    sample_rate: int,
    wanted: frozenset[str],
    audio: AudioSettings,
    sounds_soundgen: bool,
    mask: bool,
    given: Floats | None,
) -> dict[str, Floats]:
    """Pitch and what hangs on it, but for what is taken from the frames' own spectra."""
    if given is not None:
        hz = np.where(given > 0, given, np.nan)
        return {"pitch": hz, "voiced": (hz > 0).astype(np.float64)}
    settings = PitchSettings()
    centres = span.starts + span.window // 2
    sound = plain_sound(span, audio)
    found = pitch_candidates(sound, centres, sample_rate, settings)
    tracker = PathTracker(reference_peak(span, sound, audio), span.hop / sample_rate, settings)
    hz, height = tracker.add(found, last=True)
    values = {"pitch": hz, "voiced": (hz > 0).astype(np.float64)}
    if sounds_soundgen:
        return values
    if "HNR" in wanted:
        values["HNR"] = harmonicity(height)
    if wanted.intersection(FROM_HARMONICS):
        heard = np.where(span.silent, np.nan, hz) if mask else hz
        values |= harmonic_markers(sound, centres, heard, sample_rate, settings)
    return values


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
    on_silence = wanted.intersection(kept)
    heard = np.flatnonzero(~span.silent)
    values = take(span.starts, on_silence, None)
    loud = take(span.starts[heard], wanted - on_silence, None if pitch is None else pitch[heard])
    for name, column in loud.items():
        values[name] = np.full(len(span.starts), np.nan)
        values[name][heard] = column
    return values


def harmonicity(height: Floats) -> Floats:
    """Harmonics-to-noise ratio in dB of a normalised autocorrelation; at most 120 (perfectly periodic)."""
    r = np.minimum(height, 1 - 1e-12)
    return 10 * np.log10(r / (1 - r))


def plain_sound(span: SpanFrames, audio: AudioSettings) -> Floats:
    """Return the sound of a span without pre-emphasis and scaling.

    Pre-emphasis takes 26 dB off a pitch of 100 Hz, so that the tracker and the harmonics work on the sound
    before it. The filter is undone exactly; where the span is a cut from a filtered file (extent ``file``),
    the sound before the span is taken as silent, which fades within a frame.
    """
    emphasis = float(audio.pre_emphasis)
    scaling = span.scaling
    sound = span.signal * scaling.divisor + scaling.centre
    if emphasis > 0 and len(sound):
        if span.first_sample == 0 or audio.extent != "file":
            sound[0] /= 1 - emphasis
        undo_emphasis(sound, emphasis)
    return sound


@njit(cache=True, nogil=True)
def undo_emphasis(sound: Floats, emphasis: float) -> None:
    """Turn y[n] = x[n] - a x[n-1] back into x in place, from the second sample on; the first is x already."""
    for k in range(1, len(sound)):
        sound[k] += emphasis * sound[k - 1]


def reference_peak(span: SpanFrames, sound: Floats, audio: AudioSettings) -> float:
    """Return the peak that the tracker calls loud, in the unit of `plain_sound`.

    That of the extent, or 18 dB above the calibration level where that is fixed.
    """
    if audio.calibration != "extent":
        return float(CREST * 10 ** (float(audio.calibration) / 20))
    if audio.normalise:
        return 1.0
    if audio.pre_emphasis == 0:
        return span.level.centred_peak
    return float(np.abs(sound - sound.mean()).max())


def mask_noise(values: dict[str, Floats], silent: NDArray[np.bool_], sounds_soundgen: bool) -> None:
    """Set `dom` (for soundgen `HNR`, too) to NaN on silent and on noisy frames, before any smoothing."""
    names = [name for name in (("dom", "HNR") if sounds_soundgen else ("dom",)) if name in values]
    if names:
        with np.errstate(invalid="ignore"):
            gone = ~(values["entropy"] < NOISY) | silent
        for name in names:
            values[name][gone] = np.nan


def _from_chunks(
    signal: Floats, sample_rate: int, n_frames: int, wanted: frozenset[str]
) -> dict[str, Floats]:
    """Roughness and amplitude modulation, which share the modulation spectra of chunks."""
    n_chunks = len(chunk_borders(len(signal), sample_rate)) - 1
    groups = modulation_columns(signal, sample_rate)
    out = {}
    if "roughness" in wanted:
        out["roughness"] = interpolate(chunk_roughness(groups, n_chunks), n_frames)
    if wanted.intersection(FROM_CHUNKS[1:]):
        frequency, purity = modulation.chunk_modulation(groups, n_chunks)
        out["amMsFreq"] = modulation.spread_chunks(frequency, n_frames)
        out["amMsPurity"] = modulation.spread_chunks(purity, n_frames)
    return out
