"""Do 20 of 100 callers with a risk of 20% turn out at risk: calibration curve and distribution strip."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from voicerisk.errors import ReportError
from voicerisk.figures.layout import above, foot_note, legend, lettered, line_entry, new_figure, point_entry
from voicerisk.figures.style import DEFAULT, POINTS_PER_MM, SeriesStyle, Style, drawing, series_style
from voicerisk.figures.wording import (
    FIXED_MODEL,
    NO_LABELS,
    PROTOCOLS,
    SAVED,
    as_text,
    designs,
    in_figure,
    interval_note,
    need,
    number,
    one_design,
    one_interval,
    ordered,
    whole_group,
)
from voicerisk.types import Floats


def calibration_points(
    predictions: pd.DataFrame, bins: int = 5, bootstraps: int = 200, level: float = 0.95, seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return calibration curve, groups and distribution of the calls that have a recalibrated risk `p`.

    The curve is lowess with span 2/3 and no robustness iterations (as `rms::val.prob` draws it); its band and
    the groups' intervals are percentile intervals over a bootstrap of whole callers, scores taken as given.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table. Rows of unit `call` with a value of p are used, leave-one-caller-out where
        there is one, else the first design and repeat.
    bins : int
        Groups of equal size (fewer where scores are tied).
    bootstraps : int
        Resamples of callers.
    level : float
        Level of the intervals.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    curve : DataFrame
        Columns protocol, design, layer ('smooth' or 'group'), p, observed, lower, upper, n (calls in a
        group), level.
    strip : DataFrame
        Columns protocol, p, y: what lies under the curve.

    Raises
    ------
    ReportError
        If no call has a value of p, or a call has an evaluation weight other than 1.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> curve, strip = calibration_points(load_example("predictions"), bootstraps=20)
    >>> len(strip)
    60
    """
    need(predictions, ["protocol", "design", "repeat", "unit", "caller_id", "y", "p"], "calibration")
    calls = predictions[(predictions["unit"] == "call") & predictions["p"].notna()]
    if calls.empty:
        raise ReportError("calibration: no call has a recalibrated risk p, so there is nothing to draw.")
    if "weight" in calls and not (calls["weight"] == 1).all():
        raise ReportError(
            "calibration: some calls have an evaluation weight other than 1, which lowess cannot take into "
            "account; draw it without weights and say so."
        )
    curves, strips = [], []
    for protocol, rows in calls.groupby("protocol", sort=False):
        rows = one_design(rows)
        rows = rows[rows["repeat"] == rows["repeat"].iloc[0]] if rows["repeat"].notna().all() else rows
        p, y = rows["p"].to_numpy(float), rows["y"].to_numpy(float)
        strips.append(pd.DataFrame({"protocol": protocol, "p": p, "y": y.astype(int)}))
        curve = _curve(p, y, rows["caller_id"].to_numpy(str), bins, bootstraps, level, seed)
        curve = curve.assign(protocol=protocol, design=rows["design"].iloc[0])
        curves.append(curve[["protocol", "design", *curve.columns[:-2]]])
    return pd.concat(curves, ignore_index=True), pd.concat(strips, ignore_index=True)


def _wilson(y: np.ndarray, level: float) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(y.sum(), len(y), 1.0 - level, "wilson")
    return float(max(0.0, low)), float(min(1.0, high))


