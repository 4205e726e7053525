"""Smoothing of marker tracks along time."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEMITONES_OF_JUMP = 4.0


def median_smooth(hz: Floats, half: int) -> Floats:
    """Replace values that lie more than 4 semitones off the running median by it.

    The window is `half` frames to either side (fewer at the ends), of the original values; missing values in
    it count as the current one. Missing values stay missing.
    """
    n = len(hz)
    if not n or not half:
        return hz.copy()
    place = np.arange(n)[:, None] + np.arange(-half, half + 1)[None, :]
    inside = (place >= 0) & (place < n)
    window = hz[np.clip(place, 0, n - 1)]
    window = np.where(np.isnan(window), hz[:, None], window)
    window[~inside] = np.nan
    known = ~np.isnan(hz)
    out = hz.copy()
    middle = np.nanmedian(window[known], axis=1) if known.any() else np.empty(0)
    current = hz[known]
    jump = np.abs(12 * np.log2(current / middle)) > SEMITONES_OF_JUMP
    out[known] = np.where(jump, middle, current)
    return out


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
