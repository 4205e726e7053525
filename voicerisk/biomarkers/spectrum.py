"""Shape of a frame's amplitude spectrum: entropy, centroid, quartiles, slope, peak, dominant frequency.

All of them use amplitude, not power, over the bins 0 .. n/2 - 1 (direct current included, Nyquist left out).
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TINY = 1e-10  # takes the place of zero amplitudes in both entropies
DOM_SMOOTHING_HZ = 220.0
DOM_THRESHOLD = 0.1
DOM_LOWEST_HZ = 75.0
DOM_HIGHEST_HZ = 3500.0


def log_amplitude(amplitude: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Natural logarithm of amplitudes with zeros set to 1e-10, and which frames had a zero."""
    zero = amplitude <= 0
    if not zero.any():
        return np.log(amplitude), np.zeros(len(amplitude), bool)
    return np.log(np.where(zero, TINY, amplitude)), np.asarray(zero.any(axis=1))


def wiener_entropy(log_a: Floats, total: Floats) -> Floats:
    """Geometric over arithmetic mean of the amplitude spectrum: 0 tonal, 1 flat."""
    return np.asarray(np.exp(log_a.mean(axis=1)) * log_a.shape[1] / total)


def shannon_entropy(amplitude: Floats, log_a: Floats, total: Floats) -> Floats:
    """Shannon entropy of the amplitude spectrum over its largest possible value: 0 to 1."""
    spread = np.log(total) - np.einsum("ij,ij->i", amplitude, log_a) / total
    return np.asarray(spread / np.log(amplitude.shape[1]))


def slope_per_khz(log_a: Floats, bin_hz: float) -> Floats:
    """Least-squares slope of the spectrum in dB over frequency, in dB per kHz."""
    f = np.arange(log_a.shape[1]) * bin_hz
    f -= f.mean()
    return np.asarray(log_a @ (f * (20 / math.log(10) * 1000 / (f @ f))))


def quartiles(amplitude: Floats, bin_hz: float) -> Floats:
    """Lowest frequencies below which 25, 50 and 75 % of the amplitude lie, shape (n_frames, 3), Hz."""
    out = np.empty((len(amplitude), 3))
    if len(amplitude):
        _quartiles(np.ascontiguousarray(amplitude), bin_hz, out)
    return out


@njit(cache=True, nogil=True)
def _quartiles(amplitude: Floats, bin_hz: float, out: Floats) -> None:
    n_frames, n_bins = amplitude.shape
    for i in range(n_frames):
        total = 0.0
        for k in range(n_bins):
            total += amplitude[i, k]
        running = 0.0
        q = 0
        for k in range(n_bins):
            running += amplitude[i, k]
            while q < 3 and running >= 0.25 * (q + 1) * total:
                out[i, q] = k * bin_hz
                q += 1
            if q == 3:
                break


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


@njit(cache=True, nogil=True)
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
