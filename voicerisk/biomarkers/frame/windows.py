"""Cutting windows out of a sound and tapering them, in one pass."""

import numpy as np
from numba import njit

from voicerisk.types import Floats, Ints


def tapered(
    signal: Floats, starts: Ints, taper: Floats, emphasis: float = 0.0, centred: bool = False
) -> Floats:
    """Return the windows of a signal that begin at `starts`, times `taper`.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
    starts : ndarray of int64, shape (n_windows,)
        First samples; every window must lie inside the signal.
    taper : ndarray of float64, shape (n_samples,)
    emphasis : float
        a in y[n] = x[n] - a x[n-1], applied first; the sound before the signal counts as silent.
    centred : bool
        Take each window's own mean off before the taper.

    Returns
    -------
    ndarray of float64, shape (n_windows, n_samples)
    """
    out = np.empty((len(starts), len(taper)))
    if len(starts):
        _tapered(signal, starts, taper, emphasis, centred, out)
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _tapered(
    signal: Floats, starts: Ints, taper: Floats, emphasis: float, centred: bool, out: Floats
) -> None:
    n = len(taper)
    for i in range(len(starts)):
        first = starts[i]
        x = signal[first : first + n]
        y = out[i]
        if centred:
            total = 0.0
            for k in range(n):
                total += x[k]
            mean = total / n
            for k in range(n):
                y[k] = (x[k] - mean) * taper[k]
        elif emphasis != 0.0:
            before = signal[first - 1] if first > 0 else 0.0
            y[0] = (x[0] - emphasis * before) * taper[0]
            later, now, last, factor = y[1:], x[1:], x[:-1], taper[1:]
            for k in range(n - 1):
                later[k] = (now[k] - emphasis * last[k]) * factor[k]
        else:
            for k in range(n):
                y[k] = x[k] * taper[k]
