"""Youden cuts with the conventions of R's cutpointr 1.1.2.

Candidates are the scores seen and infinity; a score >= cut is positive; all cuts whose Youden index lies
within `TOLERANCE` of the best are optimal. For low scores that mean high risk (direction `<=`) negate the
scores.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.callers.draws import draw_callers
from voicerisk.errors import ValidationError
from voicerisk.validation.cut_rule import CutRule
from voicerisk.validation.metrics.cut_rules import rule_cut

TOLERANCE = 1e-6
BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class BootstrapCut:
    """Mean of the Youden cuts of bootstrapped callers.

    Parameters
    ----------
    threshold : float
        Mean of all optimal finite cuts of all resamples (tied cuts are pooled, so that a resample with more
        of them weighs more, as in cutpointr). NaN where the scores are constant.
    method : str
    n_boot : int
        Resamples that were drawn.
    sd, q025, q975 : float
        Spread of the pooled cuts.
    redrawn : int
        Resamples drawn anew because they held one class only.
    """

    threshold: float
    method: str
    n_boot: int
    sd: float
    q025: float
    q975: float
    redrawn: int


def youden_cuts(
    score: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, midpoints: bool = False
) -> tuple[np.ndarray, float]:
    """Return all optimal Youden cuts of one sample and the index they reach.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Finite scores, high = high risk.
    y : ndarray of 0/1, shape (n,)
    weights : ndarray, shape (n,), optional
    midpoints : bool
        Take the mean of each cut and the next lower score (the lowest score stays as it is).

    Returns
    -------
    cuts : ndarray
        Ascending; may hold infinity (nobody positive).
    youden : float
        Sensitivity + specificity - 1 at these cuts.

    Raises
    ------
    ValidationError
        Where a class is absent.
    """
    w = np.ones(len(score)) if weights is None else np.asarray(weights, dtype=np.float64)
    _both(y, w)
    unique, position = np.unique(score, return_inverse=True)
    index, present = _youden_index(position, y, w[None, :], len(unique))
    candidate = np.append(present[0], True)
    best = index[0][candidate].max()
    optimal = candidate & (index[0] >= best - TOLERANCE)
    lower = _next_lower(present)[0]
    cuts = np.append(unique, np.inf)
    if midpoints:
        cuts[:-1] = 0.5 * (unique + unique[lower])
    return cuts[optimal], float(best)


def youden_cut(score: np.ndarray, y: np.ndarray, midpoints: bool = False) -> tuple[float, float]:
    """Return the median of the optimal Youden cuts (cutpointr's `break_ties = median`) and the index.

    NaN instead of a cut where the scores are constant, since no cut separates anything.
    """
    cuts, best = youden_cuts(score, y, midpoints=midpoints)
    if score.min() == score.max():
        return np.nan, best
    return float(np.median(cuts)), best


def bootstrap_youden(
    score: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    n_boot: int = 1000,
    midpoints: bool = False,
    strata: np.ndarray | None = None,
) -> BootstrapCut:
    """Return the mean Youden cut over bootstrapped callers.

    With one row a caller this is `cutpointr(method = maximize_boot_metric, boot_cut = n_boot,
    summary_func = mean)`; there the default of boot_cut is 50, the paper took 1,000.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Finite scores, high = high risk.
    y : ndarray of 0/1, shape (n,)
    groups : ndarray of int, shape (n,)
        Caller 0..C-1 of each row; callers are drawn whole.
    rng : numpy.random.Generator
    n_boot : int
    midpoints : bool
        Cut half-way to the next lower score of the resample.
    strata : ndarray, shape (C,), optional
        Draw within these (cutpointr's `boot_stratify` is the outcome).

    Returns
    -------
    BootstrapCut
    """
    _both(y, np.ones(len(y)))
    method = "bootstrap_youden_midpoints" if midpoints else "bootstrap_youden"
    unique, position = np.unique(score, return_inverse=True)
    if len(unique) == 1:
        return BootstrapCut(np.nan, method, 0, np.nan, np.nan, np.nan, 0)
    counts, redrawn = draw_callers(groups, y, n_boot, rng, strata)
    pooled = []
    step = max(1, BLOCK // max(len(score), len(unique)))
    for start in range(0, n_boot, step):
        index, present = _youden_index(position, y, counts[start : start + step][:, groups], len(unique))
        candidate = np.column_stack([present, np.ones(len(present), dtype=bool)])
        best = np.where(candidate, index, -np.inf).max(1)
        optimal = candidate & (index >= best[:, None] - TOLERANCE)
        sample, place = np.nonzero(optimal[:, :-1])
        cuts = unique[place]
        if midpoints:
            cuts = 0.5 * (cuts + unique[_next_lower(present)[sample, place]])
        pooled.append(cuts)
    cuts = np.concatenate(pooled)
    if not len(cuts):
        return BootstrapCut(np.nan, method, n_boot, np.nan, np.nan, np.nan, redrawn)
    low, high = np.quantile(cuts, [0.025, 0.975])
    spread = float(cuts.std(ddof=1)) if len(cuts) > 1 else 0.0
    # The mean of equal cuts may lie above them by a rounding, and would then flag none of the tied positives.
    cut = float(np.clip(cuts.mean(), cuts.min(), cuts.max()))
    return BootstrapCut(cut, method, n_boot, spread, float(low), float(high), redrawn)


def cut_out_of_bag(
    score: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    counts: np.ndarray,
    midpoints: bool = False,
    *,
    rule: CutRule | None = None,
    prevalence: float | None = None,
) -> pd.DataFrame:
    """Learn the cut on each bootstrap of callers and judge it on the callers left out.

    cutpointr's `boot_runs` (tied cuts by their median): what a cut promises on the sample it was learned on,
    and what it keeps.

    Parameters
    ----------
    score, y, groups, midpoints
        As in `bootstrap_youden`.
    counts : ndarray of int, shape (B, number of groups)
        How often each bootstrap has each group (`draw_callers`).
    rule : CutRule, optional
        Another rule than Youden's; `prevalence` is as in `rule_cut`, that of all scores where it is None.

    Returns
    -------
    DataFrame
        One row a bootstrap: cut, youden_bag, youden_oob, sensitivity_oob, specificity_oob, accuracy_oob; out
        of bag values are NaN where the callers left out are of one class.
    """
    pi = float(np.mean(y == 1)) if prevalence is None else prevalence
    rows = []
    for row in counts:
        times = row[groups]
        if rule is None:
            cuts, best = youden_cuts(score, y, times, midpoints)
            cut = float(np.median(cuts))
        else:
            cut = rule_cut(rule, score, y, times, prevalence=pi, midpoints=midpoints)
            flagged = score >= cut  # nobody where a bootstrap's scores are constant
            share = [np.average(flagged[y == of], weights=times[y == of]) for of in (0, 1)]
            best = float(share[1] - share[0])
        out = times == 0
        flagged, event = score[out] >= cut, y[out] == 1
        both = event.any() and not event.all()
        sensitivity = float(flagged[event].mean()) if both else np.nan
        specificity = float((~flagged[~event]).mean()) if both else np.nan
        accuracy = float((flagged == event).mean()) if both else np.nan
        rows.append((cut, best, sensitivity + specificity - 1.0, sensitivity, specificity, accuracy))
    names = ["cut", "youden_bag", "youden_oob", "sensitivity_oob", "specificity_oob", "accuracy_oob"]
    return pd.DataFrame(rows, columns=names)


def automatic_direction(score: np.ndarray, y: np.ndarray) -> str:
    """Return '>=' or '<=' as cutpointr 1.1.2 chooses it: '>=' where positives have the higher median."""
    return ">=" if np.median(score[y == 0]) < np.median(score[y == 1]) else "<="


def _youden_index(
    position: np.ndarray, y: np.ndarray, weights: np.ndarray, n_unique: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the Youden index at every unique score and at infinity, and which scores are present.

    weights has shape (b, n); the results have shapes (b, n_unique + 1) and (b, n_unique).
    """
    order = np.argsort(position, kind="stable")
    starts = np.searchsorted(position[order], np.arange(n_unique))
    sorted_weights = weights[:, order].astype(np.float64)
    positive = np.add.reduceat(sorted_weights * (y[order] == 1), starts, axis=1)
    negative = np.add.reduceat(sorted_weights * (y[order] == 0), starts, axis=1)
    index = np.zeros((len(weights), n_unique + 1))
    for mass, sign in ((positive, 1.0), (negative, -1.0)):
        at_or_above = np.cumsum(mass[:, ::-1], axis=1)[:, ::-1]
        index[:, :-1] += sign * at_or_above / at_or_above[:, :1]
    return index, (positive + negative) > 0


def _next_lower(present: np.ndarray) -> np.ndarray:
    """Return for every score the position of the next lower one present; the lowest stays in place."""
    place = np.where(present, np.arange(present.shape[1]), -1)
    last = np.maximum.accumulate(place, axis=1)
    lower = np.column_stack([np.full(len(present), -1), last[:, :-1]])
    return np.where(lower < 0, np.arange(present.shape[1]), lower)


def _both(y: np.ndarray, weights: np.ndarray) -> None:
    used = np.asarray(y)[weights > 0]
    if not ((used == 1).any() and (used == 0).any()):
        raise ValidationError("A Youden cut needs scores of both classes, but one class is absent.")
