"""Cuts and what they decide: thresholds over folds or bootstraps, and each call's score against its cut."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voicerisk.errors import ReportError
from voicerisk.figures.layout import foot_note, legend, lettered, line_entry, new_figure, point_entry
from voicerisk.figures.style import DEFAULT, POINTS_PER_MM, SeriesStyle, Style, drawing, ink, series_style
from voicerisk.figures.wording import (
    DESIGNS,
    NO_LABELS,
    PROTOCOLS,
    as_text,
    need,
    number,
    one_design,
    ordered,
)
from voicerisk.types import Floats


@drawing
def threshold_distribution(
    thresholds: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    draws: pd.DataFrame | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw where the cuts lie: a cut for all calls with its bootstraps, or the cut of each fold.

    Parameters
    ----------
    thresholds : DataFrame
        thresholds.csv: columns protocol, threshold (the mean over the bootstraps of one fold), and where
        known design, fold, q025, q975.
    labels : mapping of str to str
        Display names of protocols.
    draws : DataFrame, optional
        Single bootstrap cuts of protocols with one cut for all calls: columns protocol, threshold.
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
    >>> cuts = pd.DataFrame({"protocol": "nested", "threshold": [0.41, 0.44, 0.43, 0.47]})
    >>> len(threshold_distribution(cuts).axes)
    1
    """
    need(thresholds, ["protocol", "threshold"], "thresholds")
    table = thresholds
    if "design" in table and (table["design"] == "loco").any():
        table = table[table["design"] == "loco"]
    known = set() if draws is None else set(draws.dropna(subset=["threshold"])["protocol"].astype(str))
    of = {name: table[table["protocol"].astype(str) == name] for name in ordered(table["protocol"])}
    # A single cut is a number, not a distribution: it is told below.
    single = [name for name, rows in of.items() if len(rows) == 1 and name not in known]
    protocols = [name for name in of if name not in single] or list(of)
    single = [name for name in single if name not in protocols]
    beside = (width_mm or style.two_columns_mm) >= 60.0 * len(protocols)
    width = width_mm or (style.one_column_mm if len(protocols) == 1 else style.two_columns_mm)
    rows_of, columns = (1, len(protocols)) if beside else (len(protocols), 1)
    figure = new_figure(width, 66.0 * rows_of + 6.0)
    panels = list(figure.subplots(rows_of, columns, squeeze=False, sharex=True).ravel())
    spread = "q025" in table and bool(table["q025"].notna().any())
    drawn_bootstraps = False
    for column, (panel, protocol) in enumerate(zip(panels, protocols, strict=True)):
        drawn = series_style(protocol, style, column)
        mine = of[protocol]
        values = np.empty(0)
        if draws is not None:
            values = (
                draws.loc[draws["protocol"].astype(str) == protocol, "threshold"].dropna().to_numpy(float)
            )
        if values.size:
            _bootstrap_cuts(panel, values, float(mine["threshold"].mean()), drawn, style)
            drawn_bootstraps = True
        else:
            _fold_cuts(panel, mine, drawn, style)
        panel.set_title(labels.get(protocol, PROTOCOLS.get(protocol, as_text(protocol))))
        panel.set_xlabel("cut on the call score")
    lettered(panels, style)
    panels[0].set_xlim(*_where(table, draws))
    entries = [
        point_entry(SeriesStyle("black", "-", "o"), "cut applied in a fold (mean of its bootstraps)", style)
    ]
    if spread:
        entries.append(
            line_entry(SeriesStyle(style.neutral, "-", ""), "2.5 to 97.5% of the bootstraps", style)
        )
    if drawn_bootstraps:
        entries.append(line_entry(SeriesStyle("black", "--", ""), "one cut applied to all calls", style))
    legend(figure, entries)
    if single:
        told = [
            f"{labels.get(name, PROTOCOLS.get(name, as_text(name)))} {number(of[name]['threshold'].iloc[0])}"
            for name in single
        ]
        foot_note(figure, f"One cut for all calls: {', '.join(told)}.", style)
    return figure


def _where(table: pd.DataFrame, draws: pd.DataFrame | None) -> tuple[float, float]:
    """Return the stretch of scores that holds every cut, with a margin."""
    columns = [table[name] for name in ("threshold", "q025", "q975") if name in table]
    columns += [] if draws is None else [draws["threshold"]]
    values = pd.concat(columns).dropna()
    if values.empty:
        return -0.02, 1.02
    low, high = float(values.min()), float(values.max())
    room = max(0.05, 0.08 * (high - low))
    return max(-0.02, low - room), min(1.02, high + room)


