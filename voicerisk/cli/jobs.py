"""The options `--jobs` and `--dask`, the same in every command that has them."""

import os
from typing import Annotated

import typer

Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processor cores; default: all.")]
Dask = Annotated[
    str | None,
    typer.Option(
        "--dask", help="Scheduler of a Dask cluster to run on (tcp://host:8786).", metavar="ADDRESS"
    ),
]


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
