"""Metrics of the recalibrated risk under every set of caller draws: Brier, calibration, net benefit."""

import numpy as np

from voicerisk.validation.metrics.calibration import calibration_draws, calibration_error, corp
from voicerisk.validation.metrics.decision_curves import net_benefit
from voicerisk.validation.metrics.units import UnitRows

ACTION_THRESHOLDS = (0.1, 0.2, 0.3, 0.5)


def risk_metrics(rows: UnitRows, label: str, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the metrics of p that are cheap under many draws.

    Parameters
    ----------
    rows : UnitRows
        y as 0/1.
    label : str
        Class.
    counts : ndarray, shape (b, C)

    Returns
    -------
    dict
        brier, brier_skill, calibration_intercept, calibration_slope, calibration_in_the_large,
        observed_expected -> ndarray, shape (b,); NaN where there is no estimate.
    """
    y, p = rows.y.astype(np.float64), rows.p[label]
    w = counts[:, rows.groups] * rows.weight
    with np.errstate(divide="ignore", invalid="ignore"):
        n = w.sum(1)
        brier = w @ (p - y) ** 2 / n
        prevalence = w @ y / n
        skill = 1.0 - brier / (prevalence * (1.0 - prevalence))
    found = {"brier": brier, "brier_skill": skill, **calibration_draws(y, p, w)}
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in found.items()}


def net_benefits(rows: UnitRows, label: str, counts: np.ndarray) -> dict[tuple[str, float], np.ndarray]:
    """Compute net benefit of the model and of treating all at `ACTION_THRESHOLDS`.

    Returns
    -------
    dict
        ('net_benefit' | 'net_benefit_all', threshold) -> ndarray, shape (b,).
    """
    t = np.array(ACTION_THRESHOLDS)
    w = counts[:, rows.groups] * rows.weight
    of_risk, of_all = net_benefit(rows.y, rows.p[label], t, w)
    found = {}
    for k, cut in enumerate(ACTION_THRESHOLDS):
        found["net_benefit", cut] = of_risk[:, k]
        found["net_benefit_all", cut] = of_all[:, k]
    return found


def smooth_metrics(rows: UnitRows, label: str, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Compute CORP's parts and the lowess calibration errors, one draw at a time.

    Returns
    -------
    dict
        corp_miscalibration, corp_discrimination, corp_uncertainty, ici_lowess, e50_lowess, e90_lowess,
        emax_lowess -> ndarray, shape (b,). A caller drawn twice counts twice.
    """
    y, p = rows.y.astype(np.float64), rows.p[label]
    names = ("corp_miscalibration", "corp_discrimination", "corp_uncertainty",
             "ici_lowess", "e50_lowess", "e90_lowess", "emax_lowess")  # fmt: skip
    out = np.full((len(counts), len(names)), np.nan)
    order = np.argsort(p, kind="stable")
    for b, row in enumerate(counts.astype(np.int64)):
        times = row[rows.groups[order]]
        drawn_y, drawn_p = np.repeat(y[order], times), np.repeat(p[order], times)
        if not len(drawn_y) or drawn_y.min() == drawn_y.max():
            continue
        parts = corp(drawn_y, drawn_p)
        error = calibration_error(drawn_y, drawn_p, "lowess")
        out[b] = (
            parts.miscalibration, parts.discrimination, parts.uncertainty,
            error.ici, error.e50, error.e90, error.emax,
        )  # fmt: skip
    return {name: out[:, k] for k, name in enumerate(names)}
