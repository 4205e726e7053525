"""`voicerisk score`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console


@app.command(epilog="Example: `voicerisk score results/boost/model.json call.wav --sex female --out scores`")
def score(
    model: Annotated[Path, typer.Argument(help="model.json of a study.", metavar="MODEL")],
    source: Annotated[Path, typer.Argument(help="A recording, or a table of frames.", metavar="SOURCE")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the scores.")],
    sex: Annotated[str | None, typer.Option(help="female or male, where the table does not say.")] = None,
) -> None:
    """Score frames, segments and calls with a saved model, and say what each marker adds."""
    from voicerisk.files import PRIVATE, write_csv
    from voicerisk.study.scoring import score as score_source

    screen = console()
    scores = score_source(model, source, sex)
    for name in ("frames", "segments", "calls", "outside"):
        write_csv(out / f"{name}.csv", getattr(scores, name), PRIVATE)
    for note in scores.notes:
        ProgressBars(screen).note(note)
    for row in scores.calls.to_dict("records"):
        screen.print(f"{row['call_id']}: mean p_raw {row['p_raw']:.3f} over {row['n_frames']} frames")
        own = scores.outside[(scores.outside["call_id"] == row["call_id"]) & (scores.outside["share"] > 0)]
        for marker in own.to_dict("records"):
            screen.print(
                f"  {marker['marker']}: {100 * marker['share']:.1f} % of values beyond the training range"
            )
    screen.print("A research tool: never the sole basis of a clinical decision.", style="dim")
