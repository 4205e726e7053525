"""`voicerisk check`: what is wrong is found before anything is computed, and all of it."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.cli import app
from voicerisk.cohort import load_cohort
from voicerisk.errors import StudyError
from voicerisk.report.check_page import check_page
from voicerisk.study import check_study, load_study, run_study
from voicerisk.study.check import r_packages, require_r, require_sound


def told(check, kind):
    return " | ".join(check.findings.loc[check.findings["kind"] == kind, "found"])


def with_settings(*lines: str) -> str:
    return SETTINGS.replace('outcome = "outcome"\n', 'outcome = "outcome"\n' + "\n".join(lines) + "\n")


def test_a_study_in_order_can_run_and_every_call_is_described(write_study):
    check = check_study(write_study())
    assert check.runs and "[gamm]" not in told(check, "mend")
    assert check.calls["used"].tolist() == ["yes"] * 12
    assert check.calls[["seconds", "sample_rate", "channels"]].drop_duplicates().to_numpy().tolist() == [
        [4, 8000, 1]
    ]
    assert "6 calls of 6 callers have outcome 1" in told(check, "fine")
    assert "480 rows of 12 calls, 2 markers" in told(check, "fine")

    assert "interval of about 0.46 to 1.00" in told(check, "look")


def test_every_broken_recording_and_track_is_named(write_study):
    calls, _ = marker_frames()
    study = write_study(calls.assign(labels=["t.txt", "gone.txt", *[""] * 10]))
    (study.parent / "t.txt").write_text("0\t9\tcaller\n2\t1\tcaller\n")
    (study.parent / "call02.wav").write_bytes(b"no sound")
    (study.parent / "call03.wav").unlink()
    check = check_study(study)
    assert not check.runs
    said = told(check, "mend")
    for part in (
        "t.txt, line 2: the label ends at",
        "no labels 'gone.txt'",
        "call02.wav cannot be read",
        "no file 'call03.wav'",
    ):
        assert part in said
    assert (check.calls["why_not"] != "").sum() == 4


def test_calls_that_leave_say_why(write_study):
    calls, frames = marker_frames()
    check = check_study(write_study(calls.assign(outcome=[*calls["outcome"][:11], None]), frames))
    assert check.calls["used"].tolist() == ["yes"] * 11 + ["no"]
    assert check.calls["why_not"].iloc[11] == "outcome is empty"
    assert "1 call(s): outcome is empty; 11 stay" in told(check, "look")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("site", ["a"] * 12, "the covariate 'site' has the single value 'a'"),
        (
            "site",
            [f"place {n}" for n in range(12)],
            "the covariate 'site' is text with 12 values for 12 callers",
        ),
        ("age", [None] * 12, "the covariate 'age' has no value"),
    ],
)
def test_covariates_that_no_model_can_take_stop_a_run_before_its_first_minute(
    write_study, tmp_path, column, values, message
):
    calls, frames = marker_frames()
    study = write_study(calls.assign(**{column: values}), frames, with_settings(f'covariates = ["{column}"]'))
    assert message in told(check_study(study), "mend")
    with pytest.raises(StudyError, match=message):
        run_study(load_study(study), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_how_covariates_enter_is_told(write_study):
    calls, frames = marker_frames()
    calls = calls.assign(
        few=[0, 1] * 6, age=np.arange(12.0), gap=[None, *range(11)], site=["a", "b", "c"] * 4
    )
    lines = with_settings('covariates = ["few", "age", "gap", "site"]').replace(
        "[gamm]", '[gamm]\nlinear = ["gap"]'
    )
    check = check_study(write_study(calls, frames, lines))
    said = told(check, "fine")
    assert "'few' is a number with 2 different values and enters linearly" in said
    assert "'age' is a number with 12 different values and enters as a curve" in said
    assert "'gap' is a number with 11 different values and enters linearly" in said
    assert "'site' is text with 3 groups: 'a' (4 callers)" in said
    assert "1 of 12 calls have no 'gap'" in told(check, "look")


def test_an_unknown_name_in_linear_is_found(write_study):
    study = write_study(settings=SETTINGS.replace("[gamm]", '[gamm]\nlinear = ["agee"]'))
    assert "[gamm] linear names 'agee', which is neither" in told(check_study(study), "mend")


def test_recordings_of_several_kinds_are_told(write_study):
    study = write_study(settings=SETTINGS.replace('[biomarkers]\nframes = "markers.csv"\n', ""))
    soundfile.write(study.parent / "call00.wav", np.zeros((48_000, 2)), 16_000)
    check = check_study(study)
    assert "recordings differ in sample_rate: 8000 Hz (11), 16000 Hz (1)" in told(check, "look")
    assert "1 recordings have several channels (call00)" in told(check, "mend")


def test_too_few_callers_for_folds_are_found(write_study):
    calls, frames = marker_frames(callers=6)
    check = check_study(
        write_study(
            calls.assign(outcome=[0, 0, 1, 1, 0, 0]),
            frames,
            SETTINGS.replace("inner_folds = 3", "inner_folds = 5"),
        )
    )
    assert not check.runs and "callers" in told(check, "mend")


def test_leaving_out_very_many_callers_one_by_one_is_told_before(write_study, monkeypatch):
    monkeypatch.setattr("voicerisk.study.check.MANY_MODELS", 11)
    check = check_study(write_study())
    said = check.findings[check.findings["about"] == "folds"].set_index("found")
    assert said["kind"].tolist() == ["look", "look"]
    assert said["remedy"].str.contains("leave-one-caller-out").all()
    quick = SETTINGS.replace(
        "repeats = 1", 'repeats = 1\ndesigns = ["grouped_kfold"]\nprotocols = ["nested"]'
    )
    assert "models" in told(check_study(write_study(settings=quick)), "fine")


def test_only_the_protocols_that_are_asked_for_need_their_callers(write_study):
    calls, frames = marker_frames(callers=6)
    settings = SETTINGS.replace("inner_folds = 3", "inner_folds = 5")
    study = load_study(write_study(calls.assign(outcome=[0, 0, 1, 1, 0, 0]), frames, settings))
    cohort = load_cohort(study.cohort, study.folder)
    require_sound(study, cohort, ("published",))
    with pytest.raises(
        StudyError, match=r"study\.toml: .*callers in the two classes; add callers, or lower inner"
    ):
        require_sound(study, cohort, ("nested",))


def without_r(monkeypatch, folder):
    monkeypatch.delenv("R_HOME", raising=False)
    monkeypatch.setenv("PATH", str(folder))


def test_a_study_without_r_stops_before_its_recordings_are_read(write_study, tmp_path, monkeypatch):
    study = write_study()
    without_r(monkeypatch, tmp_path)
    check = check_study(study)
    assert not check.runs and "R was not found" in told(check, "mend")
    with pytest.raises(
        StudyError, match=r"study\.toml needs R for its curves\. R was not found.*apt install"
    ):
        run_study(load_study(study), tmp_path / "results")
    assert not (tmp_path / "results" / "frames.parquet").exists()


def test_a_kept_gamm_needs_r_only_if_it_changes(write_study, tmp_path, monkeypatch):
    study = load_study(write_study())
    kept = tmp_path / "notes.json"
    kept.write_text("{}")
    without_r(monkeypatch, tmp_path)
    (note,) = require_r(study, kept)
    assert "should its kept GAMM have to be fitted again" in note and "R was not found" in note


def test_mboost_is_looked_for_where_the_study_boosts_with_it(write_study):
    assert r_packages(load_study(write_study())) == ("mgcv",)
    by_mboost = SETTINGS.replace("mstop = 10", 'mstop = 10\nengine = "mboost"')
    assert r_packages(load_study(write_study(settings=by_mboost))) == ("mgcv", "mboost")


def test_the_command_writes_a_page_and_says_by_its_code_whether_the_study_can_run(write_study, tmp_path):
    study = write_study()
    fine = CliRunner().invoke(app, ["check", str(study), "--out", str(tmp_path / "check")])
    assert fine.exit_code == 0 and "The study can run." in fine.output
    assert "The study can run." in (tmp_path / "check" / "check.html").read_text()
    assert len(pd.read_csv(tmp_path / "check" / "calls.csv")) == 12
    (study.parent / "calls.csv").unlink()
    wrong = CliRunner().invoke(app, ["check", str(study)])
    assert wrong.exit_code == 1 and "There is no file" in wrong.output


def test_nothing_of_a_table_becomes_markup():
    findings = pd.DataFrame(
        [("mend", "calls", "<script>x</script>", "")], columns=["kind", "about", "found", "remedy"]
    )
    page = check_page("<b>.toml", findings, pd.DataFrame())
    assert "<script>" not in page and "&lt;script&gt;" in page and "<b>.toml" not in page
