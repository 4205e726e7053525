import numpy as np
import pandas as pd

from voicerisk.validation import FittedPath
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.protocols.prediction_rows import frame_rows

N = 40


def path_of(p_raw: np.ndarray) -> FittedPath:
    frames = pd.DataFrame({"call_id": "k", "segment": 0, "frame": range(N), "time_s": 0.0, "p_raw": p_raw})
    return FittedPath("fold", ("k",), p_raw[None, :1], p_raw[None, :1], {}, {}, lambda step: frames)


def test_frame_scores_that_differ_in_the_last_bits_alone_are_ties():
    """Two engines that agree to 1e-15 must not rank frames differently."""
    calls = pd.DataFrame({"call_id": ["k"], "caller_id": ["a"], "y": [1], "n_frames": [N]})
    same = np.full(N, 0.3)
    y = np.arange(N) % 2
    noise = np.where(y == 1, -1e-15, 1e-15)
    assert auroc(y, same + noise) == 0.0  # what the last bits alone say
    rows = frame_rows(path_of(same + noise), 0, calls, np.array([0.3]))
    assert auroc(y, rows["p_raw"].to_numpy()) == 0.5


def test_frame_scores_keep_differences_that_mean_something():
    calls = pd.DataFrame({"call_id": ["k"], "caller_id": ["a"], "y": [1], "n_frames": [N]})
    p_raw = 0.3 + np.arange(N) * 1e-9
    rows = frame_rows(path_of(p_raw), 0, calls, np.array([p_raw.mean()]))
    assert (np.diff(rows["p_raw"]) > 0).all()
