"""The penalty lambda that gives a base-learner its degrees of freedom, as R's mboost finds it.

df(lambda) = tr(2S - S'S), S the learner's smoother (`options(mboost_dftraceS = FALSE)`). With the generalised
eigenvalues d of the penalty K against X'WX it is the sum of 2s - s**2 over s = 1 / (1 + lambda d).

What R does is followed where it can be told from rounding. X'WX gets 1e-9 K, and is moved towards the
identity until its smallest eigenvalue is 1.5e-8. The root is searched by Brent's method on [0, 1e15] to
1.5e-8 *absolute*, so that a lambda below about 0.01 depends on where the search stops; the same search is
made here.

Source: `df2lambda` of mboost 2.9-13; Brent, R. P. (1973), Algorithms for Minimization without Derivatives,
chapter 4 (R's `uniroot`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from voicerisk.types import Floats

MAX_LAMBDA = 1e15
# The constants of R's df2lambda: sqrt of the machine's epsilon, and the small ridge on the penalty
_EPS = float(np.finfo(float).eps)
_SQRT_EPS = float(np.sqrt(_EPS))
_PENALTY_RIDGE = 1e-9
_NEGATIVE = -1e-10
# R gets the penalty's null space as rounding noise: 0.001 to 0.1 eps times the largest value, median 0.03
_NULL_SPACE = 0.03 * _EPS


def penalty_for_df(gram: Floats, root: Floats, df: float) -> Floats:
    """Return the penalties at which the learners have `df` degrees of freedom.

    R takes the singular values of R^-T K R^-1 (X'WX = R'R), whose errors are of the order of the machine's
    epsilon times the largest. Here they are the squared singular values of D R^-1 with K = D'D, which are
    accurate. The null space is not set to 0 but to values as small as R's: at 1e15 they have no degrees of
    freedom left, and the root search goes another way from there.

    Parameters
    ----------
    gram : ndarray, shape (m, p, p)
        X'WX of m learners, each of rank > df.
    root : ndarray, shape (r, p)
        D.
    df : float
        Wished degrees of freedom, < p; the largest penalty is 1e15.

    Returns
    -------
    ndarray, shape (m,)
    """
    inner = gram + _PENALTY_RIDGE * (root.T @ root)
    for number in np.flatnonzero(np.linalg.eigvalsh(inner)[:, 0] - _SQRT_EPS < _NEGATIVE):
        inner[number] = _lift(inner[number])
    lower = np.linalg.cholesky(inner)
    scaled = np.linalg.solve(lower, np.broadcast_to(root.T, (*lower.shape[:-1], len(root))))
    spectrum = np.empty(gram.shape[:-1])
    spectrum[:, : len(root)] = np.linalg.svd(scaled, compute_uv=False) ** 2
    spectrum[:, len(root) :] = _NULL_SPACE * spectrum[:, :1]
    return np.array([penalty_from_spectrum(one, df) for one in spectrum])


def ridge_penalty_for_df(counts: Floats, df: float) -> float:
    """Return the penalty of a random intercept (X'WX = diag(counts), K = I) with `df` degrees of freedom."""
    return float(penalty_from_spectrum(1.0 / _lift_diagonal(counts + _PENALTY_RIDGE), df))


@njit(cache=True)
def degrees_of_freedom(spectrum: Floats, penalty: float) -> float:
    """Return tr(2S - S'S) for generalised eigenvalues `spectrum`, shape (p,)."""
    first = second = 0.0
    for value in spectrum:
        shrink = 1.0 / (1.0 + penalty * value)
        first += shrink
        second += shrink * shrink
    return 2.0 * first - second


@njit(cache=True)
def penalty_from_spectrum(spectrum: Floats, df: float) -> float:
    """Solve df(lambda) = df on [0, 1e15] by Brent's method, stopping where R's `uniroot` does.

    `best` is the estimate, `other` lies on the other side of the root, `last` is the estimate before.
    """
    last, best = 0.0, MAX_LAMBDA
    f_last, f_best = len(spectrum) - df, degrees_of_freedom(spectrum, MAX_LAMBDA) - df
    if f_best > 0:
        return MAX_LAMBDA
    other, f_other = last, f_last
    for _ in range(1000):
        step_before = best - last
        if abs(f_other) < abs(f_best):
            last, best, other = best, other, best
            f_last, f_best, f_other = f_best, f_other, f_best
        tolerance = 2.0 * _EPS * abs(best) + 0.5 * _SQRT_EPS
        width = other - best
        if abs(width) <= 2.0 * tolerance or f_best == 0.0:
            break
        step = 0.5 * width
        if abs(step_before) >= tolerance and abs(f_last) > abs(f_best):
            s = f_best / f_last
            if last == other:  # two points: secant
                p, q = width * s, 1.0 - s
            else:  # three: inverse quadratic
                q, r = f_last / f_other, f_best / f_other
                p = s * (width * q * (q - r) - (best - last) * (r - 1.0))
                q = (q - 1.0) * (r - 1.0) * (s - 1.0)
            if p > 0:
                q = -q
            p = abs(p)
            if p < 0.75 * width * q - 0.5 * abs(tolerance * q) and p < abs(0.5 * step_before * q):
                step = p / q
        if abs(step) < tolerance:
            step = tolerance if step > 0 else -tolerance
        last, f_last = best, f_best
        best += step
        f_best = degrees_of_freedom(spectrum, best) - df
        if (f_best > 0) == (f_other > 0):
            other, f_other = last, f_last
    return best


def _lift_diagonal(diagonal: Floats) -> Floats:
    """Shrink a diagonal X'WX + ridge towards the identity until its smallest element is not negligible."""
    smallest = diagonal.min() - _SQRT_EPS
    while smallest < _NEGATIVE:
        rho = 1.0 / (1.0 - smallest)
        diagonal = rho * diagonal + (1.0 - rho)
        smallest = diagonal.min() - _SQRT_EPS
    return diagonal


def _lift(matrix: Floats) -> Floats:
    identity = np.eye(len(matrix))
    smallest = np.linalg.eigvalsh(matrix)[0] - _SQRT_EPS
    while smallest < _NEGATIVE:
        rho = 1.0 / (1.0 - smallest)
        matrix = rho * matrix + (1.0 - rho) * identity
        smallest = np.linalg.eigvalsh(matrix)[0] - _SQRT_EPS
    return matrix
