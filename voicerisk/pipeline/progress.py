"""How a running study tells what it does; the command line draws bars, a notebook may stay silent."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Reporter(Protocol):
    """What `run_study` tells while it runs."""

    def stage(self, title: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """Open a stage; yields a callback (done, total)."""
        ...

    def kept(self, title: str) -> None:
        """Say that a stage is unchanged and was not run again."""
        ...

    def note(self, text: str) -> None:
        """Pass on a remark that the user should read."""
        ...


class Silent:
    """Tells nothing."""

    @contextmanager
    def stage(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """Open a stage without a word."""
        yield lambda done, total: None

    def kept(self, title: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
