"""Figures: a tidy table in, a matplotlib `Figure` out, and both written side by side.

No function touches pyplot. Every figure has an exact width in mm, is legible in grey, and takes the names and
units of markers from `labels`. `draw` and `make` know every figure by name, so that `redraw` can draw the
figures of a study folder again, in another style, from the tables beside them.
"""

from typing import TYPE_CHECKING

from voicerisk.lazy import attach

if TYPE_CHECKING:
    from voicerisk.figures.audit import audit_ladder, permutation_null
    from voicerisk.figures.calibration_curve import calibration, calibration_points
    from voicerisk.figures.classes import confusion, training_curves
    from voicerisk.figures.curves import difference_curves, gamm_curves, partial_effects
    from voicerisk.figures.decisions import call_scores, score_dots, threshold_distribution
    from voicerisk.figures.discrimination import curve_points, precision_recall, roc
    from voicerisk.figures.flow import exclusion_flow
    from voicerisk.figures.gallery import DRAWINGS, draw, make, read_labels, redraw, stored
    from voicerisk.figures.grades import grade_calibration, grade_points, predicted_observed
    from voicerisk.figures.hover import hover_points
    from voicerisk.figures.instability import instability
    from voicerisk.figures.listening import frame_tracks, sound_tables
    from voicerisk.figures.missing import missing_table, missing_values
    from voicerisk.figures.net_benefit import decision_curves
    from voicerisk.figures.paths import lasso_path, risk_path
    from voicerisk.figures.protocols import protocols_compared
    from voicerisk.figures.saving import read_table, save
    from voicerisk.figures.selection import selection_frequencies, selection_table
    from voicerisk.figures.settling import settling
    from voicerisk.figures.style import STYLES, Style, read_style
    from voicerisk.figures.subgroups import subgroup_forest


__all__ = [
    "DRAWINGS",
    "STYLES",
    "audit_ladder",
    "calibration",
    "calibration_points",
    "call_scores",
    "confusion",
    "curve_points",
    "decision_curves",
    "difference_curves",
    "draw",
    "exclusion_flow",
    "frame_tracks",
    "gamm_curves",
    "grade_calibration",
    "grade_points",
    "instability",
    "lasso_path",
    "make",
    "missing_table",
    "missing_values",
    "partial_effects",
    "permutation_null",
    "precision_recall",
    "predicted_observed",
    "protocols_compared",
    "read_style",
    "redraw",
    "risk_path",
    "roc",
    "save",
    "score_dots",
    "selection_frequencies",
    "selection_table",
    "settling",
    "subgroup_forest",
    "threshold_distribution",
    "training_curves",
]

__getattr__, __dir__ = attach(__name__, __file__)
