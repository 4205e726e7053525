"""`voicerisk export-r`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console


@app.command(
    "export-r", epilog="Example: `voicerisk export-r results`, then `Rscript results/export_r/fit.R`"
)
def export_r(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write.")] = None,
) -> None:
    """Write a study's tables and models for R, with a script that refits them without Python."""
    from voicerisk.rbridge import export_r as write_export

    screen = console()
    with ProgressBars(screen).stage("Export to R"):
        folder = write_export(study_dir, out)
    screen.print(f"Open with: Rscript {folder / 'fit.R'}", highlight=False, soft_wrap=True)
