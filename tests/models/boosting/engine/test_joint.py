"""Folds that halt together: the same numbers, cut; the same choice of steps unless the risk falls twice."""

import numpy as np
import pytest

from tests.models.boosting.engine.test_lanes import simulate
from voicerisk.errors import ModelError
from voicerisk.models import (
    BoostData,
    BoostSettings,
    JointLanes,
    Lane,
    fit_jointly,
    fit_lanes,
    held_out_path,
    learners_for,
)

MSTOP = 320


def noisy(seed: int = 3) -> BoostData:
    """Return rows whose outcome depends on little, so that boosting soon fits noise."""
    rng = np.random.default_rng(seed)
    data = simulate(700, 24, seed=seed)
    y = (rng.random(data.n) < 1 / (1 + np.exp(-0.4 * data.columns["a"]))).astype(np.int8)
    return BoostData(data.columns, data.level, y, data.caller)


def sets_of(data: BoostData, outer: int = 5, k: int = 4) -> list[JointLanes]:
    learners = learners_for(("a", "b", "c"))
    sets = []
    for left_out in range(outer):
        training = data.caller != left_out
        fold = data.caller % k
        weights = training / np.bincount(data.caller)[data.caller]
        held_out = tuple(np.flatnonzero(training & (fold == i)) for i in range(k))
        inner = [
            Lane(f"{left_out}/{i}", weights * (fold != i), learners, boundary="train", outside="clamp")
            for i in range(k)
        ]
        sets.append(
            JointLanes(
                inner,
                held_out,
                tuple(weights[rows] for rows in held_out),
                Lane(f"{left_out}/outer", weights, learners, boundary="train", outside="clamp"),
            )
        )
    return sets


def criterion(one: JointLanes, paths) -> np.ndarray:
    """Weighted held-out deviance after every step, summed over the inner folds."""
    total = 0.0
    for path, rows, weights in zip(paths, one.held_out, one.weights, strict=False):
        groups = [rows[[i]] for i in range(len(rows))]
        total = total + weights @ held_out_path(path, groups)[1]
    return total


def test_cut_paths_are_the_full_ones_and_choose_the_same_step():
    data = noisy()
    sets = sets_of(data)
    calls = []
    joint = list(fit_jointly(data, sets, MSTOP, 0.1, 60, progress=lambda *x: calls.append(x)))
    assert calls == [(i + 1, 5) for i in range(5)]
    lengths = set()
    for one, paths in zip(sets, joint, strict=True):
        lanes = [*one.inner, one.outer]
        full = list(fit_lanes(data, lanes, MSTOP))
        length = paths[0].mstop
        lengths.add(length)
        assert length % 50 == 0
        for lane, cut, whole in zip(lanes, paths, full, strict=True):
            assert cut.key == lane.key
            assert cut.mstop == length
            np.testing.assert_array_equal(cut.selected, whole.selected[:length])
            np.testing.assert_array_equal(cut.steps, whole.steps[:length])
            np.testing.assert_array_equal(cut.risk, whole.risk[: length + 1])
        along = criterion(one, full)
        assert np.argmin(criterion(one, paths)) == np.argmin(along)
        # the rule itself: every 50 steps, halt at the first look 60 or more behind the smallest
        looks = along[::50]
        expected = next(50 * m for m in range(len(looks)) if 50 * (m - np.argmin(looks[: m + 1])) >= 60)
        assert length == expected
    assert max(lengths) < MSTOP


def test_threads_and_the_packing_of_sets_change_nothing():
    data = noisy(4)
    sets = sets_of(data, outer=9)
    one = list(fit_jointly(data, sets, 150, 0.1, 50))
    other = list(fit_jointly(data, sets, 150, 0.1, 50, threads=3))
    alone = list(fit_jointly(data, sets[3:4], 150, 0.1, 50))
    for a, b in zip([*one, one[3]], [*other, *alone], strict=True):
        for first, second in zip(a, b, strict=True):
            np.testing.assert_array_equal(first.steps, second.steps)


def test_patience_beyond_the_last_step_takes_all_steps():
    data = noisy()
    (paths,) = fit_jointly(data, sets_of(data, outer=1), 120, 0.1, 120)
    assert {path.mstop for path in paths} == {120}


def test_a_risk_that_falls_to_the_end_is_not_cut():
    data = simulate(1500, 24)
    (paths,) = fit_jointly(data, sets_of(data, outer=1), 130, 0.1, 50)
    assert paths[0].mstop == 130


def test_unusable_patience_is_refused():
    data = noisy()
    for patience in (0, -1, 1.5, True):
        with pytest.raises(ModelError, match="patience is"):
            fit_jointly(data, sets_of(data, outer=1), 10, 0.1, patience)
        with pytest.raises(ModelError, match=r"boost\.patience is"):
            BoostSettings(patience=patience)
    with pytest.raises(ModelError, match=r"needs boost\.engine"):
        BoostSettings(patience=50, engine="mboost")


def test_a_set_without_inner_fits_is_refused():
    (one,) = sets_of(noisy(), outer=1)
    with pytest.raises(ModelError, match="has 0 inner fits, 0 groups"):
        JointLanes([], (), (), one.outer)
    with pytest.raises(ModelError, match="4 inner fits, 3 groups"):
        JointLanes(one.inner, one.held_out[:3], one.weights, one.outer)
