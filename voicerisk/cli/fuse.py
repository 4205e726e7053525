"""`voicerisk fuse`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import console


@app.command(
    epilog="Example: `voicerisk fuse voice=results/predictions_nested.parquet "
    "text=chats/predictions_nested.parquet::tfidf --out fused`"
)
def fuse(
    tables: Annotated[
        list[str],
        typer.Argument(
            help="Two or more predictions tables: FILE, NAME=FILE or NAME=FILE::MODEL.", metavar="TABLE"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    protocol: Annotated[str, typer.Option(help="Protocol whose calibrated risks are fused.")] = "nested",
    positive: Annotated[
        str, typer.Option(help="Classes that count as the event, joined by commas; default: the last.")
    ] = "",
    false_alarms: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="False alarms allowed; default: as the first table's own cuts."),
    ] = None,
    bootstraps: Annotated[int, typer.Option(min=90, max=100_000, help="Bootstraps of callers.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 1,
) -> None:
    """Fuse two or more models of the same calls, and see whether one finds whom another misses.

    The log-odds of their calibrated risks are added. Each model is compared with the first at the same rate
    of false alarms.
    """
    from voicerisk.study.fusion import fuse_files

    screen = console()
    classes = [name.strip() for name in positive.split(",") if name.strip()]
    result = fuse_files(
        tables,
        out,
        protocol=protocol,
        positive=classes,
        false_alarms=false_alarms,
        bootstraps=bootstraps,
        seed=seed,
    )
    for line in result.sentences:
        screen.print(line, highlight=False, markup=False)
    for note in result.notes:
        screen.print(f"note: {note}", style="dim", markup=False)
    screen.print("A research tool: never the sole basis of a clinical decision.", style="dim")
    screen.print(f"Results: {result.folder}", highlight=False, soft_wrap=True, markup=False)
