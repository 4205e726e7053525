"""Every metric of calls under the same draws of callers: what paired differences are made of."""

from collections.abc import Sequence

import numpy as np

from voicerisk.validation.metrics.decisions import decision_metrics
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.metrics.risk import net_benefits, risk_metrics
from voicerisk.validation.metrics.units import UnitRows

BINARY = "1"
Name = tuple[str, float | None]
OF_RISK = ("brier", "brier_skill", "calibration_intercept", "calibration_slope")


def call_metrics(repeats: Sequence[UnitRows], counts: np.ndarray) -> dict[Name, np.ndarray]:
    """Measure calls under every row of caller weights, in the mean over repeats.

    Parameters
    ----------
    repeats : sequence of UnitRows
        Calls of each repeat, y as 0/1, class '1'.
    counts : ndarray, shape (b, C)
        Weight of each caller in each draw.

    Returns
    -------
    dict
        (metric, threshold of net benefit or None) -> ndarray, shape (b,). Decisions are there where some call
        has a cut; a call without one is not flagged. Metrics of the risk are there where every call has one.
    """
    of_repeats = [_measured(rows, counts) for rows in repeats]
    names = [name for name in of_repeats[0] if all(name in one for one in of_repeats)]
    return {name: np.mean([one[name] for one in of_repeats], axis=0) for name in names}


def _measured(rows: UnitRows, counts: np.ndarray) -> dict[Name, np.ndarray]:
    score = rows.score[BINARY]
    ranks = rank_statistics(score, rows.y, rows.groups, counts, rows.weight)
    plain = {"auroc": ranks.auroc, "average_precision": ranks.average_precision}
    if np.isfinite(rows.threshold).any():
        plain |= decision_metrics(rows.y == 1, score >= rows.threshold, rows.groups, rows.weight, counts)
    of_risk = np.isfinite(rows.p[BINARY]).all()
    if of_risk:
        found = risk_metrics(rows, BINARY, counts)
        plain |= {name: found[name] for name in OF_RISK}
    out: dict[Name, np.ndarray] = {(name, None): values for name, values in plain.items()}
    if of_risk:
        benefit = net_benefits(rows, BINARY, counts)
        out |= {(name, cut): values for (name, cut), values in benefit.items() if name == "net_benefit"}
    return out
