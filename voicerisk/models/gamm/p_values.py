"""Honest p-values: adjusted for many smooths, or from callers that selected nothing."""

import numpy as np
import pandas as pd

from voicerisk.errors import ModelError


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's step-down adjusted p-values, as R's `p.adjust(method = "holm")`.

    Parameters
    ----------
    p : ndarray, shape (m,)

    Returns
    -------
    ndarray, shape (m,)
        NaN stays, and does not count as a test.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    return _adjusted(p, "holm")


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return Benjamini and Hochberg's adjusted p-values, as R's `p.adjust(method = "BH")`.

    Parameters
    ----------
    p : ndarray, shape (m,)

    Returns
    -------
    ndarray, shape (m,)
        NaN stays, and does not count as a test.
    """
    return _adjusted(p, "fdr_bh")


def _adjusted(p: np.ndarray, method: str) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    out = np.full(len(p), np.nan)
    there = np.isfinite(p)
    if there.any():
        out[there] = multipletests(p[there], method=method)[1]
    return out


def caller_split(
    table: pd.DataFrame, y: str = "outcome", sex: str = "sex", caller: str = "caller_id", seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Halve the callers: markers are selected on one half and tested on the other.

    Callers are dealt out within sex x outcome pattern (0, 1 or both), so that both halves are alike. Fit the
    GAMM of the second half with ``selected_on_same_labels=False``.

    Parameters
    ----------
    table : DataFrame
        One row a segment or frame.
    y, sex, caller : str
        Names of the columns.
    seed : int
        Seed of the deal.

    Returns
    -------
    select, test : ndarray of bool, shape (n,)
        Rows of each half; no caller stands in both.

    Raises
    ------
    ModelError
        Fewer than four callers.
    """
    callers = table.groupby(caller, sort=True).agg(low=(y, "min"), high=(y, "max"), sex=(sex, "first"))
    if len(callers) < 4:
        raise ModelError(f"A split needs at least 4 callers; there are {len(callers)}.")
    rng = np.random.default_rng(seed)
    shuffled = callers.iloc[rng.permutation(len(callers))]
    dealt = shuffled.sort_values(["sex", "low", "high"], kind="stable")
    first = set(dealt.index[::2])
    select = table[caller].isin(first).to_numpy()
    return select, ~select
