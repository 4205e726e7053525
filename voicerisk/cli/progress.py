"""What a command shows while it works: a line with a bar for each stage, and remarks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console(stderr: bool = False) -> "Console":
    """Make the console that a command prints to."""
    from rich.console import Console

    return Console(stderr=stderr)


def escape(text: str) -> str:
    """Keep square brackets in `text` from being read as markup."""
    from rich.markup import escape

    return escape(text)


class ProgressBars:
    """Shows each stage of a study as a line with a bar and a time to go; without a terminal, as a line."""

    def __init__(self, console: "Console") -> None:
        self.console = console

    @contextmanager
    def stage(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """Show one stage while it runs; yields the callback that moves its bar."""
        import time

        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        started = time.monotonic()
        bars = Progress(
            TextColumn(f"  {title:<28}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with bars:
            task = bars.add_task(title, total=None)

            def move(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total)

            yield move
        seconds = time.monotonic() - started
        self.console.print(f"[green]✓[/] {title:<28} {seconds:6.1f} s", highlight=False)

    def kept(self, title: str) -> None:
        """Say that a stage was finished earlier and nothing it depends on has changed."""
        self.console.print(f"[green]✓[/] {title:<28} [dim]unchanged, kept[/]", highlight=False)

    def note(self, text: str) -> None:
        """Print a remark that the user should read."""
        self.console.print(f"  [yellow]note:[/] {escape(text)}", highlight=False)
