"""What leaks: the ladder from the honest protocol to the published one, and permutation nulls."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from voicerisk.errors import ReportError
from voicerisk.figures.layout import foot_note, legend, lettered, line_entry, new_figure, panels, point_entry
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing
from voicerisk.figures.wording import (
    GIVEN_SHORT,
    NO_LABELS,
    as_text,
    inside,
    metric_name,
    need,
    number,
    ordered,
    p_value,
)

SHOWN = ("auroc", "auroc_call", "average_precision", "accuracy", "accuracy_frame", "brier")
ALL_METRICS_MM = 140.0
FEW_DRAWS = 40  # fewer permutations are drawn one by one
NULLS = {"auroc": "null_mean_kfold", "auroc_call": "null_mean_call_kfold"}
LADDER_NAMES = {
    "auroc": "AUROC as printed",
    "auroc_call": "AUROC of calls",
    "accuracy_frame": "Frames decided rightly",
}


def _rungs(panel: Axes, rows: pd.DataFrame, place: Mapping[int, int], nulls: bool, style: Style) -> None:
    """Draw one metric over the rungs: estimates with intervals, permuted means, and the numbers beside."""
    y = rows["rung"].map(place).to_numpy(float)
    x = rows["estimate"].to_numpy(float)
    panel.plot(x, y, color=style.neutral, linewidth=style.thin_pt, zorder=1)
    if "lower" in rows:
        panel.hlines(y, rows["lower"], rows["upper"], color="black", linewidth=style.line_pt, zorder=2)
    if nulls and rows["null_mean"].notna().any():
        null = SeriesStyle(style.accent, "", "|", True).point(style.marker_pt * 2)
        panel.plot(rows["null_mean"], y, zorder=3, **null)
    panel.plot(x, y, zorder=4, clip_on=False, **SeriesStyle("black", "-", "o").point(style.marker_pt))
    for value, at in zip(x, y, strict=True):
        panel.annotate(
            inside(value),
            (1.05, at),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=style.small_pt,
            annotation_clip=False,
        )
    if np.nanmin(x) >= 0 and np.nanmax(x) <= 1:
        panel.set_xlim(-0.03, 1.03)
        panel.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    panel.grid(axis="y", color=style.neutral, alpha=0.25, linewidth=style.thin_pt * 0.6)
    panel.set_axisbelow(True)
    panel.tick_params(axis="y", length=0)
    panel.spines["left"].set_visible(False)


@drawing
def audit_ladder(
    ladder: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    shown: Sequence[str] | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw what each further liberty does to the numbers, from the honest protocol down to the published one.

    Parameters
    ----------
    ladder : DataFrame
        The audit's table as the validation writes it, one row a rung from honest to published: columns
        rung, label, leaked (what had seen held-out callers; empty where nothing had), one column a metric,
        null_mean_kfold (mean AUROC over permuted outcomes by grouped k-fold, in the unit of the rung's own
        AUROC) and null_mean_call_kfold (of calls), lower and upper (of the AUROC of calls). Or in long form:
        rung (0 = honest), name, metric, estimate, and where known lower, upper and null_mean.
    labels : mapping of str to str
        Display names of rungs and metrics.
    shown : sequence of str, optional
        Metrics, one panel each (default: AUROC, average precision, accuracy and Brier score, where present;
        the first two alone below 140 mm).
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One row a rung, one panel a metric; the line between two rungs is the change.

    Raises
    ------
    ReportError
        If columns are missing, a rung has two rows for a metric, or none of the metrics is there.

    Examples
    --------
    >>> import pandas as pd
    >>> ladder = pd.DataFrame({"rung": [0, 1], "name": ["honest", "screened on all"], "metric": "auroc",
    ...                        "estimate": [0.71, 0.84]})
    >>> figure = audit_ladder(ladder)
    >>> len(figure.axes)
    1
    """
    ladder = _long(ladder)
    width = width_mm or style.two_columns_mm
    wanted = shown or [metric for metric in SHOWN if (ladder["metric"] == metric).any()]
    if shown is None and width < ALL_METRICS_MM:
        wanted = wanted[:2]  # a narrow figure has no room for more
    table = ladder[ladder["metric"].isin(list(wanted))]
    if table.empty:
        raise ReportError(f"audit ladder: the table has none of {', '.join(shown or SHOWN)}.")
    if table.duplicated(["rung", "metric"]).any():
        row = table[table.duplicated(["rung", "metric"])].iloc[0]
        raise ReportError(
            f"audit ladder: rung {row['rung']} has two rows for {row['metric']}; keep one unit."
        )
    rungs = table.drop_duplicates("rung").sort_values("rung")
    leaking = rungs["leaked"].fillna("").astype(str).ne("") if "leaked" in rungs else rungs["rung"].isna()
    place = {rung: -position for position, rung in enumerate(rungs["rung"])}
    line = style.small_pt * 2.6 / 72 * 25.4
    figure = new_figure(width, 22.0 + line * len(rungs))
    axes = list(figure.subplots(1, len(wanted), sharey=True, squeeze=False)[0])
    nulls = "null_mean" in table and bool(table["null_mean"].notna().any())
    for panel, metric in zip(axes, wanted, strict=True):
        rows = table[table["metric"] == metric].sort_values("rung")
        _rungs(panel, rows, place, nulls, style)
        for rung in rungs.loc[leaking, "rung"]:
            panel.axhspan(
                place[rung] - 0.5, place[rung] + 0.5, color=style.accent, alpha=0.12, linewidth=0, zorder=0
            )
        if metric == "auroc":
            panel.axvline(0.5, color=style.neutral, linewidth=style.thin_pt, linestyle=(0, (3, 2)), zorder=0)
        named = labels.get(metric, LADDER_NAMES.get(metric, metric_name(metric)))
        panel.set_title("\n".join(textwrap.wrap(named, 14)), fontsize=style.font_pt)
    names = [labels.get(str(name), as_text(name, 76)) for name in rungs["name"]]
    prefixed = [
        name if not place or name.startswith("+") else f"+ {name}" for place, name in enumerate(names)
    ]
    prefixed = ["\n".join(textwrap.wrap(name, 38, subsequent_indent="   ")) for name in prefixed]
    axes[0].set_yticks(list(place.values()), prefixed)
    axes[0].set_ylim(min(place.values()) - 0.6, 0.6)
    entries: list[tuple[Any, str]] = [point_entry(SeriesStyle("black", "-", "o"), "estimate", style)]
    if nulls:
        entries.append(
            point_entry(
                SeriesStyle(style.accent, "", "|"), "mean over permuted outcomes (grouped k-fold)", style
            )
        )
    if leaking.any():
        shade = Patch(facecolor=style.accent, alpha=0.25, linewidth=0)
        entries.append((shade, "rung with parts that have seen held-out callers"))
    legend(figure, entries)
    lettered(axes, style)
    if "lower" in table and table["lower"].notna().any():
        foot_note(figure, GIVEN_SHORT, style)
    return figure


