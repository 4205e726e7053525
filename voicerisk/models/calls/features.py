"""What a call says of a marker: the mean over its frames of a line and of a few smooth bends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.saved.spread import squared_distances
from voicerisk.models.splines import Grid, basis_weights, difference_matrix
from voicerisk.types import Floats

INTERVALS = 10
DEGREE = 3
BENDS = 4  # the smoothest of the directions in which a curve may leave a line
SPAN = (0.05, 0.95)  # quantiles of each call; the knots span those of the calls learned from
SPREAD = " (spread within calls)"
_KEPT = 4096  # (marker, knots) pairs whose features are kept


@cache
def directions() -> Floats:
    """Return the spline coefficients of a line and of the smoothest bends, shape (INTERVALS + 3, 1 + BENDS).

    The bends are eigenvectors of the second-difference penalty (Eilers and Marx 1996), each divided by the
    root of its eigenvalue: a ridge penalty on their coefficients is the penalty on the curve's roughness.
    """
    size = INTERVALS + DEGREE
    second = difference_matrix(size, 2)
    values, vectors = np.linalg.eigh(second.T @ second)
    bends = vectors[:, 2 : 2 + BENDS] / np.sqrt(values[2 : 2 + BENDS])
    bends = bends * np.sign(bends[np.abs(bends).argmax(axis=0), range(BENDS)])
    # The coefficients of x itself are the knots' averages; here in units of the knots' distance.
    line = np.arange(size, dtype=np.float64) - (DEGREE - 1) / 2
    found = np.column_stack([line / INTERVALS, bends])
    found.flags.writeable = False
    return found


@dataclass(frozen=True, eq=False)
class CallFrames:
    """Frames of calls, and the features of calls that models ask for.

    Attributes
    ----------
    columns : mapping of str to ndarray of float64, shape (n,)
        Markers of the frames; NaN = missing.
    call : ndarray of int, shape (n,)
        Number of each frame's call, 0 .. n_calls - 1.
    n_calls : int
    """

    columns: Mapping[str, Floats]
    call: NDArray[np.int64]
    n_calls: int
    _low: dict[str, Floats] = field(default_factory=dict, repr=False)
    _high: dict[str, Floats] = field(default_factory=dict, repr=False)
    _means: dict[tuple[str, Grid], Floats] = field(default_factory=dict, repr=False)
    _basis: dict[tuple[str, Grid], Floats] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if column.shape != self.call.shape:
                raise ModelError(
                    f"Column {name} has shape {column.shape}, the calls of the frames {self.call.shape}."
                )
            if np.isinf(column).any():
                raise ModelError(
                    f"Column {name} is infinite in row {np.flatnonzero(np.isinf(column))[0]}; use NaN for a "
                    "missing value."
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the markers."""
        return tuple(self.columns)

    def grid(self, marker: str, calls: NDArray[np.int64]) -> Grid | None:
        """Return the knots that span a marker in some calls; None where it is constant or missing there.

        They reach from the smallest 5% quantile of these calls to the largest 95% quantile: single extreme
        frames set no knot, and few calls do, so that most training sets share their knots.
        """
        if marker not in self._low:
            self._low[marker], self._high[marker] = self._quantiles(marker)
        low, high = self._low[marker][calls], self._high[marker][calls]
        if np.isnan(low).all():
            return None
        least, most = float(np.nanmin(low)), float(np.nanmax(high))
        if not most - least > 1e-9 * max(abs(least), abs(most)):
            return None
        return Grid(least, most, INTERVALS)

    def means(self, marker: str, grid: Grid) -> Floats:
        """Return each call's mean of the line and the bends, shape (n_calls, 1 + BENDS); NaN without frames.

        Values beyond the knots are moved to them.
        """
        key = (marker, grid)
        if key not in self._means:
            if len(self._means) >= _KEPT:
                self._means.clear()
            self._means[key] = self.means_of(marker, grid) @ directions()
        return self._means[key]

    def means_of(self, marker: str, grid: Grid) -> Floats:
        """Return each call's mean of the spline basis, shape (n_calls, INTERVALS + 3); NaN without frames.

        Times the coefficients of a curve it is the mean of the curve over the call's frames.
        """
        key = (marker, grid)
        if key not in self._basis:
            if len(self._basis) >= _KEPT:
                self._basis.clear()
            self._basis[key] = self._basis_means(marker, grid)
        return self._basis[key]

    def _basis_means(self, marker: str, grid: Grid) -> Floats:
        cell, t = grid.locate(self.columns[marker], "clamp")
        own = cell < grid.intervals
        place = self.call[own] * grid.intervals + cell[own]
        t, size = t[own], self.n_calls * grid.intervals
        powers = np.stack(
            [np.bincount(place, t**q if q else None, size) for q in range(DEGREE + 1)], axis=-1
        ).reshape(self.n_calls, grid.intervals, DEGREE + 1)
        pieces = powers @ basis_weights(DEGREE)
        sums = np.zeros((self.n_calls, grid.intervals + DEGREE))
        for c in range(DEGREE + 1):
            sums[:, c : c + grid.intervals] += pieces[..., c]
        available = powers[..., 0].sum(axis=1)
        with np.errstate(invalid="ignore"):
            return sums / np.where(available > 0, available, np.nan)[:, None]

    def _quantiles(self, marker: str) -> tuple[Floats, Floats]:
        values = self.columns[marker]
        low, high = np.full(self.n_calls, np.nan), np.full(self.n_calls, np.nan)
        order = np.argsort(self.call, kind="stable")
        ends = np.cumsum(np.bincount(self.call, minlength=self.n_calls))
        for number, part in enumerate(np.split(values[order], ends[:-1])):
            known = part[~np.isnan(part)]
            if len(known):
                low[number], high[number] = np.quantile(known, SPAN)
        return low, high


