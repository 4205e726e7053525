"""The signature figure: what the published protocol says of a model, beside what the nested one says."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from voicerisk.callers.schema import RIVAL
from voicerisk.errors import ReportError
from voicerisk.figures.differences import auroc_gap
from voicerisk.figures.layout import foot_note, legend, new_figure, point_entry
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, ink, series_styles
from voicerisk.figures.wording import (
    DESIGNS,
    NO_LABELS,
    PERCENTILE,
    PROTOCOLS,
    RIVALS,
    UNITS,
    as_text,
    given_scores,
    in_figure,
    inside,
    metric_name,
    name_of,
    need,
    number,
    one_interval,
    ordered,
    sizes_said,
    whole_group,
)

TURNED = ", direction chosen from the same scores"
SHOWN = ("auroc", "average_precision", "sensitivity", "specificity", "accuracy")


@drawing
def protocols_compared(
    metrics: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    comparisons: pd.DataFrame | None = None,
    shown: Sequence[str] = SHOWN,
    method: str = PERCENTILE,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw each metric under both protocols with its interval, by design and unit, simple models beside them.

    Parameters
    ----------
    metrics : DataFrame
        metrics.csv: columns protocol, design, unit, metric, estimate, lower, upper, n_callers, and where
        there are some model and subgroup (rows of subgroups are left out here).
    labels : mapping of str to str
        Display names of metrics and protocols.
    comparisons : DataFrame, optional
        comparisons.csv: the difference of the AUROCs is told below.
    shown : sequence of str
        Metrics, one panel each; those that the table lacks are left out.
    method : str
        Which intervals to show where the table has several for one estimate.
    width_mm : float, optional
        Width in mm (default: two columns).
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a metric; rows are units within designs; estimates are written at the right; grey ticks
        show what a model without information reaches (AUROC, average precision, accuracy).

    Raises
    ------
    ReportError
        If columns are missing, or the table has none of the metrics.

    Examples
    --------
    >>> import voicerisk
    >>> from voicerisk.validation import ValidationSettings
    >>> table = voicerisk.load_example("predictions")
    >>> metrics = voicerisk.compute_metrics(table, ValidationSettings(), n_boot=50)
    >>> figure = protocols_compared(metrics)
    >>> len(figure.axes)
    5
    """
    need(
        metrics, ["protocol", "design", "unit", "metric", "estimate", "lower", "upper"], "protocols compared"
    )
    table = one_interval(whole_group(metrics), method)
    table = pd.concat([table, _turned(table, shown)], ignore_index=True)
    rival = table["protocol"] == RIVAL
    if rival.any():
        named = table["protocol"].where(~rival, table["model"])
        table = table.assign(protocol=named)[~rival | table["unit"].eq("call")]
    table = table[table["metric"].isin(list(shown))]
    if table.empty:
        raise ReportError(
            f"protocols compared: the metrics table has none of {', '.join(shown)} for all callers."
        )
    names = [metric for metric in shown if (table["metric"] == metric).any()]
    protocols = sorted(ordered(table["protocol"]), key=_place_of)
    rows = _rows(table)
    width = width_mm or style.two_columns_mm
    line = (style.small_pt * 1.5 * len(protocols) + 4) / 72 * 25.4
    figure = new_figure(width, 24.0 + line * (len(rows) + 0.6 * (len({design for design, _ in rows}) - 1)))
    drawn_as = series_styles(protocols, style)
    axes = list(figure.subplots(1, len(names), sharey=True, squeeze=False)[0])
    places = _places(rows)
    for panel, metric in zip(axes, names, strict=True):
        for (design, unit), y in places.items():
            here = table[(table["metric"] == metric) & (table["design"] == design) & (table["unit"] == unit)]
            chance = _chance(here, metric)
            if chance is not None:
                panel.plot(
                    [chance] * 2, [y - 0.4, y + 0.4], color=style.neutral, linewidth=style.line_pt, zorder=1
                )
        for position, protocol in enumerate(protocols):
            drawn = drawn_as[protocol]
            half = 0.0 if len(protocols) == 1 else 0.22 if len(protocols) == 2 else 0.3
            offset = half - 2 * half * position / max(1, len(protocols) - 1)
            here = table[(table["metric"] == metric) & (table["protocol"].astype(str) == protocol)]
            for (design, unit), y in places.items():
                _mark(
                    panel, here[(here["design"] == design) & (here["unit"] == unit)], y + offset, drawn, style
                )
        _scale(panel, metric, style)
        panel.set_title(labels.get(metric, metric_name(metric)), fontsize=style.font_pt)
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
    _row_names(axes[0], places, labels, style)
    axes[0].set_ylim(min(places.values()) - 0.6, max(places.values()) + 0.9)
    entries = [
        point_entry(drawn_as[name], labels.get(name, _protocol_name(name)), style) for name in protocols
    ]
    without = (
        Line2D([], [], color=style.neutral, linestyle="none", marker="|", markersize=8),
        "without information",
    )
    legend(figure, [*entries, without])
    said = [
        text for text in (sizes_said(table), in_figure(given_scores(table)), auroc_gap(comparisons)) if text
    ]
    if said:
        foot_note(figure, " ".join(said), style)
    return figure


