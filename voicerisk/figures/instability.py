"""How far the risk of each call moves when the procedure learns from other callers of the same kind."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voicerisk.figures.layout import legend, line_entry, panels, point_entry
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, series_style
from voicerisk.figures.wording import NO_LABELS, need


@drawing
def instability(
    table: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    calibration: pd.DataFrame | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the instability plots of Riley and Collins (2023): prediction, MAPE, classification, calibration.

    Parameters
    ----------
    table : DataFrame
        audit/instability.csv.
    labels : mapping of str to str
        Not used; every figure takes them.
    calibration : DataFrame, optional
        audit/calibration_instability.csv; without it there is no panel of calibration.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        What models of bootstrapped callers say of each call, their mean absolute difference, the share of
        them that decide otherwise, and their calibration curves.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import voicerisk
    >>> figure = instability(voicerisk.read_table("results", "audit/instability"))  # doctest: +SKIP
    """
    need(table, ["risk", "q025", "q975", "mape", "decided_otherwise"], "instability")
    known = calibration is not None and len(calibration) > 0
    figure, axes = panels(3 + known, style, width_mm, columns=2, panel_mm=60.0, ratio=0.9, extra_mm=8.0)
    drawn = series_style("nested", style)
    first, second, third = axes[:3]
    first.plot([0, 1], [0, 1], color="black", linewidth=style.thin_pt, linestyle="--")
    first.vlines(table["risk"], table["q025"], table["q975"], color=style.neutral, linewidth=style.thin_pt)
    first.plot(table["risk"], table["mean"], **drawn.point(style.marker_pt * 0.6))
    first.set_ylabel("risk by models of bootstrapped callers")
    first.set_ylim(-0.02, 1.02)
    second.plot(table["risk"], table["mape"], **drawn.point(style.marker_pt * 0.6))
    second.axhline(table["mape"].mean(), color=drawn.colour, linewidth=style.line_pt, linestyle=":")
    second.set_ylabel("mean absolute difference of risk")
    second.set_ylim(bottom=0)
    third.plot(table["risk"], table["decided_otherwise"], **drawn.point(style.marker_pt * 0.6))
    third.set_ylabel("share of models that decide otherwise")
    third.set_ylim(-0.02, 1.02)
    for panel in axes:
        panel.set_xlabel("risk by the model of all callers")
        panel.set_xlim(-0.02, 1.02)
    if calibration is not None and known:
        _calibration(axes[3], calibration, drawn, style)
    entries = [
        point_entry(drawn, "a call (first panel: mean of the models)", style),
        line_entry(SeriesStyle(style.neutral, "-", ""), "95% of the models, or each (calibration)", style),
        line_entry(
            SeriesStyle(drawn.colour, ":", ""), f"mean of all calls, {table['mape'].mean():.2f}", style
        ),
    ]
    if known:
        entries.append(line_entry(SeriesStyle(drawn.colour, "-", ""), "model of all callers", style))
    legend(figure, entries)
    return figure


def _calibration(panel: Axes, curves: pd.DataFrame, drawn: SeriesStyle, style: Style) -> None:
    """Draw the calibration curve of each model, that of all callers above the others."""
    need(curves, ["refit", "p", "observed"], "calibration instability")
    panel.plot([0, 1], [0, 1], color="black", linewidth=style.thin_pt, linestyle="--")
    for number, rows in curves.groupby("refit"):
        whole = number == 0
        panel.plot(
            rows["p"],
            rows["observed"],
            color=drawn.colour if whole else style.neutral,
            linewidth=style.line_pt if whole else style.thin_pt,
            alpha=1.0 if whole else 0.4,
            zorder=3 if whole else 1,
        )
    panel.set_xlabel("risk by each model")
    panel.set_ylabel("share with the outcome")
    panel.set_ylim(-0.02, 1.02)
