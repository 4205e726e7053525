"""What the command line prints at the end of a run: both protocols side by side, and where everything is."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pandas as pd

from voicerisk.figures.differences import auroc_gap
from voicerisk.figures.wording import GIVEN_SCORES, given_scores, one_interval, without_rivals
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.report.answer import answer
from voicerisk.report.audit_tables import whole_procedure_line
from voicerisk.report.rivals import rivals_line
from voicerisk.report.spectrum import spectrum_note
from voicerisk.study.saved_models import spoken_optimism
from voicerisk.study.stages import REPORT
from voicerisk.study.whole_run import RunResult

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "accuracy": "accuracy",
    "brier": "Brier score",
}
DESIGNS = {"loco": "leave one caller out", "grouped_kfold": "grouped k-fold"}
METHOD = "caller_bootstrap_percentile_given_scores"


def side_by_side(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the call metrics of all callers, one row a metric, one column a protocol and design.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv`.

    Returns
    -------
    DataFrame
        Index: metric; cells such as ``0.84 (0.71 to 0.95)``, with 95% caller-bootstrap intervals that take
        the scores as given.
    """
    of_calls = (metrics["unit"] == "call") & (metrics["subgroup"] == "all")
    rows = one_interval(without_rivals(metrics[of_calls]), METHOD)
    columns = {}
    for (protocol, design), part in rows.groupby(["protocol", "design"], sort=False):
        cells = {row["metric"]: _cell(row) for row in part.to_dict("records")}
        name = f"{protocol}, {DESIGNS.get(str(design), str(design))}"
        columns[name] = {title: cells.get(metric, "–") for metric, title in SHOWN.items()}
    # The headline first: the honest protocol on folds that hold out several callers.
    order = sorted(columns, key=lambda name: (not name.startswith("nested"), "k-fold" not in name))
    return pd.DataFrame(columns)[order]


def _cell(row: dict[Hashable, Any]) -> str:
    if pd.isna(row["estimate"]):
        return "–"
    if pd.isna(row["lower"]):
        return f"{row['estimate']:.2f}"
    return f"{row['estimate']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})"


def _whole_procedure(result: RunResult) -> str:
    """Say the whole-procedure interval where an audit of these results has one, else how to get it."""
    said = (
        whole_procedure_line(read_table(result.folder, "audit/procedure"))
        if has_table(result.folder, "audit/procedure")
        else ""
    )
    return said or "`voicerisk audit --bootstraps 200` adds an interval with the variance of learning."


def _print_scale(result: RunResult, console: "Console") -> None:
    from rich.table import Table

    from voicerisk.report.scale_tables import scale_answer, scale_performance

    shown = scale_performance(result.metrics)
    table = Table(title=shown.title)
    for column in shown.cells:
        table.add_column(str(column), justify="left" if column == "Measure" else "right")
    for row in shown.cells.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print()
    console.print(table)
    spectrum = (
        read_table(result.folder, "scale/spectrum") if has_table(result.folder, "scale/spectrum") else None
    )
    console.print(
        f"{GIVEN_SCORES}\nA research tool: never the sole basis of a clinical decision.", style="dim"
    )
    for sentence in scale_answer(result.metrics, spectrum):
        console.print(sentence, style="bold", highlight=False, markup=False)
    console.print(f"Report: {result.folder / REPORT}", highlight=False, soft_wrap=True, markup=False)


def print_summary(result: RunResult, console: "Console") -> None:
    """Print the comparison and the places of the results."""
    from rich.table import Table

    if has_table(result.folder, "scale/metrics"):
        _print_scale(result, console)
        return
    calls = result.metrics[(result.metrics["unit"] == "call") & (result.metrics["subgroup"] == "all")]
    first = calls.iloc[0]
    sizes = f"n = {first['n']:.0f}, of {first['n_callers']:.0f} callers, {first['n_events']:.0f} positive"
    table = Table(title=f"Calls: {sizes}")
    cells = side_by_side(result.metrics)
    table.add_column("95% interval over callers")
    for column in cells.columns:
        table.add_column(column.replace(", ", ",\n"), justify="right")
    for name, row in cells.iterrows():
        table.add_row(str(name), *row)
    console.print()
    console.print(table)
    compared = read_table(result.folder, "comparisons") if has_table(result.folder, "comparisons") else None
    rivals = rivals_line(result.metrics, compared)
    if rivals:
        console.print(rivals, highlight=False, markup=False)
    spectrum = spectrum_note(result.flow, int(first["n"]))
    if spectrum:
        console.print(spectrum, highlight=False)
    gap = auroc_gap(compared)
    if gap:
        console.print(gap, highlight=False)
    optimism = spoken_optimism(result.folder)
    if optimism:
        console.print(optimism, highlight=False)
    console.print(
        f"{given_scores(one_interval(calls)) or GIVEN_SCORES}\n"
        f"{_whole_procedure(result)}\n"
        "A research tool: never the sole basis of a clinical decision.",
        style="dim",
    )
    ladder = result.folder / "audit" / "ladder.csv"
    for sentence in answer(
        result.metrics, read_table(result.folder, "audit/ladder") if ladder.is_file() else None
    ):
        console.print(sentence, style="bold", highlight=False, markup=False)
    console.print(f"Report: {result.folder / REPORT}", highlight=False, soft_wrap=True, markup=False)
