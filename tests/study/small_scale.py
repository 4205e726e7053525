"""Calls with grades, or a number, that rise with one marker; and the settings of such a study."""

import numpy as np
import pandas as pd

SETTINGS = """
[cohort]
calls = "calls.csv"
outcome = "grade"
scale = "ordinal"
middle = [2]

[biomarkers]
frames = "markers.csv"

[validation]
repeats = 2
inner_folds = 3
seed = 3
"""


def graded_frames(
    callers: int = 40, frames: int = 10, slope: float = 2.0, seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw calls with grades 0 to 4 by proportional odds in the call's level of `x`, and a number `phq`.

    The number has slope 3 `slope` and noise of standard deviation 3; both are of `x` alone.
    """
    rng = np.random.default_rng(seed)
    level = rng.normal(size=callers)
    noise = rng.logistic(size=callers)
    calls = pd.DataFrame(
        {
            "call_id": [f"call{i:03d}" for i in range(callers)],
            "caller_id": [f"caller{i:03d}" for i in range(callers)],
            "sex": ["female", "male"] * (callers // 2),
            "grade": np.digitize(slope * level + noise, [-2.0, -0.5, 0.5, 2.0]),
            "phq": 10.0 + 3.0 * slope * level + 3.0 * rng.normal(size=callers),
            "file": [f"call{i:03d}.wav" for i in range(callers)],
        }
    )
    tables = [
        pd.DataFrame(
            {
                "call_id": call,
                "segment": np.arange(frames) // 3,
                "frame": np.arange(frames) % 3,
                "x": level[i] + 0.2 * rng.normal(size=frames),
                "noise": rng.normal() + rng.normal(size=frames),
            }
        )
        for i, call in enumerate(calls["call_id"])
    ]
    return calls, pd.concat(tables, ignore_index=True)
