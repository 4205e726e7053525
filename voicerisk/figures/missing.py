"""Where values are missing: by marker, and by outcome, sex and service."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voicerisk.figures.layout import foot_note, lettered, new_figure, point_entry
from voicerisk.figures.style import DEFAULT, POINTS_PER_MM, Style, drawing, series_style
from voicerisk.figures.wording import NO_LABELS, as_text, name_of, need, ordered

NARROWEST_MM = 32.0  # of a panel, at 6 points


def missing_table(
    table: pd.DataFrame, markers: Sequence[str], groups: Sequence[str] = ("outcome", "sex")
) -> pd.DataFrame:
    """Count missing values of each marker, in all rows and by the levels of each group column.

    Parameters
    ----------
    table : DataFrame
        Frames (or segments) with one column a marker and the group columns.
    markers : sequence of str
        Marker columns.
    groups : sequence of str
        Columns to split by; a group without values ('' or missing) is a level of its own, 'not stated'.

    Returns
    -------
    DataFrame
        Columns marker, group ('all' or the column's name), level_name, n, n_missing, share (0..1).

    Examples
    --------
    >>> from voicerisk import load_example
    >>> table = load_example()
    >>> counted = missing_table(table.assign(x1=table["x1"].where(table["x1"] < 1)), ["x1"], ["sex"])
    >>> dict(zip(counted["level_name"], counted["n_missing"]))
    {'all': 74, 'female': 44, 'male': 30}
    """
    need(table, [*markers, *groups], "missing values")
    splits = [("all", pd.Series("all", index=table.index))]
    for group in groups:
        names = table[group].astype("string").fillna("").replace("", "not stated")
        splits.append((group, names))
    parts = []
    for group, levels in splits:
        gone = table[list(markers)].isna().groupby(levels, sort=True)
        count, total = gone.sum(), gone.size()
        for level in total.index:
            parts.append(
                pd.DataFrame(
                    {
                        "marker": list(markers),
                        "group": group,
                        "level_name": str(level),
                        "n": int(total[level]),
                        "n_missing": count.loc[level].to_numpy(int),
                    }
                )
            )
    result = pd.concat(parts, ignore_index=True)
    return result.assign(share=result["n_missing"] / result["n"])


@drawing
def missing_values(
    table: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the share of missing values of each marker that has any, one panel a grouping.

    Parameters
    ----------
    table : DataFrame
        What `missing_table` returns.
    labels : mapping of str to str
        Marker to label; also display names of groups.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a group.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> table = load_example()
    >>> counted = missing_table(table.assign(x1=table["x1"].where(table["x1"] < 1)), ["x1"], ["sex"])
    >>> len(missing_values(counted).axes)
    2
    """
    need(table, ["marker", "group", "level_name", "share"], "missing values")
    groups = ordered(table["group"])
    complete = table.groupby("marker", sort=False)["share"].max() == 0.0
    n_markers, n_complete = len(complete), int(complete.sum())
    if n_complete < n_markers:
        table = table[~table["marker"].map(complete)]
    order = table[table["group"] == groups[0]].groupby("marker", sort=False)["share"].mean()
    markers = list(order.sort_values(kind="stable").index)
    y = {marker: position for position, marker in enumerate(markers)}
    line = style.small_pt * 1.75 / 72 * 25.4
    legend_lines = max(table[table["group"] == group]["level_name"].nunique() for group in groups)
    width = width_mm or style.two_columns_mm
    names = [name_of(marker, labels, 34) for marker in markers]
    room = width - max(map(len, names)) * style.small_pt * 0.55 / POINTS_PER_MM - 4.0
    columns = int(np.clip(room // (NARROWEST_MM * style.small_pt / 6), 1, len(groups)))
    rows_of = -(-len(groups) // columns)
    figure = new_figure(width, rows_of * (20.0 + len(markers) * line + legend_lines * 3.4))
    grid = figure.subplots(rows_of, columns, sharey=True, sharex=True, squeeze=False)
    axes = list(grid.ravel())
    for spare in axes[len(groups) :]:
        spare.remove()
    axes = axes[: len(groups)]
    for panel, group in zip(axes, groups, strict=True):
        rows = table[table["group"].astype(str) == group]
        levels = ordered(rows["level_name"])
        entries = []
        for position, level in enumerate(levels):
            mine = rows[rows["level_name"].astype(str) == level]
            drawn = series_style(level.removeprefix("outcome "), style, position)
            offset = 0.0 if len(levels) == 1 else 0.2 - 0.4 * position / (len(levels) - 1)
            at = np.array([y[marker] for marker in mine["marker"]]) + offset
            n = f" (n = {int(mine['n'].iloc[0]):,})".replace(",", "\u2009") if "n" in mine else ""
            name = f"{group} {level}" if level in ("0", "1") else level
            panel.plot(
                100 * mine["share"],
                at,
                clip_on=False,
                **drawn.point(style.marker_pt * 0.9),
            )
            entries.append(point_entry(drawn, as_text(name) + n, style))
        panel.grid(color=style.neutral, alpha=0.25, linewidth=style.thin_pt * 0.6)
        panel.set_axisbelow(True)
        panel.set_xlabel("missing (%)")
        panel.tick_params(labelbottom=True)
        # Named one by one: matplotlib leaves out names that begin with an underscore.
        panel.legend(
            [handle for handle, _ in entries],
            [name for _, name in entries],
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            fontsize=style.small_pt,
            handlelength=1.0,
        )
    top = 100 * float(table["share"].max())
    axes[0].set_xlim(-0.03 * max(top, 1), 1.08 * max(top, 1))
    axes[0].set_yticks(range(len(markers)), names)
    axes[0].set_ylim(-0.6, len(markers) - 0.4)
    lettered(axes, style)
    if n_complete == n_markers:
        foot_note(figure, "No marker has a missing value.", style)
    elif n_complete:
        foot_note(figure, f"The other {n_complete} of {n_markers} markers have no missing value.", style)
    return figure
