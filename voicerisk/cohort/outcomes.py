"""The outcome of each call: two classes, ordered grades or a number, as the study file says."""

from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.cohort.coding import cssrs_to_outcome, read_rating, read_whole, risk_level
from voicerisk.cohort.ratings import outcome_levels
from voicerisk.cohort.settings import BINARY, CONTINUOUS, MOST_GRADE, ORDINAL, CohortSettings
from voicerisk.errors import CohortError
from voicerisk.intake import is_missing

MOST_GRADES = 20  # an outcome of more grades is a number
LEAST_CALLERS = 2  # of each class; left out, one alone leaves nobody to learn from


def several(table: Path, rows: pd.Series, what: str) -> CohortError:
    """Return an error on the first of some rows that says how many more there are."""
    more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
    return CohortError(f"{table}, row {rows.iloc[0]}: {what}{more}.")


def outcomes(
    settings: CohortSettings, rows: pd.DataFrame, column: str, table: Path
) -> tuple[pd.Series, pd.Series]:
    """Return the outcome of each call (NaN = none), and its level of risk where the scale has levels.

    Raises
    ------
    CohortError
        For a cell that holds no value of the scale.
    """
    cells = rows[column]
    present = ~cells.map(is_missing)
    numbers = cells[present].map(lambda cell: _read(cell, settings))
    bad = numbers[numbers.isna()]
    if len(bad):
        value = cells[bad.index[0]]
        raise several(
            table,
            rows.loc[bad.index, "row"],
            f"{column} is {value!r}, but must be {_wanted(settings)}",
        )
    numbers = numbers.astype(np.float64)
    if settings.scale != BINARY:
        outcome = numbers.reindex(rows.index)
        if settings.cssrs is None:
            return outcome, pd.Series(None, index=rows.index, dtype="object")
        return outcome, outcome.map(lambda rating: risk_level(rating, "cssrs"), na_action="ignore")
    if settings.cssrs is None:
        outcome = numbers.reindex(rows.index)
        return outcome, outcome_levels(outcome)
    coding = settings.cssrs
    outcome = numbers.map(lambda rating: cssrs_to_outcome(int(rating), coding.low, coding.imminent))
    outcome = outcome.astype(np.float64).reindex(rows.index)
    levels = outcome_levels(outcome)
    left_out = numbers.reindex(rows.index).where(outcome.isna()).dropna()
    levels[left_out.index] = left_out.map(lambda rating: risk_level(rating, "cssrs"))
    return outcome, levels


def _read(cell: str, settings: CohortSettings) -> float | None:
    if settings.scale == CONTINUOUS:
        return read_rating(cell, "other")
    return read_whole(cell, 6 if settings.cssrs else MOST_GRADE if settings.scale == ORDINAL else 1)


def _wanted(settings: CohortSettings) -> str:
    if settings.cssrs:
        return "a C-SSRS rating from 0 to 6 or empty"
    if settings.scale == ORDINAL:
        return f"a grade, a whole number from 0 to {MOST_GRADE}, or empty"
    if settings.scale == CONTINUOUS:
        return "a number or empty"
    return (
        "0, 1 or empty (for C-SSRS ratings name the column with cssrs in [cohort]; for other grades or a sum "
        'score set scale to "ordinal" or "continuous")'
    )


def check_outcomes(settings: CohortSettings, calls: pd.DataFrame, table: Path) -> None:
    """Refuse calls from whose outcomes nothing can be learned.

    Raises
    ------
    CohortError
        Where a class is absent or has a single caller, or grades and numbers do not differ.
    """
    if settings.scale == BINARY:
        _check_classes(calls, table)
        return
    values = np.unique(calls["outcome"].to_numpy())
    if len(values) < 2:
        held = f"all {len(calls)} calls left have outcome {values[0]:g}" if len(values) else "no call is left"
        raise CohortError(f"{table}: {held}; outcomes must differ.")
    if settings.scale == ORDINAL and len(values) > MOST_GRADES:
        raise CohortError(
            f"{table}: the outcome has {len(values)} different grades, more than {MOST_GRADES}; join grades, "
            'or set scale = "continuous" in [cohort].'
        )


def _check_classes(calls: pd.DataFrame, table: Path) -> None:
    for outcome, name in ((0, "low risk"), (1, "imminent risk")):
        callers = calls.loc[calls["outcome"] == outcome, "caller_id"]
        if callers.empty:
            raise CohortError(
                f"{table}: none of the {len(calls)} calls left has outcome {outcome} ({name}); both "
                "outcomes are needed."
            )
        if callers.nunique() < LEAST_CALLERS:
            raise CohortError(
                f"{table}: outcome {outcome} ({name}) has calls of a single caller, {callers.iloc[0]!r}; "
                "left out, nobody would be there to learn from."
            )
