"""Engine 'mboost' against the native engine and against committed fits; live where R has mboost."""

import json
import os
import signal

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.errors import ModelError, RBridgeError
from voicerisk.models import BoostData, GamBoost, Lane, fit_lanes, held_out_path, learners_for
from voicerisk.models.boosting import mboost as mboost_engine
from voicerisk.models.boosting.mboost import fit_mboost, fit_mboost_in_folder
from voicerisk.models.boosting.spec import Learner
from voicerisk.study import load_study, run_study

MBOOST = pytest.mark.mboost


def rows(n=300, missing=False, seed=2):
    rng = np.random.default_rng(seed)
    caller = np.sort(rng.integers(0, 20, n)).astype(np.int32)
    sex = (caller % 2).astype(np.int8)
    columns = {"dom": rng.normal(size=n), "if": rng.gamma(2.0, size=n)}
    logit = np.sin(2 * columns["dom"]) * (sex == 1) + 0.6 * columns["if"] * (sex == 0) - 0.4
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    if missing:
        columns["if"][rng.random(n) < 0.2] = np.nan
    return BoostData(columns, sex, y, caller)


def agree(data, lanes, mstop=60, family="adaboost", rtol=1e-6):
    """Both engines choose the same learners and give the same risk, coefficients and link."""
    ours = list(fit_lanes(data, lanes, mstop, 0.1, family=family))
    theirs = list(fit_mboost(data, lanes, mstop, 0.1, family=family))
    for own, other in zip(ours, theirs, strict=True):
        assert own.key == other.key
        assert own.left_out == other.left_out
        assert [one.learner for one in own.learners] == [one.learner for one in other.learners]
        np.testing.assert_array_equal(own.selected, other.selected)
        np.testing.assert_allclose(own.offset, other.offset, atol=1e-12)
        np.testing.assert_allclose(own.risk, other.risk, rtol=1e-7)
        # Two LAPACKs agree on lambda to about 1e-5 relative, which moves fits by less than 1e-6.
        np.testing.assert_allclose(
            [one.penalty for one in own.learners], [one.penalty for one in other.learners], rtol=1e-4
        )
        np.testing.assert_allclose(own.link(), other.link(), atol=1e-6)
        np.testing.assert_allclose(own.link(step=mstop // 2), other.link(step=mstop // 2), atol=1e-6)
    return ours, theirs


@MBOOST
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_native_engine_and_mboost_agree(mboost, missing, weighted):
    data = rows(missing=missing)
    weights = np.ones(data.n)
    if weighted:
        weights = np.where(data.y == 1, 1.7, 1.0) / np.bincount(data.caller)[data.caller]
    learners = learners_for(data.columns, ["if"] if missing else ())
    held = np.where(data.caller == 3, 0.0, weights)
    lanes = [
        Lane("all", weights, learners),
        Lane("fold", held, learners),
        Lane("train", held, learners, boundary="train", outside="clamp"),
    ]
    ours, theirs = agree(data, lanes)
    groups = [np.flatnonzero(data.caller == 3)]
    for own, other in zip(ours, theirs, strict=True):
        for one, two in zip(held_out_path(own, groups), held_out_path(other, groups), strict=True):
            np.testing.assert_allclose(one, two, atol=1e-6)


@MBOOST
def test_other_learners_agree(mboost):
    data = rows()
    learners = (
        Learner("bols", "sex", intercept=False),
        Learner("bols", "1"),
        Learner("bbs", "dom", center=True, df=1.5),
        Learner("bbs", "if", by="male", knots=8, degree=2, differences=1, df=3.0),
        Learner("bols", "dom", by="female"),
        Learner("brandom", "caller"),
    )
    held = np.where(data.caller == 3, 0.0, 1.0)
    _, theirs = agree(data, [Lane("all", np.ones(data.n), learners), Lane("fold", held, learners)])
    for path in theirs:
        effects = path.coefficients()[-1]
        assert len(effects) == 20
    assert theirs[1].coefficients()[-1][3] == 0.0


@MBOOST
def test_glm_family_offset_and_by_sex_agree(mboost):
    data = rows()
    learners = learners_for(data.columns, by_sex=True, brandom=True)
    agree(data, [Lane("all", np.ones(data.n), learners)], family="glm")
    agree(data, [Lane("offset", np.ones(data.n), learners, offset=0.5)], mstop=20)


@MBOOST
def test_learners_without_enough_rows_are_left_out_alike(mboost):
    data = rows()
    columns = dict(data.columns)
    columns["rare"] = np.full(data.n, np.nan)
    columns["rare"][[0, 40, 80, 120, 160]] = [-1.0, -0.42, 0.13, 0.61, 1.0]
    columns["flat"] = np.full(data.n, 2.0)
    data = BoostData(columns, data.level, data.y, data.caller)
    learners = learners_for(["dom", "rare", "flat"], ["rare"])
    ours, _ = agree(data, [Lane("all", np.ones(data.n), learners)], mstop=10)
    assert {name for name, _ in ours[0].left_out} >= {
        "bbs(flat, by = female)",
        "bbs(rare, by = female, available)",
    }


@MBOOST
def test_one_sex_and_no_step(mboost):
    data = rows()
    data = BoostData(data.columns, None, data.y, data.caller)
    lanes = [Lane("all", np.ones(data.n), learners_for(data.columns, moderator=None))]
    agree(data, lanes)
    ours, theirs = agree(data, lanes, mstop=0)
    assert theirs[0].mstop == 0
    np.testing.assert_allclose(theirs[0].link(), ours[0].offset)


@MBOOST
def test_jobs_and_order_do_not_change_a_number(mboost):
    data = rows()
    learners = learners_for(data.columns)
    lanes = [Lane(str(i), np.where(data.caller == i, 0.0, 1.0), learners) for i in range(5)]
    one = list(fit_mboost(data, lanes, 10))
    seen = []
    two = list(fit_mboost(data, lanes, 10, jobs=2, progress=lambda done, total: seen.append((done, total))))
    assert [path.key for path in two] == [lane.key for lane in lanes]
    assert seen == [(i + 1, 5) for i in range(5)]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.steps, b.steps)


@MBOOST
@pytest.mark.parametrize("name", ["n300", "n2000"])
def test_committed_fit(mboost, reference, name):
    expected = json.loads((reference / "mboost" / f"{name}_by_FM.json").read_text())
    table = pd.read_csv(reference / "mboost" / f"{name}_data.csv")
    markers = ["x1", "x2", "x3", "x4"]
    data = BoostData(
        {marker: table[marker].to_numpy() for marker in markers},
        (table["sex"] == "M").to_numpy().astype(np.int8),
        table["y"].to_numpy(),
        pd.factorize(table["caller"], sort=True)[0],
    )
    (path,) = fit_mboost(data, [Lane("all", np.ones(data.n), learners_for(markers))], 200)
    np.testing.assert_array_equal(path.selected + 1, expected["xselect"])
    np.testing.assert_allclose(path.risk, expected["risk"], rtol=1e-10)
    np.testing.assert_allclose(path.offset, 2 * expected["offset"], rtol=1e-12)


@MBOOST
def test_estimator_takes_the_engine(mboost):
    data = rows(missing=True)
    table = pd.DataFrame(dict(data.columns)).assign(sex=np.where(data.level == 1, "male", "female"))
    native = GamBoost(mstop=30).fit(table, data.y)
    other = GamBoost(engine="mboost", mstop=30).fit(table, data.y)
    np.testing.assert_allclose(native.predict_proba(table), other.predict_proba(table), atol=1e-7)


@pytest.mark.r
def test_missing_mboost_names_the_lines_that_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("R_LIBS_USER", str(tmp_path))
    monkeypatch.setenv("R_LIBS", str(tmp_path))
    data = rows()
    try:
        path = fit_mboost(data, [Lane("all", np.ones(data.n), learners_for(data.columns))], 5)
        next(path)
    except RBridgeError as failure:
        assert "'mboost' is not installed" in str(failure)
        assert "conda install -c conda-forge r-mboost" in str(failure)
        assert 'install.packages("mboost")' in str(failure)
    else:
        pytest.skip("mboost lies in R's own library, so it cannot be hidden")


def test_bad_settings_are_refused_before_r():
    data = rows()
    lane = Lane("all", np.ones(data.n), learners_for(data.columns))
    with pytest.raises(ModelError, match="family is 'poisson'"):
        fit_mboost(data, [lane], family="poisson")
    with pytest.raises(ModelError, match="jobs is 0"):
        fit_mboost(data, [lane], jobs=0)
    with pytest.raises(ModelError, match="mstop is -1"):
        fit_mboost(data, [lane], -1)


@MBOOST
def test_a_lane_without_learners_is_its_offset(mboost):
    data = rows()
    lane = Lane("empty", np.where(data.caller < 10, 2.0, 0.0), ())
    (path,) = fit_mboost(data, [lane], 5)
    (native,) = fit_lanes(data, [lane], 5, 0.1)
    assert path.link()[0] == native.link()[0] == native.offset


@MBOOST
def test_leave_one_caller_out_goes_on_after_a_child_was_killed(mboost, monkeypatch, tmp_path):
    data = rows()
    learners = learners_for(data.columns)
    lanes = [Lane(f"caller {i}", np.where(data.caller == i, 0.0, 1.0), learners) for i in range(6)]
    whole = list(fit_mboost(data, lanes, 8, jobs=2))
    asked = []
    real = mboost_engine._fit_lane

    def killing(child, data, names, lane, *rest):
        asked.append(lane.key)
        if lane.key == "caller 3":
            os.kill(child.pid, signal.SIGKILL)
        return real(child, data, names, lane, *rest)

    monkeypatch.setattr(mboost_engine, "_fit_lane", killing)
    with pytest.raises(RBridgeError, match=r"lane caller 3: The child process .* ended by signal 9"):
        list(fit_mboost_in_folder(data, lanes, 8, 0.1, tmp_path))
    assert len(list((tmp_path / "mboost").glob("*.npz"))) == 3
    monkeypatch.setattr(mboost_engine, "_fit_lane", lambda *a: (asked.append(a[3].key), real(*a))[1])
    asked.clear()
    resumed = list(fit_mboost_in_folder(data, lanes, 8, 0.1, tmp_path, 2))
    assert sorted(asked) == ["caller 3", "caller 4", "caller 5"]
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one.steps, other.steps)
        np.testing.assert_array_equal(one.risk, other.risk)


