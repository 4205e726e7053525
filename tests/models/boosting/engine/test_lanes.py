"""Properties of the native engine: lanes, threads, masks, knots of the training rows, bad input."""

from dataclasses import replace

import numpy as np
import pytest

from voicerisk.errors import ModelError
from voicerisk.models import (
    BoostData,
    BoostSettings,
    Lane,
    LanePath,
    Learner,
    fit_lanes,
    held_out_path,
    learners_for,
)

MARKERS = ("a", "b", "c")


def simulate(n: int = 900, callers: int = 18, seed: int = 3, missing: float = 0.0) -> BoostData:
    rng = np.random.default_rng(seed)
    caller = rng.integers(0, callers, n).astype(np.int32)
    sex = (np.arange(callers) % 2)[caller].astype(np.int8)
    columns = {m: rng.normal(size=n) + rng.normal(size=callers)[caller] * 0.3 for m in MARKERS}
    columns["b"] = np.exp(columns["b"])
    eta = columns["c"] + np.sin(2 * columns["a"]) * (1 + sex) - (1 - sex) * np.log(columns["b"]) + 0.4 * sex
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(np.int8)
    if missing:
        columns["c"] = np.where(rng.random(n) < missing, np.nan, columns["c"])
    return BoostData(columns, sex, y, caller)


def loco(data: BoostData, learners, **options) -> list[Lane]:
    return [
        Lane(f"c{c}", (data.caller != c).astype(float), learners, **options)
        for c in range(data.caller.max() + 1)
    ]


def same(one: LanePath, other: LanePath) -> None:
    np.testing.assert_array_equal(one.selected, other.selected)
    np.testing.assert_array_equal(one.steps, other.steps)
    np.testing.assert_array_equal(one.risk, other.risk)
    assert one.learners == other.learners


def test_a_lane_does_not_depend_on_its_neighbours_or_threads():
    data = simulate()
    lanes = loco(data, learners_for(MARKERS), boundary="train", outside="clamp")
    together = list(fit_lanes(data, lanes, 40))
    threaded = list(fit_lanes(data, lanes, 40, threads=3))
    assert [path.key for path in together] == [lane.key for lane in lanes]
    for number, (one, other) in enumerate(zip(together, threaded, strict=True)):
        same(one, other)
        if number % 5 == 0:
            (alone,) = fit_lanes(data, [lanes[number]], 40)
            same(one, alone)
    for one, other in zip(fit_lanes(data, lanes[3:9], 40), together[3:9], strict=True):
        same(one, other)


def test_lanes_that_walked_ahead_in_vain_are_set_back():
    # Offsets and weights that differ much let bols(sex) win at odd times: on these data it finds lanes that
    # have walked ahead in one sex (five times, counted once by hand). Alone, a lane never walks ahead.
    for seed in (0, 1, 4):
        rng = np.random.default_rng(seed)
        data = simulate(1200, 24, seed=seed)
        women = (Learner("bbs", "a", by="female"), Learner("bbs", "c", by="female"))
        men = (Learner("bbs", "b", by="male"), Learner("bols", "c", by="male", intercept=False))
        lanes = []
        for number in range(16):
            weights = rng.gamma(0.3, size=data.n) * (1 + 4 * rng.random() * data.y)
            learners = (Learner("bols", "sex"), *women[: rng.integers(1, 3)], *men[: rng.integers(0, 3)])
            lanes.append(Lane(f"l{number}", weights, learners, offset=float(rng.normal())))
        for lane, path in zip(lanes, fit_lanes(data, lanes, 80), strict=True):
            (alone,) = fit_lanes(data, [lane], 80)
            same(alone, path)


def test_zero_weight_equals_leaving_rows_out_when_knots_come_from_training_rows():
    data = simulate(missing=0.2)
    learners = learners_for(MARKERS, ["c"], brandom=True)
    keep = data.caller < 15
    (masked,) = fit_lanes(data, [Lane("m", keep.astype(float), learners, boundary="train")], 60)
    fewer = data.take(np.flatnonzero(keep))
    (subset,) = fit_lanes(fewer, [Lane("s", np.ones(fewer.n), learners)], 60)
    np.testing.assert_array_equal(masked.selected, subset.selected)
    np.testing.assert_allclose(masked.link(), subset.link(data), atol=1e-10)


