"""Bootstrap of callers: one matrix of draws for all metrics, and the intervals made from it.

The scores are taken as given: what a refit of the model on each resample would add to the variance is left
out. On cohorts without signal such intervals of a cross-validated AUROC cover less than they say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError

OUTCOME = "outcome"
MOST_UNDEFINED = 0.05
SAME = 1e-12


@dataclass(frozen=True, slots=True)
class CallerDraws:
    """Weights of callers: the sample itself, the bootstraps, and leave-one-caller-out for BCa.

    Parameters
    ----------
    callers : tuple of str
        Callers in the order of the columns of `counts`.
    counts : ndarray of float, shape (1 + n_boot + n_callers, n_callers)
        Row 0 is the sample itself.
    n_boot : int
    redrawn : int
        Resamples drawn anew because they held one class only.
    merged : tuple of str
        Strata of a single caller that were put together, since resampling them would draw the same caller
        always.
    """

    callers: tuple[str, ...]
    counts: np.ndarray
    n_boot: int
    redrawn: int
    merged: tuple[str, ...]


def draw_callers(
    groups: np.ndarray, y: np.ndarray, n_boot: int, rng: np.random.Generator, strata: np.ndarray | None = None
) -> tuple[np.ndarray, int]:
    """Draw whole callers with replacement until each resample holds both classes.

    Parameters
    ----------
    groups : ndarray of int, shape (n,)
        Caller 0..C-1 of each row.
    y : ndarray of 0/1, shape (n,)
    n_boot : int
    rng : numpy.random.Generator
    strata : ndarray, shape (C,), optional
        Draw within these; None = among all callers.

    Returns
    -------
    counts : ndarray of int32, shape (n_boot, C)
        How often each caller was drawn.
    redrawn : int
        Resamples thrown away because they held one class only.
    """
    n_callers = int(groups.max()) + 1
    has1 = np.bincount(groups, weights=y == 1, minlength=n_callers) > 0
    has0 = np.bincount(groups, weights=y == 0, minlength=n_callers) > 0
    if not (has1.any() and has0.any()):
        raise ValidationError("The callers to bootstrap hold one class only; both are needed.")
    cell = np.zeros(n_callers, dtype=np.int64)
    if strata is not None:
        cell = np.unique(np.asarray(strata).astype(str), return_inverse=True)[1]
    counts = np.zeros((n_boot, n_callers), dtype=np.int32)
    wanted = np.arange(n_boot)
    redrawn = 0
    while len(wanted):
        for one in np.unique(cell):
            members = np.flatnonzero(cell == one)
            even = np.full(len(members), 1.0 / len(members))
            counts[np.ix_(wanted, members)] = rng.multinomial(len(members), even, size=len(wanted))
        drawn = counts[wanted]
        wanted = wanted[~((drawn @ has1 > 0) & (drawn @ has0 > 0))]
        redrawn += len(wanted)
    return counts, redrawn


def caller_draws(
    rows: pd.DataFrame, n_boot: int, rng: np.random.Generator, strata: Sequence[str] = ()
) -> CallerDraws:
    """Draw callers.

    Parameters
    ----------
    rows : DataFrame
        caller_id, y (0/1) and the strata, one row a call.
    n_boot : int
    rng : numpy.random.Generator
    strata : sequence of str
        Draw within these; 'outcome' is the caller's outcome pattern. None for consecutive calls; outcome and
        sex where the study sampled so.

    Returns
    -------
    CallerDraws
    """
    callers, groups = np.unique(rows["caller_id"].to_numpy(dtype=str), return_inverse=True)
    y = rows["y"].to_numpy()
    cells: np.ndarray | None = None
    merged: tuple[str, ...] = ()
    if strata:
        share = np.bincount(groups, weights=y == 1) / np.bincount(groups)
        parts = []
        for name in strata:
            if name == OUTCOME:
                parts.append(np.where(share == 0, "0", np.where(share == 1, "1", "both")).astype(object))
            elif name not in rows:
                raise ValidationError(
                    f"Callers cannot be drawn within {name!r}: it is neither 'outcome' nor a column of the "
                    "predictions."
                )
            else:
                of_caller = rows.groupby("caller_id", sort=True)[name].first().astype(str)
                parts.append(of_caller.to_numpy(dtype=object))
        cells = np.array([", ".join(values) for values in zip(*parts, strict=True)])
        cells, merged = _merge_singles(cells)
    counts, redrawn = draw_callers(groups, y, n_boot, rng, cells)
    n = len(callers)
    every = np.vstack([np.ones((1, n)), counts, 1.0 - np.eye(n)])
    return CallerDraws(tuple(callers), every, n_boot, redrawn, merged)


def _merge_singles(cells: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    names, size = np.unique(cells, return_counts=True)
    single = list(names[size == 1])
    if not single:
        return cells, ()
    if len(single) == 1 and len(names) > 1:
        # A lone single joins the smallest other stratum, or its caller would be in every resample once.
        others = [(n, name) for n, name in zip(size, names, strict=True) if n > 1]
        single.append(min(others)[1])
    joined = " | ".join(single)
    return np.where(np.isin(cells, single), joined, cells), (f"bootstrap strata merged: {joined}",)


def undefined_share(values: np.ndarray, draws: CallerDraws) -> float:
    """Return the share of resamples in which a statistic has no value."""
    return float((~np.isfinite(values[1 : 1 + draws.n_boot])).mean())


def _defined(values: np.ndarray, draws: CallerDraws) -> np.ndarray | None:
    """Return the resampled values that exist, None where the estimate or too many of them do not."""
    if not np.isfinite(values[0]) or undefined_share(values, draws) > MOST_UNDEFINED:
        return None
    resampled = values[1 : 1 + draws.n_boot]
    return resampled[np.isfinite(resampled)]


def percentile_interval(values: np.ndarray, draws: CallerDraws, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of a statistic computed under every row of `draws.counts`.

    NaN where the statistic is undefined in more than 5% of the resamples (a calibration slope in samples
    that the risks separate): what is left would be an interval of the well-behaved samples only. NaN, too,
    where all resamples agree: an AUROC of 1 in every resample is no certainty, the bootstrap cannot say how
    far below 1 the truth may lie.
    """
    resampled = _defined(values, draws)
    if resampled is None:
        return np.nan, np.nan
    if np.ptp(resampled) < SAME:
        return np.nan, np.nan
    low, high = np.quantile(resampled, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def bca_interval(values: np.ndarray, draws: CallerDraws, level: float = 0.95) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval (Efron 1987), acceleration by leaving callers out.

    NaN where the bootstrap lies wholly on one side of the estimate, where it is not defined.
    """
    from scipy.stats import norm

    # Rounded, so that resamples equal to the estimate on paper count as equal.
    values = np.round(values, 12)
    resampled = _defined(values, draws)
    left_out = values[1 + draws.n_boot :]
    left_out = left_out[np.isfinite(left_out)]
    if resampled is None or len(left_out) == 0 or np.ptp(resampled) < SAME:
        return np.nan, np.nan
    below = ((resampled < values[0]).sum() + 0.5 * (resampled == values[0]).sum()) / len(resampled)
    if not 0.0 < below < 1.0:
        return np.nan, np.nan
    bias = norm.ppf(below)
    centred = left_out.mean() - left_out
    spread = (centred**2).sum() ** 1.5
    acceleration = (centred**3).sum() / (6.0 * spread) if spread > 0 else 0.0
    z = bias + norm.ppf([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    low, high = np.quantile(resampled, norm.cdf(bias + z / (1.0 - acceleration * z)))
    return float(low), float(high)
