"""Cohorts with a known truth: telephone calls, tables of markers, and studies of grades or of a number.

`Truth` says what moves with risk. Nothing here knows how markers are computed or models are fitted.
"""

from voicerisk.simulate.cohort import simulate
from voicerisk.simulate.markers import MarkerCohort, simulate_markers
from voicerisk.simulate.scale import ScaleTruth, simulate_scale
from voicerisk.simulate.truth import Truth

__all__ = [
    "simulate",
    "simulate_markers",
    "simulate_scale",
]
