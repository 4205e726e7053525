"""Smoothing of marker tracks along time."""

import math

import numpy as np
from numba import njit

from voicerisk.types import Floats

SEMITONES_OF_JUMP = 4.0


def median_smooth(hz: Floats, half: int) -> Floats:
    """Replace values that lie more than 4 semitones off the running median by it.

    The window is `half` frames to either side (fewer at the ends), of the original values; missing values in
    it count as the current one. Missing values stay missing.
    """
    out = hz.copy()
    if half:
        _median_smooth(hz, half, out)
    return out


@njit(cache=True, nogil=True)
def _median_smooth(hz: Floats, half: int, out: Floats) -> None:
    n = len(hz)
    window = np.empty(2 * half + 1)
    for i in range(n):
        if np.isnan(hz[i]):
            continue
        count = 0
        for k in range(max(0, i - half), min(n, i + half + 1)):
            value = hz[i] if np.isnan(hz[k]) else hz[k]
            place = count
            while place > 0 and window[place - 1] > value:
                window[place] = window[place - 1]
                place -= 1
            window[place] = value
            count += 1
        middle = window[count // 2]
        if count % 2 == 0:
            middle = (window[count // 2 - 1] + middle) / 2
        # 0 is infinitely far off anything else
        if (hz[i] > 0) != (middle > 0) or (
            middle > 0 and abs(12 * math.log2(hz[i] / middle)) > SEMITONES_OF_JUMP
        ):
            out[i] = middle


def median_of_three(track: Floats) -> Floats:
    """Median of each value and its neighbours, of those of them that are known; the ends stay as they are."""
    out = track.copy()
    _median_of_three(track, out)
    return out


@njit(cache=True, nogil=True)
def _median_of_three(track: Floats, out: Floats) -> None:
    for i in range(1, len(track) - 1):
        a, b, c = track[i - 1], track[i], track[i + 1]
        if np.isnan(a):
            a, b, c = b, c, a
        if np.isnan(a):
            a, b, c = b, c, a
        if np.isnan(b):
            b, c = c, b
        # the known values come first now
        if np.isnan(b):
            out[i] = a
        elif np.isnan(c):
            out[i] = (a + b) / 2
        else:
            out[i] = max(min(a, b), min(max(a, b), c))
