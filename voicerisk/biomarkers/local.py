"""Markers of single frames: level, shape of the spectrum, loudness, formants, harmonicity.

Frames are taken in blocks that stay in the processor's cache; what is not asked for is not computed.
"""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from voicerisk.audio.framing import blackman, frames
from voicerisk.audio.levels import Scaling
from voicerisk.biomarkers.harmonicity import hnr
from voicerisk.biomarkers.loudness import loudness

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 96
FLOOR = 1e-6  # of ampl, before it becomes dB

FORMANTS = tuple(f"f{k}_{what}" for k in (1, 2, 3) for what in ("freq", "width"))
QUARTILES = ("quartile25", "quartile50", "quartile75")
OF_LOG_SPECTRUM = ("entropy", "entropySh", "specSlope")
OF_SPECTRUM = (*OF_LOG_SPECTRUM, *QUARTILES, "specCentroid", "peakFreq", "dom", "loudness")
LOCAL = ("rms_db", "ampl", *OF_SPECTRUM, *FORMANTS, "hnr_soundgen")


def local_markers(
    signal: Floats, starts: Ints, window: int, sample_rate: int, scaling: Scaling, wanted: frozenset[str]
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
        Names out of `LOCAL`; others are passed over.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_frames,)
    """
    names = [name for name in LOCAL if name in wanted]
    out = {name: np.full(len(starts), np.nan) for name in names}
    taper = blackman(window)
    for first in range(0, len(starts), BLOCK):
        rows = slice(first, first + BLOCK)
        raw = frames(signal, starts[rows], window)
        for name, values in _block(raw, taper, sample_rate, scaling, wanted):
            if name in out:
                out[name][rows] = values
    return out


def _block(
    raw: Floats, taper: Floats, sample_rate: int, scaling: Scaling, wanted: frozenset[str]
) -> Iterator[tuple[str, Floats]]:
    if wanted & {"ampl", "rms_db"}:
        ampl = np.sqrt(np.einsum("ij,ij->i", raw, raw) / raw.shape[1]) * scaling.ampl
        yield "ampl", ampl
        yield "rms_db", 20 * np.log10(np.maximum(ampl, FLOOR))
    if not wanted & {*OF_SPECTRUM, *FORMANTS, "hnr_soundgen"}:
        return
    windowed = raw * taper
    if wanted & set(OF_SPECTRUM):
        yield from _of_spectrum(windowed, sample_rate, scaling, wanted)
    if wanted & set(FORMANTS):
        from voicerisk.biomarkers.formants import formants

        frequency, width = formants(windowed, sample_rate)
        for k in range(3):
            yield f"f{k + 1}_freq", frequency[:, k]
            yield f"f{k + 1}_width", width[:, k]
    if "hnr_soundgen" in wanted:
        yield "hnr_soundgen", hnr(windowed, sample_rate)


def _of_spectrum(
    windowed: Floats, sample_rate: int, scaling: Scaling, wanted: frozenset[str]
) -> Iterator[tuple[str, Floats]]:
    n_bins = windowed.shape[1] // 2
    bin_hz = sample_rate / windowed.shape[1]
    amplitude = np.abs(scipy.fft.rfft(windowed, axis=1)[:, :n_bins])
    total = amplitude.sum(axis=1)
    empty = total == 0
    if empty.any():
        total = np.where(empty, np.nan, total)
    if "loudness" in wanted:
        yield "loudness", loudness(amplitude, scaling.pressure, sample_rate)
    if "specCentroid" in wanted:
        yield "specCentroid", amplitude @ (np.arange(n_bins) * bin_hz) / total
    if wanted & set(OF_LOG_SPECTRUM):
        from voicerisk.biomarkers.spectrum import (
            log_amplitude,
            shannon_entropy,
            slope_per_khz,
            wiener_entropy,
        )

        log_a, zero = log_amplitude(amplitude)
        yield "entropy", wiener_entropy(log_a, total)
        if "entropySh" in wanted:
            yield "entropySh", shannon_entropy(amplitude, log_a, total)
        if "specSlope" in wanted:
            yield "specSlope", np.where(zero, np.nan, slope_per_khz(log_a, bin_hz))
    if wanted & {*QUARTILES, "peakFreq", "dom"}:
        from voicerisk.biomarkers.spectrum import dominant, quartiles

        if wanted & set(QUARTILES):
            for name, values in zip(QUARTILES, quartiles(amplitude, bin_hz).T, strict=True):
                yield name, np.where(empty, np.nan, values)
        if "peakFreq" in wanted:
            yield "peakFreq", np.where(empty, np.nan, amplitude.argmax(axis=1) * bin_hz)
        if "dom" in wanted:
            yield "dom", dominant(amplitude, sample_rate)
