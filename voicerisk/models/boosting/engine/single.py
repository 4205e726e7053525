# mypy: disable-error-code="no-untyped-def"
# The arguments of compiled functions are arrays whose shapes are in the docstrings; numba infers their types.
"""The inner loops of boosting one fit of grades or of a number: moments of learners, slopes of thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

compiled: Any = njit(nogil=True, cache=True)
_TINY = 1e-300


@compiled
def moments(gradient, rows, cell, t, powers, intervals):
    """Return the sums of gradient * t^q in each interval, (powers, intervals), over a learner's rows.

    gradient (n,) of all rows; rows, cell, t (m,) of the learner's. Cells from `intervals` on are outside.
    """
    found = np.zeros((powers, intervals))
    for i in range(len(rows)):
        k = cell[i]
        if k < intervals:
            value = gradient[rows[i]]
            for q in range(powers):
                found[q, k] += value
                value *= t[i]
    return found


@compiled
def threshold_slopes(edges, score, y, weights, gradient, curvature):
    """Fill first and second derivatives of the log-likelihood by the thresholds; return the loss.

    edges (K + 1,): -inf, the thresholds, inf; score, y, weights (n,); gradient (K - 1,) and curvature
    (K - 1, K - 1) are added to. The formulas are those of `proportional_odds.slopes`.
    """
    last = len(edges) - 2  # the highest grade
    total = 0.0
    for i in range(len(y)):
        w = weights[i]
        if w == 0.0:
            continue
        k = y[i]
        low = 1.0 / (1.0 + math.exp(min(score[i] - edges[k], 700.0)))
        high = 1.0 / (1.0 + math.exp(min(score[i] - edges[k + 1], 700.0)))
        p = max(high - low, _TINY)
        total -= w * math.log(p)
        steep_low, steep_high = low * (1.0 - low), high * (1.0 - high)
        if k < last:
            gradient[k] += w * steep_high / p
            curvature[k, k] += w * (steep_high * (1.0 - 2.0 * high) / p - (steep_high / p) ** 2)
        if k > 0:
            gradient[k - 1] -= w * steep_low / p
            curvature[k - 1, k - 1] += w * (-steep_low * (1.0 - 2.0 * low) / p - (steep_low / p) ** 2)
        if 0 < k < last:
            both = w * steep_high * steep_low / p**2
            curvature[k, k - 1] += both
            curvature[k - 1, k] += both
    return total
