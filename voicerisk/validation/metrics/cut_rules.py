"""Cuts that a service would choose: a floor on sensitivity, a price, a capacity, a risk.

The Youden cut weighs a missed call as a false alarm. A service rarely does. Candidates are the scores seen,
and a cut above them all; a score >= cut is flagged.
"""

import numpy as np
from scipy.special import expit

from voicerisk.callers.draws import draw_callers
from voicerisk.errors import ValidationError
from voicerisk.validation.cut_rule import CutRule
from voicerisk.validation.metrics.logistic import logit
from voicerisk.validation.metrics.recalibration import Recalibration

_SLACK = 1e-9  # shares are sums of weights


def rule_cut(
    rule: CutRule,
    score: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    prevalence: float | None = None,
    midpoints: bool = False,
    line: Recalibration | None = None,
) -> float:
    """Return the cut that a rule asks for.

    Parameters
    ----------
    rule : CutRule
    score : ndarray, shape (n,)
        Finite scores, high = high risk.
    y : ndarray of 0/1, shape (n,)
    weights : ndarray, shape (n,), optional
    prevalence : float, optional
        Share of calls with the outcome in practice, for 'cost' and 'capacity'; by default that of the scores.
    midpoints : bool
        Cut half-way to the next lower score, which flags the same of these calls.
    line : Recalibration, optional
        What turns a score into the risk of 'risk'; without it the score is the risk.

    Returns
    -------
    float
        NaN where the scores are constant, or where no score reaches the risk whatever it is.

    Raises
    ------
    ValidationError
        Where a class is absent.

    Examples
    --------
    >>> score, y = np.array([0.1, 0.2, 0.3, 0.4, 0.9]), np.array([0, 1, 0, 1, 1])
    >>> rule_cut(CutRule("sensitivity", 0.6), score, y), rule_cut(CutRule("capacity", 40), score, y)
    (0.4, 0.4)
    """
    w = np.ones(len(score)) if weights is None else np.asarray(weights, dtype=np.float64)
    used = w > 0
    if not ((y[used] == 1).any() and (y[used] == 0).any()):
        raise ValidationError("A cut needs scores of both classes, but one class is absent.")
    seen, place = np.unique(score[used], return_inverse=True)
    if len(seen) == 1:
        return np.nan
    if rule.kind == "risk":
        return _risk_cut(rule.value, line)
    mass = [np.bincount(place, w[used] * (y[used] == of), len(seen)) for of in (0, 1)]
    alarms, found = (np.append(np.cumsum(m[::-1])[::-1] / m.sum(), 0.0) for m in mass)
    pi = mass[1].sum() / w.sum() if prevalence is None else prevalence
    candidates = np.append(seen, np.nextafter(seen[-1], np.inf))
    if rule.kind == "sensitivity":
        number = int(np.flatnonzero(found >= rule.value - _SLACK)[-1])
    elif rule.kind == "capacity":
        flagged = pi * found + (1 - pi) * alarms
        number = int(np.flatnonzero(flagged <= rule.value / 100 + _SLACK)[0])
    else:
        cost = pi * rule.value * (1 - found) + (1 - pi) * alarms
        number = int(
            np.flatnonzero(cost <= cost.min() + _SLACK)[0]
        )  # of equal ones the one that misses least
    if midpoints and 0 < number < len(seen):
        return float(0.5 * (candidates[number] + candidates[number - 1]))
    return float(candidates[number])


def _risk_cut(value: float, line: Recalibration | None) -> float:
    """Return the score whose risk is `value`."""
    if line is None:
        return float(value)
    if line.slope == 0:  # every risk is the same: no score tells who reaches it
        return np.nan
    return float(expit((logit(value, 1e-12) - line.intercept) / line.slope))


def bootstrapped_cuts(
    rule: CutRule,
    score: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    n_boot: int,
    *,
    prevalence: float | None = None,
    midpoints: bool = False,
) -> tuple[np.ndarray, int]:
    """Return the rule's cut on each bootstrap of callers, and how many bootstraps were drawn anew.

    The prevalence of 'cost' and 'capacity' is that given, or that of all scores, not that of each bootstrap.
    """
    pi = float(np.mean(y == 1)) if prevalence is None else prevalence
    counts, redrawn = draw_callers(groups, y, n_boot, rng, None)
    cuts = [rule_cut(rule, score, y, row[groups], prevalence=pi, midpoints=midpoints) for row in counts]
    return np.array(cuts), redrawn
