"""What each marker does: curves by level of a moderator, their differences, effects of the boosted model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from voicerisk.errors import ReportError
from voicerisk.figures.layout import above, foot_note, legend, letter, line_entry, panels, rug
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, ink, series_style, series_styles
from voicerisk.figures.wording import NO_LABELS, as_text, name_of, need, number, ordered, p_value

Scales = Literal["shared", "free"]
CONTRASTS = {"male - female": "men minus women", "female - male": "women minus men"}
LARGE = 1e5  # from here on numbers of an axis are written in thousands or millions
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SEX_NAMES = {"female": "women", "male": "men", "all": "all callers"}


@drawing
def gamm_curves(
    curves: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    observed: pd.DataFrame | None = None,
    smooths: pd.DataFrame | None = None,
    scales: Scales = "shared",
    odds_ratios: bool = False,
    columns: int | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw one panel a marker with the curves of women and men, or of any levels, overlaid (Figure 1).

    The darker band is pointwise, the lighter one simultaneous (it covers the whole curve at the stated
    level). Above the curves stand EDF and P of each level.

    Parameters
    ----------
    curves : DataFrame
        Columns marker, sex, x (in the marker's unit), estimate, lower, upper, and where there are some
        lower_simultaneous, upper_simultaneous, level, scale. Estimates are on the scale of `scale`
        (log-odds). A constant column note is printed below.
    labels : mapping of str to str
        Marker to label with unit.
    observed : DataFrame, optional
        Rug: columns marker, sex, x, the observed values.
    smooths : DataFrame, optional
        Columns marker, sex, edf, p_value, and p_selective where there is one, which is then written. Where
        there is no P, EDF stands alone; a P that the same outcomes selected is called naive. Columns
        p_selective_holm and p_holm give the P that is adjusted for all tests, written beside it.
    scales : {'shared', 'free'}
        Whether all panels have the same vertical axis, so that strengths can be compared. It holds every
        estimate, and the pointwise bands over the middle 98% of the observed values (without `observed`, all
        of them); where hardly anyone was observed, bands may run out of the panel.
    odds_ratios : bool
        Whether the vertical axis is labelled in odds ratios, on a log scale, instead of log-odds.
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
    scale = str(curves["scale"].iloc[0]) if "scale" in curves else "log-odds"
    figure = _small_multiples(
        curves, labels, observed, _Page(scales, columns, width_mm, style), f"effect on risk ({scale})"
    )
    if smooths is not None:
        need(smooths, ["marker", "sex", "edf", "p_value"], "GAMM curves, smooths")
        for panel, marker in zip(figure.axes, ordered(curves["marker"]), strict=True):
            _tests(panel, smooths[smooths["marker"].astype(str) == marker], ordered(curves["sex"]), style)
    if odds_ratios:
        if scale != "log-odds":
            raise ReportError(f"GAMM curves: odds ratios need curves in log-odds; these are in {scale}.")
        _as_odds_ratios(figure, style)
    _note(figure, curves, style)
    return figure


def _as_odds_ratios(figure: Figure, style: Style) -> None:
    """Label log-odds by their odds ratios: a tick at 0 reads 1."""
    steps = np.r_[[10.0**power * one for power in range(-6, 7) for one in (1, 2, 5)]]
    for panel in figure.axes:
        low, high = panel.get_ylim()
        chosen = steps[(np.log(steps) >= low) & (np.log(steps) <= high)]
        if len(chosen) > 6:  # powers of ten alone, and every second of these, as long as there are too many
            chosen = chosen[np.isclose(np.log10(chosen) % 1, 0)]
        while len(chosen) > 6:
            chosen = chosen[np.isclose(np.round(np.log10(chosen)) % 2, 0)] if len(chosen) > 2 else chosen
            if len(chosen) > 6:
                chosen = chosen[:: len(chosen) // 4]
        panel.set_yticks(np.log(chosen), [f"{value:g}" for value in chosen])
    figure.supylabel("effect on risk (odds ratio)", fontsize=style.font_pt)


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

    Examples
    --------
    >>> from voicerisk import GamBoost, load_example
    >>> table = load_example()
    >>> model = GamBoost(markers=["x1", "x2"], mstop=30).fit(table, table["outcome"])
    >>> figure = partial_effects(model.partial_effects())
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['x1', 'x2']
    """
    need(effects, ["marker", "sex", "x", "estimate"], "partial effects")
    return _small_multiples(
        effects, labels, observed, _Page(scales, columns, width_mm, style), "contribution (log-odds)"
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

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> x = np.linspace(0, 1, 20)
    >>> table = pd.DataFrame({"marker": "entropy", "x": x, "estimate": x, "lower": x - .2, "upper": x + .2})
    >>> figure = difference_curves(table, {"entropy": "Entropy"})
    >>> figure.axes[0].get_xlabel()
    'Entropy'
    """
    need(differences, ["marker", "x", "estimate", "lower", "upper"], "difference curves")
    contrast = str(differences["contrast"].iloc[0]) if "contrast" in differences else "women minus men"
    table = differences.assign(sex=CONTRASTS.get(contrast, contrast))
    figure = _small_multiples(
        table, labels, observed, _Page(scales, columns, width_mm, style), "difference (log-odds)"
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
            color=style.accent,
            alpha=0.14,
            linewidth=0,
            zorder=0,
        )
    shaded = Patch(facecolor=style.accent, alpha=0.3, linewidth=0)
    names = [line_entry(series_style(str(table["sex"].iloc[0]), style), as_text(table["sex"].iloc[0]), style)]
    figure.legends[0].remove()
    legend(figure, [*names, *_band_entries(table, _level(table), style), (shaded, "band excludes 0")])
    _note(figure, differences, style)
    return figure


def _tests(panel: Axes, rows: pd.DataFrame, sexes: list[str], style: Style) -> None:
    """Write EDF and P of each level above the panel, where no band can lie."""
    shown = series_styles(sexes, style)
    said: list[tuple[str, str]] = []
    for sex in sexes:
        mine = rows[rows["sex"].astype(str) == sex]
        if len(mine) == 1:
            text = f"EDF {number(float(mine['edf'].iloc[0]), 1)}{_p_of(mine.iloc[0])}"
            said.append((text, ink(shown[sex].colour)))
    above(panel, said, style)


def _p_of(row: pd.Series) -> str:
    """Return the P that may be read: of callers that selected nothing, else the table's own, named naive."""
    for column in ("p_selective", "p_value"):
        if column in row and pd.notna(row[column]):
            p = p_value(float(row[column]))
            naive = column == "p_value" and bool(row.get("selected_on_same_labels", False))
            holm = row.get("p_selective_holm" if column == "p_selective" else "p_holm")
            adjusted = f" ({p_value(float(holm))})" if pd.notna(holm) and not naive else ""
            return f", {'naive ' if naive else ''}P{p if p[0] in '<>' else '=' + p}{adjusted}"
    return ""


def _note(figure: Figure, table: pd.DataFrame, style: Style) -> None:
    if "note" in table and table["note"].notna().any():
        foot_note(figure, str(table["note"].dropna().iloc[0]), style)


def _level(table: pd.DataFrame) -> float | None:
    if "level" not in table or table["level"].dropna().empty:
        return None
    return float(table["level"].dropna().iloc[0])


@dataclass(frozen=True, slots=True)
class _Page:
    """How panels stand on a page: scales shared or free, panels in a row, width, style."""

    scales: Scales
    columns: int | None
    width_mm: float | None
    style: Style


def _small_multiples(
    table: pd.DataFrame,
    labels: Mapping[str, str],
    observed: pd.DataFrame | None,
    page: _Page,
    y_label: str,
) -> Figure:
    scales, style, level = page.scales, page.style, _level(table)
    if scales not in ("shared", "free"):
        raise ReportError(f"scales is {scales!r}; choose 'shared' or 'free'.")
    if not np.isfinite(table["estimate"].to_numpy(float)).any():
        raise ReportError("curves: no estimate is finite, so there is nothing to draw.")
    markers = ordered(table["marker"])
    sexes = ordered(table["sex"])
    shown = series_styles(sexes, style)
    figure, axes = panels(
        len(markers),
        style,
        page.width_mm,
        columns=page.columns,
        ratio=0.82,
        sharey=(scales == "shared"),
        extra_mm=12.0,
    )
    position_of = {marker: position for position, marker in enumerate(markers)}
    for panel, marker in zip(axes, markers, strict=True):
        rows = table[table["marker"].astype(str) == marker]
        panel.axhline(0, color=style.neutral, linewidth=style.thin_pt, zorder=0)
        for position, sex in enumerate(sexes):
            _curve(panel, rows[rows["sex"].astype(str) == sex], sex, shown[sex], style)
            if "lower" not in rows and not rows["estimate"].to_numpy(float).any() and position == 0:
                panel.annotate(
                    "never chosen",
                    (0.5, 0.95),
                    xycoords="axes fraction",
                    ha="center",
                    va="top",
                    fontsize=style.small_pt,
                    fontstyle="italic",
                )
            if observed is not None:
                mine = observed[observed["marker"].astype(str) == marker]
                if "sex" in observed and len(sexes) > 1:
                    mine = mine[mine["sex"].astype(str) == sex]
                if position == 0 or len(sexes) > 1:
                    rug(panel, mine["x"], shown[sex].colour, style, row=position)
        panel.set_label(name_of(marker, labels))  # what hovering says
        letter(panel, position_of[marker], style)
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.set_xlabel(_fold_label(_with_power(panel, name_of(marker, labels)), 30))
        panel.yaxis.set_major_locator(MaxNLocator(5))
    if scales == "shared":
        axes[0].set_ylim(_limits(table, observed))
    else:
        for panel, marker in zip(axes, markers, strict=True):
            panel.set_ylim(_limits(table[table["marker"].astype(str) == marker], observed))
    figure.supylabel(y_label, fontsize=style.font_pt)
    entries = [line_entry(shown[sex], as_text(SEX_NAMES.get(sex, sex)), style) for sex in sexes]
    legend(figure, entries + _band_entries(table, level, style))
    return figure


def _curve(panel: Axes, rows: pd.DataFrame, sex: str, series: SeriesStyle, style: Style) -> None:
    if rows.empty:
        return
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


def _limits(table: pd.DataFrame, observed: pd.DataFrame | None) -> tuple[float, float]:
    """Return limits that hold every estimate and the bands where callers were, with room for the rug."""
    parts = [table["estimate"].to_numpy(float)]
    if "lower" in table:
        rows = table if observed is None or observed.empty else _where_observed(table, observed)
        parts += [rows[column].to_numpy(float) for column in ("lower", "upper")]
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    span = (high - low) or 1.0
    return low - 0.14 * span, high + 0.12 * span


def _where_observed(table: pd.DataFrame, observed: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of curves within the middle 98% of what was observed."""
    key = ["marker", "sex"] if "sex" in observed and observed["sex"].isin(table["sex"]).any() else ["marker"]
    ends = observed.groupby(key, observed=True)["x"].quantile(np.array([0.01, 0.99])).unstack()
    ends.columns = pd.Index(["_low", "_high"])
    near = table.merge(ends.reset_index(), on=key, how="left")
    return near[~((near["x"] < near["_low"]) | (near["x"] > near["_high"]))]


def _band_entries(table: pd.DataFrame, level: float | None, style: Style) -> list[tuple[object, str]]:
    percent = f"{100 * level:g}%" if level is not None else ""
    entries: list[tuple[object, str]] = []
    for column, name, strength in (("lower", "pointwise", 1.0), ("lower_simultaneous", "simultaneous", 0.5)):
        if column in table and table[column].notna().any():
            patch = Patch(facecolor="black", alpha=style.band_alpha * strength, linewidth=0)
            entries.append((patch, f"{percent} {name} band".strip()))
    return entries


def _with_power(panel: Axes, label: str) -> str:
    """Write large numbers in thousands or millions, and say so in the label, not beside the axis."""
    largest = np.abs(panel.get_xlim()).max()
    power = 3 * int(np.log10(largest) // 3) if largest >= LARGE else 0
    if not power:
        return label
    panel.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: f"{x / 10**power:g}".replace("-", "\N{MINUS SIGN}"))
    )
    ten = "10" + str(power).translate(SUPERSCRIPT)
    return f"{label[:-1]}, {ten})" if label.endswith(")") else f"{label} ({ten})"


def _fold_label(label: str, longest: int = 26) -> str:
    """Break a long label once, at the space nearest its middle."""
    if len(label) <= longest or " " not in label:
        return label
    spaces = [index for index, character in enumerate(label) if character == " "]
    cut = min(spaces, key=lambda index: abs(index - len(label) / 2))
    return label[:cut] + "\n" + label[cut + 1 :]
