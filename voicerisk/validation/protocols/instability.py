"""How far a caller's risk moves when the same procedure learns from other callers of the same kind."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError

COLUMNS = ("call_id", "y", "risk", "mean", "q025", "q975", "mape", "decided_otherwise")
LEAST = 2


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
