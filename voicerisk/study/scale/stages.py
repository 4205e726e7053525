"""Studies of ordered grades or of a number: validated, measured, saved and shown from call to report."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.biomarkers import DEFINITION_VERSION
from voicerisk.cohort.settings import ORDINAL
from voicerisk.files import write_csv, write_json, write_parquet
from voicerisk.models.calls.additive import additive_model, call_effects
from voicerisk.models.calls.losses import Grades, Loss, Numbers
from voicerisk.models.calls.model import MEMBERS, CallFit, Family, fit_calls, mixed
from voicerisk.models.saved.scale import ScaleModel, write_scale_model
from voicerisk.pipeline.code import code_of
from voicerisk.pipeline.results_folder import ResultsFolder, fingerprint
from voicerisk.pipeline.stages import Move
from voicerisk.pipeline.study_file import as_json
from voicerisk.pipeline.tables import read_table
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import call_frames, level_of_calls, members_of
from voicerisk.study.settings import Study
from voicerisk.study.stages import StudyStages
from voicerisk.types import Floats
from voicerisk.validation.contract import Member, TrainingSet
from voicerisk.validation.metrics.scale import scale_calibration, scale_metrics, spectrum_table
from voicerisk.validation.protocols.scale import (
    GradeScale,
    NumberScale,
    Scale,
    learn_scale,
    run_scale,
)

FEW = 5  # callers, below which a grade says little of itself
PREDICTIONS = "predictions_scale.parquet"
NOT_RUN = (
    "The outcome is {scale}: models of calls are validated by the nested protocol. Screening, the GAMM, the "
    "published protocol, the audit and the reporting checklist are of two classes and are not run."
)


@dataclass(frozen=True, slots=True)
class ScaleFitter:
    """Fits the family of call models of grades or of a number.

    Attributes
    ----------
    tables : ModelTables
    members : tuple of str
    scale : GradeScale or NumberScale
    forced : tuple of str
        Covariates that are not penalised.
    """

    tables: ModelTables
    members: tuple[str, ...]
    scale: Scale
    forced: tuple[str, ...] = ()

    def __call__(self, asked: TrainingSet) -> Floats:
        """Return the members' scores of all calls."""
        return self.fit(asked).link

    def fit(self, asked: TrainingSet) -> CallFit:
        """Fit the members on a training set; nothing of the other callers is looked at but their frames."""
        calls = self.tables.calls
        train = np.flatnonzero(calls["caller_id"].isin(asked.train))
        caller = calls["caller_id"].to_numpy(dtype=str)[train]
        y = calls["y"].to_numpy()
        n_frames = calls["n_frames"].to_numpy(np.float64)[train]
        weights = self.scale.weights(caller, y[train], n_frames)
        loss: Loss = Grades() if isinstance(self.scale, GradeScale) else Numbers(self.scale.mean)
        return fit_calls(
            call_frames(self.tables),
            self.tables.inputs,
            level_of_calls(self.tables),
            y,
            train,
            weights,
            Family(self.members, forced=self.forced, loss=loss),
        )

    @property
    def priced(self) -> tuple[Member, ...]:
        """The members as validation knows them."""
        return tuple(Member(name, MEMBERS[name]) for name in self.members)


def fitter_for(study: Study, tables: ModelTables) -> ScaleFitter:
    """Return the fitter of a study's family on its scale."""
    y = tables.calls["y"].to_numpy()
    scale: Scale = (
        GradeScale.of(y)
        if study.cohort.scale == ORDINAL
        else NumberScale.of(y, tables.calls["caller_id"].to_numpy(dtype=str))
    )
    # The file of a scale's model has no place for what markers spread within calls.
    known = members_of(study.validation.family, tables.moderator)
    members = tuple(name for name in known if not name.endswith("spread"))
    forced = tables.covariates if study.boost.forced else ()
    return ScaleFitter(tables, members or ("linear",), scale, forced)


