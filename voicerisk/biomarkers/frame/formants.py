"""Formants of one 40 ms frame by linear prediction.

The windowed frame is pre-emphasised from 50 Hz, centred, windowed once more (Hann), and predicted from its
last 11 samples (at 8 kHz); the roots of the predictor that are narrow enough are the formants, counted from
below.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from voicerisk.types import Floats

LOWEST_HZ = 200.0
HIGHEST_HZ = 4000.0
WIDEST_HZ = 600.0
PRE_EMPHASIS_HZ = 50.0
# A predictor that explains all but this share of a frame's energy describes a line spectrum (a pure tone):
# its roots depend on rounding, so they are missing rather than wrong.
SINGULAR = 1e-10
SWEEPS = 40
LANES = 32  # frames whose roots are sought side by side


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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
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
    n_frames = len(windowed)
    a = np.empty((order + 1, LANES))
    x, y = np.empty((order, LANES)), np.empty((order, LANES))
    found = np.empty(LANES, np.bool_)
    z, lags = np.empty(windowed.shape[1]), np.empty((order + 1, LANES))
    for begin in range(0, n_frames, LANES):
        own = min(LANES, n_frames - begin)
        lags[:] = 0.0
        for lane in range(own):
            _autocorrelation(windowed[begin + lane], hann, emphasis, z, lags[:, lane])
        _predictors(lags, a, found)
        _roots(a, x, y, found)
        for lane in range(own):
            if found[lane]:
                row = begin + lane
                _resonances(x[:, lane], y[:, lane], rate, highest, frequency[row], width[row])


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _autocorrelation(frame: Floats, hann: Floats, emphasis: float, z: Floats, lags: Floats) -> None:
    """Emphasise, centre and window a frame (to `z`), and write its autocorrelation from lag 0 on."""
    n = len(frame)
    z[0] = frame[0]
    total = frame[0]
    later, now, last = z[1:], frame[1:], frame[:-1]
    for k in range(n - 1):
        later[k] = now[k] - emphasis * last[k]
        total += later[k]
    mean = total / n
    for k in range(n):
        z[k] = (z[k] - mean) * hann[k]
    for lag in range(len(lags)):
        s = 0.0
        shifted = z[lag:]
        for k in range(n - lag):
            s += z[k] * shifted[k]
        lags[lag] = s


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _predictors(lags: Floats, a: Floats, found: NDArray[np.bool_]) -> None:
    """Write the linear predictor of each lane (Levinson-Durbin), and where there is one.

    Where there is none, the polynomial is any whose roots are found soon.
    """
    order = len(a) - 1
    w = np.empty((4, LANES))  # error, reflection; two coefficients that change together
    a[:] = 0.0
    a[0] = 1.0
    for b in range(LANES):
        w[0, b] = lags[0, b]
        found[b] = lags[0, b] > 0
    for m in range(1, order + 1):
        for b in range(LANES):
            w[1, b] = lags[m, b]
        for k in range(1, m):
            own, back = a[k], lags[m - k]
            for b in range(LANES):
                w[1, b] += own[b] * back[b]
        for b in range(LANES):
            w[1, b] = -w[1, b] / w[0, b]
        for k in range(1, (m + 1) // 2):
            own, back = a[k], a[m - k]
            for b in range(LANES):
                w[2, b], w[3, b] = own[b], back[b]
                own[b] = w[2, b] + w[1, b] * w[3, b]
                back[b] = w[3, b] + w[1, b] * w[2, b]
        if m % 2 == 0:
            own = a[m // 2]
            for b in range(LANES):
                own[b] += w[1, b] * own[b]
        own = a[m]
        for b in range(LANES):
            own[b] = w[1, b]
            w[0, b] *= 1.0 - w[1, b] * w[1, b]
            if not w[0, b] > SINGULAR * lags[0, b]:
                found[b] = False
    for b in range(LANES):
        if not found[b]:
            a[:, b] = 0.0
            a[0, b] = 1.0
            a[order, b] = -0.5


@njit(cache=True, nogil=True, error_model="numpy")
def _resonances(x: Floats, y: Floats, rate: float, highest: float, frequency: Floats, width: Floats) -> None:
    """Write the frequency and the bandwidth of the roots that are formants, from the lowest on."""
    found_hz = np.empty(len(x))
    found_width = np.empty(len(x))
    found = 0
    for k in range(len(x)):
        if y[k] <= 0.0:
            continue
        hz = math.atan2(y[k], x[k]) * rate / (2 * math.pi)
        hz = np.rint(hz * 100.0) / 100.0
        bandwidth = -rate / (2 * math.pi) * math.log(x[k] * x[k] + y[k] * y[k])
        if bandwidth < WIDEST_HZ and hz > LOWEST_HZ and hz < highest:
            place = found
            while place > 0 and found_hz[place - 1] > hz:
                found_hz[place] = found_hz[place - 1]
                found_width[place] = found_width[place - 1]
                place -= 1
            found_hz[place] = hz
            found_width[place] = bandwidth
            found += 1
    for k in range(min(found, len(frequency))):
        frequency[k] = found_hz[k]
        width[k] = found_width[k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _roots(a: Floats, x: Floats, y: Floats, found: NDArray[np.bool_]) -> None:
    """Find all roots x + iy of z^p + a[1] z^(p-1) + ... + a[p] by Aberth's iteration, one polynomial a lane.

    The iteration converges with the third power: a root whose step was below 1e-7 has reached rounding.
    `found` becomes False where there is no convergence.
    """
    p = len(a) - 1
    done = np.zeros((p, LANES), np.bool_)
    going = np.full(p, LANES)  # lanes in which a root still moves
    # Of each lane: 2x, -|z|^2; two coefficients of the quotient by the real quadratic (z - x)^2 + y^2, two of
    # the quotient's own quotient (later value and slope); the repulsion by the other roots (later the step).
    # In one array, so that the loops over lanes are vectorised.
    w = np.empty((8, LANES))
    for k in range(p):
        angle = 2 * math.pi * (k + 0.25) / p
        x[k] = 0.9 * math.cos(angle)
        y[k] = 0.9 * math.sin(angle)
    for _ in range(SWEEPS):
        left = 0
        for k in range(p):
            if going[k] == 0:
                continue
            zx, zy = x[k], y[k]
            for b in range(LANES):
                w[0, b] = 2.0 * zx[b]
                w[1, b] = -(zx[b] * zx[b] + zy[b] * zy[b])
                w[2, b] = 1.0
                w[3, b] = w[4, b] = w[5, b] = w[6, b] = w[7, b] = 0.0
            for j in range(1, p):
                c = a[j]
                for b in range(LANES):
                    again = w[0, b] * w[4, b] + (w[1, b] * w[5, b] + w[2, b])
                    w[5, b] = w[4, b]
                    w[4, b] = again
                    once = w[0, b] * w[2, b] + (w[1, b] * w[3, b] + c[b])
                    w[3, b] = w[2, b]
                    w[2, b] = once
            c = a[p]
            for b in range(LANES):
                once, again, before = w[2, b], w[4, b], w[5, b]
                w[2, b] = c[b] + zx[b] * once + w[1, b] * w[3, b]
                w[3, b] = zy[b] * once
                w[4, b] = once - 2.0 * zy[b] * zy[b] * before
                w[5, b] = 2.0 * zy[b] * (again - zx[b] * before)
            # sum of 1 / (z - other root), two of them a division
            j = 0
            while j < p:
                j += j == k
                i = j + 1
                i += i == k
                if i < p:
                    ux, uy, vx, vy = x[j], y[j], x[i], y[i]
                    for b in range(LANES):
                        dx, dy = zx[b] - ux[b], zy[b] - uy[b]
                        ex, ey = zx[b] - vx[b], zy[b] - vy[b]
                        d, e = dx * dx + dy * dy, ex * ex + ey * ey
                        scale = 1.0 / (d * e)
                        w[6, b] += (dx * e + ex * d) * scale
                        w[7, b] -= (dy * e + ey * d) * scale
                elif j < p:
                    ux, uy = x[j], y[j]
                    for b in range(LANES):
                        dx, dy = zx[b] - ux[b], zy[b] - uy[b]
                        scale = 1.0 / (dx * dx + dy * dy)
                        w[6, b] += dx * scale
                        w[7, b] -= dy * scale
                j = i + 1
            # step = value / (slope - value * repulsion)
            for b in range(LANES):
                sx = w[4, b] - (w[2, b] * w[6, b] - w[3, b] * w[7, b])
                sy = w[5, b] - (w[2, b] * w[7, b] + w[3, b] * w[6, b])
                scale = 1.0 / (sx * sx + sy * sy)
                w[6, b] = (w[2, b] * sx + w[3, b] * sy) * scale
                w[7, b] = (w[3, b] * sx - w[2, b] * sy) * scale
            ended = done[k]
            for b in range(LANES):
                if ended[b]:
                    continue
                zx[b] -= w[6, b]
                zy[b] -= w[7, b]
                size = abs(w[6, b]) + abs(w[7, b])
                if size < 1e-7:
                    ended[b] = True
                    going[k] -= 1
                elif not size < 1e3:  # this lane will not converge
                    found[b] = False
                    for j in range(p):
                        going[j] -= not done[j, b]
                        done[j, b] = True
            left += going[k]
        if left == 0:
            break
    for k in range(p):
        for b in range(LANES):
            if not done[k, b]:
                found[b] = False
