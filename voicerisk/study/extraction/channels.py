"""Which channel of each recording is the caller's: one setting for all, or a column of the table of calls."""

from collections.abc import Hashable
from dataclasses import replace

import pandas as pd

from voicerisk.audio import AudioSettings
from voicerisk.errors import StudyError

COLUMN = "channel"
SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}


def audio_of_calls(calls: pd.DataFrame, audio: AudioSettings) -> dict[Hashable, AudioSettings]:
    """Return the audio settings of each call.

    Parameters
    ----------
    calls : DataFrame
        call_id and, where calls differ, `channel`: left, right, or a number from 1; empty = `[audio]
        channel`.
        A column of that name without any such value (for example phone and chat) says something else and is
        not used.
    audio : AudioSettings

    Returns
    -------
    dict
        By call_id.

    Raises
    ------
    StudyError
        If some cells name a channel and others hold something else.
    """
    if COLUMN not in calls:
        return dict.fromkeys(calls["call_id"], audio)
    named = {call: _channel(cell) for call, cell in zip(calls["call_id"], calls[COLUMN], strict=True)}
    known = [one for one in named.values() if one not in ("", None)]
    other = [call for call, one in named.items() if one is None]
    if known and other:
        cell = calls.set_index("call_id").loc[other[0], COLUMN]
        raise StudyError(
            f"Column channel of call {other[0]!r} is {cell!r}, but must be left, right, a number from 1, or "
            f"empty, "
            "as in other calls."
        )
    if not known:
        return dict.fromkeys(calls["call_id"], audio)
    return {call: replace(audio, channel=one) if one else audio for call, one in named.items()}


def _channel(cell: object) -> int | str | None:
    """Return the channel that a cell names, '' where it is empty, None where it holds something else."""
    if pd.isna(cell):  # type: ignore[call-overload]
        return ""
    text = str(cell).strip().lower().removesuffix(".0")
    if text in SIDES:
        return SIDES[text]
    return int(text) if text.isascii() and text.isdigit() and text != "0" and len(text) < 4 else None
