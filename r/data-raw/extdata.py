"""Make the example model and the example study of the R package.

Run from the repository's root: `python r/data-raw/extdata.py calls.csv results`, where `calls.csv` is
`calls_example` written by R and `results` is the results folder of the demo.
"""

import shutil
import sys
from pathlib import Path

import pandas as pd

from voicerisk.models import GamBoost

TARGET = Path("r/inst/extdata")
KEPT = ["roughness", "specSlope"]
METRICS = ["auroc", "average_precision", "sensitivity", "specificity", "calibration_slope", "brier"]


def model(calls: Path) -> None:
    """Boost the example calls and save the model."""
    table = pd.read_csv(calls)
    boosted = GamBoost(markers=["dom", "loudness", "roughness"], mstop=60)
    boosted.fit(table[["dom", "loudness", "roughness", "sex"]], table["outcome"])
    boosted.save(TARGET / "model.json")


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


model(Path(sys.argv[1]))
study(Path(sys.argv[2]))
