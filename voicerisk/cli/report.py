"""`voicerisk report`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console


@app.command(epilog="Example: `voicerisk report results --out report.html`")
def report(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.")] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show ids instead of pseudonyms.")] = False,
    labels: Annotated[bool, typer.Option("--labels", help="Show the label texts of missed calls.")] = False,
) -> None:
    """Write one self-contained HTML report of a study; ids are pseudonyms unless asked otherwise."""
    from voicerisk.report import write_report

    screen = console()
    with ProgressBars(screen).stage("Report") as move:
        written = write_report(study_dir, out, show_ids=ids, show_labels=labels, progress=move)
    screen.print(str(written), highlight=False, soft_wrap=True)
