"""Logistic regression with a ridge penalty, in as many unknowns as there are rows or columns."""

import numpy as np

from voicerisk.errors import ModelError
from voicerisk.types import Floats

ITERATIONS = 50
TOLERANCE = 1e-9
TINY = 1e-10


def ridge_logistic(features: Floats, y: Floats, weights: Floats, penalty: float) -> tuple[float, Floats]:
    """Fit a logistic regression with an L2 penalty on all coefficients but the intercept.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    y : ndarray of 0/1, shape (n,)
    weights : ndarray, shape (n,)
    penalty : float
        Minimises -sum(w loglik) + penalty / 2 * sum(beta^2); above 0.

    Returns
    -------
    intercept : float
    coefficients : ndarray, shape (d,)

    Raises
    ------
    ModelError
        If Newton's method does not converge, or one class is absent.

    Examples
    --------
    >>> x = np.array([[-1.0], [0.0], [1.0], [2.0]])
    >>> intercept, slope = ridge_logistic(x, np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4), 1.0)
    >>> bool(slope[0] > 0)
    True
    """
    share = float(np.average(y, weights=weights))
    if not 0.0 < share < 1.0:
        raise ModelError("The logistic regression needs rows of both classes, but one class is absent.")
    n, d = features.shape
    if d > n:  # the solution lies in the span of the rows
        values, vectors = np.linalg.eigh(features @ features.T)
        kept = values > TINY * max(values.max(), TINY)
        root = np.sqrt(values[kept])
        intercept, short = ridge_logistic(vectors[:, kept] * root, y, weights, penalty)
        return intercept, features.T @ (vectors[:, kept] @ (short / root))
    design = np.column_stack([np.ones(n), features])
    ridge = np.r_[0.0, np.full(d, penalty)]
    beta = np.r_[np.log(share / (1.0 - share)), np.zeros(d)]
    loss = _loss(design, beta, y, weights, ridge)
    for _ in range(ITERATIONS):
        p = 0.5 * (1.0 + np.tanh(0.5 * (design @ beta)))
        gradient = design.T @ (weights * (y - p)) - ridge * beta
        hessian = (design * (weights * np.maximum(p * (1.0 - p), TINY))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        taken = 1.0
        while (after := _loss(design, beta + taken * step, y, weights, ridge)) > loss + 1e-12 * abs(loss):
            taken /= 2.0
            if taken < TINY:
                break
        beta, loss = beta + taken * step, after
        if np.abs(step).max() < TOLERANCE * (1.0 + np.abs(beta).max()):
            return float(beta[0]), beta[1:]
    raise ModelError(
        f"The ridge regression on {n} rows and {d} columns did not converge in {ITERATIONS} steps; look for "
        "a marker with extreme values."
    )


def _loss(design: Floats, beta: Floats, y: Floats, weights: Floats, ridge: Floats) -> float:
    link = design @ beta
    return float(weights @ (np.logaddexp(0.0, link) - y * link) + 0.5 * ridge @ beta**2)
