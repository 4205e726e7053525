"""What a study says of itself, item by item."""

from dataclasses import replace

import pandas as pd

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.cohort import load_cohort
from voicerisk.pipeline.progress import Silent
from voicerisk.pipeline.tables import read_table
from voicerisk.report.checklists.evidence import cluster_checklist
from voicerisk.study import load_study
from voicerisk.study.output.tripod import write_reporting
from voicerisk.study.stages import StudyStages, open_results


def test_every_item_has_evidence_or_says_that_it_is_not_reported(write_study, tmp_path):
    study = replace(
        load_study(write_study(*marker_frames(callers=8))),
        report={
            "ethics": "approved, 17/2021",
            "data": "on request",
            "blinding": "raters heard no scores",
            "eligibility": "adults",
            "limitations": "one line only",
            "house_rules": "ours",
        },
    )
    folder = open_results(study, tmp_path / "out")
    with folder.locked():
        tables, _ = StudyStages(study, folder, 1, Silent()).extract(load_cohort(study.cohort, study.folder))
    method = "caller_bootstrap_percentile_given_scores"
    row = {"protocol": "nested", "design": "loco", "unit": "call", "subgroup": "all", "metric": "auroc",
           "method": method, "estimate": 0.81, "lower": 0.7, "upper": 0.9}  # fmt: skip
    bare = row | {"metric": "calibration_slope", "lower": float("nan"), "upper": float("nan")}
    metrics = pd.DataFrame([row, row | {"subgroup": "sex=female", "estimate": 0.75}, bare])
    metrics.to_csv(folder.file("metrics.csv"), index=False)
    folder.file("audit").mkdir()
    pd.DataFrame({"concerns": ["the study"], "severity": ["leak"], "finding": ["A number leaked."]}).to_csv(
        folder.file("audit/findings.csv"), index=False
    )
    write_reporting(study, tables, folder)
    table = pd.read_csv(folder.file("reporting.csv"))
    assert (table.loc[table["fact"] == "cluster_flow", "evidence"] == "NOT REPORTED").all()  # one service
    table = table[table["checklist"] != "TRIPOD-Cluster"].set_index("fact")["evidence"]
    assert table.notna().all()
    assert table["ethics"] == "approved, 17/2021" and table["funding"] == "NOT REPORTED"
    assert table["data_hashes"].startswith("on request; SHA-256")
    assert "0.810 (0.700 to 0.900)" in table["performance"]
    assert "calibration_slope 0.810 (no interval)" in table["performance"]
    assert "sex=female: 0.750" in table["fairness"]
    assert table["audit_flags"] == "leak: A number leaked"
    # One answer of a person stands under every item that asks for it; none is dropped.
    for fact in ("blinding", "predictor_blinding", "outcome_blinding"):
        assert (table.loc[[fact]] == "raters heard no scores").all()
    assert table["eligibility"] == "adults"
    assert table["limitations"].startswith("one line only; ")
    assert table["limitations"].endswith("leak: A number leaked")
    assert "8 calls of 8 callers; the outcome in 4 calls of 4 callers" in table["sample_size"].iloc[0]
    assert table["optimism"] == "NOT REPORTED"
    assert table["outcome"].iloc[0] == "column outcome of the calls table, 1 = at risk"
    spread = "whole callers; loco, grouped_kfold, 1 repeats; folds spread over outcome and sex"
    assert table["split"] == spread


def test_services_answer_tripod_cluster_once_each_was_left_out(write_study, tmp_path):
    calls, frames = marker_frames(callers=8)
    settings = SETTINGS.replace("[biomarkers]", 'strata = ["service"]\n\n[biomarkers]')
    study = load_study(write_study(calls.assign(service=["a", "a", "b", "b"] * 2), frames, settings))
    folder = open_results(study, tmp_path / "out")
    with folder.locked():
        tables, _ = StudyStages(study, folder, 1, Silent()).extract(load_cohort(study.cohort, study.folder))
    pd.DataFrame(
        [{"protocol": "nested", "design": "loco", "unit": "call", "subgroup": "all", "metric": "auroc",
          "method": "caller_bootstrap_percentile_given_scores", "estimate": 0.8, "lower": 0.7, "upper": 0.9}]
    ).to_csv(folder.file("metrics.csv"), index=False)  # fmt: skip

    def answers():
        write_reporting(study, tables, folder)
        table = pd.read_csv(folder.file("reporting.csv"))
        return table[table["checklist"] == "TRIPOD-Cluster"].set_index("fact")["evidence"]

    before = answers()
    assert before["cluster_flow"] == "2 services (service); callers analysed: a 4, b 4"
    assert before["cluster_performance"] == "NOT REPORTED" and "not looked at" in before["cluster_method"]
    folder.file("audit").mkdir()
    row = {"service": "a", "metric": "auroc", "estimate": 0.7, "lower": 0.6, "upper": 0.8, "n_callers": 4,
           "n_calls": 4, "n_events": 2, "note": "", "frames_per_caller": "all"}  # fmt: skip
    new = row | {"service": "a new service", "lower": 0.3, "note": "prediction interval"}
    pd.DataFrame([row, row | {"service": "b", "estimate": float("nan")}, new]).to_csv(
        folder.file("audit/services.csv"), index=False
    )
    after = answers()
    assert after["cluster_performance"] == "a: auroc 0.700 (0.600 to 0.800)"
    assert after["cluster_heterogeneity"] == "AUROC 0.700 (0.300 to 0.800), prediction interval"
    shown = cluster_checklist(gather_reporting(folder))
    assert shown is not None and list(shown.cells["Item"][:3]) == ["1", "2", "3a"]


def gather_reporting(folder):
    """Results of which only the reporting table is known."""
    from types import SimpleNamespace

    return SimpleNamespace(reporting=read_table(folder.path, "reporting"))
