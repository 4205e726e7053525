"""The cross-validated AUROC with the variance of learning, beside its interval given the scores."""

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws, percentile_interval
from voicerisk.callers.schema import check_calls
from voicerisk.callers.streams import Stream, generator
from voicerisk.validation.contract import FitPaths
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.protocols.kfold_scores import pipeline_scores
from voicerisk.validation.protocols.whole_procedure import LEAST_BOOTSTRAPS, FullProcedure
from voicerisk.validation.settings import METRIC_BOOTSTRAPS, ValidationSettings

# Rows of procedure.csv: the grouped k-fold AUROC with its interval given these scores, and with that of
# `FullProcedure.around`.
KFOLD, WHOLE_PROCEDURE = "auroc_kfold", "auroc_kfold_whole_procedure"


def kfold_auroc(
    calls: pd.DataFrame, fit_paths: FitPaths, settings: ValidationSettings, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the AUROC of one grouped k-fold, and its caller-bootstrap interval given these scores.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    fit_paths : FitPaths
    settings : ValidationSettings
    level : float

    Returns
    -------
    auroc, lower, upper : float
    """
    table = check_calls(calls)
    score, y = pipeline_scores(table, fit_paths, settings), table["y"].to_numpy()
    rng = generator(Stream.KFOLD_INTERVAL, settings.seed)
    draws = caller_draws(table, METRIC_BOOTSTRAPS, rng)
    code = np.unique(table["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
    values = rank_statistics(score, y, code, draws.counts).auroc
    return float(values[0]), *percentile_interval(values, draws, level)


def kfold_rows(
    whole: FullProcedure, kfold: tuple[float, float, float]
) -> list[tuple[str, float, float, float, str]]:
    """Return two rows of procedure.csv that belong together: quantity, estimate, lower, upper, how.

    Parameters
    ----------
    whole : FullProcedure
    kfold : tuple of float
        From `kfold_auroc`.
    """
    n = len(whole.out_of_bag)
    low, high = whole.around(kfold[0])
    how = f"spread of {n} out-of-bag values about that estimate: with the variance of learning"
    if n < LEAST_BOOTSTRAPS:
        how = (
            f"{n} bootstraps with an out-of-bag value are too few for an interval; "
            f"{LEAST_BOOTSTRAPS} or more give one"
        )
    elif np.isnan(low):
        how = f"all {n} out-of-bag values are alike, which is no certainty: there is no interval"
    return [
        (KFOLD, *kfold, "one grouped k-fold; caller bootstrap given these scores"),
        (WHOLE_PROCEDURE, kfold[0], low, high, how),
    ]