def test_integer_weights_repeat_rows():
    data = simulate(300, 6)
    times = np.random.default_rng(0).integers(0, 4, data.n)
    learners = learners_for(MARKERS)
    (weighted,) = fit_lanes(data, [Lane("w", times.astype(float), learners, boundary="train")], 50)
    repeated = data.take(np.repeat(np.arange(data.n), times))
    (copied,) = fit_lanes(repeated, [Lane("r", np.ones(repeated.n), learners)], 50)
    np.testing.assert_array_equal(weighted.selected, copied.selected)
    np.testing.assert_allclose(weighted.risk, copied.risk, rtol=1e-10)
    np.testing.assert_allclose(weighted.link(data), copied.link(data), atol=1e-10)


def test_row_order_and_caller_labels_do_not_matter():
    data = simulate()
    learners = learners_for(MARKERS)
    order = np.random.default_rng(1).permutation(data.n)
    shuffled = data.take(order)
    shuffled = BoostData(shuffled.columns, shuffled.level, shuffled.y, 17 - shuffled.caller)
    (one,) = fit_lanes(data, [Lane("o", np.ones(data.n), learners)], 50)
    (other,) = fit_lanes(shuffled, [Lane("s", np.ones(data.n), learners)], 50)
    np.testing.assert_array_equal(one.selected, other.selected)
    np.testing.assert_allclose(one.link()[order], other.link(), atol=1e-10)


def test_a_missing_value_adds_nothing_and_its_value_is_never_used():
    data = simulate(missing=0.3)
    (path,) = fit_lanes(data, [Lane("m", np.ones(data.n), learners_for(MARKERS, ["c"]))], 80)
    parts = path.contributions(data)
    gone = np.isnan(data.columns["c"])
    for part, fitted in zip(parts, path.learners, strict=True):
        if fitted.learner.variable == "c":
            assert part.any()
            assert not part[gone].any()
    # the same, spelled as mboost would: a filled value and a 0/1 by
    filled = np.where(gone, np.nanmedian(data.columns["c"]), data.columns["c"])
    columns = dict(data.columns) | {"c": filled}
    for sex, name in enumerate(("F2", "M2")):
        columns[name] = ((data.level == sex) & ~gone).astype(float)
    by = {"female": "F2", "male": "M2"}
    spelled = tuple(
        replace(learner, by=by[learner.by], available=False) if learner.variable == "c" else learner
        for learner in learners_for(MARKERS)
    )
    other_data = BoostData(columns, data.level, data.y, data.caller)
    (other,) = fit_lanes(other_data, [Lane("m", np.ones(data.n), spelled)], 80)
    np.testing.assert_array_equal(path.selected, other.selected)
    np.testing.assert_allclose(path.link(), other.link(), atol=1e-11)


def test_clamp_and_extrapolation_beyond_the_knots():
    data = simulate()
    learners = learners_for(MARKERS)
    paths = {
        outside: next(fit_lanes(data, [Lane("x", np.ones(data.n), learners, outside=outside)], 60))
        for outside in ("clamp", "extrapolate")
    }
    low, high = data.columns["a"].min(), data.columns["a"].max()
    at = np.array([high - 1e-6, high, high + 1, high + 2, low, low - 1, low - 2])
    rows = BoostData(
        {m: np.full(7, 1.0) for m in MARKERS} | {"a": at}, np.zeros(7, np.int8), None, np.zeros(7, int)
    )
    clamped, extended = (paths[o].link(rows) for o in ("clamp", "extrapolate"))
    assert clamped[2] == clamped[3] == clamped[1]
    assert clamped[5] == clamped[6] == clamped[4]
    assert extended[1] == pytest.approx(clamped[1])
    slope = (extended[1] - extended[0]) / 1e-6
    assert extended[2] - extended[1] == pytest.approx(extended[3] - extended[2])
    assert extended[2] - extended[1] == pytest.approx(slope, rel=1e-4, abs=1e-6)
    assert paths["clamp"].shares_outside(rows)["a"] == pytest.approx(4 / 7)


