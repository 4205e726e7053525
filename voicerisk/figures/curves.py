"""What each marker does: curves by sex, their differences, and partial effects of the boosted model."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from voicerisk.errors import ReportError
from voicerisk.figures.layout import legend, line_entry, panels, rug
from voicerisk.figures.style import DEFAULT, Style, drawing, look
from voicerisk.figures.text import name_of, need, ordered, plain

Scales = Literal["shared", "free"]
NO_LABELS: Mapping[str, str] = {}
SEX_NAMES = {"female": "women", "male": "men", "all": "all callers"}


@drawing
def gamm_curves(
    curves: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    observed: pd.DataFrame | None = None,
    scales: Scales = "shared",
    columns: int | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw one panel a marker with the curves of women and men overlaid (the paper's Figure 1).

    The darker band is pointwise, the lighter one simultaneous (it covers the whole curve at the stated
    level).

    Parameters
    ----------
    curves : DataFrame
        Columns marker, sex, x (in the marker's unit), estimate, lower, upper, and where there are some
        lower_simultaneous, upper_simultaneous, level, scale. Estimates are on the scale of `scale`
        (log-odds).
    labels : mapping of str to str
        Marker to label with unit.
    observed : DataFrame, optional
        Rug: columns marker, sex, x, the observed values.
    scales : {'shared', 'free'}
        Whether all panels have the same vertical axis, so that strengths can be compared. Simultaneous bands
        may then run out of the panel; estimates and pointwise bands never do.
    columns : int, optional
        Panels in a row.
    width_mm : float, optional
        Width in mm (default: two columns when there are more than two markers).
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a marker, in the order of the table.

    Raises
    ------
    ReportError
        If columns are missing, the table is empty or no estimate is finite.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> x = np.linspace(0, 1, 20)
    >>> table = pd.DataFrame({"marker": "entropy", "sex": "female", "x": x, "estimate": x,
    ...                       "lower": x - .2, "upper": x + .2})
    >>> figure = gamm_curves(table, {"entropy": "Entropy"})
    >>> figure.axes[0].get_xlabel()
    'Entropy'
    """
    need(curves, ["marker", "sex", "x", "estimate", "lower", "upper"], "GAMM curves")
    level = _level(curves)
    scale = str(curves["scale"].iloc[0]) if "scale" in curves else "log-odds"
    return _small_multiples(
        curves,
        labels,
        observed,
        scales,
        columns,
        width_mm,
        style,
        f"effect on risk ({scale})",
        level,
        zero=True,
    )


