"""Small tables to try things on: no audio, nothing to download."""

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.errors import CohortError
from voicerisk.simulate.markers import simulate_markers

TABLES = ("markers", "predictions")


def load_example(table: str = "markers") -> pd.DataFrame:
    """Return a small table of simulated callers, the same every time.

    Sixty callers, half of them with outcome 1, six segments each. Marker ``x1`` rises with risk in both
    sexes, ``x2`` is U-shaped in women and flat in men, ``x3`` is flat in women and falls in men, ``x4`` is
    noise.
    `voicerisk.simulate.simulate_markers` makes others, with their true curves.

    Parameters
    ----------
    table : {'markers', 'predictions'}
        'markers': what a model learns from. 'predictions': what a validation returns, one row a call, as
        metrics, figures and tables take it. Its scores were not learned: they are the mean of ``x1``.

    Returns
    -------
    DataFrame
        Of markers, shape (360, 8): call_id, caller_id, sex ('female' or 'male'), outcome (0 or 1), then the
        markers (no unit, about -4 to 4). A row is a segment of a call. Of predictions, one row a call: the
        columns of every predictions table, and sex.

    Raises
    ------
    CohortError
        For another name.

    Examples
    --------
    >>> table = load_example()
    >>> table.shape, table["caller_id"].nunique(), int(table.groupby("caller_id")["outcome"].first().sum())
    ((360, 8), 60, 30)
    >>> load_example("predictions").groupby("y")["p_raw"].mean().round(2).tolist()
    [0.48, 0.61]
    """
    if table not in TABLES:
        raise CohortError(f"There is no example {table!r}; there are {', '.join(TABLES)}.")
    cohort = simulate_markers(callers=60, segments=6, markers=4, seed=1)
    markers = cohort.segments[["call_id", "caller_id", "sex", "outcome", *cohort.markers]]
    if table == "markers":
        return markers
    calls = markers.groupby(["call_id", "caller_id", "sex"], as_index=False)[["outcome", "x1"]].mean()
    risk = expit(calls["x1"].to_numpy(dtype=np.float64))
    return pd.DataFrame(
        {
            "protocol": "nested", "model": "example", "target": "outcome", "design": "loco", "repeat": 0,
            "fold": np.arange(len(calls)), "unit": "call", "call_id": calls["call_id"],
            "caller_id": calls["caller_id"], "segment": np.nan, "frame": np.nan, "time_s": np.nan,
            "y": calls["outcome"].astype(int), "p_raw": risk, "p": risk, "threshold": 0.5, "weight": 1.0,
            "sex": calls["sex"],
        }
    )  # fmt: skip