def test_held_out_path_agrees_with_link_at_every_step():
    data = simulate(missing=0.2)
    learners = learners_for(MARKERS, ["c"], brandom=True)
    (path,) = fit_lanes(
        data,
        [Lane("h", (data.caller % 3 > 0).astype(float), learners, boundary="train", outside="clamp")],
        40,
    )
    groups = [np.flatnonzero(data.caller == c) for c in (0, 3, 9)] + [np.arange(11)]
    score, deviance = held_out_path(path, groups)
    assert score.shape == deviance.shape == (4, 41)
    for step in (0, 1, 17, 40):
        for g, rows in enumerate(groups):
            p = 1 / (1 + np.exp(-path.link(rows, step)))
            right = np.where(data.y[rows] == 1, p, 1 - p)
            assert score[g, step] == pytest.approx(p.mean(), abs=1e-13)
            assert deviance[g, step] == pytest.approx(-2 * np.log(right).mean(), abs=1e-12)


def test_glm_family_takes_plain_gradient_steps():
    data = simulate()
    learners = (Learner("bols", "1"),)
    (path,) = fit_lanes(data, [Lane("g", np.ones(data.n), learners)], 3, family="glm")
    mean = data.y.mean()
    shrunk = (mean + 0.5) / 2
    link = np.log(shrunk / (1 - shrunk))
    assert path.offset == pytest.approx(link)
    for _ in range(3):
        link += 0.1 * (mean - 1 / (1 + np.exp(-link)))
    assert path.link()[0] == pytest.approx(link, abs=1e-12)


def test_a_learner_that_cannot_be_fitted_is_left_out_and_listed():
    data = simulate()
    few = np.full(data.n, np.nan)
    few[:3] = [0.0, 1.0, 2.0]
    columns = dict(data.columns) | {"few": few, "same": np.ones(data.n)}
    data = BoostData(columns, data.level, data.y, data.caller)
    learners = learners_for(("a", "few", "same"), ["few"])
    (path,) = fit_lanes(data, [Lane("l", np.ones(data.n), learners)], 10)
    left = dict(path.left_out)
    assert set(left) == {learner.name for learner in learners if learner.variable in ("few", "same")}
    assert left["bbs(same, by = male)"] == "constant (1)"
    assert "rank <= df = 4" in left["bbs(few, by = female, available)"]
    women = (data.level == 0).astype(float)
    (path,) = fit_lanes(data, [Lane("w", women, learners_for(("a",)))], 10)
    assert {name for name, _ in path.left_out} == {"bols(sex)", "bbs(a, by = male)"}


def test_without_learners_the_model_is_its_offset():
    data = simulate()
    empty, full = fit_lanes(
        data, [Lane("e", np.ones(data.n), ()), Lane("f", np.ones(data.n), learners_for(["a"]))], 5
    )
    assert (empty.selected == -1).all()
    assert np.ptp(empty.risk) == 0
    assert np.ptp(empty.link()) == 0
    score, _ = held_out_path(empty, [np.arange(10)])
    np.testing.assert_allclose(score, data.y.mean())
    assert full.risk[-1] < full.risk[0]


def test_no_step_at_all():
    data = simulate()
    (path,) = fit_lanes(data, [Lane("z", np.ones(data.n), learners_for(["a"]))], 0)
    assert path.mstop == 0
    assert path.link()[0] == path.offset
    p = data.y.mean()
    assert path.risk[0] == pytest.approx(-data.n * (p * np.log(p) + (1 - p) * np.log(1 - p)))


def test_progress_and_early_stop_of_the_caller():
    data = simulate(300, 6)
    calls = []
    lanes = loco(data, learners_for(["a"]))
    list(fit_lanes(data, lanes, 5, progress=lambda done, total: calls.append((done, total))))
    assert calls == [(i, 6) for i in range(1, 7)]
    paths = fit_lanes(data, lanes * 5, 50, threads=2)
    next(paths)
    paths.close()  # must not hang or fail


