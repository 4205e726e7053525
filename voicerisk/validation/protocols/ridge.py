"""A ridge logistic regression on call means: the fast learner by which this room measures itself.

Coverage of intervals, size of tests and null means over hundreds of cohorts are measured with it through the
same protocols as gamboost. It has no steps (M = 0) and no frames.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.callers.schema import check_calls
from voicerisk.callers.weights import training_weights
from voicerisk.types import Progress
from voicerisk.validation.contract import FitPaths, FittedPath, TrainingSet

ITERATIONS = 30
TINY = 1e-12


def ridge_logistic(X: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """Fit a logistic regression with an L2 penalty on all coefficients but the intercept.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray of 0/1, shape (n,)
    weights : ndarray, shape (n,)
    penalty : float
        Minimises -sum(w loglik) + penalty / 2 * sum(beta^2); 1 is scikit-learn's C = 1.

    Returns
    -------
    ndarray, shape (d + 1,)
        Intercept, then coefficients.
    """
    design = np.column_stack([np.ones(len(X)), X])
    ridge = np.diag(np.r_[0.0, np.full(X.shape[1], penalty)])
    share = np.average(y, weights=weights)
    beta = np.r_[np.log(share / (1.0 - share)), np.zeros(X.shape[1])]
    for _ in range(ITERATIONS):
        p = expit(design @ beta)
        gradient = design.T @ (weights * (y - p)) - ridge @ beta
        hessian = (design * (weights * np.maximum(p * (1.0 - p), TINY))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    return beta


def ridge_paths(calls: pd.DataFrame, markers: Sequence[str], penalty: float = 1.0) -> FitPaths:
    """Return a refit function that scores calls by a ridge logistic on standardised call means.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and the mean of each marker.
    markers : sequence of str
    penalty : float

    Returns
    -------
    FitPaths

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from voicerisk.validation import ValidationSettings, run_nested
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], 10)
    >>> ids = [f"c{i:02d}" for i in range(20)]
    >>> calls = pd.DataFrame({"call_id": ids, "caller_id": ids, "y": y, "n_frames": 5})
    >>> fit = ridge_paths(calls.assign(x=y + rng.normal(size=20)), ["x"])
    >>> settings = ValidationSettings(designs=["loco"], bootstraps=50)
    >>> run_nested(calls, fit, settings, model="ridge").predictions["p_raw"].between(0, 1).all()
    np.True_
    """
    table = check_calls(calls)
    X = table[list(markers)].to_numpy(dtype=np.float64)
    y = table["y"].to_numpy()
    caller = table["caller_id"].to_numpy(dtype=str)
    call = table["call_id"].to_numpy(dtype=str)
    n_frames = table["n_frames"].to_numpy()
    rows_of = pd.Series(np.arange(len(table))).groupby(caller).apply(np.array).to_dict()

    def fit(sets: Sequence[TrainingSet], progress: Progress | None) -> Iterator[FittedPath]:
        for done, asked in enumerate(sets):
            inside = np.concatenate([rows_of[c] for c in asked.train])
            assessed = np.concatenate([rows_of[c] for c in asked.assess])
            weights = n_frames[inside].astype(np.float64)
            if asked.weighted:
                weights = training_weights(caller[inside], y[inside], asked.class_prior, n_frames[inside])
            weights *= len(asked.train) / weights.sum()
            centre = np.average(X[inside], axis=0, weights=weights)
            spread = np.sqrt(np.average((X[inside] - centre) ** 2, axis=0, weights=weights))
            spread[spread == 0] = 1.0
            beta = ridge_logistic((X[inside] - centre) / spread, y[inside], weights, penalty)
            p = expit(beta[0] + (X[assessed] - centre) / spread @ beta[1:])
            inner = np.clip(np.where(y[assessed] == 1, p, 1.0 - p), TINY, 1.0)
            learned = {"scaling": asked.train, "ridge": asked.train}
            notes: dict[str, Any] = {"coefficients": beta.tolist()}
            yield FittedPath(
                asked.key,
                tuple(call[assessed]),
                p[:, None],
                -2.0 * np.log(inner)[:, None],
                learned,
                notes,
                lambda step: pd.DataFrame(),
            )
            if progress is not None:
                progress(done + 1, len(sets))

    return fit
