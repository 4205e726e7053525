"""Whether the outcome is two classes, grades or a number; no model, so that extraction depends on none."""

import numpy as np
import pandas as pd

from voicerisk.cohort.settings import BINARY, CONTINUOUS
from voicerisk.study.settings import Study


def is_scale(study: Study) -> bool:
    """Say whether the outcome is something else than two classes."""
    return study.cohort.scale != BINARY


def halved(calls: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return calls whose outcome is a group: of a number 1 above the median and 0 up to it."""
    if study.cohort.scale != CONTINUOUS:
        return calls
    return calls.assign(outcome=(calls["outcome"] > calls["outcome"].median()).astype(np.int64))
