"""Logistic recalibration of call scores learned on inner out-of-fold scores."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from voicerisk.validation.metrics.logistic import fit_logistic, logit

SCORE_CLIP = 1e-6


@dataclass(frozen=True, slots=True)
class Recalibration:
    """logit p = intercept + slope * logit p_raw.

    Parameters
    ----------
    intercept, slope : float
        The slope is never below 0; at 0 every p is the class prior.
    flat : bool
        The slope was set to 0, because the scores were constant or ran against the outcome.
    separated : bool
        The scores separated the classes, so that Platt's (1999) smoothed targets were fitted.
    """

    intercept: float
    slope: float
    flat: bool
    separated: bool

    def __call__(self, score: np.ndarray) -> np.ndarray:
        """Return the risk that belongs to raw scores in 0..1."""
        return expit(self.intercept + self.slope * logit(score, SCORE_CLIP))


def recalibrate(score: np.ndarray, y: np.ndarray, weights: np.ndarray, prior: float) -> Recalibration:
    """Fit the recalibration of call scores to outcomes.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Out-of-fold call scores in 0..1, clipped to 1e-6 before their log-odds are taken.
    y : ndarray of 0/1, shape (n,)
    weights : ndarray, shape (n,)
        Class factor x share of the caller, so that p is a risk at the class prior.
    prior : float
        pi0.

    Returns
    -------
    Recalibration

    Notes
    -----
    Where the scores separate the classes the likelihood has no maximum. The targets are then
    (n1 + 1)/(n1 + 2) and 1/(n0 + 2) as in Platt (1999), with n1 and n0 the number of calls in each class.
    """
    x = logit(score, SCORE_CLIP)
    flat = Recalibration(float(logit(prior, SCORE_CLIP)), 0.0, True, False)
    positive, negative = x[y == 1], x[y == 0]
    if x.max() == x.min() or positive.max() <= negative.min():
        return flat
    separated = bool(positive.min() >= negative.max())
    n1, n0 = len(positive), len(negative)
    target = np.where(y == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2)) if separated else y.astype(np.float64)
    intercept, slope = fit_logistic(x, target, weights)
    if not slope[0] > 0.0:
        return flat
    return Recalibration(float(intercept[0]), float(slope[0]), False, separated)
