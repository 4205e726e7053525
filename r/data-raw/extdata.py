"""Make the example model and the example study of the R package.

Run from the repository's root: `python r/data-raw/extdata.py calls.csv results`, where `calls.csv` is
`calls_example` written by R and `results` is the results folder of the demo.
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.callers.weights import training_weights
from voicerisk.models import GamBoost, write_model
from voicerisk.models.saved.procedure import Procedure
from voicerisk.validation.metrics.recalibration import recalibrate
from voicerisk.validation.metrics.youden import bootstrap_youden

TARGET = Path("r/inst/extdata")
KEPT = ["roughness", "specSlope"]
METRICS = ["auroc", "average_precision", "sensitivity", "specificity", "calibration_slope", "brier"]


def model(calls: Path) -> None:
    """Boost the example calls; learn recalibration and cut from five folds of whole callers; save it all."""
    table = pd.read_csv(calls)
    markers = ["dom", "loudness", "roughness", "sex"]
    fold = table["caller_id"].astype("category").cat.codes % 5

    def fitted(rows: pd.DataFrame) -> GamBoost:
        return GamBoost(markers=markers[:3], mstop=60).fit(rows[markers], rows["outcome"])

    table["score"] = 0.0
    for held_out in range(5):
        scores = fitted(table[fold != held_out]).predict_proba(table.loc[fold == held_out, markers])
        table.loc[fold == held_out, "score"] = scores[:, 1]
    of_call = table.groupby(["caller_id", "call_id"], as_index=False)[["score", "outcome"]].mean()
    score, y = of_call["score"].to_numpy(), of_call["outcome"].to_numpy()
    prior = float(y.mean())
    line = recalibrate(score, y, training_weights(of_call["caller_id"], y, prior), prior)
    cut = bootstrap_youden(score, y, np.arange(len(y)), np.random.default_rng(1), midpoints=True)
    procedure = Procedure("nested", line.intercept, line.slope, cut.threshold, prior)
    write_model(TARGET / "model.json", replace(fitted(table).scoring_model(), procedure=procedure))


def study(results: Path) -> None:
    """Keep a small part of a study's tables: two markers, the metrics of calls, the figures' tables."""
    target = TARGET / "study"
    shutil.rmtree(target, ignore_errors=True)
    wanted = [
        "metrics.csv", "thresholds.csv", "screening.csv", "lasso_path.csv", "flow.csv",
        "gamm/smooths.csv", "gamm/terms.csv", "figures/gamm_curves.csv", "figures/gamm_curves.smooths.csv",
        "figures/difference_curves.csv", "figures/partial_effects.csv", "figures/labels.csv",
        "figures/roc.csv", "figures/calibration.csv", "figures/calibration.strip.csv",
        "figures/decision_curves.csv", "figures/score_dots--nested.csv", "figures/score_dots--published.csv",
    ]  # fmt: skip
    for name in wanted:
        table = pd.read_csv(results / name, dtype={"call_id": str, "caller_id": str})
        if "marker" in table and name != "screening.csv":
            table = table[table["marker"].isin(KEPT)]
        if name == "metrics.csv":
            table = table.query("unit == 'call' and subgroup == 'all' and metric in @METRICS")
        if "x" in table:
            table = table.iloc[::2]
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(target / name, index=False, float_format="%.6g")


if __name__ == "__main__":
    model(Path(sys.argv[1]))
    study(Path(sys.argv[2]))
