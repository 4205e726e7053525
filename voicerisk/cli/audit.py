"""`voicerisk audit`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.jobs import Dask, Jobs, cores
from voicerisk.cli.progress import ProgressBars, console


@app.command(epilog="Example: `voicerisk audit study.toml --out results --frames-per-caller 200 --jobs 2`")
def audit(
    study: Annotated[Path, typer.Argument(help="The study file (TOML).", metavar="STUDY.toml")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Results folder of the study; writes `audit` in it."),
    ] = Path("results"),
    frames_per_caller: Annotated[
        int | None,
        typer.Option(min=1, help="Use so many frames a caller, evenly spaced; default: all.", metavar="N"),
    ] = None,
    permutations: Annotated[
        int,
        typer.Option(
            "--permutations", "-B", min=0, help="Shuffles of the outcome at every step of the ladder."
        ),
    ] = 19,
    bootstraps: Annotated[
        int, typer.Option(min=0, help="Bootstraps of callers through the whole procedure (try 200).")
    ] = 0,
    pairs: Annotated[
        int,
        typer.Option(
            min=0,
            help="Pairs (one with, one without the outcome) left out together, for an AUROC without "
            "leave-one-out's bias (try 500).",
        ),
    ] = 0,
    splits: Annotated[
        int, typer.Option(min=0, help="Splits of nested cross-validation, for the Brier score's error.")
    ] = 0,
    details: Annotated[
        bool, typer.Option("--details", metavar="", help="Print the ladder, the tests and the controls too.")
    ] = False,
    jobs: Jobs = None,
    dask: Dask = None,
) -> None:
    """Look for leaks: from the honest to the published protocol, one rule relaxed at a time.

    Prints the verdict first: leak, bias or clean. Says how long it will take before it starts, and goes on
    where it was stopped. Exit code 0: the study does not leak; 3: it does; 1: something was wrong with the
    input.
    """
    from voicerisk.pipeline.cluster import on_cluster
    from voicerisk.study import load_study
    from voicerisk.study.audit.run import AuditOptions, run_audit
    from voicerisk.study.audit.summary import print_audit

    screen = console()
    options = AuditOptions(frames_per_caller, permutations, bootstraps, pairs, splits)
    with on_cluster(dask):
        result = run_audit(load_study(study), out, options, jobs or cores(), ProgressBars(screen))
    print_audit(result, screen, details)
    if result.exit_code:
        raise typer.Exit(result.exit_code)
