"""A saved model on another study: what it is worth there, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.cohort import load_cohort
from voicerisk.errors import StudyError
from voicerisk.models import read_model, write_model
from voicerisk.pipeline.progress import Silent
from voicerisk.study import load_study
from voicerisk.study.external.validate import _years, by_group, validate_externally
from voicerisk.study.protocols import fitter_of
from voicerisk.study.saved_model.models import learn_model
from voicerisk.study.stages import StudyStages, open_results


@pytest.fixture
def developed(write_study, tmp_path):
    """The nested procedure run once on all callers of one study, with the study's frames beside it."""
    calls, frames = marker_frames(callers=16, seed=4)
    study = load_study(write_study(calls, frames, name="first"))
    study = replace(study, screening=replace(study.screening, unit="none"))
    folder = open_results(study, tmp_path / "first_results")
    with folder.locked():
        tables, _ = StudyStages(study, folder, 1, Silent()).extract(load_cohort(study.cohort, study.folder))
        fitter = fitter_of(study, "nested", tables, (), folder.checkpoints("boost", "0"), 1)
        _, model, _ = learn_model(study, "nested", tables, fitter)
        write_model(folder.file("boost/model.json"), model)
    return folder.file("boost/model.json")


def _second(write_study, shift=0.0, **columns):
    calls, frames = marker_frames(callers=20, seed=9)
    calls["service"] = np.where(np.arange(20) % 5 < 3, "line", "000")
    calls["recorded_on"] = np.where(np.arange(20) < 10, "2020-03-01", "2021-07-15")
    frames["x"] += shift
    settings = SETTINGS.replace('outcome = "outcome"', 'outcome = "outcome"\nstrata = ["service"]')
    return load_study(write_study(calls.assign(**columns), frames, settings, name="second"))


def test_discrimination_calibration_recalibration_groups_and_shift(developed, write_study, tmp_path, told):
    study, reporter = _second(write_study, shift=1.0), told()
    out = tmp_path / "second_results"
    result = validate_externally(developed, study, out, time="recorded_on", reporter=reporter)

    metrics = result.metrics[result.metrics["unit"] == "call"]
    assert set(metrics["design"]) == {"external"}
    groups = {"all", "sex=female", "service=000", "year=2020", "year=2021"}
    assert groups <= set(metrics["subgroup"])
    names = {"auroc", "sensitivity", "calibration_slope", "calibration_in_the_large", "brier", "net_benefit"}
    assert names <= set(metrics["metric"])
    # The saved cut is applied, not learned anew; p is the saved model's recalibrated risk.
    use = read_model(developed).procedure
    assert use is not None and use.cut is not None
    assert metrics.loc[metrics["metric"] == "sensitivity", "threshold"].eq(use.cut).all()
    rows = pd.read_parquet(out / "external" / "predictions.parquet")
    np.testing.assert_allclose(rows["p"], use.risk(rows["p_raw"].to_numpy()), atol=1e-12)
    assert (rows["p"] - rows["p_raw"]).abs().max() > 0.02

    # x was raised by one frame SD: risk is overstated, and recalibration brings the mean risk back.
    whole = result.recalibration[result.recalibration["group"] == "all"].set_index("method")
    assert whole.loc["in the large", "intercept"] < -0.3
    assert whole.loc["in the large", "mean_p"] == pytest.approx(whole.loc["as is", "prevalence"], abs=1e-6)
    assert whole.loc["as is", "brier"] == whole.loc["as is", "brier_left_out"]
    assert whole.loc["in the large", "brier_left_out"] > whole.loc["in the large", "brier"]
    assert {"service=000", "year=2021"} <= set(result.recalibration["group"])

    shift = result.shift.set_index("marker")
    assert shift.loc["x", "shifted"] and shift.loc["x", "difference"] > 0.5
    assert shift.loc["x", "share_outside_knots"] > shift.loc["noise", "share_outside_knots"]
    shown = by_group(result, ("year",))
    assert shown["group"].tolist() == ["all", "year=2020", "year=2021"]

    place = out / "external"
    for name in ("metrics.csv", "recalibration.csv", "marker_shift.csv", "figures/calibration.svg"):
        assert (place / name).is_file(), name
    assert (place / "predictions.parquet").stat().st_mode & 0o077 == 0
    record = json.loads((place / "validation.json").read_text())
    assert record["threshold"] == use.cut and record["procedure"]["slope"] == use.slope
    assert any(f"cut is {use.cut:.4f}" in note for note in reporter.notes)


