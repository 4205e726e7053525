import json
import tomllib

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import StudyError
from voicerisk.proportional_odds import ridge_ordinal
from voicerisk.simulate import simulate_scale


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "study"
    truth = simulate_scale(folder, callers=600, seed=5)
    return folder, truth, pd.read_csv(folder / "calls.csv"), pd.read_csv(folder / "markers.csv")


def test_the_score_is_age_level_and_markers(made) -> None:
    folder, truth, calls, frames = made
    assert json.loads((folder / "truth.json").read_text())["age_effect"] == truth.age_effect
    assert tomllib.loads((folder / "study.toml").read_text())["cohort"]["middle"] == [2]
    counts = calls["sex"].fillna("unknown").value_counts().to_dict()
    assert counts == {"female": 264, "male": 216, "diverse": 84, "unknown": 36}
    level = calls["sex"].fillna("unknown").to_numpy()
    of_calls = frames.groupby("call_id", sort=False).mean()
    score = truth.age_effect * (calls["age"].to_numpy() - 42.0)
    score += np.where(level == "diverse", 0.6, 0.0)
    for marker in ("x1", "x2", "x3", "x4"):
        for one in counts:
            mine = level == one
            score[mine] += truth.curve(marker, one, of_calls[marker].to_numpy()[mine])
    np.testing.assert_allclose(score, truth.calls["score"], atol=1e-12)


def test_grades_and_number_follow_the_score(made) -> None:
    _, truth, calls, _ = made
    score = truth.calls["score"].to_numpy()
    thresholds, slope = ridge_ordinal(score[:, None], calls["grade"].to_numpy(), np.ones(600), 1e-9)
    # standard errors with 600 calls: about 0.06 of the slope, 0.13 of a threshold
    assert slope[0] == pytest.approx(1.0, abs=0.2)
    assert thresholds == pytest.approx(truth.thresholds, abs=0.45)
    rest = calls["number"] - (10.0 + 2.0 * score)
    assert rest.mean() == pytest.approx(0.0, abs=4 * 3 / np.sqrt(600))
    assert rest.std() == pytest.approx(3.0, rel=0.12)


def test_nothing_moves_under_the_null(tmp_path) -> None:
    truth = simulate_scale(tmp_path / "null", callers=20, null=True, seed=2, scale="continuous")
    assert (truth.calls["score"] == 0).all()
    assert "continuous" in (tmp_path / "null" / "study.toml").read_text()


def test_bad_input_is_named(tmp_path) -> None:
    with pytest.raises(StudyError, match="scale = 'binary' cannot be simulated"):
        simulate_scale(tmp_path, scale="binary")
    with pytest.raises(StudyError, match="callers = 19 is too small"):
        simulate_scale(tmp_path / "few", callers=19)
    (tmp_path / "there").write_text("x", encoding="utf-8")
    with pytest.raises(StudyError, match="is not empty"):
        simulate_scale(tmp_path)
