"""`voicerisk validate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicerisk.cli.app import app
from voicerisk.cli.jobs import Jobs, cores
from voicerisk.cli.progress import ProgressBars, console

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from voicerisk.study.external.scale import ScaleExternalResult


@app.command(
    epilog="Example: `voicerisk validate results/boost/model.json other/study.toml --out other_results`"
)
def validate(
    model: Annotated[Path, typer.Argument(help="model.json of another study.", metavar="MODEL")],
    study: Annotated[Path, typer.Argument(help="The new study's file.", metavar="STUDY.toml")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Results folder of the new study; writes `external` in it.")
    ],
    threshold: Annotated[
        float | None, typer.Option(help="Cut on the score; default: the one in the model file.")
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(help="Share of calls with the outcome in the new place; default: the model's study's."),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Column of calls.csv with dates or years.", metavar="COLUMN")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Validate a saved model on another study: discrimination, calibration, recalibration, marker shift."""
    from voicerisk.report.decision import of_validation
    from voicerisk.study import load_study
    from voicerisk.study.external.scale import ScaleExternalResult
    from voicerisk.study.external.validate import by_group, validate_externally

    screen = console()
    result = validate_externally(
        model, load_study(study), out, threshold, time, jobs or cores(), ProgressBars(screen), prevalence
    )
    screen.print()
    if isinstance(result, ScaleExternalResult):
        _print_scale(result, screen)
    else:
        for sentence in of_validation(result.metrics, result.recalibration):
            screen.print(sentence, style="bold", highlight=False)
        _print_groups(by_group(result), screen)
        _print_recalibration(result.recalibration, screen)
    _print_shift(result.shift, screen)
    screen.print("A research tool: never the sole basis of a clinical decision.", style="dim")
    screen.print(f"Results: {result.folder}", highlight=False, soft_wrap=True)


def _print_scale(result: "ScaleExternalResult", screen: "Console") -> None:
    from voicerisk.report.tables.scale import NAMES

    for sentence in result.answer:
        screen.print(sentence, style="bold", highlight=False)
    screen.print("\nCalls of the new study; intervals over callers, the model is fixed")
    for row in result.metrics.to_dict("records"):
        screen.print(
            f"  {NAMES[row['metric']]:<48} {_number(row['estimate'])} "
            f"({_number(row['lower'])} to {_number(row['upper'])})",
            highlight=False,
        )
    for row in [] if result.calibration is None else result.calibration.to_dict("records"):
        screen.print(
            f"  Grade {row['grade']} or more: seen in {row['observed']:.2f} of calls, predicted for "
            f"{row['expected']:.2f}; calibration slope {_number(row['slope'])}; "
            f"AUROC {_number(row['auroc'])} ({_number(row['lower'])} to {_number(row['upper'])})",
            highlight=False,
        )


def _print_groups(groups: "pd.DataFrame", screen: "Console") -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(
        title="Calls of the new study; intervals over callers, the model is fixed", box=SIMPLE, pad_edge=False
    )
    for name in ("group", "events", "AUROC", "risk", "seen", "in large", "slope"):
        # A group or an interval that is cut off says nothing.
        table.add_column(
            name, justify="left" if name == "group" else "right", no_wrap=name in ("group", "events", "AUROC")
        )
    for row in groups.to_dict("records"):
        known = row["lower"] == row["lower"]
        area = f"{row['auroc']:.2f}" + (f" ({row['lower']:.2f} to {row['upper']:.2f})" if known else "")
        cells = [_number(row[name]) for name in ("mean_p", "prevalence", "in_the_large", "slope")]
        table.add_row(row["group"], f"{row['n_events']}/{row['n']}", area, *cells)
    screen.print()
    screen.print(table)
    screen.print(
        "Events of calls; risk and seen: mean risk, share of events. In the large: 0 where the mean risk "
        "is right, above 0 where risk is understated (log-odds). Slope: 1 where risks spread as they "
        "should, below 1 where they are too extreme, above 1 where too timid; – where the scores separate "
        "the outcomes, so that there is none.",
        style="dim",
    )


def _number(value: float, digits: int = 2) -> str:
    return "–" if value != value else f"{value:.{digits}f}"


def _print_recalibration(recalibration: "pd.DataFrame", screen: "Console") -> None:
    screen.print("\nRecalibration on all calls", style="bold")
    for row in recalibration[recalibration["group"] == "all"].to_dict("records"):
        line = f"log-odds = {row['intercept']:+.2f} + {row['slope']:.2f} x log-odds of the risk"
        if row["slope"] != row["slope"]:
            line = "none: the scores separate the outcomes"
        left_out = _number(row["brier_left_out"], 3)
        if left_out == "–":
            left_out = "not known (without some caller the scores separate the outcomes)"
        screen.print(
            f"  {row['method']:<20} {line}; Brier {_number(row['brier'], 3)}, on callers left out {left_out}",
            highlight=False,
        )


def _print_shift(shift: "pd.DataFrame", screen: "Console") -> None:
    if "shifted" not in shift:
        return
    moved = shift[shift["shifted"].astype(bool)].sort_values("difference", key=abs, ascending=False)
    screen.print(
        f"\nMarkers: {len(moved)} of {len(shift)} moved by a quarter of a standard deviation "
        "between callers or more",
        highlight=False,
    )
    for row in moved.to_dict("records"):
        screen.print(
            f"  {row['marker']:<14} {row['difference']:+.2f} SD; {row['share_outside_knots']:.1%} of values "
            "beyond the model's knots",
            highlight=False,
        )
