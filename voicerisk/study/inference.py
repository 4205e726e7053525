"""What explains the outcome on all calls: the Lasso and the GAMM.

Nothing here validates anything: all labels are seen. The tables say so.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.files import write_csv, write_json
from voicerisk.models import GammSettings
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.gamm_rows import (
    compares_curves,
    gamm_column,
    gamm_levels,
    gamm_table,
    linear_terms,
)
from voicerisk.study.fitting.screening import screen_all, screening_rows
from voicerisk.study.selective import (
    caller_split_tests,
    selective_moderation,
    selective_smooths,
    selective_terms,
)
from voicerisk.study.settings import Study

Written = tuple[list[str], list[str]]


def screen_study(study: Study, tables: ModelTables, folder: ResultsFolder) -> Written:
    """Run the Lasso on all calls, as published; write `screening.csv` and `lasso_path.csv`."""
    settings = study.screening
    if settings.unit == "none":
        chosen = pd.DataFrame(
            {"marker": list(tables.markers), "term": list(tables.markers), "selected": True}
        )
        path = pd.DataFrame(columns=["lambda", "deviance", "se", "n_nonzero"])
        notes = ["Screening is off: every marker enters the models."]
    else:
        rows = screening_rows(tables, settings)
        result = screen_all(rows, settings, study.validation.inner_folds, None, study.validation.seed)
        chosen = result.coefficients
        path = result.path.assign(
            is_min=np.isclose(result.path["lambda"], result.lambda_min),
            is_1se=np.isclose(result.path["lambda"], result.lambda_1se),
        )
        notes = [f"The Lasso kept {len(result.selected)} of {len(tables.markers)} markers.", *result.notes]
        if not result.selected:
            notes.append(
                "No marker predicts better than the prevalence on all data: the set is empty, which is legal."
            )
    write_csv(folder.file("screening.csv"), chosen)
    write_csv(folder.file("lasso_path.csv"), path)
    return ["screening.csv", "lasso_path.csv"], notes


NO_CURVES = (
    "Whether curves differ between levels was not tested: with so many rows and markers the fit that it "
    "takes would last minutes."
)
GAMM_TABLES = ("smooths", "terms", "curves", "variance", "fit")


def gamm_study(study: Study, tables: ModelTables, chosen: tuple[str, ...], folder: ResultsFolder) -> Written:
    """Fit the GAMM on all calls; write `gamm/*.csv`, `gamm/model.rds` and `gamm/notes.json`."""
    optional = [folder.file(f"gamm/{name}.csv") for name in ("differences", "moderation", "caller_split")]
    for stale in [*folder.file("gamm").glob("model*.rds"), *optional]:
        stale.unlink(missing_ok=True)
    if not chosen:
        note = "No GAMM: the screening left no marker."
        for name in GAMM_TABLES:
            write_csv(folder.file(f"gamm/{name}.csv"), pd.DataFrame())
        write_json(
            folder.file("gamm/notes.json"), {"kept": [], "separated": False, "notes": [note], "warnings": []}
        )
        return [*(f"gamm/{name}.csv" for name in GAMM_TABLES), "gamm/notes.json"], [note]

    from voicerisk.models import GammModel, fit_gamm
    from voicerisk.models.gamm import tables as gamm_tables

    settings, added = random_intercepts(study.gamm, tables.calls)
    table = gamm_table(tables, chosen, settings.level, study.cohort.covariates)
    table, left_out = gamm_levels(tables.moderator, table)
    added += left_out
    model = GammModel.of(
        settings,
        sex=gamm_column(tables.moderator),
        covariates=study.cohort.covariates,
        linear=linear_terms(study, chosen),
        selected_on_same_labels=study.screening.unit != "none",
        seed=study.validation.seed,
    )
    fit = fit_gamm(table, chosen, model, folder.file("gamm/model.rds"))
    curves = compares_curves(len(table), len(chosen), table[gamm_column(tables.moderator)].nunique())
    split = caller_split_tests(study, tables, settings, fit.separated)
    selected, naive = study.screening.unit != "none", settings.naive_p
    for name in GAMM_TABLES:
        # How long it took differs from run to run; the manifest says it for the stage.
        part = fit.table(name).drop(columns="seconds", errors="ignore")
        if name == "smooths":
            part = selective_smooths(part, fit.readable.model, selected, naive, split)
        elif name == "terms":
            part = selective_terms(part, chosen, selected, naive)
        write_csv(folder.file(f"gamm/{name}.csv"), part)
    notes: dict[str, Any] = {
        "kept": list(fit.kept),
        "separated": fit.separated,
        "readable": fit.readable.model,
        "versions": fit.versions,
        "notes": [
            *added,
            *([] if curves else [NO_CURVES]),
            *fit.notes,
            *(fit.beside.notes if fit.beside else ()),
            *split.notes,
        ],
        "warnings": [*fit.warnings, *(fit.beside.warnings if fit.beside else ())],
    }
    write_json(folder.file("gamm/notes.json"), notes)
    written = [f"gamm/{name}.csv" for name in GAMM_TABLES]
    if fit.readable.rds_path is not None and table[gamm_column(tables.moderator)].nunique() == 2:
        differences = gamm_tables.differences(fit.readable.rds_path, seed=study.validation.seed)
        write_csv(folder.file("gamm/differences.csv"), differences)
        written.append("gamm/differences.csv")
    if fit.readable.rds_path is not None and table[gamm_column(tables.moderator)].nunique() > 1:
        moderation = gamm_tables.moderation(fit.readable.rds_path, curves=curves)
        write_csv(
            folder.file("gamm/moderation.csv"), selective_moderation(moderation, selected, naive, split)
        )
        written.append("gamm/moderation.csv")
    if split.smooths is not None:
        write_csv(folder.file("gamm/caller_split.csv"), split.smooths)
        written.append("gamm/caller_split.csv")
    models = [
        file.relative_to(folder.path).as_posix() for file in sorted(folder.file("gamm").glob("model*.rds"))
    ]
    return [*written, "gamm/notes.json", *models], list(dict.fromkeys(notes["notes"]))


def random_intercepts(settings: GammSettings, calls: pd.DataFrame) -> tuple[GammSettings, list[str]]:
    """Add an intercept for the call within the caller where callers have several calls.

    Without it frames and segments of one call would count as independent, and the tests of the smooths reject
    far too often.
    """
    if settings.random != ("caller",) or not calls["caller_id"].duplicated().any():
        return settings, []
    note = "Callers have several calls: a random intercept for the call within the caller was added."
    return replace(settings, random=("caller", "call")), [note]
