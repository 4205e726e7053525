"""What results look like in a notebook: sentences, a table, and figures by name."""

from collections.abc import Hashable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from voicerisk.errors import StudyError
from voicerisk.figures.wording import one_interval, without_rivals
from voicerisk.pipeline.tables import has_table, read_table
from voicerisk.report.answer import answer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def answers(folder: Path, metrics: pd.DataFrame) -> list[str]:
    """Return the answer of a study in sentences.

    Parameters
    ----------
    folder : Path
        Results folder.
    metrics : DataFrame
        Its metrics.
    """
    from voicerisk.report.tables.scale import scale_answer

    if has_table(folder, "scale/metrics"):
        spectrum = read_table(folder, "scale/spectrum") if has_table(folder, "scale/spectrum") else None
        return list(scale_answer(metrics, spectrum))
    ladder, comparisons = (
        read_table(folder, name) if has_table(folder, name) else None
        for name in ("audit/ladder", "comparisons")
    )
    return answer(metrics, ladder, comparisons)


def as_html(sentences: Sequence[str], table: pd.DataFrame | None = None, place: Path | None = None) -> str:
    """Return sentences, a table and where more is to be found, as HTML in which nothing from data is markup.

    Examples
    --------
    >>> as_html(["Risk < 0.5"])
    '<p>Risk &lt; 0.5</p>'
    """
    parts = [f"<p>{escape(one)}</p>" for one in sentences]
    if table is not None:
        parts.append(table.to_html(border=0))
    if place is not None:
        parts.append(f"<p><small>{escape(str(place))}</small></p>")
    return "\n".join(parts)


def figure_of(folder: Path, name: str) -> "Figure":
    """Draw a figure of a results folder from the tables beside it.

    Raises
    ------
    StudyError
        If the folder has no such figure; the message names those that there are.
    """
    from voicerisk.figures import draw, read_labels, stored

    tables = stored(folder)
    if name not in tables:
        raise StudyError(f"{folder} has no figure {name!r}; it has {', '.join(tables) or 'none'}.")
    table, parts = tables[name]
    return draw(name, table, parts, read_labels(folder))
