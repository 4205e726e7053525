"""Logistic recalibration of call scores learned on inner out-of-fold scores."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from voicerisk.validation.metrics.logistic import fit_logistic, logit

SCORE_CLIP = 1e-6
# Callers without information by which the slope is drawn to 0; measured by benchmarks/evidence/honest.py.
SILENT_CALLERS = 12


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
    """Learn the recalibration of call scores from outcomes, the slope shrunken for what it costs to learn it.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Out-of-fold call scores in 0..1, clipped to 1e-6 before their log-odds are taken.
    y : ndarray of 0/1, shape (n,)
    weights : ndarray, shape (n,)
        Class factor x share of the caller, so that p is a risk at the class prior. They sum to the callers.
    prior : float
        pi0.

    Returns
    -------
    Recalibration

    Notes
    -----
    A slope that was learned errs, and the risks of slopes too steep lie further out than those of slopes too
    flat: over studies, risks are too extreme. The fitted slope is therefore multiplied by
    n / (n + `SILENT_CALLERS`) for n callers, as if so many more had said nothing (after the heuristic
    shrinkage of van Houwelingen and le Cessie 1990); the intercept is fitted anew. docs/honest.md has what
    it is worth.
    """
    line = fitted_line(score, y, weights, prior)
    if line.flat:
        return line
    n = float(np.sum(weights))
    slope = line.slope * n / (n + SILENT_CALLERS)
    intercept, _ = fit_logistic(logit(score, SCORE_CLIP), np.asarray(y, np.float64), weights, slope=slope)
    return replace(line, intercept=float(intercept[0]), slope=slope)


def fitted_line(score: np.ndarray, y: np.ndarray, weights: np.ndarray, prior: float) -> Recalibration:
    """Return the recalibration of largest likelihood; parameters as of `recalibrate`.

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
