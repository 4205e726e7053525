"""How many callers a study needs: to learn a model, and to validate one that is there.

Sources: Riley RD et al. (BMJ 2020;368:m441) for development; Riley RD et al. (Stat Med 2021;40:4230) for
external validation. R's pmsampsize and pmvalsampsize compute the same criteria.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.errors import ValidationError
from voicerisk.validation.audit.plausibility import riley_sample_size
from voicerisk.validation.metrics.logistic import logit

Z = 1.96
NODES = 200  # of Gauss-Hermite quadrature; more change nothing in the sixth digit
LARGEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Precision:
    """Widths that the 95% intervals of an external validation may have.

    Attributes
    ----------
    oe, slope, auroc, net_benefit : float
        Widths for O/E (at O/E = 1), the calibration slope, the AUROC and the standardised net benefit.
    """

    oe: float = 0.2
    slope: float = 0.2
    auroc: float = 0.1
    net_benefit: float = 0.2


def auroc_se(n: float, auroc: float, prevalence: float) -> float:
    """Return the standard error of an AUROC (Newcombe 2006, as Riley 2021, equation 7).

    Examples
    --------
    >>> round(auroc_se(440, 0.8, 0.22), 4)
    0.0255
    """
    half = n / 2.0 - 1.0
    inside = 1.0 + half * (1.0 - auroc) / (2.0 - auroc) + half * auroc / (1.0 + auroc)
    return float(np.sqrt(auroc * (1.0 - auroc) * inside / (n * n * prevalence * (1.0 - prevalence))))


def calibrated_log_odds(auroc: float, prevalence: float) -> tuple[float, float]:
    """Return mean and standard deviation, within outcomes, of calibrated normal log-odds.

    Log-odds that are normal in both outcomes with variance s^2 are calibrated where their means lie at
    logit(prevalence) -/+ s^2 / 2; their AUROC is then Phi(s / sqrt 2).

    Parameters
    ----------
    auroc : float
        In (0.5, 1).
    prevalence : float

    Returns
    -------
    centre, sd : float
        The means are `centre` -/+ sd^2 / 2.
    """
    from scipy.stats import norm

    return float(logit(prevalence, 1e-12)), float(np.sqrt(2.0) * norm.ppf(auroc))


def slope_information(auroc: float, prevalence: float) -> float:
    """Return the Fisher information of one caller on the calibration slope (Riley 2021, equation 6)."""
    centre, sd = calibrated_log_odds(auroc, prevalence)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    weights = weights / weights.sum()
    shares = np.concatenate([(1.0 - prevalence) * weights, prevalence * weights])
    log_odds = np.concatenate([centre - sd * sd / 2 + sd * nodes, centre + sd * sd / 2 + sd * nodes])
    return _slope_information(log_odds, shares)


def _slope_information(log_odds: np.ndarray, shares: np.ndarray) -> float:
    p = expit(log_odds)
    curvature = shares * p * (1.0 - p)
    i0, i1, i2 = (float((curvature * log_odds**power).sum()) for power in (0, 1, 2))
    return (i0 * i2 - i1 * i1) / i0


def development_plan(
    parameters: float, prevalence: float, nagelkerke: float = 0.15, shrinkage: float = 0.9
) -> pd.DataFrame:
    """Return Riley's three criteria for learning a model.

    Parameters
    ----------
    parameters : float
        Candidate parameters: effective degrees of freedom of every candidate term, before any selection.
    prevalence : float
        Share of callers with the outcome.
    nagelkerke : float
        Anticipated Nagelkerke R2; 0.15 where nothing is known.
    shrinkage : float

    Returns
    -------
    DataFrame
        criterion, callers, events.

    Examples
    --------
    >>> development_plan(24, 0.174, 0.288 / 0.603)["callers"].iloc[0]
    np.int64(623)
    """
    found = riley_sample_size(parameters, prevalence, nagelkerke, shrinkage)
    rows = [
        (f"shrinkage of at most {1 - shrinkage:.0%}", found.shrinkage_n),
        ("apparent R2 at most 0.05 too high", found.optimism_n),
        ("overall risk to within 0.05", found.prevalence_n),
    ]
    return _plan(rows, prevalence)


def validation_plan(
    auroc: float,
    prevalence: float,
    precision: Precision | None = None,
    *,
    threshold: float | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
) -> pd.DataFrame:
    """Return the criteria for validating a model that is there, on new callers.

    Parameters
    ----------
    auroc : float
        Anticipated, in (0.5, 1).
    prevalence : float
    precision : Precision, optional
    threshold, sensitivity, specificity : float, optional
        Risk at which a service would act, and what the model then reaches; all three, for the criterion of
        net benefit.

    Returns
    -------
    DataFrame
        criterion, callers, events.

    Raises
    ------
    ValidationError
        For values out of range.

    Notes
    -----
    The calibration slope is that of a calibrated model with normal log-odds in both outcomes. pmvalsampsize
    finds the standard error of O/E in steps of 0.0001 and draws log-odds at random; here both are exact, so
    that numbers differ by a few callers.

    Examples
    --------
    >>> validation_plan(0.8, 0.22)["callers"].tolist()[2]
    np.int64(440)
    """
    widths = precision or Precision()
    if not (0.5 < auroc < 1.0 and 0.0 < prevalence < 1.0):
        raise ValidationError(
            f"A plan needs an AUROC between 0.5 and 1 and a prevalence between 0 and 1, not {auroc!r} and "
            f"{prevalence!r}."
        )
    se_oe = np.arcsinh(widths.oe / 2.0) / Z
    rows = [
        (f"O/E to {widths.oe:g}", (1.0 - prevalence) / (prevalence * se_oe**2)),
        (
            f"calibration slope to {widths.slope:g}",
            1.0 / ((widths.slope / (2 * Z)) ** 2 * slope_information(auroc, prevalence)),
        ),
        (f"AUROC to {widths.auroc:g}", _for_auroc(auroc, prevalence, widths.auroc / (2 * Z))),
    ]
    decision = (threshold, sensitivity, specificity)
    if any(value is not None for value in decision):
        rows.append(_for_net_benefit(prevalence, widths.net_benefit, *decision))
    return _plan(rows, prevalence)


def expected_interval(n: float, auroc: float, prevalence: float) -> tuple[float, float]:
    """Return the 95% interval that `n` callers would give an AUROC, cut to [0, 1].

    Examples
    --------
    >>> [round(end, 2) for end in expected_interval(60, 0.8, 0.3)]
    [0.68, 0.92]
    """
    half = Z * auroc_se(n, auroc, prevalence)
    return max(0.0, auroc - half), min(1.0, auroc + half)


def design_effect(calls_per_caller: float, icc: float) -> float:
    """Return by how much calls of the same caller inflate the number of calls: 1 + (m - 1) ICC.

    Examples
    --------
    >>> design_effect(3, 0.5)
    2.0
    """
    if not (calls_per_caller >= 1.0 and 0.0 <= icc <= 1.0):
        raise ValidationError(
            f"Calls a caller must be 1 or more and the ICC between 0 and 1, not {calls_per_caller!r} and "
            f"{icc!r}."
        )
    return 1.0 + (calls_per_caller - 1.0) * icc


def _for_auroc(auroc: float, prevalence: float, se: float) -> float:
    low, high = 2, LARGEST
    while low < high:
        middle = (low + high) // 2
        if auroc_se(middle, auroc, prevalence) <= se:
            high = middle
        else:
            low = middle + 1
    return float(low)


def _for_net_benefit(
    prevalence: float, width: float, threshold: float | None, sensitivity: float | None,
    specificity: float | None,
) -> tuple[str, float]:  # fmt: skip
    values = (threshold, sensitivity, specificity)
    if any(value is None or not 0.0 < value < 1.0 for value in values):
        raise ValidationError(
            "Net benefit needs a threshold, a sensitivity and a specificity, each between 0 and 1, not "
            f"{threshold!r}, {sensitivity!r}, {specificity!r}."
        )
    cut, found, clear = (float(value) for value in values if value is not None)
    weight = (1.0 - prevalence) / prevalence * cut / (1.0 - cut)
    false = 1.0 - clear
    # Variance of the standardised net benefit of one caller (Marsh 2020, as Riley 2021, section 3.4).
    variance = (
        found * (1.0 - found) / prevalence
        + weight**2 * clear * false / (1.0 - prevalence)
        + weight**2 * false**2 / (prevalence * (1.0 - prevalence))
    )
    return f"standardised net benefit at {cut:g} to {width:g}", variance / (width / (2 * Z)) ** 2


def _plan(rows: Sequence[tuple[str, float]], prevalence: float) -> pd.DataFrame:
    callers = np.array([int(np.ceil(n - 1e-9)) for _, n in rows], dtype=np.int64)
    events = np.ceil(callers * prevalence - 1e-9).astype(np.int64)
    return pd.DataFrame({"criterion": [name for name, _ in rows], "callers": callers, "events": events})
