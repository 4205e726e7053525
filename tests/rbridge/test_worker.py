"""The child process: values both ways, failures as data, time limits, interrupts, death."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import RBridgeError
from voicerisk.rbridge import Kept, Rds, Worker, call, check, missing_in_r

pytestmark = pytest.mark.r


def echo(worker, value):
    return worker.call("bridge_echo", value=value).value


def test_columns_come_back_as_they_went(worker):
    frame = pd.DataFrame(
        {
            "x": [1.5, np.nan, -np.inf],
            "n": np.array([1, -2, 3], dtype=np.int64),
            "big": np.array([2**40, 0, 1], dtype=np.int64),
            "flag": [True, False, True],
            "text": ["é", None, "b"],
            "group": pd.Categorical(["b", "a", None], categories=["b", "a", "unused"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
        }
    )
    back = echo(worker, frame)
    assert list(back.columns) == list(frame.columns)
    np.testing.assert_array_equal(back["x"], frame["x"])
    np.testing.assert_array_equal(back["n"], frame["n"])
    assert back["n"].dtype == np.int32
    np.testing.assert_array_equal(back["big"], frame["big"].astype(float))
    assert back["flag"].dtype == bool
    assert back["text"].isna().tolist() == [False, True, False]
    assert back["text"][0] == "é"
    assert list(back["group"].cat.categories) == ["b", "a", "unused"]
    np.testing.assert_array_equal(back["group"].cat.codes, [0, 1, -1])
    np.testing.assert_array_equal(back["nullable"], [1.0, np.nan, 3.0])


def test_scalars_lists_and_empty_tables(worker):
    assert echo(worker, None) is None
    assert echo(worker, "a") == ["a"]
    assert echo(worker, {"a": 1, "b": [None, "x"]})["b"] == [None, ["x"]]
    np.testing.assert_array_equal(echo(worker, np.arange(6.0).reshape(2, 3)), np.arange(6.0).reshape(2, 3))
    assert echo(worker, np.array([], dtype=float)).shape == (0,)
    assert echo(worker, np.empty((0, 3))).shape == (0, 3)
    empty = echo(worker, pd.DataFrame({"a": np.array([], dtype=float)}))
    assert list(empty.columns) == ["a"]
    assert len(empty) == 0


def test_a_column_of_objects_is_refused(worker):
    with pytest.raises(RBridgeError, match="Column 'a' holds neither numbers nor text"):
        echo(worker, pd.DataFrame({"a": [(1, 2), None]}))


def test_what_r_returns_must_be_tables(worker):
    with pytest.raises(RBridgeError, match="object of class function, which is not a table"):
        worker.call("bridge_probe", what="function")


def test_warnings_and_messages_come_back_as_data(worker):
    answer = worker.call("bridge_probe", what="warn")
    assert answer.warnings[0].startswith("first warning")
    assert len(answer.warnings) == 1
    assert answer.messages == ("a message",)
    np.testing.assert_array_equal(answer.value, [1.0])


def test_an_r_error_tells_function_message_and_traceback(worker):
    with pytest.raises(RBridgeError) as caught:
        worker.call("bridge_probe", what="stop")
    text = str(caught.value)
    assert text.startswith("R function bridge_probe: something broke")
    assert "R traceback" in text
    assert "bridge_deep" in text
    assert worker.call("bridge_echo", value=1.0).value[0] == 1.0


def test_unknown_function_and_kept_name(worker):
    with pytest.raises(RBridgeError, match="no function 'vr_nothing'"):
        worker.call("vr_nothing")
    with pytest.raises(RBridgeError, match="Nothing is kept in R under the name 'frame'"):
        worker.call("bridge_echo", value=Kept("frame"))


def test_missing_rds_file_is_named(worker, tmp_path):
    with pytest.raises(RBridgeError, match=r"^R function bridge_echo: .*There is no file .*absent\.rds"):
        worker.call("bridge_echo", value=Rds(tmp_path / "absent.rds"))
    assert worker.call("bridge_echo", value=1.0).value[0] == 1.0


def test_a_package_that_lacks_another_is_told_from_one_that_is_absent(tmp_path, monkeypatch):
    library = tmp_path / "library"
    library.mkdir()
    for name, needs in (("needed", ""), ("lacking", "Imports: needed\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "DESCRIPTION").write_text(
            f"Package: {name}\nVersion: 1.0\nTitle: T\nDescription: D.\nLicense: GPL-2\nAuthor: A\n"
            f"Maintainer: A <a@example.org>\n{needs}"
        )
        (tmp_path / name / "NAMESPACE").write_text("import(needed)\n" if needs else "")
    monkeypatch.setenv("R_LIBS", str(library))
    install = ["R", "CMD", "INSTALL", "--no-docs", f"--library={library}", "needed", "lacking"]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True)
    assert missing_in_r("lacking") == ()
    shutil.rmtree(library / "needed")
    monkeypatch.setenv("LD_LIBRARY_PATH", "")  # other surroundings: what was usable is looked at again
    lacking, absent = missing_in_r("lacking", "absent.everywhere")
    assert f"'lacking' is installed in {library} but does not load" in lacking and "needed" in lacking
    assert "'absent.everywhere' is not installed" in absent


def test_missing_package_prints_apt_conda_and_cran_lines(worker):
    with pytest.raises(
        RBridgeError, match=r"'mgcv' is not installed.*apt install r-cran-mgcv.*conda.*install\.packages"
    ):
        worker.call("bridge_probe", what="package")


def test_seed_decides_and_leaves_no_trace(worker):
    first = worker.call("bridge_probe", what="random", seed=5).value
    worker.call("bridge_probe", what="random", seed=6)
    np.testing.assert_array_equal(first, worker.call("bridge_probe", what="random", seed=5).value)
    assert first[0] != worker.call("bridge_probe", what="random", seed=6).value[0]


def test_options_and_collation_are_set_for_the_call(worker):
    got = worker.call("bridge_probe", what="options").value
    assert got["contrasts"] == ["contr.treatment", "contr.poly"]
    assert got["sorted"] == ["B", "a"]
    assert got["kind"] == ["Mersenne-Twister", "Inversion", "Rejection"]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_text_survives_any_locale(monkeypatch, locale):
    monkeypatch.setenv("LC_ALL", locale)
    with Worker() as child:
        table = pd.DataFrame({"höhe": [1.0], "ort": ["Zürich"]})
        back = child.call("bridge_echo", value=table).value
        assert list(back.columns) == ["höhe", "ort"] and back["ort"].tolist() == ["Zürich"]
        assert child.call("safe_names", names=["höhe"]).value == ["höhe"]


def test_kept_values_stay_between_calls(worker):
    worker.keep("frame", pd.DataFrame({"a": [1.0, 2.0]}))
    for _ in range(2):
        assert worker.call("bridge_echo", value=Kept("frame")).value["a"].tolist() == [1.0, 2.0]


def test_time_limit_stops_the_child():
    started = time.monotonic()
    with pytest.raises(RBridgeError, match=r"bridge_probe was stopped after its time limit of 2 s"):
        call("bridge_probe", what="forever", time_limit=2)
    assert time.monotonic() - started < 60


@pytest.fixture
def listens_to_ctrl_c():
    """A process that a shell starts in the background ignores Ctrl-C, and so would all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_the_child_and_is_passed_on(listens_to_ctrl_c):
    with Worker() as child:
        child.call("bridge_echo", value=1.0)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            child.call("bridge_probe", what="forever", time_limit=60)
        with pytest.raises(RBridgeError, match="was closed before"):
            child.call("bridge_echo", value=1.0)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_a_killed_child_is_told():
    with Worker() as child:
        child.call("bridge_echo", value=1.0)
        threading.Timer(0.3, os.kill, (child.pid, signal.SIGKILL)).start()
        with pytest.raises(RBridgeError, match=r"ran R function bridge_probe ended by signal 9"):
            child.call("bridge_probe", what="forever", time_limit=60)


def test_the_child_ends_with_its_parent():
    script = (
        "import threading, os, signal\n"
        "from voicerisk.rbridge import Worker\n"
        "w = Worker(); w.call('bridge_echo', value=1.0); print(w.pid, flush=True)\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "w.call('bridge_probe', what='forever')\n"
    )
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    pid = int(parent.stdout)
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child outlived its parent by 10 s")


def test_importing_the_bridge_loads_neither_rpy2_nor_r():
    code = "import sys, voicerisk.rbridge; print(any(m.startswith('rpy2') for m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_nothing_is_printed_on_the_users_screen():
    code = "from voicerisk.rbridge import call_here; call_here('bridge_probe', what='print')"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == ""
    assert out.stderr == ""


def test_doctor_sees_r_and_fits(worker):
    lines = {line.name: line for line in check()}
    assert {"R", "rpy2", "mgcv", "glmnet", "mboost", "tiny model"} <= set(lines)
    assert all(line.ok for line in lines.values() if line.required)
    assert "edf 1.0" in lines["tiny model"].message
    if not lines["mboost"].ok:
        assert 'install.packages("mboost")' in lines["mboost"].message
