"""Cohort: who called, which outcome, which spans are the caller's speech, who was excluded and why.

May be imported: `CohortSettings`, `load_cohort` and its result `Cohort`; `read_audacity`, `read_textgrid`,
`parse_where` and `cssrs_to_outcome`, which it is made of. Reads tables and label tracks, and of a recording
its header only.
"""

from voicerisk.cohort.coding import cssrs_to_outcome
from voicerisk.cohort.cohort import Cohort, load_cohort
from voicerisk.cohort.labels import read_audacity
from voicerisk.cohort.settings import CohortSettings, CssrsCoding, Rating
from voicerisk.cohort.textgrid import read_textgrid
from voicerisk.cohort.where import Where, parse_where

__all__ = [
    "Cohort",
    "CohortSettings",
    "CssrsCoding",
    "Rating",
    "Where",
    "cssrs_to_outcome",
    "load_cohort",
    "parse_where",
    "read_audacity",
    "read_textgrid",
]
