import json

import numpy as np
import pandas as pd
import pytest

from tests.validation.toys import cohort, stepwise_paths, with_means
from voicerisk.callers.provenance import leaks, seen_callers, seen_record
from voicerisk.errors import ValidationError
from voicerisk.validation import (
    FittedPath,
    ValidationSettings,
    check_predictions,
    plan_size,
    run_nested,
    run_published,
    training_weights,
)
from voicerisk.validation.protocols.ridge import ridge_paths

FAST = ValidationSettings(repeats=2, bootstraps=60, seed=4, inner_folds=3)


def _auroc(table: pd.DataFrame) -> float:
    positive = table["p_raw"][table["y"] == 1].to_numpy()[:, None]
    negative = table["p_raw"][table["y"] == 0].to_numpy()[None, :]
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


@pytest.fixture(scope="module")
def nested():
    calls, frames = cohort(11, 6, seed=1, effect=1.5)
    return calls, frames, run_nested(calls, stepwise_paths(calls, frames), FAST, model="toy")


def test_nested_scores_every_call_once_in_every_design_and_repeat(nested):
    _, frames, result = nested
    check_predictions(result.predictions)
    rows = result.predictions[result.predictions["unit"] == "call"]
    assert rows.groupby(["design", "repeat"]).size().to_dict() == {
        ("loco", 0): 17, ("grouped_kfold", 0): 17, ("grouped_kfold", 1): 17
    }  # fmt: skip
    on_frames = result.predictions[result.predictions["unit"] == "frame"]
    assert set(on_frames["design"]) == {"loco"} and len(on_frames) == len(frames)
    assert on_frames["p"].isna().all()
    means = on_frames.groupby("call_id")["p_raw"].mean()
    loco = rows[rows["design"] == "loco"].set_index("call_id")["p_raw"]
    np.testing.assert_allclose(means[loco.index], loco, atol=1e-9)
    assert list(result.predictions.columns[-2:]) == ["sex", "service"]
    assert _auroc(rows[rows["design"] == "loco"]) > 0.7


def test_nested_keeps_the_held_out_caller_out_of_everything(nested):
    _, _, result = nested
    assert leaks(result.provenance) == []
    folds = result.provenance["folds"]["grouped_kfold"]["1"]
    everyone = result.provenance["callers"]
    for one in folds.values():
        assert set(one["seen"]) == {"scaling", "boost", "mstop", "recalibration", "threshold"}
        for record in one["seen"].values():
            assert seen_callers(record, everyone) == set(everyone) - set(one["held_out"])
    json.dumps(result.provenance, allow_nan=False)


def test_nested_prior_is_the_same_in_every_fold():
    calls, frames = cohort(11, 6, seed=1)
    asked = []
    inner_fit = stepwise_paths(calls, frames)

    def spy(sets, progress):
        asked.extend(sets)
        return inner_fit(sets, progress)

    run_nested(calls, spy, FAST)
    assert {one.class_prior for one in asked} == {6 / 17}
    assert len({one.key for one in asked}) == len(asked) == plan_size(calls, FAST)["nested"]
    assert len({one.seed for one in asked}) == len(asked)
    for one in asked:
        assert not set(one.train) & set(one.assess)
    by_fold = {one.key: one for one in asked}
    outer = by_fold["nested/loco/r00/f003/outer"]
    inner = [one for key, one in by_fold.items() if key.startswith("nested/loco/r00/f003/i")]
    assert sorted(c for one in inner for c in one.assess) == sorted(outer.train)
    assert all(set(one.train) | set(one.assess) == set(outer.train) for one in inner)


def test_steps_minimise_the_summed_weighted_deviance_and_threshold_table_is_complete(nested):
    _, _, result = nested
    chosen = result.tuning[result.tuning["chosen"]].set_index(["design", "repeat", "fold"])["step"]
    smallest = result.tuning.loc[
        result.tuning.groupby(["design", "repeat", "fold"])["deviance"].idxmin()
    ].set_index(["design", "repeat", "fold"])["step"]
    pd.testing.assert_series_equal(chosen.sort_index(), smallest.sort_index())
    table = result.thresholds.set_index(["design", "repeat", "fold"])
    assert list(result.thresholds.columns) == [
        "protocol", "model", "target", "design", "repeat", "fold", "threshold", "method", "n_boot",
        "spread_sd", "q025", "q975", "slope", "intercept", "mstop", "n_selected",
    ]  # fmt: skip
    assert (table["mstop"].astype(int).sort_index() == chosen.sort_index().to_numpy()).all()
    assert set(table["method"]) == {"bootstrap_youden_midpoints"} and set(table["n_selected"]) == {3}


