"""The application that the commands of this folder register with, and how it starts and stops."""

import errno
import io
import os
import signal
import sys
from typing import Annotated, Any

import typer
import typer.core

from voicerisk.cli.progress import console, styled
from voicerisk.errors import VoiceriskError

# Commands are listed in the order of the work, not of the alphabet; one that is not named here comes last.
ORDER = (
    "simulate", "check", "run", "audit", "validate", "report", "figures", "export-r", "share",
    "extract", "score", "text", "multitask", "doctor",
)  # fmt: skip


class InOrderOfWork(typer.core.TyperGroup):
    """Lists commands as `ORDER` has them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands, in the order in which they are shown."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    name="voicerisk",
    cls=InOrderOfWork,
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
TERMINATED = 143
# What the system may refuse at any place where a file is read or written.
_REMEDIES = {
    errno.ENOSPC: "make room on the disk; finished steps are kept, and the same command goes on from there",
    errno.EDQUOT: "make room in your quota; finished steps are kept, and the same command goes on from there",
    errno.EROFS: "choose a folder that can be written to",
    errno.EACCES: "give yourself the right to this file or folder, or choose another",
    errno.EPERM: "give yourself the right to this file or folder, or choose another",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ENOTDIR: "a part of this path is a file; name another",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or use fewer jobs",
}


def main() -> None:
    """Run the command line.

    Errors are one sentence; Ctrl-C and SIGTERM stop at once and lose no finished step.
    """
    # click would turn Ctrl-C into a bare "Aborted!", and threads in compiled code would be waited for.
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that has no tick is no reason to stop
    try:
        app()
    except VoiceriskError as problem:
        _refuse(str(problem))
    except OSError as problem:
        remedy = _REMEDIES.get(problem.errno or 0)
        if remedy is None:
            raise
        place = problem.filename2 or problem.filename
        _refuse(f"{f'{place}: ' if place else ''}{problem.strerror}; {remedy}.")


def _refuse(message: str) -> None:
    console(stderr=True).print(styled("error:", "bold red", message), soft_wrap=True)
    sys.exit(1)


def _stop(number: int = signal.SIGINT, *_: object) -> None:
    # Work may be running in threads and child processes that do not listen; every finished step is on disk
    # already.
    sys.stderr.write("\nStopped. Finished steps are kept; the same command goes on from there.\n")
    _end_children()
    os._exit(INTERRUPTED if number == signal.SIGINT else TERMINATED)


def _end_children() -> None:
    import multiprocessing

    for child in multiprocessing.active_children():
        child.terminate()
    if "joblib" in sys.modules:
        from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]

        get_reusable_executor().shutdown(wait=False, kill_workers=True)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", metavar="", help="Print the version and stop.")
    ] = False,
) -> None:
    if version:
        from voicerisk import __version__

        typer.echo(__version__)
        raise typer.Exit
