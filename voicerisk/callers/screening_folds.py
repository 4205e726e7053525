"""Folds in which every caller is held out as a whole."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from voicerisk.errors import ScreeningError


def outcome_patterns(callers: ArrayLike, y: ArrayLike) -> pd.Series:
    """Return for each caller (index) the outcomes of its rows: '0', '1' or 'both'."""
    rows = pd.DataFrame({"caller": np.asarray(callers), "y": np.asarray(y, dtype=np.float64)})
    span = rows.groupby("caller")["y"].agg(["min", "max"])
    pattern = np.where(span["min"] != span["max"], "both", np.where(span["max"] > 0.5, "1", "0"))
    return pd.Series(pattern, index=span.index)


def caller_folds(callers: ArrayLike, y: ArrayLike, k: int = 10, seed: int = 1) -> NDArray[np.int64]:
    """Deal callers into `k` folds, balanced in number and in outcome pattern {0, 1, both}.

    Parameters
    ----------
    callers : array, shape (n,)
        Caller of each row.
    y : array of 0 and 1, shape (n,)
        Outcome of each row.
    k : int
        Number of folds, at least 2 and at most the number of callers.
    seed : int
        The same seed, callers and outcomes give the same folds, whatever the order of the rows.

    Returns
    -------
    ndarray of int64, shape (n,)
        Fold of each row, 0 to k - 1.

    Raises
    ------
    ScreeningError
        If `k` is below 2 or above the number of callers.

    Examples
    --------
    >>> caller_folds(["a", "a", "b", "c", "d"], [1, 1, 0, 1, 0], k=2).shape
    (5,)
    """
    pattern = outcome_patterns(callers, y)
    if not 2 <= k <= len(pattern):
        raise ScreeningError(f"{len(pattern)} callers cannot be dealt into {k} folds.")
    order = np.random.default_rng(seed).permutation(len(pattern))
    # Shuffled, then sorted by pattern, then dealt like cards: sizes and patterns differ by one at most.
    dealt = order[np.argsort(pattern.to_numpy()[order], kind="stable")]
    fold = np.empty(len(pattern), dtype=np.int64)
    fold[dealt] = np.arange(len(pattern)) % k
    return fold[pattern.index.get_indexer(pd.Index(np.asarray(callers)))]
