"""More tables of a saved GAMM: differences, slopes, checks, predictions, Table 1, bootstrap."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ModelError, RBridgeError
from voicerisk.models.gamm.fit import GammModel, fit_gamm
from voicerisk.models.gamm.tables import (
    boot_curves,
    checks,
    derivatives,
    differences,
    partial_residuals,
    predict_gamm,
    table1,
)

pytestmark = pytest.mark.r


def rows():
    rng = np.random.default_rng(1)
    caller = np.repeat(np.arange(30), 8)
    male = caller % 2 == 1
    y = rng.integers(0, 2, len(caller))
    return pd.DataFrame(
        {
            "caller_id": [f"c{i:02d}" for i in caller],
            "call_id": [f"k{i:02d}" for i in caller],
            "segment": np.tile(np.arange(8), 30),
            "sex": np.where(male, "male", "female"),
            "outcome": y,
            "x1": rng.normal(size=len(caller)) + 1.5 * y * ~male,
            "x2": rng.normal(size=len(caller)),
        }
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory, worker):
    folder = tmp_path_factory.mktemp("gamm")
    mixed = fit_gamm(
        rows(), ["x1", "x2"], GammModel(k=5, curve_points=5), rds_path=folder / "mixed.rds", worker=worker
    )
    plain = fit_gamm(
        rows(),
        ["x1"],
        GammModel(k=5, random=(), curve_points=5),
        rds_path=folder / "plain.rds",
        worker=worker,
    )
    return worker, mixed, plain


def test_differences_are_male_minus_female(saved):
    worker, mixed, _ = saved
    found = differences(mixed.rds_path, points=5, worker=worker)
    assert set(found["contrast"]) == {"male - female"}
    assert found["marker"].unique().tolist() == ["x1", "x2"]
    effect = found.query("marker == 'x1'")
    # women's risk rises with x1 and men's does not
    assert effect["estimate"].iloc[0] > 0 > effect["estimate"].iloc[-1]
    assert effect["upper_simultaneous"].iloc[-1] < 0


def test_slopes_say_where_a_curve_rises(saved):
    worker, mixed, _ = saved
    found = derivatives(mixed.rds_path, points=9, worker=worker).query("marker == 'x1'")
    assert "rises" in set(found.query("sex == 'female'")["direction"])
    assert set(found.query("sex == 'male'")["direction"]) == {""}


def test_checks_and_partial_residuals_cover_all_rows(saved):
    worker, mixed, _ = saved
    found = checks(mixed.rds_path, worker=worker)
    assert set(found) == {"k", "concurvity", "residuals", "convergence"}
    assert found["residuals"]["rows"].sum() == 240
    assert found["convergence"]["converged"].all()
    partial = partial_residuals(mixed.rds_path, worker=worker)
    assert len(partial) == 2 * 240
    np.testing.assert_allclose(partial["partial"], partial["fitted"] + partial["residual"])


def test_unseen_callers_get_the_fixed_part_or_the_marginal_mean(saved):
    worker, mixed, _ = saved
    new = rows().head(10).assign(caller_id="new")
    fixed = predict_gamm(mixed.rds_path, new, worker=worker)
    same = predict_gamm(mixed.rds_path, rows().head(10), worker=worker)
    pd.testing.assert_frame_equal(fixed, same)
    marginal = predict_gamm(mixed.rds_path, new, "marginal", worker=worker)
    assert ((marginal["probability"] - 0.5).abs() <= (fixed["probability"] - 0.5).abs() + 1e-12).all()
    assert ((fixed["lower"] < fixed["probability"]) & (fixed["probability"] < fixed["upper"])).all()


def test_strange_rows_are_refused(saved, tmp_path):
    worker, mixed, _ = saved
    with pytest.raises(RBridgeError, match='new rows have sex = "other"; the model knows female and male'):
        predict_gamm(mixed.rds_path, rows().assign(sex="other"), worker=worker)
    with pytest.raises(RBridgeError, match='new rows have no column "x2"'):
        predict_gamm(mixed.rds_path, rows().drop(columns="x2"), worker=worker)
    with pytest.raises(ModelError, match="kind is 'mean'"):
        predict_gamm(mixed.rds_path, rows(), "mean", worker=worker)
    with pytest.raises(ModelError, match=r"no model file .*absent\.rds"):
        checks(tmp_path / "absent.rds", worker=worker)


def test_table1_shows_both_intervals(saved):
    worker, mixed, _ = saved
    right = table1(mixed.rds_path, worker=worker)
    assert "lower_paper" not in right
    both = table1(mixed.rds_path, paper_interval=True, worker=worker)
    np.testing.assert_allclose(both["upper"] - both["beta"], 1.959964 * both["se"], rtol=1e-6)
    width = both["upper_paper"] - both["lower_paper"]
    np.testing.assert_allclose(width * np.sqrt(both["rows"]), both["upper"] - both["lower"], rtol=1e-9)
    assert both["rows"].unique().tolist() == [240]


def test_bootstrap_is_for_models_without_intercepts_and_repeats(saved):
    worker, mixed, plain = saved
    one = boot_curves(plain.rds_path, 50, points=5, seed=2, worker=worker)
    pd.testing.assert_frame_equal(one, boot_curves(plain.rds_path, 50, points=5, seed=2, worker=worker))
    np.testing.assert_allclose(one["estimate"], plain.curves["estimate"], atol=1e-10)
    assert (one["lower"] <= one["upper"]).all()
    with pytest.raises(RBridgeError, match="for models without random intercepts"):
        boot_curves(mixed.rds_path, 50, worker=worker)
