"""Exact and score intervals of proportions, for counts of independent callers only."""

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


def ppv_at_prevalence(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Return the positive predictive value at a stated prevalence (Bayes' rule)."""
    true = sensitivity * prevalence
    return true / (true + (1.0 - specificity) * (1.0 - prevalence))


def npv_at_prevalence(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Return the negative predictive value at a stated prevalence (Bayes' rule)."""
    true = specificity * (1.0 - prevalence)
    return true / (true + (1.0 - sensitivity) * prevalence)
