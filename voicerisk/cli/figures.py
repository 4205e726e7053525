"""`voicerisk figures`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.calls import Calls, Protocol, StudyFile, heard
from voicerisk.cli.progress import ProgressBars, console, note
from voicerisk.errors import VoiceriskError


@app.command(
    epilog="Examples: `voicerisk figures results --style nature --width 183 --formats pdf,tiff`; "
    "`voicerisk figures results --call c0007_1`"
)
def figures(
    study_dir: Annotated[Path, typer.Argument(help="Results folder of a study.", metavar="STUDY_DIR")],
    style: Annotated[str, typer.Option(help="default, nature, jmir, lecture, or a TOML file.")] = "default",
    width: Annotated[float | None, typer.Option(help="Width in mm.")] = None,
    formats: Annotated[str, typer.Option(help="pdf, svg, png, tiff, joined by commas.")] = "pdf,svg,png",
    dpi: Annotated[int, typer.Option(min=72, help="Resolution of PNG and TIFF.")] = 300,
    only: Annotated[
        str | None, typer.Option(help="Only these figures, joined by commas.", metavar="NAMES")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to; default: figures of the study.")
    ] = None,
    scales: Annotated[
        str, typer.Option(help="Vertical axes of curves: shared, so that strengths compare, or free.")
    ] = "shared",
    odds_ratios: Annotated[
        bool, typer.Option("--odds-ratios", metavar="", help="Label the GAMM's curves in odds ratios.")
    ] = False,
    call: Calls = None,
    study: StudyFile = None,
    protocol: Protocol = None,
    write_style: Annotated[
        Path | None,
        typer.Option(help="Write the style as a TOML file to be changed, and stop.", metavar="FILE"),
    ] = None,
) -> None:
    """Draw a study's figures again, in another style, width or format; with --call, those of single calls.

    Each figure comes with its caption as text. Its files in formats that are not asked for are removed.

    The figure of a single call shows what its caller's voice did: it is written for its owner alone, and no
    report shows it unless asked to.
    """
    from voicerisk.figures import read_style, redraw
    from voicerisk.figures.gallery import drawing_of

    screen = console()
    if write_style is not None:
        read_style(style).write(write_style)
        screen.print(str(write_style), highlight=False, soft_wrap=True)
        return
    chosen = [name.strip() for name in formats.split(",") if name.strip()]
    with ProgressBars(screen).stage("Figures") as move:
        if call:
            if out is not None:
                raise VoiceriskError(
                    "--out does not go with --call: figures of single calls stay in the study."
                )
            written = []
            for one in heard(study_dir, call, study, protocol, move):
                from voicerisk.study.output.figures import draw_call

                written += draw_call(one, study_dir, style=style, width_mm=width, formats=chosen, dpi=dpi)
        else:
            names = [name.strip() for name in only.split(",")] if only else None
            options = {"scales": scales, "odds_ratios": odds_ratios}
            written = redraw(
                study_dir, style, width, chosen, dpi, names=names, out=out, options=options, progress=move
            )
    if width is not None and not call and not only:
        drawn = {
            name: drawing_of(name)[1].least_mm
            for name in dict.fromkeys(file.stem for file in written if file.suffix[1:] in chosen)
        }
        wider = [f"{name} ({least:g} mm)" for name, least in drawn.items() if least > width]
        if wider:
            note(
                screen,
                f"Figures that cannot be read at {width:g} mm are as wide as they need: {', '.join(wider)}.",
            )
    screen.print(f"{len(written)} files written.")
