"""ROC and precision-recall curves: the points as a table, and the drawing of it."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voicerisk.errors import ReportError
from voicerisk.figures.layout import above, foot_note, legend, lettered, line_entry, panels, unit_limits
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, ink, series_style
from voicerisk.figures.wording import (
    DESIGNS,
    NO_LABELS,
    PROTOCOLS,
    as_text,
    given_scores,
    in_figure,
    inside,
    name_of,
    need,
    one_interval,
    ordered,
    sizes_said,
    whole_group,
)

NARROWEST_MM = 55.0  # of a panel beside another one, at 6 points


def curve_points(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the operating points of every protocol, design and repeat, at every distinct score.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table; its rows of unit `call` are used. Evaluation weights count where present.

    Returns
    -------
    DataFrame
        Columns protocol, model, design, repeat, threshold (a call counts as positive at p_raw >= threshold;
        the first is inf), sensitivity, false_positive_rate, precision (NaN at the first), prevalence, n,
        n_events.

    Raises
    ------
    ReportError
        If there are no call rows, a score is missing, or a group has one class only.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> curve_points(load_example("predictions")).columns[:4].tolist()
    ['protocol', 'model', 'design', 'repeat']
    """
    calls = _calls(predictions)
    parts = []
    for key, rows in calls.groupby(["protocol", "model", "design", "repeat"], sort=False, dropna=False):
        y = rows["y"].to_numpy(float)
        weight = rows["weight"].to_numpy(float) if "weight" in rows else np.ones(len(rows))
        score = rows["p_raw"].to_numpy(float)
        if np.isnan(score).any():
            raise ReportError(
                f"curve points: {int(np.isnan(score).sum())} calls of {key[0]} have no score p_raw."
            )
        if not 0 < y.sum() < len(y):
            raise ReportError(
                f"curve points: the calls of {key[0]}, {key[2]}, repeat {key[3]} have one class only."
            )
        order = np.argsort(-score, kind="stable")
        last = np.r_[np.nonzero(np.diff(score[order]))[0], len(y) - 1]
        true = np.r_[0.0, np.cumsum((weight * y)[order])[last]]
        false = np.r_[0.0, np.cumsum((weight * (1 - y))[order])[last]]
        total = true + false
        with np.errstate(invalid="ignore"):
            precision = np.where(total > 0, true / np.where(total > 0, total, 1), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "protocol": key[0],
                    "model": key[1],
                    "design": key[2],
                    "repeat": key[3],
                    "threshold": np.r_[np.inf, score[order][last]],
                    "sensitivity": true / true[-1],
                    "false_positive_rate": false / false[-1],
                    "precision": precision,
                    "prevalence": true[-1] / total[-1],
                    "n": len(y),
                    "n_events": int(y.sum()),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _calls(predictions: pd.DataFrame) -> pd.DataFrame:
    need(predictions, ["protocol", "design", "repeat", "unit", "y", "p_raw"], "curve points")
    calls = predictions[predictions["unit"] == "call"]
    if calls.empty:
        raise ReportError("curve points: the predictions table has no rows of unit 'call'.")
    return calls if "model" in calls else calls.assign(model="")


@drawing
def roc(
    points: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    metrics: pd.DataFrame | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw ROC curves of calls, one panel a design, the protocols overlaid.

    Several repeats are drawn thin, with their mean sensitivity at each false positive rate thick.

    Parameters
    ----------
    points : DataFrame
        What `curve_points` returns.
    labels : mapping of str to str
        Display names of protocols and models.
    metrics : DataFrame, optional
        The metrics table; AUROC of calls with its interval is then written beside the protocol's name.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a design.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> figure = roc(curve_points(load_example("predictions")))
    >>> figure.axes[0].get_xlabel()
    '1 − specificity'
    """
    need(points, ["protocol", "design", "repeat", "false_positive_rate", "sensitivity"], "ROC")
    return _panels(points, labels, metrics, "auroc", "roc", width_mm, style)


@drawing
def precision_recall(
    points: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    metrics: pd.DataFrame | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw precision against sensitivity (recall) of calls, as the steps that average precision sums.

    Parameters
    ----------
    points, labels, metrics, width_mm, style
        As in `roc`; the number written is the average precision, the line across is the share of positive
        calls.

    Returns
    -------
    Figure
        One panel a design.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> from voicerisk.figures import curve_points
    >>> figure = precision_recall(curve_points(load_example("predictions")))
    >>> figure.axes[0].get_ylabel()
    'precision (positive predictive value)'
    """
    need(
        points, ["protocol", "design", "repeat", "precision", "sensitivity", "prevalence"], "precision-recall"
    )
    return _panels(points, labels, metrics, "average_precision", "pr", width_mm, style)


def _panels(
    points: pd.DataFrame,
    labels: Mapping[str, str],
    metrics: pd.DataFrame | None,
    metric: str,
    kind: Literal["roc", "pr"],
    width_mm: float | None,
    style: Style,
) -> Figure:
    table = points if "model" in points else points.assign(model="")
    table = table.assign(series=_series(table))
    designs = ordered(table["design"])
    series = ordered(table["series"])
    width = width_mm or (style.one_column_mm if len(designs) == 1 else 0.75 * style.two_columns_mm)
    # Two panels side by side need room for the line of numbers above each.
    beside = max(1, int(width // (NARROWEST_MM * style.small_pt / 6)))
    lines = len(series) if metrics is not None else 0
    figure, axes = panels(
        len(designs),
        style,
        width,
        columns=min(len(designs), beside),
        ratio=0.94 + 0.03 * lines,
        extra_mm=9.0,
    )
    written: list[list[tuple[str, str]]] = []
    for panel, design in zip(axes, designs, strict=True):
        here = table[table["design"].astype(str) == design]
        notes: list[tuple[str, str]] = []
        for position, name in enumerate(series):
            rows = here[here["series"] == name]
            if rows.empty:
                continue
            drawn = series_style(name, style, position)
            (_roc_lines if kind == "roc" else _pr_lines)(panel, rows, drawn, style, name)
            note = _note(metrics, metric, name, str(rows["model"].iloc[0]), design)
            notes += [(note, ink(drawn.colour))] if note else []
        if kind == "roc":
            panel.plot([0, 1], [0, 1], color=style.neutral, linewidth=style.thin_pt, zorder=0)
            panel.set_xlabel("1 \u2212 specificity")
            panel.set_ylabel("sensitivity")
        else:
            panel.axhline(
                float(here["prevalence"].iloc[0]), color=style.neutral, linewidth=style.thin_pt, zorder=0
            )
            panel.set_xlabel("sensitivity (recall)")
            panel.set_ylabel("precision (positive predictive value)")
        unit_limits(panel)
        panel.set_aspect("equal")
        panel.set_title(DESIGNS.get(design, as_text(design)))
        written.append(notes)
    most = max(map(len, written))
    for panel, notes in zip(axes, written, strict=True):
        # Titles of panels with fewer lines stand as high as the others.
        above(panel, [("", "black")] * (most - len(notes)) + notes, style)
    lettered(axes, style)
    legend(
        figure,
        [
            line_entry(
                series_style(name, style, i), labels.get(name, PROTOCOLS.get(name, as_text(name))), style
            )
            for i, name in enumerate(series)
        ],
    )
    if metrics is not None:
        used = one_interval(metrics[metrics["metric"] == metric])
        said = " ".join(text for text in (sizes_said(used), in_figure(given_scores(used))) if text)
        if said:
            foot_note(figure, said, style)
    return figure


def _series(table: pd.DataFrame) -> pd.Series:
    """Name a series by its protocol, and by its model too where a protocol has several."""
    protocol, model = table["protocol"].astype(str), table["model"].astype(str)
    several = table.groupby("protocol")["model"].nunique().max() > 1
    return protocol + ", " + model if several else protocol


def _roc_lines(panel: Axes, rows: pd.DataFrame, drawn: SeriesStyle, style: Style, name: str) -> None:
    repeats = [one for _, one in rows.groupby("repeat", sort=False, dropna=False)]
    if len(repeats) == 1:
        x, y = (repeats[0][name].to_numpy(float) for name in ("false_positive_rate", "sensitivity"))
    else:
        for one in repeats:
            panel.plot(
                one["false_positive_rate"],
                one["sensitivity"],
                color=drawn.colour,
                linewidth=style.thin_pt * 0.6,
                alpha=0.35,
            )
        x = np.linspace(0, 1, 201)
        y = np.mean([_at(one, x) for one in repeats], axis=0)
        x, y = np.r_[0.0, x], np.r_[0.0, y]
    panel.plot(
        x, y, color=drawn.colour, linestyle=drawn.line, linewidth=style.line_pt * 1.3, zorder=3, label=name
    )


def _at(one: pd.DataFrame, x: np.ndarray) -> np.ndarray:
    """Return the sensitivity of a ROC curve at each false positive rate, the upper one where it jumps."""
    ends = one.groupby("false_positive_rate")["sensitivity"].agg(["min", "max"])
    known, low, high = ends.index.to_numpy(float), ends["min"].to_numpy(float), ends["max"].to_numpy(float)
    left = np.searchsorted(known, x + 1e-12, side="right") - 1
    right = np.minimum(left + 1, len(known) - 1)
    width = known[right] - known[left]
    share = np.where(width > 0, (x - known[left]) / np.where(width > 0, width, 1), 0.0)
    return np.where(share <= 1e-9, high[left], high[left] + share * (low[right] - high[left]))


def _pr_lines(panel: Axes, rows: pd.DataFrame, drawn: SeriesStyle, style: Style, name: str) -> None:
    repeats = [one for _, one in rows.groupby("repeat", sort=False, dropna=False)]
    grid = np.linspace(0, 1, 201)[1:]
    steps = []
    for one in repeats:
        points = one.dropna(subset=["precision"])
        recall, precision = points["sensitivity"].to_numpy(float), points["precision"].to_numpy(float)
        if len(repeats) == 1:
            panel.step(
                np.r_[0.0, recall],
                np.r_[precision[0], precision],
                where="pre",
                color=drawn.colour,
                linestyle=drawn.line,
                linewidth=style.line_pt * 1.3,
                zorder=3,
                label=name,
            )
            return
        panel.step(
            np.r_[0.0, recall],
            np.r_[precision[0], precision],
            where="pre",
            color=drawn.colour,
            linewidth=style.thin_pt * 0.6,
            alpha=0.35,
        )
        steps.append(precision[np.searchsorted(recall, grid - 1e-12)])
    panel.plot(
        grid,
        np.mean(steps, axis=0),
        color=drawn.colour,
        linestyle=drawn.line,
        linewidth=style.line_pt * 1.3,
        zorder=3,
        label=name,
    )


def _note(metrics: pd.DataFrame | None, metric: str, series: str, model: str, design: str) -> str:
    if metrics is None:
        return ""
    protocol = series.split(", ")[0]
    rows = metrics[
        (metrics["metric"] == metric)
        & (metrics["unit"] == "call")
        & (metrics["design"] == design)
        & (metrics["protocol"] == protocol)
    ]
    if "model" in rows and model:
        rows = rows[rows["model"] == model]
    rows = one_interval(whole_group(rows))
    if rows.empty:
        return ""
    row = rows.iloc[0]
    short = "AUROC" if metric == "auroc" else "AP"
    interval = "" if pd.isna(row["lower"]) else f" ({inside(row['lower'])} to {inside(row['upper'])})"
    return f"{name_of(series, {})}: {short} {inside(row['estimate'])}{interval}"
