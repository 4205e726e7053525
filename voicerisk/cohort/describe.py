"""The cohort in numbers: calls, callers, segments per call, segment length, for each outcome."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from voicerisk.cohort.cohort import Cohort
from voicerisk.cohort.outcomes import MOST_GRADES
from voicerisk.errors import CohortError

STATISTICS = ("n", "mean", "sd", "median", "q25", "q75", "minimum", "maximum")


def describe_cohort(cohort: Cohort, covariates: Sequence[str] = ()) -> pd.DataFrame:
    """Describe the analysed calls, all together and by outcome.

    Parameters
    ----------
    cohort : Cohort
    covariates : sequence of str
        Numeric columns of `cohort.calls` to describe as well, for example age.

    Returns
    -------
    DataFrame
        `quantity, group` ('all', 'outcome 0', 'outcome 1'; of grades each, of a number 'all' alone),
        `n` (how many values), `mean, sd` (n - 1), `median, q25, q75` (linear interpolation), `minimum,
        maximum`. Quantities are 'calls per caller', 'segments per call', 'segment length (s)', 'speech per
        call (s)' and the covariates; 'calls', 'callers', 'calls of women' and 'calls of men' are counts and
        have `n` alone.

    Raises
    ------
    CohortError
        If a covariate is absent or not numeric.

    Examples
    --------
    >>> describe_cohort(load_cohort(settings, folder))  # doctest: +SKIP
    """
    for name in covariates:
        if name not in cohort.calls.columns:
            raise CohortError(f"The calls have no column {name!r} to describe.")
        if not pd.api.types.is_numeric_dtype(cohort.calls[name]):
            raise CohortError(f"The column {name!r} holds text, which has no mean to describe.")
    rows = [
        (quantity, group, *numbers)
        for group, calls in _groups(cohort.calls)
        for quantity, numbers in _quantities(calls, cohort.spans, covariates)
    ]
    return pd.DataFrame(rows, columns=["quantity", "group", *STATISTICS]).astype({"n": "int64"})


def _groups(calls: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "all", calls
    values = sorted(calls["outcome"].unique())
    if len(values) > MOST_GRADES:  # a number, not classes
        return
    for outcome in (0, 1) if set(values) <= {0, 1} else values:
        yield f"outcome {outcome:g}", calls[calls["outcome"] == outcome]


def _quantities(
    calls: pd.DataFrame, spans: pd.DataFrame, covariates: Sequence[str]
) -> Iterator[tuple[str, tuple[float, ...]]]:
    spans = spans[spans["call_id"].isin(calls["call_id"])]
    length = spans["end_s"] - spans["start_s"]
    yield "calls", _count(len(calls))
    yield "callers", _count(calls["caller_id"].nunique())
    yield "calls of women", _count(int((calls["sex"] == "female").sum()))
    yield "calls of men", _count(int((calls["sex"] == "male").sum()))
    for other in sorted(set(calls["sex"]) - {"female", "male"}):
        yield f"calls of sex {other}", _count(int((calls["sex"] == other).sum()))
    yield "calls per caller", _numbers(calls.groupby("caller_id").size())
    yield "segments per call", _numbers(spans.groupby("call_id").size())
    yield "segment length (s)", _numbers(length)
    yield "speech per call (s)", _numbers(length.groupby(spans["call_id"]).sum())
    for name in covariates:
        yield name, _numbers(calls[name].dropna())


def _count(n: int) -> tuple[float, ...]:
    return (n, *[np.nan] * (len(STATISTICS) - 1))


def _numbers(values: pd.Series) -> tuple[float, ...]:
    if values.empty:
        return _count(0)
    quartiles = values.quantile([0.5, 0.25, 0.75])
    return (len(values), values.mean(), values.std(), *quartiles, values.min(), values.max())
