"""What the command line prints at the end of a study of text."""

from typing import TYPE_CHECKING

import pandas as pd

from voicerisk.deep.chats.study import TITLES, TextResult
from voicerisk.validation.metrics.classes.decisions import MACRO, PERCENTILE

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = {
    "auroc": "AUROC (macro)", "accuracy": "accuracy", "f1": "F1 (macro)", "brier": "Brier score (mean "
    "of classes)",
    "log_loss": "log loss",
}  # fmt: skip


def side_by_side(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the macro metrics, one row a metric, one column a protocol and model.

    Parameters
    ----------
    metrics : DataFrame
        `metrics.csv` of a study of text.
    """
    rows = metrics[
        (metrics["class"] == MACRO) & (metrics["method"] == PERCENTILE) & (metrics["subgroup"] == "all")
    ]
    columns = {}
    for (protocol, model), part in rows.groupby(["protocol", "model"], sort=False):
        cells = {
            row["metric"]: f"{row['estimate']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})"
            for row in part.to_dict("records")
        }
        name = f"{protocol}, {TITLES.get(str(model), str(model))}"
        columns[name] = {title: cells.get(metric, "–") for metric, title in SHOWN.items()}
    return pd.DataFrame(columns)


def print_text_summary(result: TextResult, console: "Console") -> None:
    """Print macro metrics of all models and the place of the results."""
    from rich.table import Table

    table = Table(title="Held-out sessions, 95% intervals over users")
    cells = side_by_side(result.metrics)
    table.add_column("")
    for column in cells.columns:
        table.add_column(column.replace(", ", ",\n"), justify="right")
    for name, row in cells.iterrows():
        table.add_row(str(name), *row)
    console.print()
    console.print(table)
    console.print(
        "Intervals take the fitted models as given: what learning anew would add is left out, and no "
        "coverage was measured for them. A research tool: no triage device, never the sole basis of a "
        "clinical decision.",
        style="dim",
    )
    console.print(f"Results: {result.folder}", highlight=False, soft_wrap=True)