def test_same_seed_same_table_whatever_the_order_of_rows(nested):
    calls, frames, result = nested
    again = run_nested(calls.sample(frac=1, random_state=3), stepwise_paths(calls, frames), FAST, model="toy")
    pd.testing.assert_frame_equal(result.predictions, again.predictions)
    pd.testing.assert_frame_equal(result.thresholds, again.thresholds)
    other = run_nested(
        calls,
        stepwise_paths(calls, frames),
        ValidationSettings(repeats=2, bootstraps=60, seed=5, inner_folds=3),
        model="toy",
    )
    assert not other.predictions["p_raw"].equals(result.predictions["p_raw"])


def test_relabelling_callers_changes_nothing_but_names():
    calls, frames = cohort(12, 6, seed=2)
    settings = ValidationSettings(designs=["loco"], bootstraps=40, inner_folds=3)
    first = run_nested(calls, stepwise_paths(calls, frames), settings).predictions
    renamed = calls.assign(caller_id="z" + calls["caller_id"])
    second = run_nested(renamed, stepwise_paths(renamed, frames), settings).predictions
    pd.testing.assert_frame_equal(first.drop(columns="caller_id"), second.drop(columns="caller_id"))


def test_published_takes_the_last_step_and_one_cut_from_the_hold_out_scores():
    calls, frames = cohort(11, 6, seed=1, effect=1.5)
    seen = []
    fit = stepwise_paths(calls, frames)

    def spy(sets, progress):
        seen.extend(sets)
        return fit(sets, progress)

    result = run_published(calls, spy, FAST, model="toy")
    assert len(seen) == 17 and all(one.class_prior is None for one in seen)
    assert seen[0].key == "published/loco/r00/f000/outer"
    assert set(result.thresholds["mstop"]) == {15} and result.thresholds["fold"].isna().all()
    rows = result.predictions[result.predictions["unit"] == "call"]
    assert rows["threshold"].nunique() == 1 and (rows["p"] == rows["p_raw"]).all()
    assert result.notes["class_prior"] == pytest.approx(np.average(calls["y"], weights=calls["n_frames"]))
    assert result.notes["automatic_direction"] == ">="
    # The cut saw every caller: provenance says so, and does not refuse.
    assert {one["learned"] for one in leaks(result.provenance)} == {"threshold"}


@pytest.mark.parametrize(
    ("n0", "n1", "message"), [(8, 3, "only 3 callers have .* outcome 1"), (3, 9, "outcome 0")]
)
def test_nested_needs_four_callers_in_each_class_before_anything_runs(n0, n1, message):
    calls, _ = cohort(n0, n1)

    def never(sets, progress):
        raise AssertionError("the refit must not be reached")

    with pytest.raises(ValidationError, match=message):
        run_nested(calls, never, FAST)


def test_four_callers_a_class_are_enough():
    calls, frames = cohort(4, 4, seed=1)
    result = run_nested(calls, stepwise_paths(calls, frames), FAST)
    assert set(result.predictions["design"]) == {"loco", "grouped_kfold"}


@pytest.mark.parametrize("leak", ["screening", "knots"])
def test_a_learned_object_that_saw_the_held_out_caller_is_refused_in_nested_only(leak):
    calls, frames = cohort(8, 6)
    fit = stepwise_paths(calls, frames, leak=leak)
    with pytest.raises(ValidationError, match=f"'{leak}' of 'nested/loco/r00/f000/i00' saw held-out callers"):
        run_nested(calls, fit, FAST)
    result = run_published(calls, fit, FAST)
    assert {one["learned"] for one in leaks(result.provenance)} == {leak, "threshold"}


def test_constant_scores_give_no_cut_the_prior_and_a_count():
    calls, frames = cohort(9, 5, seed=1)
    fit = stepwise_paths(calls, frames, steps=0)
    result = run_nested(calls, fit, ValidationSettings(designs=["loco"], bootstraps=20, prior=0.3))
    rows = result.predictions[result.predictions["unit"] == "call"]
    np.testing.assert_allclose(rows["p"], 0.3, atol=1e-12)
    assert rows["threshold"].isna().all() and rows["p_raw"].nunique() == 1
    assert result.notes["folds_without_cut"] == result.notes["folds_with_flat_recalibration"] == 14


def test_recalibrated_risk_averages_to_the_prior():
    calls, frames = cohort(60, 30, seed=5, effect=1.0, calls_each=1)
    result = run_nested(
        calls, ridge_paths(with_means(calls, frames), ["x0", "x1"]),
        ValidationSettings(designs=["grouped_kfold"], repeats=1, bootstraps=20, prior=0.1),
    )  # fmt: skip
    rows = result.predictions
    assert set(rows["unit"]) == {"call"}
    weights = training_weights(rows["caller_id"], rows["y"], 0.1)
    # Out of fold, so only near pi0: the tolerance is about 3 standard errors of 90 recalibrated risks.
    assert np.average(rows["p"], weights=weights) == pytest.approx(0.1, abs=0.03)


