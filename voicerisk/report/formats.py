"""Numbers as journals print them: proper minus signs, P values without a leading zero, intervals 'a to b'."""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from voicerisk.figures.text import MINUS, number

MISSING = "–"
THIN = "\u2009"


def p_value(p: float) -> str:
    """Return a P value as AMA and JMIR print it.

    Two digits from .01 on, three below, three also where two would carry it over .05; never 0 or 1.

    Examples
    --------
    >>> [p_value(p) for p in (1e-9, 0.0014, 0.0123, 0.0496, 0.25, 0.9996)]
    ['<.001', '.001', '.01', '.0496', '.25', '>.99']
    """
    if pd.isna(p):
        return MISSING
    if not 0 <= p <= 1:
        raise ValueError(f"{p} is not a P value")
    if p < 0.001:
        return "<.001"
    if p > 0.99:
        return ">.99"
    for digits in (2, 3, 4, 5):
        text = f"{p:.{digits}f}"
        if (digits >= 3 or p >= 0.01) and (float(text) < 0.05) == (p < 0.05):
            break
    return text[1:]


def interval(lower: float, upper: float, digits: int = 2) -> str:
    """Return an interval as 'a to b'; an en dash where an end is missing."""
    if pd.isna(lower) or pd.isna(upper):
        return MISSING
    return f"{number(lower, digits)} to {number(upper, digits)}"


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
        return number(value, digits)
    return f"{number(value, digits)} ({interval(lower, upper, digits)})"


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