def _bootstrap_cuts(panel: Axes, values: Floats, cut: float, drawn: SeriesStyle, style: Style) -> None:
    panel.hist(
        values,
        bins=np.linspace(0, 1, 51).tolist(),
        color=drawn.colour,
        alpha=0.55,
        edgecolor="white",
        linewidth=style.thin_pt,
    )
    panel.axvline(cut, color="black", linestyle="--", linewidth=style.thin_pt * 1.5)
    panel.set_ylabel(f"bootstrap cuts (n = {values.size}, mean {number(cut)})")


def _fold_cuts(panel: Axes, rows: pd.DataFrame, drawn: SeriesStyle, style: Style) -> None:
    rows = rows.sort_values("threshold", kind="stable").reset_index(drop=True)
    y = np.arange(len(rows))
    if "q025" in rows:
        panel.hlines(
            y, rows["q025"], rows["q975"], color=style.neutral, linewidth=style.thin_pt * 1.3, zorder=1
        )
    size = style.marker_pt if len(rows) == 1 else style.marker_pt * 0.55
    panel.plot(rows["threshold"], y, zorder=3, **drawn.point(size))
    panel.set_ylim(-1 - 0.02 * len(rows), len(rows) + 0.02 * len(rows))
    missing = int(rows["threshold"].isna().sum())
    panel.set_yticks([])
    cut = number(rows["threshold"].mean())
    text = (
        f"one cut for all calls: {cut}" if len(rows) == 1 else f"{len(rows)} folds, sorted\n(mean cut {cut})"
    )
    if missing:
        text += f"\n{missing} without a cut"
    panel.set_ylabel(text)


def call_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row a call, with its score, its cut and whether the decision was right.

    Parameters
    ----------
    predictions : DataFrame
        The predictions table. Of the rows of unit `call` the leave-one-caller-out ones are taken, or where
        there are none, the first design and repeat.

    Returns
    -------
    DataFrame
        Columns protocol, design, call_id, caller_id, y, p_raw, threshold, decision (1 flagged, 0 not; a call
        without a cut is not flagged), wrong (bool), sorted by protocol and score.

    Raises
    ------
    ReportError
        If there are no call rows.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> call_scores(load_example("predictions")).columns.tolist()
    ['protocol', 'design', 'call_id', 'caller_id', 'y', 'p_raw', 'threshold', 'decision', 'wrong']
    """
    need(
        predictions,
        ["protocol", "design", "repeat", "unit", "call_id", "caller_id", "y", "p_raw", "threshold"],
        "call scores",
    )
    calls = predictions[predictions["unit"] == "call"]
    if calls.empty:
        raise ReportError("call scores: the predictions table has no rows of unit 'call'.")
    parts = []
    for _, rows in calls.groupby("protocol", sort=False):
        rows = one_design(rows)
        rows = rows[rows["repeat"] == rows["repeat"].iloc[0]] if rows["repeat"].notna().all() else rows
        parts.append(rows.sort_values(["p_raw", "call_id"], kind="stable"))
    table = pd.concat(parts, ignore_index=True)
    decision = (table["p_raw"] >= table["threshold"]).astype("Int64")
    wrong = (decision != table["y"]).astype(bool)
    columns = ["protocol", "design", "call_id", "caller_id", "y", "p_raw", "threshold"]
    return table[columns].assign(decision=decision, wrong=wrong)


@drawing
def score_dots(
    scores: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    names: Mapping[str, str] | None = None,
    named: int = 12,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw every call's score in rising order, its fold's cut, and a ring around each call decided wrongly.

    Parameters
    ----------
    scores : DataFrame
        What `call_scores` returns.
    labels : mapping of str to str
        Display names of protocols.
    names : mapping of str to str, optional
        Display name of each call (a pseudonym); by default the call_id itself.
    named : int
        Wrong calls that are named, the ones farthest from their cut first. All are ringed.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a protocol, below each other.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> from voicerisk import load_example
    >>> from voicerisk.figures import call_scores
    >>> figure = score_dots(call_scores(load_example("predictions")))
    >>> len(figure.axes)
    1
    """
    need(scores, ["protocol", "call_id", "y", "p_raw", "threshold", "wrong"], "call scores")
    protocols = ordered(scores["protocol"])
    width = width_mm or style.two_columns_mm
    figure = new_figure(width, 10.0 + 58.0 * len(protocols))
    axes = list(figure.subplots(len(protocols), 1, squeeze=False)[:, 0])
    for panel, protocol in zip(axes, protocols, strict=True):
        rows = scores[scores["protocol"].astype(str) == protocol].sort_values(
            ["p_raw", "call_id"], kind="stable"
        )
        rows = rows.reset_index(drop=True)
        _cuts(panel, rows, style)
        for outcome in (0, 1):
            mine = rows[rows["y"] == outcome]
            panel.plot(
                mine.index,
                mine["p_raw"],
                zorder=3,
                label=f"outcome {outcome}",
                **series_style(str(outcome), style).point(style.marker_pt * 0.85),
            )
        wrong = rows[rows["wrong"].astype(bool)]
        panel.plot(
            wrong.index,
            wrong["p_raw"],
            linestyle="none",
            marker="o",
            markersize=style.marker_pt * 1.9,
            markerfacecolor="none",
            markeredgecolor=style.accent,
            markeredgewidth=style.thin_pt * 2,
            zorder=4,
        )
        _name_wrong(panel, rows, wrong, names or {}, named, style)
        n = len(rows)
        title = labels.get(protocol, PROTOCOLS.get(protocol, as_text(protocol)))
        design = DESIGNS.get(str(rows["design"].iloc[0]), "") if "design" in rows else ""
        says = f"{title}{', ' if design else ''}{design}: {len(wrong)} of {n} calls decided wrongly"
        room = int(0.9 * width * POINTS_PER_MM / (0.6 * style.title_pt))
        panel.set_title("\n".join(textwrap.wrap(says, room)))
        panel.set_xlim(-0.02 * n - 1, 1.02 * n)
        panel.set_xticks([])
        panel.set_ylabel("score of the call")
    axes[-1].set_xlabel("calls, sorted by score")
    entries = [
        point_entry(series_style("1", style), "outcome 1", style),
        point_entry(series_style("0", style), "outcome 0", style),
        point_entry(SeriesStyle(style.accent, "", "o", False), "decided wrongly", style),
        line_entry(SeriesStyle(style.neutral, "-", ""), "cut", style),
    ]
    legend(figure, entries)
    lettered(axes, style)
    return figure


