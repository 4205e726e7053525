"""Novelty and flux as soundgen 2.5.1 takes them over a whole recording, for parity."""

import numpy as np
from numba import njit

from voicerisk.biomarkers.change.novelty_flux import (
    BLOCK,
    FLUX_SCALES,
    KERNEL,
    MEL_BANDS,
    checkered,
    distances,
    mel_spectra,
    similarities,
)
from voicerisk.types import Floats, Ints


class Novelty:
    """Takes the novelty of a span whose frames come piece by piece, in order.

    As `context.novelty`, but for the bins of the spectrum, whose last one (Nyquist) is left out while the
    others are spread out to reach half the sample rate, and for the similarities: those of up to four frames
    apart are scaled to 0..1 over the span, so that the zeros beyond its ends count as the least similar pair.

    Parameters
    ----------
    n_frames, window, sample_rate : int
    """

    def __init__(self, n_frames: int, window: int, sample_rate: int) -> None:
        self._rate = sample_rate
        self._window = window
        # similarity of frame i and i + k in row i + KERNEL
        self._lagged = np.zeros((n_frames + 2 * KERNEL, KERNEL + 1))
        self._tail = np.empty((0, MEL_BANDS))
        self._done = 0

    def take(self, signal: Floats, starts: Ints) -> None:
        """Take the next frames, which begin at `starts` of a piece of sound with a sample before them."""
        for first in range(0, len(starts), BLOCK):
            own = starts[first : first + BLOCK]
            bands = mel_spectra(signal, own, self._window, self._rate)
            joined = np.concatenate([self._tail, bands])
            similarities(joined, self._lagged[self._done - len(self._tail) + KERNEL :])
            self._tail = joined[-KERNEL:]
            self._done += len(own)

    def values(self) -> Floats:
        """Return the novelty of all frames, -1 to 1; 0 where all similarities around a frame are equal."""
        n = self._done
        row, lag = np.indices(self._lagged.shape)
        pair = (row >= KERNEL) & (lag > 0) & (row - KERNEL + lag < n)
        if pair.any():
            least = self._lagged[pair].min()
            if least < 1:
                self._lagged[pair] = (self._lagged[pair] - least) / (1 - least)
        return checkered(self._lagged)


def flux(values: dict[str, Floats]) -> Floats:
    """Feature flux: (1 - correlation) / 2 of the scaled markers of successive frames.

    Markers without any value are left out, and those after them then take the scales of the rows they moved
    up to, as in soundgen. Each marker is median-smoothed over its frame and the neighbours: a missing
    neighbour counts as the value itself, at the ends the mean of two remains, and a missing value is that of
    its neighbours.

    Parameters
    ----------
    values : dict of str to ndarray of float64, shape (n_frames,)
        The markers of `FLUX_SCALES`. `HNR` counts on voiced frames only.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
        0 to 1, NaN on the first frame, where fewer than three markers exist on both frames, and where all of
        a frame are equal.
    """
    n = len(values["voiced"])
    out = np.full(n, np.nan)
    columns = dict(values, HNR=np.where(values["voiced"] > 0, values["HNR"], np.nan))
    kept = [name for name in FLUX_SCALES if not np.isnan(columns[name]).all()]
    table = np.empty((n, len(kept)))
    for place, (name, (logarithm, divisor)) in enumerate(zip(kept, FLUX_SCALES.values(), strict=False)):
        x = columns[name]
        if logarithm:
            with np.errstate(invalid="ignore", divide="ignore"):
                x = np.log2(x + 1)
        centre = 0.0 if name == "voiced" else np.nanmean(x)
        table[:, place] = _smoothed((x - centre) / divisor)
    distances(table, out)
    return out


@njit(cache=True, nogil=True)
def _smoothed(track: Floats) -> Floats:
    n = len(track)
    out = track.copy()
    for i in range(n):
        window = track[max(0, i - 1) : i + 2].copy()
        if not np.isnan(track[i]):
            window[np.isnan(window)] = track[i]
        out[i] = np.nanmedian(window)
    return out
