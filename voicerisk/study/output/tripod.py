"""What a study can say of itself for TRIPOD+AI, PROBAST+AI and TRIPOD-Cluster; the rest is NOT REPORTED."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from voicerisk.callers.schema import RIVAL
from voicerisk.cohort import CohortSettings
from voicerisk.figures.wording import one_interval
from voicerisk.files import write_csv
from voicerisk.models import read_model
from voicerisk.models.saved.additive import CALL
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.study_file import as_json
from voicerisk.pipeline.tables import read_table
from voicerisk.report.checklists.tripod_items import known_facts, reporting_evidence
from voicerisk.report.tables.spectrum import spectrum_note
from voicerisk.study.fitting.design import ModelTables, candidate_df
from voicerisk.study.settings import Study, service_of
from voicerisk.validation import riley_sample_size
from voicerisk.validation.audit.checks import one_class_cells
from voicerisk.validation.audit.services_out import NEW

FILE = "reporting.csv"
# Keys of [report] that answer facts of another name, or several.
ANSWERS = {
    "outcome_assessment": ("outcome",),
    "data": ("data_hashes",),
    "code": ("versions",),
    "blinding": ("blinding", "predictor_blinding", "outcome_blinding"),
}


def write_reporting(study: Study, tables: ModelTables, folder: ResultsFolder) -> tuple[list[str], list[str]]:
    """Write `reporting.csv`: checklist, item, topic, who fills it, fact, evidence.

    Parameters
    ----------
    study : Study
        What a person wrote under `[report]` is taken where its key is that of a fact.
    tables : ModelTables
    folder : ResultsFolder
        With the tables of the stages before.
    """
    facts = _facts(study, tables, folder) | _services(study, tables.calls, folder)
    known = known_facts()
    for key, value in study.report.items():
        for fact in ANSWERS.get(str(key), (str(key),)):
            if fact in known:
                facts[fact] = _listed(part for part in (str(value).strip(), facts.get(fact, "")) if part)
    write_csv(folder.file(FILE), reporting_evidence(facts))
    return [FILE], []


def _facts_of_files(folder: ResultsFolder) -> dict[str, str]:
    """Return what stages that a study may lack have found: agreement, optimism, audit."""
    facts: dict[str, str] = {}
    agreement = folder.file("agreement.csv")
    if agreement.is_file():
        facts["agreement"] = (
            f"agreement of {read_table(folder.path, 'agreement')['scale'].nunique()} scales: agreement.csv"
        )
    optimism = folder.file("optimism.csv")
    if optimism.is_file():
        rows = read_table(folder.path, "optimism").query("metric == 'auroc'")
        facts["optimism"] = _listed(
            f"{row['protocol']}, {row['design']}: AUROC {row['apparent']:.3f} apparent, "
            f"{row['validated']:.3f} validated"
            for row in rows.to_dict("records")
        )
    audit = folder.file("audit/findings.csv")
    if audit.is_file():
        own = read_table(folder.path, "audit/findings").query("concerns == 'the study'")
        facts["audit_flags"] = (
            _listed(f"{row['severity']}: {row['finding']}" for row in own.to_dict("records"))
            or "the audit found no leak, no bias and nothing to note"
        )
    return facts


def _facts(study: Study, tables: ModelTables, folder: ResultsFolder) -> dict[str, str]:
    calls, validation = tables.calls, study.validation
    by_caller = calls.groupby("caller_id")["y"].max()
    positive = int(by_caller.sum())
    candidates = candidate_df(tables, study.boost.df)
    curves = candidate_df(tables, 1.0)
    # A caller with calls of both outcomes counts by their share: where all have one, the largest would be 1.
    prevalence = float(calls.groupby("caller_id")["y"].mean().mean())
    needed = riley_sample_size(candidates, prevalence)
    metrics = read_table(folder.path, "metrics")
    flow = read_table(folder.path, "flow").fillna({"reason": ""})
    gone = flow[(flow["n"].astype(int) > 0) & flow["unit"].isin(["call", "caller"])]
    by = list(study.cohort.groups)
    moderator = study.cohort.moderator_column or "the markers"
    cells = one_class_cells(calls, by)
    n = (
        f"{len(calls)} calls of {len(by_caller)} callers; the outcome in {int(calls['y'].sum())} calls of "
        f"{positive} callers"
    )
    repeats = f", {validation.repeats} repeats" if "grouped_kfold" in validation.designs else ""
    prior = validation.prior if validation.prior is not None else float(calls["y"].mean())
    facts = {
        "exclusions": _listed(
            f"{row['reason']}: {row['n']} {row['unit']}s" for row in gone.to_dict("records")
        )
        or "no call was left out",
        "flow": f"{n}; flow.csv, exclusions.csv",
        "characteristics": "tables/cohort: by outcome",
        "n_events": n,
        "outcome": _outcome(study.cohort),
        "preprocessing": _settings(study.audio),
        "predictors": f"{len(tables.markers)} markers: {', '.join(tables.markers)}",
        "units": f"preset {study.biomarkers.preset}; definitions and units in tables/biomarkers",
        "sample_size": f"{n}; {curves:g} candidate parameters (curves), "
        f"{positive / curves:.2f} callers with the outcome for each; {candidates:g} degrees of freedom, "
        f"{positive / candidates:.2f} for each; {needed.n} callers by Riley's criteria (Nagelkerke R2 0.15)",
        "missing": f"[biomarkers] missing = {study.biomarkers.missing}; missing.csv by outcome and strata",
        "split": f"whole callers; {', '.join(validation.designs)}{repeats}; "
        f"folds spread over outcome and {', '.join(by)}",
        "functional_form": _settings(study.boost),
        "tuning": f"Lasso rule {study.screening.rule} on {study.screening.unit}s; steps on "
        f"{validation.inner_folds} inner folds of callers at most; tuning.csv",
        "clusters": f"no term for {_named(study)} in the model beside {moderator}; performance by each "
        "(metrics.csv)",
        "measures": ", ".join(sorted(set(metrics["metric"]))),
        "updating": "nested: logistic recalibration on inner out-of-fold scores, thresholds.csv",
        "prediction": _prediction(folder),
        "class_imbalance": f"nested: training weights hold the class prior at {prior:.3f}; p is a risk at it",
        "threshold": f"{validation.threshold}, {validation.bootstraps} bootstraps; thresholds.csv",
        "train_evaluation": "the same study, by callers left out; another study: voicerisk validate",
        "data_hashes": "SHA-256 of the calls table and of every recording in manifest.json",
        "versions": "manifest.json",
        "seeds": f"{validation.seed} for folds, bootstraps and refits",
        "full_model": _full_model(folder),
        "performance": _performance(metrics),
        "heterogeneity": _by_group(metrics, f"{study.cohort.moderator_column or 'sex'}="),
        "fairness": _by_group(metrics, ""),
        "predictor_assessors": "none: markers are computed; the spans of speech come from the label tracks",
        "evaluation_weights": "metrics count every call once: training weights do not enter",
        "updated_performance": "calibration and Brier score of the recalibrated risk p: metrics.csv",
        "poor_input": f"missing values: {study.biomarkers.missing}; values beyond the training range are "
        "counted by call and marker (voicerisk score)",
        "users": f"recordings with the caller's speech marked, and the {moderator} of the call where the "
        "model is moderated",
        "spectrum": f"{calls['y'].mean():.1%} of the calls have the outcome; "
        + (spectrum_note(flow, len(calls)) or "no middle class was left out by the coding of the outcome"),
        "empty_cells": _listed(one.finding for one in cells) or "no stratum has one outcome only",
        "screening_inside": "nested: in every fold and inner fold (provenance.json); published: on all calls",
    }
    facts |= _facts_of_files(folder)
    facts["limitations"] = _listed(
        part
        for part in (
            f"{positive / curves:.2f} callers with the outcome for each candidate parameter, "
            f"{positive / candidates:.2f} for each degree of freedom",
            "intervals are widened for the variance of learning by an approximation (docs/coverage.md)",
            facts.get("audit_flags", "the audit was not run"),
        )
    )
    return facts


def _services(study: Study, calls: pd.DataFrame, folder: ResultsFolder) -> dict[str, str]:
    """Say what is known of the services, and of each one left out where the audit did that."""
    service = service_of(study)
    if service is None or calls[service].nunique() < 2:
        return {}
    of_each = calls.groupby(calls[service].map(str))["caller_id"].nunique()
    facts = {
        "cluster_flow": f"{len(of_each)} services ({service}); callers analysed: "
        + ", ".join(f"{name} {n}" for name, n in of_each.items()),
        "cluster_method": "not looked at: voicerisk audit leaves one service out at a time",
    }
    if not folder.file("audit/services.csv").is_file():
        return facts
    rows = read_table(folder.path, "audit/services").dropna(subset="estimate")
    each = rows[rows["service"] != NEW]
    facts["cluster_method"] = (
        "one service left out at a time, the nested procedure learned on the others; random effects on the "
        "log-odds of the AUROC, prediction interval (audit/services.csv)"
    )
    facts["cluster_performance"] = _listed(
        f"{row['service']}: {row['metric']} {_interval(row)}" for row in each.to_dict("records")
    )
    facts["cluster_heterogeneity"] = (
        _listed(
            f"AUROC {_interval(row)}, {row['note']}"
            for row in rows[rows["service"] == NEW].to_dict("records")
        )
        or "no summary: fewer than three services have an AUROC with an interval"
    )
    return facts


def _prediction(folder: ResultsFolder) -> str:
    """Say how the model that is handed out makes a call's risk."""
    file = folder.file("boost/model.json")
    if not file.is_file():
        return "mean probability of a call's frames, not recalibrated; boost/model_published.json"
    how = (
        "log-odds of a call: offset, its level, and for each marker the mean of its curve over the frames"
        if read_model(file).unit == CALL
        else "mean probability of a call's frames"
    )
    return f"{how}, recalibrated; boost/model.json"


