"""`voicerisk figures`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console


@app.command(epilog="Example: `voicerisk figures results --style nature --width 183 --formats pdf,tiff`")
def figures(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    style: Annotated[str, typer.Option(help="default, nature, jmir, lecture, or a TOML file.")] = "default",
    width: Annotated[float | None, typer.Option(help="Width in mm.")] = None,
    formats: Annotated[str, typer.Option(help="pdf, svg, png, tiff, joined by commas.")] = "pdf,svg,png",
    dpi: Annotated[int, typer.Option(min=72, help="Resolution of PNG and TIFF.")] = 300,
) -> None:
    """Draw a study's figures again, in another style, width or format."""
    from voicerisk.figures import redraw

    screen = console()
    with ProgressBars(screen).stage("Figures") as move:
        written = redraw(study_dir, style, width, formats.split(","), dpi, progress=move)
    screen.print(f"{len(written)} files written.")
