"""A study's models on a Dask cluster: the same predictions, also when a worker dies; clear errors."""

import os
import signal
from dataclasses import replace

import distributed
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.study.small_study import quick_settings
from voicerisk.errors import StudyError
from voicerisk.pipeline import cluster
from voicerisk.pipeline.cluster import cluster_cores, on_cluster
from voicerisk.validation import run_nested


@pytest.mark.slow
@pytest.mark.parametrize("patience", [None, 50])
def test_nested_validation_on_a_cluster_that_loses_a_worker(fitter, tmp_path, patience):
    calls = fitter.tables.calls
    fitter = replace(fitter, patience=patience, jobs=2)
    plain = run_nested(calls, fitter, quick_settings())
    there = replace(fitter, checkpoints=tmp_path / "there")
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=None, memory_limit=0
    ) as workers:
        pids = [worker.pid for worker in workers.workers.values()]
        killed = []

        def kill_one(done: int, total: int) -> None:
            if not killed:  # the first of many models is done
                os.kill(pids[0], signal.SIGKILL)
                killed.append(done)

        with on_cluster(workers.scheduler_address):
            assert cluster_cores() == 3
            far = run_nested(calls, there, quick_settings(), kill_one)
    assert killed == [1]
    assert cluster_cores() == 0
    pd.testing.assert_frame_equal(far.predictions, plain.predictions)
    pd.testing.assert_frame_equal(far.tuning, plain.tuning)


def test_an_address_where_nothing_answers_is_an_error(monkeypatch):
    monkeypatch.setattr(cluster, "WAIT", 1)
    with (
        pytest.raises(StudyError, match="No Dask scheduler answers at tcp://127"),
        on_cluster("tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(StudyError, match="No Dask scheduler answers at nonsense"), on_cluster("nonsense://a"):
        pass


@pytest.mark.parametrize("command", ["run", "audit"])
def test_the_command_asks_at_the_address_before_it_reads_recordings(command, monkeypatch, tmp_path):
    from voicerisk.cli import app

    monkeypatch.setattr(cluster, "WAIT", 1)
    (tmp_path / "study.toml").write_text('[cohort]\ncalls = "calls.csv"\noutcome = "outcome"\n')
    result = CliRunner().invoke(
        app,
        ["run", str(tmp_path / "study.toml"), "--out", str(tmp_path / "r"), "--dask", "tcp://127.0.0.1:9"],
    )
    assert isinstance(result.exception, StudyError)
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in str(result.exception)


def test_without_an_address_nothing_changes():
    with on_cluster(None):
        assert cluster_cores() == 0
