"""Formants of one 40 ms frame by linear prediction.

The windowed frame is pre-emphasised from 50 Hz, centred, windowed once more (Hann), and predicted from its
last 11 samples (at 8 kHz); the roots of the predictor that are narrow enough are the formants, counted from
below.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOWEST_HZ = 200.0
HIGHEST_HZ = 4000.0
WIDEST_HZ = 600.0
PRE_EMPHASIS_HZ = 50.0
# A predictor that explains all but this share of a frame's energy describes a line spectrum (a pure tone):
# its roots hang on rounding, so they are missing rather than wrong.
SINGULAR = 1e-10
SWEEPS = 40


def formants(windowed: Floats, sample_rate: int, count: int = 3) -> tuple[Floats, Floats]:
    """Frequencies and bandwidths of the first formants.

    Parameters
    ----------
    windowed : ndarray of float64, shape (n_frames, n_samples)
        Frames already multiplied by the analysis window.
    sample_rate : int
        Hz; the order of prediction is round(sample_rate / 1000) + 3.
    count : int
        How many formants are wanted.

    Returns
    -------
    frequency, width : ndarray of float64, shape (n_frames, count)
        Hz, frequency rounded to 0.01 Hz. NaN where fewer poles pass, the frame is empty, or the predictor is
        singular (a pure tone).

    References
    ----------
    soundgen 2.5.1, `analyze(formants = ...)`, which takes its LPC from phonTools `findformants()`.
    """
    n = windowed.shape[1]
    order = int(sample_rate / 1000 + 0.5) + 3
    frequency = np.full((len(windowed), count), np.nan)
    width = np.full((len(windowed), count), np.nan)
    if len(windowed):
        hann = np.hanning(n)
        emphasis = math.exp(-2 * math.pi * PRE_EMPHASIS_HZ / sample_rate)
        highest = min(HIGHEST_HZ, sample_rate / 2)
        _formants(
            np.ascontiguousarray(windowed),
            hann,
            emphasis,
            order,
            float(sample_rate),
            highest,
            frequency,
            width,
        )
    return frequency, width


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _formants(
    windowed: Floats,
    hann: Floats,
    emphasis: float,
    order: int,
    rate: float,
    highest: float,
    frequency: Floats,
    width: Floats,
) -> None:
    n_frames, n = windowed.shape
    count = frequency.shape[1]
    z = np.empty(n)
    lags = np.empty(order + 1)
    a = np.empty(order + 1)
    old = np.empty(order + 1)
    root = np.empty(order, np.complex128)
    found_hz = np.empty(order)
    found_width = np.empty(order)
    for i in range(n_frames):
        y = windowed[i]
        z[0] = y[0]
        total = y[0]
        later, now, last = z[1:], y[1:], y[:-1]
        for k in range(n - 1):
            later[k] = now[k] - emphasis * last[k]
            total += later[k]
        mean = total / n
        for k in range(n):
            z[k] = (z[k] - mean) * hann[k]
        for lag in range(order + 1):
            s = 0.0
            shifted = z[lag:]
            for k in range(n - lag):
                s += z[k] * shifted[k]
            lags[lag] = s
        if not lags[0] > 0:
            continue
        # Levinson-Durbin
        a[:] = 0.0
        a[0] = 1.0
        error = lags[0]
        for m in range(1, order + 1):
            s = lags[m]
            for k in range(1, m):
                s += a[k] * lags[m - k]
            reflection = -s / error
            old[:] = a
            for k in range(1, m):
                a[k] = old[k] + reflection * old[m - k]
            a[m] = reflection
            error *= 1.0 - reflection * reflection
            if not error > SINGULAR * lags[0]:
                break
        if not error > SINGULAR * lags[0] or not _roots(a, root):
            continue
        found = 0
        for k in range(order):
            if root[k].imag <= 0.0:
                continue
            hz = math.atan2(root[k].imag, root[k].real) * rate / (2 * math.pi)
            hz = np.rint(hz * 100.0) / 100.0
            bandwidth = -rate / math.pi * math.log(abs(root[k]))
            if bandwidth < WIDEST_HZ and hz > LOWEST_HZ and hz < highest:
                place = found
                while place > 0 and found_hz[place - 1] > hz:
                    found_hz[place] = found_hz[place - 1]
                    found_width[place] = found_width[place - 1]
                    place -= 1
                found_hz[place] = hz
                found_width[place] = bandwidth
                found += 1
        for k in range(min(found, count)):
            frequency[i, k] = found_hz[k]
            width[i, k] = found_width[k]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _roots(a: Floats, root: NDArray[np.complex128]) -> bool:
    """Find all roots of z^p + a[1] z^(p-1) + ... + a[p] by Aberth's iteration; False without convergence.

    The iteration converges with the third power: a root whose step was below 1e-7 has reached rounding.
    """
    p = len(a) - 1
    x = np.empty(p)
    y = np.empty(p)
    done = np.zeros(p, np.bool_)
    for k in range(p):
        angle = 2 * math.pi * (k + 0.25) / p
        x[k] = 0.9 * math.cos(angle)
        y[k] = 0.9 * math.sin(angle)
    left = p
    for _ in range(SWEEPS):
        for k in range(p):
            if done[k]:
                continue
            # Horner: value and slope of the polynomial
            zx, zy = x[k], y[k]
            vx, vy, sx, sy = 1.0, 0.0, 0.0, 0.0
            for j in range(1, p + 1):
                sx, sy = sx * zx - sy * zy + vx, sx * zy + sy * zx + vy
                vx, vy = vx * zx - vy * zy + a[j], vx * zy + vy * zx
            if vx == 0.0 and vy == 0.0:
                done[k] = True
                left -= 1
                continue
            rx, ry = 0.0, 0.0
            for j in range(p):
                if j != k:
                    dx, dy = zx - x[j], zy - y[j]
                    scale = 1.0 / (dx * dx + dy * dy)
                    rx += dx * scale
                    ry -= dy * scale
            # step = value / (slope - value * repulsion)
            bx = sx - (vx * rx - vy * ry)
            by = sy - (vx * ry + vy * rx)
            scale = 1.0 / (bx * bx + by * by)
            stepx = (vx * bx + vy * by) * scale
            stepy = (vy * bx - vx * by) * scale
            x[k] = zx - stepx
            y[k] = zy - stepy
            size = abs(stepx) + abs(stepy)
            if not size < 1e3:
                return False
            if size < 1e-7:
                done[k] = True
                left -= 1
        if left == 0:
            for k in range(p):
                root[k] = complex(x[k], y[k])
            return True
    return False
