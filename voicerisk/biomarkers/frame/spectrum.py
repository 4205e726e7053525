"""Shape of a frame's amplitude spectrum: entropy, centroid, quartiles, slope, peak, dominant frequency.

All of them use amplitude, not power, over the bins 0 .. n/2 - 1 (direct current included, Nyquist left out).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from voicerisk.types import Floats

TINY = 1e-10  # takes the place of zero amplitudes in both entropies
DOM_SMOOTHING_HZ = 220.0
DOM_THRESHOLD = 0.1
DOM_LOWEST_HZ = 75.0
DOM_HIGHEST_HZ = 3500.0


def magnitudes(spectrum: NDArray[np.complex128], n_bins: int) -> Floats:
    """Return the magnitude of the first `n_bins` bins of each row, float64 (n_frames, n_bins)."""
    power = squared(spectrum, n_bins)
    return np.sqrt(power, out=power)


def squared(spectrum: NDArray[np.complex128], n_bins: int) -> Floats:
    """Return the squared magnitude of the first `n_bins` bins of each row, float64 (n_frames, n_bins)."""
    out = np.empty((len(spectrum), n_bins))
    if out.size:
        _squared(spectrum.view(np.float64), out)
    return out


@njit(cache=True, nogil=True)
def _squared(pairs: Floats, out: Floats) -> None:
    for i in range(len(out)):
        real, imaginary, row = pairs[i, 0::2], pairs[i, 1::2], out[i]
        for k in range(len(row)):
            row[k] = real[k] * real[k] + imaginary[k] * imaginary[k]


def sums(amplitude: Floats, bin_hz: float) -> tuple[Floats, Floats]:
    """Sum of each frame's amplitudes, and their centroid in Hz (0 where the frame is empty)."""
    total, centroid = np.empty(len(amplitude)), np.empty(len(amplitude))
    _sums(amplitude, bin_hz, total, centroid)
    return total, centroid


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _sums(amplitude: Floats, bin_hz: float, total: Floats, centroid: Floats) -> None:
    for i in range(len(amplitude)):
        a = amplitude[i]
        plain = weighted = 0.0
        for k in range(len(a)):
            plain += a[k]
            weighted += k * a[k]
        total[i] = plain
        centroid[i] = bin_hz * weighted / plain if plain > 0 else 0.0


def of_log_spectrum(amplitude: Floats, total: Floats, bin_hz: float) -> tuple[Floats, Floats, Floats]:
    """Entropies and slope, which are taken from the logarithm of the amplitudes.

    Parameters
    ----------
    amplitude : ndarray of float64, shape (n_frames, n_bins)
    total : ndarray of float64, shape (n_frames,)
        Sum of each frame's amplitudes, NaN where the frame is empty.
    bin_hz : float

    Returns
    -------
    wiener, shannon, slope : ndarray of float64, shape (n_frames,)
        Geometric over arithmetic mean of the amplitude spectrum: 0 tonal, 1 flat. Shannon entropy over its
        largest possible value: 0 to 1. Least-squares slope of the spectrum in dB over frequency, in dB per
        kHz; NaN in a frame with a zero. Both entropies take zeros for 1e-10.
    """
    n_frames, n_bins = amplitude.shape
    smallest = amplitude.min() if amplitude.size else 1.0
    log_a = np.log(amplitude if smallest > 0 else np.where(amplitude > 0, amplitude, TINY))
    f = np.arange(n_bins) * bin_hz
    f -= f.mean()
    weight: Floats = np.asarray(f * (20 / math.log(10) * 1000 / (f @ f)), np.float64)
    mean, product, slope = np.empty(n_frames), np.empty(n_frames), np.empty(n_frames)
    _log_sums(amplitude, log_a, weight, mean, product, slope)
    if not smallest > 0:
        slope[(amplitude <= 0).any(axis=1)] = np.nan
    shannon = (np.log(total) - product / total) / math.log(n_bins)
    return np.exp(mean) * n_bins / total, shannon, slope


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _log_sums(
    amplitude: Floats, log_a: Floats, weight: Floats, mean: Floats, product: Floats, slope: Floats
) -> None:
    for i in range(len(amplitude)):
        a, y = amplitude[i], log_a[i]
        plain = with_a = with_weight = 0.0
        for k in range(len(a)):
            plain += y[k]
            with_a += a[k] * y[k]
            with_weight += weight[k] * y[k]
        mean[i] = plain / len(a)
        product[i] = with_a
        slope[i] = with_weight


def quartiles(amplitude: Floats, bin_hz: float) -> Floats:
    """Lowest frequencies below which 25, 50 and 75% of the amplitude lie, shape (n_frames, 3), Hz."""
    out = np.empty((len(amplitude), 3))
    if len(amplitude):
        _quartiles(np.ascontiguousarray(amplitude), bin_hz, out)
    return out


@njit(cache=True, nogil=True)
def _quartiles(amplitude: Floats, bin_hz: float, out: Floats) -> None:
    n_frames, n_bins = amplitude.shape
    running = np.empty(n_bins)
    for i in range(n_frames):
        total = 0.0
        for k in range(n_bins):
            total += amplitude[i, k]
            running[k] = total
        k = 0
        for q in range(3):
            share = 0.25 * (q + 1) * total
            while running[k] < share:
                k += 1
            out[i, q] = k * bin_hz


def dominant(amplitude: Floats, sample_rate: int) -> Floats:
    """Lowest strong band of each spectrum, before smoothing along time.

    Parameters
    ----------
    amplitude : ndarray of float64, shape (n_frames, n_bins)
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
        Hz; NaN where no band qualifies.

    References
    ----------
    soundgen 2.5.1, `getDom()`.
    """
    n_bins = amplitude.shape[1]
    bin_hz = sample_rate / (2 * n_bins)
    half = max(1, math.ceil(DOM_SMOOTHING_HZ / bin_hz / 2 - 0.5))
    first = int(DOM_LOWEST_HZ // bin_hz) + 1
    last = int(DOM_HIGHEST_HZ // bin_hz) + 1
    out = np.full(len(amplitude), np.nan)
    if len(amplitude):
        _dominant(np.ascontiguousarray(amplitude), half, first, min(last, n_bins), bin_hz, out)
    return out


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _dominant(amplitude: Floats, half: int, first: int, last: int, bin_hz: float, out: Floats) -> None:
    n_frames, n_bins = amplitude.shape
    for i in range(n_frames):
        a = amplitude[i]
        top = 0.0
        for k in range(n_bins):
            top = max(top, a[k])
        for k in range(max(first + 1, half), min(last, n_bins - half)):
            if not a[k] > DOM_THRESHOLD * top:
                continue
            peak = True
            for j in range(1, half + 1):
                # the first of equal maxima counts
                if a[k - j] >= a[k] or a[k + j] > a[k]:
                    peak = False
                    break
            if peak:
                alpha, beta, gamma = math.log10(a[k - 1]), math.log10(a[k]), math.log10(a[k + 1])
                out[i] = bin_hz * (k + 0.5 * (alpha - gamma) / (alpha - 2 * beta + gamma))
                break
