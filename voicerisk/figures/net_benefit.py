"""Is acting on the model better than treating everybody or nobody: decision curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from voicerisk.figures.layout import above, foot_note, legend, lettered, line_entry, panels
from voicerisk.figures.style import DEFAULT, SeriesStyle, Style, drawing, series_style
from voicerisk.figures.wording import (
    NO_LABELS,
    PROTOCOLS,
    as_text,
    designs,
    in_figure,
    interval_note,
    need,
    number,
    only,
    ordered,
)

# Strategy of the table -> what the second panel calls it.
DIFFERENCES = {"model_minus_all": "to acting on all", "model_minus_none": "to acting on none"}


def _strategies(
    panel: Axes, rows: pd.DataFrame, colour: str, relevant: tuple[float, float] | None, style: Style
) -> None:
    """Draw the net benefit of the model with its band, of acting on all, and the largest possible."""
    model, everybody = (rows[rows["strategy"] == name] for name in ("model", "all"))
    panel.axhline(0, color="black", linewidth=style.thin_pt, zorder=1)
    panel.plot(
        everybody["threshold"],
        everybody["net_benefit"],
        color=style.neutral,
        linewidth=style.line_pt,
        linestyle=(0, (4, 1.6)),
        zorder=2,
        label="act on all",
    )
    if "lower" in model and model["lower"].notna().any():
        panel.fill_between(
            model["threshold"],
            model["lower"],
            model["upper"],
            color=colour,
            alpha=style.band_alpha,
            linewidth=0,
        )
    panel.plot(
        model["threshold"],
        model["net_benefit"],
        color=colour,
        linewidth=style.line_pt * 1.3,
        zorder=3,
        label="model",
    )
    top = rows[rows["strategy"] == "maximum"]
    panel.plot(
        top["threshold"],
        top["net_benefit"],
        color=style.accent,
        linewidth=style.thin_pt * 1.3,
        linestyle=(0, (1, 1.5)),
        zorder=2,
        label="maximum",
    )
    if relevant is not None:
        for left, right in ((0.0, relevant[0]), (relevant[1], 1.0)):
            panel.axvspan(left, right, color="white", alpha=0.65, linewidth=0, zorder=4)
            panel.axvspan(left, right, color=style.neutral, alpha=0.16, linewidth=0, zorder=4)
    panel.set_xlim(0, 1)
    panel.set_xticks(np.linspace(0, 1, 6), ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    panel.set_xlabel(_threshold_label(rows))
    panel.set_ylabel("net benefit")


def _entries(
    table: pd.DataFrame, protocols: Sequence[str], shaded: bool, differ: bool, style: Style
) -> list[tuple[Any, str]]:
    """Return the legend: models, strategies, and what grey means."""
    entries: list[tuple[Any, str]] = []
    for position, name in enumerate(protocols):
        solid = SeriesStyle(series_style(name, style, position).colour, "-", "")
        entries.append(line_entry(solid, "model" if name == "model" else f"model, {as_text(name)}", style))
    entries += [
        line_entry(SeriesStyle(style.neutral, (0, (4, 1.6)), ""), "act on all", style),
        line_entry(SeriesStyle("black", "-", ""), "act on none", style),
    ]
    if differ:
        entries.append(line_entry(SeriesStyle(style.neutral, (0, (4, 1.6)), ""), "b: model minus all", style))
        entries.append(line_entry(SeriesStyle("black", (0, (1, 1)), ""), "b: model minus none", style))
    if shaded:
        grey = Patch(facecolor=style.neutral, alpha=0.3, linewidth=0)
        entries.append((grey, "nobody would act on"))
    if (table["strategy"] == "maximum").any():
        entries.append(line_entry(SeriesStyle(style.accent, (0, (1, 1.5)), ""), "largest possible", style))
    return entries


@drawing
def decision_curves(
    curve: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    relevant: tuple[float, float] | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw net benefit against the risk threshold, and its differences to acting on all and on none.

    Parameters
    ----------
    curve : DataFrame
        Columns threshold (0..1, the risk from which one acts), strategy ('model', 'all', 'none', and where it
        is there 'maximum', the prevalence; 'model_minus_all' and 'model_minus_none' make a second panel;
        others are left out), net_benefit, lower, upper, where there are several, protocol, and where it is
        known, prevalence and design. Constant columns relevant_low and relevant_high stand in for `relevant`.
    labels : mapping of str to str
        Display names of protocols.
    relevant : (float, float), optional
        Thresholds somebody would act on, fixed before the data were seen; the rest of the panel is greyed.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a protocol, and beside it one of the differences where the table has them.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> curve = pd.DataFrame({"threshold": [0.1, 0.2, 0.3] * 2, "strategy": ["model"] * 3 + ["all"] * 3,
    ...     "net_benefit": [0.25, 0.22, 0.2, 0.22, 0.12, 0.0], "lower": [0.2, 0.17, 0.15] + [0.1, 0.0, -0.1],
    ...     "upper": [0.3, 0.27, 0.25] + [0.3, 0.2, 0.1]})
    >>> decision_curves(curve).axes[0].get_ylabel()
    'net benefit'
    """
    need(curve, ["threshold", "strategy", "net_benefit"], "decision curves")
    table = curve.assign(protocol=curve["protocol"].astype(str) if "protocol" in curve else "model")
    if relevant is None:
        low, high = (only(curve, f"relevant_{end}", "decision curves") for end in ("low", "high"))
        relevant = (low, high) if low is not None and high is not None else None
    protocols = ordered(table["protocol"])
    differ = set(DIFFERENCES) <= set(table["strategy"])
    number_of = len(protocols) * (2 if differ else 1)
    figure, every = panels(number_of, style, width_mm, panel_mm=70.0, ratio=0.75, extra_mm=10.0)
    axes = every[::2] if differ else every
    shown = table[table["strategy"].isin(["model", "all"])]
    best = float(shown["net_benefit"].max())
    if "upper" in table:
        best = max(best, float(table.loc[table["strategy"] == "model", "upper"].max()))
    for position, (panel, protocol) in enumerate(zip(axes, protocols, strict=True)):
        rows = table[table["protocol"] == protocol].sort_values("threshold")
        drawn = series_style(protocol, style, position)
        _strategies(panel, rows, drawn.colour, relevant, style)
        panel.set_ylim(-0.35 * max(best, 0.02), 1.05 * max(best, 0.02))
        if differ:
            _differences(every[2 * position + 1], rows, drawn.colour, style)
        if protocol != "model":
            panel.set_title(labels.get(protocol, PROTOCOLS.get(protocol, as_text(protocol))))
        above(panel, [(text, "black") for text in designs(rows)], style)
    legend(figure, _entries(table, protocols, relevant is not None, differ, style))
    lettered(every, style)
    if "lower" in table and table["lower"].notna().any():
        foot_note(figure, in_figure(interval_note(table)), style)
    return figure


