"""From a table of markers with gaps to the columns of the Lasso.

A row without a marker (a segment without one available frame) gets the training median, and the marker gets a
second column that says so, `<marker>_missing`. Medians and indicators are learned from training rows only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.errors import ScreeningError
from voicerisk.types import Floats


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns the Lasso has: each marker, then an indicator for each marker that has gaps.

    Attributes
    ----------
    markers : tuple of str
    gaps : ndarray of int
        Positions of the markers with gaps.
    covariates : int
        So many of the first markers are covariates: they and their indicators are not penalised.
    """

    markers: tuple[str, ...]
    gaps: NDArray[np.intp]
    covariates: int = 0

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which columns are not penalised."""
        return np.r_[np.arange(len(self.markers)), self.gaps] < self.covariates

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.markers + tuple(f"{self.markers[j]}_missing" for j in self.gaps)

    @property
    def term_markers(self) -> tuple[str, ...]:
        """The marker that each column belongs to."""
        return self.markers + tuple(self.markers[j] for j in self.gaps)

    def medians(self, values: Floats) -> Floats:
        """Return the median of the available values of each marker with gaps; 0 where there is none."""
        return np.array(
            [
                np.median(column[~np.isnan(column)]) if not np.isnan(column).all() else 0.0
                for column in values[:, self.gaps].T
            ]
        )

    def fill(self, values: Floats, medians: Floats) -> Floats:
        """Return the columns of the Lasso, shape (n, len(terms))."""
        if not self.gaps.size:
            return values
        gaps = values[:, self.gaps]
        missing = np.isnan(gaps)
        filled = values.copy()
        filled[:, self.gaps] = np.where(missing, medians, gaps)
        return np.hstack([filled, missing.astype(np.float64)])


def marker_values(table: pd.DataFrame, markers: Sequence[str]) -> Floats:
    """Return the markers as an array (n, p), NaN = missing, refusing what is not a number or infinite.

    Raises
    ------
    ScreeningError
        If a marker is absent, named twice, not numeric, or infinite in some row.
    """
    if not markers:
        raise ScreeningError("There is no marker to screen: the list of markers is empty.")
    doubled = {name for name in markers if list(markers).count(name) > 1}
    if doubled:
        raise ScreeningError(f"Marker {sorted(doubled)[0]!r} is listed more than once.")
    for name in markers:
        if name not in table.columns:
            raise ScreeningError(f"The table to screen has no column for the marker {name!r}.")
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise ScreeningError(f"Marker {name!r} does not hold numbers (its type is {table[name].dtype}).")
    values = table[list(markers)].to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.argwhere(np.isinf(values))
    if infinite.size:
        row, column = infinite[0]
        raise ScreeningError(
            f"Marker {markers[column]!r} is infinite in row {row} of the table to screen "
            f"({len(infinite)} infinite values in all); correct it, or leave it empty if it is missing."
        )
    return values


def columns_for(markers: Sequence[str], values: Floats, covariates: int = 0) -> Columns:
    """Return the columns for these training values: indicators only where something is missing."""
    columns = Columns(tuple(markers), np.flatnonzero(np.isnan(values).any(axis=0)), covariates)
    taken = set(columns.terms[len(columns.markers) :]) & set(markers)
    if taken:
        raise ScreeningError(
            f"Marker {sorted(taken)[0]!r} has the name of a missing indicator; rename the marker."
        )
    return columns
