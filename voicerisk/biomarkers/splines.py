"""Cubic splines with the Forsythe-Malcolm-Moler end conditions, as a matrix.

R's `spline()` uses these end conditions by default (the third derivative at each end is that of the cubic
through the four outermost points), SciPy has no such choice. A spline is linear in its ordinates, so that for
fixed abscissae it is one matrix, and interpolating many frames is one matrix product.
"""

import numpy as np

from voicerisk.types import Floats


def spline_matrix(knots: Floats, at: Floats) -> Floats:
    """Return the matrix that takes values at `knots` to the spline's values at `at`.

    Parameters
    ----------
    knots : ndarray of float64, shape (n,)
        Increasing abscissae, n >= 4.
    at : ndarray of float64, shape (m,)
        Where the spline is wanted; outside the knots the outermost cubic goes on.

    Returns
    -------
    ndarray of float64, shape (m, n)

    References
    ----------
    Forsythe, Malcolm and Moler (1977), Computer Methods for Mathematical Computations, chapter 4.
    """
    n = len(knots)
    values = np.eye(n)
    gap = np.diff(knots)
    slope = np.diff(values, axis=0) / gap[:, None]
    system = np.zeros((n, n))
    right = np.zeros((n, n))
    inner = np.arange(1, n - 1)
    system[inner, inner - 1] = gap[:-1]
    system[inner, inner] = 2 * (gap[:-1] + gap[1:])
    system[inner, inner + 1] = gap[1:]
    right[1:-1] = np.diff(slope, axis=0)
    third_left = right[2] / (knots[3] - knots[1]) - right[1] / (knots[2] - knots[0])
    third_right = right[-2] / (knots[-1] - knots[-3]) - right[-3] / (knots[-2] - knots[-4])
    system[0, :2] = -gap[0], gap[0]
    right[0] = third_left * gap[0] ** 2 / (knots[3] - knots[0])
    system[-1, -2:] = gap[-1], -gap[-1]
    right[-1] = -third_right * gap[-1] ** 2 / (knots[-1] - knots[-4])
    bend = np.linalg.solve(system, right)
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, n - 2)
    t = (at - knots[i])[:, None]
    first = slope[i] - gap[i][:, None] * (bend[i + 1] + 2 * bend[i])
    third = (bend[i + 1] - bend[i]) / gap[i][:, None]
    return np.asarray(values[i] + t * (first + t * (3 * bend[i] + t * third)))
