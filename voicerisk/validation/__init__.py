"""Validation: what a result is worth. It takes tables, knows no audio, no R and no model.

To refit, it asks a function handed in for the models of `TrainingSet`s and takes back `FittedPath`s. Import
from here: the settings, the refitting contract, `run_published`, `run_nested`, `compute_metrics`, folds and
weights; the formulas live in the modules named after them.
"""

from typing import TYPE_CHECKING, Any

from voicerisk.validation.alarms import degenerate_scores
from voicerisk.validation.folds import GroupedFolds, caller_table, grouped_folds, number_of_folds
from voicerisk.validation.plan import plan_size
from voicerisk.validation.protocols import (
    NESTED,
    PUBLISHED,
    ProtocolResult,
    Switches,
    run_nested,
    run_protocol,
    run_published,
)
from voicerisk.validation.refit import FitPaths, FittedPath, Progress, TrainingSet
from voicerisk.validation.settings import ValidationSettings
from voicerisk.validation.tables import check_calls, check_predictions
from voicerisk.validation.weights import caller_shares, training_weights

if TYPE_CHECKING:
    from voicerisk.validation.metrics import compute_metrics

__all__ = [
    "NESTED",
    "PUBLISHED",
    "FitPaths",
    "FittedPath",
    "GroupedFolds",
    "Progress",
    "ProtocolResult",
    "Switches",
    "TrainingSet",
    "ValidationSettings",
    "caller_shares",
    "caller_table",
    "check_calls",
    "check_predictions",
    "compute_metrics",
    "degenerate_scores",
    "grouped_folds",
    "number_of_folds",
    "plan_size",
    "run_nested",
    "run_protocol",
    "run_published",
    "training_weights",
]


def __getattr__(name: str) -> Any:
    # The metrics need numba, which takes half a second to import.
    if name == "compute_metrics":
        from voicerisk.validation.metrics import compute_metrics

        return compute_metrics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
