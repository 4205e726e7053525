"""What the command line prints at the end of an audit: the ladder, what was found, and where it stands."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from voicerisk.figures.wording import COVERAGE
from voicerisk.study.audit.run import AuditResult
from voicerisk.study.audit.verdict import ladder_sentences, verdict
from voicerisk.validation.audit.findings import LADDER, STUDY

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLOURS = {"leak": "bold red", "bias": "yellow", "note": "cyan"}
VERDICTS = {"Leak": "bold red", "Bias": "bold yellow", "Clean": "bold green"}
SAYS = {
    "all": "outcomes shuffled among all callers",
    "strata": "outcomes shuffled within strata",
}


def print_audit(result: AuditResult, screen: "Console", details: bool = False) -> None:
    """Print the verdict of an audit and what it rests on, for someone who reads it for the first time.

    Parameters
    ----------
    result : AuditResult
    screen : rich.console.Console
    details : bool
        Whether the ladder, the tests, the controls and the whole procedure are printed too.
    """
    from rich.text import Text

    own = result.findings[result.findings["concerns"] == STUDY]
    word, said = verdict(own)
    screen.print()
    screen.print(Text.assemble((f"{word}.", VERDICTS[word]), f" {said}"))
    for row in own.to_dict("records"):
        _print_finding(row, screen)
    for sentence in ladder_sentences(result.ladder):
        screen.print(sentence, highlight=False, markup=False)
    if details:
        _print_details(result, screen)
    else:
        screen.print("Ladder, tests and controls: the same command with --details.", style="dim")
    screen.print(f"Tables: {result.folder}. Exit code {result.exit_code}.", highlight=False, soft_wrap=True)


def _print_details(result: AuditResult, screen: "Console") -> None:
    screen.print()
    screen.print(_ladder_table(result.ladder))
    screen.print(
        "AUROC of calls in the fixed direction (high score = high risk), with its 95% interval over callers "
        "given the scores, and its change from the rung above. 'As printed': what the rung would report, of "
        "calls or of frames. 'Shuffled': the mean of that, in the same unit, over shuffled outcomes (by "
        "grouped k-fold); far from 0.50, the rung finds something where there is nothing.",
        style="dim",
    )
    screen.print(_decisions_table(result.ladder))
    screen.print(
        "J and the frames decided rightly are of all calls, those without a cut not flagged; 'no cut' is "
        "their number.",
        style="dim",
    )
    screen.print(COVERAGE, style="dim", highlight=False)
    _print_tests(result.tests, screen)
    _print_controls(result.controls, screen)
    if len(result.procedure) > 1:
        _print_procedure(result.procedure, screen)
    taken = result.findings[(result.findings["concerns"] == LADDER)]
    screen.print(
        "\n[bold]What each rule of the published protocol does here[/] [dim](relaxed on purpose, not found "
        "in the study)[/]",
        markup=True,
    )
    for row in taken[~taken["mechanism"].str.endswith(("_null", "_degenerate"))].to_dict("records"):
        _print_finding(row, screen, remedy=False)


def _ladder_table(ladder: pd.DataFrame) -> Any:
    from rich.table import Table

    title = "From the honest to the published protocol, one rule relaxed at a time"
    table = Table(title=title, show_lines=True)
    table.add_column("rung", min_width=20)
    for name in ("AUROC\nof calls", "change", "as\nprinted", "shuffled"):
        # A number that is cut short looks like another number.
        table.add_column(name, justify="right", no_wrap=True)
    for place, row in enumerate(ladder.to_dict("records")):
        table.add_row(
            f"{place}. {str(row['label']).removeprefix('+ ')}",
            _below(f"{row['auroc_call']:.2f}", row["lower"], row["upper"], ".2f"),
            _below(f"{row['change']:+.2f}", row["change_lower"], row["change_upper"], "+.2f")
            if place
            else "",
            f"{row['auroc']:.2f}" + ("" if row["unit"] == "call" else "\nframes"),
            _number(row["null_mean_kfold"]),
        )
    return table


def _decisions_table(ladder: pd.DataFrame) -> Any:
    from rich.table import Table

    table = Table(title="Decisions and risks on the same rungs")
    for name in ("rung", "AP", "J", "frames\nright", "no cut", "Brier", "slope"):
        table.add_column(name, justify="left" if name == "rung" else "right", no_wrap=True)
    for place, row in enumerate(ladder.to_dict("records")):
        table.add_row(
            f"{place}. {row['rung']}",
            _number(row["average_precision"]),
            _number(row["youden_j"]),
            "" if pd.isna(row["accuracy_frame"]) else f"{row['accuracy_frame']:.1%}",
            str(row["n_without_cut"]),
            _number(row["brier"], 3),
            _number(row["calibration_slope"]),
        )
    return table


def _below(value: str, low: float, high: float, how: str) -> str:
    return value if pd.isna(low) else f"{value}\n{low:{how}} to {high:{how}}"


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.2f}" if pd.isna(low) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _number(value: float, digits: int = 2) -> str:
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def _print_tests(tests: pd.DataFrame, screen: "Console") -> None:
    for row in tests.to_dict("records"):
        if not row["n_permutations"]:
            screen.print(f"\nHonest pipeline, {SAYS[row['scheme']]}: {row['says']}", highlight=False)
            continue
        text = (
            f"\nHonest pipeline, {SAYS[row['scheme']]} {row['n_permutations']} times "
            f"({row['n_permutable_callers']} of {row['n_callers']} callers can change theirs): mean AUROC of "
            f"calls {row['null_mean']:.3f} (grouped k-fold, Monte Carlo error {row['null_se']:.3f}), "
            f"{row['observed']:.3f} with the outcomes as they are, P = {row['p_value']:.3g}"
        )
        if row["scheme"] == "strata":
            text += f". A model of the strata alone: {row['strata_alone']:.3f}"
            if row["strata_alone"] < 0.5:
                text += " (below one half: the bias of holding callers out, where the strata tell nothing)"
        screen.print(text + ".", highlight=False)


def _print_controls(controls: pd.DataFrame, screen: "Console") -> None:
    from rich.table import Table

    table = Table(title="Negative controls (grouped k-fold, 99% intervals given the scores)")
    for name in ("", "control", "AUROC", "expected"):
        table.add_column(name, justify="right" if name == "AUROC" else "left")
    for row in controls.to_dict("records"):
        shown = _interval(row["auroc"], row["lower"], row["upper"]) if pd.notna(row["auroc"]) else "–"
        note = f"\n{row['note']}" if row["note"] else ""
        mark = "" if row["control"] == "none" else row["control"]
        of = " of segments" if row["unit"] == "segment" and pd.notna(row["auroc"]) else ""
        table.add_row(mark, _then_dim(row["what"], note), shown + of, str(row["expected"]))
    screen.print()
    screen.print(table)


def _then_dim(text: str, aside: str) -> "Text":
    """Return a text and an aside; what stands in square brackets in them is no markup."""
    from rich.text import Text

    return Text.assemble(text, (aside, "dim"))


def _print_procedure(procedure: pd.DataFrame, screen: "Console") -> None:
    screen.print("\n[bold]The whole procedure[/]", markup=True)
    for row in procedure.to_dict("records"):
        name = str(row["quantity"]).replace("_", " ")
        shown = f"{row['estimate']:.3f}"
        if pd.notna(row["lower"]):
            shown += f" ({row['lower']:.3f} to {row['upper']:.3f})"
        screen.print(_then_dim(f"  {name}: {shown}  ", row["how"]))


def _print_finding(row: dict[Any, Any], screen: "Console", remedy: bool = True) -> None:
    """Print a finding with its number, and what to do."""
    from rich.text import Text

    said = f"  {str(row['finding']).removesuffix('.')}: {str(row['evidence']).removesuffix('.')}."
    screen.print(Text.assemble("  ", (row["severity"], COLOURS[row["severity"]]), said))
    if remedy:
        screen.print(f"        → {row['remedy']}", highlight=False)