def _long(ladder: pd.DataFrame) -> pd.DataFrame:
    """Return one row a rung and metric; each AUROC has the permutation mean of its own unit."""
    if "label" not in ladder or "metric" in ladder:
        return need(ladder, ["rung", "name", "metric", "estimate"], "audit ladder")
    need(ladder, ["rung", "label", "auroc"], "audit ladder")
    parts = []
    for metric in SHOWN:
        if metric in ladder and ladder[metric].notna().any():
            null = ladder.get(NULLS.get(metric, ""), np.nan)
            parts.append(
                pd.DataFrame(
                    {
                        "rung": np.arange(len(ladder)),
                        "name": ladder["label"].astype(str).to_numpy(),
                        "metric": metric,
                        "estimate": ladder[metric].to_numpy(float),
                        "null_mean": null if np.isscalar(null) else np.asarray(null, float),
                        "lower": ladder["lower"] if metric == "auroc_call" and "lower" in ladder else np.nan,
                        "upper": ladder["upper"] if metric == "auroc_call" and "upper" in ladder else np.nan,
                        "leaked": ladder.get("leaked", pd.Series("", ladder.index)).to_numpy(object),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


@drawing
def permutation_null(
    draws: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the metric over permuted outcomes, with the observed value and its P value.

    Parameters
    ----------
    draws : DataFrame
        Columns value (one row a permutation), observed (the same in every row of a kind), and where there are
        several, kind (for example 'among all callers', 'within strata'); optionally metric.
    labels : mapping of str to str
        Display names of kinds.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a kind; P = (1 + number of values at least as large) / (1 + permutations).

    Raises
    ------
    ReportError
        If columns are missing, a value is missing, or a kind has several observed values.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> null = np.random.default_rng(1).normal(0.5, 0.1, 50)
    >>> len(permutation_null(pd.DataFrame({"value": null, "observed": 0.8})).axes)
    1
    """
    need(draws, ["value", "observed"], "permutation null")
    table = draws.assign(kind=draws["kind"].astype(str) if "kind" in draws else "")
    if table["value"].isna().any():
        raise ReportError(f"permutation null: {int(table['value'].isna().sum())} permutations have no value.")
    kinds = ordered(table["kind"])
    metric = metric_name(str(table["metric"].iloc[0])) if "metric" in table else "AUROC"
    figure, axes = panels(len(kinds), style, width_mm, panel_mm=70.0, ratio=0.6, extra_mm=10.0, sharex=True)
    low = min(0.0 if metric == "AUROC" else table["value"].min(), table["value"].min())
    bins = np.linspace(low, max(1.0, table["value"].max()), 51)
    for panel, kind in zip(axes, kinds, strict=True):
        rows = table[table["kind"] == kind]
        observed = rows["observed"].unique()
        if len(observed) != 1:
            raise ReportError(f"permutation null: {kind or 'the table'} has {len(observed)} observed values.")
        values = rows["value"].to_numpy(float)
        p = (1 + int((values >= observed[0]).sum())) / (1 + len(values))
        if len(values) < FEW_DRAWS:
            # A histogram of a handful of values looks like a distribution and is none.
            heights = stacked(values, 0.01 * float(bins[-1] - bins[0]))
            panel.plot(values, heights, **SeriesStyle(style.neutral, "", "o").point(style.marker_pt * 0.8))
            panel.set_ylim(0, max(4, heights.max() + 2))
        else:
            panel.hist(
                values, bins=list(bins), color=style.neutral, edgecolor="white", linewidth=style.thin_pt
            )
        panel.axvline(observed[0], color=style.accent, linewidth=style.line_pt * 1.3)
        panel.axvline(values.mean(), color="black", linewidth=style.line_pt, linestyle=(0, (3, 2)))
        panel.set_title(labels.get(kind, as_text(kind)) if kind else "")
        panel.set_xlabel(
            f"{metric} over {len(values)} permutations\n"
            f"mean {number(values.mean(), 3)}, observed {number(observed[0], 3)}, {_p(p, len(values))}"
        )
        panel.set_ylabel("permutations")
        panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    entries = [
        point_entry(SeriesStyle(style.neutral, "", "s"), "permuted outcomes", style),
        line_entry(SeriesStyle("black", (0, (3, 2)), ""), "their mean", style),
        line_entry(SeriesStyle(style.accent, "-", ""), "observed", style),
    ]
    axes[0].set_xlim(float(bins[0]), float(bins[-1]))
    legend(figure, entries)
    lettered(axes, style)
    return figure


def stacked(values: Sequence[float] | np.ndarray, width: float) -> np.ndarray:
    """Return a height for each value so that values closer than `width` lie above each other.

    Examples
    --------
    >>> stacked([0.5, 0.505, 0.9], 0.01).tolist()
    [1.0, 2.0, 1.0]
    """
    column = np.floor(np.asarray(values, dtype=float) / width + 1e-9)
    heights = np.zeros(len(column))
    for one in np.unique(column):
        mine = np.flatnonzero(column == one)
        heights[mine] = np.arange(1, len(mine) + 1)
    return heights


def _p(p: float, n: int) -> str:
    """Return the P value, and where few permutations bound it, the smallest that they could give."""
    said = p_value(p)
    least = f" (smallest possible {p_value(1 / (1 + n))})" if n < FEW_DRAWS else ""
    return f"P{'' if said[0] in '<>' else '='}{said}{least}"
