"""Validation: what a result is worth. It takes tables, knows no audio, no R and no model.

To refit, it asks a function handed in for the models of `TrainingSet`s and takes back `FittedPath`s. Import
from here: the settings, the refitting contract, `run_published`, `run_nested`, `compute_metrics`, folds and
weights; the formulas live in the modules named after them.
"""

from importlib import import_module
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
    from voicerisk.validation.agreement import agreement_table
    from voicerisk.validation.audit import Audit, FitSwitches, audit_ladder
    from voicerisk.validation.controls import negative_controls
    from voicerisk.validation.evidence import reporting_evidence
    from voicerisk.validation.external import external_rows, marker_shift, recalibration_table
    from voicerisk.validation.fairness import fairness_gaps
    from voicerisk.validation.metrics import compute_metrics
    from voicerisk.validation.nested_error import leave_pair_out, nested_cv_error
    from voicerisk.validation.optimism import FullProcedure, full_procedure
    from voicerisk.validation.permutation import PermutationTest, permutation_test
    from voicerisk.validation.plausibility import plausibility_bound, riley_sample_size
    from voicerisk.validation.ridge import ridge_paths
    from voicerisk.validation.utility import decision_curves
    from voicerisk.validation.whole_procedure import kfold_auroc, kfold_rows

__all__ = [
    "NESTED",
    "PUBLISHED",
    "Audit",
    "FitPaths",
    "FitSwitches",
    "FittedPath",
    "FullProcedure",
    "GroupedFolds",
    "PermutationTest",
    "Progress",
    "ProtocolResult",
    "Switches",
    "TrainingSet",
    "ValidationSettings",
    "agreement_table",
    "audit_ladder",
    "caller_shares",
    "caller_table",
    "check_calls",
    "check_predictions",
    "compute_metrics",
    "decision_curves",
    "degenerate_scores",
    "external_rows",
    "fairness_gaps",
    "full_procedure",
    "grouped_folds",
    "kfold_auroc",
    "kfold_rows",
    "leave_pair_out",
    "marker_shift",
    "negative_controls",
    "nested_cv_error",
    "number_of_folds",
    "permutation_test",
    "plan_size",
    "plausibility_bound",
    "recalibration_table",
    "reporting_evidence",
    "ridge_paths",
    "riley_sample_size",
    "run_nested",
    "run_protocol",
    "run_published",
    "training_weights",
]


# Slow to import (numba, scipy), or wanted by few: found when asked for.
_LATER = {
    "Audit": "audit",
    "FitSwitches": "audit",
    "FullProcedure": "optimism",
    "PermutationTest": "permutation",
    "agreement_table": "agreement",
    "audit_ladder": "audit",
    "compute_metrics": "metrics",
    "decision_curves": "utility",
    "external_rows": "external",
    "fairness_gaps": "fairness",
    "full_procedure": "optimism",
    "kfold_auroc": "whole_procedure",
    "kfold_rows": "whole_procedure",
    "leave_pair_out": "nested_error",
    "marker_shift": "external",
    "negative_controls": "controls",
    "nested_cv_error": "nested_error",
    "permutation_test": "permutation",
    "plausibility_bound": "plausibility",
    "recalibration_table": "external",
    "reporting_evidence": "evidence",
    "ridge_paths": "ridge",
    "riley_sample_size": "plausibility",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
