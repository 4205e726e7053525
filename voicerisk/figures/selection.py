"""How often each marker was chosen over folds: the count as a table, and the drawing of it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voicerisk.errors import ReportError
from voicerisk.figures.layout import legend, lettered, new_figure, point_entry
from voicerisk.figures.style import DEFAULT, Style, drawing, series_style
from voicerisk.figures.wording import NO_LABELS, as_text, name_of, need, ordered


def selection_table(
    chosen: Iterable[Sequence[str]], markers: Sequence[str], protocol: str = "", stage: str = "screening"
) -> pd.DataFrame:
    """Count how often each marker was chosen.

    Parameters
    ----------
    chosen : iterable of sequence of str
        The markers chosen in each fold; empty sets count as folds.
    markers : sequence of str
        All candidates, so that the ones never chosen have a row.
    protocol, stage : str
        Written into the table.

    Returns
    -------
    DataFrame
        Columns protocol, stage, marker, n_selected, n_folds, frequency.

    Examples
    --------
    >>> selection_table([["x1", "x2"], ["x1"], []], ["x1", "x2", "x3"])["frequency"].round(2).tolist()
    [0.67, 0.33, 0.0]
    """
    sets = [set(one) for one in chosen]
    if not sets:
        raise ReportError("selection table: there is no fold to count.")
    strange = sorted(set().union(*sets) - set(markers))
    if strange:
        raise ReportError(f"selection table: {strange[0]} was chosen but is not among the candidates.")
    counts = [sum(marker in one for one in sets) for marker in markers]
    return pd.DataFrame(
        {
            "protocol": protocol,
            "stage": stage,
            "marker": list(markers),
            "n_selected": counts,
            "n_folds": len(sets),
            "frequency": [count / len(sets) for count in counts],
        }
    )


@drawing
def selection_frequencies(
    table: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw how often each marker was chosen over the folds, most often first.

    Parameters
    ----------
    table : DataFrame
        What `selection_table` returns; several stages or protocols may be stacked.
    labels : mapping of str to str
        Marker to label.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a stage; within it one series a protocol.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> table = selection_table([["x1", "x2"], ["x1"], []], ["x1", "x2", "x3"], "nested")
    >>> table["frequency"].round(2).tolist()
    [0.67, 0.33, 0.0]
    >>> len(selection_frequencies(table).axes)
    1
    """
    need(table, ["marker", "frequency"], "selection frequencies")
    rows = table.assign(
        stage=table["stage"].astype(str) if "stage" in table else "",
        protocol=table["protocol"].astype(str) if "protocol" in table else "",
    )
    order = rows.groupby("marker", sort=False)["frequency"].mean().sort_values(kind="stable").index
    stages, protocols = ordered(rows["stage"]), ordered(rows["protocol"])
    width = width_mm or (style.one_column_mm if len(stages) == 1 else style.two_columns_mm)
    line = style.small_pt * 1.75 / 72 * 25.4
    figure = new_figure(width, 20.0 + len(order) * line)
    axes = list(figure.subplots(1, len(stages), sharey=True, squeeze=False)[0])
    y = {marker: position for position, marker in enumerate(order)}
    for panel, stage in zip(axes, stages, strict=True):
        for position, protocol in enumerate(protocols):
            mine = rows[(rows["stage"] == stage) & (rows["protocol"] == protocol)]
            series = series_style(protocol or "all", style, position)
            offset = 0.0 if len(protocols) == 1 else 0.16 - 0.32 * position / (len(protocols) - 1)
            at = np.array([y[marker] for marker in mine["marker"]]) + offset
            panel.hlines(at, 0, mine["frequency"], color=series.colour, linewidth=style.thin_pt, alpha=0.6)
            panel.plot(
                mine["frequency"],
                at,
                clip_on=False,
                zorder=3,
                label=protocol or "share",
                **series.point(style.marker_pt * 0.9),
            )
        panel.set_xlim(0, 1.0)
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100"])
        panel.set_xlabel("chosen in % of folds")
        panel.set_ylim(-0.6, len(order) - 0.4)
        panel.grid(axis="x", color=style.neutral, alpha=0.25, linewidth=style.thin_pt * 0.6)
        panel.set_axisbelow(True)
        if stage:
            panel.set_title(as_text(stage))
    axes[0].set_yticks(range(len(order)), [name_of(marker, labels, 34) for marker in order])
    lettered(axes, style)
    if len(protocols) > 1:
        legend(
            figure,
            [
                point_entry(series_style(name, style, i), as_text(name), style)
                for i, name in enumerate(protocols)
            ],
        )
    return figure
