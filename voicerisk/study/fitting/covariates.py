"""Covariates of a call as columns of numbers that a score can be learned from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from voicerisk.errors import StudyError

FEW = 6  # numbers with fewer values have no curve, but a line
EQUALS = " = "  # between the name of a text covariate and one of its values


def covariate_columns(
    calls: pd.DataFrame, names: Sequence[str], asked: str = "[boost]", contrasts: bool = False
) -> pd.DataFrame:
    """Return the covariates of each call as numbers.

    Parameters
    ----------
    calls : DataFrame
        One row a call, with the named columns.
    names : sequence of str
    asked : str
        The table of the study file that names them.
    contrasts : bool
        Leave out the first value of every text, which the others are compared with, as in a regression.

    Returns
    -------
    DataFrame
        A column for each numeric covariate; for each text covariate one 0/1 column a value, named
        'language = fr', and a single one where there are two values. A gap stays a gap (NaN) in each.

    Raises
    ------
    StudyError
        For a covariate without two different values.

    Examples
    --------
    >>> calls = pd.DataFrame({"age": [40.0, None, 31.0], "language": ["de", "fr", "de"]})
    >>> covariate_columns(calls, ["age", "language"]).to_dict("list")
    {'age': [40.0, nan, 31.0], 'language = fr': [0.0, 1.0, 0.0]}
    """
    found: dict[str, np.ndarray] = {}
    for name in names:
        column = calls[name]
        values = sorted(column.dropna().unique(), key=str)
        if len(values) < 2:
            raise StudyError(
                f"{asked} covariates names {name!r}, which has {len(values)} value(s) in the calls analysed; "
                "a covariate needs two. Leave it out."
            )
        if is_numeric_dtype(column):
            found[name] = column.to_numpy(np.float64, na_value=np.nan)
            continue
        for value in values[1:] if contrasts or len(values) == 2 else values:
            found[f"{name}{EQUALS}{value}"] = np.where(column.isna(), np.nan, (column == value).astype(float))
    return pd.DataFrame(found, index=calls.index)


def is_line(values: pd.Series) -> bool:
    """Return whether a covariate's effect is a line: it has too few values for a curve."""
    return bool(values.nunique() < FEW)
