"""Progress in a notebook: a line with a bar for each stage, and remarks."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import Any

from voicerisk.pipeline.progress import Reporter, Silent

LEAST_SECONDS = 0.5  # between two updates of a bar


def usual_reporter() -> Reporter:
    """Return what tells of progress by default: bars in a notebook, elsewhere nothing."""
    kernel = sys.modules.get("IPython")
    shell = None if kernel is None else kernel.get_ipython()
    return InNotebook() if shell is not None and hasattr(shell, "kernel") else Silent()


class InNotebook:
    """Shows each stage of a study as a line with a bar below the cell that runs it."""

    @contextmanager
    def stage(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """Show one stage while it runs; yields the callback that moves its bar."""
        started = last = time.monotonic()
        shown = _display(f"{escape(title)} …")

        def move(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= LEAST_SECONDS or done == total:
                last = now
                shown(
                    f"{escape(title)} <progress value='{done}' max='{max(total, 1)}'></progress> "
                    f"{done}/{total}"
                )

        yield move
        shown(f"✓ {escape(title)}, {time.monotonic() - started:.1f} s")

    def kept(self, title: str) -> None:
        """Say that a stage was finished earlier and nothing it depends on has changed."""
        _display(f"✓ {escape(title)}: unchanged, kept")

    def note(self, text: str) -> None:
        """Show a remark that the user should read."""
        _display(f"<small>Note: {escape(text)}</small>")


def _display(text: str) -> Callable[[str], None]:
    """Show a line of HTML; return what replaces it."""
    notebook: Any = import_module("IPython.display")  # there only where a notebook runs
    handle = notebook.display(notebook.HTML(text), display_id=True)

    def replace(later: str) -> None:
        handle.update(notebook.HTML(later))

    return replace
