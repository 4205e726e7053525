"""`voicerisk run`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.jobs import Dask, Jobs, cores
from voicerisk.cli.progress import ProgressBars, console
from voicerisk.errors import VoiceriskError


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
    jobs: Jobs = None,
    dask: Dask = None,
) -> None:
    """Take annotated call recordings to a validated risk model, with tables and figures.

    Every stage is kept: the same command goes on after an interruption, and a changed input or setting runs
    again just what depends on it.
    """
    from voicerisk.pipeline.cluster import on_cluster
    from voicerisk.study import load_study, run_study
    from voicerisk.study.summary import print_summary

    screen = console()
    protocols = _protocols(protocol)
    with on_cluster(dask):
        result = run_study(
            load_study(study), out, protocols=protocols, jobs=jobs or cores(), reporter=ProgressBars(screen)
        )
    print_summary(result, screen)


def _protocols(name: str | None) -> tuple[str, ...] | None:
    if name is None:
        return None
    choices = {"published": ("published",), "nested": ("nested",), "both": ("published", "nested")}
    if name not in choices:
        raise VoiceriskError(f"--protocol {name} is not known; choose published, nested or both.")
    return choices[name]
