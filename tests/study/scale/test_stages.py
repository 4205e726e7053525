"""Studies of grades and of a number, from the study file to the report and a saved model."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from tests.study.small_scale import SETTINGS, graded_frames
from voicerisk.errors import ModelError, StudyError, VoiceriskError
from voicerisk.models import read_model
from voicerisk.models.saved.scale import read_scale_model
from voicerisk.pipeline.tables import read_table
from voicerisk.study import load_study, run_study
from voicerisk.study.audit.run import run_audit
from voicerisk.study.check import check_study
from voicerisk.study.external.validate import validate_externally
from voicerisk.study.saved_model.scoring import score

QUICK = SETTINGS + 'designs = ["loco"]\nfamily = ["linear", "curves"]\n'
NUMBER = QUICK.replace('"grade"', '"phq"').replace('"ordinal"', '"continuous"').replace("middle = [2]\n", "")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study of grades and one of a number, run."""
    import soundfile

    done = {}
    for name, settings in (("ordinal", QUICK), ("continuous", NUMBER)):
        folder = tmp_path_factory.mktemp(name)
        calls, frames = graded_frames(32)
        for n, file in enumerate(calls["file"]):
            sound = np.zeros(16_000)
            sound[1000 + 100 * n] = 0.01
            soundfile.write(folder / file, sound, 8000, subtype="PCM_16")
        calls.to_csv(folder / "calls.csv", index=False)
        frames.to_csv(folder / "markers.csv", index=False)
        (folder / "study.toml").write_text(settings, encoding="utf-8")
        study = load_study(folder / "study.toml")
        done[name] = study, run_study(study, folder / "results"), calls
    return done


