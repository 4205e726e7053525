"""The proportional-odds likelihood: logit P(y <= k) = threshold[k] - score, for grades 0 .. K - 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from voicerisk.errors import ModelError
from voicerisk.types import Floats

TINY = 1e-300  # below it the logarithm of a probability is not finite
NEWTON_STEPS = 100
SHORTEST = 1e-10  # a step that is halved more often than this leads nowhere
LAST = 1e-10
ROUNDING = 1e-13  # by which a sum may seem to rise
RIDGE_STEPS = 50
TOLERANCE = 1e-9
SPAN = 1e-10  # share of the largest eigenvalue below which a direction is none


@dataclass(frozen=True, slots=True)
class Slopes:
    """Derivatives of the log-likelihood at some thresholds and scores.

    Attributes
    ----------
    thresholds : ndarray, shape (K - 1,)
        First derivatives by the thresholds.
    curvature : ndarray, shape (K - 1, K - 1)
        Second ones; tridiagonal.
    low, high : ndarray, shape (n,)
        P(grade < y) and P(grade <= y) of each row. high + low - 1 is the derivative by the row's score.
    """

    thresholds: Floats
    curvature: Floats
    low: Floats
    high: Floats


def bounds(thresholds: Floats, score: Floats, y: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return P(grade < y) and P(grade <= y) of each row."""
    edges = np.r_[-np.inf, thresholds, np.inf]
    return expit(edges[y] - score), expit(edges[y + 1] - score)


def loss(thresholds: Floats, score: Floats, y: NDArray[np.int64], weights: Floats) -> float:
    """Return the negative weighted log-likelihood; infinite where thresholds do not rise."""
    if (np.diff(thresholds) <= 0).any():
        return np.inf
    low, high = bounds(thresholds, score, y)
    return float(-(weights @ np.log(np.maximum(high - low, TINY))))


def slopes(thresholds: Floats, score: Floats, y: NDArray[np.int64], weights: Floats) -> Slopes:
    """Return the derivatives of the log-likelihood by the thresholds."""
    k = len(thresholds)
    low, high = bounds(thresholds, score, y)
    p = np.maximum(high - low, TINY)
    steep_low, steep_high = low * (1 - low), high * (1 - high)
    # first and second derivatives of log(high - low) by the lower and the upper threshold
    g_high, g_low = weights * steep_high / p, -weights * steep_low / p
    h_high = weights * (steep_high * (1 - 2 * high) / p - (steep_high / p) ** 2)
    h_low = weights * (-steep_low * (1 - 2 * low) / p - (steep_low / p) ** 2)
    h_both = weights * steep_high * steep_low / p**2
    inner, upper = y > 0, y < k
    gradient = np.bincount(y[upper], g_high[upper], k) + np.bincount(y[inner] - 1, g_low[inner], k)
    diagonal = np.bincount(y[upper], h_high[upper], k) + np.bincount(y[inner] - 1, h_low[inner], k)
    curvature = np.diag(diagonal)
    both = inner & upper
    side = np.bincount(y[both] - 1, h_both[both], k)[: k - 1]
    curvature[np.arange(k - 1), np.arange(1, k)] = side
    curvature[np.arange(1, k), np.arange(k - 1)] = side
    return Slopes(gradient.astype(np.float64), curvature, low, high)


def best_thresholds(start: Floats, score: Floats, y: NDArray[np.int64], weights: Floats) -> Floats:
    """Return the thresholds of the largest likelihood by Newton's method; it is concave in them."""

    def objective(thresholds: Floats) -> Objective:
        found = slopes(thresholds, score, y, weights)
        return loss(thresholds, score, y, weights), found.thresholds, found.curvature

    return climb(start, objective)[0]


Objective = tuple[float, Floats, Floats]


