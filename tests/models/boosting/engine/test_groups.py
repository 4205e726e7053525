"""Lanes with outcomes and cuts of their own: packed together, each is to the last bit what it is alone."""

import joblib
import numpy as np
import pytest

from tests.models.boosting.engine.test_joint import criterion, noisy, sets_of
from tests.models.boosting.engine.test_lanes import MARKERS, loco, same, simulate
from voicerisk.errors import ModelError
from voicerisk.models import (
    BoostData,
    JointLanes,
    Lane,
    LazyLanes,
    alike_order,
    fit_jointly,
    fit_jointly_by_joblib,
    fit_lanes,
    fit_lanes_by_joblib,
    fit_lanes_in_folder,
    held_out_path,
    learners_for,
)
from voicerisk.models.boosting.engine.groups import WIDTH, like_groups
from voicerisk.models.boosting.engine.rows import RowOrders


def by_caller(data: BoostData, seed: int = 0) -> BoostData:
    """Return the rows with one outcome a caller."""
    y = np.random.default_rng(seed).permutation(np.arange(data.caller.max() + 1) % 2)
    return BoostData(data.columns, data.level, y[data.caller].astype(np.int8), data.caller)


def permutations(data: BoostData, count: int) -> list[BoostData]:
    return [by_caller(data, seed + 1) for seed in range(count)]


def folds_of(data: BoostData, name: str, y=None, k: int = 5) -> list[Lane]:
    learners = learners_for(MARKERS)
    share = 1.0 / np.bincount(data.caller)[data.caller]
    return [
        Lane(f"{name}/{i}", share * (data.caller % k != i), learners, "train", "clamp", None, y)
        for i in range(k)
    ]


