"""Heatmaps of metrics by input and task (Figures 3 and 4 of the paper), and curves of the fullest input."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voicerisk.callers.schema import classes_of
from voicerisk.deep.multitask.results import METRICS
from voicerisk.deep.pictures import of_class, series_pictures
from voicerisk.errors import ReportError
from voicerisk.figures.layout import new_figure
from voicerisk.figures.style import DEFAULT, Style, drawing
from voicerisk.figures.wording import NO_LABELS, need
from voicerisk.study.output.figures import Picture
from voicerisk.validation.metrics.classes.one_against_rest import class_decision_curves, one_against_rest

SHORT = {
    "accuracy": "ACC", "sensitivity": "R", "ppv": "P", "specificity": "S", "f1": "F1", "auroc": "AUC",
}  # fmt: skip
PERCENTILE = "caller_bootstrap_percentile_given_scores"
COLOURS = "cividis"
CURVE_BOOTSTRAPS = 300


def heatmap_table(
    metrics: pd.DataFrame, fold_means: pd.DataFrame, classes: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Take the paper's six metrics of every network, pooled and as means of folds.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv, from pooled predictions.
    fold_means : DataFrame
        fold_means.csv.
    classes : mapping of str to sequence of str
        Of a task with two classes, numbers are those of the last; of more, unweighted means over classes.

    Returns
    -------
    DataFrame
        protocol, learning ('stl' | 'mtl'), target, input, metric, estimate, lower, upper, fold_mean.
    """
    need(metrics, ["protocol", "model", "target", "class", "metric", "estimate", "method"], "heatmap")
    own = metrics[metrics["model"].str.contains(":", regex=False) & (metrics["method"] == PERCENTILE)]
    own = own[(own["unit"] == "call") & (own["subgroup"] == "all")]
    keys = ["protocol", "model", "target", "metric"]
    mean_of = fold_means.set_index(keys)["mean"].to_dict()
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
            mean = mean_of.get((protocol, model, target, metric), np.nan)
            rows.append((protocol, learning, target, combination, metric, value, low, high, mean))
    columns = [
        "protocol", "learning", "target", "input", "metric", "estimate", "lower", "upper", "fold_mean",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


@drawing
def metric_heatmap(
    table: pd.DataFrame, labels: Mapping[str, str] = NO_LABELS, *, style: Style = DEFAULT
) -> Figure:
    """Draw one heatmap: a row an input, a column a metric, a panel a task; every cell carries its number.

    The pooled number stands above and gives the colour, the mean over folds below in brackets.

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
    need(table, ["target", "input", "metric", "estimate", "fold_mean"], "heatmap")
    if table.empty:
        raise ReportError("There is no network to draw a heatmap of.")
    inputs = list(dict.fromkeys(table["input"]))
    targets = list(dict.fromkeys(table["target"]))
    names = ["+".join(labels.get(part, part) for part in one.split("+")) for one in inputs]
    left, cell, top = 12.0 + 1.35 * max(len(name) for name in names), 8.5, 14.0
    width = style.two_columns_mm
    height = min(top + cell * len(inputs) * (style.font_pt / 7.0) + 6.0, style.max_height_mm)
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # axes are placed by hand, in mm
    each = (width - left - 6.0) / len(targets)
    for number, target in enumerate(targets):
        axes = figure.add_axes(
            ((left + number * each) / width, 4.0 / height, (each - 5.0) / width, (height - top) / height)
        )
        values, means = (_grid(table[table["target"] == target], one) for one in ("estimate", "fold_mean"))
        axes.imshow(values, cmap=COLOURS, vmin=0.0, vmax=1.0, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            text = "\n".join([_cell(value), f"({_cell(float(means[row, column]))})"])
            colour = "black" if np.isnan(value) or value > 0.48 else "white"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=style.small_pt)
        axes.set_xticks(range(len(METRICS)), [SHORT[metric] for metric in METRICS])
        axes.set_yticks(range(len(inputs)), names if number == 0 else [""] * len(inputs))
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_title(labels.get(target, target.capitalize()), pad=12.0)
    return figure


def _grid(table: pd.DataFrame, values: str) -> np.ndarray:
    grid = table.pivot(index="input", columns="metric", values=values)
    return grid.reindex(index=table["input"].unique(), columns=list(METRICS)).to_numpy(dtype=np.float64)


def _cell(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def fullest(combinations: Sequence[str]) -> str:
    """Return the first of the inputs with most modalities: a choice that no result has a say in.

    Examples
    --------
    >>> fullest(["W", "E", "W+E", "H+E"])
    'W+E'
    """
    return max(combinations, key=lambda one: one.count("+"))


def curve_pictures(
    predictions: Mapping[str, pd.DataFrame], metrics: pd.DataFrame, combination: str, seed: int
) -> Iterator[Picture]:
    """Yield ROC, precision-recall, calibration and decision curves of every class but the first of a task.

    Parameters
    ----------
    predictions : mapping of str to DataFrame
        Task -> predictions table.
    metrics : DataFrame
        metrics.csv.
    combination : str
        The input whose networks are drawn, beside demographics alone.
    seed : int
    """
    names = {f"stl:{combination}": "Single-task", f"mtl:{combination}": "Multitask"}
    names["demographics"] = "Demographics alone"
    order = {name: number for number, name in enumerate(names.values())}
    for task, table in predictions.items():
        shown = table[table["model"].isin(names)]
        for protocol, own in shown.groupby("protocol", sort=False):
            for number, label in enumerate(classes_of(table)[1:], start=1):
                rows = metrics[(metrics["protocol"] == protocol) & (metrics["target"] == task)]
                rows = rows[(rows["class"] == label) & rows["model"].isin(names)]
                binary = one_against_rest(own, label)
                # A class may be called what no file can be.
                place = label if re.fullmatch(r"[\w-]+", label) else f"class{number}"
                suffix = f"{protocol}_{task}_{place}"
                yield from series_pictures(
                    binary.assign(protocol=binary["model"].map(names)),
                    rows.assign(protocol=rows["model"].map(names)),
                    suffix,
                )
                curve = class_decision_curves(own, label, n_boot=CURVE_BOOTSTRAPS, seed=seed)
                curve = curve.assign(protocol=curve["model"].map(names))
                # Curves come in the order of their models' names; other figures have networks first.
                curve = curve.sort_values("protocol", key=lambda one: one.map(order), kind="stable")
                yield Picture(f"decision_curves--{suffix}", of_class(curve, label))
