"""The command line: parse, call, print. No numerics; nothing slow is imported before a command needs it."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processor cores; default: all.")
    ] = None,
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


@app.command(epilog="Example: `voicerisk extract calls.csv --out frames.parquet --labels caller`")
def extract(
    source: Annotated[
        Path, typer.Argument(help="A recording, a folder, or a CSV with file.", metavar="SOURCE")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write, .parquet or .csv.")],
    markers: Annotated[str, typer.Option(help="all, named, or names joined by commas.")] = "all",
    preset: Annotated[str, typer.Option(help="published or soundgen-2.5.1.")] = "published",
    labels: Annotated[str, typer.Option(help="Label texts to keep, joined by commas.")] = "",
    channel: Annotated[str, typer.Option(help="The caller's channel: left, right or a number.")] = "",
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Processor cores; default: all.")
    ] = None,
) -> None:
    """Take the voice biomarkers of recordings: one row a 40 ms frame, silent frames marked."""
    from voicerisk.study.markers_of_files import extract_files

    console = _console()
    chosen = markers if markers in ("all", "named") else tuple(markers.split(","))
    kept = tuple(text for text in labels.split(",") if text)
    side = int(channel) if channel.isdigit() else channel or None
    with ProgressBars(console).stage("Biomarkers") as move:
        frames = extract_files(source, out, chosen, preset, kept, side, jobs or _cores(), move)
    silent = int(frames["silent"].sum())
    console.print(f"{len(frames)} frames, {silent} of them silent: {out}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: `voicerisk score results/boost/model.json call.wav --sex female --out scores`")
def score(
    model: Annotated[Path, typer.Argument(help="model.json of a study.", metavar="MODEL")],
    source: Annotated[Path, typer.Argument(help="A recording, or a table of frames.", metavar="SOURCE")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the scores.")],
    sex: Annotated[str | None, typer.Option(help="female or male, where the table does not say.")] = None,
) -> None:
    """Score frames, segments and calls with a saved model, and say what each marker adds."""
    from voicerisk.files import PRIVATE, write_csv
    from voicerisk.study.scoring import score as score_source

    console = _console()
    scores = score_source(model, source, sex)
    for name in ("frames", "segments", "calls", "outside"):
        write_csv(out / f"{name}.csv", getattr(scores, name), PRIVATE)
    for row in scores.calls.to_dict("records"):
        console.print(f"{row['call_id']}: mean p_raw {row['p_raw']:.3f} over {row['n_frames']} frames")
    beyond = scores.outside[scores.outside["share"] > 0]
    for row in beyond.to_dict("records"):
        console.print(f"  {row['marker']}: {100 * row['share']:.1f} % of values beyond the training range")
    console.print("A research tool: never the sole basis of a clinical decision.", style="dim")


@app.command(epilog="Example: `voicerisk figures results --style nature --width 183 --formats pdf,tiff`")
def figures(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    style: Annotated[str, typer.Option(help="default, nature, jmir, lecture, or a TOML file.")] = "default",
    width: Annotated[float | None, typer.Option(help="Width in mm.")] = None,
    formats: Annotated[str, typer.Option(help="pdf, svg, png, tiff, joined by commas.")] = "pdf,svg,png",
    dpi: Annotated[int, typer.Option(min=72, help="Resolution of PNG and TIFF.")] = 300,
) -> None:
    """Draw a study's figures again, in another style, width or format."""
    from voicerisk.figures import redraw

    console = _console()
    with ProgressBars(console).stage("Figures") as move:
        written = redraw(study_dir, style, width, formats.split(","), dpi, progress=move)
    console.print(f"{len(written)} files written.")


@app.command(epilog="Example: `voicerisk report results --out report.html`")
def report(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show ids instead of pseudonyms.")] = False,
    labels: Annotated[bool, typer.Option("--labels", help="Show the label texts of missed calls.")] = False,
) -> None:
    """Write one self-contained HTML report of a study; ids are pseudonyms unless asked otherwise."""
    from voicerisk.report import write_report

    console = _console()
    with ProgressBars(console).stage("Report") as move:
        written = write_report(study_dir, out, show_ids=ids, show_labels=labels, progress=move)
    console.print(str(written), highlight=False, soft_wrap=True)


@app.command(
    "export-r", epilog="Example: `voicerisk export-r results`, then `Rscript results/export_r/fit.R`"
)
def export_r(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write.")] = None,
) -> None:
    """Write a study's tables and models for R, with a script that refits them without Python."""
    from voicerisk.rbridge import export_r as write_export

    console = _console()
    with ProgressBars(console).stage("Export to R"):
        folder = write_export(study_dir, out)
    console.print(f"Open with: Rscript {folder / 'fit.R'}", highlight=False, soft_wrap=True)


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