def run_scale_stages(stages: StudyStages, tables: ModelTables) -> pd.DataFrame:
    """Run what follows the biomarkers; return `scale/metrics.csv`."""
    study = stages.study
    inputs = {
        "extract": stages.marks["extract"],
        "levels": study.biomarkers.levels,
        "groups": study.cohort.groups,
        "scale": (study.cohort.scale, study.cohort.extremes),
        "covariates": (study.boost.covariates, study.boost.forced),
        "validation": as_json(study.validation),
    }
    mark = fingerprint(**inputs, code=code_of(write_validation))
    stages.run(
        "scale",
        "Nested protocol",
        mark,
        lambda move: write_validation(study, tables, stages.folder, move),
    )
    mark = fingerprint(
        **inputs,
        audio=as_json(study.audio),
        preset=study.biomarkers.preset,
        code=code_of(write_model),
    )
    stages.run(
        "scale_model", "Model on all calls", mark, lambda move: write_model(study, tables, stages.folder)
    )
    return read_table(stages.folder.path, "scale/metrics")


def write_validation(
    study: Study, tables: ModelTables, folder: ResultsFolder, move: Move
) -> tuple[list[str], list[str]]:
    """Validate on callers left out; write predictions, tuning, metrics, calibration and spectrum effect."""
    fitter = fitter_for(study, tables)
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *study.cohort.groups]]
    found = run_scale(calls, fitter.scale, fitter, fitter.priced, study.validation, move)
    seed = study.validation.seed
    written = {
        "tuning": found.tuning,
        "metrics": scale_metrics(found.predictions, seed),
    }
    notes = []
    if study.cohort.scale == ORDINAL:
        written["calibration"] = scale_calibration(found.predictions, seed)
        ends = study.cohort.extremes
        if ends is not None:
            y = tables.calls["y"]
            if y.isin(ends[0]).any() and y.isin(ends[1]).any():
                written["spectrum"] = spectrum_table(found.predictions, *ends, seed)
            else:
                notes.append("One side of the middle has no call: there is no spectrum effect to show.")
        notes += [
            f"Grade {grade} has calls of {n} caller{'s' * (n != 1)} only."
            for grade, n in callers_of_grades(tables.calls)
            if n < FEW
        ]
    write_parquet(folder.file(PREDICTIONS), found.predictions)
    for name, table in written.items():
        write_csv(folder.file(f"scale/{name}.csv"), table)
    write_json(folder.file("scale/notes.json"), found.notes)
    flat = found.notes["folds_with_flat_recalibration"]
    if flat:
        notes.append(
            f"In {flat} of {found.notes['folds']} folds inner scores did not rise with the outcome: every "
            "call there gets the study's shares or mean as its score."
        )
    return [PREDICTIONS, *(f"scale/{name}.csv" for name in written), "scale/notes.json"], notes


def callers_of_grades(calls: pd.DataFrame) -> list[tuple[int, int]]:
    """Return each grade with its number of callers."""
    n = calls.groupby("y")["caller_id"].nunique()
    return [(int(str(grade)), int(callers)) for grade, callers in n.items()]


def write_model(study: Study, tables: ModelTables, folder: ResultsFolder) -> tuple[list[str], list[str]]:
    """Run the procedure once on all callers; save the model and its effects."""
    fitter = fitter_for(study, tables)
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *study.cohort.groups]]
    learned = learn_scale(calls, fitter.scale, fitter, fitter.priced, study.validation)
    model = mixed(fitter.fit(learned.plan.outer).models, learned.weights.tolist())
    weights = dict(zip(fitter.members, learned.weights.tolist(), strict=True))
    frames = call_frames(tables)
    saved = additive_model(model, tables.moderator, frames, _notes(study, tables, weights))
    write_scale_model(
        folder.file("scale/model.json"), ScaleModel(saved, study.cohort.scale, learned.line.as_dict())
    )
    effects = call_effects(model, frames, level_of_calls(tables))
    write_csv(folder.file("scale/partial_effects.csv"), effects)
    return ["scale/model.json", "scale/partial_effects.csv"], []


def _notes(study: Study, tables: ModelTables, weights: dict[str, float]) -> dict[str, Any]:
    """Return what somebody who uses the model elsewhere must know."""
    calls = tables.calls
    return {
        "fitted_on": "all calls, by the procedure of the nested protocol",
        "calls": len(calls),
        "callers": int(calls["caller_id"].nunique()),
        "members": weights,
        "audio": as_json(study.audio),
        "preset": study.biomarkers.preset,
        "levels": study.biomarkers.levels,
        "biomarker_definitions": DEFINITION_VERSION,
        "voicerisk": version("voicerisk"),
    }
