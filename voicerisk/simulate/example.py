"""A small table to try things on: no audio, nothing to download."""

import pandas as pd

from voicerisk.simulate.markers import simulate_markers


def load_example() -> pd.DataFrame:
    """Return a small table of markers of simulated callers, the same every time.

    Sixty callers, half of them with outcome 1, six segments each. Marker ``x1`` rises with risk in both
    sexes, ``x2`` is U-shaped in women and flat in men, ``x3`` is flat in women and falls in men, ``x4`` is
    noise.
    `voicerisk.simulate.simulate_markers` makes others, with their true curves.

    Returns
    -------
    DataFrame of shape (360, 8)
        call_id, caller_id, sex ('female' or 'male'), outcome (0 or 1), then the markers (no unit, about -4 to
        4). A row is a segment of a call.

    Examples
    --------
    >>> table = load_example()
    >>> table.shape, table["caller_id"].nunique(), int(table.groupby("caller_id")["outcome"].first().sum())
    ((360, 8), 60, 30)
    """
    cohort = simulate_markers(callers=60, segments=6, markers=4, seed=1)
    return cohort.segments[["call_id", "caller_id", "sex", "outcome", *cohort.markers]]
