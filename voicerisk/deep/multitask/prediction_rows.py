"""Predictions of the cases that a fold held out, as rows of the one predictions table."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from voicerisk.deep.multitask.folds import Fold


def prediction_rows(
    protocol: str,
    model: str,
    task: str,
    fold: Fold,
    cases: pd.DataFrame,
    classes: Mapping[str, Sequence[str]],
    p_raw: np.ndarray,
    p: np.ndarray,
) -> pd.DataFrame:
    """Return the predictions of the cases that a fold held out; a case is a call, a person its caller."""
    held = cases.iloc[fold.test]
    ids = {name: held[name].to_numpy(dtype=str) for name in ("case_id", "person_id", task)}
    names = classes[task]
    return pd.DataFrame(
        {
            "protocol": protocol, "model": model, "target": task, "design": "grouped_kfold",
            "repeat": fold.repeat, "fold": fold.fold, "unit": "call",
            "call_id": ids["case_id"], "caller_id": ids["person_id"],
            "segment": np.nan, "frame": np.nan, "time_s": np.nan, "y": ids[task],
            **{f"p_raw_{name}": np.clip(p_raw[:, k], 0.0, 1.0) for k, name in enumerate(names)},
            **{f"p_{name}": np.clip(p[:, k], 0.0, 1.0) for k, name in enumerate(names)},
            "threshold": np.nan, "weight": 1.0,
        }
    )  # fmt: skip