@dataclass(frozen=True, eq=False)
class DrawnCalls:
    """Calls drawn from others, some several times: each has the features of the call it was drawn from.

    A bootstrap of callers so costs no frame more than the study has.

    Attributes
    ----------
    source : CallFrames
    drawn : ndarray of int, shape (n_calls,)
        Number in `source` of each call.
    """

    source: CallFrames
    drawn: NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the markers."""
        return self.source.names

    @property
    def n_calls(self) -> int:
        """Number of calls, copies counted."""
        return len(self.drawn)

    def grid(self, marker: str, calls: NDArray[np.int64]) -> Grid | None:
        """Return the knots that span a marker in some calls; see `CallFrames.grid`."""
        return self.source.grid(marker, self.drawn[calls])

    def means(self, marker: str, grid: Grid) -> Floats:
        """Return each call's mean of the line and the bends; see `CallFrames.means`."""
        return self.source.means(marker, grid)[self.drawn]


def with_spreads(columns: Mapping[str, Floats], call: NDArray[np.int64], n_calls: int) -> dict[str, Floats]:
    """Return the columns, and beside each the squared distance of its frames from the mean of their call.

    Parameters
    ----------
    columns : mapping of str to ndarray of float64, shape (n,)
        NaN = missing, and missing in the spread.
    call : ndarray of int, shape (n,)
        Number of each frame's call, 0 .. n_calls - 1.
    n_calls : int

    Returns
    -------
    dict of str to ndarray, shape (n,)
        The columns, then those named by `spread_of`.

    Raises
    ------
    ModelError
        If a column has the name of another one's spread.

    Examples
    --------
    >>> made = with_spreads({"pitch": np.array([1.0, 3.0, 5.0])}, np.array([0, 0, 1]), 2)
    >>> made[spread_of("pitch")].tolist()
    [1.0, 1.0, 0.0]
    """
    spreads = {spread_of(name): squared_distances(x, call, n_calls) for name, x in columns.items()}
    twice = sorted(set(columns) & set(spreads))
    if twice:
        raise ModelError(f"A marker is named {twice[0]!r}, which stands for what another spreads; rename it.")
    return {**columns, **spreads}


def spread_of(marker: str) -> str:
    """Return the name of a marker's spread within a call."""
    return f"{marker}{SPREAD}"


def source_of(name: str) -> str:
    """Return the marker whose spread a name stands for; the name itself where it is a marker's."""
    return name.removesuffix(SPREAD)


def stacked(
    frames: CallFrames | DrawnCalls, markers: Sequence[str], calls: NDArray[np.int64]
) -> tuple[tuple[str, ...], tuple[Grid, ...], Floats]:
    """Return the markers that vary in some calls, their knots, and the features of all calls.

    Parameters
    ----------
    frames : CallFrames or DrawnCalls
    markers : sequence of str
    calls : ndarray of int
        Calls that set the knots.

    Returns
    -------
    markers : tuple of str
    grids : tuple of Grid
    features : ndarray, shape (n_calls, markers, 1 + BENDS)
    """
    found = [(marker, grid) for marker in markers if (grid := frames.grid(marker, calls)) is not None]
    if not found:
        return (), (), np.zeros((frames.n_calls, 0, 1 + BENDS))
    names, grids = zip(*found, strict=True)
    return names, grids, np.stack([frames.means(*one) for one in found], axis=1)
