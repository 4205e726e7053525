"""The family of call models: against scikit-learn, against its own curves, and on known truths."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from voicerisk.callers.weights import training_weights
from voicerisk.errors import ModelError
from voicerisk.models.calls.features import CallFrames, directions
from voicerisk.models.calls.model import COMMON, MEMBERS, PENALTY, CallFit, Family, fit_calls, mixed


def drawn(calls: int = 60, frames: int = 12, seed: int = 1) -> tuple[CallFrames, np.ndarray, np.ndarray]:
    """Draw frames: the spread of `u` rises with risk, the mean of `s` in women, and falls in men."""
    rng = np.random.default_rng(seed)
    y = np.arange(calls) % 2
    level = np.array(["female", "male"], dtype=object)[(np.arange(calls) // 2) % 2]
    call = np.repeat(np.arange(calls), frames)
    between = rng.normal(0, 0.4, size=(3, calls))
    sign = np.where(level == "female", 1.0, -1.0)
    columns = {
        "u": between[0][call] + rng.normal(size=len(call)) * np.where(y == 1, 1.8, 1.0)[call],
        "s": (between[1] + 0.8 * sign * y)[call] + rng.normal(size=len(call)),
        "n": between[2][call] + rng.normal(size=len(call)),
    }
    return CallFrames(columns, call, calls), level, y


def fitted(
    frames: CallFrames, level: np.ndarray, y: np.ndarray, train: np.ndarray, **more: object
) -> CallFit:
    weights = training_weights(train, y[train], 0.5)
    return fit_calls(frames, tuple(frames.columns), level, y, train, weights, Family(**more))


def auroc(score: np.ndarray, y: np.ndarray) -> float:
    gap = score[y == 1][:, None] - score[y == 0][None, :]
    return float((gap > 0).mean() + 0.5 * (gap == 0).mean())


def standardised_means(frames: CallFrames, train: np.ndarray, weights: np.ndarray) -> np.ndarray:
    means = []
    for marker, column in frames.columns.items():
        grid = frames.grid(marker, train)
        assert grid is not None
        x = np.clip(column, grid.low, grid.high)
        mean = np.bincount(frames.call, x) / np.bincount(frames.call)
        centre = np.average(mean[train], weights=weights)
        means.append((mean - centre) / np.sqrt(np.average((mean[train] - centre) ** 2, weights=weights)))
    return np.column_stack(means)


@pytest.mark.parametrize("forced", [(), ("n",)])
def test_the_linear_member_is_a_ridge_regression_on_call_means(forced: tuple[str, ...]) -> None:
    frames, _, y = drawn()
    one_level = np.full(len(y), "all", dtype=object)
    train = np.arange(40)
    found = fitted(frames, one_level, y, train, members=("linear",), forced=forced)
    weights = training_weights(train, y[train], 0.5)
    X = standardised_means(frames, train, weights) / np.sqrt(3 - len(forced))
    if forced:  # its prior is 10 log-odds a standard deviation wide, beside 2 for all markers together
        X[:, 2] *= np.sqrt(2) * 5.0
    model = LogisticRegression(C=1 / PENALTY, tol=1e-10, max_iter=1000)
    model.fit(X[train], y[train], sample_weight=weights)
    # scikit-learn stops at its own tolerance
    np.testing.assert_allclose(found.link[:, 0], model.decision_function(X), atol=1e-6)


@pytest.mark.parametrize("member", tuple(MEMBERS))
def test_a_forced_marker_is_in_every_member_as_it_is_told(member: str) -> None:
    frames, level, y = drawn()
    found = fitted(frames, level, y, np.arange(60), members=(member,), forced=("n",))
    # what a file keeps says what the fit says
    np.testing.assert_allclose(found.models[0].call_link(frames, level), found.link[:, 0], atol=1e-9)
    curves = [effect for effect in found.models[0].effects if effect.marker == "n"]
    assert curves and all(np.ptp(effect.coefficients) > 0 for effect in curves)


def test_scores_are_offset_and_curves() -> None:
    frames, level, y = drawn()
    frames.columns["n"][frames.call < 3] = np.nan  # three calls without this marker
    frames.columns["u"][::5] = np.nan
    found = fitted(frames, level, y, np.arange(45))
    for number, model in enumerate(found.models):
        # the same sums in another order
        np.testing.assert_allclose(model.call_link(frames, level), found.link[:, number], atol=1e-10)
    weights = np.linspace(0.05, 0.3, len(found.models))
    both = mixed(found.models, weights)
    np.testing.assert_allclose(both.call_link(frames, level), found.link @ weights, atol=1e-10)
    whole = CallFrames(frames.columns, np.arange(len(frames.call)), len(frames.call))
    one = both.call_link(whole, level[frames.call])  # every frame a call of its own
    np.testing.assert_allclose(both.frame_link(frames.columns, level[frames.call]), one, atol=1e-10)


def test_calls_that_were_not_learned_from_change_nothing() -> None:
    frames, level, y = drawn()
    train = np.arange(0, 60, 2) // 1
    train = np.flatnonzero(np.arange(60) % 3 != 0)
    before = fitted(frames, level, y, train)
    held = np.flatnonzero(np.arange(60) % 3 == 0)
    other = y.copy()
    other[held] = 1 - other[held]
    columns = {name: column.copy() for name, column in frames.columns.items()}
    for column in columns.values():
        column[np.isin(frames.call, held)] += 5.0
    after = fitted(CallFrames(columns, frames.call, 60), level, other, train)
    np.testing.assert_array_equal(after.link[train], before.link[train])


def test_rows_and_markers_may_come_in_any_order() -> None:
    frames, level, y = drawn()
    order = np.random.default_rng(3).permutation(len(frames.call))
    columns = {name: frames.columns[name][order] for name in reversed(frames.columns)}
    turned = fitted(CallFrames(columns, frames.call[order], 60), level, y, np.arange(45))
    np.testing.assert_allclose(turned.link, fitted(frames, level, y, np.arange(45)).link, atol=1e-9)


def test_each_member_finds_what_it_is_for() -> None:
    frames, level, y = drawn(calls=200, seed=5)
    train, held = np.arange(120), np.arange(120, 200)
    found = fitted(frames, level, y, train)
    reached = {name: auroc(found.link[held, i], y[held]) for i, name in enumerate(found.names)}
    # lines in common see neither a spread nor a difference between women and men
    assert reached["linear"] < 0.65 and reached["sparse"] < 0.65
    assert reached["by_level"] > 0.8
    assert reached["curves"] > 0.8
    assert reached["curves_by_level"] > 0.9


def test_curves_of_each_level_are_there_and_centred() -> None:
    frames, level, y = drawn(calls=200, seed=5)
    [model] = fitted(frames, level, y, np.arange(200), members=("curves_by_level",)).models
    assert {effect.level for effect in model.effects} == {"female", "male", COMMON}
    curves = {(effect.marker, effect.level): effect for effect in model.effects}
    x = np.linspace(-1.5, 1.5, 31)
    assert curves["s", "female"](x)[-1] > curves["s", "female"](x)[0]
    assert curves["s", "male"](x)[-1] < curves["s", "male"](x)[0]
    u = curves["u", "female"](x)
    assert u[0] > u[15] < u[-1]
    assert curves["u", "female"](np.array([np.nan]))[0] == 0.0
    far = curves["u", "female"](np.array([-99.0, curves["u", "female"].grid.low]))
    assert far[0] == pytest.approx(far[1])


def test_a_level_that_was_not_learned_from_has_what_levels_share() -> None:
    frames, level, y = drawn()
    strange = level.copy()
    strange[50:] = "other"
    found = fitted(frames, strange, y, np.arange(45))
    model = found.models[found.names.index("linear")]
    common = [effect for effect in model.effects if effect.level == COMMON]
    assert len(common) == 3 and np.isfinite(found.link).all()
    np.testing.assert_allclose(model.call_link(frames, strange), found.link[:, 0], atol=1e-10)


def test_a_constant_marker_and_one_without_values_add_nothing() -> None:
    frames, level, y = drawn()
    columns = {
        **frames.columns,
        "flat": np.full(len(frames.call), 7.0),
        "gone": np.full(len(frames.call), np.nan),
    }
    more = CallFrames(columns, frames.call, 60)
    found = fitted(more, level, y, np.arange(45))
    np.testing.assert_array_equal(found.link, fitted(frames, level, y, np.arange(45)).link)
    assert {effect.marker for effect in found.models[0].effects} == {"u", "s", "n"}


def test_lines_are_lines_and_bends_are_not() -> None:
    line, *bends = directions().T
    np.testing.assert_allclose(np.diff(line, n=2), 0.0, atol=1e-12)
    for bend in bends:
        assert abs(np.polyfit(range(len(bend)), bend, 1)[0]) < 1e-10


def test_bad_input_is_refused() -> None:
    frames, level, y = drawn()
    with pytest.raises(ModelError, match="no member 'cubic'"):
        fitted(frames, level, y, np.arange(45), members=("cubic",))
    with pytest.raises(ModelError, match="one class is absent"):
        fit_calls(frames, ("u",), level, np.ones(60, dtype=int), np.arange(45), np.ones(45))
    with pytest.raises(ModelError, match="infinite in row 2"):
        CallFrames({"u": np.array([0.0, 1.0, np.inf])}, np.zeros(3, dtype=int), 1)
    first = fitted(frames, level, y, np.arange(45)).models[0]
    second = fitted(frames, level, y, np.arange(50)).models[0]
    with pytest.raises(ModelError, match="cannot be averaged"):
        mixed([first, second], [0.5, 0.5])


def test_simpler_members_come_first() -> None:
    assert list(MEMBERS.values()) == sorted(MEMBERS.values()) and next(iter(MEMBERS.values())) == 0
