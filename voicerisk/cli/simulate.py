"""`voicerisk simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console


@app.command(epilog="Example: `voicerisk simulate demo --callers 40 --seed 1`")
def simulate(
    folder: Annotated[Path, typer.Argument(help="New folder for the cohort.", metavar="DIR")],
    callers: Annotated[int, typer.Option(min=8, help="Number of callers.")] = 40,
    null: Annotated[bool, typer.Option("--null", metavar="", help="No marker moves with risk.")] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same cohort.")] = 1,
    scale: Annotated[
        str,
        typer.Option(help="binary (recordings), ordinal or continuous (markers, several sexes, age)."),
    ] = "binary",
) -> None:
    """Write a telephone cohort of its own: recordings, label tracks, calls.csv, study.toml and the truth."""
    from voicerisk.simulate import simulate as simulate_cohort
    from voicerisk.simulate import simulate_scale

    screen = console()
    bars = ProgressBars(screen)
    with bars.stage(f"Simulating {callers} callers") as move:
        if scale == "binary":
            simulate_cohort(folder, callers=callers, null=null, seed=seed, progress=move)
        else:
            simulate_scale(folder, callers, null, seed, scale=scale)
            move(callers, callers)
    screen.print(f"Next: voicerisk run {folder / 'study.toml'} --out results", highlight=False)