def test_permutations_packed_are_each_permutation_alone():
    data = by_caller(simulate(1000, 20))
    anew = permutations(data, 4)
    lanes = [lane for b, one in enumerate(anew) for lane in folds_of(data, str(b), one.y)]
    packed = list(fit_lanes(data, lanes, 40, threads=2))
    # one group holds lanes of several outcomes, or nothing is tested here
    _, members = next(like_groups(data, RowOrders(data), lanes))
    assert len(members) == WIDTH
    assert len({member // 5 for member in members}) == 4
    for b, one in enumerate(anew):
        alone = fit_lanes(one, folds_of(one, str(b)), 40)
        for path, other in zip(packed[5 * b : 5 * b + 5], alone, strict=True):
            same(path, other)
            assert (path.key, path.offset) == (other.key, other.offset)
            rows = [np.flatnonzero(data.caller == c) for c in (0, 3)]
            for mine, theirs in zip(held_out_path(path, rows), held_out_path(other, rows), strict=True):
                np.testing.assert_array_equal(mine, theirs)
    plain = list(fit_lanes(data, folds_of(data, "as it is"), 40))
    assert not np.array_equal(plain[0].steps, packed[0].steps)


def test_an_outcome_that_is_the_data_s_own_changes_nothing():
    data = simulate()
    lanes = folds_of(data, "own")
    for one, other in zip(
        fit_lanes(data, lanes, 30), fit_lanes(data, folds_of(data, "own", data.y.copy()), 30), strict=True
    ):
        same(one, other)


def test_outcomes_that_vary_within_callers_are_fitted_as_alone():
    # They sort a caller's rows, each in its own way, so that they cannot lie in one group.
    data = simulate()
    rng = np.random.default_rng(5)
    outcomes = [rng.permutation(data.y) for _ in range(3)]
    lanes = [Lane(str(b), np.ones(data.n), learners_for(MARKERS), y=y) for b, y in enumerate(outcomes)]
    for path, y in zip(fit_lanes(data, lanes, 40), outcomes, strict=True):
        own = BoostData(data.columns, data.level, y, data.caller)
        (alone,) = fit_lanes(own, [Lane("", np.ones(data.n), learners_for(MARKERS))], 40)
        same(path, alone)


def test_weights_that_vary_within_callers_do_not_touch_their_neighbours():
    data = simulate()
    rng = np.random.default_rng(2)
    learners = learners_for(MARKERS, brandom=True)
    fold = rng.permutation(data.n) % 5
    lanes = [
        Lane("even", np.ones(data.n), learners),
        Lane("any", rng.random(data.n), learners),
        *(Lane(f"rows {k}", (fold != k).astype(float), learners) for k in range(5)),
        # two long stretches within each caller and outcome
        Lane("halves", 1.0 + (np.arange(data.n) > data.n // 2), learners),
        *loco(data, learners)[:3],
    ]
    for lane, path in zip(lanes, fit_lanes(data, lanes, 30, threads=2), strict=True):
        (alone,) = fit_lanes(data, [lane], 30)
        same(path, alone)


def test_joint_lanes_follow_their_own_outcome():
    data = by_caller(noisy())
    anew = permutations(data, 2)
    sets, alone = [], []
    for one in anew:
        for plain in sets_of(one, outer=2):
            inner = [Lane(x.key, x.weights, x.learners, "train", "clamp", None, one.y) for x in plain.inner]
            outer = plain.outer
            outer = Lane(outer.key, outer.weights, outer.learners, "train", "clamp", None, one.y)
            sets.append(JointLanes(inner, plain.held_out, plain.weights, outer))
            alone += fit_jointly(one, [plain], 200, 0.1, 50)
    together = list(fit_jointly(data, sets, 200, 0.1, 50))
    with joblib.parallel_config("threading"):
        spread = list(fit_jointly_by_joblib(data, sets, 200, 0.1, 50, jobs=2))
    assert len({len(paths[0].selected) for paths in together}) > 1
    for one, mine, far, theirs in zip(sets, together, spread, alone, strict=True):
        for path, other, third in zip(mine, theirs, far, strict=True):
            same(path, other)
            same(path, third)
            np.testing.assert_array_equal(third.data.y, one.outer.y)
        np.testing.assert_array_equal(criterion(one, mine), criterion(one, theirs))


def test_outcomes_travel_and_are_part_of_what_is_kept(tmp_path):
    data = by_caller(simulate(400, 12))
    (one,) = permutations(data, 1)
    lanes = [*folds_of(data, "a"), *folds_of(data, "b", one.y)]
    with joblib.parallel_config("threading"):
        far = list(fit_lanes_by_joblib(data, lanes, 20, jobs=2))
    for path, other in zip(far, fit_lanes(data, lanes, 20), strict=True):
        same(path, other)
        np.testing.assert_array_equal(path.data.y, other.data.y)
    kept = list(fit_lanes_in_folder(data, lanes[:5], 20, 0.1, tmp_path))
    again = [Lane(x.key, x.weights, x.learners, "train", "clamp", None, one.y) for x in lanes[:5]]
    other = list(fit_lanes_in_folder(data, again, 20, 0.1, tmp_path))
    assert len(list(tmp_path.glob("*.npz"))) == 10
    assert not np.array_equal(kept[0].steps, other[0].steps)
    (read, *_) = fit_lanes_in_folder(data, again, 20, 0.1, tmp_path)
    same(read, other[0])
    np.testing.assert_array_equal(read.data.y, one.y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(900, 2), "The outcome of lane l must hold 0 or 1 for each of the 900 rows; found .*2"),
        (np.ones(3, np.int8), r"The outcome of lane l must hold 0 or 1 .* found \(3,\)"),
        (np.ones(900, np.int8), "Lane l has rows of outcome 1 only"),
    ],
)
def test_unusable_outcomes_say_why(y, message):
    data = simulate()
    with pytest.raises(ModelError, match=message):
        list(fit_lanes(data, [Lane("l", np.ones(data.n), learners_for(["a"]), y=y)], 5))


def test_mboost_refuses_an_outcome_of_a_lane():
    from voicerisk.models.boosting.mboost import _fit_lane

    data = simulate(100, 4)
    lane = Lane("l", np.ones(data.n), learners_for(["a"]), y=data.y)
    with pytest.raises(ModelError, match="Lane l has an outcome of its own; engine 'mboost'"):
        _fit_lane(None, data, {}, lane, 5, 0.1, "adaboost", None)  # refused before R is asked


def test_lanes_with_one_range_lie_side_by_side_and_none_is_lost():
    data = simulate(2000, 40)
    top = [int(data.caller[data.columns[m].argmax()]) for m in MARKERS]
    rng = np.random.default_rng(1)
    learners = learners_for(MARKERS)

    def lane(number: int) -> Lane:
        out = rng_of[number]
        return Lane(str(number), (~np.isin(data.caller, out)).astype(float), learners, "train")

    rng_of = [[c for c in top if rng.random() < 0.4] + [int(rng.integers(40))] for _ in range(300)]
    lanes = LazyLanes(lane, 300)
    order = alike_order(data, lanes)
    assert sorted(order) == list(range(300))

    def ranges(numbers) -> int:
        """Count the passes that groups of 16 in this order take."""
        total = 0
        for at in range(0, 300, WIDTH):
            seen = [lane(n).weights > 0 for n in numbers[at : at + WIDTH]]
            total += sum(
                len({(data.columns[m][s].min(), data.columns[m][s].max()) for s in seen}) for m in MARKERS
            )
        return total

    assert ranges(order) < 0.6 * ranges(range(300))