def _full_model(folder: ResultsFolder) -> str:
    """Say what file lets others use the model that was validated, and what it holds."""
    file = folder.file("boost/model.json")
    if not file.is_file():
        return "boost/model_published.json: the published recipe, without recalibration; nested was not run"
    use = read_model(file).procedure
    assert use is not None  # a study's own file
    held = "the prevalence for every call (no score rose with risk)"
    if not use.is_flat:
        held = f"logit p = {use.intercept:.3f} + {use.slope:.3f} x logit score"
    cut = "no cut" if use.cut is None else f"cut {use.cut:.3f} on the score"
    return (
        f"boost/model.json, the nested procedure run once on all callers: curves and offset; {held}, a risk "
        f"where {use.prevalence:.3f} of calls have the outcome; {cut}; ranges of the markers"
    )


def _listed(parts: Any) -> str:
    return "; ".join(str(part).rstrip(".") for part in parts)


def _outcome(cohort: CohortSettings) -> str:
    if cohort.cssrs is None:
        return f"column {cohort.outcome or 'outcome'} of the calls table, 1 = at risk"
    return f"coded from C-SSRS ratings: {_settings(cohort.cssrs)}"


def _named(study: Study) -> str:
    given = {*study.cohort.moderator, study.cohort.moderator_column}
    return ", ".join(name for name in study.cohort.groups if name not in given) or "services (none named)"


