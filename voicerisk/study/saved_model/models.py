"""The models that a study hands out: each procedure run once on all callers, saved as it was validated."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.biomarkers import DEFINITION_VERSION
from voicerisk.callers.schema import SHORTEST_CALL
from voicerisk.files import write_csv, write_json
from voicerisk.models import AdditiveModel, LanePath, Procedure, scoring_model, write_model
from voicerisk.models.boosting.effects import (
    availability_effects,
    importance,
    partial_effects,
    selection_frequencies,
)
from voicerisk.models.calls.additive import additive_model, call_effects
from voicerisk.models.calls.model import CallModel
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.study_file import as_json
from voicerisk.pipeline.tables import read_table
from voicerisk.report.decision import validated
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, call_frames
from voicerisk.study.fitting.fitters import GamboostFitter
from voicerisk.study.protocols import part_of, procedure_of
from voicerisk.study.settings import Study
from voicerisk.validation import NESTED, PUBLISHED
from voicerisk.validation.metrics.conformal import cuts_of
from voicerisk.validation.protocols.on_all_callers import LearnedOnAll, learn_on_all, optimism_table

STAGE = "boost"
SWITCHES = {"published": PUBLISHED, "nested": NESTED}
# The model that was validated honestly has the plain name.
OF_PUBLISHED = (
    "partial_effects",
    "risk_path",
)  # to be compared with the honest model, and to be refitted in R
SUFFIX = {"nested": "", "published": "_published"}


def write_models(
    study: Study,
    tables: ModelTables,
    chosen: tuple[str, ...],
    folder: ResultsFolder,
    protocols: Sequence[str],
    mark: str,
    jobs: int,
    move: Callable[[int, int], None],
) -> tuple[list[str], list[str]]:
    """Learn each protocol's procedure on all callers; save it, its effects, and how it looks on them.

    Parameters
    ----------
    study : Study
    tables : ModelTables
    chosen : tuple of str
        Markers of the published protocol.
    folder : ResultsFolder
        With `metrics.csv` and the tables of the protocols.
    protocols : sequence of {'published', 'nested'}
    mark : str
        Fingerprint of the stage.
    jobs : int
    move : callable

    Returns
    -------
    outputs, notes : list of str
    """
    for stale in folder.file("boost").glob("*"):
        stale.unlink()
    metrics = read_table(folder.path, "metrics")
    optimism: list[pd.DataFrame] = []
    said: dict[str, Any] = {}
    outputs: list[str] = []
    notes: list[str] = []
    for name in protocols:
        cut = published_cut(folder) if name == "published" else None
        fitter = procedure_of(study, name, tables, chosen, folder.checkpoints(STAGE, mark), jobs)
        learned, model, fit = learn_model(study, name, tables, fitter, move, cut)
        known: dict[str, Any] = {"validated": validated(metrics, name)}
        if name == "nested":
            by = study.cohort.moderator_column
            known["conformal"] = cuts_of(read_table(folder.path, "conformal"), by)
        model = replace(model, notes={**model.notes, **known})
        file = f"boost/model{SUFFIX[name]}.json"
        write_model(folder.file(file), model)
        outputs.append(file)
        if isinstance(fit, CallModel):
            assert isinstance(fitter, FamilyFitter)
            effects = f"boost/partial_effects{SUFFIX[name]}.csv"
            write_csv(folder.file(effects), call_effects(fit, call_frames(tables), fitter.level))
            outputs.append(effects)
        else:
            assert learned.choice.step is not None
            outputs += _write_effects(fit, learned.choice.step, folder, SUFFIX[name])
        notes += _said(model)
        optimism.append(optimism_table(metrics, learned.scores, name))
        said[name] = learned.as_dict()
    folder.drop_checkpoints(STAGE)
    write_csv(folder.file("optimism.csv"), pd.concat(optimism, ignore_index=True))
    write_json(folder.file("apparent.json"), said)
    return [*outputs, "optimism.csv", "apparent.json"], notes


def learn_model(
    study: Study,
    protocol: str,
    tables: ModelTables,
    fitter: GamboostFitter | FamilyFitter,
    move: Callable[[int, int], None] | None = None,
    cut: float | None = None,
) -> tuple[LearnedOnAll, AdditiveModel, LanePath | CallModel]:
    """Run a protocol's procedure once on all callers, and put what it learned into one model.

    Parameters
    ----------
    study : Study
    protocol : {'published', 'nested'}
    tables : ModelTables
    fitter : GamboostFitter or FamilyFitter
        From `procedure_of`, of the same protocol.
    move : callable, optional
    cut : float, optional
        The published protocol's cut; nested learns its own.

    Returns
    -------
    learned : LearnedOnAll
    model : AdditiveModel
        With screening, weights, steps, recalibration, cut and prevalence as the protocol judges them.
    fit : LanePath or CallModel
        The boosted path that the model is a step of, or the mean of the family's members.
    """
    calls = tables.calls[["call_id", "caller_id", "y", "n_frames", *study.cohort.groups]]
    learned = learn_on_all(calls, fitter, study.validation, SWITCHES[protocol], move)
    line = learned.calibration
    procedure = Procedure(
        protocol=protocol,
        intercept=None if line is None else line.intercept,
        slope=None if line is None else line.slope,
        cut=learned.cut if protocol == "nested" else cut,
        prevalence=learned.prior,
    )
    notes = _notes(study, tables, protocol)
    if isinstance(fitter, FamilyFitter):
        mean = fitter.saved(learned.asked, learned.choice)
        if mean is not None:
            weights = learned.as_dict()["member_weights"]
            notes |= {"members": weights}
            return (
                learned,
                additive_model(mean, tables.moderator, call_frames(tables), notes, procedure),
                mean,
            )
        assert fitter.boosted is not None
        fitter = fitter.boosted
    path = fitter.fitted(learned.asked)
    return learned, scoring_model(path, learned.choice.step, notes, procedure), path


def published_cut(folder: ResultsFolder) -> float | None:
    """Return the published protocol's cut: from the scores of callers left out, not of those learned from."""
    cuts = read_table(folder.file(part_of("published")), "thresholds")["threshold"].dropna()
    return float(cuts.iloc[0]) if len(cuts) == 1 else None


