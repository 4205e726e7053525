"""Heatmaps of metrics by input and task: Figures 3 (single-task) and 4 (multitask) of the paper."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voicerisk.deep.multitask.results import METRICS
from voicerisk.errors import ReportError
from voicerisk.figures.layout import new_figure
from voicerisk.figures.style import DEFAULT, Style, drawing
from voicerisk.figures.wording import NO_LABELS, need

SHORT = {
    "accuracy": "ACC", "sensitivity": "R", "ppv": "P", "specificity": "S", "f1": "F1", "auroc": "AUC",
}  # fmt: skip
PERCENTILE = "caller_bootstrap_percentile_given_scores"
COLOURS = "cividis"


def heatmap_table(metrics: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Take the paper's six metrics of every network from metrics.csv.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv, from pooled predictions.
    classes : mapping of str to sequence of str
        Of a task with two classes, numbers are those of the last; of more, unweighted means over classes.

    Returns
    -------
    DataFrame
        protocol, learning ('stl' | 'mtl'), target, input, metric, estimate, lower, upper.
    """
    need(metrics, ["protocol", "model", "target", "class", "metric", "estimate", "method"], "heatmap")
    own = metrics[metrics["model"].str.contains(":", regex=False) & (metrics["method"] == PERCENTILE)]
    own = own[(own["unit"] == "call") & (own["subgroup"] == "all")]
    rows = []
    for (protocol, model, target), part in own.groupby(["protocol", "model", "target"], sort=False):
        learning, combination = str(model).split(":")
        names = classes[str(target)]
        for metric in METRICS:
            found = part[part["metric"] == metric]
            one = found[
                found["class"] == (names[-1] if len(names) == 2 and metric != "accuracy" else "macro")
            ]
            if one.empty:
                # No mean over classes is kept of this metric (specificity): take it here, without interval.
                value, low, high = found.loc[found["class"].isin(names), "estimate"].mean(), np.nan, np.nan
            else:
                value, low, high = one[["estimate", "lower", "upper"]].iloc[0]
            rows.append((protocol, learning, target, combination, metric, value, low, high))
    columns = ["protocol", "learning", "target", "input", "metric", "estimate", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


@drawing
def metric_heatmap(
    table: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS, *, style: Style = DEFAULT
) -> Figure:
    """Draw one heatmap: a row an input, a column a metric, a panel a task; every cell carries its number.

    Parameters
    ----------
    table : DataFrame
        Rows of `heatmap_table` of one protocol and kind of learning.
    labels : mapping of str to str
        Display names of symbols and tasks.
    style : Style

    Returns
    -------
    Figure

    Raises
    ------
    ReportError
        If there is no row.
    """
    need(table, ["target", "input", "metric", "estimate"], "heatmap")
    if table.empty:
        raise ReportError("There is no network to draw a heatmap of.")
    inputs = list(dict.fromkeys(table["input"]))
    targets = list(dict.fromkeys(table["target"]))
    names = ["+".join(labels.get(part, part) for part in one.split("+")) for one in inputs]
    left, cell, top = 12.0 + 1.35 * max(len(name) for name in names), 5.5, 14.0
    width = style.two_columns_mm
    height = min(top + cell * len(inputs) * (style.font_pt / 7.0) + 6.0, style.max_height_mm)
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # axes are placed by hand, in mm
    each = (width - left - 6.0) / len(targets)
    for number, target in enumerate(targets):
        axes = figure.add_axes(
            ((left + number * each) / width, 4.0 / height, (each - 5.0) / width, (height - top) / height)
        )
        grid = table[table["target"] == target].pivot(index="input", columns="metric", values="estimate")
        values = grid.reindex(index=inputs, columns=list(METRICS)).to_numpy(dtype=np.float64)
        axes.imshow(values, cmap=COLOURS, vmin=0.0, vmax=1.0, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else f"{value:.3f}"
            colour = "black" if np.isnan(value) or value > 0.55 else "white"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=style.small_pt)
        axes.set_xticks(range(len(METRICS)), [SHORT[metric] for metric in METRICS])
        axes.set_yticks(range(len(inputs)), names if number == 0 else [""] * len(inputs))
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_title(labels.get(target, target.capitalize()), pad=12.0)
    return figure
