"""`voicerisk multitask`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console, note, styled

multitask = typer.Typer(
    name="multitask",
    no_args_is_help=True,
    help="Depression severity and suicide risk from audio and text, in one network or two.",
)
app.add_typer(multitask)


@multitask.callback()
def _multitask() -> None:
    """Depression severity and suicide risk from audio and text, in one network or two."""


@multitask.command(epilog="Example: `voicerisk multitask run study.toml --out results --preset both`")
def run(
    study: Annotated[
        Path, typer.Argument(help="The study file, with a table [multitask].", metavar="STUDY.toml")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results; a second run continues it.")
    ],
    preset: Annotated[
        str | None,
        typer.Option(help="default, paper or both; default: as the study file says.", metavar="PRESET"),
    ] = None,
) -> None:
    """Take recordings, transcripts and two scores to validated single- and multitask models.

    Every stage is kept: the same command goes on after an interruption. No word of a transcript is printed.
    """
    from voicerisk.deep.multitask.study import run_multitask
    from voicerisk.deep.multitask.study_file import load_multitask_study

    screen = console()
    result = run_multitask(load_multitask_study(study, preset), out, reporter=ProgressBars(screen))
    for warning in result.notes[:1] if "published" in set(result.metrics["protocol"]) else ():
        screen.print(styled("warning:", "bold red", warning))
    for sentence in result.sentences:
        screen.print(f"  {sentence}", highlight=False)
    screen.print(f"Results: {result.folder}/report.html", highlight=False, soft_wrap=True)


@multitask.command(epilog="Example: `voicerisk multitask simulate demo --cases 60 --relation shared`")
def simulate(
    folder: Annotated[Path, typer.Argument(help="A new folder.", metavar="FOLDER")],
    cases: Annotated[int, typer.Option(min=24, help="Cases, each of another person.", metavar="N")] = 60,
    relation: Annotated[
        str,
        typer.Option(
            help="shared: one state behind both scores; conflict: two that compete; none: chance.",
            metavar="RELATION",
        ),
    ] = "shared",
    seed: Annotated[int, typer.Option(min=0, help="Seed.", metavar="N")] = 1,
) -> None:
    """Write a small study with a known truth that `voicerisk multitask run` takes as it is."""
    from voicerisk.deep.multitask.simulate_study import simulate_study

    screen = console()
    with ProgressBars(screen).stage("Speaking") as move:
        simulate_study(folder, cases, relation, seed, progress=move)
    screen.print(
        f"Next: voicerisk multitask run {folder}/study.toml --out {folder}/results",
        highlight=False,
        soft_wrap=True,
    )


@multitask.command(
    epilog="Example: `voicerisk multitask score results/models/final/risk-W_E.safetensors study.toml --cases "
    "new.csv --out scores.csv`"
)
def score(
    model: Annotated[
        Path, typer.Argument(help="A model of results/models/final.", metavar="MODEL.safetensors")
    ],
    study: Annotated[
        Path,
        typer.Argument(help="Study file that names columns and the encoders' folders.", metavar="STUDY.toml"),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table of scores (CSV).", metavar="FILE")],
    cases: Annotated[
        Path | None, typer.Option(help="Table of the cases; default: the study file's.", metavar="FILE")
    ] = None,
) -> None:
    """Score cases with a saved model, by the recalibrated risks that its study reported.

    Needs recordings and transcripts as the model's inputs say, and no score. No word of a transcript is
    printed.
    """
    from voicerisk.deep.multitask.scoring import score_cases
    from voicerisk.deep.multitask.study_file import load_multitask_study
    from voicerisk.files import PRIVATE, write_csv

    screen = console()
    found = score_cases(model, load_multitask_study(study), cases)
    write_csv(out, found.cases, PRIVATE)
    for text in found.notes:
        note(screen, text)
    for task, names in found.classes.items():
        counts = found.cases[f"likeliest_{task}"].value_counts()
        told = ", ".join(f"{name} {int(counts.get(name, 0))}" for name in names)
        screen.print(f"Likeliest {task} of {len(found.cases)} cases: {told}.", highlight=False)
    screen.print("A research tool: never the sole basis of a clinical decision.", highlight=False)
    screen.print(f"Scores: {out}", highlight=False, soft_wrap=True)
