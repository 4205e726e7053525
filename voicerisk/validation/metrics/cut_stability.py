"""What a cut promises on the callers it was learned on, and what it keeps on callers left out."""

import numpy as np
import pandas as pd

from voicerisk.callers.draws import draw_callers
from voicerisk.callers.schema import RUN, check_predictions, classes_of
from voicerisk.callers.streams import Stream, generator
from voicerisk.validation.cut_rule import CutRule
from voicerisk.validation.metrics.youden import cut_out_of_bag
from voicerisk.validation.settings import ValidationSettings

COLUMNS = (*RUN, "quantity", "mean", "sd", "q025", "q975", "n_boot")


def cut_stability(predictions: pd.DataFrame, settings: ValidationSettings) -> pd.DataFrame:
    """Learn the cut of each run's call scores on bootstraps of callers; judge it in and out of bag.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table. The call rows of the first repeat of each run are taken.
    settings : ValidationSettings
        Its bootstraps, seed, and the rule of the cut: Youden's, or a `CutRule`. A cut at a set risk is not
        learned, so that there is nothing to judge: the table is empty.

    Returns
    -------
    DataFrame
        protocol, model, target, design, quantity (cut, youden_bag, youden_oob, sensitivity_oob,
        specificity_oob, accuracy_oob), mean, sd, q025, q975, n_boot (bootstraps in which it is defined).
        Empty for a table with several classes. Scores are taken as given. The cut is learned without
        midpoints, as the published protocol learns it.
    """
    check_predictions(predictions)
    rows = []
    rule = settings.threshold if isinstance(settings.threshold, CutRule) else None
    if not classes_of(predictions) and (rule is None or rule.kind != "risk"):
        calls = predictions[predictions["unit"] == "call"]
        calls = calls[calls["repeat"] == calls.groupby(list(RUN))["repeat"].transform("min")]
        for names, part in calls.groupby(list(RUN), sort=True):
            y, score = part["y"].to_numpy(dtype=np.int64), part["p_raw"].to_numpy(dtype=np.float64)
            if len(set(y)) < 2 or np.ptp(score) == 0:
                continue
            groups = np.unique(part["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
            rng = generator(Stream.CUT_STABILITY, settings.seed)
            counts, _ = draw_callers(groups, y, settings.bootstraps, rng)
            found = cut_out_of_bag(score, y, groups, counts, rule=rule, prevalence=settings.prevalence)
            for quantity in found.columns:
                values = found[quantity].to_numpy(dtype=np.float64)
                values = values[np.isfinite(values)]
                if len(values):
                    low, high = np.quantile(values, [0.025, 0.975])
                    sd = values.std(ddof=1) if len(values) > 1 else np.nan
                    rows.append((*names, quantity, values.mean(), sd, low, high, len(values)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
