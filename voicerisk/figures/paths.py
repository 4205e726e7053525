"""Where to stop: the Lasso's path over its penalty, and the risk path of boosting over its steps."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from voicerisk.errors import ReportError
from voicerisk.figures.layout import legend, letter, lettered, line_entry, new_figure, panels, spread
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, ink, series_style
from voicerisk.figures.wording import NO_LABELS, as_text, name_of, need, only, ordered

BESIDE_MM = 130.0  # from here on two panels stand side by side, at 6 points
PATH_COLUMNS = ("lambda", "deviance", "se", "n_nonzero", "lambda_min", "lambda_1se")


@drawing
def lasso_path(
    path: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    lambda_min: float | None = None,
    lambda_1se: float | None = None,
    named: int = 12,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the Lasso's cross-validated deviance, and its coefficients if known, against lambda.

    Parameters
    ----------
    path : DataFrame
        Columns lambda (> 0), deviance (mean over folds), se, n_nonzero; every other numeric column is the
        coefficient of the term of that name. Constant columns lambda_min and lambda_1se stand in for the
        arguments.
    labels : mapping of str to str
        Marker to label.
    lambda_min, lambda_1se : float, optional
        The penalties marked by a solid and a dashed line.
    named : int
        Coefficients named at the end of their line (the largest in size at lambda_min); others are grey.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel (deviance), or two (coefficients, deviance).

    Raises
    ------
    ReportError
        If columns are missing or a lambda is not positive.

    Examples
    --------
    >>> import pandas as pd
    >>> path = pd.DataFrame({"lambda": [0.3, 0.1, 0.03], "deviance": [1.39, 1.2, 1.25], "se": 0.05,
    ...                      "n_nonzero": [0, 1, 2], "x1": [0.0, 0.4, 0.8], "x2": [0.0, 0.0, -0.2]})
    >>> len(lasso_path(path, lambda_min=0.1).axes)
    2
    """
    need(path, ["lambda", "deviance", "se", "n_nonzero"], "Lasso path")
    rows = path.sort_values("lambda", ascending=False)
    if not (rows["lambda"] > 0).all():
        raise ReportError("Lasso path: column lambda holds values that are not positive.")
    lambda_min = lambda_min if lambda_min is not None else only(path, "lambda_min", "Lasso path")
    lambda_1se = lambda_1se if lambda_1se is not None else only(path, "lambda_1se", "Lasso path")
    terms = [
        column
        for column in rows
        if column not in PATH_COLUMNS and pd.api.types.is_numeric_dtype(rows[column].dtype)
    ]
    x = -np.log10(rows["lambda"].to_numpy(float))
    width = width_mm or (style.two_columns_mm if terms else style.one_column_mm)
    if terms and width < BESIDE_MM * style.small_pt / 6:  # below each other where two do not fit
        figure = new_figure(width, 140.0)
        axes = list(figure.subplots(2, 1))
    else:
        figure = new_figure(width, 74.0 if terms else 66.0)
        ratios = [1.45, 1] if terms else None
        axes = list(figure.subplots(1, 2 if terms else 1, squeeze=False, width_ratios=ratios)[0])
    if terms:
        _coefficients(axes[0], x, rows[terms], labels, lambda_min, named, style)
        letter(axes[0], 0, style)
        letter(axes[1], 1, style)
    deviance = axes[-1]
    deviance.errorbar(
        x,
        rows["deviance"],
        yerr=rows["se"],
        fmt="o",
        color="black",
        ecolor=style.neutral,
        markersize=style.marker_pt * 0.5,
        elinewidth=style.thin_pt,
        capsize=0,
    )
    deviance.set_ylabel("cross-validated deviance (mean \u00b1 SE)")
    ticks = np.unique(np.linspace(0, len(x) - 1, 6).round().astype(int))
    for panel in axes:
        panel.set_xlabel("\u2212log10(\u03bb): penalty falls to the right")
        top = panel.secondary_xaxis("top")
        top.set_xticks(x[ticks], [f"{n:g}" for n in rows["n_nonzero"].to_numpy()[ticks]])
        top.set_xlabel("coefficients other than 0")
        top.spines["top"].set_visible(False)
        for value, line in ((lambda_min, "-"), (lambda_1se, (0, (3, 2)))):
            if value is not None:
                panel.axvline(
                    -np.log10(value), color="black", linestyle=line, linewidth=style.line_pt * 0.8, zorder=1
                )
    entries = [
        line_entry(SeriesStyle("black", line, ""), f"{name} = {value:.3g}", style)
        for name, value, line in (("\u03bb min", lambda_min, "-"), ("\u03bb 1 SE", lambda_1se, (0, (3, 2))))
        if value is not None
    ]
    legend(figure, entries)
    return figure


