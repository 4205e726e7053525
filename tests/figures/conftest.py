"""Where the figures' tests find made-up tables, and how they ask whether a figure can be read."""

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.figures import synthetic_tables

SMALLEST_PT = 5.0  # Nature's lower limit


@pytest.fixture(scope="session")
def made() -> ModuleType:
    """Tables of a made-up study."""
    return synthetic_tables


def _texts(figure: Figure) -> list[tuple[Text, object]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    shown = []
    for text in figure.findobj(Text):
        owner = text.axes
        if text.get_text().strip() and text.get_visible() and (owner is None or owner.get_visible()):
            shown.append((text, text.get_window_extent(renderer)))
    return shown


@pytest.fixture(scope="session")
def legible() -> Callable[..., None]:
    """Assert that no text is cut off, none is too small, and no two tick labels of an axis overlap."""

    def check(figure: Figure) -> None:
        texts = _texts(figure)
        assert texts, "a figure without any text"
        page = figure.bbox
        for text, box in texts:
            if text.get_text() in _hidden_ticks(figure):
                continue
            assert text.get_fontsize() >= SMALLEST_PT, text.get_text()
            inside = (
                box.x0 >= page.x0 - 1
                and box.x1 <= page.x1 + 1
                and box.y0 >= page.y0 - 1
                and box.y1 <= page.y1 + 1
            )
            assert inside, f"{text.get_text()!r} is cut off at the edge of the figure"
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                low, high = sorted(axis.get_view_interval())
                labels = [
                    tick.label1 if tick.label1.get_visible() else tick.label2
                    for tick in axis.get_major_ticks()
                    if low <= tick.get_loc() <= high
                ]
                boxes = [
                    label.get_window_extent() for label in labels if label.get_visible() and label.get_text()
                ]
                for first, second in pairwise(boxes):
                    assert not first.overlaps(second), f"tick labels of {axes.get_xlabel()!r} overlap"

    return check


def _hidden_ticks(figure: Figure) -> set[str]:
    """Return texts of ticks outside their axis' limits, which matplotlib keeps but does not draw."""
    hidden: set[str] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            hidden |= {t.label1.get_text() for t in axis.get_major_ticks() if not low <= t.get_loc() <= high}
    return hidden
