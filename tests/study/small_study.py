"""Calls and marker tables drawn with a known effect, and the settings of a study that runs in seconds."""

import numpy as np
import pandas as pd

from voicerisk.validation import ValidationSettings

SETTINGS = """
[cohort]
calls = "calls.csv"
outcome = "outcome"

[biomarkers]
frames = "markers.csv"

[gamm]
k = 4

[boost]
mstop = 10

[validation]
repeats = 1
inner_folds = 3
bootstraps = 40
seed = 3
"""

# gamboost on frames alone: what tests of the boosting fitter and of its screening need.
GAMBOOST = SETTINGS.replace("[validation]", '[validation]\nfamily = ["gamboost"]')


def marker_frames(
    callers: int = 12, frames: int = 40, effect: float = 1.0, seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw calls and frames: `x` rises with risk, `noise` does not, both vary between callers."""
    rng = np.random.default_rng(seed)
    calls = pd.DataFrame(
        {
            "call_id": [f"call{i:02d}" for i in range(callers)],
            "caller_id": [f"caller{i:02d}" for i in range(callers)],
            "sex": ["female", "male"] * (callers // 2),
            "outcome": [(i // 2) % 2 for i in range(callers)],
            "file": [f"call{i:02d}.wav" for i in range(callers)],
        }
    )
    tables = []
    for call in calls.itertuples():
        own = rng.normal(0, 0.3, size=2)
        tables.append(
            pd.DataFrame(
                {
                    "call_id": call.call_id,
                    "segment": np.arange(frames) // 10,
                    "frame": np.arange(frames) % 10,
                    "x": rng.normal(size=frames) + effect * call.outcome + own[0],
                    "noise": rng.normal(size=frames) + own[1],
                }
            )
        )
    return calls, pd.concat(tables, ignore_index=True)


def quick_settings() -> ValidationSettings:
    """Return settings of one nested run that takes seconds."""
    return ValidationSettings(designs=("loco",), inner_folds=3, repeats=1, bootstraps=20, seed=3)
