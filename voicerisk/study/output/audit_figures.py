"""The figures of an audit, from the tables that it left in the results folder."""

import numpy as np
import pandas as pd

from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table

FOLDER = "audit"


def audit_pictures(folder: ResultsFolder) -> list[tuple[str, pd.DataFrame, dict[str, pd.DataFrame]]]:
    """Return name, table and parts of the audit's figures, from what it wrote; none where there was none."""
    file = folder.file(f"{FOLDER}/ladder.csv")
    if not file.is_file():
        return []
    pictures: list[tuple[str, pd.DataFrame, dict[str, pd.DataFrame]]]
    pictures = [("audit_ladder", read_table(folder.path, f"{FOLDER}/ladder"), {})]
    draws = folder.file(f"{FOLDER}/permutations.csv")
    if draws.is_file():
        table = read_table(folder.path, f"{FOLDER}/permutations")
        tests = read_table(folder.path, f"{FOLDER}/tests").set_index("scheme")
        honest = table[(table["rung"] == "honest") & (table["permutation"] > 0)]
        names = {"all": "among all callers", "strata": "within strata"}
        pictures.append(
            (
                "permutation_null",
                pd.DataFrame(
                    {
                        "kind": honest["scheme"].map(names),
                        "metric": "auroc",
                        "value": honest["auroc_kfold"],
                        "observed": honest["scheme"].map(tests["observed"]),
                    }
                ),
                {},
            )
        )
    if folder.file(f"{FOLDER}/instability.csv").is_file():
        table = read_table(folder.path, f"{FOLDER}/instability")
        parts = {}
        if folder.file(f"{FOLDER}/calibration_instability.csv").is_file():
            parts = {"calibration": read_table(folder.path, f"{FOLDER}/calibration_instability")}
        pictures.append(("instability", table.drop(columns="call_id"), parts))
    return pictures


def with_bands(folder: ResultsFolder, effects: pd.DataFrame) -> pd.DataFrame:
    """Return partial effects with the bands of an audit's refits; as they are where there are none.

    Bands of an audit that thinned the frames are of other models, and are not taken.
    """
    if not folder.file(f"{FOLDER}/effect_bands.csv").is_file():
        return effects
    bands = read_table(folder.path, f"{FOLDER}/effect_bands")
    if (bands["frames_per_caller"] != "all").any():
        return effects
    lower, upper = np.full(len(effects), np.nan), np.full(len(effects), np.nan)
    for row in effects[["marker", "sex"]].drop_duplicates().itertuples(index=False):
        own, known = (
            table[(table["marker"] == row.marker) & (table["sex"] == row.sex)] for table in (effects, bands)
        )
        if known.empty:
            return effects
        place, known = effects.index.get_indexer(own.index), known.sort_values("x")
        lower[place], upper[place] = (
            np.interp(own["x"], known["x"], known[end]) for end in ("lower", "upper")
        )
    return effects.assign(lower=lower, upper=upper)