@drawing
def partial_effects(
    effects: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    observed: pd.DataFrame | None = None,
    scales: Scales = "shared",
    columns: int | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the boosted model's partial effects, one panel a marker, women and men overlaid.

    Parameters
    ----------
    effects : DataFrame
        Columns marker, sex, x, estimate (log-odds, centred over the rows where the marker is available); with
        a column `fold` every fold is drawn as a thin line and their mean as a thick one; with lower and
        upper, a band.
    labels, observed, scales, columns, width_mm, style
        As in `gamm_curves`.

    Returns
    -------
    Figure
        One panel a marker.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.
    """
    need(effects, ["marker", "sex", "x", "estimate"], "partial effects")
    return _small_multiples(
        effects,
        labels,
        observed,
        scales,
        columns,
        width_mm,
        style,
        "contribution (log-odds)",
        _level(effects),
        True,
    )


@drawing
def difference_curves(
    differences: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    observed: pd.DataFrame | None = None,
    scales: Scales = "shared",
    columns: int | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the difference of two curves (women minus men) a marker; stretches whose band leaves 0 are shaded.

    Parameters
    ----------
    differences : DataFrame
        Columns marker, x, estimate, lower, upper (and lower_simultaneous, upper_simultaneous where known,
        which then decide the shading), optionally `contrast` (the text of the legend) and level.
    labels, observed, scales, columns, width_mm, style
        As in `gamm_curves`; `observed` needs no sex.

    Returns
    -------
    Figure
        One panel a marker.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.
    """
    need(differences, ["marker", "x", "estimate", "lower", "upper"], "difference curves")
    contrast = str(differences["contrast"].iloc[0]) if "contrast" in differences else "women minus men"
    table = differences.assign(sex=contrast)
    figure = _small_multiples(
        table,
        labels,
        observed,
        scales,
        columns,
        width_mm,
        style,
        "difference (log-odds)",
        _level(table),
        True,
    )
    wide = "lower_simultaneous" in table
    for axes, marker in zip(figure.axes, ordered(table["marker"]), strict=True):
        rows = table[table["marker"].astype(str) == marker].sort_values("x")
        lower = rows["lower_simultaneous" if wide else "lower"].to_numpy(float)
        upper = rows["upper_simultaneous" if wide else "upper"].to_numpy(float)
        axes.fill_between(
            rows["x"].to_numpy(float),
            0,
            1,
            where=(lower > 0) | (upper < 0),
            transform=axes.get_xaxis_transform(),
            color=style.neutral,
            alpha=0.18,
            linewidth=0,
            zorder=0,
        )
    return figure


def _level(table: pd.DataFrame) -> float | None:
    if "level" not in table or table["level"].dropna().empty:
        return None
    return float(table["level"].dropna().iloc[0])


def _small_multiples(
    table: pd.DataFrame,
    labels: Mapping[str, str],
    observed: pd.DataFrame | None,
    scales: Scales,
    columns: int | None,
    width_mm: float | None,
    style: Style,
    y_label: str,
    level: float | None,
    zero: bool,
) -> Figure:
    if scales not in ("shared", "free"):
        raise ReportError(f"scales is {scales!r}; choose 'shared' or 'free'.")
    if not np.isfinite(table["estimate"].to_numpy(float)).any():
        raise ReportError("curves: no estimate is finite, so there is nothing to draw.")
    markers = ordered(table["marker"])
    sexes = ordered(table["sex"])
    figure, axes = panels(
        len(markers), style, width_mm, columns=columns, ratio=0.78, sharey=(scales == "shared"), extra_mm=12.0
    )
    for panel, marker in zip(axes, markers, strict=True):
        rows = table[table["marker"].astype(str) == marker]
        if zero:
            panel.axhline(0, color=style.neutral, linewidth=style.thin_pt, zorder=0)
        for position, sex in enumerate(sexes):
            _curve(panel, rows[rows["sex"].astype(str) == sex], sex, position, style)
            if observed is not None:
                mine = observed[observed["marker"].astype(str) == marker]
                if "sex" in observed and len(sexes) > 1:
                    mine = mine[mine["sex"].astype(str) == sex]
                if position == 0 or len(sexes) > 1:
                    rug(panel, mine["x"], look(sex, style, position).colour, style, row=position)
        panel.set_xlabel(_fold_label(name_of(marker, labels)))
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.yaxis.set_major_locator(MaxNLocator(5))
    if scales == "shared":
        axes[0].set_ylim(_limits(table))
    else:
        for panel, marker in zip(axes, markers, strict=True):
            panel.set_ylim(_limits(table[table["marker"].astype(str) == marker]))
    figure.supylabel(y_label, fontsize=style.font_pt)
    entries = [
        line_entry(look(sex, style, position), plain(SEX_NAMES.get(sex, sex)), style)
        for position, sex in enumerate(sexes)
    ]
    legend(figure, entries + _band_entries(table, level, style))
    return figure


def _curve(panel: Axes, rows: pd.DataFrame, sex: str, position: int, style: Style) -> None:
    if rows.empty:
        return
    series = look(sex, style, position)
    if "fold" in rows:
        for _, fold in rows.groupby("fold", sort=False):
            one = fold.sort_values("x")
            panel.plot(
                one["x"], one["estimate"], color=series.colour, linewidth=style.thin_pt * 0.7, alpha=0.35
            )
        rows = rows.groupby("x")["estimate"].mean().reset_index()
    rows = rows.sort_values("x")
    x = rows["x"].to_numpy(float)
    bands = [("lower_simultaneous", "upper_simultaneous", 0.5), ("lower", "upper", 1.0)]
    for low, high, strength in bands:
        if low in rows and rows[low].notna().any():
            panel.fill_between(
                x,
                rows[low].to_numpy(float),
                rows[high].to_numpy(float),
                color=series.colour,
                alpha=style.band_alpha * strength,
                linewidth=0,
                zorder=1,
            )
    panel.plot(
        x,
        rows["estimate"].to_numpy(float),
        color=series.colour,
        linestyle=series.line,
        linewidth=style.line_pt,
        zorder=3,
        label=SEX_NAMES.get(sex, sex),
    )


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return limits that hold every estimate and pointwise band, with room below for the rug."""
    columns = [column for column in ("estimate", "lower", "upper") if column in table]
    values = table[columns].to_numpy(float)
    values = values[np.isfinite(values)]
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    span = (high - low) or 1.0
    return low - 0.14 * span, high + 0.06 * span


def _band_entries(table: pd.DataFrame, level: float | None, style: Style) -> list[tuple[object, str]]:
    from matplotlib.patches import Patch

    percent = f"{100 * level:g}\u2009%" if level is not None else ""
    entries: list[tuple[object, str]] = []
    for column, name, strength in (("lower", "pointwise", 1.0), ("lower_simultaneous", "simultaneous", 0.5)):
        if column in table and table[column].notna().any():
            patch = Patch(facecolor="black", alpha=style.band_alpha * strength, linewidth=0)
            entries.append((patch, f"{percent} {name} band".strip()))
    return entries


def _fold_label(label: str, longest: int = 26) -> str:
    """Break a long axis label once, at the space nearest its middle or before the unit."""
    if len(label) <= longest or " " not in label:
        return label
    spaces = [index for index, character in enumerate(label) if character == " "]
    unit = label.rfind(" (")
    cut = unit if 0 < unit <= longest else min(spaces, key=lambda index: abs(index - len(label) / 2))
    return label[:cut] + "\n" + label[cut + 1 :]
