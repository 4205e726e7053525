"""Values under the pointer: where the points of a figure's named lines lie on the page."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

MOST = 160  # points of one line


def hover_points(figure: Figure) -> list[Mapping[str, Any]]:
    """Return the points of every line that has a name.

    Parameters
    ----------
    figure : Figure
        Already written once as SVG, so that its layout is final.

    Returns
    -------
    list of dict
        series, x_label, y_label, and `points`: a list of [x, y, x value, y value], the first two in points
        (1/72 inch) from the upper left corner, as in the SVG's own coordinates.
    """
    height = figure.get_figheight() * 72
    scale = 72 / figure.dpi
    found: list[Mapping[str, Any]] = []
    for axes in figure.axes:
        for line in axes.get_lines():
            name = str(line.get_label())
            values = np.column_stack([np.asarray(part, dtype=float) for part in line.get_data()])
            values = values[np.isfinite(values).all(axis=1)]
            if name.startswith("_") or not len(values) or line.get_transform() != axes.transData:
                continue
            if len(values) > MOST:
                values = values[np.unique(np.linspace(0, len(values) - 1, MOST).astype(int))]
            place = axes.transData.transform(values) * scale
            found.append(
                {
                    "series": name.replace(r"\$", "$"),
                    "x_label": _flat(str(axes.get_label()) or axes.get_xlabel()),
                    "y_label": _flat(axes.get_ylabel()) or _flat(figure.get_supylabel()),
                    "points": [
                        [round(float(x), 1), round(height - float(y), 1), _short(a), _short(b)]
                        for (x, y), (a, b) in zip(place, values, strict=True)
                    ],
                }
            )
    return found


def _flat(text: str) -> str:
    return " ".join(text.replace(r"\$", "$").split())


def _short(value: float) -> float:
    return float(f"{value:.4g}")
