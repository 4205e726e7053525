"""Single calls in a report: their listening figures and, where a user allows it, their sound."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from voicerisk.errors import ReportError

# Mail and browsers refuse what is larger.
LARGEST_SOUND_MB = 100


@dataclass(frozen=True, slots=True, eq=False)
class CallInReport:
    """A call that the report shows by itself.

    Attributes
    ----------
    call_id : str
    envelope : DataFrame
        time_s, low, high.
    parts : mapping of str to DataFrame
        Further tables of the listening figure.
    sound : bytes or None
        A FLAC file; None leaves the call silent.
    """

    call_id: str
    envelope: pd.DataFrame
    parts: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    sound: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """What a page needs to play a call and to move a line over its figure.

    Attributes
    ----------
    source : str
        A data URI.
    left, right : float
        Where 0 s and `seconds` lie in the figure, in points from its left edge.
    seconds : float
    """

    source: str
    left: float
    right: float
    seconds: float


def check_sounds(calls: Sequence[CallInReport]) -> None:
    """Refuse calls named twice, and more sound than a page can carry.

    Raises
    ------
    ReportError
        With the size found and what to do.
    """
    names = [one.call_id for one in calls]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ReportError(f"report: call {twice[0]!r} is named twice.")
    size = sum(len(one.sound or b"") for one in calls) / 1e6
    if size > LARGEST_SOUND_MB:
        raise ReportError(
            f"report: the sound of these {len(names)} calls is {size:.0f} MB; a report holds up to "
            f"{LARGEST_SOUND_MB} MB. Name fewer calls."
        )


def sound_in(figure: Figure, call: CallInReport) -> Sound | None:
    """Return a call's sound with the place of its time axis in a figure that was drawn already."""
    if call.sound is None:
        return None
    axes: Any = figure.axes[0]
    seconds = float(axes.get_xlim()[1])
    left, right = (float(axes.transData.transform((at, 0))[0]) * 72 / figure.dpi for at in (0.0, seconds))
    encoded = base64.b64encode(call.sound).decode()
    return Sound(f"data:audio/flac;base64,{encoded}", round(left, 2), round(right, 2), round(seconds, 4))