def _threshold_label(rows: pd.DataFrame) -> str:
    """Return the label of the thresholds, with the share of the outcome that the curve is for."""
    share = list(rows["prevalence"].dropna().unique()) if "prevalence" in rows else []
    told = f"\n({number(float(share[0]))} of calls have the outcome)" if len(share) == 1 else ""
    return f"threshold probability{told}"


def _differences(panel: Axes, rows: pd.DataFrame, colour: str, style: Style) -> None:
    """Draw how much more net benefit the model has than acting on all and on none, with paired intervals."""
    panel.axhline(0, color="black", linewidth=style.thin_pt, zorder=1)
    # Against acting on all the model gains without end as the threshold rises. The axis holds the difference
    # to acting on none, and the other ends where it would leave the panel.
    none = rows[rows["strategy"] == "model_minus_none"]
    ends = [none["net_benefit"], *(none[end] for end in ("lower", "upper") if end in none)]
    low, high = (float(np.nanmax([0.02, *(s * np.concatenate(ends))])) for s in (-1, 1))
    dashes = {"model_minus_all": (0, (4, 1.6)), "model_minus_none": (0, (1, 1))}
    colours = {"model_minus_all": style.neutral, "model_minus_none": colour}
    for strategy, dash in dashes.items():
        mine = rows[rows["strategy"] == strategy]
        if strategy == "model_minus_all":
            top = mine["upper"].fillna(mine["net_benefit"]) if "upper" in mine else mine["net_benefit"]
            mine = mine[(top > 1.05 * high).cumsum() == 0]
        if "lower" in mine and mine["lower"].notna().any():
            panel.fill_between(
                mine["threshold"],
                mine["lower"],
                mine["upper"],
                color=colours[strategy],
                alpha=style.band_alpha,
                linewidth=0,
            )
        panel.plot(
            mine["threshold"],
            mine["net_benefit"],
            color=colours[strategy],
            linewidth=style.line_pt,
            linestyle=dash,
            label=DIFFERENCES[strategy],
        )
    all_low = rows.loc[
        rows["strategy"] == "model_minus_all", [c for c in ("net_benefit", "lower") if c in rows]
    ]
    low = max(low, -float(all_low.min().min()))
    panel.set_ylim(-1.05 * low, 1.05 * high)
    panel.set_xlim(0, 1)
    panel.set_xticks(np.linspace(0, 1, 6), ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    panel.set_xlabel("threshold probability")
    panel.set_ylabel("difference in net benefit")