def _curve(
    p: Floats, y: Floats, callers: NDArray[np.str_], bins: int, bootstraps: int, level: float, seed: int
) -> pd.DataFrame:
    cuts = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)))
    group = np.clip(np.searchsorted(cuts, p, side="right") - 1, 0, max(len(cuts) - 2, 0))
    present = np.unique(group)
    grid = np.linspace(p.min(), p.max(), 60)
    _, caller = np.unique(callers, return_inverse=True)
    rows_of = [np.flatnonzero(caller == index) for index in range(caller.max() + 1)]
    generator = np.random.default_rng(seed)
    smooth_draws = np.full((bootstraps, len(grid)), np.nan)
    group_draws = np.full((bootstraps, len(present)), np.nan)
    for draw in range(bootstraps):
        rows = np.concatenate([rows_of[index] for index in generator.integers(0, len(rows_of), len(rows_of))])
        smooth_draws[draw] = _lowess(p[rows], y[rows], grid)
        for column, index in enumerate(present):
            mine = rows[group[rows] == index]
            if mine.size:
                group_draws[draw, column] = y[mine].mean()
    tails = [(1 - level) / 2, (1 + level) / 2]
    parts = []
    if len(np.unique(p)) >= 4:
        lower, upper = np.nanquantile(smooth_draws, tails, axis=0)
        parts.append(
            pd.DataFrame(
                {
                    "layer": "smooth",
                    "p": grid,
                    "observed": _lowess(p, y, grid),
                    "lower": lower,
                    "upper": upper,
                    "n": len(p),
                }
            )
        )
    lower, upper = np.nanquantile(group_draws, tails, axis=0)
    for column, index in enumerate(present):
        # A bootstrap of calls that are all alike has no width; Wilson's interval says how little they prove.
        if lower[column] == upper[column]:
            lower[column], upper[column] = _wilson(y[group == index], level)
    parts.append(
        pd.DataFrame(
            {
                "layer": "group",
                "p": [p[group == index].mean() for index in present],
                "observed": [y[group == index].mean() for index in present],
                "lower": lower,
                "upper": upper,
                "n": [int((group == index).sum()) for index in present],
            }
        )
    )
    return pd.concat(parts, ignore_index=True).assign(level=level)


def risk_groups(
    p: Floats, y: Floats, callers: NDArray[np.str_], bins: int = 5, bootstraps: int = 200, seed: int = 1
) -> pd.DataFrame:
    """Return the groups of `calibration_points` alone: p, observed, lower, upper, n, level."""
    found = _curve(p, y, callers, bins, bootstraps, 0.95, seed)
    return found[found["layer"] == "group"].drop(columns="layer").reset_index(drop=True)


def _lowess(p: Floats, y: Floats, grid: Floats) -> Floats:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    if len(np.unique(p)) < 4:
        return np.full(len(grid), np.nan)
    fitted = lowess(y, p, frac=2 / 3, it=0, delta=0.01 * float(np.ptp(p)), return_sorted=True)
    x, first = np.unique(fitted[:, 0], return_index=True)
    smooth = np.interp(grid, x, fitted[first, 1], left=np.nan, right=np.nan)
    return np.clip(smooth, 0.0, 1.0)


