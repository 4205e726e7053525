"""What call models are fitted by: two classes, ordered grades, or a number; a ridge penalty in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicerisk.models.calls.ridge import ridge_logistic
from voicerisk.proportional_odds import ridge_ordinal
from voicerisk.types import Floats

# Of a log-odds a call tells at most p (1 - p) = 1/4, of a number in units of its spread 1: times 4 the same
# penalty draws as far in both.
NUMBER_SCALE = 4.0


class Loss(Protocol):
    """What the fit of a call model must know of its outcome."""

    def centre(self, y: Floats, weights: Floats) -> float:
        """Return the outcome at which markers are centred."""
        ...

    def residual(self, y: Floats, share: Floats) -> tuple[Floats, float]:
        """Return what a model without markers leaves, shape (n,), and its variance."""
        ...

    def fit(self, design: Floats, y: Floats, weights: Floats, penalty: float) -> tuple[float, Floats]:
        """Return intercept and coefficients under a ridge penalty."""
        ...


@dataclass(frozen=True, slots=True)
class TwoClasses:
    """Logistic regression of 0/1."""

    def centre(self, y: Floats, weights: Floats) -> float:
        """Return the class share that the weights set."""
        return float(np.average(y, weights=weights))

    def residual(self, y: Floats, share: Floats) -> tuple[Floats, float]:
        """Return y minus the class share, and the variance of y."""
        mean = float(share @ y)
        return y - mean, mean * (1.0 - mean)

    def fit(self, design: Floats, y: Floats, weights: Floats, penalty: float) -> tuple[float, Floats]:
        """Fit `ridge_logistic`."""
        return ridge_logistic(design, y, weights, penalty)


@dataclass(frozen=True, slots=True)
class Grades:
    """Proportional odds of ordered grades; only their order counts for the fit."""

    def centre(self, y: Floats, weights: Floats) -> float:
        """Return the mean grade that the weights set."""
        return float(np.average(y, weights=weights))

    def residual(self, y: Floats, share: Floats) -> tuple[Floats, float]:
        """Return the derivative of the log-likelihood by the score, with the best thresholds for score 0."""
        rank = _ranks(y)
        upto = np.cumsum(np.bincount(rank, share))
        found = upto[rank] + np.r_[0.0, upto][rank] - 1.0
        return found, float(share @ found**2)

    def fit(self, design: Floats, y: Floats, weights: Floats, penalty: float) -> tuple[float, Floats]:
        """Fit `ridge_ordinal`; the score has no intercept, which the thresholds would undo."""
        return 0.0, ridge_ordinal(design, _ranks(y), weights, penalty)[1]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Least squares of a number.

    Attributes
    ----------
    anchor : float
        Mean outcome of the study, the same in every fold: markers are centred where the outcome is that, so
        that who is held out moves no score against their own outcome.
    """

    anchor: float

    def centre(self, y: Floats, weights: Floats) -> float:
        """Return the anchor."""
        return self.anchor

    def residual(self, y: Floats, share: Floats) -> tuple[Floats, float]:
        """Return y minus its mean, and its variance."""
        found = y - share @ y
        return found, float(share @ found**2)

    def fit(self, design: Floats, y: Floats, weights: Floats, penalty: float) -> tuple[float, Floats]:
        """Fit a ridge regression, in the outcome's unit."""
        share = weights / weights.sum()
        mean, centre = float(share @ y), share @ design
        inside = (design - centre) * np.sqrt(weights)[:, None]
        target = (y - mean) * np.sqrt(weights)
        ridge = NUMBER_SCALE * penalty
        # The smaller of the two equal forms.
        if inside.shape[1] > inside.shape[0]:
            gram = inside @ inside.T + ridge * np.eye(len(inside))
            beta = inside.T @ np.linalg.solve(gram, target)
        else:
            gram = inside.T @ inside + ridge * np.eye(inside.shape[1])
            beta = np.linalg.solve(gram, inside.T @ target)
        return mean - float(centre @ beta), beta


def _ranks(y: Floats) -> NDArray[np.int64]:
    return np.unique(y, return_inverse=True)[1].astype(np.int64)
