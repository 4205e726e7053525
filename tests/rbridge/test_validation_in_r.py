"""`vr_cv` in plain R with mboost gives the numbers of the Python protocols on the same rows and folds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import marker_frames
from voicerisk.callers.draws import draw_callers
from voicerisk.callers.folds import caller_table
from voicerisk.callers.weights import training_weights
from voicerisk.errors import RBridgeError
from voicerisk.models import BoostSettings
from voicerisk.screening import ScreeningSettings
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.fitters import GamboostFitter, LearnedWhere
from voicerisk.validation import ValidationSettings, compute_metrics, run_nested, run_published
from voicerisk.validation.cut_rule import CutRule
from voicerisk.validation.metrics.cut_rules import rule_cut
from voicerisk.validation.metrics.recalibration import Recalibration, recalibrate
from voicerisk.validation.metrics.youden import bootstrap_youden
from voicerisk.validation.protocols.fold_plan import plan_folds

pytestmark = pytest.mark.r
STEPS = 30
SETTINGS = ValidationSettings(designs=("loco",), repeats=1, inner_folds=3, bootstraps=200, seed=1)


@pytest.fixture(scope="module")
def tables() -> ModelTables:
    calls, frames = marker_frames(callers=12, frames=25, effect=0.8, seed=3)
    frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id")
    frames["time_s"] = 0.0
    frames.loc[::11, "noise"] = np.nan
    frames["voiced"] = (np.random.default_rng(6).random(len(frames)) < 0.6).astype(float)
    calls = calls.rename(columns={"outcome": "y"}).assign(n_frames=25).drop(columns="file")
    return ModelTables(
        calls[["call_id", "caller_id", "y", "n_frames", "sex"]],
        frames,
        pd.DataFrame(),
        ("x", "noise", "voiced"),
    )


def fitter(tables: ModelTables, folder: Path, nested: bool) -> GamboostFitter:
    learned = LearnedWhere(None, "train", "clamp") if nested else LearnedWhere(None, "all", "extrapolate")
    return GamboostFitter(
        tables=tables, boost=BoostSettings(mstop=STEPS), screening=ScreeningSettings(unit="none"),
        inner_folds=3, learned=learned, mstop=STEPS, checkpoints=folder, seed=1,
    )  # fmt: skip


def in_r(worker, tables: ModelTables, **arguments) -> dict[str, pd.DataFrame]:
    if worker.call("package_versions", packages=["mboost"]).value["version"].isna().any():
        pytest.skip("R has no mboost")
    rows = tables.frames[["call_id", "caller_id", "x", "noise", "voiced"]].copy()
    rows["sex"] = tables.of_frames("sex")
    rows["outcome"] = tables.of_frames("y").astype(float)
    shuffled = rows.sample(frac=1.0, random_state=5)  # the order of rows changes nothing
    return worker.call(
        "bridge_cv",
        data=shuffled,
        markers=["x", "noise", "voiced"],
        screen=False,
        mstop=STEPS,
        bootstraps=200,
        **arguments,
    ).value


def compare(ours: pd.DataFrame, theirs: pd.DataFrame, tables: ModelTables, columns: list[str]) -> None:
    calls = ours[ours["unit"] == "call"].merge(theirs, on="call_id", suffixes=("", "_r"), validate="1:1")
    assert len(calls) == len(tables.calls)
    for column in columns:
        # Two engines of the same algorithm: they differ by rounding of P-spline bases and solvers.
        np.testing.assert_allclose(calls[f"{column}_r"], calls[column], rtol=0, atol=1e-7)


def compare_metrics(ours: pd.DataFrame, theirs: pd.DataFrame, names: list[str]) -> None:
    measured = compute_metrics(ours, SETTINGS, n_boot=50, units=("call",))
    for name in names:
        expected = measured.loc[measured["metric"] == name, "estimate"].iloc[0]
        got = theirs.loc[theirs["metric"] == name, "estimate"].iloc[0]
        np.testing.assert_allclose(got, expected, rtol=1e-5, err_msg=name)


def test_the_published_recipe(worker, tables, tmp_path):
    ours = run_published(tables.calls, fitter(tables, tmp_path, False), SETTINGS).predictions
    theirs = in_r(worker, tables, protocol="published")
    compare(ours, theirs["predictions"], tables, ["p_raw"])
    compare_metrics(ours, theirs["metrics"], ["auroc", "average_precision", "brier", "calibration_slope"])


def test_the_nested_recipe(worker, tables, tmp_path):
    result = run_nested(tables.calls, fitter(tables, tmp_path, True), SETTINGS)
    callers = caller_table(tables.calls, ("sex",))
    prior = float(tables.calls["y"].mean())
    planned, _ = plan_folds(callers, ("loco",), SETTINGS, "nested", prior, True)
    inner = pd.DataFrame(
        [
            {"fold": float(outer.fold + 1), "caller": caller, "inner": float(number)}
            for outer in planned
            for number, one in enumerate(outer.inner)
            for caller in one.assess
        ]
    )
    theirs = in_r(worker, tables, protocol="nested", inner=inner)
    ours = result.predictions
    steps = result.thresholds.sort_values("fold")["mstop"].to_numpy()
    np.testing.assert_array_equal(theirs["thresholds"].sort_values("fold")["mstop"], steps)
    assert len(set(steps)) > 1
    compare(ours, theirs["predictions"], tables, ["p_raw"])
    # The recalibration's slope multiplies a difference of scores.
    calls = ours[ours["unit"] == "call"].merge(theirs["predictions"], on="call_id", suffixes=("", "_r"))
    np.testing.assert_allclose(calls["p_r"], calls["p"], atol=1e-5)
    compare_metrics(ours, theirs["metrics"], ["auroc", "average_precision", "brier", "calibration_intercept"])


@pytest.mark.parametrize("midpoints", [False, True])
def test_the_cut_of_the_same_bootstraps(worker, midpoints):
    rng = np.random.default_rng(8)
    caller = np.array([f"c{i:02d}" for i in np.repeat(np.arange(15), [1, 2, 3] * 5)])
    y = np.repeat(rng.integers(0, 2, 15), [1, 2, 3] * 5).astype(float)
    score = np.round(rng.random(30) + 0.2 * y, 1)  # with ties
    groups = np.unique(caller, return_inverse=True)[1]
    counts, _ = draw_callers(groups, y, 100, np.random.default_rng(4))
    ours = bootstrap_youden(score, y, groups, np.random.default_rng(4), 100, midpoints)
    theirs = worker.call(
        "bridge_cut",
        score=score,
        y=y,
        caller=caller.tolist(),
        counts=pd.DataFrame(counts.astype(float)),
        midpoints=midpoints,
    ).value
    assert theirs["threshold"] == pytest.approx(ours.threshold, abs=1e-12)
    assert theirs["q025"] == pytest.approx(ours.q025, abs=1e-12)
    assert theirs["spread_sd"] == pytest.approx(ours.sd, abs=1e-12)


@pytest.mark.parametrize("midpoints", [False, True])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("sensitivity", 0.9),
        ("sensitivity", 1.0),
        ("cost", 1.0),
        ("cost", 8.0),
        ("capacity", 20.0),
        ("capacity", 1.0),
        ("risk", 0.3),
    ],
)
def test_the_cut_of_a_service(worker, kind, value, midpoints):
    rng = np.random.default_rng(8)
    y = rng.integers(0, 2, 40).astype(float)
    score = np.round(rng.random(40) + 0.2 * y, 1)  # with ties
    weights = rng.integers(0, 3, 40).astype(float)
    line = Recalibration(0.4, 1.3, False, False)
    ours = rule_cut(CutRule(kind, value), score, y, weights, prevalence=0.2, midpoints=midpoints, line=line)
    theirs = worker.call(
        "bridge_rule_cut",
        kind=kind,
        value=value,
        score=score,
        y=y,
        weights=weights,
        prevalence=0.2,
        midpoints=midpoints,
        line=[line.intercept, line.slope],
    ).value
    assert float(theirs[0]) == pytest.approx(ours, abs=1e-12)


@pytest.mark.parametrize("case", ["overlapping", "separated", "inverted", "constant"])
def test_recalibration_and_weights(worker, case):
    rng = np.random.default_rng(2)
    y = np.array([0.0, 1.0] * 10)
    score = {
        "overlapping": np.clip(0.5 + 0.2 * (y - 0.5) + 0.2 * rng.normal(size=20), 0, 1),
        "separated": 0.3 + 0.4 * y + 0.01 * rng.random(20),
        "inverted": 0.7 - 0.4 * y + 0.01 * rng.random(20),
        "constant": np.full(20, 0.4),
    }[case]
    caller = np.array([f"c{i}" for i in np.repeat(np.arange(5), [2, 2, 4, 6, 6])])
    weights = training_weights(caller, y, 0.3)
    got = worker.call("training_weights", caller=caller.tolist(), y=y, prior=0.3).value
    np.testing.assert_allclose(got, weights, rtol=1e-12)
    ours = recalibrate(score, y, weights, 0.3)
    theirs = worker.call("bridge_recalibrate", score=score, y=y, weights=weights, prior=0.3).value
    got = np.ravel([theirs["intercept"], theirs["slope"]])
    np.testing.assert_allclose(got, [ours.intercept, ours.slope], rtol=1e-6, atol=1e-9)


def test_bad_folds_are_named(worker, tables):
    with pytest.raises(RBridgeError, match="stands in several folds"):
        in_r(worker, tables, protocol="published", fold=np.arange(300.0) % 3)
    few = ModelTables(tables.calls.assign(y=0), tables.frames, tables.segments, tables.markers)
    with pytest.raises(
        RBridgeError, match="needs at least 2 callers in each class; 0 have a call with outcome 1"
    ):
        in_r(worker, few, protocol="published")
