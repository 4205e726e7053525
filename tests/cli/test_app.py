"""How the command line ends: one sentence for what the system refuses, and names as they are."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voicerisk.cli import main
from voicerisk.cli.progress import ProgressBars, console, named, note
from voicerisk.errors import StudyError

APP = "voicerisk.cli.app"


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run the command line with a command that raises; returns its exit code and what it printed."""

    def run(problem: Exception) -> tuple[int, str]:
        def fails() -> None:
            raise problem

        monkeypatch.setattr(sys.modules[APP].signal, "signal", lambda *_: None)
        monkeypatch.setattr(sys.modules[APP], "app", fails)
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), " ".join(capsys.readouterr().err.split())

    return run


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (
            errno.ENOSPC,
            "results/a.csv: No space left on device; make room on the disk; finished steps are kept",
        ),
        (errno.EROFS, "results/a.csv: Read-only file system; choose a folder that can be written to."),
        (errno.EACCES, "results/a.csv: Permission denied; give yourself the right"),
        (errno.ENAMETOOLONG, "results/a.csv: File name too long; shorten the name."),
    ],
)
def test_what_the_system_refuses_is_a_sentence(ended, number, says):
    code, said = ended(OSError(number, os.strerror(number), "results/a.csv"))
    assert code == 1
    assert says in said and "Traceback" not in said


def test_other_errors_of_the_system_are_not_hidden(ended):
    with pytest.raises(OSError, match="Bad file descriptor"):
        ended(OSError(errno.EBADF, "Bad file descriptor"))


@pytest.mark.parametrize("name", ["[/a]", "[bold]", ":x:", "[red]a[/]", "a\\[b"])
def test_names_are_no_markup(ended, capsys, name):
    assert name in ended(StudyError(f"{name} is not there."))[1]
    screen = console()
    screen.print(f"{name}: mean 0.5")
    note(screen, f"left out: {name}")
    ProgressBars(screen).note(name)
    printed = capsys.readouterr().out
    assert printed.count(name) == 3


def test_long_lists_of_names_are_counted():
    assert named(["a", "b"]) == "'a', 'b'"
    assert named(list("abcd"), most=2) == "'a', 'b' and 2 more"


def test_a_console_that_lacks_a_sign_is_no_reason_to_stop(monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys.modules[APP].signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys.modules[APP], "app", lambda: console().print("✓ Müller"))
    main()
    screen.flush()
    assert screen.buffer.getvalue().decode("latin-1").strip() == "? Müller"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_leaves_no_process(tmp_path, number, code):
    script = (
        "import importlib, os, sys, time, joblib\nroom = importlib.import_module('voicerisk.cli.app')\n"
        "def work(place):\n    open(place, 'w').write(str(os.getpid()))\n    time.sleep(60)\n"
        "places = [f'{sys.argv[1]}/{k}' for k in range(2)]\n"
        "room.app = lambda: joblib.Parallel(2)(joblib.delayed(work)(place) for place in places)\n"
        "room.main()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, tmp_path], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while sum(file.stat().st_size > 0 for file in tmp_path.iterdir()) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    workers = [int(file.read_text()) for file in tmp_path.iterdir()]
    assert len(workers) == 2
    child.send_signal(number)
    assert child.wait(timeout=60) == code
    assert "Stopped. Finished steps are kept" in child.stderr.read()
    until = time.monotonic() + 30
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet fetched does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
