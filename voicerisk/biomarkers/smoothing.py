"""Smoothing of marker tracks along time."""

import numpy as np
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
