"""`voicerisk extract`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.jobs import Jobs, cores
from voicerisk.cli.progress import ProgressBars, console, named, note


@app.command(epilog="Example: `voicerisk extract calls.csv --out frames.parquet --labels caller`")
def extract(
    source: Annotated[
        Path, typer.Argument(help="A recording, a folder, or a table with a column file.", metavar="SOURCE")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write, .parquet or .csv.")],
    markers: Annotated[
        str, typer.Option(help="all (36), named (the paper's 12), or names joined by commas.")
    ] = "all",
    preset: Annotated[str, typer.Option(help="published or soundgen-2.5.1.")] = "published",
    labels: Annotated[str, typer.Option(help="Label texts to keep, joined by commas.")] = "",
    channel: Annotated[str, typer.Option(help="The caller's channel: left, right or a number.")] = "",
    tier: Annotated[str, typer.Option(help="Tier of Praat TextGrids with several.")] = "",
    jobs: Jobs = None,
) -> None:
    """Take the voice biomarkers of recordings: one row a 40 ms frame, silent frames marked.

    Recordings that cannot be analysed are all named at the end; the others are kept, and the same command
    goes on from there.
    """
    # Before Arrow is imported: its own allocator would keep 20 MB for itself.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from voicerisk.study.extraction.files import extract_files, left_out_of

    screen = console()
    chosen = markers if markers in ("all", "named") else tuple(markers.split(","))
    kept = tuple(text for text in labels.split(",") if text)
    side = int(channel) if channel.isdigit() else channel or None
    with ProgressBars(screen).stage("Biomarkers") as move:
        counts = extract_files(source, out, chosen, preset, kept, side, jobs or cores(), move, tier or None)
    bare = list(counts.loc[counts["n_frames"] == 0, "call_id"])
    if bare:
        note(screen, f"{len(bare)} recordings hold no whole frame (40 ms): {named(bare)}.")
    skipped = left_out_of(source)
    if skipped:
        note(
            screen,
            f"{len(skipped)} files are no recordings by their names and were left out: {named(skipped)}.",
        )
    n, silent = int(counts["n_frames"].sum()), int(counts["n_silent"].sum())
    if kept and counts["whole"].any():
        note(
            screen,
            f"{int(counts['whole'].sum())} of {len(counts)} recordings have no label track: the whole file "
            "is taken as the caller's speech.",
        )
    screen.print(f"{n} frames, {silent} of them silent: {out}", highlight=False, soft_wrap=True)
