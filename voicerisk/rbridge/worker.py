"""R in a child Python process: it can be stopped, and cannot take this process down.

The child is a fresh interpreter (never a fork: forked R processes share one temporary folder and one random
state) that runs `voicerisk.rbridge.child`. Requests and answers are pickles over an anonymous socket pair
between parent and child; large columns travel out of band, without an extra copy.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from voicerisk.errors import RBridgeError
from voicerisk.rbridge.found import require
from voicerisk.rbridge.request import RCall, RFailure, RResult

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def send(connection: Connection, value: Any) -> None:
    """Send one value; arrays go out of band."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    connection.send_bytes(len(buffers).to_bytes(4, "big") + body)
    for buffer in buffers:
        connection.send_bytes(buffer.raw())


def receive(connection: Connection) -> Any:
    """Receive one value sent by `send`."""
    message = connection.recv_bytes()
    buffers = [connection.recv_bytes() for _ in range(int.from_bytes(message[:4], "big"))]
    return pickle.loads(memoryview(message)[4:], buffers=buffers)


class Worker:
    """A child process with its own R, for one call after another.

    Use it as a context manager. It starts R at the first call (about a second). Its numerical libraries are
    held to one thread, so that one worker a core is right.

    Examples
    --------
    >>> from voicerisk.rbridge import Worker
    >>> with Worker() as r:  # doctest: +SKIP
    ...     r.call("package_versions", packages=["mgcv"]).value
    """

    def __init__(self) -> None:
        require()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        ours, theirs = socket.socketpair()
        # The package's own folder goes first, so that the child runs the code of its parent.
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "voicerisk.rbridge.child", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            env={**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": path},
        )
        theirs.close()
        self._connection = Connection(ours.detach())

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def call(
        self, function: str, /, *, seed: int = 1, time_limit: float | None = None, **arguments: Any
    ) -> RResult:
        """Call a function of the R package and wait for it.

        Parameters
        ----------
        function : str
            Name of a function of the R package.
        seed : int
            Seed of R's generator for this call.
        time_limit : float, optional
            Seconds after which the child is stopped.
        **arguments
            Arguments of the R function by name; `Kept(name)` for a value kept in R, `Rds(path)` for a saved
            one.

        Raises
        ------
        RBridgeError
            R is unusable, the function stopped with an error, the child died, or the time ran out.
        KeyboardInterrupt
            Ctrl-C; the child is stopped first.
        """
        answer = self._ask(("call", RCall(function, arguments, seed)), function, time_limit)
        if isinstance(answer, RFailure):
            raise answer.error()
        return answer

    def keep(self, name: str, value: Any) -> None:
        """Load a value into the child's R once; later calls name it by `Kept(name)`."""
        self._ask(("keep", name, value), f"keep({name})", None)

    def _ask(self, request: tuple[Any, ...], what: str, time_limit: float | None) -> Any:
        deadline = None if time_limit is None else time.monotonic() + time_limit
        if self._connection.closed:
            raise RBridgeError(f"This R worker was closed before {what}; start a new one.")
        try:
            send(self._connection, request)
            while not self._connection.poll(0.2):
                if deadline is not None and time.monotonic() > deadline:
                    raise RBridgeError(
                        f"R function {what} was stopped after its time limit of {time_limit:g} s; allow "
                        f"more time, "
                        "fewer markers or a smaller k."
                    )
            answer = receive(self._connection)
        except (EOFError, ConnectionError) as failure:
            code = self._process.wait()
            told = self._last_lines()
            self.close()
            end = f"by signal {-code}" if code < 0 else f"with status {code}"
            if code == -signal.SIGKILL:
                end += " (killed from outside, most often because memory ran out)"
            raise RBridgeError(
                f"The child process that ran R function {what} ended {end} before it answered"
                + (f"; its last lines: {told}" if told else ".")
            ) from failure
        except BaseException:
            self.close()
            raise
        if isinstance(answer, RBridgeError):
            raise answer
        return answer

    def _last_lines(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", errors="replace").strip().splitlines()
        return " | ".join(lines[-5:])

    def close(self) -> None:
        """Stop the child, whatever it is doing."""
        self._connection.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def call(function: str, /, *, seed: int = 1, time_limit: float | None = None, **arguments: Any) -> RResult:
    """Call a function of the R package in a child process that ends with the call.

    Parameters and errors are those of `Worker.call`.

    Examples
    --------
    >>> from voicerisk.rbridge import call
    >>> call("package_versions", packages=["stats"]).value["package"].tolist()  # doctest: +SKIP
    ['stats']
    """
    with Worker() as worker:
        return worker.call(function, seed=seed, time_limit=time_limit, **arguments)
