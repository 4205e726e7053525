"""AUROC with DeLong's and Obuchowski's standard errors, and the precision-recall summaries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from voicerisk.errors import ValidationError


@dataclass(frozen=True, slots=True)
class AurocInterval:
    """An AUROC with its standard error.

    Parameters
    ----------
    auroc : float
    variance : float
    """

    auroc: float
    variance: float

    @property
    def se(self) -> float:
        """Standard error."""
        return float(np.sqrt(max(self.variance, 0.0)))

    @property
    def informative(self) -> bool:
        """False at a variance of 0 (complete separation), where the interval would be 1 to 1."""
        return self.variance > 0.0

    def wald(self, level: float = 0.95) -> tuple[float, float]:
        """Return the Wald interval clipped to 0..1, as pROC's `ci.auc`."""
        z = _normal_quantile(level)
        return max(0.0, self.auroc - z * self.se), min(1.0, self.auroc + z * self.se)

    def logit(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval that is symmetric in the log-odds of the AUROC; NaN at 0 and 1."""
        if not 0.0 < self.auroc < 1.0:
            return np.nan, np.nan
        centre = np.log(self.auroc / (1.0 - self.auroc))
        half = _normal_quantile(level) * self.se / (self.auroc * (1.0 - self.auroc))
        low, high = expit(centre + np.array([-half, half]))
        return float(low), float(high)


def auroc(y: np.ndarray, score: np.ndarray) -> float:
    """Return the AUROC (midranks, high score = high risk).

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    score : ndarray, shape (n,)

    Returns
    -------
    float
        0.5 for constant scores.
    """
    return float(placements(y, score)[0].mean())


def placements(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the structural components of the AUROC.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    score : ndarray, shape (n,)

    Returns
    -------
    v10 : ndarray, shape (n_positive,)
        Share of negatives each positive outranks.
    v01 : ndarray, shape (n_negative,)
        Share of positives that outrank each negative.
    """
    from scipy.stats import rankdata

    positive, negative = score[y == 1], score[y == 0]
    if not len(positive) or not len(negative):
        raise ValidationError("An AUROC needs scores of both classes, but one class is absent.")
    rank = rankdata(np.concatenate([positive, negative]))
    n1, n0 = len(positive), len(negative)
    v10 = (rank[:n1] - rankdata(positive)) / n0
    v01 = 1.0 - (rank[n1:] - rankdata(negative)) / n1
    return v10, v01


def delong(y: np.ndarray, score: np.ndarray) -> AurocInterval:
    """Return the AUROC with DeLong's variance (DeLong et al. 1988 by midranks, Sun and Xu 2014).

    The rows are taken as independent: use it where each caller has one row.
    """
    v10, v01 = placements(y, score)
    return AurocInterval(float(v10.mean()), _variance(v10) / len(v10) + _variance(v01) / len(v01))


def delong_paired(y: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Test the difference of two AUROCs on the same rows.

    Returns
    -------
    z, p : float
        (first - second) / SE and its two-sided normal p value; NaN where the difference has no variance.
    """
    from scipy.stats import norm

    a10, a01 = placements(y, first)
    b10, b01 = placements(y, second)
    variance = _variance(a10 - b10) / len(a10) + _variance(a01 - b01) / len(a01)
    if variance <= 0.0:
        return np.nan, np.nan
    z = float((a10.mean() - b10.mean()) / np.sqrt(variance))
    return z, float(2.0 * norm.sf(abs(z)))


def obuchowski(y: np.ndarray, score: np.ndarray, groups: np.ndarray) -> AurocInterval:
    """Return the AUROC with the variance for clustered rows (Obuchowski 1997, Biometrics 53).

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    score : ndarray, shape (n,)
    groups : ndarray of int, shape (n,)
        Caller of each row. Callers with rows of both outcomes enter by the covariance term S11.

    Returns
    -------
    AurocInterval

    Raises
    ------
    ValidationError
        Where a class comes from fewer than 2 callers.
    """
    v10, v01 = placements(y, score)
    return AurocInterval(float(v10.mean()), _clustered_variance(y, v10, v01, groups))


def obuchowski_paired(
    y: np.ndarray,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    groups: np.ndarray,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Return the difference of two AUROCs on the same rows with its interval over callers.

    With one row a caller this is DeLong's interval of a pair (DeLong et al. 1988).

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    first, second : sequence of ndarray, shape (n,)
        Scores of each model, one array a repeat; an AUROC is the mean over repeats.
    groups : ndarray of int, shape (n,)
        Caller of each row.
    level : float

    Returns
    -------
    difference, lower, upper : float
        The ends are NaN where the difference has no variance.

    Raises
    ------
    ValidationError
        Where a class comes from fewer than 2 callers.

    Examples
    --------
    >>> y, callers = np.array([0, 0, 0, 1, 1, 1]), np.arange(6)
    >>> one, other = np.array([1, 2, 4, 3, 5, 6]), np.array([1, 5, 4, 3, 2, 6])
    >>> [round(end, 3) for end in obuchowski_paired(y, [one], [other], callers)]
    [0.333, -0.2, 0.867]
    """
    means = [
        [np.mean(part, axis=0) for part in zip(*(placements(y, score) for score in scores), strict=True)]
        for scores in (first, second)
    ]
    v10, v01 = (mine - theirs for mine, theirs in zip(*means, strict=True))
    difference, variance = float(v10.mean()), _clustered_variance(y, v10, v01, groups)
    if variance <= 0.0:
        return difference, np.nan, np.nan
    half = _normal_quantile(level) * float(np.sqrt(variance))
    return difference, max(difference - half, -1.0), min(difference + half, 1.0)


def _clustered_variance(y: np.ndarray, v10: np.ndarray, v01: np.ndarray, groups: np.ndarray) -> float:
    """Return the variance of the mean of structural components (or of their differences) over callers."""
    area = float(v10.mean())
    code = np.unique(groups, return_inverse=True)[1]
    n_groups = int(code.max()) + 1
    excess10 = np.bincount(code[y == 1], weights=v10 - area, minlength=n_groups)
    excess01 = np.bincount(code[y == 0], weights=v01 - area, minlength=n_groups)
    n10 = len(np.unique(code[y == 1]))
    n01 = len(np.unique(code[y == 0]))
    if min(n10, n01) < 2:
        raise ValidationError("The clustered AUROC needs at least 2 callers in each class.")
    n1, n0 = len(v10), len(v01)
    s10 = n10 / ((n10 - 1) * n1) * float(excess10 @ excess10)
    s01 = n01 / ((n01 - 1) * n0) * float(excess01 @ excess01)
    s11 = n_groups / (n_groups - 1) * float(excess10 @ excess01)
    return s10 / n1 + s01 / n0 + 2.0 * s11 / (n1 * n0)


def _variance(v: np.ndarray) -> float:
    return float(v.var(ddof=1)) if len(v) > 1 else np.nan


def _normal_quantile(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + level / 2.0))
