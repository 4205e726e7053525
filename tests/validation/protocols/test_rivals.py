"""Models beside the nested protocol are judged on its folds, and see nothing of a held-out caller."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings, run_nested
from voicerisk.validation.protocols.ridge import ridge_paths
from voicerisk.validation.protocols.rivals import Rival, run_rival

SETTINGS = ValidationSettings(repeats=2, inner_folds=3, bootstraps=20, seed=5)


@pytest.fixture
def calls():
    ids = [f"c{i:02d}" for i in range(20)]
    sex = ["female", "male"] * 10
    return pd.DataFrame(
        {"call_id": ids, "caller_id": ids, "y": np.repeat([0, 1], 10), "n_frames": 5, "sex": sex}
    )


@pytest.fixture
def rows(calls):
    rng = np.random.default_rng(3)
    return pd.DataFrame({"call_id": calls["call_id"], "x": calls["y"] + rng.normal(size=20)})


def first_column(known, y, weights, new):
    return new[:, :1]


def test_a_rival_is_judged_on_the_folds_of_the_nested_protocol(calls, rows):
    place = ["design", "repeat", "fold", "call_id"]
    rival = run_rival(Rival("one", rows, first_column), calls, SETTINGS).predictions
    fit = ridge_paths(calls.merge(rows, on="call_id"), ["x"])
    nested = run_nested(calls, fit, SETTINGS).predictions
    assert set(rival["protocol"]) == {"rival"} and set(rival["model"]) == {"one"}
    pd.testing.assert_frame_equal(rival[place], nested[place])


def test_no_row_of_a_held_out_caller_is_learned_from_or_scales_the_others(calls, rows):
    learned: list[int] = []

    def remember(known, y, weights, new):
        learned.append(len(known) + len(new))
        np.testing.assert_allclose(weights @ known, 0.0, atol=1e-9)
        np.testing.assert_allclose(weights @ known**2 / weights.sum(), 1.0, atol=1e-9)
        assert weights.sum() == pytest.approx(len(known))
        return new

    run_rival(Rival("one", rows, remember), calls, SETTINGS)
    assert max(learned) == 20

    loco = ValidationSettings(designs=["loco"], inner_folds=3, bootstraps=20)
    far = rows.assign(x=np.where(rows["call_id"] == "c07", 1e6, rows["x"]))
    seen: dict[str, list[np.ndarray]] = {"near": [], "far": []}
    for name, table in (("near", rows), ("far", far)):

        def keep(known, y, weights, new, name=name):
            if len(known) == 19:
                seen[name].append(known)
            return new

        run_rival(Rival("one", table, keep), calls, loco)
    # Callers are held out in the order of their ids: the fold without c07 sees nothing of its value.
    np.testing.assert_array_equal(seen["near"][7], seen["far"][7])
    assert not np.array_equal(seen["near"][6], seen["far"][6])


def test_inner_folds_choose_among_penalties(calls, rows):
    truth = calls.set_index("call_id")["y"]
    both = rows.assign(x=np.random.default_rng(1).normal(size=20), truth=rows["call_id"].map(truth))

    def noise_then_truth(known, y, weights, new):
        return new * np.array([1.0, 1.0])

    found = run_rival(Rival("two", both, noise_then_truth), calls, SETTINGS)
    assert (found.thresholds["mstop"] == 1).all()
    scores = found.predictions.groupby("y")["p_raw"]
    assert scores.min()[1] > scores.max()[0]


def test_a_call_is_the_mean_of_its_rows_and_missing_values_count_as_the_mean(calls, rows):
    twice = pd.concat([rows.assign(x=rows["x"] - 2.0), rows.assign(x=rows["x"] + 2.0)])
    twice["never"] = np.nan
    twice["same"] = 3.0
    columns: list[np.ndarray] = []

    def sum_of_columns(known, y, weights, new):
        columns.append(new[:, 1:])
        return new.sum(axis=1, keepdims=True)

    by_two = run_rival(Rival("rows", twice, sum_of_columns), calls, SETTINGS).predictions
    by_one = run_rival(Rival("rows", rows, first_column), calls, SETTINGS).predictions
    assert not np.concatenate(columns).any()
    ranks = [table.groupby(["design", "repeat", "fold"])["p_raw"].rank() for table in (by_two, by_one)]
    pd.testing.assert_series_equal(*ranks)


def test_a_call_without_rows_is_refused(calls, rows):
    with pytest.raises(ValidationError, match="one: call 'c03' has no row to learn from"):
        run_rival(Rival("one", rows[rows["call_id"] != "c03"], first_column), calls, SETTINGS)
