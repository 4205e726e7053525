"""Uniform P-splines in interval form: basis, penalty and Gram matrix.

Between two knots a B-spline basis is a polynomial in t, the position within the interval. So every sum that
boosting needs from the rows is a sum of powers of t per interval, and no basis matrix is ever formed.

Source: Eilers and Marx (1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from voicerisk.types import Floats

MAX_DEGREE = 3
# Rank of a design with columns of unit length, as R's qr() tells it
_RANK_TOLERANCE = 1e-7
_ROUNDING = 1e-14  # moments and columns below are noise; the largest are about 1


@cache
def basis_weights(degree: int) -> Floats:
    """Return the uniform B-spline pieces: column c of the degree + 1 that are not zero in an interval.

    Parameters
    ----------
    degree : int
        0 to 3.

    Returns
    -------
    ndarray, shape (4, 4)
        Row q, column c: the coefficient of t**q in column k + c of interval k; unused rows and columns are 0.
    """
    pieces = np.zeros((1, 1))
    pieces[0, 0] = 1.0
    for d in range(1, degree + 1):
        # N_{k+c, d}(t) = (t + d - c) / d * N_{c-1, d-1}(t) + (c + 1 - t) / d * N_{c, d-1}(t), 0 <= t < 1
        higher = np.zeros((d + 1, d + 1))
        for c in range(d + 1):
            if c > 0:
                left = pieces[:, c - 1]
                higher[:d, c] += left * (d - c) / d
                higher[1:, c] += left / d
            if c < d:
                right = pieces[:, c]
                higher[:d, c] += right * (c + 1) / d
                higher[1:, c] -= right / d
        pieces = higher
    full = np.zeros((MAX_DEGREE + 1, MAX_DEGREE + 1))
    full[: degree + 1, : degree + 1] = pieces
    full.flags.writeable = False
    return full


def difference_matrix(size: int, order: int) -> Floats:
    """Return the order-th difference matrix, shape (size - order, size)."""
    return np.diff(np.eye(size), n=order, axis=0)


@dataclass(frozen=True, slots=True)
class Grid:
    """Equidistant knots over a range.

    Attributes
    ----------
    low, high : float
        Boundary knots, in the unit of the marker.
    intervals : int
        Number of intervals (inner knots + 1).
    """

    low: float
    high: float
    intervals: int

    @property
    def width(self) -> float:
        """Distance between knots."""
        return (self.high - self.low) / self.intervals

    def locate(self, x: Floats, outside: str) -> tuple[NDArray[np.uint8], Floats]:
        """Return the cell of each value and the position t within it.

        Parameters
        ----------
        x : ndarray, shape (n,)
            Values; NaN = missing.
        outside : {'drop', 'clamp', 'extrapolate'}
            What becomes of values beyond the boundary knots: no cell, moved to the boundary, or the linear
            cells beyond it.

        Returns
        -------
        cell : ndarray of uint8, shape (n,)
            0 .. intervals - 1; `intervals` = no cell (missing, or dropped); intervals + 1 below, + 2 above.
        t : ndarray, shape (n,)
            Position in units of the knots' distance from the cell's left edge (below and above: from the
            boundary).
        """
        missing = np.isnan(x)
        value = np.where(missing, self.low, x)
        if outside == "clamp":
            value = np.clip(value, self.low, self.high)
        with np.errstate(over="ignore"):  # values far beyond the range are dealt with below
            scaled = (value - self.low) / self.width
        cell = np.clip(np.floor(scaled), 0, self.intervals - 1)
        t = scaled - cell
        below, above = value < self.low, value > self.high
        if outside == "drop":
            missing = missing | below | above
        else:
            cell[below], t[below] = self.intervals + 1, scaled[below]
            cell[above] = self.intervals + 2
            t[above] = (value[above] - self.high) / self.width
        cell[missing], t[missing] = self.intervals, 0.0
        return cell.astype(np.uint8), t


def spline_polynomials(coefficients: Floats, degree: int) -> Floats:
    """Return the polynomials in t of a spline, one a cell.

    Parameters
    ----------
    coefficients : ndarray, shape (..., intervals + degree)
        B-spline coefficients.
    degree : int
        Degree of the spline.

    Returns
    -------
    ndarray, shape (..., intervals + 3, 4)
        Powers 0..3 of t per cell: the intervals, the empty cell (zeros), linear below, linear above.
    """
    intervals = coefficients.shape[-1] - degree
    weights = basis_weights(degree)
    cells = np.zeros((*coefficients.shape[:-1], intervals + 3, 4))
    for c in range(degree + 1):
        cells[..., :intervals, :] += coefficients[..., c : c + intervals, None] * weights[:, c]
    cells[..., intervals + 1, :2] = cells[..., 0, :2]
    last = cells[..., intervals - 1, :]
    cells[..., intervals + 2, 0] = last.sum(-1)
    cells[..., intervals + 2, 1] = last @ np.array([0.0, 1.0, 2.0, 3.0])
    return cells


def line_polynomials(intercept: Floats, slope: Floats, grid: Grid) -> Floats:
    """Return the polynomials in t of intercept + slope * x, shape (..., intervals + 3, 4), as above."""
    k = grid.intervals
    intercept, slope = np.asarray(intercept, float), np.asarray(slope, float)
    cells = np.zeros((*intercept.shape, k + 3, 4))
    left = grid.low + grid.width * np.arange(k)
    cells[..., :k, 0] = intercept[..., None] + slope[..., None] * left
    cells[..., :k, 1] = slope[..., None] * grid.width
    for cell, edge in ((k + 1, grid.low), (k + 2, grid.high)):
        cells[..., cell, 0] = intercept + slope * edge
        cells[..., cell, 1] = slope * grid.width
    return cells


def evaluate_cells(cell: NDArray[np.uint8], t: Floats, polynomials: Floats) -> Floats:
    """Return the value of a piecewise polynomial, shape (n,), at `locate`d values."""
    p = polynomials[cell]
    return ((p[:, 3] * t + p[:, 2]) * t + p[:, 1]) * t + p[:, 0]


def spline_gram(powers: Floats, degree: int) -> Floats:
    """Return X'WX of the spline basis from the weighted power sums.

    Parameters
    ----------
    powers : ndarray, shape (..., intervals, 7)
        Sums of w t**q, q = 0..6, per interval.
    degree : int
        Degree of the spline.

    Returns
    -------
    ndarray, shape (..., intervals + degree, intervals + degree)
    """
    local = (powers @ _piece_products(degree)).reshape(*powers.shape[:-1], degree + 1, degree + 1)
    intervals = powers.shape[-2]
    size = intervals + degree
    gram = np.zeros((*powers.shape[:-2], size, size))
    for k in range(intervals):
        gram[..., k : k + degree + 1, k : k + degree + 1] += local[..., k, :, :]
    return gram


@cache
def _piece_products(degree: int) -> Floats:
    """Return the coefficients of t**q in the products of two pieces, shape (7, (degree + 1)**2)."""
    weights = basis_weights(degree)
    pairs = [np.convolve(weights[:, a], weights[:, b]) for a in range(degree + 1) for b in range(degree + 1)]
    return np.array(pairs).T


def rank_above(powers: Floats, degree: int, df: float) -> bool:
    """Return whether the design's rank exceeds df; every interval that holds a row adds at least one.

    The rank is that of a factor of X'WX, built interval by interval: the moments of t, factored, times the
    pieces of the basis. X'WX itself would not do: in it the sum of (1 - t)**6 is rounding where t is 1.

    Parameters
    ----------
    powers : ndarray, shape (intervals, 7)
        Sums of w t**q, q = 0..6, per interval.
    degree : int
        Degree of the spline.
    df : float
        Degrees of freedom.
    """
    occupied = np.flatnonzero(powers[:, 0])
    if len(occupied) > df:
        return True
    pieces = basis_weights(degree)[:, : degree + 1]
    factor = np.zeros((len(occupied), 4, len(powers) + degree))
    for part, k in zip(factor, occupied, strict=True):
        moments = powers[k, np.add.outer(np.arange(4), np.arange(4))] / powers[k, 0]
        size = np.sqrt(np.diag(moments))
        size[size == 0] = 1.0  # all rows on the left knot
        values, vectors = np.linalg.eigh(moments / np.outer(size, size))
        values[values < _ROUNDING] = 0.0
        part[:, k : k + degree + 1] = (np.sqrt(values)[:, None] * vectors.T * size) @ pieces
    design = factor.reshape(-1, factor.shape[-1])
    norm = np.sqrt((design**2).sum(axis=0))
    used = norm > _ROUNDING
    singular = np.linalg.svd(design[:, used] / norm[used], compute_uv=False)
    return bool(np.count_nonzero(singular > _RANK_TOLERANCE) > df)


def line_gram(powers: Floats, grid: Grid) -> Floats:
    """Return X'WX of [1, x] from the weighted power sums, shape (..., 2, 2)."""
    left = grid.low + grid.width * np.arange(grid.intervals)
    s0, s1, s2 = powers[..., 0], powers[..., 1], powers[..., 2]
    gram = np.empty((*powers.shape[:-2], 2, 2))
    gram[..., 0, 0] = s0.sum(-1)
    gram[..., 0, 1] = gram[..., 1, 0] = (left * s0 + grid.width * s1).sum(-1)
    gram[..., 1, 1] = (left**2 * s0 + 2 * left * grid.width * s1 + grid.width**2 * s2).sum(-1)
    return gram
