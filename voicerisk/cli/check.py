"""`voicerisk check`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import console, styled

COLOURS = {"mend": "bold red", "look": "yellow", "fine": "green"}


@app.command(epilog="Example: `voicerisk check study.toml --out check`")
def check(
    study: Annotated[Path, typer.Argument(help="The study file (TOML).", metavar="STUDY.toml")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for check.html, findings.csv and calls.csv.")
    ] = None,
) -> None:
    """Find what is wrong with a study before anything is computed.

    Looks at the study file, the table of calls, every recording and label track, ids, outcomes, covariates,
    strata, folds, the size of the sample, and whether R has what the curves need. `run` begins with it. Exit
    code 1: something must be mended.
    """
    from voicerisk.files import PRIVATE, write_csv, write_text
    from voicerisk.report.check_page import check_page
    from voicerisk.study.check import check_study

    screen = console()
    found = check_study(study)
    for row in found.findings.to_dict("records"):
        remedy = f"; {row['remedy']}" if row["remedy"] else ""
        text = f" {row['about']}: {row['found']}{remedy}"
        screen.print(styled(row["kind"], COLOURS[row["kind"]], text), soft_wrap=True)
    if out is not None:
        write_csv(out / "findings.csv", found.findings, PRIVATE)
        write_csv(out / "calls.csv", found.calls, PRIVATE)
        write_text(out / "check.html", check_page(study.name, found.findings, found.calls), PRIVATE)
        screen.print(f"Page: {out / 'check.html'}", highlight=False, soft_wrap=True)
    n = int((found.findings["kind"] == "mend").sum())
    screen.print(f"{n} thing(s) to mend." if n else "The study can run.")
    if n:
        sys.exit(1)