def test_saved_and_read_again(tmp_path):
    data = simulate(missing=0.1)
    (path,) = fit_lanes(data, [Lane("k/1", np.ones(data.n), learners_for(MARKERS, ["c"]))], 20)
    path.to_npz(tmp_path / "lane.npz")
    again = LanePath.from_npz(tmp_path / "lane.npz")
    same(path, again)
    assert (again.key, again.offset, again.left_out, again.outside) == (
        path.key,
        path.offset,
        (),
        "extrapolate",
    )
    np.testing.assert_array_equal(again.link(data, 7), path.link(data, 7))
    np.testing.assert_array_equal(
        held_out_path(again, [np.arange(9)], data)[0], held_out_path(path, [np.arange(9)])[0]
    )
    with pytest.raises(ModelError, match="give the data"):
        again.link()
    whole = (tmp_path / "lane.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "other.npz").write_text("no archive")
    np.savez(tmp_path / "foreign.npz", a=np.ones(3))
    for name in ("cut", "other", "foreign"):
        with pytest.raises(ModelError, match=f"{name}.npz is not a readable boosting path"):
            LanePath.from_npz(tmp_path / f"{name}.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(3)}, "Lane l has weights of shape"),
        ({"weights": np.zeros(900)}, "Lane l has no row with a weight above 0"),
        ({"weights": -np.ones(900)}, "Lane l has weight -1.0 in row 0"),
        ({"learners": learners_for(["d"])}, "names column d, which the data do not have"),
        ({"learners": (Learner("bbs", "c"),)}, "c is missing in .* rows .* take bbs\\(c\\) by availability"),
        ({"learners": (Learner("bbs", "a", by="b"),)}, "by = b must be 0 or 1"),
    ],
)
def test_unusable_lanes_say_why(change, message):
    data = simulate(missing=0.1)
    good = {"key": "l", "weights": np.ones(data.n), "learners": learners_for(["a"])}
    with pytest.raises(ModelError, match=message):
        list(fit_lanes(data, [Lane(**(good | change))], 5))


def test_one_class_only_is_an_error():
    data = simulate()
    with pytest.raises(ModelError, match="Lane one has rows of outcome 1 only"):
        list(fit_lanes(data, [Lane("one", (data.y == 1).astype(float), learners_for(["a"]))], 5))


def test_unusable_settings_name_their_key():
    for settings, message in (
        ({"engine": "xgboost"}, "boost.engine must be one of native, mboost, not 'xgboost'"),
        ({"mstop": -1}, "boost.mstop is -1"),
        ({"nu": 0.0}, "boost.nu is 0.0"),
        ({"df": 2}, "boost.df is 2"),
        ({"knots": 0}, "boost.knots is 0"),
        ({"outside": "drop"}, "boost.outside must be one of extrapolate, clamp, not 'drop'"),
        ({"brandom": "yes"}, "boost.brandom is 'yes'"),
    ):
        with pytest.raises(ModelError, match=message):
            BoostSettings(**settings)
    assert BoostSettings() == BoostSettings("native", False, False, 100, 0.1, 4, 20, None, None)


def test_learners_of_the_sex_moderated_model():
    names = [learner.name for learner in learners_for(["a", "voiced"], {"a": True}, brandom=True)]
    assert names == [
        "bols(sex)",
        "bbs(a, by = female, available)",
        "bols(voiced, by = female)",
        "bbs(a, by = male, available)",
        "bols(voiced, by = male)",
        "brandom(caller)",
    ]
    assert [learner.name for learner in learners_for(["a"], moderator=None)] == ["bbs(a)"]
    assert [learner.name for learner in learners_for(["a"], by_sex=True)] == [
        "bols(sex)",
        "bbs(a, by = male)",
    ]


def test_data_are_checked():
    with pytest.raises(ModelError, match="Column a is infinite in row 1"):
        BoostData({"a": np.array([0, np.inf])}, None, None, np.zeros(2, int))
    with pytest.raises(ModelError, match="y must hold 0 or 1"):
        BoostData({"a": np.zeros(2)}, None, np.array([0, 2]), np.zeros(2, int))
