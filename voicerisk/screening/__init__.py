"""Screening: a binomial Lasso reduces the markers to those that carry a linear trace of the outcome.

May be imported: `ScreeningSettings`, `screen` and its result `Screening`, `fit_path` (the bare path on
arrays), `caller_folds`, `stability` and `selection_frequency`. Knows no audio and no cohort: it takes tables.
"""

from voicerisk.callers.screening_folds import caller_folds
from voicerisk.screening.lasso import LassoPath, fit_path
from voicerisk.screening.screen import Screening, screen
from voicerisk.screening.settings import ScreeningSettings
from voicerisk.screening.stability import Stability, selection_frequency, stability

__all__ = [
    "ScreeningSettings",
    "caller_folds",
    "fit_path",
    "screen",
    "stability",
]
