"""The figures of an audit, from the tables that it left in the results folder."""

import pandas as pd

from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table

FOLDER = "audit"


def audit_pictures(folder: ResultsFolder) -> list[tuple[str, pd.DataFrame]]:
    """Return the tables of the audit's figures, from what an audit wrote; none where there was none."""
    file = folder.file(f"{FOLDER}/ladder.csv")
    if not file.is_file():
        return []
    pictures = [("audit_ladder", read_table(folder.path, f"{FOLDER}/ladder"))]
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
            )
        )
    if folder.file(f"{FOLDER}/instability.csv").is_file():
        table = read_table(folder.path, f"{FOLDER}/instability")
        pictures.append(("instability", table.drop(columns="call_id")))
    return pictures
