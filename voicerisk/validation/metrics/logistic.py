"""Weighted logistic regression on one predictor, for many sets of weights at once."""

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy.special import expit

ITERATIONS = 60
TOLERANCE = 1e-12
LARGEST_STEP = 4.0


def logit(p: npt.ArrayLike, clip: float) -> np.ndarray:
    """Return the log-odds of `p` after clipping it to [`clip`, 1 - `clip`]."""
    inside = np.clip(np.asarray(p, dtype=np.float64), clip, 1.0 - clip)
    return np.asarray(special.logit(inside))


def fit_logistic(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, slope: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Fit y ~ intercept + slope x by maximum weighted likelihood.

    Parameters
    ----------
    x : ndarray, shape (n,)
    y : ndarray, shape (n,)
        In [0, 1]; smoothed targets are allowed.
    weights : ndarray, shape (n,) or (b, n)
        One fit a row.
    slope : float, optional
        Hold the slope at this value (1 for calibration in the large).

    Returns
    -------
    intercept, slope : ndarray, shape (b,)
        NaN where the likelihood has no maximum (one class only, classes separated by x) or, with a free
        slope, x is constant.
    """
    w = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    centre = float(np.average(x))
    spread = float(np.std(x)) or 1.0
    z = (x - centre) / spread
    beta = np.zeros((len(w), 2))
    beta[:, 1] = 0.0 if slope is None else slope * spread
    estimable = _estimable(x, y, w, slope is None)
    for _ in range(ITERATIONS):
        p = expit(beta[:, :1] + beta[:, 1:] * z)
        residual = w * (y - p)
        curvature = w * p * (1.0 - p)
        g0, h00 = residual.sum(1), curvature.sum(1)
        if slope is None:
            g1, h01, h11 = residual @ z, curvature @ z, curvature @ z**2
            determinant = h00 * h11 - h01**2
            with np.errstate(divide="ignore", invalid="ignore"):
                step = np.column_stack([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0]) / determinant[:, None]
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                step = np.column_stack([g0 / h00, np.zeros(len(w))])
        step = np.clip(np.where(estimable[:, None], step, 0.0), -LARGEST_STEP, LARGEST_STEP)
        beta += step
        if np.abs(step).max(initial=0.0) < TOLERANCE:
            break
    beta[~estimable] = np.nan
    fitted_slope = beta[:, 1] / spread
    return beta[:, 0] - fitted_slope * centre, fitted_slope


def _estimable(x: np.ndarray, y: np.ndarray, w: np.ndarray, free_slope: bool) -> np.ndarray:
    """Tell in which rows of weights the likelihood has a maximum."""
    used = w > 0
    may_be_one = used & (y > 0)
    may_be_zero = used & (y < 1)
    both = may_be_one.any(1) & may_be_zero.any(1)
    if not free_slope:
        return np.asarray(both)
    high1, low1 = np.where(may_be_one, x, -np.inf).max(1), np.where(may_be_one, x, np.inf).min(1)
    high0, low0 = np.where(may_be_zero, x, -np.inf).max(1), np.where(may_be_zero, x, np.inf).min(1)
    varies = np.maximum(high0, high1) > np.minimum(low0, low1)
    return np.asarray(both & varies & (low1 < high0) & (low0 < high1))
