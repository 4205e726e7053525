"""Models side by side on the same calls: the publication table of their differences."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from voicerisk.figures.differences import RUNS, WIDENED, one_difference, pair_name
from voicerisk.figures.wording import DESIGNS, metric_name, need
from voicerisk.report.tables.formats import MISSING, count, estimate
from voicerisk.report.tables.publication import PublicationTable

SHOWN = ("auroc", "average_precision", "sensitivity", "specificity", "youden_j", "brier")


def comparison_table(comparisons: pd.DataFrame) -> PublicationTable:
    """Return the difference of each metric between two models, one row a pair and design.

    Parameters
    ----------
    comparisons : DataFrame
        comparisons.csv.

    Returns
    -------
    PublicationTable

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.
    """
    need(comparisons, [*RUNS, "design", "metric", "difference", "lower", "upper", "n"], "comparison table")
    table = one_difference(comparisons)
    shown = [metric for metric in SHOWN if (table["metric"] == metric).any()]
    rows = []
    for _, part in table.groupby([*RUNS, "design"], sort=False):
        row: dict[Any, Any] = part.iloc[0].to_dict()
        by_metric = {one["metric"]: one for one in part.to_dict("records")}
        sizes = f"{count(row['n'])} ({count(row['n_events'])}; {count(row['n_callers'])})"
        design = DESIGNS.get(str(row["design"]), str(row["design"]))
        cells = [_cell(by_metric.get(metric), metric) for metric in shown]
        rows.append([pair_name(row), design, sizes, *cells])
    head = ["Difference", "Design", "n (events; callers)", *[metric_name(metric) for metric in shown]]
    wide = ", and the interval is widened for what learning adds" if _is_wide(table) else ""
    notes = (
        f"Calls. {100 * float(table['level'].iloc[0]):g}% intervals of the difference in brackets: both "
        f"models are measured under the same resamples of callers, their scores as given{wide}.",
    )
    title = "Models on the same calls, differences"
    return PublicationTable("comparisons", title, pd.DataFrame(rows, columns=head), notes)


def _is_wide(table: pd.DataFrame) -> bool:
    return bool(table["method"].eq(WIDENED).any())


def _cell(row: Mapping[Any, Any] | None, metric: str) -> str:
    if row is None or pd.isna(row["difference"]):
        return MISSING
    return estimate(row["difference"], row["lower"], row["upper"], 3 if metric.startswith("brier") else 2)
