"""Numbers as journals print them: proper minus signs, P values without a leading zero, intervals 'a to b'."""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from voicerisk.figures.wording import MINUS, MISSING, inside, number, p_value

__all__ = ["MISSING", "THIN", "count", "estimate", "interval", "mean_sd", "median_iqr", "p_value", "share"]

THIN = "\u2009"


def interval(lower: float, upper: float, digits: int = 2) -> str:
    """Return an interval as 'a to b'; an en dash where an end is missing.

    Examples
    --------
    >>> interval(0.612, 0.874)
    '0.61 to 0.87'
    """
    if pd.isna(lower) or pd.isna(upper):
        return MISSING
    return f"{inside(lower, digits)} to {inside(upper, digits)}"


def estimate(value: float, lower: float, upper: float, digits: int = 2) -> str:
    """Return an estimate with its interval: '0.66 (0.54 to 0.78)'.

    Examples
    --------
    >>> estimate(0.661, 0.54, 0.78), estimate(1.0, float("nan"), float("nan"))
    ('0.66 (0.54 to 0.78)', '1.00')
    """
    if pd.isna(value):
        return MISSING
    if pd.isna(lower) or pd.isna(upper):
        return inside(value, digits)
    return f"{inside(value, digits)} ({interval(lower, upper, digits)})"


def count(n: float) -> str:
    """Return a count with thin spaces between thousands from 10 000 on."""
    if pd.isna(n):
        return MISSING
    whole = round(n)
    if not math.isclose(whole, n, abs_tol=1e-9):
        raise ValueError(f"{n} is not a count")
    text = f"{whole:,}" if abs(whole) >= 10_000 else str(whole)
    return text.replace(",", THIN).replace("-", MINUS)


def share(n: int, total: int) -> str:
    """Return 'n/N (x%)', with one decimal from 200 on, none below, and no percentage of nothing."""
    if total == 0:
        return f"{count(n)}/0"
    digits = 1 if total >= 200 else 0
    return f"{count(n)}/{count(total)} ({100 * n / total:.{digits}f}%)"


def mean_sd(values: ArrayLike, digits: int = 1) -> str:
    """Return 'mean (SD)' of the finite values."""
    finite = _finite(values)
    if not finite.size:
        return MISSING
    if finite.size == 1:
        return number(float(finite[0]), digits)
    return f"{number(float(finite.mean()), digits)} ({number(float(finite.std(ddof=1)), digits)})"


def median_iqr(values: ArrayLike, digits: int = 1) -> str:
    """Return 'median (quartile 1 to quartile 3)' of the finite values."""
    finite = _finite(values)
    if not finite.size:
        return MISSING
    low, middle, high = np.quantile(finite, [0.25, 0.5, 0.75])
    return f"{number(middle, digits)} ({interval(low, high, digits)})"


def _finite(values: ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]
