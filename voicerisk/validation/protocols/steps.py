"""The number of boosting steps from inner out-of-fold deviance."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class StepChoice:
    """Number of steps that minimises the held-out deviance.

    Parameters
    ----------
    step : int
        argmin of the weighted held-out deviance summed over the inner folds, the smallest where tied.
    step_1se : int
        Smallest number of steps whose mean lies within one standard error of the minimum (reported only).
    deviance : ndarray, shape (M + 1,)
        Weighted mean over all held-out calls.
    se : ndarray, shape (M + 1,)
        Standard error of `deviance`, from the spread of the folds' means weighted by their weight (glmnet's).
    """

    step: int
    step_1se: int
    deviance: np.ndarray
    se: np.ndarray


def choose_steps(deviance: np.ndarray, weights: np.ndarray, fold: np.ndarray) -> StepChoice:
    """Choose mstop.

    Parameters
    ----------
    deviance : ndarray, shape (n_calls, M + 1)
        Mean frame deviance of each held-out call after 0..M steps.
    weights : ndarray, shape (n_calls,)
        Summed training weight of the call's frames: class factor x share of the call in its caller's frames.
        With class factor 1 the criterion is the mean over callers of each caller's mean frame deviance.
    fold : ndarray of int, shape (n_calls,)
        Inner fold of each call.

    Returns
    -------
    StepChoice
    """
    folds = np.unique(fold)
    mass = np.array([weights[fold == k].sum() for k in folds])
    means = np.array([np.average(deviance[fold == k], axis=0, weights=weights[fold == k]) for k in folds])
    total = np.average(means, axis=0, weights=mass)
    spread = np.average((means - total) ** 2, axis=0, weights=mass)
    se = np.sqrt(spread / max(len(folds) - 1, 1))
    step = int(np.argmin(total))
    within = np.flatnonzero(total <= total[step] + se[step])
    return StepChoice(step, int(within[0]), total, se)
