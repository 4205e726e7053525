"""The option `--jobs`, the same in every command that has it."""

import os
from typing import Annotated

import typer

Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processor cores; default: all.")]


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
