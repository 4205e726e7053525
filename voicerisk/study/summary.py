"""What the command line prints at the end of a run: both protocols side by side, and where everything is."""

from typing import TYPE_CHECKING

from voicerisk.figures.wording import GIVEN_SCORES, given_scores, one_interval
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.report.tables.audit import whole_procedure_line
from voicerisk.report.tables.rivals import rivals_line
from voicerisk.report.tables.scale import middle_sentence
from voicerisk.report.tables.spectrum import spectrum_note
from voicerisk.study.saved_model.models import spoken_optimism
from voicerisk.study.shown import answers, side_by_side
from voicerisk.study.stages import REPORT
from voicerisk.study.whole_run import RunResult

if TYPE_CHECKING:
    from rich.console import Console


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

    from voicerisk.report.tables.scale import scale_performance

    shown = scale_performance(result.metrics)
    table = Table(title=shown.title)
    for column in shown.cells:
        table.add_column(str(column), justify="left" if column == "Measure" else "right")
    for row in shown.cells.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print()
    console.print(table)
    console.print(
        f"{GIVEN_SCORES}\nA research tool: never the sole basis of a clinical decision.", style="dim"
    )
    for sentence in answers(result.folder, result.metrics):
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
    if has_table(result.folder, "also/decisions"):
        tables = (read_table(result.folder, f"also/{name}") for name in ("spectrum", "decisions"))
        console.print(middle_sentence(*tables), highlight=False)
    optimism = spoken_optimism(result.folder)
    if optimism:
        console.print(optimism, highlight=False)
    console.print(
        f"{given_scores(one_interval(calls)) or GIVEN_SCORES}\n"
        f"{_whole_procedure(result)}\n"
        "A research tool: never the sole basis of a clinical decision.",
        style="dim",
    )
    for sentence in answers(result.folder, result.metrics):
        console.print(sentence, style="bold", highlight=False, markup=False)
    console.print(f"Report: {result.folder / REPORT}", highlight=False, soft_wrap=True, markup=False)
