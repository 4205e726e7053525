"""Uniform P-splines in interval form: basis, penalty, Gram matrix, and the penalty that gives a wished df.

Between two knots a B-spline basis is a polynomial in t, the position within the interval. So every sum that
boosting needs from the rows is a sum of powers of t per interval, and no basis matrix is ever formed.

Source: Eilers and Marx (1996); degrees of freedom as in R's mboost 2.9-11 (`options(mboost_dftraceS=FALSE)`):
df(lambda) = tr(2S - S'S).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_DEGREE = 3
MAX_LAMBDA = 1e15
# sqrt of the machine's epsilon and the small ridge on the penalty: the constants of R's df2lambda
_SQRT_EPS = float(np.sqrt(np.finfo(float).eps))
_PENALTY_RIDGE = 1e-9
_NEGATIVE = -1e-10


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


def line_gram(powers: Floats, grid: Grid) -> Floats:
    """Return X'WX of [1, x] from the weighted power sums, shape (..., 2, 2)."""
    left = grid.low + grid.width * np.arange(grid.intervals)
    s0, s1, s2 = powers[..., 0], powers[..., 1], powers[..., 2]
    gram = np.empty((*powers.shape[:-2], 2, 2))
    gram[..., 0, 0] = s0.sum(-1)
    gram[..., 0, 1] = gram[..., 1, 0] = (left * s0 + grid.width * s1).sum(-1)
    gram[..., 1, 1] = (left**2 * s0 + 2 * left * grid.width * s1 + grid.width**2 * s2).sum(-1)
    return gram


def degrees_of_freedom(spectrum: Floats, penalty: Floats) -> Floats:
    """Return tr(2S - S'S) for generalised eigenvalues `spectrum` (..., p) and penalties (...)."""
    shrink = 1.0 / (1.0 + np.asarray(penalty)[..., None] * spectrum)
    return (2.0 * shrink - shrink**2).sum(-1)


def penalty_for_df(gram: Floats, root: Floats, df: float) -> Floats:
    """Return the penalties at which the learners have `df` degrees of freedom (mboost's df2lambda).

    R takes the singular values of R^-T K R^-1, whose null space is rounding noise, so that two LAPACKs agree
    on lambda to 1e-7..1e-5 relative. Here they are the squared singular values of D R^-1 with K = D'D, and
    the null space is exactly 0.

    Parameters
    ----------
    gram : ndarray, shape (m, p, p)
        X'WX of m learners, each of rank > df.
    root : ndarray, shape (r, p)
        D.
    df : float
        Wished degrees of freedom; the largest penalty is 1e15.

    Returns
    -------
    ndarray, shape (m,)
    """
    inner = gram + _PENALTY_RIDGE * (root.T @ root)
    for number in np.flatnonzero(np.linalg.eigvalsh(inner)[:, 0] - _SQRT_EPS < _NEGATIVE):
        inner[number] = _lift(inner[number])
    lower = np.linalg.cholesky(inner)
    scaled = np.linalg.solve(lower, np.broadcast_to(root.T, (*lower.shape[:-1], len(root))))
    spectrum = np.zeros(gram.shape[:-1])
    spectrum[:, : len(root)] = np.linalg.svd(scaled, compute_uv=False) ** 2
    return penalty_from_spectrum(spectrum, df)


def lift_diagonal(diagonal: Floats) -> Floats:
    """Shrink a diagonal X'WX + ridge towards the identity until its smallest element is not negligible."""
    smallest = diagonal.min() - _SQRT_EPS
    while smallest < _NEGATIVE:
        rho = 1.0 / (1.0 - smallest)
        diagonal = rho * diagonal + (1.0 - rho)
        smallest = diagonal.min() - _SQRT_EPS
    return diagonal


def ridge_penalty_for_df(counts: Floats, df: float) -> float:
    """Return the penalty of a random intercept (X'WX = diag(counts), K = I) with `df` degrees of freedom."""
    spectrum = 1.0 / lift_diagonal(counts + _PENALTY_RIDGE)
    return float(penalty_from_spectrum(spectrum[None], df)[0])


def penalty_from_spectrum(spectrum: Floats, df: float) -> Floats:
    """Solve df(lambda) = df on [0, 1e15] for each row of generalised eigenvalues, shape (m, p) -> (m,)."""
    low = np.full(len(spectrum), -60.0)
    high = np.full(len(spectrum), np.log(MAX_LAMBDA))
    for _ in range(64):  # halves a range of 95 in log(lambda) to below rounding
        middle = (low + high) / 2
        too_many = degrees_of_freedom(spectrum, np.exp(middle)) > df
        low, high = np.where(too_many, middle, low), np.where(too_many, high, middle)
    return np.where(
        degrees_of_freedom(spectrum, np.full(len(spectrum), MAX_LAMBDA)) > df,
        MAX_LAMBDA,
        np.exp((low + high) / 2),
    )


def _lift(matrix: Floats) -> Floats:
    identity = np.eye(len(matrix))
    smallest = np.linalg.eigvalsh(matrix)[0] - _SQRT_EPS
    while smallest < _NEGATIVE:
        rho = 1.0 / (1.0 - smallest)
        matrix = rho * matrix + (1.0 - rho) * identity
        smallest = np.linalg.eigvalsh(matrix)[0] - _SQRT_EPS
    return matrix
