"""The child process of `Worker`: takes requests, runs them in its own R, answers. Started by `python -m`."""

import locale
import os
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from voicerisk.errors import RBridgeError
from voicerisk.rbridge.request import RResult
from voicerisk.rbridge.session import keep, run
from voicerisk.rbridge.worker import receive, send


def _answer(request: tuple[Any, ...]) -> Any:
    try:
        if request[0] == "keep":
            keep(request[1], request[2])
            return RResult(None)
        return run(request[1])
    except RBridgeError as failure:
        return RBridgeError(str(failure))


def _die_with_parent() -> None:
    """End this process when the one that started it is gone, also while R computes."""
    parent = os.getppid()

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read_text_as_utf8() -> None:
    """Have R, which starts later, read and write UTF-8 whatever locale this process was started in."""
    for name in ("LC_ALL", "LC_CTYPE"):
        os.environ.pop(name, None)
    # R's own messages and the order of its levels are those of no language.
    os.environ.update(LANG="C", LANGUAGE="en")
    for name in ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8"):
        try:
            locale.setlocale(locale.LC_CTYPE, name)
        except locale.Error:
            continue
        os.environ["LC_CTYPE"] = name
        return


def main(descriptor: int) -> None:
    """Serve requests until the other side closes."""
    _read_text_as_utf8()
    _die_with_parent()
    connection = Connection(descriptor)
    while True:
        try:
            request = receive(connection)
        except EOFError:
            return
        send(connection, _answer(request))


if __name__ == "__main__":
    main(int(sys.argv[1]))
