"""Squared distances of the rows of a call from its mean: what a marker spreads within a call."""

import numpy as np
from numpy.typing import NDArray

from voicerisk.types import Floats


def squared_distances(x: Floats, call: NDArray[np.int64], n_calls: int) -> Floats:
    """Return the squared distance of each row's value from the mean of its call.

    Parameters
    ----------
    x : ndarray, shape (n,)
        NaN = missing, and missing in what is returned.
    call : ndarray of int, shape (n,)
        Number of each row's call, 0 .. n_calls - 1.
    n_calls : int

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> squared_distances(np.array([1.0, 5.0, np.nan, 5.0]), np.array([0, 0, 0, 1]), 2).tolist()
    [4.0, 4.0, nan, 0.0]
    """
    known = ~np.isnan(x)
    size = np.bincount(call[known], minlength=n_calls)
    mean = np.bincount(call[known], x[known], n_calls) / np.maximum(size, 1)
    return np.asarray((x - mean[call]) ** 2)
