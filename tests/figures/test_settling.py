"""The figure on how long a caller must speak holds the numbers of its table, on an axis of seconds."""

import itertools

import numpy as np
import pandas as pd

from voicerisk import figures


def test_lines_are_those_of_the_table():
    seconds = np.array([2.0, 5, 10, 20, 30, 60, 120, 300])
    table = pd.DataFrame(
        {
            "seconds": seconds,
            "median_change": 0.2 / np.sqrt(seconds),
            "q90_change": 0.5 / np.sqrt(seconds),
            "within_call_sd": 0.4 / np.sqrt(seconds),
            "same_decision": 1 - 0.3 / np.sqrt(seconds),
        }
    )
    for width in (89, 183):
        figure = figures.draw("settling", table, width_mm=width)
        left, right = figure.axes
        drawn = [line.get_ydata() for line in left.lines]
        for column in ("median_change", "q90_change", "within_call_sd"):
            assert any(np.allclose(values, table[column]) for values in drawn), column
        assert np.allclose(right.lines[0].get_ydata(), table["same_decision"])
        assert right.get_ylim()[1] > 1 and left.get_ylim()[0] == 0
        figure.canvas.draw()
        boxes = [label.get_window_extent() for label in left.get_xticklabels() if label.get_text()]
        assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes)), "tick labels overlap"
