"""Validation: what a result is worth. It takes tables, knows no audio, no R and no model.

To refit, it asks a function handed in for the models of `TrainingSet`s and takes back `FittedPath`s. Import
from here: the settings, the refitting contract, `run_published`, `run_nested`, `compute_metrics`, folds and
weights; the formulas live in the modules named after them.
"""

from typing import TYPE_CHECKING

from voicerisk.callers.folds import GroupedFolds, caller_table, grouped_folds, number_of_folds
from voicerisk.callers.schema import check_calls, check_predictions
from voicerisk.callers.weights import caller_shares, training_weights
from voicerisk.lazy import attach
from voicerisk.validation.audit.constant_scores import degenerate_scores
from voicerisk.validation.contract import FitPaths, FittedPath, TrainingSet
from voicerisk.validation.protocols.fold_plan import plan_size
from voicerisk.validation.protocols.run import (
    NESTED,
    PUBLISHED,
    ProtocolResult,
    Switches,
    run_nested,
    run_protocol,
    run_published,
)
from voicerisk.validation.settings import ValidationSettings

if TYPE_CHECKING:
    from voicerisk.validation.audit.climb import Audit, FitSwitches, audit_ladder
    from voicerisk.validation.audit.controls import negative_controls
    from voicerisk.validation.audit.permutation import PermutationTest, permutation_test
    from voicerisk.validation.audit.plausibility import plausibility_bound, riley_sample_size
    from voicerisk.validation.metrics.compute import compute_metrics
    from voicerisk.validation.metrics.decision_curves import decision_curves
    from voicerisk.validation.metrics.rater_agreement import agreement_table
    from voicerisk.validation.metrics.subgroup_gaps import fairness_gaps
    from voicerisk.validation.protocols.external import external_rows, marker_shift, recalibration_table
    from voicerisk.validation.protocols.kfold import kfold_auroc, kfold_rows
    from voicerisk.validation.protocols.nested_error import leave_pair_out, nested_cv_error
    from voicerisk.validation.protocols.ridge import ridge_paths
    from voicerisk.validation.protocols.whole_procedure import FullProcedure, full_procedure

__all__ = [
    "NESTED",
    "PUBLISHED",
    "ValidationSettings",
    "agreement_table",
    "check_predictions",
    "compute_metrics",
    "decision_curves",
    "degenerate_scores",
    "fairness_gaps",
    "grouped_folds",
    "marker_shift",
    "plan_size",
    "plausibility_bound",
    "ridge_paths",
    "riley_sample_size",
    "run_nested",
    "run_published",
    "training_weights",
]

__getattr__, __dir__ = attach(__name__, __file__)
