"""Does it work for everyone: a forest plot over subgroups of callers."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voicerisk.errors import ReportError
from voicerisk.figures.layout import foot_note, legend, new_figure, point_entry
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, ink, series_style
from voicerisk.figures.wording import (
    NO_LABELS,
    PERCENTILE,
    PROTOCOLS,
    as_text,
    given_scores,
    in_figure,
    inside,
    metric_name,
    need,
    one_interval,
    ordered,
)

SHOWN = ("auroc", "sensitivity", "specificity")
NEEDED = (
    "protocol", "design", "unit", "subgroup", "metric", "estimate", "lower", "upper", "n", "n_events",
    "n_callers",
)  # fmt: skip


def _row(panel: Axes, row: Mapping[Hashable, Any], y: float, drawn: SeriesStyle, style: Style) -> None:
    """Draw one estimate with its interval, and its number beside the panel."""
    text = inside(row["estimate"])
    if pd.isna(row["estimate"]):
        text = "not estimable"
    else:
        panel.plot([row["lower"], row["upper"]], [y, y], color=drawn.colour, linewidth=style.line_pt)
        panel.plot([row["estimate"]], [y], zorder=3, clip_on=False, **drawn.point(style.marker_pt))
    panel.annotate(
        text,
        (1.05, y),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=style.small_pt,
        color=ink(drawn.colour),
        annotation_clip=False,
    )


@drawing
def subgroup_forest(
    metrics: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    shown: Sequence[str] = SHOWN,
    unit: str = "call",
    design: str = "loco",
    method: str = PERCENTILE,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw metrics with intervals for all callers and for each subgroup.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv with rows of subgroups ('column=value').
    labels : mapping of str to str
        Display names of subgroups ('sex=female') and metrics.
    shown : sequence of str
        Metrics, one panel each.
    unit, design, method : str
        Which rows to show; a table of one design only (another study) shows that one.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One row a subgroup, with its calls, events and callers; a metric that cannot be estimated says so.

    Raises
    ------
    ReportError
        If columns are missing, or there is no subgroup.

    Examples
    --------
    >>> import voicerisk
    >>> from voicerisk.validation import ValidationSettings
    >>> table = voicerisk.load_example("predictions")
    >>> metrics = voicerisk.compute_metrics(table, ValidationSettings(), n_boot=50, subgroups=["sex"])
    >>> figure = subgroup_forest(metrics)
    >>> len(figure.axes)
    3
    """
    need(metrics, NEEDED, "subgroup forest")
    table = one_interval(metrics, method)
    if table["design"].nunique() == 1:
        design = str(table["design"].iloc[0])
    table = table[(table["unit"] == unit) & (table["design"] == design) & table["metric"].isin(list(shown))]
    table = table.assign(subgroup=table["subgroup"].fillna("all").astype(str).replace("", "all"))
    groups = ordered(table["subgroup"])
    if len(groups) < 2:
        raise ReportError(
            f"subgroup forest: the metrics table has no subgroup for unit {unit}, design {design}."
        )
    groups = ["all", *[group for group in groups if group != "all"]]
    protocols = sorted(ordered(table["protocol"]), key=lambda name: (name != "published", name))
    names = [metric for metric in shown if (table["metric"] == metric).any()]
    line = style.small_pt * (1.4 * len(protocols) + 0.9) / 72 * 25.4
    figure = new_figure(width_mm or style.two_columns_mm, 22.0 + line * len(groups))
    axes = list(figure.subplots(1, len(names), sharey=True, squeeze=False)[0])
    for panel, metric in zip(axes, names, strict=True):
        for position, protocol in enumerate(protocols):
            drawn = series_style(protocol, style, position)
            offset = 0.0 if len(protocols) == 1 else 0.2 - 0.4 * position / (len(protocols) - 1)
            rows = table[(table["metric"] == metric) & (table["protocol"].astype(str) == protocol)]
            for row in rows.to_dict("records"):
                _row(panel, row, -groups.index(row["subgroup"]) + offset, drawn, style)
        if metric == "auroc":
            panel.axvline(0.5, color=style.neutral, linewidth=style.thin_pt, linestyle=(0, (3, 2)), zorder=0)
        panel.set_xlim(-0.02, 1.05)
        panel.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        panel.set_title(labels.get(metric, metric_name(metric)), fontsize=style.font_pt)
        panel.axhline(-0.5, color=style.neutral, linewidth=style.thin_pt)
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
    axes[0].set_yticks(
        [-i for i in range(len(groups))], [_row_name(group, table, labels) for group in groups]
    )
    axes[0].set_ylim(-len(groups) + 0.4, 0.6)
    legend(
        figure,
        [
            point_entry(
                series_style(name, style, i), labels.get(name, PROTOCOLS.get(name, as_text(name))), style
            )
            for i, name in enumerate(protocols)
        ],
    )
    if given_scores(table):
        foot_note(figure, in_figure(given_scores(table)), style)
    return figure


def _row_name(group: str, table: pd.DataFrame, labels: Mapping[str, str]) -> str:
    row = table[table["subgroup"] == group].iloc[0]
    column, _, value = group.partition("=")
    name = labels.get(group, f"{column}: {value}" if value else "all callers")
    counts = f"{int(row['n'])} calls, {int(row['n_events'])} positive, {int(row['n_callers'])} callers"
    return f"{as_text(name, 30)}\n{counts}"
