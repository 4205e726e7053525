"""Running one protocol of a study: which markers and knots its models may see, and what is written."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.files import PRIVATE, write_csv, write_json, write_parquet
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, members_of, takes_gamboost
from voicerisk.study.fitting.fitters import GamboostFitter, LearnedWhere
from voicerisk.study.settings import Study
from voicerisk.validation import run_nested, run_published

# The nested protocol chooses the number of steps on inner folds; it looks up to this multiple of [boost]
# mstop.
NESTED_STEPS = 3


def fitter_of(
    study: Study, protocol: str, tables: ModelTables, chosen: tuple[str, ...], checkpoints: Path, jobs: int
) -> GamboostFitter:
    """Return the refitting function of a protocol.

    `published` takes the markers chosen on all data and knots over all rows; `nested` learns both inside each
    training set, clamps held-out values to its knots and has no caller effects. The study file may set knots
    and clamping otherwise.
    """
    published = protocol == "published"
    boost = study.boost
    learned = LearnedWhere(
        screening=chosen if published else None,
        boundary=boost.boundary_knots or ("all" if published else "train"),
        outside=boost.outside or ("extrapolate" if published else "clamp"),
        fast=study.validation.fast and not published,
    )
    return GamboostFitter(
        tables=tables,
        boost=boost if published else replace(boost, brandom=False),
        screening=study.screening,
        inner_folds=study.validation.inner_folds,
        learned=learned,
        mstop=boost.mstop if published else NESTED_STEPS * boost.mstop,
        checkpoints=checkpoints,
        seed=study.validation.seed,
        jobs=jobs,
        patience=None if published else boost.patience,
    )


def procedure_of(
    study: Study, protocol: str, tables: ModelTables, chosen: tuple[str, ...], checkpoints: Path, jobs: int
) -> "GamboostFitter | FamilyFitter":
    """Return what refits a protocol: gamboost as published, or the family of the nested protocol."""
    boosted = fitter_of(study, protocol, tables, chosen, checkpoints, jobs)
    return family_of(study, tables, boosted) if protocol == "nested" else boosted


def family_of(study: Study, tables: ModelTables, boosted: GamboostFitter) -> "GamboostFitter | FamilyFitter":
    """Return what refits the family that the study names; `boosted` is its gamboost."""
    family = study.validation.family
    members = members_of(family, tables.moderator)
    if not members:
        return boosted
    forced = tables.covariates if study.boost.forced else ()
    return FamilyFitter(tables, members, boosted if takes_gamboost(family) else None, forced)


def run_protocol_stage(
    study: Study,
    name: str,
    tables: ModelTables,
    chosen: tuple[str, ...],
    folder: ResultsFolder,
    mark: str,
    jobs: int,
    move: Callable[[int, int], None],
) -> tuple[list[str], list[str]]:
    """Run a protocol; write its predictions, and beside the state its cuts, tuning, provenance and notes."""
    fitter = procedure_of(study, name, tables, chosen, folder.checkpoints(name, mark), jobs)
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *_strata(study, tables)]]
    run = run_published if name == "published" else run_nested
    result = run(calls, fitter, study.validation, move, model=model_name(study, name, tables))

    write_parquet(folder.file(f"predictions_{name}.parquet"), result.predictions)
    part = part_of(name)
    write_csv(folder.file(f"{part}/thresholds.csv"), result.thresholds)
    write_csv(folder.file(f"{part}/tuning.csv"), result.tuning)
    write_json(folder.file(f"{part}/provenance.json"), result.provenance, PRIVATE)
    write_json(folder.file(f"{part}/notes.json"), result.notes)
    folder.drop_checkpoints(name)
    outputs = [f"{part}/{file}" for file in ("thresholds.csv", "tuning.csv", "provenance.json", "notes.json")]
    return [f"predictions_{name}.parquet", *outputs], _spoken(result.notes, NESTED_STEPS * study.boost.mstop)


def model_name(study: Study, protocol: str, tables: ModelTables) -> str:
    """Return what the model of a protocol is called in tables."""
    family = study.validation.family
    if protocol != "nested" or not members_of(family, tables.moderator):
        return "gamboost"
    return "call_models_or_gamboost" if takes_gamboost(family) else "call_models"


def part_of(protocol: str) -> str:
    """Return where a protocol's own tables lie until the metrics stage joins them."""
    return f".state/protocols/{protocol}"


def _strata(study: Study, tables: ModelTables) -> list[str]:
    """Return the moderator, sex and what the study names; folds, alarms and subgroups go by them."""
    return list(study.cohort.groups)


def _spoken(notes: dict[str, Any], steps: int) -> list[str]:
    """Return what a reader must know of the folds, as sentences."""
    folds = notes["folds"]
    said = {
        "folds_with_empty_selection": "the Lasso kept no marker, so that sex alone predicts",
        "folds_at_step_0": "no boosting step improved the held-out deviance, so that the score is constant",
        "folds_at_last_step": f"the last of {steps} steps was the best; a larger [boost] mstop may do better",
        "folds_with_flat_recalibration": "the inner scores did not rise with risk: p is the class prior",
        "folds_with_separated_recalibration": "inner scores separated the classes: p has smoothed targets",
        "folds_without_cut": "no cut could be taken",
    }
    return [f"In {notes[key]} of {folds} folds {text}." for key, text in said.items() if notes.get(key)]


def joined(folder: ResultsFolder, protocols: Sequence[str], table: str) -> pd.DataFrame:
    """Return one table of all protocols, stacked."""
    return pd.concat([read_table(folder.file(part_of(name)), table) for name in protocols], ignore_index=True)
