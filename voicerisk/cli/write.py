"""`voicerisk write`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import console


@app.command(epilog="Example: `voicerisk write results --out draft.docx`")
def write(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .md, .docx or .tex.")],
) -> None:
    """Draft methods and results: every number from the results, [WRITE: ...] where a person must write."""
    from voicerisk.report.manuscript import write_manuscript

    screen = console()
    screen.print(str(write_manuscript(study_dir, out)), highlight=False, soft_wrap=True, markup=False)
