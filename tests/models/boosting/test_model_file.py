"""The saved model: what was fitted is what scores, and a bad file is refused."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ModelError
from voicerisk.models import GamBoost, Lane, Learner, fit_lanes, read_model, scoring_model
from voicerisk.models.boosting.spec import BoostData


def table(n: int = 600, seed: int = 5) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"dom": rng.normal(size=n), "entropy": rng.random(n), "sex": np.where(rng.random(n) < 0.5, "F", "M")}
    )
    X.loc[rng.random(n) < 0.2, "dom"] = np.nan
    y = (np.nan_to_num(X["dom"]) + 2 * X["entropy"] + rng.normal(size=n) > 1).astype(int).to_numpy()
    return X, y


@pytest.fixture(scope="module", params=["extrapolate", "clamp"])
def fitted(request):
    X, y = table()
    return GamBoost(mstop=60, outside=request.param).fit(X, y), X


def test_saved_model_scores_as_the_fitted_one(fitted, tmp_path):
    model, _ = fitted
    model.save(tmp_path / "model.json", step=37)
    again = read_model(tmp_path / "model.json")
    new, _ = table(seed=6)
    new["dom"] *= 2  # many values beyond the knots, and some missing
    scores = again.score(new)
    np.testing.assert_allclose(scores["log_odds"], model.decision_function(new, step=37), atol=1e-12)
    np.testing.assert_allclose(scores["p_raw"], model.predict_proba(new, step=37)[:, 1], atol=1e-13)
    np.testing.assert_allclose(
        scores["base"] + scores["dom"] + scores["entropy"], scores["log_odds"], atol=1e-12
    )
    assert (scores.loc[new["dom"].isna(), "dom"] == 0).all()
    assert again.notes["steps"] == 37


def test_values_outside_the_training_range_are_flagged(fitted):
    model, _ = fitted
    rows = pd.DataFrame(
        {"dom": [0.0, 99.0, np.nan], "entropy": [0.5, -3.0, 0.5], "sex": "female"}, index=[7, 8, 9]
    )
    scores = model.scoring_model().score(rows)
    assert scores["n_outside"].tolist() == [0, 2, 0]
    assert scores["dom_outside"].tolist() == [False, True, False]
    assert scores.index.tolist() == [7, 8, 9]


def test_all_kinds_of_learners_are_summed_into_the_curves():
    X, y = table()
    sex = (X["sex"] == "M").to_numpy(np.int8)
    data = BoostData({"e": X["entropy"].to_numpy()}, sex, y.astype(np.int8), np.arange(len(y)) % 9)
    learners = (
        Learner("bols", "sex", intercept=False),
        Learner("bols", "1", by="female"),
        Learner("bols", "e"),
        Learner("bbs", "e", by="male"),
        Learner("bbs", "e", center=True, df=1.0),
        Learner("brandom", "caller"),
    )
    (path,) = fit_lanes(data, [Lane("a", np.ones(data.n), learners)], 60)
    stranger = BoostData(data.columns, sex, None, np.full(data.n, 99))
    model = scoring_model(path)
    np.testing.assert_allclose(model.link(data.columns, sex, data.n), path.link(stranger), atol=1e-11)


def test_bad_files_are_refused(fitted, tmp_path):
    model, _ = fitted
    path = tmp_path / "model.json"
    model.save(path)
    good = json.loads(path.read_text())

    def refused(text: str, message: str) -> None:
        path.write_text(text)
        with pytest.raises(ModelError, match=message):
            read_model(path)

    refused(json.dumps(good)[:-40], "is not a readable model file")
    refused("[]", "is not a voicerisk model")
    refused(json.dumps(good | {"version": 99}), "has version 99; this voicerisk reads versions 1 and 2")
    refused(json.dumps(good | {"version": True}), "has version True")
    edited = json.loads(json.dumps(good))
    edited["model"]["member"]["offset"] += 0.1
    refused(json.dumps(edited), "is damaged or was edited")
    with pytest.raises(ModelError, match="There is no model file"):
        read_model(tmp_path / "none.json")
    path.write_bytes(b"\x93NUMPY\xff\xfe")
    with pytest.raises(ModelError, match="is not a readable model file"):
        read_model(path)


def test_rows_that_cannot_be_scored_say_why(fitted):
    model, X = fitted
    scorer = model.scoring_model()
    with pytest.raises(ModelError, match="no column entropy"):
        scorer.score(X.drop(columns="entropy"))
    gone = X.assign(entropy=np.where(np.arange(len(X)) == 4, np.nan, X["entropy"]))
    with pytest.raises(ModelError, match="entropy is missing in 1 rows \\(first: row 4\\)"):
        scorer.score(gone)
    with pytest.raises(ModelError, match="sex is 'x'"):
        scorer.score(X.assign(sex="x"))


def test_scoring_loads_neither_numba_nor_r(fitted, tmp_path):
    model, _ = fitted
    model.save(tmp_path / "model.json")
    new, _ = table(50)
    new.to_csv(tmp_path / "new.csv", index=False)
    script = (
        "import sys, pandas as pd\n"
        "from pathlib import Path\n"
        "from voicerisk.models import read_model\n"
        "scores = read_model(Path(sys.argv[1])).score(pd.read_csv(sys.argv[2]))\n"
        "assert len(scores) == 50\n"
        "print(*sorted({'numba', 'rpy2', 'sklearn'} & set(sys.modules)))\n"
    )
    files = [str(tmp_path / "model.json"), str(tmp_path / "new.csv")]
    done = subprocess.run([sys.executable, "-c", script, *files], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