def _coefficients(
    panel: Axes,
    x: NDArray[np.float64],
    coefficients: pd.DataFrame,
    labels: Mapping[str, str],
    lambda_min: float | None,
    named: int,
    style: Style,
) -> None:
    at = int(np.argmin(np.abs(x + np.log10(lambda_min)))) if lambda_min is not None else len(x) - 1
    size = coefficients.iloc[at].abs()
    top = list(size[size > 0].sort_values(ascending=False).index[:named])
    panel.axhline(0, color=style.neutral, linewidth=style.thin_pt)
    ends: list[tuple[float, str, str]] = []
    for term in coefficients.columns:
        values = coefficients[term].to_numpy(float)
        if term in top[: len(style.sequence)]:
            series = series_style(f"term {term}", style, top.index(term))
            panel.plot(
                x,
                values,
                color=series.colour,
                linestyle=series.line,
                linewidth=style.line_pt * 0.9,
                label=name_of(term, labels),
            )
            ends.append((float(values[-1]), term, series.colour))
        else:  # no two named lines have one colour
            panel.plot(x, values, color=style.neutral, linewidth=style.thin_pt, alpha=0.6)
            if term in top:
                ends.append((float(values[-1]), term, style.neutral))
    panel.margins(x=0.02)
    low, high = panel.get_ylim()
    places = spread([value for value, _, _ in ends], (high - low) / 17 * max(1.0, style.small_pt / 6))
    for (value, term, colour), place in zip(ends, places, strict=True):
        panel.annotate(
            _without_unit(name_of(term, labels), 24),
            (x[-1], value),
            xytext=(1.04, place),
            textcoords=panel.get_yaxis_transform(),
            fontsize=style.small_pt,
            color=ink(colour),
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "linewidth": style.thin_pt * 0.7,
                "color": colour,
                "shrinkA": 0,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )
    panel.set_ylabel("coefficient (log-odds per SD)")


def _without_unit(label: str, longest: int) -> str:
    """Return a marker's name: on standardised values its unit says nothing."""
    at = label.rfind(" (")
    name = label[:at] if at > 0 and label.endswith(")") else label
    return as_text(name, longest) if len(name) > longest else name


def _stops(panel: Axes, rows: pd.DataFrame, style: Style) -> bool:
    """Draw where boosting stopped: a line where it is one step, else bars; return whether there are bars."""
    if "mstop" not in rows or not rows["mstop"].notna().any():
        return False
    key = ["fold"] if "fold" in rows else []
    stops = rows.dropna(subset=["mstop"]).drop_duplicates([*key, "mstop"])["mstop"].to_numpy(float)
    if len(stops) == 1:
        panel.axvline(stops[0], color=style.accent, linestyle=(0, (3, 2)), linewidth=style.line_pt * 0.8)
        panel.annotate(
            f"mstop = {stops[0]:g}",
            (stops[0], 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -2),
            textcoords="offset points",
            va="top",
            ha="right",
            fontsize=style.small_pt,
            color=ink(style.accent),
        )
        return False
    values, counts = np.unique(stops, return_counts=True)
    panel.vlines(
        values,
        0,
        0.02 + 0.16 * counts / counts.max(),
        transform=panel.get_xaxis_transform(),
        color=style.accent,
        linewidth=style.line_pt * 1.2,
        zorder=4,
    )
    return True


