"""Modulation of amplitude and pitch: what a voice does over tenths of a second.

None of these is a measurement of a 40 ms frame; windows stay inside the span, and near its ends they are
moved inside.
"""

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from voicerisk.biomarkers.roughness import Chunks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AM_HZ = (10.0, 200.0)
AM_WINDOW_S = 0.4
ENVELOPE_S = 0.0025
HILBERT_TAPS = 255
FM_HZ = (5.0, 25.0)
FM_WINDOW_S = 0.8
OVERLAP_SAVE = 2048


def chunk_modulation(groups: list[Chunks], n_chunks: int) -> tuple[Floats, Floats]:
    """Frequency and purity of amplitude modulation in each chunk's modulation spectrum.

    Parameters
    ----------
    groups : list of Chunks
        As `modulation_columns` returns them.
    n_chunks : int

    Returns
    -------
    frequency, purity : ndarray of float64, shape (n_chunks,)
        Hz, dB (0 and below); NaN in a chunk without a peak from 10 to 200 Hz.

    References
    ----------
    soundgen 2.5.1, `amMsFreq` and `amMsPurity`.
    """
    frequency = np.full(n_chunks, np.nan)
    purity = np.full(n_chunks, np.nan)
    for group in groups:
        m = len(group.hz)
        # columns of equal |frequency| fold together (in half columns, to compare whole numbers)
        keys, place = np.unique(np.abs(2 * np.arange(m) - m), return_inverse=True)
        fold = (place[:, None] == np.arange(len(keys))) / np.bincount(place)
        folded = group.columns @ fold
        hz = keys * (-group.hz[0] / m)
        inner = folded[:, 1:-1]
        peak = (inner >= folded[:, :-2]) & (inner >= folded[:, 2:])
        peak &= (hz[1:-1] >= AM_HZ[0]) & (hz[1:-1] <= AM_HZ[1])
        best = np.where(peak, inner, -1.0).argmax(axis=1)
        rows = np.arange(len(folded))
        top = inner[rows, best]
        found = peak[rows, best] & (top > 0)
        frequency[group.number] = np.where(found, hz[best + 1], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            purity[group.number] = np.where(found, 20 * np.log10(top / folded.max(axis=1)), np.nan)
    return frequency, purity


def spread_chunks(values: Floats, n_frames: int) -> Floats:
    """Interpolate chunk values onto frames; NaN on the frames of a chunk without a value."""
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return np.full(n_frames, np.nan)
    at = np.linspace(0, len(values) - 1, n_frames) if len(values) > 1 else np.zeros(n_frames)
    out = np.interp(at, known, values[known])
    own = np.minimum(np.arange(n_frames) * len(values) // max(n_frames, 1), len(values) - 1)
    out[np.isnan(values)[own]] = np.nan
    return out


@lru_cache(maxsize=1)
def _hilbert_response() -> tuple[NDArray[np.complex128], int]:
    """Spectrum of the FIR Hilbert transformer (Hamming window) for overlap-save, and its delay."""
    half = HILBERT_TAPS // 2
    n = np.arange(-half, half + 1)
    taps = np.where(n % 2 != 0, 2 / (np.pi * np.where(n == 0, 1, n)), 0.0) * np.hamming(HILBERT_TAPS)
    return scipy.fft.rfft(taps, OVERLAP_SAVE), half


def envelope(signal: Floats, sample_rate: int) -> Floats:
    """Amplitude envelope, averaged over 2.5 ms.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray of float64, shape (n // step,)
        One value every 2.5 ms; the magnitude of the sound and its Hilbert transform (FIR, 255 taps).
    """
    response, delay = _hilbert_response()
    step = max(1, round(ENVELOPE_S * sample_rate))
    hop = (OVERLAP_SAVE - HILBERT_TAPS + 1) // step * step
    n = len(signal) // step
    out = np.empty(n)
    padded = np.concatenate([np.zeros(delay), signal, np.zeros(delay + OVERLAP_SAVE)])
    per_block = hop // step
    for first in range(0, n, per_block * 32):
        count = min(32, -(-(n - first) // per_block))
        begin = (first // per_block) * hop
        blocks = np.lib.stride_tricks.sliding_window_view(padded, OVERLAP_SAVE)[begin::hop][:count]
        spectrum = scipy.fft.rfft(blocks, axis=1) * response
        turned = scipy.fft.irfft(spectrum, OVERLAP_SAVE, axis=1, overwrite_x=True)
        turned = turned[:, HILBERT_TAPS - 1 : HILBERT_TAPS - 1 + hop]
        straight = blocks[:, delay : delay + hop]
        values = np.sqrt(turned * turned + straight * straight).reshape(-1, step).mean(axis=1)
        out[first : first + len(values)] = values[: n - first]
    return out


def _moved(centres: Floats, width: int, n: int) -> Ints:
    """First places of windows of `width` around `centres`, moved inside 0..n."""
    return np.clip(np.floor(centres - width / 2 + 0.5).astype(np.int64), 0, n - width)


def _spectral_peak(spectra: Floats, hz: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """Frequency (parabola) and purity 10 log10(p / (1 - p)) of the highest peak from `low` to `high` Hz."""
    inner = spectra[:, 1:-1]
    peak = (inner > spectra[:, :-2]) & (inner > spectra[:, 2:]) & (hz[1:-1] >= low) & (hz[1:-1] <= high)
    best = np.where(peak, inner, -1.0).argmax(axis=1) + 1
    rows = np.arange(len(spectra))
    found = peak[rows, best - 1]
    left, top, right = spectra[rows, best - 1], spectra[rows, best], spectra[rows, best + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = 0.5 * (left - right) / (left - 2 * top + right)
        share = top / spectra.sum(axis=1)
        frequency = np.clip(hz[best] + shift * (hz[1] - hz[0]), low, high)
        return np.where(found, frequency, np.nan), np.where(found, 10 * np.log10(share / (1 - share)), np.nan)


def _extrema(track: Floats) -> Ints:
    """Places where a track turns, its ends left out."""
    slope = np.sign(np.diff(track))
    moving = np.flatnonzero(slope)
    turn = np.flatnonzero(slope[moving[1:]] != slope[moving[:-1]])
    return np.asarray(moving[turn + 1], np.int64)


def amplitude_modulation(signal: Floats, sample_rate: int, centres: Ints) -> tuple[Floats, Floats, Floats]:
    """`amEnvFreq` (Hz), `amEnvPurity` (dB) and `amEnvDep` (0 to 1) of each frame.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
        One span.
    sample_rate : int
        Hz.
    centres : ndarray of int64, shape (n_frames,)
        Middle sample of each frame.

    Returns
    -------
    frequency, purity, depth : ndarray of float64, shape (n_frames,)
        NaN in spans shorter than 400 ms.
    """
    step = max(1, round(ENVELOPE_S * sample_rate))
    rate = sample_rate / step
    width = round(AM_WINDOW_S * rate)
    missing = np.full(len(centres), np.nan)
    if len(signal) // step < width or not len(centres):
        return missing, missing.copy(), missing.copy()
    track = envelope(signal, sample_rate)
    level = _running_mean(track, round(rate / AM_HZ[0]) | 1)
    at = centres / step
    windows = np.lib.stride_tricks.sliding_window_view(track - level, width)
    starts = _moved(at, width, len(track))
    frequency, purity = missing, missing.copy()
    taper = np.hanning(width)
    hz = np.arange(width // 2 + 1) * rate / width
    for first in range(0, len(at), 256):
        rows = slice(first, first + 256)
        spectra = np.abs(scipy.fft.rfft(windows[starts[rows]] * taper, axis=1))
        frequency[rows], purity[rows] = _spectral_peak(spectra, hz, *AM_HZ)
    turns = _extrema(track - level)
    depth = np.full(len(centres), np.nan)
    if len(turns) > 1:
        # positive by construction; the floor is 200 dB below the largest value
        height = (
            np.log(np.maximum(track[turns], 1e-10 * track.max())) if track.max() > 0 else np.zeros(len(turns))
        )
        depth = np.interp(at, (turns[1:] + turns[:-1]) / 2, 1 - np.exp(-np.abs(np.diff(height))))
    return frequency, purity, depth


def _running_mean(track: Floats, width: int) -> Floats:
    """Mean over `width` places around each, fewer at the ends."""
    total = np.concatenate([[0.0], np.cumsum(track)])
    low = np.maximum(np.arange(len(track)) - width // 2, 0)
    high = np.minimum(np.arange(len(track)) + width // 2 + 1, len(track))
    return np.asarray((total[high] - total[low]) / (high - low))


def pitch_modulation(pitch: Floats, frame_rate: float) -> tuple[Floats, Floats, Floats]:
    """`fmFreq` (Hz), `fmPurity` (dB) and `fmDep` (semitones) of each frame.

    Parameters
    ----------
    pitch : ndarray of float64, shape (n_frames,)
        Hz, NaN where unvoiced; gaps are bridged linearly in semitones.
    frame_rate : float
        Frames a second.

    Returns
    -------
    frequency, purity, depth : ndarray of float64, shape (n_frames,)
        NaN on unvoiced frames and in spans shorter than 800 ms.
    """
    n = len(pitch)
    width = round(FM_WINDOW_S * frame_rate)
    missing = np.full(n, np.nan)
    voiced = np.flatnonzero(pitch > 0)
    if n < width or len(voiced) < 2:
        return missing, missing.copy(), missing.copy()
    track = np.interp(np.arange(n), voiced, 12 * np.log2(pitch[voiced]))
    track = track - _running_mean(track, round(frame_rate / FM_HZ[0]) | 1)
    starts = _moved(np.arange(0.5, n), width, n)
    windows = np.lib.stride_tricks.sliding_window_view(track, width)[starts]
    spectra = np.abs(scipy.fft.rfft(windows * np.hanning(width), axis=1))
    hz = np.arange(width // 2 + 1) * frame_rate / width
    frequency, purity = _spectral_peak(spectra, hz, FM_HZ[0], FM_HZ[1])
    depth = missing
    turns = _extrema(track)
    if len(turns) > 1:
        depth = np.interp(np.arange(n), (turns[1:] + turns[:-1]) / 2, np.abs(np.diff(track[turns])) / 2)
    silent = ~(pitch > 0)
    for values in (frequency, purity, depth):
        values[silent] = np.nan
    return frequency, purity, depth