def test_grades_run_from_end_to_end(ran) -> None:
    _, result, calls = ran["ordinal"]
    home = result.folder
    rows = read_table(home, "predictions_scale").merge(calls[["call_id", "grade"]], on="call_id")
    assert (rows["y"] == rows["grade"]).all() and len(rows) == 32
    found = result.metrics.set_index("metric")["estimate"]
    assert found["ordinal_c"] > 0.65 and found["rps"] < found["rps_of_shares"]
    grades = read_table(home, "scale/calibration")
    assert grades["n_events"].tolist() == [int((calls["grade"] >= k).sum()) for k in range(1, 5)]
    spectrum = read_table(home, "scale/spectrum").set_index("calls")
    assert spectrum.loc["without the middle", "n"] == int((calls["grade"] != 2).sum())
    assert spectrum.loc["everyone", "n_events"] == int((calls["grade"] > 2).sum())
    for name in ("figures/predicted_observed.svg", "figures/grade_calibration.svg", "tables/spectrum.html"):
        assert (home / name).is_file()
    page = re.sub(r"\s+", " ", (home / "report.html").read_text(encoding="utf-8"))
    assert "Of two calls of unlike grades" in page and "The spectrum effect" in page
    manifest = json.loads((home / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["cohort"]["scale"] == "ordinal"
    assert not (home / "metrics.csv").exists() and not (home / "gamm").exists()


def test_a_number_runs_from_end_to_end(ran) -> None:
    _, result, calls = ran["continuous"]
    found = result.metrics.set_index("metric")["estimate"]
    # 36 of 45 units of variance are of the marker: R2 0.8 at best
    assert 0.5 < found["r2"] < 0.9
    assert found["rmse"] == pytest.approx(np.sqrt((1 - found["r2"]) * calls["phq"].var(ddof=0)))
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "of the variance of the outcome" in page
    missing = read_table(result.folder, "missing")
    assert set(missing["outcome"]) == {0, 1}


def test_a_second_run_does_nothing(ran, told) -> None:
    study, result, _ = ran["ordinal"]
    reporter = told()
    run_study(study, result.folder, reporter=reporter)
    assert reporter.ran == []


@pytest.mark.parametrize("name", ["ordinal", "continuous"])
def test_the_saved_model_scores_as_it_was_learned(ran, name) -> None:
    study, result, calls = ran[name]
    table = pd.read_csv(study.folder / "markers.csv").merge(calls[["call_id", "sex"]], on="call_id")
    source = study.folder / f"again_{name}.csv"
    table.to_csv(source, index=False)
    told = score(result.folder / "scale/model.json", source).calls.set_index("call_id")
    y = calls.set_index("call_id")["grade" if name == "ordinal" else "phq"].loc[told.index]
    assert np.corrcoef(told["predicted"], y)[0, 1] > 0.7
    model = read_scale_model(result.folder / "scale/model.json")
    again = model.of_scores(told["score"].to_numpy())
    np.testing.assert_array_equal(again["predicted"], told["predicted"])
    if name == "ordinal":
        above = told[[f"at_least_{k}" for k in range(1, 5)]].to_numpy()
        assert (np.diff(above, axis=1) <= 0).all()
        # on the calls learned from, weighted as the study is, the shares are met
        assert above.mean(axis=0) == pytest.approx([(y >= k).mean() for k in range(1, 5)], abs=0.08)
    else:
        assert told["predicted"].mean() == pytest.approx(y.mean(), abs=0.5)
    with pytest.raises(ModelError, match="has no use for it"):
        score(result.folder / "scale/model.json", source, prevalence=0.1)


@pytest.mark.r
@pytest.mark.parametrize("name", ["ordinal", "continuous"])
def test_r_reads_the_study_and_tells_calls_the_same(ran, name, worker, tmp_path) -> None:
    study, result, calls = ran[name]
    table = pd.read_csv(study.folder / "markers.csv").merge(calls[["call_id", "sex"]], on="call_id")
    source = tmp_path / "again.csv"
    table.to_csv(source, index=False)
    told = score(result.folder / "scale/model.json", source).calls
    model = worker.call("bridge_scale", path=str(result.folder / "scale/model.json"), newdata=table).value
    np.testing.assert_array_equal(model["call_id"], told["call_id"])
    shared = ["score", "predicted", *(column for column in told if column.startswith("at_least_"))]
    np.testing.assert_allclose(model[shared], told[shared], rtol=0, atol=1e-10)  # one sum in another order
    found = worker.call("bridge_study_summary", path=str(result.folder)).value
    mine = read_table(result.folder, "scale/metrics")
    np.testing.assert_allclose(found["estimate"], mine["estimate"], rtol=1e-15)
    assert found["metric"].tolist() == mine["metric"].tolist()


def test_a_damaged_model_is_refused(ran, tmp_path) -> None:
    file = ran["ordinal"][1].folder / "scale/model.json"
    with pytest.raises(ModelError, match="of grades or of a number, not of two classes"):
        read_model(file)
    stored = json.loads(file.read_text(encoding="utf-8"))
    stored["model"]["line"]["thresholds"].reverse()
    other = tmp_path / "model.json"
    other.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ModelError, match="damaged or was edited"):
        read_scale_model(other)


def test_what_is_of_two_classes_is_refused(ran) -> None:
    study, result, _ = ran["ordinal"]
    with pytest.raises(StudyError, match="`voicerisk audit` is of two classes"):
        run_audit(study, result.folder)
    with pytest.raises(StudyError, match="add nested to"):
        run_study(study, result.folder, protocols=("published",))


@pytest.mark.parametrize("name", ["ordinal", "continuous"])
def test_a_saved_model_is_validated_on_another_study(ran, name, write_study) -> None:
    _, result, _ = ran[name]
    model = result.folder / "scale/model.json"
    calls, frames = graded_frames(24, seed=7)
    calls = calls.assign(sex=["diverse", *calls["sex"][1:]])
    settings = QUICK if name == "ordinal" else NUMBER
    if name == "ordinal":  # nobody is as ill as the worst that the model has seen
        calls["grade"] = calls["grade"].clip(upper=3)
    other = load_study(write_study(calls, frames, settings, "other"))
    found = validate_externally(model, other, other.folder / "results")
    assert any("sex: the model does not know the level of 1 call ('diverse'" in note for note in found.notes)
    assert set(found.metrics["design"]) == {"external"} and (found.metrics["n"] == 24).all()
    rows = pd.read_parquet(found.folder / "predictions.parquet").set_index("call_id")
    table = frames.merge(calls[["call_id", "sex"]], on="call_id")
    table.to_csv(other.folder / "table.csv", index=False)
    told = score(model, other.folder / "table.csv").calls.set_index("call_id").loc[rows.index]
    np.testing.assert_allclose(rows["predicted"], told["predicted"], rtol=1e-12)
    value = found.metrics.set_index("metric")["estimate"]
    if name == "continuous":
        assert found.calibration is None
        rest = rows["y"] - rows["predicted"]
        assert value["rmse"] == pytest.approx(np.sqrt((rest**2).mean()))
        assert value["r2"] == pytest.approx(1 - (rest**2).mean() / rows["y"].var(ddof=0))
    else:
        assert found.calibration["grade"].tolist() == [1, 2, 3]
        assert "No call has grade 4, which the model knows." in found.notes
        assert "calls of another study" in found.answer[0] and value["ordinal_c"] > 0.65
    assert (found.folder / "figures/predicted_observed.svg").is_file()


def test_a_model_is_not_validated_on_another_scale(ran) -> None:
    ordinal, number = (ran[name][1].folder / "scale/model.json" for name in ("ordinal", "continuous"))
    study, result, _ = ran["ordinal"]
    with pytest.raises(StudyError, match=r"scale 'continuous', but study.toml has .* scale = 'ordinal'"):
        validate_externally(number, study, result.folder)
    with pytest.raises(StudyError, match="--threshold is of two classes"):
        validate_externally(ordinal, study, result.folder, threshold=0.5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('family = ["linear", "curves"]', 'family = ["gamboost"]', "name a member such as curves"),
        ("seed = 3", "seed = 3\nprevalence = 0.1", "leave prior and prevalence out"),
        ('scale = "ordinal"', 'scale = "grades"', "scale must be one of binary, ordinal, continuous"),
        ("middle = [2]", "middle = [2, 4]", "neighbouring grades"),
        ('outcome = "grade"', 'outcome = "phq"', "a grade, a whole number from 0 to 100, or empty"),
        ('scale = "ordinal"\nmiddle = [2]', 'scale = "continuous"\nmiddle = [2]', "middle is for an ordinal"),
        ('scale = "ordinal"\nmiddle = [2]', "", "0, 1 or empty"),
    ],
)
def test_bad_settings_are_named(write_study, old, new, said) -> None:
    calls, frames = graded_frames(12)
    path = write_study(calls, frames, QUICK.replace(old, new))
    findings = check_study(path).findings
    assert findings.loc[findings["kind"] == "mend", "found"].str.contains(said, regex=False).any()