@drawing
def risk_path(
    path: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the risk (deviance) of boosting against the number of steps, with the numbers chosen.

    Parameters
    ----------
    path : DataFrame
        Columns step (0..M), deviance, and where there are some: series (for example 'training', 'held out'),
        fold (one thin line each, their mean thick), mstop (chosen number of steps; one value a fold),
        protocol (one panel each).
    labels : mapping of str to str
        Display names of series.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a protocol.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> path = pd.DataFrame({"step": [0, 1, 2, 3], "deviance": [1.39, 1.2, 1.1, 1.15], "mstop": 2})
    >>> len(risk_path(path).axes)
    1
    """
    need(path, ["step", "deviance"], "risk path")
    path = _with_stops(path)
    table = path.assign(
        series=path["series"].astype(str) if "series" in path else "deviance",
        protocol=path["protocol"].astype(str) if "protocol" in path else "",
    )
    protocols, series = ordered(table["protocol"]), ordered(table["series"])
    figure, axes = panels(len(protocols), style, width_mm, ratio=0.72, panel_mm=60.0, extra_mm=10.0)
    many = False
    for panel, protocol in zip(axes, protocols, strict=True):
        for position, name in enumerate(series):
            rows = table[(table["protocol"] == protocol) & (table["series"] == name)]
            if rows.empty:
                continue
            drawn = series_style(f"series {name}", style, position)
            if "fold" in rows and rows["fold"].nunique() > 1:
                for _, fold in rows.groupby("fold", sort=False):
                    one = fold.sort_values("step")
                    panel.plot(
                        one["step"],
                        one["deviance"],
                        color=drawn.colour,
                        linewidth=style.thin_pt * 0.6,
                        alpha=0.3,
                    )
            mean = rows.groupby("step")["deviance"].mean()
            panel.plot(
                mean.index,
                mean,
                color=drawn.colour,
                linestyle=drawn.line,
                linewidth=style.line_pt * 1.2,
                label=name_of(name, labels),
            )
        many = _stops(panel, table[table["protocol"] == protocol], style) or many
        panel.set_ylim(_risk_limits(table[table["protocol"] == protocol]))
        panel.set_xlabel("boosting steps")
        panel.set_ylabel("mean deviance")
        if protocol:
            panel.set_title(
                as_text(f"{protocol} protocol" if protocol in ("published", "nested") else protocol)
            )
    named = [
        line_entry(series_style(f"series {name}", style, position), name_of(name, labels), style)
        for position, name in enumerate(series)
        if len(series) > 1 or name != "deviance"
    ]
    stops = line_entry(
        SeriesStyle(style.accent, "-", ""), "mstop chosen in a fold (height: how often)", style
    )
    legend(figure, [*named, stops] if many else named)
    lettered(axes, style)
    return figure


def _risk_limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return limits that hold the mean curves and the middle 90% of the folds.

    A single fold whose deviance explodes would flatten all others.
    """
    means = rows.groupby(["series", "step"])["deviance"].mean()
    values = np.r_[means.to_numpy(float), np.nanquantile(rows["deviance"].to_numpy(float), [0.05, 0.95])]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    span = (high - low) or max(abs(high), 1.0)
    return low - 0.25 * span, high + 0.08 * span


def _with_stops(path: pd.DataFrame) -> pd.DataFrame:
    """Keep one design, name folds uniquely over repeats, and turn `chosen` into `mstop`."""
    if "design" in path and (path["design"] == "loco").any():
        path = path[path["design"] == "loco"]
    if "fold" in path and "repeat" in path:
        path = path.assign(fold=path["repeat"].astype(str) + "/" + path["fold"].astype(str))
    if "chosen" in path and "mstop" not in path:
        path = path.assign(mstop=path["step"].where(path["chosen"].astype(bool)))
    return path
