"""Covariates in the score: age as a curve, a few numbers as a line, a text as one learner a value."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.errors import ModelError, StudyError
from voicerisk.models import BoostData, BoostSettings, GamBoost, Lane, fit_lanes, learners_for, read_model
from voicerisk.models.boosting.mboost import fit_mboost
from voicerisk.screening import ScreeningSettings
from voicerisk.study import load_study, run_study
from voicerisk.study.fitting.covariates import covariate_columns
from voicerisk.study.fitting.design import model_tables
from voicerisk.study.fitting.screening import screen_all, screening_rows


def test_numbers_stay_and_texts_become_a_column_a_value():
    calls = pd.DataFrame({"age": [40, 31, 55], "language": ["de", "fr", None], "site": ["a", "b", "c"]})
    found = covariate_columns(calls, ["age", "language", "site"])
    assert list(found) == ["age", "language = fr", "site = a", "site = b", "site = c"]
    assert found["language = fr"].isna().tolist() == [False, False, True]
    assert found["site = b"].tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(StudyError, match=r"names 'age', which has 1 value\(s\)"):
        covariate_columns(calls.assign(age=3), ["age"])


def test_every_frame_has_the_covariates_of_its_call():
    calls, frames = marker_frames(8)
    calls = calls.assign(age=np.arange(8.0) ** 2)
    frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id").assign(time_s=0.0)
    frames = frames.sample(frac=1.0, random_state=1)  # the order of rows says nothing
    segments = frames.groupby(["call_id", "caller_id", "segment"], as_index=False)[["x", "noise"]].mean()
    tables = model_tables(
        calls, frames, segments.assign(n_frames=10), ("x", "noise"), "frame", covariates=("age",)
    )
    of_call = dict(zip(calls["call_id"], calls["age"], strict=True))
    assert tables.covariates == ("age",) and tables.markers == ("x", "noise")
    assert (tables.frames["age"] == tables.frames["call_id"].map(of_call)).all()
    with pytest.raises(StudyError, match="'x' is the name of a marker too"):
        model_tables(
            calls.assign(x=calls["age"]),
            frames,
            segments.assign(n_frames=10),
            ("x",),
            "frame",
            covariates=("x",),
        )


def rows(n=500, seed=7):
    rng = np.random.default_rng(seed)
    caller = np.sort(rng.integers(0, 40, n)).astype(np.int32)
    age = rng.uniform(15, 80, 40)[caller]
    french = (rng.random(40) < 0.4).astype(float)[caller]
    columns = {"x": rng.normal(size=n), "age": age, "language = fr": french}
    logit = 0.8 * columns["x"] + 0.002 * (age - 45) ** 2 - 1.5 + 0.7 * french
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    return BoostData(columns, (caller % 2).astype(np.int8), y, caller)


COVARIATES = {"age": False, "language = fr": True}


@pytest.mark.mboost
def test_a_path_with_covariates_is_that_of_mboost(mboost):
    data = rows()
    learners = learners_for(["x"], covariates=COVARIATES)
    assert [one.name for one in learners[-2:]] == ["bbs(age)", "bols(language = fr)"]
    lanes = [
        Lane("all", np.ones(data.n), learners),
        Lane("held out", (data.caller != 3).astype(float), learners, boundary="train", outside="clamp"),
    ]
    for ours, theirs in zip(fit_lanes(data, lanes, 60), fit_mboost(data, lanes, 60), strict=True):
        np.testing.assert_array_equal(ours.selected, theirs.selected)
        np.testing.assert_allclose(ours.risk, theirs.risk, rtol=1e-7)
        np.testing.assert_allclose(ours.link(), theirs.link(), atol=1e-6)  # two LAPACKs' lambda
        assert {"bbs(age)", "bols(language = fr)"} <= {ours.learners[j].learner.name for j in ours.selected}


def test_the_curve_of_age_is_recovered_and_is_the_same_for_both_sexes():
    data = rows(4000)
    table = pd.DataFrame(dict(data.columns)).assign(sex=np.where(data.level == 1, "male", "female"))
    model = GamBoost(mstop=300, covariates=COVARIATES).fit(table, data.y)
    curve = model.partial_effects().query("marker == 'age' and sex == 'female'")
    truth = 0.002 * (curve["x"] - 45) ** 2
    assert np.corrcoef(curve["estimate"], truth)[0, 1] > 0.9
    assert curve["x"].iloc[curve["estimate"].argmin()] == pytest.approx(45, abs=8)
    learners = model.selection_frequencies().query("marker == 'age'")
    assert learners["sex"].tolist() == ["all"]
    with pytest.raises(ModelError, match="covariates names 'income', which is not among the markers"):
        GamBoost(mstop=2, covariates={"income": False}).fit(table, data.y)


@pytest.mark.r
def test_a_study_learns_from_age_where_voice_says_nothing(write_study, tmp_path, told):
    calls, frames = marker_frames(16, effect=0.0)
    rng = np.random.default_rng(2)
    calls["age"] = np.where(calls["outcome"] == 1, 60.0, 30.0) + rng.integers(0, 12, 16)
    calls["language"] = np.where(np.arange(16) % 3, "de", "fr")
    text = SETTINGS.replace(
        'outcome = "outcome"\n', 'outcome = "outcome"\ncovariates = ["age", "language"]\n'
    )
    text = text.replace("mstop = 10", 'mstop = 60\ncovariates = ["age", "language"]')
    text = text.replace("repeats = 1", 'repeats = 1\ndesigns = ["loco"]\nfast = true')
    study = load_study(write_study(calls, frames, text + '\n[screening]\nunit = "none"\n'))
    result = run_study(study, tmp_path / "results", protocols=("published",))
    effects = pd.read_csv(tmp_path / "results" / "boost" / "partial_effects_published.csv")
    assert {"age", "language = fr"} <= set(effects["marker"])
    curve = effects.query("marker == 'age' and sex == 'female'")["estimate"]
    assert curve.iloc[-1] - curve.iloc[0] > 1  # the old are at risk here
    auroc = result.metrics.query("unit == 'call' and metric == 'auroc' and subgroup == 'all'")["estimate"]
    assert auroc.iloc[0] > 0.9  # the markers alone say nothing
    assert {"x", "noise", "age"} <= set(read_model(tmp_path / "results/boost/model_published.json").markers)


def test_what_cannot_be_meant_is_refused(write_study):
    calls, frames = marker_frames()
    with pytest.raises(StudyError, match=r"\[boost\] covariates: 'age' is not in \[cohort\] covariates"):
        load_study(write_study(calls, frames, SETTINGS.replace("mstop = 10", 'covariates = ["age"]')))
    with pytest.raises(ModelError, match="names a column twice"):
        BoostSettings(covariates=("age", "age"))
    with pytest.raises(ModelError, match="must be a list of columns"):
        BoostSettings(covariates="age")


def test_covariates_are_forced_where_models_of_calls_are_alone(write_study):
    calls, frames = marker_frames(8)
    calls = calls.assign(age=np.arange(8.0))
    forced = SETTINGS.replace("mstop = 10", 'mstop = 10\ncovariates = ["age"]\nforced = true')
    forced = forced.replace('outcome = "outcome"', 'outcome = "outcome"\ncovariates = ["age"]')
    with pytest.raises(StudyError, match="forced is of models of calls; set protocols"):
        load_study(write_study(calls, frames, forced))
    alone = forced.replace("[validation]", '[validation]\nprotocols = ["nested"]')
    assert load_study(write_study(calls, frames, alone)).boost.forced
    with pytest.raises(ModelError, match=r"boost.covariates names none that could be forced"):
        BoostSettings(forced=True)


def test_screening_beside_a_covariate_uses_the_column_of_the_call_and_penalises_markers_alone():
    calls, frames = marker_frames(24)
    age = calls["outcome"] * 8.0 + np.random.default_rng(2).normal(40, 10, 24)
    calls = calls.assign(age=age, site=["a", "b", "c"] * 8)
    frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id").assign(time_s=0.0)
    segments = frames.groupby(["call_id", "caller_id", "segment"], as_index=False)[["x", "noise"]].mean()
    tables = model_tables(calls, frames, segments.assign(n_frames=10), ("x", "noise"), "frame")
    settings = ScreeningSettings(covariates=["age", "site"])
    rows = screening_rows(tables, settings)
    assert rows.covariates == (
        "age",
        "site = b",
        "site = c",
    )  # the first site is what others are compared with
    assert np.array_equal(rows.table["age"], tables.of_segments("age"))
    found = screen_all(rows, settings, 4, None, 1)
    assert found.path["age"].iloc[0] != 0 and found.path["x"].iloc[0] == 0
    assert set(found.selected) <= {"x", "noise"} and "x" in found.selected
    with pytest.raises(StudyError, match=r"\[screening\] covariates: 'x' is the name of a marker"):
        screening_rows(replace(tables, calls=tables.calls.assign(x=age)), ScreeningSettings(covariates=["x"]))


def test_covariates_of_the_screening_are_among_those_of_the_cohort(tmp_path):
    (tmp_path / "study.toml").write_text(SETTINGS + '\n[screening]\ncovariates = ["age"]\n')
    with pytest.raises(StudyError, match=r"\[screening\] covariates: 'age' is not in \[cohort\] covariates"):
        load_study(tmp_path / "study.toml")
