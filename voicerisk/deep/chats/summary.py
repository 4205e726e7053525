"""What the command line prints at the end of a study of text."""

from typing import TYPE_CHECKING

import pandas as pd

from voicerisk.deep.chats.study import TITLES, TextResult
from voicerisk.validation.metrics.classes.decisions import MACRO, PERCENTILE
from voicerisk.validation.metrics.compute import WILSON

if TYPE_CHECKING:
    from rich.console import Console

    from voicerisk.deep.chats.scoring import TextValidation

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


def any_missed(any_class: pd.DataFrame) -> list[str]:
    """Say how many sessions of any class but the first each model takes for the first."""
    rows = any_class[(any_class["metric"] == "sensitivity") & (any_class["subgroup"] == "all")]
    # Where resamples end at 0 or 1 they give no interval, and Wilson's stands beside them.
    rows = rows[rows["method"].isin([PERCENTILE, WILSON])]
    rows = rows.sort_values("lower", key=lambda values: values.isna(), kind="stable")
    rows = rows.drop_duplicates(["protocol", "model"])
    said = []
    for row in rows.to_dict("records"):
        name = f"{row['protocol']}, {TITLES.get(str(row['model']), str(row['model']))}"
        missed = f"{1 - row['estimate']:.0%}"
        if row["lower"] == row["lower"]:
            missed += f" ({1 - row['upper']:.0%} to {1 - row['lower']:.0%})"
        said.append(f"{name}: {missed} of sessions of any class but the first are taken for the first.")
    return said


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
    for sentence in any_missed(result.any_class):
        console.print(sentence, highlight=False)
    console.print(
        "Intervals take the fitted models as given: what learning anew would add is left out, and no "
        "coverage was measured for them. A research tool: no triage device, never the sole basis of a "
        "clinical decision.",
        style="dim",
    )
    console.print(f"Results: {result.folder}", highlight=False, soft_wrap=True)


def print_validation(found: "TextValidation", console: "Console") -> None:
    """Print what a saved model is worth on another study."""
    from rich.table import Table

    metrics = found.metrics
    rows = metrics[(metrics["method"] == PERCENTILE) & (metrics["subgroup"] == "all")]
    table = Table(title="Sessions of the new study; intervals over users, the model is fixed")
    for name in ("class", "AUROC", "sensitivity", "PPV", "mean risk", "seen"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for row in found.recalibration.to_dict("records"):
        own = rows[rows["class"] == row["class"]].drop_duplicates("metric").set_index("metric")
        cells = [_interval(own, metric) for metric in ("auroc", "sensitivity", "ppv")]
        table.add_row(str(row["class"]), *cells, f"{row['mean_p']:.3f}", f"{row['share']:.3f}")
    console.print(table)
    console.print(
        f"Slope of the risks {found.slope:.2f}: 1 where they spread as they should, below 1 where they are "
        "too extreme. Mean risk and seen share differ where classes are rarer or more common than in the "
        "model's study (--prevalence). A research tool: no triage device, never the sole basis of a clinical "
        "decision.",
        style="dim",
    )
    console.print(f"Results: {found.folder}", highlight=False, soft_wrap=True)


def _interval(rows: pd.DataFrame, metric: str) -> str:
    if metric not in rows.index:
        return "–"
    one = rows.loc[metric]
    return f"{one['estimate']:.2f} ({one['lower']:.2f} to {one['upper']:.2f})"
