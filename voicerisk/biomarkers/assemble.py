"""Markers of single frames: level, shape of the spectrum, loudness, formants, harmonicity.

Frames are taken in blocks that stay in the processor's cache; what is not asked for is not computed.
"""

from collections.abc import Iterator

import numpy as np

from voicerisk.audio.framing import blackman
from voicerisk.audio.levels import Scaling
from voicerisk.audio.loops import rms_of_frames
from voicerisk.biomarkers.frame.formants import formants
from voicerisk.biomarkers.frame.harmonicity import hnr
from voicerisk.biomarkers.frame.loudness import loudness
from voicerisk.biomarkers.frame.spectrum import (
    dominant,
    magnitudes,
    of_log_spectrum,
    quartiles,
    sums,
)
from voicerisk.biomarkers.frame.windows import tapered
from voicerisk.biomarkers.soundgen.harmonics import soundgen_cpp, soundgen_height, soundgen_subharmonics
from voicerisk.biomarkers.voicing.harmonics import harmonic_energy
from voicerisk.types import Floats, Ints

BLOCK = 128
FLOOR = 1e-6  # of ampl, before it becomes dB

FORMANTS = tuple(f"f{k}_{what}" for k in (1, 2, 3) for what in ("freq", "width"))
QUARTILES = ("quartile25", "quartile50", "quartile75")
OF_LOG_SPECTRUM = ("entropy", "entropySh", "specSlope")
OF_SPECTRUM = (*OF_LOG_SPECTRUM, *QUARTILES, "specCentroid", "peakFreq", "dom", "loudness")
OF_PITCH = ("harmEnergy", "CPP", "subDep", "subRatio", "harmHeight")
LOCAL = ("rms_db", "ampl", *OF_SPECTRUM, *FORMANTS, "harmEnergy")
SOUNDGEN_ONLY = ("HNR", "CPP", "subDep", "subRatio", "harmHeight")


def local_markers(
    signal: Floats,
    starts: Ints,
    window: int,
    sample_rate: int,
    scaling: Scaling,
    wanted: frozenset[str],
    sounds_soundgen: bool = False,
    pitch: Floats | None = None,
) -> dict[str, Floats]:
    """Frame-local markers of one span, `dom` not yet smoothed along time.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
        Analysed sound of the span.
    starts : ndarray of int64, shape (n_frames,)
        First sample of each frame.
    window : int
        Samples of a frame.
    sample_rate : int
        Hz.
    scaling : Scaling
        Constants for level and loudness.
    wanted : frozenset of str
        Names out of `LOCAL`, and of `SOUNDGEN_ONLY` with soundgen's definitions; others are passed over.
    sounds_soundgen : bool
        Whether the markers of `SOUNDGEN_ONLY` are taken here, from the frames' own spectra.
    pitch : ndarray of float64, shape (n_frames,), optional
        Hz, NaN unvoiced; needed for markers that depend on it.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_frames,)
    """
    wanted = wanted.intersection((*LOCAL, *SOUNDGEN_ONLY) if sounds_soundgen else LOCAL)
    out = {name: np.full(len(starts), np.nan) for name in wanted}
    if not wanted or not len(starts):
        return out
    taper = blackman(window)
    for first in range(0, len(starts), BLOCK):
        rows = slice(first, first + BLOCK)
        for name, values in _block(
            signal, starts[rows], taper, sample_rate, scaling, wanted, None if pitch is None else pitch[rows]
        ):
            if name in out:
                out[name][rows] = values
    return out


def _block(
    signal: Floats,
    starts: Ints,
    taper: Floats,
    sample_rate: int,
    scaling: Scaling,
    wanted: frozenset[str],
    pitch: Floats | None,
) -> Iterator[tuple[str, Floats]]:
    if wanted & {"ampl", "rms_db"}:
        ampl = np.empty(len(starts))
        rms_of_frames(signal, starts, len(taper), 0.0, False, ampl)
        ampl *= scaling.ampl
        yield "ampl", ampl
        yield "rms_db", 20 * np.log10(np.maximum(ampl, FLOOR))
    if wanted <= {"ampl", "rms_db"}:
        return
    windowed = tapered(signal, starts, taper)
    if wanted & set(FORMANTS):
        frequency, width = formants(windowed, sample_rate)
        for k in range(3):
            yield f"f{k + 1}_freq", frequency[:, k]
            yield f"f{k + 1}_width", width[:, k]
    if "HNR" in wanted:
        yield "HNR", hnr(windowed, sample_rate)
    if not wanted & {*OF_SPECTRUM, *OF_PITCH}:
        return
    n_bins = windowed.shape[1] // 2
    amplitude = magnitudes(np.fft.rfft(windowed, axis=1), n_bins)
    yield from _of_spectrum(amplitude, sample_rate, scaling, wanted)
    if pitch is not None and wanted & set(OF_PITCH):
        bin_hz = sample_rate / windowed.shape[1]
        if "harmEnergy" in wanted:
            yield "harmEnergy", harmonic_energy(amplitude, pitch, bin_hz)
        if "CPP" in wanted:
            yield "CPP", soundgen_cpp(amplitude, pitch, bin_hz)
        if wanted & {"subDep", "subRatio"}:
            yield from zip(
                ("subDep", "subRatio"), soundgen_subharmonics(amplitude, pitch, bin_hz), strict=True
            )
        if "harmHeight" in wanted:
            yield "harmHeight", soundgen_height(amplitude, pitch, bin_hz)


def _of_spectrum(
    amplitude: Floats, sample_rate: int, scaling: Scaling, wanted: frozenset[str]
) -> Iterator[tuple[str, Floats]]:
    n_bins = amplitude.shape[1]
    bin_hz = sample_rate / (2 * n_bins)
    total, centroid = sums(amplitude, bin_hz)
    empty = total == 0
    if empty.any():
        total = np.where(empty, np.nan, total)
        centroid = np.where(empty, np.nan, centroid)
    yield "specCentroid", centroid
    if "loudness" in wanted:
        yield "loudness", loudness(amplitude, scaling.pressure, sample_rate)
    if wanted & set(OF_LOG_SPECTRUM):
        yield from zip(OF_LOG_SPECTRUM, of_log_spectrum(amplitude, total, bin_hz), strict=True)
    if wanted & {*QUARTILES, "peakFreq", "dom"}:
        if wanted & set(QUARTILES):
            for name, values in zip(QUARTILES, quartiles(amplitude, bin_hz).T, strict=True):
                yield name, np.where(empty, np.nan, values)
        if "peakFreq" in wanted:
            yield "peakFreq", np.where(empty, np.nan, amplitude.argmax(axis=1) * bin_hz)
        if "dom" in wanted:
            yield "dom", dominant(amplitude, sample_rate)
