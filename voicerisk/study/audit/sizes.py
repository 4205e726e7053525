"""How many models the steps of an audit need, and how long that is in words."""

from dataclasses import replace

import pandas as pd

from voicerisk.validation import ValidationSettings, plan_size


def inner_folds(calls: pd.DataFrame, settings: ValidationSettings) -> int:
    """Return the number of inner folds that all callers allow."""
    smaller = min(calls.loc[calls["y"] == v, "caller_id"].nunique() for v in (0, 1))
    return min(settings.inner_folds, smaller)


def pipeline_size(calls: pd.DataFrame, settings: ValidationSettings) -> int:
    """Count the models of one repeat of nested grouped k-fold."""
    once = replace(settings, protocols=("nested",), designs=("grouped_kfold",), repeats=1)
    return plan_size(calls, once)["nested"]


def duration_text(seconds: float) -> str:
    """Return a time as one would say it."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
