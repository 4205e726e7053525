"""Exact and score intervals of proportions, for counts of independent callers only."""

import numpy as np
import numpy.typing as npt

from voicerisk.errors import ValidationError


def proportion_interval(
    successes: int, n: int, method: str = "wilson", level: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval of a proportion.

    Parameters
    ----------
    successes, n : int
        Counts of independent callers, never of frames.
    method : {'wilson', 'clopper_pearson'}
    level : float

    Returns
    -------
    lower, upper : float
    """
    from scipy.stats import binomtest

    if method not in ("wilson", "clopper_pearson"):
        raise ValidationError(f"The interval of a proportion is wilson or clopper_pearson, not {method!r}.")
    interval = binomtest(successes, n).proportion_ci(level, "wilson" if method == "wilson" else "exact")
    return float(interval.low), float(interval.high)


def wilson(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a share of an effective sample size, which need not be whole.

    Parameters
    ----------
    share : float
        In 0..1.
    n : float
        Above 0.
    level : float

    Returns
    -------
    lower, upper : float

    Examples
    --------
    >>> tuple(round(end, 3) for end in wilson(1.0, 20))
    (0.839, 1.0)
    >>> wilson(0.0, 24)[0]
    0.0
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(share * n, n, 1.0 - level, "wilson")
    # At 0 and 1 the ends are exact on paper; rounding would print 0.000000.
    return 0.0 if share == 0 else float(max(low, 0.0)), 1.0 if share == 1 else float(min(high, 1.0))


def ppv_at_prevalence(
    sensitivity: npt.ArrayLike, specificity: npt.ArrayLike, prevalence: float
) -> np.ndarray:
    """Return the positive predictive value at a prevalence (Bayes' rule); NaN where nobody is flagged."""
    true = np.asarray(sensitivity) * _between(prevalence)
    return _share(true, (1.0 - np.asarray(specificity)) * (1.0 - prevalence))


def npv_at_prevalence(
    sensitivity: npt.ArrayLike, specificity: npt.ArrayLike, prevalence: float
) -> np.ndarray:
    """Return the negative predictive value at a prevalence (Bayes' rule); NaN where all are flagged."""
    true = np.asarray(specificity) * (1.0 - _between(prevalence))
    return _share(true, (1.0 - np.asarray(sensitivity)) * prevalence)


def _share(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(true / (true + false))


def _between(prevalence: float) -> float:
    if not 0.0 < prevalence < 1.0:
        raise ValidationError(f"A target prevalence must lie between 0 and 1, not {prevalence!r}.")
    return prevalence
