"""Where too many folds of the nested protocol learned nothing: how many, and how many callers would do."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from voicerisk.files import write_csv
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table
from voicerisk.report.answer import FOLDS_CONSTANT, TOO_MANY
from voicerisk.study.power import power_curve, spoken_power
from voicerisk.study.protocols import part_of
from voicerisk.study.settings import Study

SUPPOSED = 0.75  # AUROC of the best score of a study that could find one
COHORTS = 6
INNER_FOLDS = 5  # enough to tell whether a model learns
LARGER = (1, 3)
MOST = 640


def constant_folds(folder: ResultsFolder, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the share of folds of the nested protocol that learned nothing, a row of metrics a design.

    Parameters
    ----------
    folder : ResultsFolder
    metrics : DataFrame
        The schema of metrics.csv, with the AUROC of the nested protocol.
    """
    notes = json.loads(folder.file(f"{part_of('nested')}/notes.json").read_text(encoding="utf-8"))
    rows = metrics[
        (metrics["protocol"] == "nested")
        & (metrics["unit"] == "call")
        & (metrics["subgroup"] == "all")
        & (metrics["metric"] == "auroc")
    ].drop_duplicates("design")
    shares = rows["design"].map(notes["share_constant"])
    return rows.assign(metric=FOLDS_CONSTANT, estimate=shares, lower=np.nan, upper=np.nan, method="count")


def how_many_callers(
    study: Study, folder: ResultsFolder, metrics: pd.DataFrame
) -> tuple[list[str], list[str]]:
    """Write `power.csv` where too many folds learned nothing; return its name, and a sentence.

    Parameters
    ----------
    study : Study
    folder : ResultsFolder
    metrics : DataFrame
        With the rows of `constant_folds`.
    """
    file = folder.file("power.csv")
    shares = metrics.loc[metrics["metric"] == FOLDS_CONSTANT, "estimate"]
    if not (shares > TOO_MANY).any():
        file.unlink(missing_ok=True)
        return [], []
    first = metrics[(metrics["protocol"] == "nested") & (metrics["unit"] == "call")].iloc[0]
    n, markers = int(first["n_callers"]), int(read_table(folder.path, "screening")["marker"].nunique())
    curve = power_curve(
        SUPPOSED,
        float(first["n_events"] / first["n"]),
        markers=markers,
        sizes=sorted({min(n * factor, max(n, MOST)) for factor in LARGER}),
        cohorts=COHORTS,
        settings=replace(study.validation, inner_folds=min(study.validation.inner_folds, INNER_FOLDS)),
    )
    write_csv(file, curve)
    return ["power.csv"], [spoken_power(curve, SUPPOSED, markers)]
