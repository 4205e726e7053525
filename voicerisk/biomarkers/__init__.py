"""Biomarkers: 36 numbers for every 40 ms of speech, their catalogue, and their summaries by segment.

`extract` and `extract_file` take markers, `Stream` takes them from sound that is still coming in, `catalogue`
says what they are, `summarise_segments`, `keep_frames` and `missing_counts` make tables of them.
"""

from voicerisk.biomarkers.catalogue import (
    DEFINITION_VERSION,
    Marker,
    catalogue,
    catalogue_markdown,
    select_markers,
)
from voicerisk.biomarkers.extract import (
    CallFrames,
    extract,
    extract_call,
    extract_call_file,
    extract_file,
    is_long,
    preset_audio,
)
from voicerisk.biomarkers.parquet import (
    read_definitions,
    read_marker_table_in_pieces,
    write_marker_table,
    write_marker_tables,
)
from voicerisk.biomarkers.segments import keep_frames, marker_columns, missing_counts, summarise_segments
from voicerisk.biomarkers.settings import BiomarkerSettings
from voicerisk.biomarkers.stream import Stream
from voicerisk.biomarkers.stream_settings import stream_audio, streamable

__all__ = [
    "DEFINITION_VERSION",
    "BiomarkerSettings",
    "Stream",
    "catalogue",
    "extract",
    "extract_file",
    "select_markers",
    "streamable",
]