def _turned(table: pd.DataFrame, shown: Sequence[str]) -> pd.DataFrame:
    """Return what an automatic direction makes of the same scores, where it differs, as a protocol."""
    metric = table["metric"].astype(str)
    auto = table[metric.str.endswith("_auto") & metric.str.removesuffix("_auto").isin(list(shown))]
    auto = auto.assign(metric=auto["metric"].astype(str).str.removesuffix("_auto"))
    key = [column for column in ("protocol", "model", "design", "unit", "metric") if column in table]
    fixed = table[[*key, "estimate"]].rename(columns={"estimate": "fixed"})
    differs = auto.merge(fixed, on=key, how="left")
    differs = differs[(differs["estimate"] - differs["fixed"]).abs() > 1e-9].drop(columns="fixed")
    return differs.assign(protocol=differs["protocol"].astype(str) + TURNED)


def _rows(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return (design, unit) pairs that the table has, designs and units in their fixed order."""
    present = set(zip(table["design"].astype(str), table["unit"].astype(str), strict=True))
    designs = [name for name in DESIGNS if any(design == name for design, _ in present)]
    designs += sorted({design for design, _ in present} - set(designs))
    units = [*UNITS, *sorted({unit for _, unit in present} - set(UNITS))]
    return [(design, unit) for design in designs for unit in units if (design, unit) in present]


def _protocol_name(name: str) -> str:
    base = name.removesuffix(TURNED)
    return (PROTOCOLS | RIVALS).get(base, as_text(base)) + name[len(base) :]


def _place_of(series: str) -> tuple[bool, ...]:
    """Return what puts published first, then nested, then what stands beside it."""
    return not series.startswith("published"), not series.startswith("nested")


def _places(rows: list[tuple[str, str]]) -> dict[tuple[str, str], float]:
    places: dict[tuple[str, str], float] = {}
    y, before = 0.0, None
    for design, unit in rows:
        y -= 1.0 if before in (None, design) else 1.75
        places[design, unit] = y
        before = design
    return places


def _mark(panel: Axes, row: pd.DataFrame, y: float, drawn: SeriesStyle, style: Style) -> None:
    if row.empty or pd.isna(row["estimate"].iloc[0]):
        return
    if len(row) > 1:
        raise ReportError(
            f"protocols compared: {len(row)} rows for {row['metric'].iloc[0]}, {row['protocol'].iloc[0]}, "
            f"{row['design'].iloc[0]}, {row['unit'].iloc[0]}; keep one model and one threshold."
        )
    estimate, lower, upper = (float(row[column].iloc[0]) for column in ("estimate", "lower", "upper"))
    if np.isfinite([lower, upper]).all():
        panel.plot(
            [lower, upper], [y, y], color=drawn.colour, linewidth=style.line_pt, linestyle="-", zorder=2
        )
    panel.plot([estimate], [y], zorder=3, clip_on=False, **drawn.point(style.marker_pt))
    panel.annotate(
        inside(estimate),
        (1.05, y),
        xycoords=("axes fraction", "data"),
        va="center",
        ha="left",
        fontsize=style.small_pt,
        color=ink(drawn.colour),
        annotation_clip=False,
    )


def _chance(rows: pd.DataFrame, metric: str) -> float | None:
    """Return what a model without any information reaches, for these rows' share of events."""
    if rows.empty:
        return None
    if metric == "auroc":
        return 0.5
    if not {"n", "n_events"} <= set(rows.columns) or not rows["n"].iloc[0] > 0:
        return None
    share = float(rows["n_events"].iloc[0]) / float(rows["n"].iloc[0])
    return {"average_precision": share, "accuracy": max(share, 1 - share)}.get(metric)


def _scale(panel: Axes, metric: str, style: Style) -> None:
    low = -1.0 if metric in ("youden_j", "brier_skill") else 0.0
    panel.set_xlim(low, 1.0 + 0.06 * (1.0 - low))
    panel.set_xticks(
        [low, (low + 1) / 2, 1.0], [number(low, 0), number((low + 1) / 2, 1).replace(".0", ""), "1"]
    )
    panel.grid(axis="x", color=style.neutral, alpha=0.25, linewidth=style.thin_pt * 0.6)
    panel.set_axisbelow(True)


def _row_names(
    panel: Axes, places: Mapping[tuple[str, str], float], labels: Mapping[str, str], style: Style
) -> None:
    panel.set_yticks(
        list(places.values()), [labels.get(unit, UNITS.get(unit, as_text(unit))) for _, unit in places]
    )
    seen: set[str] = set()
    for (design, _), y in places.items():
        if design not in seen:
            seen.add(design)
            panel.annotate(
                labels.get(design, DESIGNS.get(design, name_of(design, {}))),
                (0, y + 0.62),
                xycoords=("axes fraction", "data"),
                xytext=(-2.5, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=style.small_pt,
                fontweight="bold",
                annotation_clip=False,
            )
