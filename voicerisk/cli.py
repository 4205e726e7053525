"""The command line: parse, call, print. No numerics; nothing slow is imported before a command needs it."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicerisk.errors import VoiceriskError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="voicerisk",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Interpretable, honestly validated risk models on voice biomarkers.\n\n"
    "A research tool: what it prints is never the sole basis of a clinical decision.",
    epilog="Start with `voicerisk simulate demo`, then `voicerisk run demo/study.toml --out results`.",
)

INTERRUPTED = 130


def main() -> None:
    """Run the command line; errors are one sentence, Ctrl-C stops at once and loses no finished step."""
    # click would turn Ctrl-C into a bare "Aborted!", and threads in compiled code would be waited for.
    signal.signal(signal.SIGINT, _stop)
    try:
        app()
    except VoiceriskError as problem:
        _console(stderr=True).print(
            f"[bold red]error:[/] {_escape(str(problem))}", highlight=False, soft_wrap=True
        )
        sys.exit(1)


def _stop(*_: object) -> None:
    # Work may be running in threads and child processes that do not listen; every finished step is on disk
    # already.
    sys.stderr.write("\nStopped. Finished steps are kept; the same command goes on from there.\n")
    _end_children()
    os._exit(INTERRUPTED)


def _end_children() -> None:
    import multiprocessing

    for child in multiprocessing.active_children():
        child.terminate()
    if "joblib" in sys.modules:
        from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]

        get_reusable_executor().shutdown(wait=False, kill_workers=True)


def _console(stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


class ProgressBars:
    """Shows each stage of a study as a line with a bar and a time to go."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.console = console
        self.bars = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("to go"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    @contextmanager
    def stage(self, title: str) -> Iterator[Any]:
        """Show one stage while it runs; yields the callback that moves its bar."""
        import time

        started = time.monotonic()
        with self.bars:
            task = self.bars.add_task(title, total=None)

            def move(done: int, total: int) -> None:
                self.bars.update(task, completed=done, total=total)

            yield move
            self.bars.remove_task(task)
        self.console.print(f"[green]✓[/] {title:<28} {time.monotonic() - started:6.1f} s", highlight=False)

    def kept(self, title: str) -> None:
        """Say that a stage was finished earlier and nothing it depends on has changed."""
        self.console.print(f"[green]✓[/] {title:<28} [dim]unchanged, kept[/]", highlight=False)

    def note(self, text: str) -> None:
        """Print a remark that the user should read."""
        self.console.print(f"  [yellow]note:[/] {_escape(text)}", highlight=False)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from voicerisk import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command(epilog="Example: `voicerisk run study.toml --out results --protocol both --jobs 2`")
def run(
    study: Annotated[Path, typer.Argument(help="The study file (TOML).", metavar="STUDY.toml")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results; a second run continues it.")
    ],
    protocol: Annotated[
        str | None,
        typer.Option(help="published, nested or both; default: as the study file says.", metavar="PROTOCOL"),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processor cores to use.")] = 0,
) -> None:
    """Take annotated call recordings to a validated risk model, with tables and figures.

    Every stage is kept: the same command goes on after an interruption, and a changed input or setting runs
    again just what depends on it.
    """
    from voicerisk.study import load_study, run_study
    from voicerisk.study.summary import print_summary

    console = _console()
    protocols = _protocols(protocol)
    result = run_study(
        load_study(study), out, protocols=protocols, jobs=jobs or _cores(), reporter=ProgressBars(console)
    )
    print_summary(result, console)


def _protocols(name: str | None) -> tuple[str, ...] | None:
    if name is None:
        return None
    choices = {"published": ("published",), "nested": ("nested",), "both": ("published", "nested")}
    if name not in choices:
        raise VoiceriskError(f"--protocol {name} is not known; choose published, nested or both.")
    return choices[name]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@app.command(epilog="Example: `voicerisk simulate demo --callers 40 --seed 1`")
def simulate(
    folder: Annotated[Path, typer.Argument(help="New folder for the cohort.", metavar="DIR")],
    callers: Annotated[int, typer.Option(min=8, help="Number of callers.")] = 40,
    null: Annotated[bool, typer.Option("--null", help="No marker moves with risk.")] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same cohort.")] = 1,
) -> None:
    """Write a telephone cohort of its own: recordings, label tracks, calls.csv, study.toml and the truth."""
    from voicerisk.simulate import simulate as simulate_cohort

    console = _console()
    bars = ProgressBars(console)
    with bars.stage(f"Simulating {callers} callers") as move:
        simulate_cohort(folder, callers=callers, null=null, seed=seed, progress=move)
    console.print(f"Next: voicerisk run {folder / 'study.toml'} --out results", highlight=False)


@app.command(epilog="Example: `voicerisk doctor`")
def doctor() -> None:
    """Check Python, R and their packages, fit a tiny model, and say how to mend what is missing."""
    from voicerisk.doctor import check_installation

    console = _console()
    failed = False
    for check in check_installation():
        mark = {"ok": "[green]✓[/]", "optional": "[yellow]–[/]", "failed": "[red]✗[/]"}[check.status]
        console.print(f"{mark} {check.name:<18} {_escape(check.found)}", highlight=False, soft_wrap=True)
        failed = failed or check.status == "failed"
    if failed:
        raise typer.Exit(1)
