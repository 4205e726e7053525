"""Honest p-values: adjusted for many smooths, or from callers that selected nothing."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from voicerisk.errors import ModelError


def holm(p: np.ndarray) -> np.ndarray:
    """Return Holm's step-down adjusted p-values, shape (m,), as R's p.adjust(method = "holm").

    A missing p-value stays missing and counts as no test.
    """
    if np.isnan(p).any():
        return _of_tests(holm, p)
    order = np.argsort(p)
    factor = len(p) - np.arange(len(p))
    adjusted = np.minimum(np.maximum.accumulate(factor * p[order]), 1.0)
    out = np.empty_like(adjusted)
    out[order] = adjusted
    return out


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return Benjamini and Hochberg's adjusted p-values, shape (m,), as R's p.adjust(method = "BH").

    A missing p-value stays missing and counts as no test.
    """
    if np.isnan(p).any():
        return _of_tests(benjamini_hochberg, p)
    order = np.argsort(p)[::-1]
    factor = len(p) / (len(p) - np.arange(len(p)))
    adjusted = np.minimum(np.minimum.accumulate(factor * p[order]), 1.0)
    out = np.empty_like(adjusted)
    out[order] = adjusted
    return out


def _of_tests(adjust: Callable[[np.ndarray], np.ndarray], p: np.ndarray) -> np.ndarray:
    tested = ~np.isnan(p)
    out = np.full(len(p), np.nan)
    out[tested] = adjust(p[tested])
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
