"""Cohort: who called, which outcome, which spans are the caller's speech, who was excluded and why.

May be imported: `CohortSettings`, `load_cohort` and its result `Cohort`; `describe_cohort`, `rating_table`
and `pseudonymise`, which take one; `read_audacity`, `read_textgrid`, `parse_where` and `cssrs_to_outcome`,
which it is made of. Reads tables and label tracks, and of a recording its header only.
"""

from voicerisk.cohort.coding import cssrs_to_outcome
from voicerisk.cohort.cohort import Cohort, load_cohort
from voicerisk.cohort.describe import describe_cohort
from voicerisk.cohort.labels import read_audacity
from voicerisk.cohort.pseudonyms import pseudonymise
from voicerisk.cohort.ratings import rating_table
from voicerisk.cohort.settings import CohortSettings, CssrsCoding, Rating
from voicerisk.cohort.textgrid import read_textgrid
from voicerisk.cohort.where import Where, parse_where

__all__ = [
    "CohortSettings",
    "cssrs_to_outcome",
    "describe_cohort",
    "load_cohort",
    "parse_where",
    "pseudonymise",
    "rating_table",
    "read_audacity",
    "read_textgrid",
]
