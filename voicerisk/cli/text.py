"""`voicerisk text`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console

text = typer.Typer(
    name="text",
    no_args_is_help=True,
    help="Classify crisis-chat sessions, with explanations (TF-IDF, linear on embeddings, T-MLP, W2V-MLP).",
)
app.add_typer(text)

Model = Annotated[
    Path, typer.Argument(help="Folder of a saved model: results/models/final/NAME.", metavar="MODEL")
]
Encoder = Annotated[
    Path | None,
    typer.Option(help="Folder of the pretrained model that it was trained with.", metavar="FOLDER"),
]
Vectors = Annotated[
    Path | None, typer.Option(help="File of word vectors that it was trained with.", metavar="FILE")
]
Table = Annotated[
    Path | None,
    typer.Option(help="Table of embeddings or scores of the sessions, for models of such.", metavar="FILE"),
]
Device = Annotated[
    str, typer.Option(help="Where the pretrained model runs: cpu, gpu or auto.", metavar="DEVICE")
]
Prevalence = Annotated[
    list[str] | None,
    typer.Option(
        help="Share of a class where you score, as NS=0.9; once a class. Default: the model's study's.",
        metavar="CLASS=SHARE",
    ),
]


@text.callback()
def _text() -> None:
    """Classify crisis-chat sessions, with explanations (TF-IDF, linear on embeddings, T-MLP, W2V-MLP)."""


@text.command(epilog="Example: `voicerisk text run study.toml --out results --preset both`")
def run(
    study: Annotated[Path, typer.Argument(help="The study file, with a table [text].", metavar="STUDY.toml")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results; a second run continues it.")
    ],
    preset: Annotated[
        str | None,
        typer.Option(help="default, paper or both; default: as the study file says.", metavar="PRESET"),
    ] = None,
) -> None:
    """Take a table of messages to validated, explained classifiers, with tables and figures.

    Every stage is kept: the same command goes on after an interruption. No word of a message is printed.
    """
    from voicerisk.deep.chats.study import run_text_study
    from voicerisk.deep.chats.study_file import load_text_study
    from voicerisk.deep.chats.summary import print_text_summary

    screen = console()
    result = run_text_study(load_text_study(study, preset), out, reporter=ProgressBars(screen))
    print_text_summary(result, screen)


@text.command(epilog="Example: `voicerisk text explain study.toml --out results --model tfidf --misses`")
def explain(
    study: Annotated[Path, typer.Argument(help="The study file, with a table [text].", metavar="STUDY.toml")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the study's results.")],
    model: Annotated[str, typer.Option(help="Which of the study's models explains.", metavar="NAME")],
    session: Annotated[
        list[str] | None, typer.Option(help="A session by its id; may be given again.", metavar="ID")
    ] = None,
    misses: Annotated[
        bool, typer.Option("--misses", help="Sessions of another class that were taken for the first.")
    ] = False,
    false_alarms: Annotated[
        bool, typer.Option("--false-alarms", help="Sessions of the first class taken for another one.")
    ] = False,
    most: Annotated[
        int, typer.Option(min=1, help="So many misses and false alarms, the surest ones first.")
    ] = 10,
    show_text: Annotated[
        bool | None,
        typer.Option(
            "--show-text/--no-text", help="Write messages into the private pages. Default: as the file says."
        ),
    ] = None,
) -> None:
    """Explain chosen sessions of a finished study, each by a model that did not learn from it.

    No word of a message is printed.
    """
    from voicerisk.deep.chats.chosen import Wanted, explain_chosen
    from voicerisk.deep.chats.study_file import load_text_study

    screen = console()
    reporter = ProgressBars(screen)
    wanted = Wanted(tuple(session or ()), misses, false_alarms, most)
    found = explain_chosen(load_text_study(study), out, model, wanted, show_text, reporter)
    for note in found.notes:
        reporter.note(note)
    for file in found.files:
        screen.print(str(file), highlight=False, markup=False, soft_wrap=True)


@text.command(epilog="Example: `voicerisk text score results/models/final/tfidf messages.csv --out scores`")
def score(
    model: Model,
    messages: Annotated[Path, typer.Argument(help="Table of messages of new sessions.", metavar="MESSAGES")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the scores.")],
    encoder: Encoder = None,
    vectors: Vectors = None,
    table: Table = None,
    prevalence: Prevalence = None,
    device: Device = "cpu",
) -> None:
    """Score sessions with a saved model: the risk of each class, as the model's study would have reported it.

    Columns have the names that they had in the model's study. No word of a message is printed or written.
    """
    from voicerisk.deep.chats.scoring import Given, score_sessions
    from voicerisk.files import PRIVATE, write_csv

    screen = console()
    found = score_sessions(model, messages, Given(encoder, vectors, table, device), _shares(prevalence))
    write_csv(out / "sessions.csv", found.sessions, PRIVATE)
    for note in found.notes:
        ProgressBars(screen).note(note)
    scored = found.sessions[found.sessions["left_out"] == ""]
    of_all = f"of {len(scored)} sessions, mean risk"
    for name in found.procedure.classes:
        screen.print(
            f"{name}: likeliest in {(scored['likeliest'] == name).sum()} {of_all} "
            f"{scored[f'p_{name}'].mean():.3f}",
            highlight=False, markup=False,
        )  # fmt: skip
    screen.print(
        "A research tool: no triage device, never the sole basis of a clinical decision.", style="dim"
    )
    screen.print(f"Scores: {out / 'sessions.csv'}", highlight=False, soft_wrap=True)


@text.command(
    epilog="Example: `voicerisk text validate results/models/final/tfidf other/study.toml --out external`"
)
def validate(
    model: Model,
    study: Annotated[Path, typer.Argument(help="The new study's file.", metavar="STUDY.toml")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    encoder: Encoder = None,
    vectors: Vectors = None,
    table: Table = None,
    prevalence: Prevalence = None,
    device: Device = "cpu",
) -> None:
    """Validate a saved model on the labelled sessions of another study; it learns nothing from them."""
    from voicerisk.deep.chats.scoring import Given, validate_sessions
    from voicerisk.deep.chats.study_file import load_text_study
    from voicerisk.deep.chats.summary import print_validation

    screen = console()
    found = validate_sessions(
        model, load_text_study(study), out, Given(encoder, vectors, table, device), _shares(prevalence)
    )
    for note in found.notes:
        ProgressBars(screen).note(note)
    print_validation(found, screen)


def _shares(given: list[str] | None) -> dict[str, float] | None:
    """Read shares of classes as the command line has them."""
    from voicerisk.errors import TextError

    if not given:
        return None
    found = {}
    for one in given:
        name, _, share = one.rpartition("=")
        try:
            found[name] = float(share)
        except ValueError:
            raise TextError(f"--prevalence {one!r} is not of the form CLASS=SHARE, such as NS=0.9.") from None
    return found