def _settings(values: Any) -> str:
    return "; ".join(f"{key} = {value}" for key, value in as_json(values).items() if value is not None)


def _performance(metrics: pd.DataFrame) -> str:
    shown = one_interval(metrics)
    shown = shown[
        (shown["unit"] == "call")
        & (shown["protocol"] != RIVAL)
        & (shown["subgroup"] == "all")
        & shown["metric"].isin(["auroc", "average_precision", "brier", "calibration_slope"])
    ]
    values = _listed(
        f"{row['protocol']}, {row['design']}: {row['metric']} {_interval(row)}"
        for row in shown.dropna(subset="estimate").to_dict("records")
    )
    return f"95% intervals over callers: {values}; all in metrics.csv" if values else ""


def _by_group(metrics: pd.DataFrame, but: str) -> str:
    rows = one_interval(metrics)
    rows = rows[
        (rows["unit"] == "call")
        & (rows["metric"] == "auroc")
        & (rows["subgroup"] != "all")
        & (rows["protocol"] == "nested")
    ]
    if but:
        rows = rows[~rows["subgroup"].str.startswith(but)]
    return _listed(
        f"AUROC {row['subgroup']}: {_interval(row)}, {row['design']}"
        for row in rows.dropna(subset="estimate").to_dict("records")
    )


def _interval(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["lower"]):
        return f"{row['estimate']:.3f} (no interval)"
    return f"{row['estimate']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})"
