"""`voicerisk share`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console


@app.command(epilog="Example: `voicerisk share results --out shared --column service`")
def share(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new or empty folder.")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            help="A further column of the calls table to share; each makes a caller easier to recognise. "
            "May be repeated.",
            metavar="NAME",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            help="An ordinary word that happens to be an id or the text of a label. May be repeated.",
            metavar="WORD",
        ),
    ] = None,
) -> None:
    """Copy a study for others: pseudonyms for ids, no paths, no sound, no label texts, no frames.

    The copy holds scores of calls, metrics, curves, the audit, and the report. Who has the study can still
    tell whom a pseudonym means: it is pseudonymous, not anonymous. The finished copy is searched for every
    id, name of a file and label text, and is not written where one is found.
    """
    from voicerisk.report import export_study

    screen = console()
    with ProgressBars(screen).stage("Copy for sharing") as move:
        written = export_study(study_dir, out, columns=column or (), allow=allow or (), progress=move)
    screen.print(
        f"{len(written)} files in {out}. Pseudonymous, not anonymous: few callers with rare combinations of "
        "outcome, sex and strata may still be recognised. Read calls.csv before it leaves the house.",
        highlight=False,
        soft_wrap=True,
    )
