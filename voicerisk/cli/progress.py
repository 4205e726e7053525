"""What a command shows while it works: a line with a bar for each stage, and remarks."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def console(stderr: bool = False) -> "Console":
    """Make the console that a command prints to."""
    from rich.console import Console

    # A name such as [/a] or :x: is no markup; who wants markup asks for it and escapes what comes from data.
    return Console(stderr=stderr, markup=False, emoji=False)


def styled(word: str, style: str, text: str) -> "Text":
    """Return a coloured word and a text, in which nothing is markup."""
    from rich.text import Text

    return Text.assemble((word, style), " ", text)


class Pace:
    """Estimates the seconds to go from how fast the latter half of the time went.

    Folds are done in bursts of a group each, far apart on a large cohort: a rate over the last seconds would
    be that of a burst. What an earlier run has left comes as one jump at the start and is no work.

    Parameters
    ----------
    now : float
        Seconds on any clock, when the work begins.
    """

    def __init__(self, now: float) -> None:
        self._times, self._done, self._left = [now], [0], 0
        self._moved = False

    def reached(self, now: float, done: int, total: int) -> None:
        """Take note of what is done by now."""
        if not self._moved and done > 1:
            self._times, self._done = [now], [done]
        else:
            self._times.append(now)
            self._done.append(done)
        self._left = total - done
        self._moved = True

    def to_go(self, now: float) -> float | None:
        """Return the seconds to go; None where nothing has been done yet."""
        first, last = self._times[0], self._times[-1]
        since = bisect_right(self._times, (first + last) / 2) - 1
        done = self._done[-1] - self._done[since]
        if done <= 0:
            return None
        return max(0.0, (last - self._times[since]) / done * self._left - (now - last))


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
            ProgressColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.text import Text

        started = time.monotonic()
        pace = Pace(started)

        class ToGo(ProgressColumn):
            def render(self, task: Task) -> Text:
                seconds = pace.to_go(time.monotonic())
                return Text("-:--:--" if seconds is None else str(timedelta(seconds=round(seconds))))

        bars = Progress(
            TextColumn(f"  {title:<28}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("to go"),
            ToGo(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with bars:
            task = bars.add_task(title, total=None)

            def move(done: int, total: int) -> None:
                pace.reached(time.monotonic(), done, total)
                bars.update(task, completed=done, total=total)

            yield move
        seconds = time.monotonic() - started
        self.console.print(f"[green]✓[/] {title:<28} {seconds:6.1f} s", highlight=False, markup=True)

    def kept(self, title: str) -> None:
        """Say that a stage was finished earlier and nothing it depends on has changed."""
        self.console.print(f"[green]✓[/] {title:<28} [dim]unchanged, kept[/]", highlight=False, markup=True)

    def note(self, text: str) -> None:
        """Print a remark that the user should read."""
        note(self.console, text)


def note(console: "Console", text: str) -> None:
    """Print a remark that the user should read."""
    console.print("  ", styled("note:", "yellow", text), sep="", soft_wrap=True)


def named(names: Sequence[str], most: int = 20) -> str:
    """Return names as a list for a sentence; the later ones of a long list are counted."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