def _said(model: AdditiveModel) -> list[str]:
    procedure = model.procedure
    if procedure is None:
        return []
    said = []
    if procedure.is_flat:
        said.append("the scores of inner folds did not rise with risk, so that every risk is the prevalence")
    if procedure.cut is None:
        said.append("no cut could be learned, so that it flags no call")
    return [f"Model on all callers, {procedure.protocol}: {text}." for text in said]


def _notes(study: Study, tables: ModelTables, protocol: str) -> dict[str, Any]:
    """Return what somebody who uses the model elsewhere must know."""
    calls = tables.calls
    return {
        "fitted_on": f"all calls, by the procedure of the {protocol} protocol",
        "calls": len(calls),
        "events": int(calls["y"].sum()),
        "callers": int(calls["caller_id"].nunique()),
        SHORTEST_CALL: int(calls["n_frames"].min()),
        "audio": as_json(study.audio),
        "preset": study.biomarkers.preset,
        "levels": study.biomarkers.levels,
        "biomarker_definitions": DEFINITION_VERSION,
        "voicerisk": version("voicerisk"),
    }


def _write_effects(path: LanePath, step: int, folder: ResultsFolder, suffix: str) -> list[str]:
    risk = np.asarray(path.risk[: step + 1], dtype=float)
    effects = {
        "partial_effects": partial_effects(path, step),
        "availability_effects": _sometimes_missing(availability_effects(path, step)),
        "risk_path": pd.DataFrame({"step": np.arange(len(risk)), "risk": risk}),
        "selection": selection_frequencies(path, step),
        "importance": importance(path, step),
    }
    names = {
        f"boost/{name}{suffix}.csv": table
        for name, table in effects.items()
        if not suffix or name in OF_PUBLISHED
    }
    for name, table in names.items():
        write_csv(folder.file(name), table)
    return list(names)


def _sometimes_missing(effects: pd.DataFrame) -> pd.DataFrame:
    """Keep markers that are missing somewhere: being available says nothing where it is always so."""
    missing = effects.groupby("marker")["share_available"].transform("min") < 1
    return effects[missing].reset_index(drop=True)


def spoken_optimism(folder: Path) -> str:
    """Say the apparent AUROC of calls beside the validated one, for the console; '' where it is not known."""
    file = folder / "optimism.csv"
    if not file.is_file():
        return ""
    table = read_table(folder, "optimism").query("metric == 'auroc'").drop_duplicates("protocol")
    said = [
        f"{row['protocol']} {row['apparent']:.2f} apparent, {row['validated']:.2f} validated"
        for row in table.to_dict("records")
    ]
    return f"AUROC on the callers learned from, and on callers held out: {'; '.join(said)}." if said else ""
