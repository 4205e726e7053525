"""The additive scorer: offset, level of the moderator, and one curve a marker and level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.models.saved.procedure import Procedure
from voicerisk.models.saved.spread import squared_distances
from voicerisk.models.splines import Grid
from voicerisk.types import Floats

ALL = "all"  # the level of what holds for everybody
CALL = "call"  # unit of models whose call score is no mean of row scores
LARGEST_LINK = 72.0  # log-odds beyond which a probability no longer moves
_ROWS = 16384  # scored at a time, so that the work stays in the cache


@dataclass(frozen=True, eq=False, slots=True)
class Effect:
    """The effect of one marker at one level of the moderator.

    Attributes
    ----------
    marker : str
    level : str
        A level of the moderator, or 'all'.
    grid : Grid
        Boundary knots and intervals.
    polynomials : ndarray, shape (intervals + 3, 4)
        Powers 0..3 of t per cell, log-odds: the intervals, the empty cell, below, above.
    spread : bool
        Whether it is of each row's squared distance from the mean of its call, not of the row's value.
    """

    marker: str
    level: str
    grid: Grid
    polynomials: Floats
    spread: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class AdditiveModel:
    """An additive model on the log-odds scale, ready to score rows.

    Attributes
    ----------
    offset : float
    level_effect : mapping of str to float
        What each level of the moderator adds; key 'all' where the model has no moderator.
    effects : tuple of Effect
    markers : tuple of str
        Markers that a row has, in the order of the fit; those never chosen too.
    moderator : Moderator or None
        What the curves go by, with its levels in the order of their codes.
    outside : {'clamp', 'extrapolate'}
        What becomes of values beyond the knots.
    availability : frozenset of str
        Markers that may be missing in a row; they then contribute nothing.
    ranges : mapping of str to (float, float)
        Smallest and largest value of each marker in the rows learned from.
    procedure : Procedure or None
        What makes a risk and a decision of a call's score; None for a bare estimator.
    unit : {'frame', 'segment', 'call'}
        Rows that the model was learned on. A call's score is the mean over its rows; of a model of calls its
        log-odds are the base and, marker by marker, the mean contribution of the rows that have the marker.
    notes : mapping
        Of the fit (steps, settings); not used in scoring.
    """

    offset: float
    level_effect: Mapping[str, float]
    effects: tuple[Effect, ...]
    markers: tuple[str, ...]
    moderator: Moderator | None
    outside: str
    availability: frozenset[str]
    ranges: Mapping[str, tuple[float, float]]
    procedure: Procedure | None
    unit: str
    notes: Mapping[str, Any]

    @property
    def takes_calls(self) -> bool:
        """Whether what a row adds depends on the other rows of its call."""
        return any(effect.spread for effect in self.effects)

    def contributions(
        self,
        columns: Mapping[str, Floats],
        codes: NDArray[np.integer[Any]] | None,
        n: int,
        call: NDArray[np.int64] | None = None,
    ) -> tuple[Floats, Floats]:
        """Return what each marker adds to each row.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)
            Markers; NaN = missing.
        codes : ndarray of int, shape (n,), or None
            Place of each row's level among the moderator's, or their number for a level that is none of them:
            such a row gets the mean over the levels. None where the model has no moderator.
        n : int
            Number of rows.
        call : ndarray of int, shape (n,), optional
            Number of each row's call, from 0; needed where `takes_calls`.

        Returns
        -------
        parts : ndarray, shape (markers, n)
            Log-odds.
        base : ndarray, shape (n,)
            Offset and level.
        """
        self._check_columns(columns, codes)
        levels = () if self.moderator is None else self.moderator.levels
        parts = np.zeros((len(self.markers), n))
        base = np.full(n, self.offset + self.level_effect.get(ALL, 0.0))
        if codes is not None and levels:
            of_each = [self.level_effect.get(name, 0.0) for name in levels]
            base += np.array([*of_each, np.mean(of_each)])[codes]
        for marker in self.markers:
            self._check_values(marker, columns[marker])
        if self.takes_calls and call is None:
            raise ModelError(
                "The model looks at how far rows lie from the mean of their call; say each row's call."
            )
        curves: dict[tuple[str, Grid, bool], Floats] = {}
        for effect in self.effects:
            shape = (max(len(levels), 1), *effect.polynomials.shape)
            of_levels = curves.setdefault((effect.marker, effect.grid, effect.spread), np.zeros(shape))
            mine = slice(None) if effect.level == ALL else levels.index(effect.level)
            of_levels[mine] += effect.polynomials
        for (marker, grid, spread), known in curves.items():
            of_levels = np.concatenate([known, known.mean(axis=0, keepdims=True)])
            part, column = parts[self.markers.index(marker)], columns[marker]
            if spread and call is not None:
                column = squared_distances(column, call, int(call.max(initial=-1)) + 1)
            for start in range(0, n, _ROWS):
                rows = slice(start, start + _ROWS)
                part[rows] += _evaluate(
                    grid,
                    of_levels,
                    column[rows],
                    None if codes is None or not levels else codes[rows],
                    self.outside,
                )
        return parts, base

    def link(
        self,
        columns: Mapping[str, Floats],
        codes: NDArray[np.integer[Any]] | None,
        n: int,
        call: NDArray[np.int64] | None = None,
    ) -> Floats:
        """Return the log-odds of each row, shape (n,)."""
        parts, base = self.contributions(columns, codes, n, call)
        return base + parts.sum(0)

    def score(self, table: pd.DataFrame, unseen: bool = False) -> pd.DataFrame:
        """Score a table of rows.

        Parameters
        ----------
        table : DataFrame
            One row a frame (or segment), with the markers and, where the model has one, the moderator; with
            `call_id` where the model looks at how far rows lie from the mean of their call (`takes_calls`).
        unseen : bool
            Whether rows of a level that the model does not know are scored, by the mean over the levels that
            it knows; by default they are refused.

        Returns
        -------
        DataFrame
            In the order and with the index of `table`: p_raw, log_odds, base (offset and level), one column
            ``<marker>`` with its contribution in log-odds, n_outside (number of markers outside the training
            range), and ``<marker>_outside`` (bool).

        Raises
        ------
        ModelError
            Where a column is missing or not numeric, a level is unknown, or a value cannot be scored.
        """
        needed = [*self.markers, *([] if self.moderator is None else [self.moderator.name])]
        needed += ["call_id"] if self.takes_calls else []
        for name in needed:
            if name not in table.columns:
                raise ModelError(f"The table has no column {name}; the model needs {', '.join(needed)}.")
        by = self.moderator
        codes = None if by is None else by.codes(table[by.name], unseen)
        for name in self.markers:
            if not pd.api.types.is_numeric_dtype(table[name]):
                raise ModelError(f"Column {name} is of type {table[name].dtype}; a marker must be numeric.")
        columns = {name: table[name].to_numpy(np.float64, na_value=np.nan) for name in self.markers}
        with np.errstate(over="ignore", invalid="ignore"):  # looked at below
            call = pd.factorize(table["call_id"])[0].astype(np.int64) if self.takes_calls else None
            parts, base = self.contributions(columns, codes, len(table), call)
            link = base + parts.sum(0)
        wild = ~np.isfinite(link)
        if wild.any():
            row = int(np.flatnonzero(wild)[0])
            raise ModelError(
                f"Row {row} gets log-odds of {link[row]}: a marker lies too far beyond the range the model "
                "was learned on; check its unit."
            )
        outside = self.outside_range(columns)
        result: dict[str, Any] = {
            "p_raw": expit(np.clip(link, -LARGEST_LINK, LARGEST_LINK)),
            "log_odds": link,
            "base": base,
        }
        result |= dict(zip(self.markers, parts, strict=True))
        result["n_outside"] = np.sum(list(outside.values()), axis=0, dtype=np.int64) if outside else 0
        result |= {f"{name}_outside": flags for name, flags in outside.items()}
        return pd.DataFrame(result, index=table.index, copy=False)

    def of_calls(self, table: pd.DataFrame, scored: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
        """Return the scores of calls, or of other groups of rows.

        Parameters
        ----------
        table : DataFrame
            The rows that were scored, with their markers.
        scored : DataFrame
            What `score` gave for them, in the same order.
        keys : sequence of str
            Columns of `table` that name a group.

        Returns
        -------
        DataFrame
            keys, p_raw, log_odds, base, what each marker adds, n_frames; in the order of first appearance.
            log_odds are base and the markers' parts; of a model of rows they are the mean of the rows'.
        """
        columns = ["p_raw", "log_odds", "base", *self.markers]
        of_rows = scored[columns]
        if self.unit == CALL:
            missing = {name: table[name].isna().to_numpy() for name in self.markers}
            of_rows = of_rows.assign(
                **{name: of_rows[name].mask(missing[name]) for name in self.markers}
            )  # a mean over what is available
        grouped = of_rows.groupby([table[key].to_numpy() for key in keys], sort=False)
        found = grouped.mean()
        if self.unit == CALL:
            found = found.fillna(0.0)
            link = found["base"] + found[list(self.markers)].sum(axis=1)
            found = found.assign(log_odds=link, p_raw=expit(np.clip(link, -LARGEST_LINK, LARGEST_LINK)))
        found = found.assign(n_frames=grouped.size())
        found.index = found.index.set_names(list(keys))
        return found.reset_index()

    def outside_range(self, columns: Mapping[str, Floats]) -> dict[str, NDArray[np.bool_]]:
        """Return, by marker, which rows lie beyond the range of the rows learned from."""
        return {
            name: (columns[name] < low) | (columns[name] > high) for name, (low, high) in self.ranges.items()
        }

    def _check_values(self, marker: str, values: Floats) -> None:
        """Refuse infinite values, and missing ones that the model has not seen."""
        if np.isfinite(values).all():
            return
        missing = np.isnan(values)
        if missing.any() and marker not in self.availability:
            raise ModelError(
                f"{marker} is missing in {missing.sum()} rows (first: row {np.flatnonzero(missing)[0]}), "
                "which this model did not see in its training; leave these rows out."
            )
        infinite = np.isinf(values)
        if infinite.any():
            raise ModelError(
                f"{marker} is infinite in row {np.flatnonzero(infinite)[0]}; use NaN for a missing value."
            )

    def _check_columns(self, columns: Mapping[str, Floats], codes: NDArray[np.integer[Any]] | None) -> None:
        for name in self.markers:
            if name not in columns:
                raise ModelError(
                    f"The rows have no marker {name}; the model needs {', '.join(self.markers)}."
                )
        if self.moderator is not None and codes is None:
            raise ModelError(f"The model needs the {self.moderator.name} of every row; none was given.")


def _evaluate(
    grid: Grid, of_levels: Floats, x: Floats, codes: NDArray[np.integer[Any]] | None, outside: str
) -> Floats:
    """Return a marker's effect on a stretch of rows; `of_levels` has shape (levels, cells, 4)."""
    t = np.clip(x, grid.low, grid.high)
    t -= grid.low
    t *= grid.intervals / (grid.high - grid.low)
    missing = np.isnan(t)
    some_missing = missing.any()
    if some_missing:
        t[missing] = 0.0
    cell = t.astype(np.int64)
    np.minimum(cell, grid.intervals - 1, out=cell)
    t -= cell
    if codes is not None:
        cell += codes * np.int64(of_levels.shape[1])
    powers = np.ascontiguousarray(of_levels.reshape(-1, 4).T)
    value = powers[3].take(cell)
    for q in (2, 1, 0):
        value *= t
        value += powers[q].take(cell)
    if outside == "extrapolate":
        for beyond, edge, row in ((x < grid.low, grid.low, -2), (x > grid.high, grid.high, -1)):
            if beyond.any():
                line = of_levels[0 if codes is None else codes[beyond], row]
                start, slope = line[..., 0], line[..., 1]
                value[beyond] = start + slope * ((x[beyond] - edge) / grid.width)
    if some_missing:
        value[missing] = 0.0
    return value
