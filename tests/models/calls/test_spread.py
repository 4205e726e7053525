"""What a marker spreads within a call: learned, saved, read and scored as the same number."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.callers.moderator import SEX
from voicerisk.errors import ModelError
from voicerisk.models.calls.additive import additive_model
from voicerisk.models.calls.features import CallFrames, spread_of, with_spreads
from voicerisk.models.calls.model import MEMBERS, Family, fit_calls, mixed
from voicerisk.models.saved.model_file import read_model, write_model

CALLS, FRAMES = 40, 15


@pytest.fixture(scope="module")
def cohort():
    """Calls of one mean; with the outcome `x` moves twice as far around it, `z` says nothing."""
    rng = np.random.default_rng(5)
    y = np.arange(CALLS) // 2 % 2
    call = np.repeat(np.arange(CALLS), FRAMES)
    own = rng.normal(size=CALLS)
    columns = {
        "x": own[call] + (1.0 + y[call]) * rng.normal(size=len(call)),
        "z": rng.normal(size=len(call)),
    }
    columns["z"][:FRAMES] = np.nan  # a call without
    columns["x"][3] = np.nan
    level = np.array(["female", "male"], dtype=object)[np.arange(CALLS) % 2]
    return CallFrames(with_spreads(columns, call, CALLS), call, CALLS), level, y


@pytest.fixture(scope="module")
def fit(cohort):
    frames, level, y = cohort
    train = np.arange(30)
    return fit_calls(
        frames,
        tuple(frames.columns),
        level,
        y,
        train,
        np.ones(30),
        Family(spreads=[spread_of("x"), spread_of("z")]),
    )


def test_a_spread_is_the_squared_distance_from_the_mean_of_the_call(cohort):
    frames, _, _ = cohort
    rows = pd.DataFrame({"call": frames.call, "x": frames.columns["x"]})
    expected = (rows["x"] - rows.groupby("call")["x"].transform("mean")) ** 2
    np.testing.assert_allclose(frames.columns[spread_of("x")], expected)


def test_members_that_take_spreads_find_one_and_the_others_do_not_look(cohort, fit):
    _, _, y = cohort
    held = np.arange(30, CALLS)

    def gap(name):
        link = fit.link[held, fit.names.index(name)]
        return link[y[held] == 1].min() - link[y[held] == 0].max()

    assert gap("spread") > 0 and gap("sparse_spread") > 0
    assert gap("linear") < 0
    for name, model in zip(fit.names, fit.models, strict=True):
        looks = any(one.coefficients.any() for one in model.effects if one.marker == spread_of("x"))
        assert looks == name.endswith("spread")
    assert set(fit.names) == set(MEMBERS)


def test_the_file_scores_calls_as_the_fit_does(cohort, fit, tmp_path):
    frames, level, _ = cohort
    model = mixed(fit.models, np.full(len(fit.models), 1 / len(fit.models)))
    write_model(tmp_path / "model.json", additive_model(model, SEX, frames))
    read = read_model(tmp_path / "model.json")
    assert read.markers == ("x", "z") and read.takes_calls
    table = pd.DataFrame(
        {"call_id": [f"c{one:02d}" for one in frames.call], "sex": level[frames.call],
         "x": frames.columns["x"], "z": frames.columns["z"]}
    )  # fmt: skip
    shuffled = table.sample(frac=1.0, random_state=1)
    calls = read.of_calls(shuffled, read.score(shuffled), ["call_id"]).sort_values("call_id")
    np.testing.assert_allclose(calls["log_odds"], model.call_link(frames, level), atol=1e-9)


def test_rows_whose_call_is_unknown_are_refused(cohort, fit):
    frames, level, _ = cohort
    model = additive_model(fit.models[fit.names.index("spread")], SEX, frames)
    table = pd.DataFrame({"sex": level[:2], "x": [0.0, 1.0], "z": [0.0, 1.0]})
    with pytest.raises(ModelError, match="no column call_id"):
        model.score(table)
    # A model that takes no spread needs no calls.
    plain = additive_model(fit.models[fit.names.index("linear")], SEX, frames)
    assert not plain.takes_calls and len(plain.score(table)) == 2


def test_a_marker_may_not_have_the_name_of_a_spread():
    columns = {"x": np.zeros(2), spread_of("x"): np.zeros(2)}
    with pytest.raises(ModelError, match="stands for what another spreads"):
        with_spreads(columns, np.zeros(2, dtype=int), 1)
