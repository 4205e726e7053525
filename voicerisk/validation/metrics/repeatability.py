"""How far a marker repeats: between segments of a call, and between calls of a caller."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from voicerisk.types import Floats, Ints

COLUMNS = (
    "marker", "n_segments", "n_calls", "icc_segments", "sd_within_call", "mdc_calls", "mdc_from",
    "n_callers_again",
    "icc_calls", "sd_within_caller",
)  # fmt: skip
LEAST_GROUPS = 3


def repeatability(segments: pd.DataFrame, markers: Sequence[str]) -> pd.DataFrame:
    """Return the intraclass correlations of markers and their minimal detectable change.

    Parameters
    ----------
    segments : DataFrame
        One row a segment: call_id, caller_id, and each marker's mean (NaN where it has none).
    markers : sequence of str

    Returns
    -------
    DataFrame
        One row a marker. n_segments and n_calls that have it. icc_segments: share of the variance of segments
        that lies between calls, by one-way analysis of variance with calls of unequal size. sd_within_call:
        standard deviation of segments within calls. mdc_calls: by how much the means of two calls of the
        same caller must differ at least to be more than chance (5 % of pairs differ by more): 1.96 sqrt(2)
        times the spread of a call's mean. mdc_from says where that comes from: `calls`, from callers with
        several calls; else `segments`, from segments within calls (sd / sqrt(segments a call), harmonic
        mean), which leaves out how a caller differs from day to day and is a lower bound. n_callers_again:
        callers with several calls; of these icc_calls and sd_within_caller, from means of calls. NaN below
        three groups with two or more members.

    References
    ----------
    Shrout and Fleiss 1979 (case 1); Searle 1971 for unequal sizes; de Vet et al. 2006 for the change.

    Examples
    --------
    >>> segments = pd.DataFrame({"call_id": list("aabbcc"), "x": [1.0, 2, 5, 6, 9, 10]})
    >>> segments["caller_id"] = segments["call_id"]
    >>> repeatability(segments, ["x"])["icc_segments"].round(3).tolist()
    [0.97]
    """
    rows = []
    for marker in markers:
        known = segments.loc[segments[marker].notna(), ["call_id", "caller_id", marker]]
        value = known[marker].to_numpy(np.float64)
        call = pd.factorize(known["call_id"])[0]
        icc, within = icc_oneway(value, call)
        per_call = known.groupby("call_id", observed=True).size()
        of_calls = known.groupby(["caller_id", "call_id"], observed=True)[marker].mean().reset_index()
        several = of_calls.groupby("caller_id", observed=True)[marker].transform("size") > 1
        again = of_calls[several]
        icc_calls, within_caller = icc_oneway(
            again[marker].to_numpy(np.float64), pd.factorize(again["caller_id"])[0]
        )
        by_calls = bool(np.isfinite(within_caller))
        of_mean = within_caller if by_calls else within * np.sqrt((1.0 / per_call).mean())
        rows.append(
            (
                marker, len(known), len(per_call), icc, within, 1.96 * np.sqrt(2.0) * of_mean,
                "calls" if by_calls else "segments", again["caller_id"].nunique(), icc_calls, within_caller,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def icc_oneway(values: Floats, groups: Ints) -> tuple[float, float]:
    """Return the intraclass correlation of a one-way layout, at least 0, and the standard deviation within.

    Parameters
    ----------
    values : ndarray, shape (n,)
    groups : ndarray of int, shape (n,)
        Number of the group of each value, from 0.

    Returns
    -------
    float, float
        NaN below three groups with two or more values.
    """
    size = np.bincount(groups) if len(groups) else np.zeros(0)
    if (size > 1).sum() < LEAST_GROUPS:
        return np.nan, np.nan
    mean = np.bincount(groups, values) / size
    n, k = len(values), len(size)
    between = (size * (mean - values.mean()) ** 2).sum() / (k - 1)
    within = ((values - mean[groups]) ** 2).sum() / (n - k)
    typical = (n - (size**2).sum() / n) / (k - 1)
    variance = max((between - within) / typical, 0.0)
    total = variance + within
    return float(variance / total) if total > 0 else np.nan, float(np.sqrt(within))