def _cuts(panel: Axes, rows: pd.DataFrame, style: Style) -> None:
    cuts = rows["threshold"].to_numpy(float)
    known = cuts[np.isfinite(cuts)]
    if known.size and np.ptp(known) < 1e-12:
        panel.axhline(known[0], color=style.neutral, linewidth=style.line_pt)
    else:
        panel.hlines(cuts, rows.index - 0.45, rows.index + 0.45, color=style.neutral, linewidth=style.line_pt)


def _name_wrong(
    panel: Axes, rows: pd.DataFrame, wrong: pd.DataFrame, names: Mapping[str, str], named: int, style: Style
) -> None:
    """Name wrong calls where the rising curve leaves room: misses lower right, false alarms upper left.

    A name goes farther out until it covers neither a call nor another name.
    """
    far = (
        (wrong["p_raw"] - wrong["threshold"]).abs().sort_values(ascending=False, kind="stable").index[:named]
    )
    if far.empty:
        return
    low, high = panel.get_ylim()
    n = len(rows)
    inches = panel.figure.get_figwidth()  # type: ignore[union-attr]
    row = (high - low) * 0.055 * style.small_pt / 6  # the height of a line of text, in the units of the score
    per_letter = 0.6 * style.small_pt / (0.94 * inches * 72) * 1.04 * n  # its width, in calls
    covered = [(float(x), float(x), float(y)) for x, y in zip(rows.index, rows["p_raw"], strict=True)]
    for index in sorted(far, key=lambda at: (rows.at[at, "y"], -at if rows.at[at, "y"] else at)):
        call = rows.loc[index]
        text = as_text(names.get(str(call["call_id"]), str(call["call_id"])), 22)
        side = 1 if call["y"] == 1 else -1
        if (side > 0 and index > 0.9 * n) or (side < 0 and index < 0.1 * n):
            side = -side
        wide = per_letter * (len(text) + 1)
        for step in range(1, 40):
            x = index + side * (0.012 * n + 0.004 * n * step)
            y = float(call["p_raw"]) - (1 if call["y"] == 1 else -1) * row * (0.3 + 0.7 * step)
            left, right = (x, x + wide) if side > 0 else (x - wide, x)
            if not any(
                left - 0.01 * n < b and a < right + 0.01 * n and abs(y - at) < row for a, b, at in covered
            ):
                break
        covered.append((left, right, y))
        panel.annotate(
            text,
            (index, call["p_raw"]),
            xytext=(x, y),
            textcoords="data",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=style.small_pt,
            color=ink(style.accent),
            arrowprops={
                "arrowstyle": "-",
                "linewidth": style.thin_pt * 0.7,
                "color": style.accent,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (0.0 if side > 0 else 1.0, 0.5),
            },
        )
    heights = [at for _, _, at in covered]
    panel.set_ylim(min(low, min(heights) - row), max(high, max(heights) + row))
