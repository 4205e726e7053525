"""How far the risk of each call moves when the procedure learns from other callers of the same kind."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from voicerisk.figures.layout import legend, line_entry, panels, point_entry
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, series_style
from voicerisk.figures.wording import NO_LABELS, need


@drawing
def instability(
    table: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the prediction instability plot of Riley and Collins (2023), and the mean difference by risk.

    Parameters
    ----------
    table : DataFrame
        audit/instability.csv.
    labels : mapping of str to str
        Not used; every figure takes them.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        Left what models of bootstrapped callers say of each call, right their mean absolute difference.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import voicerisk
    >>> figure = instability(voicerisk.read_table("results", "audit/instability"))  # doctest: +SKIP
    """
    need(table, ["risk", "q025", "q975", "mape"], "instability")
    figure, (left, right) = panels(2, style, width_mm, panel_mm=60.0, ratio=0.9, extra_mm=8.0)
    drawn = series_style("nested", style)
    left.plot([0, 1], [0, 1], color="black", linewidth=style.thin_pt, linestyle="--")
    left.vlines(table["risk"], table["q025"], table["q975"], color=style.neutral, linewidth=style.thin_pt)
    left.plot(table["risk"], table["mean"], **drawn.point(style.marker_pt * 0.6))
    left.set_ylabel("risk by models of bootstrapped callers")
    left.set_ylim(-0.02, 1.02)
    right.plot(table["risk"], table["mape"], **drawn.point(style.marker_pt * 0.6))
    right.axhline(table["mape"].mean(), color=drawn.colour, linewidth=style.line_pt, linestyle=":")
    right.set_ylabel("mean absolute difference of risk")
    right.set_ylim(bottom=0)
    for panel in (left, right):
        panel.set_xlabel("risk by the model of all callers")
        panel.set_xlim(-0.02, 1.02)
    legend(
        figure,
        [
            point_entry(drawn, "a call (left: mean of the models)", style),
            line_entry(SeriesStyle(style.neutral, "-", ""), "95% of the models", style),
            line_entry(
                SeriesStyle(drawn.colour, ":", ""), f"mean of all calls, {table['mape'].mean():.2f}", style
            ),
        ],
    )
    return figure
