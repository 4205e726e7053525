"""Loops over samples that are compiled: levels of a block, and RMS of frames."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
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
