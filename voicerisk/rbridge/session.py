"""R inside this process: started once, with the functions of the R package in a private environment.

The worker's child process runs this very module. In a notebook `call_here` shares R with `%%R`; it cannot be
interrupted while R computes, which is why everything long goes through `voicerisk.rbridge.call`.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from voicerisk.errors import RBridgeError
from voicerisk.rbridge.found import require, source_folder
from voicerisk.rbridge.request import RCall, RFailure, RResult

_LOG_LINES = 50


@dataclass(frozen=True, slots=True)
class Session:
    """A running R: its private environment of functions, the conversions, and the tail of its console."""

    functions: Any
    transport: Any
    log: "deque[str]"


@cache
def start() -> Session:
    """Start R in this process (once) and load the functions of the R package.

    Raises
    ------
    RBridgeError
        R or rpy2 missing or unfit for each other, or the R sources missing.
    """
    found = require()
    os.environ.setdefault("R_HOME", str(found.r_home))
    ri = _rinterface()
    from rpy2.rinterface_lib import embedded

    if not embedded.isinitialized():
        options: Any = ("rpy2", "--quiet", "--vanilla", "--no-save")
        embedded.set_initoptions(options)
        with _sigint_kept():
            ri.initr(interactive=False)
    from voicerisk.rbridge.transport import Transport

    log: deque[str] = deque(maxlen=_LOG_LINES)
    with _console(log):
        functions = ri.baseenv["new.env"](parent=ri.baseenv)
        # Tests of the bridge itself name a file of functions that end in every way a call can end.
        probes = [Path(path) for path in [os.environ.get("VOICERISK_R_PROBES")] if path]
        for path in [*sorted(source_folder().glob("*.R")), *probes]:
            ri.baseenv["sys.source"](ri.StrSexpVector([str(path)]), envir=functions)
    return Session(functions, Transport(functions), log)


def _rinterface() -> Any:
    # Without a compiler rpy2 has only its ABI mode; asking for it by name spares the notice that the other
    # mode is absent. Where the API mode was built it stays rpy2's choice, and its own failures stay visible.
    if find_spec("_rinterface_cffi_api") is None:
        os.environ.setdefault("RPY2_CFFI_MODE", "ABI")
    try:
        import rpy2.rinterface as ri
    except (ImportError, OSError) as failure:
        found = require()
        raise RBridgeError(
            f"rpy2-rinterface {found.rpy2_version} does not load with R {found.r_version} ({failure}); run: "
            "pip install --force-reinstall --no-cache-dir --no-binary rpy2-rinterface "
            f"'rpy2-rinterface=={found.rpy2_version}'"
        ) from failure
    return ri


@contextmanager
def _sigint_kept() -> Iterator[None]:
    """Give Ctrl-C back to whoever had it: starting R takes it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _console(log: "deque[str]") -> Iterator[None]:
    """Send what R prints to `log` for the time of a call."""
    from rpy2.rinterface_lib import callbacks

    def write(text: str) -> None:
        log.extend(line for line in text.splitlines() if line.strip())

    with (
        callbacks.obj_in_module(callbacks, "consolewrite_print", write),
        callbacks.obj_in_module(callbacks, "consolewrite_warnerror", write),
    ):
        yield


def run(request: RCall) -> RResult | RFailure:
    """Run one call in this process and return its result or its failure as data."""
    session = start()
    import rpy2.rinterface as ri
    from rpy2.rinterface_lib.embedded import RRuntimeError

    if request.function not in session.functions:
        raise RBridgeError(f"The R package has no function {request.function!r}.")
    with _console(session.log):
        try:
            arguments = session.transport.to_r(dict(request.arguments))
            answer = session.functions["bridge_call"](
                session.functions[request.function], arguments, ri.IntSexpVector([request.seed])
            )
        except RRuntimeError as failure:
            # An argument that R could not read, or what R itself could not catch, such as an exhausted stack.
            return RFailure(request.function, str(failure).strip(), (), (), tuple(session.log))
    parts = dict(zip(answer.names, answer, strict=True))
    if "error" in parts:
        return RFailure(
            function=request.function,
            message=str(parts["error"][0]),
            classes=tuple(str(name) for name in parts["error_class"]),
            traceback=tuple(str(line) for line in parts["traceback"]),
            log=tuple(session.log),
        )
    return RResult(
        value=session.transport.from_r(parts["value"]) if "value" in parts else None,
        warnings=tuple(str(text) for text in parts["warnings"]),
        messages=tuple(str(text) for text in parts["messages"]),
        seconds=float(parts["seconds"][0]),
    )


def keep(name: str, value: Any) -> None:
    """Hold a value in R for later calls, which name it by `Kept(name)`."""
    transport = start().transport
    transport.kept[name] = transport.to_r(value)


def call_here(function: str, /, *, seed: int = 1, **arguments: Any) -> RResult:
    """Call a function of the R package in this process.

    For notebooks and quick calls. Everything long belongs to `voicerisk.rbridge.call`.

    Parameters
    ----------
    function : str
        Name of a function of the R package.
    seed : int
        Seed of R's generator for this call; R's own state is put back afterwards.
    **arguments
        Arguments of the R function by name.

    Raises
    ------
    RBridgeError
        R is unusable, or the function stopped with an error.
    """
    answer = run(RCall(function, arguments, seed))
    if isinstance(answer, RFailure):
        raise answer.error()
    return answer
