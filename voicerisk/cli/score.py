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
    sex: Annotated[
        str | None,
        typer.Option(
            help="female, male or another level that the model goes by, where the table does not say."
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Share of calls with the outcome where you score; default: the study's."),
    ] = None,
) -> None:
    """Score frames, segments and calls with a saved model: risk, decision, and what each marker adds."""
    from voicerisk.files import PRIVATE, write_csv
    from voicerisk.models import read_model
    from voicerisk.report.decision import of_call, of_model
    from voicerisk.study.saved_model.scoring import score as score_source

    screen = console()
    scores = score_source(model, source, sex, prevalence)
    for name in ("frames", "segments", "calls", "outside"):
        write_csv(out / f"{name}.csv", getattr(scores, name), PRIVATE)
    for row in scores.calls.to_dict("records"):
        screen.print(of_call(row), highlight=False, markup=False, soft_wrap=True)
        own = scores.outside[(scores.outside["call_id"] == row["call_id"]) & (scores.outside["share"] > 0)]
        if row["beyond_training"]:
            screen.print(
                "  Do not rely on this: the call, or much of it, lies beyond what the model was learned on.",
                style="bold red",
            )
        if row["too_short"]:
            screen.print(
                "  Do not rely on this: the call has less speech than any that the model learned from.",
                style="bold red",
            )
        for marker in own.to_dict("records"):
            screen.print(
                f"  {marker['marker']}: {100 * marker['share']:.1f}% of values beyond the training range"
            )
    for note in scores.notes:
        ProgressBars(screen).note(note)
    if "cut" in scores.calls:
        for sentence in of_model(read_model(model).notes):
            screen.print(sentence, highlight=False)
    screen.print("A research tool: never the sole basis of a clinical decision.", style="dim")
