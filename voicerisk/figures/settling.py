"""How long a caller must speak: the risk after some seconds of speech beside that of the rest of the call."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from voicerisk.figures.layout import legend, line_entry, panels
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, series_style
from voicerisk.figures.wording import NO_LABELS, need


@drawing
def settling(
    table: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw how far risk and decision are from those of the rest of the call, against seconds of speech.

    Parameters
    ----------
    table : DataFrame
        settling.csv.
    labels : mapping of str to str
        Not used; every figure takes them.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        Left the difference of risks, right the share of calls decided as the rest of the call is.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import voicerisk
    >>> figure = settling(voicerisk.read_table("results", "settling"))  # doctest: +SKIP
    """
    need(table, ["seconds", "median_change", "q90_change", "within_call_sd", "same_decision"], "settling")
    figure, (left, right) = panels(2, style, width_mm, panel_mm=60.0, ratio=0.8, extra_mm=8.0)
    drawn = series_style("nested", style)
    spread = SeriesStyle(style.neutral, (0, (4, 1.6)), "s")
    seconds = table["seconds"]
    for column, dashes in (("median_change", "-"), ("q90_change", ":")):
        left.plot(
            seconds,
            table[column],
            color=drawn.colour,
            linestyle=dashes,
            linewidth=style.line_pt,
            marker="o",
            markersize=style.marker_pt * 0.6,
        )
    left.plot(
        seconds,
        table["within_call_sd"],
        color=spread.colour,
        linestyle=spread.line,
        linewidth=style.line_pt,
        marker="s",
        markersize=style.marker_pt * 0.6,
    )
    left.set_ylabel("difference of risk")
    left.set_ylim(bottom=0)
    right.plot(
        seconds,
        table["same_decision"],
        color=drawn.colour,
        linewidth=style.line_pt,
        marker="o",
        markersize=style.marker_pt * 0.6,
    )
    right.set_ylabel("share decided as the rest of the call")
    right.set_ylim(min(0.5, float(table["same_decision"].min()) - 0.02), 1.02)
    for panel in (left, right):
        panel.set_xscale("log")
        panel.set_xticks(seconds, [f"{value:g}" for value in seconds])
        panel.minorticks_off()
        panel.set_xlabel("seconds of the caller's speech")
    legend(
        figure,
        [
            line_entry(SeriesStyle(drawn.colour, "-", "o"), "from the rest of the call, median", style),
            line_entry(SeriesStyle(drawn.colour, ":", "o"), "from the rest, 9 calls in 10 below", style),
            line_entry(spread, "standard deviation of stretches in a call", style),
        ],
    )
    return figure
