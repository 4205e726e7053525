"""The simple models of a study are what they say they are."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from voicerisk.callers.moderator import Moderator
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.rivals import (
    LAMBDAS,
    MIX,
    RIDGES,
    beside_the_markers,
    elastic_net_path,
    ridge_path,
    simple_models,
    without_voice,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    y = np.repeat([0.0, 1.0], [18, 12])
    x = rng.normal(size=(30, 4)) + np.array([0.8, 0.0, 0.4, 0.0]) * y[:, None]
    weights = np.where(y == 1, 1.4, 0.7)
    return x, y, weights


def test_ridge_is_scikit_learns(data):
    x, y, weights = data
    found = ridge_path(x, y, weights, x)
    assert found.shape == (30, len(RIDGES))
    for column, penalty in zip(found.T, RIDGES, strict=True):
        fit = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=1000).fit(x, y, sample_weight=weights)
        np.testing.assert_allclose(column, fit.decision_function(x), atol=1e-5)  # lbfgs stops there


def test_elastic_net_obeys_the_conditions_of_its_minimum(data):
    """Karush, Kuhn and Tucker: the gradient of the likelihood is that of the penalty, within it at 0."""
    x, y, weights = data
    link = elastic_net_path(x, y, weights, np.vstack([np.zeros(4), np.eye(4)]))
    share = weights / weights.sum()
    largest = np.abs((share * (y - share @ y)) @ x).max() / MIX
    for column, of_largest in zip(link.T, LAMBDAS, strict=True):
        intercept, beta = column[0], column[1:] - column[0]
        residual = share * (y - 1 / (1 + np.exp(-intercept - x @ beta)))
        gradient = residual @ x - largest * of_largest * (1 - MIX) * beta
        bound = largest * of_largest * MIX
        assert abs(residual.sum()) < 1e-4  # glmnet's tolerance
        np.testing.assert_allclose(gradient[beta != 0], bound * np.sign(beta[beta != 0]), atol=1e-4)
        assert (np.abs(gradient) <= bound + 1e-4).all()
    assert (link[1:, 0] != link[0, 0]).sum() == 1 < (link[1:, -1] != link[0, -1]).sum()


def test_no_column_that_varies_gives_the_prior(data):
    _, y, weights = data
    found = elastic_net_path(np.zeros((30, 2)), y, weights, np.zeros((3, 2)))
    prior = weights @ y / weights.sum()
    np.testing.assert_allclose(found, np.log(prior / (1 - prior)))


def test_rows_are_means_spreads_and_segments_of_the_frames():
    frames = pd.DataFrame(
        {"call_id": ["b", "b", "b", "a"], "caller_id": ["B", "B", "B", "A"], "segment": [0, 0, 1, 0],
         "frame": [0, 1, 0, 0], "time_s": 0.0, "x": [1.0, 2.0, 6.0, np.nan]}
    )  # fmt: skip
    calls = pd.DataFrame({"call_id": ["b", "a"], "caller_id": ["B", "A"], "y": [1, 0], "n_frames": [3, 1]})
    means, summaries, segments = simple_models(ModelTables(calls, frames, frames, ("x",)))
    assert means.rows.to_dict("list") == {
        "call_id": ["b", "a"],
        "x": [3.0, pytest.approx(np.nan, nan_ok=True)],
    }
    assert summaries.rows["x (SD)"].iloc[0] == pytest.approx(np.std([1, 2, 6], ddof=1))
    assert segments.rows.query("call_id == 'b'")["x"].tolist() == [1.5, 6.0]


def test_the_model_without_voice_is_given_no_marker():
    calls = pd.DataFrame(
        {"call_id": list("abc"), "caller_id": list("abc"), "y": [1, 0, 1], "n_frames": 3,
         "sex": ["female", "male", "female"], "age": [30.0, np.nan, 50.0], "country": "DE",
         "service": ["x", "y", "z"]}
    )  # fmt: skip
    frames = pd.DataFrame({"call_id": list("abc"), "segment": 0, "x": [1.0, 2.0, 3.0]})
    tables = ModelTables(calls, frames, frames, ("x",))
    rows = without_voice(tables, ["sex", "age", "sex", "country", "service"]).rows
    assert sorted(rows) == ["age", "call_id", "service = x", "service = y", "service = z", "sex = male"]
    assert rows["sex = male"].tolist() == [0.0, 1.0, 0.0] and np.isnan(rows["age"].iloc[1])
    assert without_voice(tables, ["country", "unknown"]) is None


@pytest.mark.parametrize(
    ("family", "columns"),
    [
        (("linear", "by_level"), ["age", "site = a", "site = b", "site = one of c, d"]),
        (("gamboost",), ["age", "site = a", "site = b", "site = one of c, d"]),
        (("linear", "curves"), ["age"]),  # no member knows the levels
    ],
)
def test_the_model_without_voice_is_given_no_more_than_the_nested_model(family, columns):
    calls = pd.DataFrame(
        {"call_id": list("vwxyz"), "caller_id": list("vwxyz"), "y": [1, 0, 1, 0, 1], "n_frames": 3,
         "site": list("abcda"), "age": [30.0, 40.0, 50.0, 60.0, 70.0], "weight": [1.0, 2.0, 3.0, 4.0, 5.0]}
    )  # fmt: skip
    frames = pd.DataFrame({"call_id": list("vwxyz"), "segment": 0, "x": 1.0})
    site = Moderator("site", ("a", "b", "c", "d"), ("c", "d"))
    tables = ModelTables(calls, frames, frames, ("x",), site)
    study = SimpleNamespace(
        cohort=SimpleNamespace(moderator_column="site", covariates=("age", "weight")),
        boost=SimpleNamespace(covariates=("age",)),
        validation=SimpleNamespace(family=family),
    )
    rows = beside_the_markers(study, tables).rows
    assert sorted(rows.drop(columns="call_id")) == columns
    study.boost.covariates = ()
    alone = beside_the_markers(study, tables)
    assert (alone is None) == (columns == ["age"])
