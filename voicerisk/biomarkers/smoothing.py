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


def median_of_three(track: Floats) -> Floats:
    """Median of each value and its neighbours, of those of them that are known; the ends stay as they are."""
    out = track.copy()
    window = np.sort(np.stack([track[:-2], track[1:-1], track[2:]]), axis=0)  # missing values come last
    known = (~np.isnan(window)).sum(axis=0)
    middle = np.where(known == 2, (window[0] + window[1]) / 2, np.where(known == 1, window[0], window[1]))
    out[1:-1] = np.where(known == 0, np.nan, middle)
    return out
