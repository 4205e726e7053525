"""What a published number can be, before any model: ceilings, and the sample size a model needs."""

from dataclasses import dataclass

import numpy as np

from voicerisk.errors import ValidationError


@dataclass(frozen=True, slots=True)
class Plausibility:
    """The best that averaging segments over a caller can reach, given what one segment explains.

    Parameters
    ----------
    d_segment, d_caller : float
        Distance between the class means in within-class standard deviations, of one segment and of the mean
        of m segments.
    auroc_segment, auroc_caller : float
    accuracy_caller : float
        Accuracy at the best cut.
    """

    d_segment: float
    d_caller: float
    auroc_segment: float
    auroc_caller: float
    accuracy_caller: float


def plausibility_bound(r2: float, prevalence: float, m: float, icc: float) -> Plausibility:
    """Return the binormal ceiling of caller-level performance.

    Scores are normal with one variance in both classes; d of one segment is the distance at which the best
    regression of the outcome on the score explains R2. The mean of m segments with intra-caller correlation
    rho then has d sqrt(m / (1 + (m - 1) rho)). It assumes that R2 is of the same features: a number above it
    is inconsistent unless other information entered, and proves nothing else.

    Parameters
    ----------
    r2 : float
        Share of variance of the outcome explained on segments (adjusted R2), in [0, 1).
    prevalence : float
        Share of positive callers, in (0, 1).
    m : float
        Mean number of segments a caller.
    icc : float
        Correlation of segments of one caller within class, in [0, 1].

    Returns
    -------
    Plausibility

    Examples
    --------
    >>> round(plausibility_bound(0.12, 0.274, 3070 / 281, 0.3).auroc_caller, 3)
    0.827
    """
    from scipy.stats import norm

    ok = 0 <= r2 < 1 and 0 < prevalence < 1 and m >= 1 and 0 <= icc <= 1
    if not ok:
        raise ValidationError(
            "plausibility_bound needs 0 <= r2 < 1, 0 < prevalence < 1, m >= 1 and 0 <= icc <= 1, not "
            f"r2={r2!r}, prevalence={prevalence!r}, m={m!r}, icc={icc!r}."
        )
    d = _distance(r2, prevalence)
    d_caller = float(d * np.sqrt(m / (1.0 + (m - 1.0) * icc)))
    area, area_caller = (float(norm.cdf(value / np.sqrt(2.0))) for value in (d, d_caller))
    if d_caller == 0.0:
        return Plausibility(d, d_caller, area, area_caller, max(prevalence, 1.0 - prevalence))
    cut = d_caller / 2.0 - np.log(prevalence / (1.0 - prevalence)) / d_caller
    accuracy = prevalence * norm.sf(cut - d_caller) + (1.0 - prevalence) * norm.cdf(cut)
    return Plausibility(d, d_caller, area, area_caller, float(accuracy))


def _distance(r2: float, prevalence: float) -> float:
    """Return d at which E(y | score), a logistic curve between two normal classes, explains `r2`."""
    from scipy.optimize import brentq

    if r2 == 0.0:
        return 0.0
    node, mass = np.polynomial.hermite_e.hermegauss(80)
    mass = mass / mass.sum()

    def explained(d: float) -> float:
        mean_square = 0.0
        for share, centre in ((1.0 - prevalence, 0.0), (prevalence, d)):
            x = node + centre
            odds = prevalence / (1.0 - prevalence) * np.exp(d * x - d**2 / 2.0)
            mean_square += share * float(mass @ (odds / (1.0 + odds)) ** 2)
        return (mean_square - prevalence**2) / (prevalence * (1.0 - prevalence))

    return float(brentq(lambda d: explained(d) - r2, 0.0, 15.0))


