"""The procedure once on all callers: the model that is handed out, and its apparent performance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table, strata_columns
from voicerisk.callers.schema import check_calls
from voicerisk.types import Progress
from voicerisk.validation.contract import FitPaths, TrainingSet
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.metrics.recalibration import Recalibration
from voicerisk.validation.protocols.choice import Choice
from voicerisk.validation.protocols.fold_plan import plan_whole
from voicerisk.validation.protocols.outer_fold import finish_fold
from voicerisk.validation.protocols.result_tables import shared_cuts
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import ValidationSettings

SHOWN = ("auroc", "average_precision", "brier", "sensitivity", "specificity", "youden_j", "accuracy",
         "calibration_slope")  # fmt: skip
# A loss: optimism is how much smaller it looks.
LOSSES = ("brier",)


@dataclass(frozen=True, slots=True)
class LearnedOnAll:
    """A procedure run once on all callers: what a study hands out, and how it looks on its own callers.

    Attributes
    ----------
    asked : TrainingSet
        The model of all callers; a refitting function finds its fit by it.
    choice : Choice
        Step or weights of members.
    calibration : Recalibration or None
        Learned on inner out-of-fold scores of all callers; None where the protocol has none.
    cut : float or None
        None where no cut could be learned.
    prior : float or None
        pi0, at which a recalibrated score is a risk; None where the protocol holds no prior.
    scores : DataFrame
        call_id, caller_id, y, p_raw, p, threshold of the callers learned from.
    """

    asked: TrainingSet
    choice: Choice
    calibration: Recalibration | None
    cut: float | None
    prior: float | None
    scores: pd.DataFrame

    @property
    def step(self) -> int | None:
        """Number of boosting steps taken; None where members are."""
        return self.choice.step

    def as_dict(self) -> dict[str, Any]:
        """Return what was learned, JSON-ready."""
        line = self.calibration
        return {
            "mstop": self.step,
            "member_weights": {
                member.name: float(weight)
                for member, weight in zip(self.choice.members, self.choice.weights, strict=True)
            },
            "intercept": None if line is None else line.intercept,
            "slope": None if line is None else line.slope,
            "threshold": self.cut,
            "class_prior": self.prior,
        }


def learn_on_all(
    calls: pd.DataFrame,
    fit_paths: FitPaths,
    settings: ValidationSettings,
    switches: Switches,
    progress: Progress | None = None,
) -> LearnedOnAll:
    """Run a procedure once on all callers, every step as in each fold of the protocol that validates it.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and strata.
    fit_paths : FitPaths
    settings : ValidationSettings
    switches : Switches
        `PUBLISHED` or `NESTED`: steps, recalibration and cut are learned as the protocol learns them, from
        inner folds of all callers or from the scores themselves.
    progress : callable, optional

    Returns
    -------
    LearnedOnAll
    """
    table = check_calls(calls)
    callers = caller_table(table, strata_columns(table))
    prior = settings.prior if settings.prior is not None else float(table["y"].mean())
    weighted = prior if switches.constant_prior else None
    whole = plan_whole(callers, settings, f"{switches.name}/all", weighted, switches.inner)
    paths = iter(fit_paths([*whole.inner, whole.outer], progress))
    done = finish_fold(whole, paths, table, settings, switches, prior)
    order = np.argsort(done.rows)
    score = done.score[order]
    # Exhausted, so that the last of a fit's checkpoints is written.
    next(paths, None)
    cut = done.cut
    if cut is None:
        cut = shared_cuts([done], table, settings, switches)[whole.design, whole.repeat]
    line = done.calibration
    scores = table[["call_id", "caller_id", "y"]].assign(
        p_raw=score, p=score if line is None else line(score), threshold=cut.threshold
    )
    return LearnedOnAll(
        asked=whole.outer,
        choice=done.choice,
        calibration=line,
        cut=None if np.isnan(cut.threshold) else cut.threshold,
        prior=prior if switches.constant_prior else None,
        scores=scores,
    )


def optimism_table(metrics: pd.DataFrame, scores: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Put the apparent beside the validated performance of calls.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv.
    scores : DataFrame
        Of `LearnedOnAll`.
    protocol : str

    Returns
    -------
    DataFrame
        protocol, design, metric, apparent, validated, optimism (how much better the apparent one looks; of
        a calibration slope its distance from the validated one).
    """
    from voicerisk.validation.metrics.calibration import calibration_line
    from voicerisk.validation.metrics.decisions import decision_metrics
    from voicerisk.validation.metrics.ranking import rank_statistics

    y, raw = scores["y"].to_numpy(), scores["p_raw"].to_numpy(dtype=np.float64)
    p = scores["p"].to_numpy(dtype=np.float64)
    alone, once = np.zeros(len(y), dtype=np.int64), np.ones((1, 1))
    apparent = {
        "auroc": auroc(y, raw),
        "average_precision": float(rank_statistics(raw, y, alone, once).average_precision[0]),
        "brier": float(((p - y) ** 2).mean()),
        "calibration_slope": calibration_line(y, p).slope if np.ptp(p) > 0 else np.nan,
    }
    cut = scores["threshold"].to_numpy(dtype=np.float64)
    if not np.isnan(cut).any():
        decided = decision_metrics(y == 1, raw >= cut, alone, np.ones(len(y)), once)
        apparent |= {name: float(values[0]) for name, values in decided.items() if name in SHOWN}
    rows = metrics[
        (metrics["protocol"] == protocol) & (metrics["unit"] == "call") & (metrics["subgroup"] == "all")
    ].drop_duplicates(["design", "metric"])
    out = []
    for row in rows[rows["metric"].isin(SHOWN)].to_dict("records"):
        seen = apparent.get(str(row["metric"]), np.nan)
        gap = seen - float(row["estimate"])
        out.append(
            {
                "protocol": protocol, "design": row["design"], "metric": row["metric"], "apparent": seen,
                "validated": row["estimate"], "optimism": -gap if row["metric"] in LOSSES else gap,
            }
        )  # fmt: skip
    columns = ["protocol", "design", "metric", "apparent", "validated", "optimism"]
    return pd.DataFrame(out, columns=columns)
