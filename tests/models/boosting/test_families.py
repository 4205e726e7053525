"""Grades and numbers: R's mboost 2.9-13 (tests/reference/mboost, by make_families_ref.R) and known truths."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from voicerisk.errors import ModelError
from voicerisk.models import BoostData, Learner, fit_numeric, fit_ordinal, learners_for

FINE = {"xatol": 1e-9, "fatol": 1e-12}
LEARNERS = learners_for(["x1", "x2"], covariates={"age": False})


@pytest.fixture(scope="module")
def mboost(reference):
    folder = reference / "mboost"
    table = pd.read_csv(folder / "families_data.csv")
    columns = {name: table[name].to_numpy(float) for name in ("x1", "x2", "age")}
    data = BoostData(columns, table["sex"].to_numpy(np.int8), None, np.arange(len(table)))
    return data, table, json.loads((folder / "families.json").read_text())


@pytest.mark.parametrize("held", [False, True])
def test_grades_take_the_path_of_mboost(mboost, held):
    data, table, refs = mboost
    ref = refs["ordinal_held" if held else "ordinal"]
    weights = (table["fold"] != 0).to_numpy(float) if held else None
    found = fit_ordinal(data, table["grade"], LEARNERS, 150, weights=weights)
    assert (found.path.selected + 1).tolist() == ref["xselect"]
    # mboost's thresholds stop at the tolerance of optim's BFGS (1.5e-8 of the risk), ours at the optimum.
    # Seen: risk 1.7e-6 relative, thresholds 1.6e-4, score 1.9e-4.
    np.testing.assert_allclose(found.path.risk, ref["risk"], rtol=5e-6)
    assert (found.path.risk <= np.array(ref["risk"]) * (1 + 1e-9)).mean() > 0.5
    np.testing.assert_allclose(found.path.link(), ref["link"], atol=5e-4)
    np.testing.assert_allclose(found.thresholds[-1], ref["sigma"], atol=5e-4)


@pytest.mark.parametrize("held", [False, True])
def test_numbers_take_the_path_of_mboost(mboost, held):
    data, table, refs = mboost
    ref = refs["gaussian_held" if held else "gaussian"]
    weights = (table["fold"] != 0).to_numpy(float) if held else None
    path = fit_numeric(data, table["z"], LEARNERS, 150, weights=weights)
    assert (path.selected + 1).tolist() == ref["xselect"]
    np.testing.assert_allclose(path.risk, ref["risk"], rtol=5e-8)  # two LAPACKs' lambda; seen 1e-8
    np.testing.assert_allclose(path.link(), ref["link"], atol=1e-6)
    assert path.offset == pytest.approx(ref["offset"], abs=1e-12)


def test_thresholds_are_those_of_the_largest_likelihood(mboost):
    data, table, _ = mboost
    found = fit_ordinal(data, table["grade"], LEARNERS, 20)
    score, y = found.path.link(), table["grade"].to_numpy()

    def loss(thresholds):
        edges = np.r_[-np.inf, thresholds, np.inf]
        p = 1 / (1 + np.exp(score - edges[y + 1])) - 1 / (1 + np.exp(score - edges[y]))
        return -np.log(np.maximum(p, 1e-300)).sum()

    best = minimize(
        loss, found.thresholds[-1] + 0.1, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
    )
    np.testing.assert_allclose(found.thresholds[-1], best.x, atol=1e-5)
    assert found.path.risk[-1] == pytest.approx(best.fun, rel=1e-10)


def test_two_grades_are_the_logistic_model(mboost):
    data, table, _ = mboost
    y = (table["grade"] >= 2).to_numpy(int)
    found = fit_ordinal(data, y, LEARNERS, 400, nu=0.5)
    p = found.probabilities()[:, 1]
    # At the optimum of the threshold the mean risk is the share of events (the score equation).
    assert p.mean() == pytest.approx(y.mean(), abs=1e-9)
    likelihood = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()
    assert found.path.risk[-1] == pytest.approx(likelihood, rel=1e-12)


def simulated(n=6000, seed=3):
    rng = np.random.default_rng(seed)
    sex = (np.arange(n) % 3).astype(np.int8)
    x, age = rng.normal(size=n), rng.uniform(16, 80, n)
    score = x * np.array([1.2, -0.7, 0.0])[sex] + 0.04 * (age - 45)
    grade = np.digitize(score + rng.logistic(size=n), [-1.0, 0.5, 2.0])
    from voicerisk.callers.moderator import Moderator

    moderator = Moderator("service", ("chat", "line", "text"))
    return BoostData({"x": x, "age": age}, sex, None, np.arange(n), moderator), grade, score


def test_three_levels_an_age_and_thresholds_are_recovered():
    data, grade, score = simulated()
    learners = learners_for(["x"], moderator=data.moderator, covariates={"age": False})
    found = fit_ordinal(data, grade, learners, 400, nu=0.3)
    own = found.path.link()
    assert np.corrcoef(own, score)[0, 1] > 0.98
    # Thresholds lie on the scale of the score, which starts anywhere: their distances are the truth.
    np.testing.assert_allclose(np.diff(found.thresholds[-1]), [1.5, 1.5], atol=0.15)
    p = found.probabilities()
    np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-12)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.mean(axis=0), np.bincount(grade) / len(grade), atol=0.01)


def test_held_out_rows_are_never_looked_at(mboost):
    data, table, _ = mboost
    weights = (table["fold"] != 1).to_numpy(float)
    grade = table["grade"].to_numpy()
    other = np.where(weights == 0, 4 - grade, grade)
    one, two = (fit_ordinal(data, y, LEARNERS, 40, weights=weights) for y in (grade, other))
    np.testing.assert_array_equal(one.path.link(), two.path.link())
    np.testing.assert_array_equal(one.thresholds, two.thresholds)


def test_missing_values_add_nothing(mboost):
    data, table, _ = mboost
    x1 = data.columns["x1"].copy()
    x1[::7] = np.nan
    gaps = replace(data, columns={**data.columns, "x1": x1})
    found = fit_ordinal(gaps, table["grade"], learners_for(["x1", "x2"], ["x1"]), 60)
    parts = found.path.contributions(gaps)
    own = [f.learner.variable == "x1" for f in found.path.learners]
    assert not parts[own][:, ::7].any() and parts[own][:, 1::7].any()


def test_what_cannot_be_a_grade_is_refused(mboost):
    data, table, _ = mboost
    grade = table["grade"].to_numpy()
    with pytest.raises(ModelError, match="Grades must be whole numbers from 0 on"):
        fit_ordinal(data, grade + 0.5, LEARNERS)
    with pytest.raises(ModelError, match="Grade 2 has no row with weight"):
        fit_ordinal(data, grade, LEARNERS, weights=(grade != 2).astype(float))
    with pytest.raises(ModelError, match="Grade 1 has no row with weight"):
        fit_ordinal(data, np.zeros(data.n, int), LEARNERS)
    with pytest.raises(ModelError, match="must hold a finite number"):
        fit_numeric(data, np.full(data.n, np.nan), LEARNERS)
    with pytest.raises(ModelError, match="brandom is for two classes only"):
        fit_numeric(data, table["z"], (Learner("brandom", "caller"),))