def segments_needed(r2: float, prevalence: float, accuracy: float) -> float:
    """Return how many independent segments a caller would need for a stated accuracy, binormal as above."""
    from scipy.optimize import brentq

    def gap(log_m: float) -> float:
        return plausibility_bound(r2, prevalence, float(np.exp(log_m)), 0.0).accuracy_caller - accuracy

    if gap(0.0) >= 0.0:
        return 1.0
    return float(np.exp(brentq(gap, 0.0, 25.0)))


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Callers a prediction model needs (Riley et al. 2019, Statistics in Medicine 38: 1276-1296).

    Parameters
    ----------
    shrinkage_n : int
        Criterion 1: expected shrinkage of at least the stated value.
    optimism_n : int
        Criterion 2: apparent minus adjusted Nagelkerke R2 of at most 0.05.
    prevalence_n : int
        Criterion 3: overall risk known to within 0.05.
    n, events : int
        The largest of the three, and the events in it.
    max_r2 : float
        Largest Cox-Snell R2 at this prevalence.
    """

    shrinkage_n: int
    optimism_n: int
    prevalence_n: int
    n: int
    events: int
    max_r2: float


def max_cox_snell(prevalence: float) -> float:
    """Return the largest Cox-Snell R2 of a binary outcome at a prevalence."""
    likelihood = prevalence * np.log(prevalence) + (1.0 - prevalence) * np.log(1.0 - prevalence)
    return float(1.0 - np.exp(2.0 * likelihood))


def riley_sample_size(
    parameters: float,
    prevalence: float,
    nagelkerke: float = 0.15,
    shrinkage: float = 0.9,
    margin: float = 0.05,
) -> SampleSize:
    """Return the number of callers by Riley's three criteria for a binary outcome.

    Parameters
    ----------
    parameters : float
        Candidate parameters: effective degrees of freedom of all candidate terms, not of those selected.
    prevalence : float
    nagelkerke : float
        Anticipated Nagelkerke R2; 0.15 where nothing is known (Riley's advice).
    shrinkage : float
    margin : float
        Of criterion 3, and the difference of criterion 2.

    Returns
    -------
    SampleSize

    Examples
    --------
    >>> riley_sample_size(53, 0.274).shrinkage_n // 100
    43
    """
    if not (
        parameters > 0 and 0 < prevalence < 1 and 0 < nagelkerke < 1 and 0 < shrinkage < 1 and margin > 0
    ):
        raise ValidationError(
            "riley_sample_size needs parameters above 0, and prevalence, nagelkerke and shrinkage between 0 "
            f"and 1, not {parameters!r}, {prevalence!r}, {nagelkerke!r}, {shrinkage!r}."
        )
    largest = max_cox_snell(prevalence)
    r2 = nagelkerke * largest
    first = _for_shrinkage(parameters, r2, shrinkage)
    second = _for_shrinkage(parameters, r2, r2 / (r2 + margin * largest))
    third = (1.96 / margin) ** 2 * prevalence * (1.0 - prevalence)
    shrinkage_n, optimism_n, prevalence_n = (int(np.ceil(v)) for v in (first, second, third))
    n = max(shrinkage_n, optimism_n, prevalence_n)
    return SampleSize(shrinkage_n, optimism_n, prevalence_n, n, int(np.ceil(n * prevalence)), largest)


def expected_shrinkage(n: int, parameters: float, prevalence: float, nagelkerke: float = 0.15) -> float:
    """Return the shrinkage to expect from n callers: criterion 1 solved for S."""
    from scipy.optimize import brentq

    r2 = nagelkerke * max_cox_snell(prevalence)
    lowest = r2 + 1e-9
    if _for_shrinkage(parameters, r2, lowest) > n:
        return 0.0
    return float(brentq(lambda s: _for_shrinkage(parameters, r2, s) - n, lowest, 1.0 - 1e-9))


def _for_shrinkage(parameters: float, r2: float, shrinkage: float) -> float:
    return float(parameters / ((shrinkage - 1.0) * np.log(1.0 - r2 / shrinkage)))
