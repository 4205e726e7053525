"""Lanes on several processes: the result is that of one process, also when a worker dies."""

import os
import signal

import distributed
import joblib
import numpy as np
import pytest

from tests.models.boosting.engine.test_joint import noisy, sets_of
from tests.models.boosting.engine.test_lanes import loco, same, simulate
from voicerisk.errors import ModelError
from voicerisk.models import (
    BoostData,
    LazyLanes,
    fit_jointly,
    fit_jointly_by_joblib,
    fit_lanes,
    fit_lanes_by_joblib,
    learners_for,
)
from voicerisk.models.boosting.cluster import LANES_A_TASK, _pack


def spread(data: BoostData) -> BoostData:
    """Return the rows with callers side by side, as a table of frames has them."""
    return data.take(np.argsort(data.caller, kind="stable"))


@pytest.mark.slow
def test_two_processes_give_the_result_of_one():
    data = simulate(800, 40)
    lanes = loco(data, learners_for(["a", "b"]))
    calls = []
    parallel = list(fit_lanes_by_joblib(data, lanes, 20, jobs=2, progress=lambda *x: calls.append(x)))
    assert calls[-1] == (40, 40)
    for one, other in zip(parallel, fit_lanes(data, lanes, 20), strict=True):
        same(one, other)
        assert one.key == other.key
        assert one.data is data
    small = noisy()
    sets = sets_of(small, outer=9)
    with joblib.parallel_config("threading"):
        found = list(fit_jointly_by_joblib(small, sets, 150, 0.1, 50, jobs=2))
    for paths, others in zip(found, fit_jointly(small, sets, 150, 0.1, 50), strict=True):
        for one, other in zip(paths, others, strict=True):
            same(one, other)


def test_weights_travel_as_what_they_are():
    data = spread(simulate(300, 6))
    for weights in (np.ones(300), (data.caller != 2) / 7.0, np.random.default_rng(1).random(300)):
        lane = loco(data, learners_for(["a"]), boundary="train", outside="clamp")[0]
        packed = _pack(type(lane)(lane.key, weights, lane.learners, lane.boundary, lane.outside, 0.25))
        again = packed.lane_of()
        np.testing.assert_array_equal(again.weights, weights)
        assert (again.key, again.learners, again.boundary, again.outside, again.offset) == (
            lane.key,
            lane.learners,
            "train",
            "clamp",
            0.25,
        )
    assert len(_pack(loco(data, ())[0]).weights.values) <= 3


def test_unusable_settings_are_refused_before_anything_travels():
    data = simulate(100, 4)
    with pytest.raises(ModelError, match="jobs is 0"):
        fit_lanes_by_joblib(data, loco(data, ()), 5, jobs=0)
    with pytest.raises(ModelError, match="mstop is -1"):
        fit_lanes_by_joblib(data, loco(data, ()), -1)
    with pytest.raises(ModelError, match="patience is 0"):
        fit_jointly_by_joblib(data, [], 5, 0.1, 0)


@pytest.mark.slow
def test_a_dask_cluster_takes_over_and_survives_a_dead_worker():
    data = spread(simulate(3000, 40))
    lanes = loco(data, learners_for(["a", "b", "c"]))
    many = LazyLanes(lambda number: lanes[number % 40], 12 * LANES_A_TASK)
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, dashboard_address=None, memory_limit=0
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config("dask"),
    ):
        workers = client.run(os.getpid)
        paths = fit_lanes_by_joblib(data, many, 40)
        found = [next(paths)]
        # The first of twelve tasks is done: the others are under way or still to come.
        victim = next(iter(workers.values()))
        os.kill(victim, signal.SIGKILL)
        found += paths
    assert len(found) == 12 * LANES_A_TASK
    plain = list(fit_lanes(data, lanes, 40))
    for number, one in enumerate(found):
        same(one, plain[number % 40])