def test_separated_inner_scores_are_recalibrated_and_counted():
    calls, frames = cohort(8, 8, seed=1, effect=40.0)
    settings = ValidationSettings(designs=["loco"], bootstraps=20)
    result = run_nested(calls, ridge_paths(with_means(calls, frames), ["x0"]), settings)
    assert result.notes["folds_with_separated_recalibration"] == 16
    assert result.predictions["p"].between(0, 1).all()
    assert np.isfinite(result.thresholds["slope"].to_numpy()).all()


def test_class_factor_weighs_positives_at_the_prior_and_callers_alike():
    caller = ["a", "a", "b", "c", "c", "c"]
    y = [1, 1, 1, 0, 0, 0]
    w = training_weights(caller, y, 0.25)
    assert w.sum() == pytest.approx(3) and w[:3].sum() / w.sum() == pytest.approx(0.25)
    assert w[:2].sum() == pytest.approx(w[2])
    by_call = training_weights(["a", "b", "c"], [1, 1, 0], 0.25, rows=[2, 1, 3])
    np.testing.assert_allclose(by_call, [w[:2].sum(), w[2], w[3:].sum()])


def _broken(fit, change):
    def wrapped(sets, progress):
        for path in fit(sets, progress):
            values = {name: getattr(path, name) for name in FittedPath.__dataclass_fields__}
            yield FittedPath(**{**values, **change(values)})

    return wrapped


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: {"key": "x"}, "returned 'x' in place of 'published/loco/r00/f000/outer'"),
        (lambda v: {"call_ids": ("nobody",)}, "must score each call of its assessed callers once"),
        (lambda v: {"call_score": v["call_score"][:, 0]}, r"returned scores of shape \(1,\)"),
        (lambda v: {"call_score": v["call_score"] * np.nan}, "a score of nan at step 0"),
        (lambda v: {"call_score": v["call_score"] + 1}, "finite and between 0 and 1"),
        (lambda v: {"call_deviance": v["call_deviance"] - 100}, "a deviance of -"),
        (
            lambda v: {"frame_scores": lambda step: v["frame_scores"](step).iloc[1:]},
            "frames of call .* but the calls table says",
        ),
        (
            lambda v: {"frame_scores": lambda step: v["frame_scores"](step).assign(p_raw=0.5)},
            "its frames average 0.5",
        ),
        (
            lambda v: {"frame_scores": lambda step: v["frame_scores"](step).drop(columns="time_s")},
            r"lack the column\(s\) time_s",
        ),
    ],
)
def test_a_refit_that_breaks_its_contract_is_refused_by_name(change, message):
    calls, frames = cohort(4, 4)
    with pytest.raises(ValidationError, match=message):
        run_published(calls, _broken(stepwise_paths(calls, frames), change), FAST)


def test_a_refit_that_ends_early_or_runs_over_is_refused():
    calls, frames = cohort(4, 4)
    fit = stepwise_paths(calls, frames)
    with pytest.raises(ValidationError, match="ended before 'published/loco/r00/f007/outer'"):
        run_published(calls, lambda sets, progress: fit(sets[:-1], progress), FAST)
    with pytest.raises(ValidationError, match="more paths than asked"):
        run_published(calls, lambda sets, progress: fit([*sets, sets[-1]], progress), FAST)


def test_provenance_record_takes_the_shorter_form():
    everyone = ["a", "b", "c", "d"]
    assert seen_record(["a", "b", "c"], everyone) == {"all_but": ["d"]}
    assert seen_record(["a"], everyone) == {"callers": ["a"]}
    for who in (["a", "b", "c"], ["a"], []):
        assert seen_callers(seen_record(who, everyone), everyone) == set(who)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("protocols", ["nestd"], "protocols must be one of published, nested, not 'nestd'"),
        ("designs", [], "designs must name each of"),
        ("repeats", 0, "repeats must be a whole number of at least 1 and at most 1000, not 0"),
        ("inner_folds", 2, "inner_folds must be a whole number of at least 3"),
        ("prior", 1.0, "prior must be a probability strictly between 0 and 1"),
        ("direction", "down", "direction must be one of fixed, auto"),
        ("fast", 1, "fast must be true or false"),
        ("seed", -1, "seed must be a whole number of at least 0"),
        ("bootstraps", 1.5, "bootstraps must be a whole number"),
        ("threshold", "best", "threshold must be one of bootstrap_youden, youden"),
    ],
)
def test_settings_name_the_key(key, value, message):
    with pytest.raises(ValidationError, match=message):
        ValidationSettings(**{key: value})
