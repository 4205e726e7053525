"""Grades and numbers: what calls were told beside what they had, and whether each P(grade >= k) holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from voicerisk.figures.calibration_curve import risk_groups
from voicerisk.figures.layout import foot_note, panels
from voicerisk.figures.style import DEFAULT, Style, drawing
from voicerisk.figures.wording import NO_LABELS, need, one_design

AT_LEAST = "at_least_"
_SHIFT = 0.28  # of the dots of one grade to either side, so that calls stay apart


def grade_points(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return observed shares by groups of predicted P(grade >= k), one design and repeat.

    Parameters
    ----------
    predictions : DataFrame
        design, repeat, caller_id, y, and at_least_<grade>.

    Returns
    -------
    DataFrame
        grade, p, observed, lower, upper, n, level; intervals over bootstrapped callers.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> p = rng.random(60)
    >>> table = pd.DataFrame({"design": "loco", "repeat": 0, "caller_id": [f"c{i}" for i in range(60)],
    ...     "y": (rng.random(60) < p).astype(int), "at_least_1": p})
    >>> grade_points(table)["n"].sum()
    np.int64(60)
    """
    rows = first_design(predictions)
    callers = rows["caller_id"].to_numpy(str)
    parts = []
    for name in [column for column in map(str, rows) if column.startswith(AT_LEAST)]:
        grade = int(name.removeprefix(AT_LEAST))
        event = (rows["y"] >= grade).to_numpy().astype(np.float64)
        groups = risk_groups(rows[name].to_numpy(np.float64), event, callers)
        parts.append(groups.assign(grade=grade)[["grade", *groups.columns]])
    return pd.concat(parts, ignore_index=True)


def first_design(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return leave-one-caller-out where it is there, else the first design, and its first repeat."""
    rows = one_design(predictions)
    return rows[rows["repeat"] == rows["repeat"].iloc[0]]


@drawing
def grade_calibration(
    points: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw, for each grade k, the observed share of calls of grade k or more against the predicted one.

    Parameters
    ----------
    points : DataFrame
        What `grade_points` returns.
    labels : mapping of str to str
        Unused; the grades are numbers.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        One panel a grade.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> p = rng.random(60)
    >>> table = pd.DataFrame({"design": "loco", "repeat": 0, "caller_id": [f"c{i}" for i in range(60)],
    ...     "y": (rng.random(60) < p).astype(int), "at_least_1": p})
    >>> len(grade_calibration(grade_points(table)).axes)
    1
    """
    need(points, ["grade", "p", "observed", "lower", "upper", "n"], "calibration of grades")
    grades = sorted(points["grade"].unique())
    figure, axes = panels(len(grades), style, width_mm, ratio=1.0, sharex=True, sharey=True)
    for panel, grade in zip(axes, grades, strict=True):
        mine = points[points["grade"] == grade]
        panel.plot([0, 1], [0, 1], color=style.neutral, linewidth=style.thin_pt, linestyle="--", zorder=1)
        panel.vlines(
            mine["p"], mine["lower"], mine["upper"], color=style.nested, linewidth=style.thin_pt * 1.3
        )
        panel.plot(mine["p"], mine["observed"], "o", color=style.nested, markersize=style.marker_pt, zorder=3)
        panel.set_title(f"grade {grade:g} or more")
        panel.set_xlim(-0.03, 1.03)
        panel.set_ylim(-0.03, 1.03)
        panel.set_aspect("equal")
    figure.supxlabel("predicted probability", fontsize=style.font_pt)
    figure.supylabel("observed share", fontsize=style.font_pt)
    return figure


@drawing
def predicted_observed(
    calls: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw what each call was told against what it had, callers left out.

    Parameters
    ----------
    calls : DataFrame
        y, predicted; one row a call. Few whole numbers are grades, whose dots are spread sideways. With
        `of` (a text) predicted is that, a score, and not y: there is no diagonal, but the mean of
        `threshold`; rings are calls that were not `learned` from.
    labels : mapping of str to str
        Unused.
    width_mm : float, optional
        Width in mm.
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"y": [0, 1, 2, 3, 3], "predicted": [0.2, 1.1, 1.5, 2.4, 3.0]})
    >>> len(predicted_observed(calls).axes)
    1
    """
    need(calls, ["y", "predicted"], "predicted and observed")
    figure, (panel,) = panels(1, style, width_mm, ratio=0.9)
    y, predicted = calls["y"].to_numpy(float), calls["predicted"].to_numpy(float)
    scored = str(calls["of"].iloc[0]) if "of" in calls else ""
    dashed: dict[str, Any] = {
        "color": style.neutral,
        "linewidth": style.thin_pt,
        "linestyle": "--",
        "zorder": 1,
    }
    if scored:
        panel.axhline(float(calls["threshold"].mean()), **dashed)
    else:
        ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
        panel.plot(ends, ends, **dashed)
    x = y.copy()
    graded = bool((y == np.floor(y)).all()) and len(np.unique(y)) <= 20
    if graded:
        for grade in np.unique(y):
            rows = np.flatnonzero(y == grade)
            order = rows[np.argsort(predicted[rows], kind="stable")]
            x[order] += _SHIFT * np.array([0.0, 1.0, -1.0, 0.5, -0.5])[np.arange(len(rows)) % 5]
            panel.hlines(np.median(predicted[rows]), grade - 0.4, grade + 0.4, color=style.accent, zorder=4)
        panel.set_xticks(np.unique(y))
    learned = calls["learned"].to_numpy(bool) if "learned" in calls else np.ones(len(y), bool)
    for rows, face in ((learned, style.nested), (~learned, "none")):
        panel.plot(
            x[rows],
            predicted[rows],
            "o",
            markeredgecolor=style.nested,
            markerfacecolor=face,
            markersize=style.marker_pt * 0.6,
            alpha=0.7,
            zorder=3,
        )
    panel.set_xlabel("grade observed" if graded else "observed")
    panel.set_ylabel(scored or ("mean grade predicted" if graded else "predicted"))
    note = "Each dot is a call whose caller was left out" + (", bars are medians." if graded else ".")
    if scored:
        note += " The dashed line is the mean cut."
    if not learned.all():
        note += " Rings were not learned from."
    foot_note(figure, note, style)
    return figure