def climb(
    start: Floats, objective: Callable[[Floats], Objective], last: float = LAST
) -> tuple[Floats, float]:
    """Return the thresholds of the largest likelihood, and the loss there, from some that rise.

    Parameters
    ----------
    start : ndarray, shape (K - 1,)
    objective : callable
        Gives loss, first and second derivatives of the log-likelihood at thresholds that rise.
    last : float
        A step shorter than this is the last one; what it leaves is about its square.
    """
    thresholds = start
    value, gradient, curvature = objective(start)
    for _ in range(NEWTON_STEPS):
        allowed = value + ROUNDING * abs(value)
        move = np.linalg.solve(curvature, gradient)
        scale = 1.0
        while True:
            there = thresholds - scale * move
            found = objective(there) if (np.diff(there) > 0).all() else None
            if (found is not None and found[0] <= allowed) or scale <= SHORTEST:
                break
            scale /= 2
        if found is None or not found[0] <= allowed:
            break
        thresholds, (value, gradient, curvature) = there, found
        if np.abs(scale * move).max() < last:
            break
    return thresholds, value


def ridge_ordinal(
    features: Floats, rank: NDArray[np.int64], weights: Floats, penalty: float
) -> tuple[Floats, Floats]:
    """Fit proportional odds with an L2 penalty on all coefficients but the thresholds.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    rank : ndarray of int, shape (n,)
        Grades 0 .. K - 1, each of them there, K at least 2.
    weights : ndarray, shape (n,)
    penalty : float
        Minimises -sum(w loglik) + penalty / 2 * sum(beta^2); above 0.

    Returns
    -------
    thresholds : ndarray, shape (K - 1,)
        logit P(y <= k) = thresholds[k] - features @ coefficients.
    coefficients : ndarray, shape (d,)

    Raises
    ------
    ModelError
        If Newton's method does not converge, or there is a single grade.

    Examples
    --------
    >>> x = np.array([[-1.0], [0.0], [1.0], [2.0]])
    >>> thresholds, slope = ridge_ordinal(x, np.array([0, 1, 1, 2]), np.ones(4), 1.0)
    >>> bool(slope[0] > 0), bool(thresholds[0] < thresholds[1])
    (True, True)
    """
    n, d = features.shape
    share = np.cumsum(np.bincount(rank, weights))[:-1] / weights.sum()
    if not len(share):
        raise ModelError("A model of grades needs calls of at least two grades, but one is all there is.")
    if d > n:  # the solution lies in the span of the rows
        values, vectors = np.linalg.eigh(features @ features.T)
        kept = values > SPAN * max(values.max(), SPAN)
        root = np.sqrt(values[kept])
        thresholds, short = ridge_ordinal(vectors[:, kept] * root, rank, weights, penalty)
        return thresholds, features.T @ (vectors[:, kept] @ (short / root))
    k = len(share)
    theta, beta = np.log(share / (1.0 - share)), np.zeros(d)
    value = loss(theta, features @ beta, rank, weights)
    for _ in range(RIDGE_STEPS):
        at = slopes(theta, features @ beta, rank, weights)
        steep_low, steep_high = at.low * (1.0 - at.low), at.high * (1.0 - at.high)
        gradient = np.r_[at.thresholds, features.T @ (weights * (at.high + at.low - 1.0)) - penalty * beta]
        cross = np.zeros((n, k))
        upper, inner = rank < k, rank > 0
        cross[upper, rank[upper]] = steep_high[upper]
        cross[inner, rank[inner] - 1] = steep_low[inner]
        weighted = features * weights[:, None]
        across = cross.T @ weighted
        inside = -(weighted * (steep_low + steep_high)[:, None]).T @ features - penalty * np.eye(d)
        hessian = np.block([[at.curvature, across], [across.T, inside]])
        step = -np.linalg.solve(hessian, gradient)
        taken = 1.0
        while True:
            moved = theta + taken * step[:k], beta + taken * step[k:]
            after = loss(moved[0], features @ moved[1], rank, weights) + 0.5 * penalty * moved[1] @ moved[1]
            if after <= value + 1e-12 * abs(value) or taken < SHORTEST:
                break
            taken /= 2.0
        (theta, beta), value = moved, float(after)
        if np.abs(step).max() < TOLERANCE * (1.0 + np.abs(np.r_[theta, beta]).max()):
            return theta, beta
    raise ModelError(
        f"The proportional-odds regression on {n} rows and {d} columns did not converge in {RIDGE_STEPS} "
        "steps; look for a marker with extreme values."
    )
