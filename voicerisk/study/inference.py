"""What explains the outcome on all calls: the Lasso and the GAMM.

Nothing here validates anything: all labels are seen. The tables say so.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import VoiceriskError
from voicerisk.files import write_csv, write_json
from voicerisk.models import GammSettings
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.study.design import ModelTables
from voicerisk.study.screening import screen_all, screening_rows
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
        rows = screening_rows(tables, settings.unit)
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


GAMM_TABLES = ("smooths", "terms", "curves", "variance", "fit")


def gamm_study(study: Study, tables: ModelTables, chosen: tuple[str, ...], folder: ResultsFolder) -> Written:
    """Fit the GAMM on all calls; write `gamm/*.csv`, `gamm/model.rds` and `gamm/notes.json`."""
    optional = [folder.file(f"gamm/{name}.csv") for name in ("differences", "caller_split")]
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

    from voicerisk.models import fit_gamm
    from voicerisk.models.gamm import tables as gamm_tables

    settings, added = random_intercepts(study.gamm, tables.calls)
    table = gamm_table(tables, chosen, settings.level, study.cohort.covariates)
    table, left_out = gamm_levels(tables.moderator, table)
    added += left_out
    fit = fit_gamm(
        table,
        chosen,
        settings,
        sex=gamm_column(tables.moderator),
        rds_path=folder.file("gamm/model.rds"),
        covariates=study.cohort.covariates,
        linear=linear_terms(study, chosen),
        selected_on_same_labels=study.screening.unit != "none",
        seed=study.validation.seed,
    )
    for name in GAMM_TABLES:
        # How long it took differs from run to run; the manifest says it for the stage.
        write_csv(folder.file(f"gamm/{name}.csv"), fit.table(name).drop(columns="seconds", errors="ignore"))
    notes: dict[str, Any] = {
        "kept": list(fit.kept),
        "separated": fit.separated,
        "readable": fit.readable.model,
        "versions": fit.versions,
        "notes": [*added, *fit.notes, *(fit.beside.notes if fit.beside else ())],
        "warnings": [*fit.warnings, *(fit.beside.warnings if fit.beside else ())],
    }
    write_json(folder.file("gamm/notes.json"), notes)
    written = [f"gamm/{name}.csv" for name in GAMM_TABLES]
    if fit.readable.rds_path is not None and table[gamm_column(tables.moderator)].nunique() == 2:
        differences = gamm_tables.differences(fit.readable.rds_path, seed=study.validation.seed)
        write_csv(folder.file("gamm/differences.csv"), differences)
        written.append("gamm/differences.csv")
    split, told = caller_split_study(study, tables, settings, fit.separated, folder)
    written += split
    models = [
        file.relative_to(folder.path).as_posix() for file in sorted(folder.file("gamm").glob("model*.rds"))
    ]
    return [*written, "gamm/notes.json", *models], list(dict.fromkeys([*notes["notes"], *told]))


def caller_split_study(
    study: Study, tables: ModelTables, settings: GammSettings, separated: bool, folder: ResultsFolder
) -> Written:
    """Select markers on one half of the callers, test them on the other; write `gamm/caller_split.csv`.

    Where the outcome is constant within callers the tests are those without random intercepts, the caller as
    the unit. Where a half is too small for the Lasso or the GAMM there is no table, and a note says why.
    """
    if not settings.caller_split:
        return [], []
    if study.screening.unit == "none":
        return [], ["No caller split: nothing was selected, so the tests of the GAMM are as they stand."]
    from voicerisk.models import fit_gamm
    from voicerisk.models.gamm.p_values import caller_split

    seed, calls = study.validation.seed, tables.calls
    rows = screening_rows(tables, study.screening.unit)
    lacking = "No caller split: "
    try:
        first, _ = caller_split(calls, y="y", sex=(study.cohort.moderator_column or "sex"), seed=seed)
        halves = [set(calls.loc[half, "caller_id"]) for half in (first, ~first)]
        mine = np.isin(rows.caller.astype(str), [str(caller) for caller in halves[0]])
        chosen = screen_all(
            rows.take(mine), study.screening, study.validation.inner_folds, None, seed
        ).selected
        if not chosen:
            return [], [f"{lacking}the Lasso on one half of the callers kept no marker."]
        table = gamm_table(tables, chosen, settings.level, study.cohort.covariates)
        table, _ = gamm_levels(tables.moderator, table)
        fit = fit_gamm(
            table[table["caller_id"].isin(halves[1])],
            chosen,
            replace(settings, random=() if separated else settings.random, drop=False),
            sex=gamm_column(tables.moderator),
            covariates=study.cohort.covariates,
            linear=linear_terms(study, chosen),
            selected_on_same_labels=False,
            seed=seed,
        )
    except VoiceriskError as failure:
        return [], [f"{lacking}{failure}"]
    smooths = fit.readable.smooths.assign(
        n_callers_selected_on=len(halves[0]), n_callers_tested_on=len(halves[1])
    )
    write_csv(folder.file("gamm/caller_split.csv"), smooths)
    return ["gamm/caller_split.csv"], []


def linear_terms(study: Study, chosen: tuple[str, ...]) -> list[str]:
    """Return what enters the GAMM linearly: the 0/1 marker, and what the study names."""
    named = set(study.gamm.linear)
    return [name for name in (*chosen, *study.cohort.covariates) if name == "voiced" or name in named]


def random_intercepts(settings: GammSettings, calls: pd.DataFrame) -> tuple[GammSettings, list[str]]:
    """Add an intercept for the call within the caller where callers have several calls.

    Without it frames and segments of one call would count as independent, and the tests of the smooths reject
    far too often.
    """
    if settings.random != ("caller",) or not calls["caller_id"].duplicated().any():
        return settings, []
    note = "Callers have several calls: a random intercept for the call within the caller was added."
    return replace(settings, random=("caller", "call")), [note]


def gamm_column(moderator: Moderator | None) -> str:
    """Return what the moderator's column is called in the GAMM's table."""
    return "moderator" if moderator is None else moderator.name


def gamm_levels(moderator: Moderator | None, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows of levels with too few callers for a curve that could be tested, and say how many."""
    if moderator is None or not moderator.shared:
        return table, []
    few = table[gamm_column(moderator)].isin(moderator.shared)
    note = (
        f"{moderator.name}: {table.loc[few, 'caller_id'].nunique()} callers of {', '.join(moderator.shared)} "
        f"({few.sum()} rows) are not in the GAMM: a level with so few callers has no curve to test. The "
        "score is learned from them too."
    )
    return table[~few], [note]


def gamm_table(
    tables: ModelTables, chosen: tuple[str, ...], level: str, covariates: tuple[str, ...]
) -> pd.DataFrame:
    """Return the rows of the GAMM: segments or frames with outcome, level, covariates and markers."""
    by_frame = level == "frame" or any(marker not in tables.segments for marker in chosen)
    rows = tables.frames if by_frame else tables.segments
    of_rows = tables.of_frames if by_frame else tables.of_segments
    table = rows[["call_id", "caller_id", "segment", *chosen]].assign(outcome=of_rows("y").astype(int))
    moderator = tables.moderator
    levels = "all callers" if moderator is None else of_rows(moderator.name)
    table[gamm_column(moderator)] = levels if moderator is None else pd.Series(levels).map(str).to_numpy()
    return table.assign(**{name: of_rows(name) for name in covariates})
