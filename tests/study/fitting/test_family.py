"""The family of call models in a study: what a fold may see, what is written, and gamboost beside it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import marker_frames
from voicerisk.callers.moderator import SEX
from voicerisk.study.fitting.design import ModelTables, model_tables
from voicerisk.study.fitting.family import FamilyFitter, members_of
from voicerisk.validation import ValidationSettings, run_nested

SETTINGS = ValidationSettings(designs=["loco", "grouped_kfold"], repeats=1, inner_folds=3, bootstraps=20)
MEMBERS = members_of(SETTINGS.family, SEX)


def tables(callers: int = 16, effect: float = 1.0, seed: int = 1) -> ModelTables:
    calls, frames = marker_frames(callers, 20, effect, seed)
    frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id").assign(time_s=0.0)
    means = frames.groupby(["call_id", "caller_id", "segment"], as_index=False)[["x", "noise"]].mean()
    return model_tables(
        calls.drop(columns="file"), frames, means.assign(n_frames=10), ("x", "noise"), "frame"
    )


def run(made: ModelTables, settings: ValidationSettings = SETTINGS):
    calls = made.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    return run_nested(calls, FamilyFitter(made, MEMBERS), settings)


def test_it_finds_what_is_there_and_says_what_each_fold_took() -> None:
    result = run(tables(effect=2.0))
    calls = result.predictions.query("unit == 'call'")
    for _, part in calls.groupby("design"):
        score, y = part["p_raw"].to_numpy(), part["y"].to_numpy()
        assert (score[y == 1][:, None] > score[y == 0][None, :]).mean() > 0.9
    weights = result.tuning.groupby(["design", "repeat", "fold"])["weight"].sum()
    np.testing.assert_allclose(weights, 1.0)
    assert set(result.tuning["member"]) == set(MEMBERS) and result.tuning["step"].isna().all()
    assert sum(result.notes["member_weights"].values()) == pytest.approx(1.0)
    assert result.thresholds["mstop"].isna().all()
    fold = result.provenance["folds"]["loco"]["0"]["0"]
    assert {"knots", "members", "family", "recalibration", "threshold"} <= set(fold["seen"])


def test_frames_have_scores_and_calls_with_high_frames_are_high() -> None:
    made = tables(effect=2.0)
    rows = run(made).predictions
    frames = rows.query("unit == 'frame'")
    assert len(frames) == len(made.frames) and frames["p_raw"].between(0, 1).all()
    mean = frames.groupby("call_id")["p_raw"].mean()
    call = rows.query("unit == 'call' and design == 'loco'").set_index("call_id")["p_raw"]
    assert np.corrcoef(mean[call.index], call)[0, 1] > 0.9


def test_a_held_out_caller_changes_no_score_of_their_own_fold_but_through_their_frames() -> None:
    made = tables()
    settings = replace(SETTINGS, designs=["loco"], prior=0.5)
    before = run(made, settings).predictions.query("unit == 'call'").set_index("call_id")["p_raw"]
    calls = made.calls.copy()
    row = calls.index[calls["call_id"] == "call05"][0]
    calls.loc[row, "y"] = 1 - calls.loc[row, "y"]
    after = run(replace(made, calls=calls), settings).predictions.query("unit == 'call'")
    after = after.set_index("call_id")["p_raw"]
    # inner folds are dealt by outcome among the callers left in, which are the same
    assert after["call05"] == before["call05"]
    assert (after.drop("call05") != before.drop("call05")).all()


def test_outcomes_may_change_under_kept_features() -> None:
    made = tables()
    rng = np.random.default_rng(2)
    other = replace(made, calls=made.calls.assign(y=rng.permutation(made.calls["y"].to_numpy())))
    run(made)
    pd.testing.assert_frame_equal(
        run(other).predictions, run(replace(other, frames=other.frames.copy())).predictions
    )


def test_members_by_level_need_moderation() -> None:
    assert members_of(("linear", "by_level", "curves_by_level", "gamboost"), None) == ("linear",)
    assert members_of(("gamboost",), SEX) == ()
