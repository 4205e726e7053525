"""Figures of an exact width in mm, panels in a grid, legends above them, and distribution rugs."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from voicerisk.errors import ReportError
from voicerisk.figures.style import MM_PER_INCH, SeriesStyle, Style


class ShownFigure(Figure):
    """A figure that a notebook shows by itself, without pyplot and without a magic."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._settings = {key: rcParams[key] for key in ("font.family", "font.sans-serif")}

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with rc_context(self._settings):  # type: ignore[arg-type]
            self.savefig(buffer, format="png", dpi=150)
        return buffer.getvalue()


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return an empty figure of this size whose parts are laid out so that nothing overlaps or is cut off."""
    if not 20 <= width_mm <= 2000:
        raise ReportError(f"width_mm is {width_mm}; a figure is between 20 and 2000 mm wide.")
    engine = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.03, hspace=0.04)
    return ShownFigure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), layout=engine)


def panels(
    n: int,
    style: Style,
    width_mm: float | None = None,
    *,
    columns: int | None = None,
    panel_mm: float = 42.0,
    ratio: float = 0.85,
    extra_mm: float = 8.0,
    **keywords: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `n` panels in a grid that is as full as can be.

    Parameters
    ----------
    n : int
        Number of panels, at least 1.
    style : Style
        Gives the default width (two columns for several panels, one for one) and the greatest height.
    width_mm : float, optional
        Width of the figure in mm.
    columns : int, optional
        Number of columns; by default as many as fit when a panel is `panel_mm` wide.
    panel_mm : float
        Narrowest panel in mm.
    ratio : float
        Height of a panel divided by its width.
    extra_mm : float
        Height for a legend or title, in mm.
    **keywords
        Passed to `Figure.subplots` (for example `sharey`).
    """
    if n < 1:
        raise ReportError("There is nothing to draw: no panel is left.")
    width = width_mm or (style.two_columns_mm if n > 1 else style.one_column_mm)
    if columns is None:
        columns = max(1, min(n, int(width // panel_mm)))
        columns = int(np.ceil(n / np.ceil(n / columns)))
    rows = int(np.ceil(n / columns))
    height = min(style.max_height_mm, rows * (width / columns * ratio + 4.0) + extra_mm)
    figure = new_figure(width, height)
    grid = figure.subplots(rows, columns, squeeze=False, **keywords)
    axes = list(grid.ravel())
    for spare in axes[n:]:
        spare.remove()
    return figure, axes[:n]


def legend(figure: Figure, entries: Sequence[tuple[Any, str]], columns: int | None = None) -> None:
    """Put one legend above all panels, in as few rows as its texts allow."""
    if not entries:
        return
    labels = [label for _, label in entries]
    if columns is None:
        size = rcParams["legend.fontsize"]
        room = figure.get_figwidth() * 72 - 4
        widths = [size * (0.62 * len(label) + rcParams["legend.handlelength"] + 2.4) for label in labels]
        for columns in range(len(labels), 0, -1):
            if sum(max(widths[start::columns]) for start in range(columns)) <= room:
                break
    figure.legend([handle for handle, _ in entries], labels, loc="outside upper left", ncols=columns)


def foot_note(figure: Figure, text: str, style: Style) -> None:
    """Write what a reader must know of a figure's intervals below it, at the left, in small grey letters."""
    size = style.small_pt
    room = int((figure.get_figwidth() * 72 - 6) / (size * 0.54))
    lines = "\n".join(textwrap.wrap(text, room))
    height = figure.get_figheight() + (lines.count("\n") + 1) * size * 1.35 / 72
    figure.set_figheight(height)
    figure.supxlabel(lines, x=0.004, ha="left", fontsize=size, color="#4d4d4d", linespacing=1.15)


def spread(wanted: ArrayLike, gap: float) -> NDArray[np.float64]:
    """Return places at least `gap` apart, in the order of the wanted ones and as near to them as can be.

    Least squares under the order: pool adjacent violators of `wanted - rank * gap`.

    Examples
    --------
    >>> spread([0.0, 0.0, 5.0], 1.0)
    array([-0.5,  0.5,  5. ])
    """
    values = np.asarray(wanted, dtype=float)
    order = np.argsort(values, kind="stable")
    blocks: list[tuple[float, int]] = []
    for rank, value in enumerate(values[order]):
        mean, count = value - rank * gap, 1
        while blocks and blocks[-1][0] >= mean:
            before, size = blocks.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    fitted = np.asarray(means, dtype=float) + gap * np.arange(len(values))
    places = np.empty(len(values))
    places[order] = fitted
    return places


def line_entry(series: SeriesStyle, label: str, style: Style, marker: bool = False) -> tuple[Line2D, str]:
    """Return a legend entry that shows the line of a series (and its marker)."""
    return (
        Line2D(
            [],
            [],
            color=series.colour,
            linestyle=series.line,
            linewidth=style.line_pt,
            marker=series.marker if marker else "",
            markersize=style.marker_pt * 0.9,
            markerfacecolor=series.colour if series.filled else "white",
        ),
        label,
    )


def point_entry(series: SeriesStyle, label: str, style: Style) -> tuple[Line2D, str]:
    """Return a legend entry that shows the marker of a series."""
    return Line2D([], [], **series.point(style.marker_pt)), label


def rug(axes: Axes, values: ArrayLike, colour: str, style: Style, *, row: int = 0, most: int = 200) -> None:
    """Draw a rug along the lower edge; beyond `most` values, that many quantiles stand for all of them.

    `row` stacks the rugs of several groups so that they do not hide one another.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if finite.size > most:
        finite = np.quantile(finite, np.linspace(0, 1, most))
    bottom = 0.012 + 0.04 * row
    axes.vlines(
        finite,
        bottom,
        bottom + 0.03,
        transform=axes.get_xaxis_transform(),
        color=colour,
        linewidth=style.thin_pt * 0.6,
        alpha=0.6,
        zorder=1,
    )


def letter(axes: Axes, index: int, style: Style) -> None:
    """Write the panel's letter (a, b, ..., z, aa, ab, ...) above its upper left corner."""
    rounds, place = divmod(index, 26)
    axes.annotate(
        (chr(ord("a") + rounds - 1) if rounds else "") + chr(ord("a") + place),
        (0, 1),
        xycoords="axes fraction",
        xytext=(-12, 6),
        textcoords="offset points",
        fontsize=style.title_pt + 0.5,
        fontweight="bold",
        va="bottom",
        ha="left",
        annotation_clip=False,
    )


def lettered(axes: Sequence[Axes], style: Style) -> None:
    """Write letters on panels where there are several."""
    for index, panel in enumerate(axes if len(axes) > 1 else ()):
        letter(panel, index, style)


def above(panel: Axes, lines: Sequence[tuple[str, str]], style: Style) -> None:
    """Write lines of text, each in its colour, above a panel's axes, where no data can lie."""
    height = 1.3 * style.small_pt
    panel.set_title(panel.get_title(loc="left"), loc="left", pad=3.5 + height * len(lines))
    for place, (text, colour) in enumerate(lines):
        panel.annotate(
            text,
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 1.5 + height * (len(lines) - 1 - place)),
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=style.small_pt,
            color=colour,
            annotation_clip=False,
        )


def unit_limits(axes: Axes, *, x: bool = True, y: bool = True) -> None:
    """Give axes of shares 0 to 1 with room for markers at the ends."""
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    names = ["0", "0.25", "0.5", "0.75", "1"]
    if x:
        axes.set_xlim(-0.03, 1.03)
        axes.set_xticks(ticks, names)
    if y:
        axes.set_ylim(-0.03, 1.03)
        axes.set_yticks(ticks, names)
