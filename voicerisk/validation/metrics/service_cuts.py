"""Several cuts side by side, in calls that a service would count."""

import numpy as np
import pandas as pd

from voicerisk.callers.draws import draw_callers
from voicerisk.callers.streams import Stream, generator
from voicerisk.validation.cut_rule import CutRule
from voicerisk.validation.metrics.youden import cut_out_of_bag
from voicerisk.validation.settings import ValidationSettings

CALLS = 1000
BOOTSTRAPS = 200
RULES: tuple[tuple[str, CutRule | None], ...] = (
    ("youden", None),
    ("sensitivity 0.95", CutRule("sensitivity", 0.95)),
    ("sensitivity 0.8", CutRule("sensitivity", 0.8)),
    ("cost 10", CutRule("cost", 10.0)),
    ("capacity 10", CutRule("capacity", 10.0)),
)
DESIGNS = ("grouped_kfold", "loco")


def service_cuts(predictions: pd.DataFrame, settings: ValidationSettings) -> pd.DataFrame:
    """Put the cuts of several rules beside each other, judged out of bag and in calls.

    Each cut is learned on callers drawn with replacement and judged on the callers not drawn. Given are means
    over these draws: what a service can expect that sets its cut on calls like these.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table. Calls of the nested protocol are taken, of the first repeat of grouped k-fold,
        else of leave-one-caller-out.
    settings : ValidationSettings
        Its seed; its prevalence, where it has one, else the share of these calls with the outcome.

    Returns
    -------
    DataFrame
        rule, design, sensitivity, specificity, lower and upper of both (2.5 and 97.5 % of the draws),
        prevalence, and of 1,000 calls at it: with_outcome, found, missed, false_alarms, flagged; n_boot.
        Empty where there is nothing to cut.
    """
    calls = predictions[(predictions["protocol"] == "nested") & (predictions["unit"] == "call")]
    rows = []
    for design in DESIGNS:
        part = calls[calls["design"] == design]
        part = part[part["repeat"] == part["repeat"].min()]
        y, score = part["y"].to_numpy(dtype=np.int64), part["p_raw"].to_numpy(dtype=np.float64)
        if len(part) == 0 or len(set(y)) < 2 or np.ptp(score) == 0:
            continue
        pi = float(y.mean()) if settings.prevalence is None else settings.prevalence
        groups = np.unique(part["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
        for name, rule in RULES:
            rng = generator(Stream.CUT_STABILITY, settings.seed)
            counts, _ = draw_callers(groups, y, BOOTSTRAPS, rng)
            drawn = cut_out_of_bag(score, y, groups, counts, rule=rule, prevalence=pi)
            drawn = drawn[["sensitivity_oob", "specificity_oob"]].dropna()
            if len(drawn):
                rows.append({"rule": name, "design": design, **_in_calls(drawn, pi), "n_boot": len(drawn)})
        break
    return pd.DataFrame(rows)


def _in_calls(drawn: pd.DataFrame, pi: float) -> dict[str, float]:
    means = drawn.mean()
    sensitivity, specificity = float(means["sensitivity_oob"]), float(means["specificity_oob"])
    low, high = (drawn.quantile(q) for q in (0.025, 0.975))
    sick = pi * CALLS
    found, false = sensitivity * sick, (1.0 - specificity) * (CALLS - sick)
    return {
        "sensitivity": sensitivity,
        "sensitivity_lower": float(low["sensitivity_oob"]),
        "sensitivity_upper": float(high["sensitivity_oob"]),
        "specificity": specificity,
        "specificity_lower": float(low["specificity_oob"]),
        "specificity_upper": float(high["specificity_oob"]),
        "prevalence": pi,
        "with_outcome": sick,
        "found": found,
        "missed": sick - found,
        "false_alarms": false,
        "flagged": found + false,
    }
