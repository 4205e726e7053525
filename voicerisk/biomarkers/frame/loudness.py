"""Loudness in sone of one 40 ms frame.

Amplitude spectrum -> Bark bands -> spread of excitation -> phon by the equal-loudness contours of ISO
226:2003 -> sone, as soundgen 2.5.1 `getLoudness()` does it. The pairing of filter i with the contour of Bark
i + 1 is soundgen's.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

from voicerisk.biomarkers.splines import spline_matrix
from voicerisk.types import Floats

# ISO 226:2003, table 1: frequency (Hz), exponent of loudness perception, magnitude of the linear transfer
# function (dB), threshold of hearing (dB).
_ISO_226 = np.array(
    [
        (20, 0.532, -31.6, 78.5), (25, 0.506, -27.2, 68.7), (31.5, 0.480, -23.0, 59.5),
        (40, 0.455, -19.1, 51.1), (50, 0.432, -15.9, 44.0), (63, 0.409, -13.0, 37.5),
        (80, 0.387, -10.3, 31.5), (100, 0.367, -8.1, 26.5), (125, 0.349, -6.2, 22.1),
        (160, 0.330, -4.5, 17.9), (200, 0.315, -3.1, 14.4), (250, 0.301, -2.0, 11.4),
        (315, 0.288, -1.1, 8.6), (400, 0.276, -0.4, 6.2), (500, 0.267, 0.0, 4.4),
        (630, 0.259, 0.3, 3.0), (800, 0.253, 0.5, 2.2), (1000, 0.250, 0.0, 2.4),
        (1250, 0.246, -2.7, 3.5), (1600, 0.244, -4.1, 1.7), (2000, 0.243, -1.0, -1.3),
        (2500, 0.243, 1.7, -4.2), (3150, 0.243, 2.5, -6.0), (4000, 0.242, 1.2, -5.4),
        (5000, 0.242, -2.1, -1.5), (6300, 0.245, -7.1, 6.0), (8000, 0.254, -11.2, 12.6),
        (10000, 0.271, -10.7, 13.9), (12500, 0.301, -3.1, 12.3),
    ]
)  # fmt: skip
_PHON_LEVELS = np.concatenate([np.arange(21.0), np.arange(22.0, 41.0, 2.0), np.arange(45.0, 91.0, 5.0)])
_HALFWAY = (_PHON_LEVELS[1:] + _PHON_LEVELS[:-1]) / 2
_REFERENCE_FILTER = 7  # the eighth: its level chooses the contour, and phon are relative to it


def _bark_to_hz(bark: Floats) -> Floats:
    return np.asarray(600 * np.sinh(bark / 6))


def equal_loudness(bark: Floats) -> Floats:
    """Sound pressure levels of the equal-loudness contours at the given Bark numbers.

    Parameters
    ----------
    bark : ndarray of float64, shape (b,)
        Critical-band numbers (6 asinh(f / 600)); above 12.5 kHz, where the standard ends, its last point is
        taken.

    Returns
    -------
    ndarray of float64, shape (41, b)
        dB SPL, one row a phon level: 0 to 20 by 1, 22 to 40 by 2, 45 to 90 by 5.

    References
    ----------
    ISO 226:2003, section 4.1.
    """
    hz, exponent, transfer, threshold = _ISO_226.T
    level = _PHON_LEVELS[:, None]
    a = 4.47e-3 * (10 ** (0.025 * level) - 1.15) + (0.4 * 10 ** ((threshold + transfer) / 10 - 9)) ** exponent
    spl = 10 / exponent * np.log10(a) - transfer + 94
    grid = np.linspace(20, 12500, 1000)
    nearest = grid[np.abs(grid[None, :] - _bark_to_hz(bark)[:, None]).argmin(axis=1)]
    return np.asarray(spl @ spline_matrix(hz, nearest).T)


@dataclass(frozen=True, slots=True)
class _Tables:
    bank: Floats  # (n_bins, n_filters), power to power in each Bark band, spread of excitation included
    relative: Floats  # (41, n_filters) contour of the reference filter less each contour, dB
    threshold: Floats  # (n_filters,) dB
    calibration: float


@lru_cache(maxsize=8)
def _tables(sample_rate: int, n_bins: int) -> _Tables:
    # The filter bank takes the frequency of bin k as k fs / (2 (n_bins - 1)), not k fs / (2 n_bins):
    # soundgen's.
    z = 6 * np.arcsinh(np.arange(n_bins) * sample_rate / (2 * (n_bins - 1)) / 600)
    top = 6 * np.arcsinh(sample_rate / 2 / 600)
    n_filters = int(np.ceil(top)) + 1
    centres = np.arange(n_filters) * top / (n_filters - 1)
    distance = z[:, None] - centres[None, :]
    weights = 10 ** np.minimum(0, np.minimum(distance + 0.5, -2.5 * (distance - 0.5)))
    steps = np.subtract.outer(np.arange(n_filters), np.arange(n_filters)) + 0.474
    spread = 10 ** ((15.81 + 7.5 * steps - 17.5 * np.sqrt(1 + steps**2)) / 10)
    contours = equal_loudness(np.arange(1.0, n_filters + 1))
    khz = _bark_to_hz(np.arange(1.0, n_filters + 1)) / 1000
    threshold = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 0.001 * khz**4
    return _Tables(
        bank=weights @ spread.T,
        relative=contours[:, [_REFERENCE_FILTER]] - contours,
        threshold=threshold,
        calibration=(5.73 + 6.56 * 40**0.35) * (0.0357 + 0.0345 * sample_rate**0.3113),
    )


def loudness(amplitude: Floats, gain: float, sample_rate: int) -> Floats:
    """Loudness of each frame, in sone.

    Parameters
    ----------
    amplitude : ndarray of float64, shape (n_frames, n_bins)
        Amplitude spectra without scaling, direct current included, Nyquist left out.
    gain : float
        Factor from `amplitude` to the calibrated spectrum (soundgen: the extent's RMS at 70 dB, less its
        headroom).
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
        Sone, 0 and above.

    References
    ----------
    soundgen 2.5.1, `getLoudness()`; ISO 226:2003; Schroeder et al. (1979) for the spread of excitation.
    """
    n_bins = amplitude.shape[1]
    tables = _tables(sample_rate, n_bins)
    power = amplitude * amplitude
    power *= gain * gain / n_bins
    out = np.empty(len(amplitude))
    _sone(power @ tables.bank, tables.relative, tables.threshold, _HALFWAY, out)
    out /= tables.calibration
    return out


@njit(cache=True, nogil=True)
def _sone(excitation: Floats, relative: Floats, threshold: Floats, halfway: Floats, out: Floats) -> None:
    """Sum the sone of all bands, which the excitation's dB give by way of phon."""
    n_frames, n_filters = excitation.shape
    level = np.empty(n_filters)
    for i in range(n_frames):
        for j in range(n_filters):
            e = excitation[i, j]
            level[j] = 10 / math.log(10) * math.log(e) if e > 0 else -np.inf
        # The contour whose phon level is nearest to the reference filter's dB; halfway, the lower.
        contour = relative[np.searchsorted(halfway, level[_REFERENCE_FILTER])]
        total = 0.0
        for j in range(n_filters):
            phon = level[j] + contour[j]
            if phon < threshold[j] or phon <= 0:
                continue
            exponent = 2.642 * math.log(phon / 40) if phon < 40 else math.log(2) / 10 * (phon - 40)
            total += math.exp(exponent)
        out[i] = total
