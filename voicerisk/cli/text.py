"""`voicerisk text`."""

from pathlib import Path
from typing import Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.progress import ProgressBars, console

text = typer.Typer(
    name="text",
    no_args_is_help=True,
    help="Classify crisis-chat sessions, with explanations (T-MLP, W2V-MLP, TF-IDF).",
)
app.add_typer(text)


@text.callback()
def _text() -> None:
    """Classify crisis-chat sessions, with explanations (T-MLP, W2V-MLP, TF-IDF)."""


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
