"""Loops over samples that are compiled: checks, pre-emphasis and levels of a block, and RMS of frames."""

import math

import numpy as np
from numba import njit

from voicerisk.types import Floats, Ints


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "nnan"})
def sum_and_range(samples: Floats) -> tuple[float, float, float]:
    """Return the sum, the smallest and the largest of finite samples, of which there is at least one."""
    total, low, high = 0.0, samples[0], samples[0]
    for k in range(len(samples)):
        x = samples[k]
        total += x
        low = min(low, x)
        high = max(high, x)
    return total, low, high


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def squares_about(samples: Floats, mean: float) -> float:
    """Return the sum of squares about `mean`."""
    total = 0.0
    for k in range(len(samples)):
        total += (samples[k] - mean) * (samples[k] - mean)
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def rms_of_frames(
    samples: Floats, starts: Ints, window: int, centre: float, own_mean: bool, out: Floats
) -> None:
    """Write the RMS of each frame about `centre`, or about its own mean (exactly 0 for a constant frame)."""
    for i in range(len(starts)):
        frame = samples[starts[i] : starts[i] + window]
        total = 0.0
        square = 0.0
        for k in range(window):
            x = frame[k] - centre
            total += x
            square += x * x
        power = square / window
        if own_mean:
            offset = (total / window) ** 2
            power = max(power - offset, 0.0)
            if power <= 1e-12 * offset:  # rounding may leave something of a constant frame
                same = True
                for k in range(window):
                    same = same and frame[k] == frame[0]
                if same:
                    power = 0.0
        out[i] = math.sqrt(power)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def all_finite(samples: Floats) -> bool:
    """Return whether no sample is NaN or infinite."""
    total = 0.0
    for k in range(len(samples)):
        total += samples[k] * 0.0
    return total == 0.0


@njit(cache=True, nogil=True)
def on_grid(samples: Floats) -> bool:
    """Return whether all samples are steps of the 16-bit grid."""
    for begin in range(0, len(samples), 4096):
        part = samples[begin : begin + 4096]
        off = 0
        for k in range(len(part)):
            step = part[k] * 32768.0
            off += (np.rint(step) != step) | (step < -32768.0) | (step > 32767.0)
        if off:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def emphasise(samples: Floats, mean: float, peak: float, coefficient: float, out: Floats) -> None:
    """Write y[n] = x[n] - a x[n-1] of x = (samples - mean) / peak, with y[0] = (1 - a) x[0].

    Rounded after each step, as the array operations of `normalise` and `pre_emphasise` do.
    """
    before = (samples[0] - mean) / peak
    out[0] = (1.0 - coefficient) * before
    later, factor = out[1:], -coefficient
    for k in range(len(later)):
        x = (samples[k + 1] - mean) / peak
        later[k] = before * factor + x
        before = x