def test_the_file_alone_is_judged_wherever_it_lies(developed, write_study, tmp_path, told):
    alone = tmp_path / "mailed" / "model.json"
    alone.parent.mkdir()
    alone.write_bytes(developed.read_bytes())
    beside = validate_externally(developed, _second(write_study), tmp_path / "beside", reporter=told())
    result = validate_externally(alone, _second(write_study), tmp_path / "out", reporter=told())
    pd.testing.assert_frame_equal(result.metrics, beside.metrics)
    assert list(result.shift.columns) == ["marker", "share_outside_knots"]
    assert any("shift of the markers is unknown" in note for note in result.notes)


def test_a_model_without_cut_and_risk_shows_its_bare_score(developed, write_study, tmp_path, told):
    bare = tmp_path / "bare.json"
    write_model(bare, replace(read_model(developed), procedure=None))
    result = validate_externally(bare, _second(write_study), tmp_path / "out", reporter=told())
    assert not (result.metrics["metric"] == "sensitivity").any()
    assert any("holds no cut" in note for note in result.notes)
    assert any("bare score" in note for note in result.notes)
    with pytest.raises(StudyError, match="no recalibration to move"):
        validate_externally(bare, _second(write_study), tmp_path / "out", prevalence=0.1)


def test_the_risk_moves_to_the_prevalence_of_the_new_place(developed, write_study, tmp_path, told):
    whole, rare = (
        validate_externally(developed, _second(write_study), tmp_path / name, prevalence=share).recalibration
        for name, share in (("half", None), ("rare", 0.05))
    )
    mean = [table[table["group"] == "all"].set_index("method")["mean_p"]["as is"] for table in (whole, rare)]
    assert mean[1] < 0.5 * mean[0]
    slope = [table[table["group"] == "all"].set_index("method")["slope"] for table in (whole, rare)]
    # A shift of the log-odds leaves the slope alone, but for the clip at 0.001.
    assert slope[1]["intercept and slope"] == pytest.approx(slope[0]["intercept and slope"], rel=0.05)


def test_frames_that_the_model_cannot_score_are_counted_not_fatal(developed, write_study, tmp_path, told):
    whole = validate_externally(developed, _second(write_study), tmp_path / "whole", reporter=told())
    calls, frames = marker_frames(callers=20, seed=9)
    frames.loc[[3, 400], "x"] = np.nan
    gaps = load_study(write_study(calls, frames, name="gaps"))
    result = validate_externally(developed, gaps, tmp_path / "gaps_results", reporter=told())
    assert any("2 of 800 frames were left out" in note and "(x in 2)" in note for note in result.notes)
    area = [
        one.metrics.query("unit == 'call' and subgroup == 'all' and metric == 'auroc'")["estimate"].iloc[0]
        for one in (whole, result)
    ]
    assert area[1] == pytest.approx(area[0], abs=0.05)
    frames.loc[frames["call_id"] == "call07", "x"] = np.nan
    lost = load_study(write_study(calls, frames, name="lost"))
    with pytest.raises(StudyError, match="Call call07 has no frame that the model can score: x in 42 frames"):
        validate_externally(developed, lost, tmp_path / "lost_results")


def test_what_cannot_be_compared_is_refused(developed, write_study, tmp_path):
    study = _second(write_study)
    with pytest.raises(StudyError, match="no column 'date'"):
        validate_externally(developed, study, tmp_path / "a", time="date")
    with pytest.raises(StudyError, match="which is no date with a year of four digits"):
        validate_externally(developed, study, tmp_path / "a", time="service")
    with pytest.raises(StudyError, match="from 0 to 1, not 2"):
        validate_externally(developed, study, tmp_path / "a", threshold=2.0)
    calls, frames = marker_frames()
    lacking = load_study(write_study(calls, frames.drop(columns="noise"), name="third"))
    with pytest.raises(StudyError, match="needs the marker noise"):
        validate_externally(developed, lacking, tmp_path / "b")
    text = SETTINGS.replace('frames = "markers.csv"', "") + "\n[audio]\npre_emphasis = 0.5\n"
    other = load_study(write_study(settings=text, name="fourth"))
    with pytest.raises(StudyError, match=r"learned with \[audio\] pre_emphasis = 0\.97"):
        validate_externally(developed, other, tmp_path / "c")


def test_years_are_read_and_serial_days_of_a_spreadsheet_refused():
    def years(*cells):
        ids = [str(n) for n in range(len(cells))]
        return list(_years(pd.DataFrame({"call_id": ids, "date": cells}), pd.Series(ids), "date"))

    assert years("2021-05-17", "17.05.2020", "2019") == ["2021", "2020", "2019"]
    assert years(2021, 1999) == ["2021", "1999"]
    for cells in ((44333, 44334), (2021.5, 2020.0), ("17.05.21",), ("03.04.05",), ("44333",), ("soon",)):
        with pytest.raises(StudyError, match="no date with a year of four digits"):
            years(*cells)
