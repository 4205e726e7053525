"""How far a caller's risk moves when the same procedure learns from other callers of the same kind."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.calibration import smooth_calibration

COLUMNS = ("call_id", "y", "risk", "mean", "q025", "q975", "mape", "decided_otherwise")
LEAST = 2
LEAST_RISKS = 4  # different ones, for a curve


def instability(
    calls: pd.DataFrame, risk: np.ndarray, drawn: Sequence[np.ndarray], threshold: float
) -> pd.DataFrame:
    """Return how much the risk of each call differs between models of bootstrapped callers.

    Parameters
    ----------
    calls : DataFrame
        call_id and y, in the order of the risks.
    risk : ndarray, shape (n,)
        Of the model of all callers.
    drawn : sequence of ndarray, shape (n,)
        Of the model of each bootstrap of callers, on the same calls.
    threshold : float
        Risk from which one would act.

    Returns
    -------
    DataFrame
        One row a call: `risk`, mean and 2.5 and 97.5% quantiles of the bootstrap models' risks, `mape` (mean
        absolute difference from `risk`), `decided_otherwise` (share of bootstrap models on the other side of
        the threshold).

    Raises
    ------
    ValidationError
        Where fewer than two models were drawn.

    References
    ----------
    Riley and Collins 2023, Biometrical Journal 65:2200302: prediction instability, MAPE and classification
    instability. Copies of a caller are kept together in inner folds.

    Examples
    --------
    >>> calls = pd.DataFrame({"call_id": ["a", "b"], "y": [0, 1]})
    >>> models = [np.array([0.1, 0.5]), np.array([0.3, 0.9])]
    >>> instability(calls, np.array([0.2, 0.6]), models, 0.55)[["mape", "decided_otherwise"]].round(2)
       mape  decided_otherwise
    0   0.1                0.0
    1   0.2                0.5
    """
    if len(drawn) < LEAST:
        raise ValidationError(
            f"Instability needs at least {LEAST} models of bootstrapped callers, not {len(drawn)}."
        )
    every = np.vstack(drawn)
    low, high = np.quantile(every, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {
            "call_id": calls["call_id"].to_numpy(),
            "y": calls["y"].to_numpy(),
            "risk": risk,
            "mean": every.mean(axis=0),
            "q025": low,
            "q975": high,
            "mape": np.abs(every - risk).mean(axis=0),
            "decided_otherwise": ((every >= threshold) != (risk >= threshold)).mean(axis=0),
        },
        columns=list(COLUMNS),
    )


def calibration_instability(
    y: np.ndarray, risk: np.ndarray, drawn: Sequence[np.ndarray], points: int = 40
) -> pd.DataFrame:
    """Return the calibration curve of each model of bootstrapped callers on the calls of the study.

    Parameters
    ----------
    y : ndarray of 0/1, shape (n,)
    risk : ndarray, shape (n,)
        Of the model of all callers.
    drawn : sequence of ndarray, shape (n,)
        Of the models of bootstrapped callers.
    points : int
        Risks at which a curve is given, equidistant over those of the model.

    Returns
    -------
    DataFrame
        refit (0: the model of all callers), p, observed (lowess, as `smooth_calibration`). A model whose
        risks take fewer than four values has no curve.

    Notes
    -----
    Models and calls are not apart: this is how far calibration moves from one sample of callers to the next,
    not how good it is (Riley and Collins 2023).

    Examples
    --------
    >>> y, risk = np.tile([0, 0, 1], 10), np.linspace(0.1, 0.6, 30)
    >>> calibration_instability(y, risk, [risk / 2, risk], points=3)[["refit", "p"]].values.tolist()[:4]
    [[0.0, 0.1], [0.0, 0.35], [0.0, 0.6], [1.0, 0.05]]
    """
    parts = []
    for number, p in enumerate([risk, *drawn]):
        if len(np.unique(p)) < LEAST_RISKS:
            continue
        order, grid = np.argsort(p, kind="stable"), np.linspace(p.min(), p.max(), points)
        observed = np.interp(grid, p[order], smooth_calibration(y, p)[order])
        parts.append(pd.DataFrame({"refit": number, "p": grid, "observed": observed}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["refit", "p", "observed"])
