"""Multi-gate ratings: kept as a long table for kappa, and compared with the outcome and with each other."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.cohort.coding import (
    IMMINENT,
    LOW,
    MODERATE,
    NOT_IMMINENT,
    levels_disagree,
    read_rating,
    risk_level,
)
from voicerisk.cohort.settings import Rating
from voicerisk.errors import CohortError
from voicerisk.intake import is_missing

MEANING = {
    "cssrs": "a C-SSRS rating from 0 to 6",
    "counsellor": "a whole number from 0 to 6",
    "screening": "yes or no (1 or 0)",
    "other": "a number",
}
RATING_COLUMNS = {"call_id": "str", "rater": "str", "scale": "str", "value": "f8", "level": "str"}
DISAGREEMENT_COLUMNS = {
    "call_id": "str", "row": "int64", "gate": "str", "value": "str", "level": "str",
    "other_gate": "str", "other_value": "str", "other_level": "str",
}  # fmt: skip


def read_ratings(calls: pd.DataFrame, ratings: tuple[Rating, ...], table: Path) -> pd.DataFrame:
    """Return the ratings as a long table.

    Parameters
    ----------
    calls : DataFrame of text
        With `call_id`, `row` and the columns of the raters.
    ratings : tuple of Rating
    table : Path
        calls.csv, for messages.

    Returns
    -------
    DataFrame
        One row a call and rater, where there is a rating: `call_id, rater` (the column), `scale, value,
        level` ('low', 'moderate', 'imminent', or missing where a single value of the scale has no level).

    Raises
    ------
    CohortError
        If a cell is not a value of its scale.
    """
    long: list[tuple[str, str, str, float, str | None]] = []
    for rating in ratings:
        for call_id, row, cell in zip(calls["call_id"], calls["row"], calls[rating.column], strict=True):
            if is_missing(cell):
                continue
            value = read_rating(cell, rating.scale)
            if value is None:
                raise CohortError(
                    f"{table}, row {row}: {rating.column} is {cell!r}, but must be "
                    f"{MEANING[rating.scale]} or empty."
                )
            long.append((call_id, rating.column, rating.scale, value, risk_level(value, rating.scale)))
    return pd.DataFrame(long, columns=list(RATING_COLUMNS)).astype(RATING_COLUMNS)


def rating_table(ratings: pd.DataFrame, scale: str = "cssrs", levels: bool = False) -> pd.DataFrame:
    """Arrange the ratings on one scale for a measure of agreement.

    Parameters
    ----------
    ratings : DataFrame
        Long table of a `Cohort`.
    scale : {'cssrs', 'counsellor', 'screening', 'other'}
    levels : bool
        Levels of risk (0 low, 1 moderate, 2 imminent) instead of the values given.

    Returns
    -------
    DataFrame
        One row a call with at least one rating (index `call_id`), one numeric column a rater, NaN where a
        rater did not rate the call. Kappa needs complete rows (`dropna()`), Krippendorff's alpha does not.

    Raises
    ------
    CohortError
        If there is no rating on this scale, or the scale has no levels.

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({
    ...     "call_id": ["1", "1", "2"], "rater": ["a", "b", "a"], "scale": "cssrs",
    ...     "value": [1.0, 4.0, 6.0], "level": ["low", "moderate", "imminent"]})
    >>> rating_table(ratings, levels=True).loc["1"].tolist()
    [0.0, 1.0]
    """
    chosen = ratings[ratings["scale"] == scale]
    if chosen.empty:
        raise CohortError(
            f"There is no rating on the scale {scale!r}; ratings in [cohort] names the columns."
        )
    if levels and chosen["level"].isna().any():
        raise CohortError(f"The scale {scale!r} has no levels of risk.")
    values = chosen["level"].map({LOW: 0.0, MODERATE: 1.0, IMMINENT: 2.0}) if levels else chosen["value"]
    return chosen.assign(cell=values).pivot(index="call_id", columns="rater", values="cell").astype("f8")


def disagreements(
    calls: pd.DataFrame, ratings: pd.DataFrame, outcome_column: str, levels: pd.Series
) -> pd.DataFrame:
    """List every pair of gates that puts a call at different levels of risk.

    Parameters
    ----------
    calls : DataFrame of text
        With `call_id`, `row` and the column of the outcome.
    ratings : DataFrame
        From `read_ratings`.
    outcome_column : str
        Column that the outcome comes from.
    levels : Series
        Level of the outcome of each call, aligned with `calls`, missing where it has none.

    Returns
    -------
    DataFrame
        `call_id, row, gate, value, level, other_gate, other_value, other_level`. The screening questions are
        one gate, `screening`: imminent if all are answered yes, not imminent if one is answered no.
    """
    gates: dict[str, list[tuple[str, str, str]]] = {}
    for call_id, cell, level in zip(calls["call_id"], calls[outcome_column], levels, strict=True):
        gates[call_id] = [(outcome_column, cell, level)] if isinstance(level, str) else []
    leveled = ratings[ratings["level"].notna() & (ratings["rater"] != outcome_column)]
    for call_id, rater, value, level in zip(
        leveled["call_id"], leveled["rater"], leveled["value"], leveled["level"], strict=True
    ):
        gates[call_id].append((rater, f"{value:g}", level))
    questions = ratings[ratings["scale"] == "screening"]
    asked = questions["rater"].nunique()
    for call_id, answers in questions.groupby("call_id", sort=False)["value"]:
        yes = int(answers.sum())
        if yes == asked or (answers == 0).any():
            level = IMMINENT if yes == asked else NOT_IMMINENT
            gates[str(call_id)].append(("screening", f"{yes} of {asked} yes", level))
    rows = dict(zip(calls["call_id"], calls["row"], strict=True))
    found = [
        (call_id, rows[call_id], *one, *other)
        for call_id, entries in gates.items()
        for one, other in combinations(entries, 2)
        if levels_disagree(one[2], other[2])
    ]
    return pd.DataFrame(found, columns=list(DISAGREEMENT_COLUMNS)).astype(DISAGREEMENT_COLUMNS)


def outcome_levels(outcome: pd.Series) -> pd.Series:
    """Return 'low' for outcome 0, 'imminent' for 1, missing otherwise."""
    return pd.Series(np.where(outcome == 0, LOW, IMMINENT), index=outcome.index).where(outcome.notna())