@MBOOST
def test_ctrl_c_stops_every_child(mboost, monkeypatch):
    data = rows()
    learners = learners_for(data.columns)
    children = []
    real = mboost_engine._fit_lane

    def watched(child, *rest):
        children.append(child.pid)
        return real(child, *rest)

    def interrupt(done, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(mboost_engine, "_fit_lane", watched)
    lanes = [Lane(str(i), np.where(data.caller == i, 0.0, 1.0), learners) for i in range(6)]
    with pytest.raises(KeyboardInterrupt):
        list(fit_mboost(data, lanes, 200, jobs=2, progress=interrupt))
    assert children
    for pid in set(children):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@MBOOST
def test_new_callers_and_strange_levels_never_meet_mboosts_own_matching(mboost):
    data = rows()
    caller = np.array([f"c{code:02d}" for code in data.caller])
    table = pd.DataFrame(dict(data.columns)).assign(sex=np.where(data.level == 1, "male", "female"))
    model = GamBoost(engine="mboost", brandom=True, mstop=20).fit(table, data.y, groups=caller)
    one_sex = table[table["sex"] == "male"].iloc[::-1]
    expected = pd.Series(model.decision_function(table), index=table.index)
    # One level alone, in another order: mboost's own predict would match codes by position, or fail.
    np.testing.assert_array_equal(model.decision_function(one_sex), expected[one_sex.index])
    with pytest.raises(ModelError, match="sex is 'other'"):
        model.predict_proba(table.assign(sex="other"))


@MBOOST
@pytest.mark.slow
def test_a_study_takes_the_engine(mboost, tmp_path):
    """A study run with engine 'mboost' gives the native engine's scores, in both protocols."""
    rng = np.random.default_rng(1)
    calls = pd.DataFrame(
        {
            "call_id": [f"call{i:02d}" for i in range(12)],
            "caller_id": [f"caller{i:02d}" for i in range(12)],
            "sex": ["female", "male"] * 6,
            "outcome": [(i // 2) % 2 for i in range(12)],
            "file": [f"call{i:02d}.wav" for i in range(12)],
        }
    )
    frames = calls.loc[calls.index.repeat(20), ["call_id", "outcome"]].reset_index(drop=True)
    frames["segment"] = np.tile(np.arange(20) // 10, 12)
    frames["frame"] = np.tile(np.arange(20) % 10, 12)
    frames["x"] = rng.normal(size=240) + frames.pop("outcome")
    frames["noise"] = rng.normal(size=240)
    for file in calls["file"]:
        soundfile.write(tmp_path / file, np.zeros(16_000), 8000, subtype="PCM_16")
    calls.to_csv(tmp_path / "calls.csv", index=False)
    frames.to_csv(tmp_path / "markers.csv", index=False)
    found = {}
    for engine in ("native", "mboost"):
        file = tmp_path / f"{engine}.toml"
        file.write_text(
            '[cohort]\ncalls = "calls.csv"\noutcome = "outcome"\n[biomarkers]\nframes = "markers.csv"\n'
            f'[screening]\nunit = "none"\n[gamm]\nk = 4\n[boost]\nengine = "{engine}"\nmstop = 8\n'
            '[validation]\ndesigns = ["loco"]\nrepeats = 1\ninner_folds = 3\nbootstraps = 20\nseed = 3\n'
        )
        out = tmp_path / f"results_{engine}"
        run_study(load_study(file), out, jobs=2)
        found[engine] = pd.concat(
            pd.read_parquet(out / f"predictions_{name}.parquet") for name in ("published", "nested")
        )
        assert json.loads((out / "manifest.json").read_text())["settings"]["boost"]["engine"] == engine
    np.testing.assert_allclose(found["mboost"]["p_raw"], found["native"]["p_raw"], atol=1e-6)