def test_check_counts_the_grades(write_study) -> None:
    calls, frames = graded_frames(24)
    found = check_study(write_study(calls, frames, QUICK)).findings
    said = " ".join(found["found"])
    n = int((calls["grade"] == 4).sum())
    assert f"{n} calls of {n} callers have grade 4" in said and "fits 96 models" in said
    found = check_study(write_study(calls, frames, NUMBER, "number")).findings
    assert f"mean {calls['phq'].mean():.4g}" in " ".join(found["found"])


def test_cssrs_ratings_keep_their_middle(write_study) -> None:
    calls, frames = graded_frames(24)
    calls = calls.assign(cssrs=calls["grade"] + 1)
    settings = QUICK.replace('outcome = "grade"', 'cssrs = "cssrs"').replace("middle = [2]\n", "")
    study = load_study(write_study(calls, frames, settings))
    assert study.cohort.extremes == ((1, 2), (5, 6))
    from voicerisk.cohort import load_cohort

    cohort = load_cohort(study.cohort, study.folder)
    assert sorted(cohort.calls["outcome"].unique()) == [1, 2, 3, 4, 5] and len(cohort.calls) == 24
    with pytest.raises(VoiceriskError, match="C-SSRS ratings are ordinal"):
        load_study(write_study(calls, frames, settings.replace('"ordinal"', '"continuous"'), "other"))


def test_what_differs_between_calls_of_one_caller_is_asked_on_its_own(write_study) -> None:
    """Between callers `x` says nothing; within a caller it rises with the grade."""
    rng = np.random.default_rng(4)
    n, per = 24, 4
    level = np.repeat(3.0 * rng.normal(size=n), per)
    within = rng.normal(size=n * per)
    calls = pd.DataFrame(
        {
            "call_id": [f"call{i:03d}" for i in range(n * per)],
            "caller_id": [f"caller{i // per:02d}" for i in range(n * per)],
            "sex": np.where(np.arange(n * per) // per % 2, "female", "male"),
            "grade": np.digitize(2.0 * within + rng.logistic(size=n * per), [-1.0, 1.0]),
            "file": [f"call{i:03d}.wav" for i in range(n * per)],
        }
    )
    frames = pd.DataFrame(
        {
            "call_id": np.repeat(calls["call_id"], 3),
            "segment": 0,
            "frame": np.tile(np.arange(3), n * per),
            "x": np.repeat(level + within, 3) + 0.1 * rng.normal(size=3 * n * per),
        }
    )
    settings = QUICK.replace('designs = ["loco"]', 'designs = ["grouped_kfold"]').replace(
        "middle = [2]\n", ""
    )
    settings = settings.replace('"markers.csv"', '"markers.csv"\nlevels = "caller"')
    study = load_study(write_study(calls, frames, settings))
    result = run_study(study, study.folder / "results")
    found = result.metrics.set_index("metric")["estimate"]
    assert found["within_callers_c"] > 0.75
    effects = read_table(result.folder, "scale/partial_effects")
    rise = effects.groupby("marker")["estimate"].agg(np.ptp)
    assert set(rise.index) == {"x_caller", "x_within"} and rise["x_within"] > 4 * rise["x_caller"]
    alone = calls.drop_duplicates("caller_id")
    study = load_study(write_study(alone, frames, settings, "alone"))
    with pytest.raises(StudyError, match="every caller has a single call"):
        run_study(study, study.folder / "results")
