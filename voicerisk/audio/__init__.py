"""Recordings: reading, the paper's pre-processing, framing, silence, and what a channel reveals.

`read_recording` gives samples, `prepare` turns them
into scaled spans with frames and a silence mask, and
`channel_table` lists what each recording would tell a model about itself. The building blocks
(`frame_starts`, `frames`, `pre_emphasise`, `normalise`, `pcm16`, `measure`) may be imported from here as
well.
"""

from voicerisk.audio.channel import CHANNEL_COLUMNS, channel_table, duplicate_recordings
from voicerisk.audio.framing import blackman, frame_rms, frame_starts, frames, window_and_hop
from voicerisk.audio.levels import (
    Level,
    Scaling,
    dbfs,
    extent_scaling,
    fixed_scaling,
    measure,
    normalise,
    pcm16,
    pre_emphasise,
)
from voicerisk.audio.long_file import PreparedFile, SpanPiece, prepare_file
from voicerisk.audio.prepare import Prepared, SpanFrames, prepare
from voicerisk.audio.recording import Recording, blocks, content_hash, read_recording, sound_length
from voicerisk.audio.settings import AudioSettings
from voicerisk.audio.silence import SilenceRule, silence_rule

__all__ = [
    "CHANNEL_COLUMNS",
    "AudioSettings",
    "content_hash",
    "dbfs",
    "frame_starts",
    "frames",
    "pre_emphasise",
    "prepare",
    "prepare_file",
    "read_recording",
]
