"""`voicerisk score`."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console


@app.command(epilog="Example: `voicerisk score results/boost/model.json call.wav --sex female --out scores`")
def score(
    model: Annotated[Path, typer.Argument(help="model.json of a study.", metavar="MODEL")],
    source: Annotated[Path, typer.Argument(help="A recording, or a table of frames.", metavar="SOURCE")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the scores.")],
    sex: Annotated[str | None, typer.Option(help="female or male, where the table does not say.")] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Share of calls with the outcome where you score; default: the study's."),
    ] = None,
) -> None:
    """Score frames, segments and calls with a saved model: risk, decision, and what each marker adds."""
    from voicerisk.files import PRIVATE, write_csv
    from voicerisk.study.scoring import score as score_source

    screen = console()
    scores = score_source(model, source, sex, prevalence)
    for name in ("frames", "segments", "calls", "outside"):
        write_csv(out / f"{name}.csv", getattr(scores, name), PRIVATE)
    for note in scores.notes:
        ProgressBars(screen).note(note)
    for row in scores.calls.to_dict("records"):
        screen.print(_line(row), highlight=False, markup=False)
        own = scores.outside[(scores.outside["call_id"] == row["call_id"]) & (scores.outside["share"] > 0)]
        if row["beyond_training"]:
            screen.print(
                "  Do not rely on this: too much of the call lies beyond what the model was learned on.",
                style="bold red",
            )
        for marker in own.to_dict("records"):
            screen.print(
                f"  {marker['marker']}: {100 * marker['share']:.1f} % of values beyond the training range"
            )
    screen.print("A research tool: never the sole basis of a clinical decision.", style="dim")


def _line(row: Mapping[Hashable, Any]) -> str:
    """Say a call's risk and decision, or its bare score where the model has neither."""
    line = f"{row['call_id']}: "
    if "predicted" in row:
        above = [str(name) for name in row if str(name).startswith("at_least_")]
        said = "".join(f", P({name.removeprefix('at_least_')} or more) {row[name]:.3f}" for name in above)
        what = "mean grade" if above else "predicted"
        return f"{line}{what} {row['predicted']:.2f}{said}; {row['n_frames']} frames"
    if "risk" in row:
        line += f"risk {row['risk']:.3f} where {row['prevalence']:.3f} of calls have the outcome; "
    line += f"mean p_raw {row['p_raw']:.3f} over {row['n_frames']} frames"
    if "cut" not in row:
        return line
    if row["cut"] != row["cut"]:
        return f"{line}, no cut: not flagged"
    return f"{line}, cut {row['cut']:.3f}: {'flagged' if row['flagged'] else 'not flagged'}"