@drawing
def calibration(
    curve: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    strip: pd.DataFrame | None = None,
    metrics: pd.DataFrame | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw observed share against predicted risk, with the distribution of risks by outcome below.

    Parameters
    ----------
    curve, strip : DataFrame
        The two tables of `calibration_points`; without `strip` there is no distribution.
    metrics : DataFrame, optional
        The metrics table; slope and intercept with their intervals are then written above the curve.
    labels : mapping of str to str
        Display names of protocols.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One column a protocol: curve above, strip below.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> curve, strip = calibration_points(load_example("predictions"), bootstraps=20)
    >>> figure = calibration(curve, strip=strip)
    >>> len(figure.axes)
    2
    """
    need(curve, ["protocol", "layer", "p", "observed", "lower", "upper"], "calibration")
    protocols = ordered(curve["protocol"])
    n = len(protocols)
    width = width_mm or (style.one_column_mm if n == 1 else 0.75 * style.two_columns_mm)
    lines = (2 if metrics is not None else 0) + ("design" in curve)
    figure = new_figure(width, width / n + 26.0 + lines * 1.3 * style.small_pt / POINTS_PER_MM)
    grid = figure.subplots(2, n, squeeze=False, height_ratios=[4.2, 1], sharex=True)
    for column, protocol in enumerate(protocols):
        panel, below = grid[0, column], grid[1, column]
        rows = curve[curve["protocol"].astype(str) == protocol]
        drawn = series_style(protocol, style, column)
        panel.plot([0, 1], [0, 1], color=style.neutral, linewidth=style.thin_pt, zorder=0)
        smooth = rows[rows["layer"] == "smooth"].sort_values("p")
        panel.fill_between(
            smooth["p"],
            smooth["lower"],
            smooth["upper"],
            color=drawn.colour,
            alpha=style.band_alpha,
            linewidth=0,
        )
        panel.plot(
            smooth["p"],
            smooth["observed"],
            color=drawn.colour,
            linestyle=drawn.line,
            linewidth=style.line_pt * 1.2,
            label="lowess",
        )
        groups = rows[rows["layer"] == "group"]
        panel.vlines(
            groups["p"], groups["lower"], groups["upper"], color="black", linewidth=style.thin_pt * 1.2
        )
        panel.plot(
            groups["p"],
            groups["observed"],
            zorder=4,
            label="group of calls",
            **SeriesStyle("black", "-", "s", False).point(style.marker_pt * 0.9),
        )
        panel.set_title(labels.get(protocol, PROTOCOLS.get(protocol, as_text(protocol))))
        above(panel, [(text, "black") for text in [*designs(rows), *_slopes(metrics, protocol)]], style)
        for axes in (panel, below):
            axes.set_xlim(-0.02, 1.02)
        panel.set_ylim(-0.03, 1.03)
        ticks = ([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        panel.set_xticks(*ticks)
        panel.set_yticks(*ticks)
        panel.tick_params(labelbottom=False)
        below.set_xticks(*ticks)
        below.set_xlabel("score as a risk" if protocol == SAVED else "predicted risk p")
        if strip is not None:
            _strip(below, strip[strip["protocol"].astype(str) == protocol], style)
    grid[0, 0].set_ylabel("observed share positive")
    grid[1, 0].set_ylabel("calls")
    lettered(list(grid[0]), style)
    level = f"{100 * float(curve['level'].iloc[0]):g}%" if "level" in curve else ""
    colour = series_style(protocols[0], style).colour if n == 1 else "black"
    entries = [
        line_entry(SeriesStyle(colour, "-", ""), f"lowess, {level} band".replace(",  ", ", "), style),
        point_entry(SeriesStyle("black", "-", "s", False), f"groups of calls, {level} interval", style),
    ]
    if strip is not None:
        entries += [
            point_entry(SeriesStyle(style.positive, "-", "s"), "outcome 1 (up)", style),
            point_entry(SeriesStyle(style.negative, "-", "s", False), "outcome 0 (down)", style),
        ]
    legend(figure, entries, columns=2)
    fixed = (curve["protocol"] == SAVED).all()
    foot_note(figure, FIXED_MODEL if fixed else in_figure(interval_note(curve)), style)
    return figure


def _slopes(metrics: pd.DataFrame | None, protocol: str) -> list[str]:
    """Return slope and intercept of calls with their intervals, of the folds that the curve is of."""
    if metrics is None:
        return []
    rows = one_interval(whole_group(metrics))
    rows = rows[(rows["unit"] == "call") & (rows["protocol"].astype(str) == protocol)]
    if (rows["design"] == "loco").any():
        rows = rows[rows["design"] == "loco"]
    said = []
    for metric, name in (("calibration_slope", "slope"), ("calibration_intercept", "intercept")):
        mine = rows[rows["metric"] == metric]
        if mine.empty:
            continue
        estimate, lower, upper = (float(mine[key].iloc[0]) for key in ("estimate", "lower", "upper"))
        interval = f" ({number(lower)} to {number(upper)})" if lower == lower else ""
        said.append(f"{name} {number(estimate)}{interval}")
    return said


def _strip(below: Axes, strip: pd.DataFrame, style: Style) -> None:
    edges = np.linspace(0, 1, 41)
    up, _ = np.histogram(strip.loc[strip["y"] == 1, "p"], edges)
    down, _ = np.histogram(strip.loc[strip["y"] == 0, "p"], edges)
    below.bar(edges[:-1], up, width=0.025, align="edge", color=style.positive, linewidth=0)
    below.bar(
        edges[:-1],
        -down,
        width=0.025,
        align="edge",
        facecolor="white",
        edgecolor=style.negative,
        linewidth=style.thin_pt,
    )
    below.axhline(0, color="black", linewidth=style.thin_pt)
    most = max(int(up.max(initial=0)), int(down.max(initial=0)), 1)
    below.set_ylim(-1.1 * most, 1.1 * most)
    below.set_yticks([-most, 0, most], [str(most), "0", str(most)])
