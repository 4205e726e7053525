"""Biomarkers: 36 numbers for every 40 ms of speech, their catalogue, and their summaries by segment.

`extract` and `extract_call` take markers, `catalogue` says what they are, `summarise_segments`, `keep_frames`
and `missing_counts` make tables of them.
"""

from voicerisk.biomarkers.catalogue import DEFINITION_VERSION, Marker, catalogue, chosen
from voicerisk.biomarkers.extract import CallFrames, extract, extract_call, preset_audio
from voicerisk.biomarkers.segments import keep_frames, marker_columns, missing_counts, summarise_segments
from voicerisk.biomarkers.settings import BiomarkerSettings

__all__ = [
    "DEFINITION_VERSION",
    "BiomarkerSettings",
    "CallFrames",
    "Marker",
    "catalogue",
    "chosen",
    "extract",
    "extract_call",
    "keep_frames",
    "marker_columns",
    "missing_counts",
    "preset_audio",
    "summarise_segments",
]
