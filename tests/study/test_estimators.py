"""Estimators that a study file names: what is refused, and that they are judged as the simple models are."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import StudyError
from voicerisk.study.estimators import Estimator, read_estimators
from voicerisk.study.rivals import ridge_path
from voicerisk.validation import ValidationSettings
from voicerisk.validation.protocols.rivals import Rival, run_rival

FOREST = "sklearn.ensemble.RandomForestClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def read(**given):
    return read_estimators("study.toml", {"mine": given}, seed=3)


def test_a_table_becomes_an_estimator_with_the_seed_of_the_study():
    (one,) = read(estimator=FOREST, parameters={"n_estimators": 7})
    assert (one.name, one.rows) == ("mine", "summaries")
    made = one.made(3)
    assert (made.n_estimators, made.random_state) == (7, 3)
    (fixed,) = read(estimator=FOREST, parameters={"random_state": 9})
    assert fixed.made(3).random_state == 9


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"estimator": "os.system"}, "it must be a class of sklearn, xgboost, lightgbm"),
        ({"estimator": "sklearnx.Evil"}, "it must be a class of sklearn"),
        ({"estimator": "sklearn.ensemble.Forest"}, "sklearn.ensemble has no class 'Forest'"),
        ({"estimator": "sklearn.nowhere.Forest"}, "cannot be imported"),
        ({"estimator": "sklearn.utils.murmurhash3_32"}, "has no class"),
        ({"estimator": "sklearn.linear_model.LinearRegression"}, "gives no probabilities"),
        ({"estimator": "sklearn.datasets._openml.TemporaryDirectory"}, "has no class"),
        ({"estimator": "sklearn.svm.SVC"}, "gives no probabilities"),
        ({"estimator": "sklearn.pipeline.Pipeline"}, "refuses its parameters"),
        ({"estimator": FOREST, "parameters": {"n_estimator": 5}}, "has no 'n_estimator'.*n_estimators"),
        ({"estimator": FOREST, "parameters": 5}, "must be a table"),
        (
            {"estimator": FOREST, "rows": "frames"},
            "rows is 'frames'; it is one of summaries, means, segments",
        ),
        ({"estimator": FOREST, "parameter": {}}, "unknown key 'parameter'"),
        ({}, "must name an estimator"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_fitted(given, says):
    with pytest.raises(StudyError, match=says):
        read(**given)


@pytest.mark.parametrize("name", ["nested", "no_voice", "a b", "../x"])
def test_names_that_stand_for_something_else_are_refused(name):
    with pytest.raises(StudyError, match="the name must be a word"):
        read_estimators("study.toml", {name: {"estimator": FOREST}}, 1)


def test_a_logistic_regression_of_scikit_learn_is_judged_as_our_ridge_is():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [14, 10])
    ids = [f"c{i:02d}" for i in range(24)]
    calls = pd.DataFrame({"call_id": ids, "caller_id": ids, "y": y, "n_frames": 5})
    x = rng.normal(size=(24, 3)) + np.array([1.0, 0.0, 0.0]) * y[:, None]
    rows = pd.DataFrame(x, columns=list("abc")).assign(call_id=ids)
    settings = ValidationSettings(designs=["grouped_kfold"], repeats=1, inner_folds=3, bootstraps=20)
    named = Estimator("mine", LOGISTIC, {"C": 0.1, "tol": 1e-10, "max_iter": 1000}, "means")
    ours = Rival("ours", rows, lambda *given: ridge_path(*given)[:, [1]])  # penalty 10 = C of 0.1
    found, wanted = (
        run_rival(one, calls, settings).predictions for one in (Rival("mine", rows, named.learn(1)), ours)
    )
    assert found["model"].unique().tolist() == ["mine"]
    np.testing.assert_allclose(found["p_raw"], wanted["p_raw"], atol=1e-5)  # lbfgs stops there
    np.testing.assert_array_equal(found["fold"], wanted["fold"])
