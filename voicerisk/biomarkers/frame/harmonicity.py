"""Harmonics-to-noise ratio of one 40 ms frame from its autocorrelation."""

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from voicerisk.biomarkers.splines import spline_matrix
from voicerisk.types import Floats

LOWEST_HZ = 75.0
HIGHEST_HZ = 3500.0  # or a quarter of the sample rate, where that is less
FINEST_HZ = 25.0  # lags farther apart than this on the frequency axis are filled in by a spline


@lru_cache(maxsize=8)
def _lags(sample_rate: int, n: int) -> tuple[NDArray[np.intp], Floats, Floats, int]:
    """Lags kept, their window correction, the spline over the shortest lags, and how many lags it covers."""
    lags = np.arange(1, n)
    hz = sample_rate / lags
    lags = lags[(hz > LOWEST_HZ) & (hz < min(HIGHEST_HZ, sample_rate / 4))]
    window = np.blackman(2 * n)
    power = np.abs(np.fft.fft(window)) ** 2
    correction = np.abs(np.fft.ifft(power))[:n] ** 2
    correction /= correction.max()
    hz = sample_rate / lags
    wide = int(np.sum(-np.diff(hz) > FINEST_HZ)) + 1
    sparse = hz[:wide][::-1]
    grid = np.linspace(sparse[0], sparse[-1], round((sparse[-1] - sparse[0]) / FINEST_HZ))
    spline = spline_matrix(sparse, grid)[:, ::-1]
    return lags, correction[lags], np.ascontiguousarray(spline.T), wide


def hnr(windowed: Floats, sample_rate: int) -> Floats:
    """Harmonics-to-noise ratio as soundgen 2.5.1 has it.

    Parameters
    ----------
    windowed : ndarray of float64, shape (n_frames, n_samples)
        Frames already multiplied by the Blackman window.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
        dB; NaN for an empty frame.

    References
    ----------
    soundgen 2.5.1, `getPitchAutocor()`; after Boersma (1993).
    """
    n = windowed.shape[1]
    lags, correction, spline, wide = _lags(sample_rate, n)
    size = scipy.fft.next_fast_len(n + int(lags[-1]) + 1, real=True)
    spectrum = scipy.fft.rfft(windowed - windowed.mean(axis=1, keepdims=True), size, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    lagged = scipy.fft.irfft(power, size, axis=1, overwrite_x=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = lagged[:, lags] / lagged[:, :1] / correction
        best = np.maximum((r[:, :wide] @ spline).max(axis=1), r[:, wide:].max(axis=1))
        best = np.minimum(np.where(best >= 1, 1 / best, best), 1 - 1e-12)
        return np.asarray(10 * np.log10(best / (1 - best)))
