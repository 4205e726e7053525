"""How soundgen 2.5.1 treats a contour in time: stretching, filtering, turns, strongest modulation.

Definitions of the preset ``soundgen-2.5.1``, kept for parity. What depends on the length of a contour here
depends on where the recording ends.
"""

import math

import numpy as np
import scipy.fft

from voicerisk.biomarkers.frame.windows import tapered
from voicerisk.types import Floats, Ints

PERIODS = 4  # of the lowest modulation in a window
OVERLAP = 0.7  # of successive windows
WHOLE_FFT = 10_000  # longer contours are padded to a power of two before they are filtered
FADE_S = 0.01  # and then faded out
EDGE = 1e-9  # Hz, for frequencies that a bin may equal


def bridged(values: Floats) -> Floats:
    """Fill missing values linearly from their neighbours, and with the nearest known one at the ends."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) in (0, len(values)):
        return values
    return np.interp(np.arange(len(values)), known, values[known])


def stretched(values: Floats, n: int) -> Floats:
    """Stretch values that count as equally spaced onto `n` frames, the first onto the first, last onto last.

    Between them they are interpolated linearly, over missing ones, too. Then the frames between the rounded
    shares ``n * k / (len(values) - 1)`` of the first missing value and of the first known one after it are
    missing. Where all known values are equal, the first value of the row is that of all frames.
    """
    many = len(values)
    missing = np.isnan(values)
    if missing.all():
        return np.full(n, np.nan)
    filled = bridged(values)
    if not np.any(np.diff(filled)):
        return np.full(n, values[0])
    out = filled if n == many else np.interp(np.linspace(0, many - 1, n), np.arange(many), filled)
    if missing.any():
        out = out.copy()
        change = np.diff(np.concatenate([[0], missing, [0]]).astype(np.int64))
        for first, after in zip(np.flatnonzero(change > 0), np.flatnonzero(change < 0), strict=True):
            # places count from 1, so that the share 0 is no frame
            low = max(1, round(int(first) / (many - 1) * n))
            high = round(min(int(after), many - 1) / (many - 1) * n)
            out[low - 1 : high] = np.nan
    return out


def band_passed(values: Floats, rate: float, low: float | None = None, high: float | None = None) -> Floats:
    """Keep the frequencies from `low` to `high` Hz, and the mean, by weights of 0, 1/2 and 1 on the FFT.

    Parameters
    ----------
    values : ndarray of float64, shape (n,), n at least 2
        Without missing values.
    rate : float
        Values a second.
    low, high : float, optional
        Hz; default: no bound.

    Returns
    -------
    ndarray of float64, shape (n,)
        Contours of more than 10,000 values are padded with their mean to a power of two, and fade to the mean
        over their last 10 ms.
    """
    n = len(values)
    mean = values.mean()
    size = n if n <= WHOLE_FFT else 1 << (n - 1).bit_length()
    spectrum = scipy.fft.rfft(values - mean, size)
    half = size // 2
    first = 1 if low is None else max(1, round(half / (rate / low) * 2))
    last = half if high is None else min(half, round(half / (rate / high) * 2))
    gate = np.zeros(half)
    gate[first - 1 : last] = 1.0
    # Mirrored one place off, +f and -f take different values of the gate: a real contour sees their mean.
    upward = np.append(gate, gate[-1])
    downward = np.append(1.0, gate)
    upward[0] = downward[1] = 1.0
    if size == 2:
        upward[1] = 1.0
    kept = scipy.fft.irfft(spectrum * (upward + downward) / 2, size)[:n]
    if size > n:
        faded = min(half, rate * FADE_S)
        first, count = int(n - faded + 1) - 1, int(faded - 1 + 1e-10) + 1
        kept[first : first + count] *= np.linspace(1, 0, math.ceil(faded))[:count]
    return np.asarray(kept + mean)


def turns(values: Floats) -> Ints:
    """Places where a contour without missing values turns up or down."""
    if len(values) < 3:
        return np.empty(0, np.int64)
    found = _reversals(values)
    found = found[np.abs(np.diff(np.append(values[0], values[found]))) > 0]
    # a turn that was dropped leaves neighbours in the same direction
    found = found[_reversals(np.concatenate([values[:1], values[found], values[-1:]])) - 1]
    if len(found) and values[found[-1]] == values[-1]:
        found = found[:-1]
    return found


def _reversals(values: Floats) -> Ints:
    rising = np.diff(values) > 0
    return np.flatnonzero(rising[1:] != rising[:-1]) + 1


def strongest_modulation(values: Floats, rate: float, low: float, high: float) -> tuple[Floats, Floats]:
    """Frequency and purity of the strongest modulation in each window of a contour.

    Windows hold four periods of `low` (or half of the contour, where it is shorter than two windows), are
    Gaussian, and overlap by 70%; the mean of the contour is not taken off. The largest magnitude from `low`
    to `high` counts, peak or not; a parabola refines it unless it lies at an end of that range.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Without missing values.
    rate : float
        Values a second.
    low, high : float
        Hz.

    Returns
    -------
    frequency, purity : ndarray of float64, shape (n_windows,)
        Hz; 10 log10(p / (1 - p)) dB, p = height of the parabola over the sum of the window's magnitudes. NaN
        in a window without any sound. Empty where fewer than two windows fit.
    """
    nothing = np.empty(0), np.empty(0)
    ms = 1000 / low * PERIODS
    width = int(ms / 1000 * rate / 2) * 2
    if width > len(values) / 2:
        width = len(values) // 4 * 2
        ms = width / rate * 1000
    hop = round(ms * (1 - OVERLAP) / 1000 * rate)
    if width < 4 or hop < 1:
        return nothing
    starts = np.arange(0, max(1, len(values) - width), hop, dtype=np.int64)
    hz = np.arange(width // 2) * (rate / width)
    inside = np.flatnonzero((hz >= low - EDGE) & (hz <= high + EDGE))
    if len(starts) < 2 or not len(inside):
        return nothing
    frequency, purity = np.full(len(starts), np.nan), np.full(len(starts), np.nan)
    taper = _gaussian(width)
    for first in range(0, len(starts), 256):
        rows = slice(first, first + 256)
        size = np.abs(scipy.fft.rfft(tapered(values, starts[rows], taper), axis=1)[:, : width // 2])
        total = size.sum(axis=1)
        heard = np.flatnonzero(total > 0)
        size = size[heard][:, inside] / total[heard, None]
        every = np.arange(len(heard))
        top = size.argmax(axis=1)
        edge = (top == 0) | (top == len(inside) - 1)
        left = np.where(edge, 0.0, size[every, np.maximum(top - 1, 0)])
        right = np.where(edge, 0.0, size[every, np.minimum(top + 1, len(inside) - 1)])
        height = size[every, top]
        bend = left - 2 * height + right
        shift = np.where(edge, 0.0, (left - right) / (2 * bend))
        height = height - (left - right) * shift / 4
        frequency[first + heard] = hz[inside[top]] + shift * (rate / width)
        with np.errstate(divide="ignore"):
            purity[first + heard] = 10 * np.log10(height / (1 - height))
    return frequency, purity


def _gaussian(n: int) -> Floats:
    """Gaussian window of Boersma (1993): exp(-12 t^2) less its value at the ends, t from -1/2 to 1/2."""
    t = np.arange(n) / (n - 1) - 0.5
    end = math.exp(-12)
    return np.asarray((np.exp(-12 * t**2) - end) / (1 - end))
