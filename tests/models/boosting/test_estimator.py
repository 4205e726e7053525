"""The estimator: scikit-learn's conventions, effects, and agreement with the lanes."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from voicerisk.errors import ModelError
from voicerisk.models import GamBoost, stability_selection


def table(n: int = 800, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    caller = rng.integers(0, 16, n)
    sex = np.where(caller % 2, "male", "female")
    X = pd.DataFrame(
        {"dom": rng.normal(size=n), "entropy": rng.normal(size=n), "noise": rng.normal(size=n), "sex": sex}
    )
    eta = np.where(sex == "male", 2 * np.sin(2 * X["dom"]), -X["entropy"])
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    X.loc[rng.random(n) < 0.2, "dom"] = np.nan
    return X, y, caller


@pytest.fixture(scope="module")
def model():
    X, y, _ = table()
    return GamBoost(mstop=80).fit(X, y)


# scikit-learn's checks that do not apply, and why; everything else must pass.
NOT_APPLICABLE = {
    "sex": {
        "check_sample_weights_pandas_series": "a table must hold the moderator's column",
        "check_classifier_data_not_an_array": "a table must hold the moderator's column",
        "check_sample_weight_equivalence_on_dense_data": "as in mboost, rows of weight 0 set the knots",
    },
    "none, knots of the rows with weight": {},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("moderator", NOT_APPLICABLE)
def test_scikit_learns_estimator_checks(moderator):
    if moderator == "sex":
        estimator = GamBoost(mstop=20)
    else:
        estimator = GamBoost(moderator=None, mstop=20, boundary_knots="train")
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    # asked from the newest scikit-learn as from the oldest allowed: checks come and go
    assert failed <= set(NOT_APPLICABLE[moderator])
    assert sum(result["status"] == "passed" for result in results) > 45


def test_groups_go_through_cross_validation_and_tuning():
    X, y, caller = table(400)
    folds = GroupKFold(4)
    with sklearn.config_context(enable_metadata_routing=True):
        given = GamBoost(mstop=15, brandom=True).set_fit_request(groups=True)
        scores = cross_val_score(given, X, y, cv=folds, params={"groups": caller})
        found = GridSearchCV(given, {"mstop": [1, 15]}, cv=folds).fit(X, y, groups=caller)
    assert len(scores) == 4 and np.isfinite(scores).all()
    assert found.best_estimator_.callers_.tolist() == sorted(set(caller.tolist()))


def test_stability_selection_halves_the_callers_given_as_groups():
    X, y, caller = table()
    with pytest.raises(ModelError, match="pass groups to fit"):
        GamBoost(mstop=10).fit(X, y).stability_selection(q=2)
    fitted = GamBoost(mstop=40).fit(X, y, groups=caller)
    first = fitted.stability_selection(q=2, seed=4, pairs=6, cutoff=0.9)
    stable = first.table.query("stable")["learner"].tolist()
    assert sorted(stable) == ["bbs(dom, by = male, available)", "bbs(entropy, by = female)"]
    direct = stability_selection(fitted.path_.data, fitted.learners_, 2, 4, 0.9, 6, 40)
    pd.testing.assert_frame_equal(first.table, direct.table)


def test_parameters_and_clone():
    given = GamBoost(mstop=7, outside="clamp", markers=["dom"])
    assert clone(given).get_params() == given.get_params()
    assert clone(given).set_params(mstop=9).mstop == 9


def test_any_number_of_steps_after_the_fit(model):
    X, y, _ = table()
    short = GamBoost(mstop=25).fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X, step=25), short.decision_function(X))
    np.testing.assert_allclose(model.predict_proba(X, step=0)[:, 1], y.mean())
    np.testing.assert_array_equal(model.predict(X), (model.predict_proba(X)[:, 1] > 0.5).astype(int))
    with pytest.raises(ModelError, match="Step 81 was asked for"):
        model.predict_proba(X, step=81)


def test_frequencies_and_importance_add_up(model):
    frequencies, importance = model.selection_frequencies(), model.importance()
    assert frequencies["n_selected"].sum() == 80
    assert frequencies["share"].sum() == pytest.approx(1)
    fall = (model.risk_path[0] - model.risk_path[-1]) / 800
    assert importance["importance"].sum() == pytest.approx(fall)
    best = importance.set_index(["marker", "sex"])["importance"]
    assert best["dom", "male"] > 5 * best["dom", "female"]
    assert best["entropy", "female"] > 5 * best["entropy", "male"]


def test_partial_effects_are_centred_over_available_rows_and_add_to_the_score(model):
    X, _, _ = table()
    effects = model.partial_effects(points=401)
    assert effects.columns.tolist() == ["marker", "sex", "x", "estimate"]
    levels = model.availability_effects().set_index(["marker", "sex"])["estimate"]
    base = model.scoring_model().score(X)["base"]
    total = base.to_numpy().copy()
    for (marker, sex), curve in effects.groupby(["marker", "sex"]):
        rows = ((X["sex"] == sex) & X[marker].notna()).to_numpy()
        values = np.interp(X.loc[rows, marker], curve["x"], curve["estimate"])
        assert values.mean() == pytest.approx(0, abs=2e-3)
        total[rows] += values + levels[marker, sex]
    np.testing.assert_allclose(total, model.decision_function(X), atol=0.02)  # interpolation of the curves


def test_relabelling_sex_swaps_the_curves(model):
    X, y, _ = table()
    swapped = X.assign(sex=X["sex"].map({"female": "M", "male": "F"}))
    other = GamBoost(mstop=80).fit(swapped, y)
    np.testing.assert_allclose(other.decision_function(swapped), model.decision_function(X), atol=1e-8)


def test_caller_effects_are_fitted_but_never_predicted():
    X, y, caller = table()
    y = np.where(np.isin(caller, [2, 3]), 1, y)
    with_callers = GamBoost(mstop=60, brandom=True).fit(X, y, groups=caller)
    assert "brandom(caller)" in set(with_callers.selection_frequencies().query("n_selected > 0")["learner"])
    own = with_callers.path_.link()
    assert np.abs(own - with_callers.decision_function(X)).max() > 0.1
    one = X[(caller == 2)]
    np.testing.assert_array_equal(
        with_callers.decision_function(one), with_callers.decision_function(X)[caller == 2]
    )
    with pytest.raises(ModelError, match="brandom = true needs the caller"):
        GamBoost(brandom=True).fit(X, y)


def test_bad_tables_name_what_is_wrong(model):
    X, y, _ = table()
    with pytest.raises(ModelError, match="Column sex, row 3: there is no level"):
        GamBoost().fit(X.assign(sex=X["sex"].where(np.arange(len(X)) != 3)), y)
    with pytest.raises(
        ModelError, match="Column sex, row 3: sex is 'diverse'; it must be one of female, male"
    ):
        model.predict(X.assign(sex=np.where(np.arange(len(X)) == 3, "diverse", X["sex"])))
    with pytest.raises(ModelError, match="no column sex"):
        GamBoost().fit(X.drop(columns="sex"), y)
    with pytest.raises(ModelError, match="no column dom"):
        model.predict(X.drop(columns="dom"))
    with pytest.raises(ModelError, match="Column dom is infinite in row 5"):
        GamBoost().fit(X.assign(dom=np.where(np.arange(len(X)) == 5, np.inf, 0.0)), y)
    with pytest.raises(ModelError, match="Column dom is of type"):
        GamBoost().fit(X.assign(dom="a"), y)
    with pytest.raises(ModelError, match="The outcome has 1 class"):
        GamBoost().fit(X, np.zeros(len(X)))
