"""Lanes on several processes: the result is that of one process, also when a worker dies."""

import os
import signal
import threading

import joblib
import pytest
from test_boost_lanes import loco, same, simulate

from voicerisk.models import fit_lanes, fit_lanes_by_joblib, learners_for


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


@pytest.mark.slow
def test_a_dask_cluster_takes_over_and_survives_a_dead_worker():
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    data = simulate(6000, 96)
    lanes = loco(data, learners_for(["a", "b", "c"]))
    with (
        distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Timer(1.0, lambda: os.kill(victim, signal.SIGKILL))
        killer.start()
        with joblib.parallel_config("dask"):
            parallel = list(fit_lanes_by_joblib(data, lanes, 120))
        died_on_the_way = not killer.is_alive()
        killer.join()
    assert died_on_the_way
    for one, other in zip(parallel, fit_lanes(data, lanes, 120), strict=True):
        same(one, other)
