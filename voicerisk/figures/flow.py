"""Who and what left the study, and why: boxes as in STARD's and TRIPOD's flow diagrams."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from voicerisk.errors import ReportError
from voicerisk.figures.layout import new_figure
from voicerisk.figures.style import DEFAULT, POINTS_PER_MM, Style, drawing
from voicerisk.figures.wording import NO_LABELS, UNIT_NOUNS, as_text, need

MARGIN, GAP, BETWEEN = 1.0, 4.5, 12.0  # mm: page edge, around an arrow, between the columns


@dataclass(frozen=True, slots=True)
class _Stage:
    """A box of the main column and what left on the way to it, as lines of text, already wrapped."""

    title: list[str]
    remaining: list[str]
    left: list[str]


@drawing
def exclusion_flow(
    flow: pd.DataFrame,
    labels: Mapping[str, str] = NO_LABELS,
    *,
    groups: pd.DataFrame | None = None,
    width_mm: float | None = None,
    style: Style = DEFAULT,
) -> Figure:
    """Draw the exclusion flow.

    Parameters
    ----------
    flow : DataFrame
        Columns step, unit ('call', 'caller', 'span', 'segment' or 'frame'), reason, n (left for this reason),
        remaining (of this unit, after the row). Rows of one step follow each other. A row with n = 0 and no
        reason only states what remains.
    labels : mapping of str to str
        Display names of steps and reasons.
    groups : DataFrame, optional
        Boxes at the end, side by side: columns group, unit, n.
    width_mm : float, optional
        Width of the figure in mm (default: two columns).
    style : Style
        Sizes, fonts and colours.

    Returns
    -------
    Figure
        As tall as the boxes need.

    Raises
    ------
    ReportError
        If columns are missing or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> flow = pd.DataFrame({"step": ["listed", "outcome"], "unit": "call", "reason": ["", "no rating"],
    ...                      "n": [0, 3], "remaining": [40, 37]})
    >>> figure = exclusion_flow(flow)
    """
    need(flow, ["step", "unit", "reason", "n", "remaining"], "exclusion flow")
    page = _Page(width_mm or style.two_columns_mm, style)
    column = (page.width - 2 * MARGIN - BETWEEN) / 2
    middle = MARGIN + column / 2
    y = MARGIN
    for position, stage in enumerate(_stages(flow, labels, page.characters(column))):
        if position:
            top = y
            y += GAP
            if stage.left:
                tall = page.box(MARGIN + column + BETWEEN, y, column, stage.left, bold=1)
                page.arrows.append((middle, y + tall / 2, MARGIN + column + BETWEEN, y + tall / 2))
                y += tall + GAP
            page.arrows.append((middle, top, middle, y))
        y += page.box(MARGIN, y, column, stage.title + stage.remaining, bold=len(stage.title))
    if groups is not None and len(groups):
        y = _group_boxes(page, groups, labels, middle, y)
    return page.draw(y + MARGIN)


class _Page:
    """Boxes and arrows in mm from the upper left corner, collected first, because they decide the height."""

    def __init__(self, width: float, style: Style) -> None:
        self.width, self.style = width, style
        self.line = style.font_pt * 1.25 / POINTS_PER_MM
        self.boxes: list[tuple[float, float, float, float, list[str], int]] = []
        self.arrows: list[tuple[float, float, float, float]] = []
        self.bars: list[tuple[float, float, float, float]] = []

    def characters(self, width: float) -> int:
        """Return how many characters of the widest usual font fit a box of this width."""
        return max(8, int((width - 4.0) * POINTS_PER_MM / (self.style.font_pt * 0.58)))

    def box(self, x: float, top: float, width: float, lines: list[str], bold: int) -> float:
        """Add a box whose first `bold` lines are bold; return its height."""
        height = len(lines) * self.line + 2.6
        self.boxes.append((x, top, width, height, lines, bold))
        return height

    def draw(self, height: float) -> Figure:
        """Return the page as a figure."""
        figure = new_figure(self.width, height)
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, self.width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        line = self.style.thin_pt * 1.4
        for x1, y1, x2, y2 in self.bars:
            axes.plot([x1, x2], [y1, y2], color="black", linewidth=line, solid_capstyle="butt")
        for x1, y1, x2, y2 in self.arrows:
            arrow = FancyArrowPatch(
                (x1, y1), (x2, y2), arrowstyle="-|>", mutation_scale=6, shrinkA=0, shrinkB=0
            )
            arrow.set(linewidth=line, color="black")
            axes.add_patch(arrow)
        for x, top, width, tall, lines, bold in self.boxes:
            axes.add_patch(
                Rectangle((x, top), width, tall, facecolor="white", edgecolor="black", linewidth=line)
            )
            for position, text in enumerate(lines):
                at = top + 1.3 + (position + 0.5) * self.line
                weight = "bold" if position < bold else "normal"
                axes.text(x + 2.0, at, text, va="center", fontsize=self.style.font_pt, fontweight=weight)
        return figure


def _stages(flow: pd.DataFrame, labels: Mapping[str, str], characters: int) -> list[_Stage]:
    """Return the boxes: the state before any exclusion, then one a step."""
    steps = flow["step"].astype(str)
    first = flow.drop_duplicates("unit").set_index("unit")
    known: set[str] = set()
    stages: list[_Stage] = []
    for _, block in flow.groupby((steps != steps.shift()).cumsum(), sort=False):
        fresh = [str(unit) for unit in block["unit"].unique() if unit not in known]
        if not known and int(block["n"].sum()):
            start = [
                _amount(_count(first.at[unit, "remaining"]) + _count(first.at[unit, "n"]), unit)
                for unit in fresh
                if _count(first.at[unit, "n"])
            ]
            stages.append(_Stage(["Before any exclusion"], start, []))
        # What is counted here for the first time was there in the box before; it says how many.
        if stages and known:
            stages[-1].remaining.extend(
                _amount(_count(first.at[unit, "remaining"]) + _count(first.at[unit, "n"]), unit)
                for unit in fresh
                if block.loc[block["unit"] == unit, "n"].sum() > 0
            )
        known.update(fresh)
        step = str(block["step"].iloc[0])
        last = block.drop_duplicates("unit", keep="last")
        left: list[str] = []
        gone = block[block["n"] > 0]
        opened = block.drop_duplicates("unit").set_index("unit")
        before = {unit: _count(row["remaining"]) + _count(row["n"]) for unit, row in opened.iterrows()}
        for reason, rows in gone.groupby(gone["reason"].fillna("").astype(str), sort=False):
            amounts = [
                f"{_number(_count(n))} of {_amount(before[unit], str(unit))}"
                for n, unit in zip(rows["n"], rows["unit"], strict=True)
            ]
            text = f"{labels.get(str(reason), str(reason)) or step}: {', '.join(amounts)}"
            left += textwrap.wrap(text, characters, subsequent_indent="   ")
        stages.append(
            _Stage(
                [
                    as_text(text)
                    for text in textwrap.wrap(labels.get(step, _capital(step)), characters) or [""]
                ],
                [
                    _amount(_count(n), str(unit))
                    for n, unit in zip(last["remaining"], last["unit"], strict=True)
                ],
                ["Left out", *[as_text(text) for text in left]] if left else [],
            )
        )
    return stages


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count(value: object) -> int:
    """Return a count as an int; a missing one is an error."""
    try:
        return int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise ReportError(
            f"exclusion flow: {value!r} is not a count; columns n and remaining hold whole numbers."
        ) from error


def _amount(n: int, unit: str) -> str:
    noun = UNIT_NOUNS.get(unit, unit)
    return as_text(f"{_number(n)} {noun[:-1] if n == 1 and noun.endswith('s') else noun}")


def _number(n: int) -> str:
    return f"{n:,}".replace(",", "\u2009")


def _group_boxes(
    page: _Page, groups: pd.DataFrame, labels: Mapping[str, str], middle: float, y: float
) -> float:
    """Add the boxes of the groups, side by side below `y`; return where they end."""
    need(groups, ["group", "unit", "n"], "exclusion flow, groups")
    names = list(dict.fromkeys(groups["group"].astype(str)))
    span = page.width - 2 * MARGIN
    # Two groups stand under the two columns above, so that an arrow runs straight down.
    between = BETWEEN if len(names) == 2 else 4.0
    each = (span - between * (len(names) - 1)) / len(names)
    centres = [MARGIN + position * (each + between) + each / 2 for position in range(len(names))]
    page.bars += [
        (middle, y, middle, y + 4.0),
        (min(middle, *centres), y + 4.0, max(middle, *centres), y + 4.0),
    ]
    heights = []
    for name, centre in zip(names, centres, strict=True):
        rows = groups[groups["group"].astype(str) == name]
        title = [
            as_text(text) for text in textwrap.wrap(labels.get(name, _capital(name)), page.characters(each))
        ]
        lines = title + [
            _amount(_count(n), str(unit)) for n, unit in zip(rows["n"], rows["unit"], strict=True)
        ]
        heights.append(page.box(centre - each / 2, y + 8.0, each, lines, bold=len(title)))
        page.arrows.append((centre, y + 4.0, centre, y + 8.0))
    return y + 8.0 + max(heights)
