"""How far the nested protocol lies above each rival on the same calls, folds and draws of callers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws, percentile_interval
from voicerisk.callers.schema import RUN
from voicerisk.callers.streams import Stream, generator
from voicerisk.errors import ValidationError
from voicerisk.types import Floats
from voicerisk.validation.metrics.compute import METRIC_COLUMNS, PERCENTILE
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.metrics.subsets import ALL
from voicerisk.validation.settings import METRIC_BOOTSTRAPS, ValidationSettings

DIFFERENCE = "auroc_difference"


def differences_to_rivals(
    nested: pd.DataFrame,
    rivals: pd.DataFrame,
    settings: ValidationSettings,
    *,
    n_boot: int = METRIC_BOOTSTRAPS,
    level: float = 0.95,
    bootstrap_strata: Sequence[str] = (),
) -> pd.DataFrame:
    """Compare the AUROC of calls under the nested protocol with that of each rival, pair by pair.

    Parameters
    ----------
    nested, rivals : DataFrame
        Predictions tables of the same calls, designs, repeats and folds; rows of frames are not looked at.
    settings : ValidationSettings
        Its seed: the draws of callers are those of `compute_metrics`.
    n_boot : int
    level : float
    bootstrap_strata : sequence of str

    Returns
    -------
    DataFrame
        The schema of metrics.csv: for each rival and design a row of metric `auroc_difference`, nested minus
        rival, mean over the repeats, with the percentile interval of the caller bootstrap, given the scores.

    Raises
    ------
    ValidationError
        Where a rival was not judged on the folds of the nested protocol.
    """
    rows: list[dict[str, Any]] = []
    ours = _calls(nested)
    for names, theirs in _calls(rivals).groupby(list(RUN), sort=False):
        run = dict(zip(RUN, names, strict=True))
        mine = ours[ours["design"] == run["design"]]
        place = ["repeat", "fold", "call_id", "y"]
        if not mine[place].reset_index(drop=True).equals(theirs[place].reset_index(drop=True)):
            raise ValidationError(
                f"{run['model']}, {run['design']}: the rival was judged on other folds than the nested "
                "protocol; run the study again."
            )
        first = mine.drop_duplicates("call_id")
        draws = caller_draws(first, n_boot, generator(Stream.METRICS, settings.seed), bootstrap_strata)
        callers = pd.Index(draws.callers)
        gap = _aurocs(mine, callers, draws.counts) - _aurocs(theirs, callers, draws.counts)
        low, high = percentile_interval(gap, draws, level)
        rows.append(
            {**run, "unit": "call", "class": "1", "subgroup": ALL, "metric": DIFFERENCE, "threshold": np.nan,
             "estimate": float(gap[0]), "lower": low, "upper": high, "level": level, "method": PERCENTILE,
             "n": len(first), "n_events": int(first["y"].sum()), "n_callers": len(callers)}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS))


def _calls(predictions: pd.DataFrame) -> pd.DataFrame:
    calls = predictions[predictions["unit"] == "call"]
    return calls.sort_values(["repeat", "caller_id", "call_id"], kind="stable")


def _aurocs(calls: pd.DataFrame, callers: pd.Index, counts: np.ndarray) -> Floats:
    """Return the mean over repeats of the AUROC under each draw of callers."""
    found = []
    for _, one in calls.groupby("repeat"):
        groups = callers.get_indexer(pd.Index(one["caller_id"].astype(str)))
        weight = one["weight"].to_numpy(dtype=np.float64)
        score, y = one["p_raw"].to_numpy(dtype=np.float64), one["y"].to_numpy(dtype=np.int64)
        found.append(rank_statistics(score, y, groups, counts, weight).auroc)
    return np.mean(found, axis=0)
