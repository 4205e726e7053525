"""What a stream can take: markers with a bounded look-ahead, under a fixed calibration."""

import math
from typing import Any

from voicerisk.audio.settings import AudioSettings
from voicerisk.audio.silence import SilenceRule
from voicerisk.biomarkers.catalogue import markers, select_markers
from voicerisk.errors import BiomarkerError

REFERENCE_DBFS = -26.0  # RMS that counts as 70 dB: the nominal level of telephone speech (ITU-T P.56)


def stream_audio() -> AudioSettings:
    """Return the audio settings of a stream: calibration fixed at -26 dBFS, silence below -50 dBFS."""
    return AudioSettings(
        extent="segment", calibration=REFERENCE_DBFS, normalise=False, silence=SilenceRule("energy", -50.0)
    )


def streamable() -> tuple[str, ...]:
    """Return the markers that a stream can take: those that are known a bounded time after their frame.

    Examples
    --------
    >>> sorted(set(select_markers("all")) - set(streamable()))
    ['flux']
    """
    return tuple(name for name in select_markers("all") if math.isfinite(markers()[name].look_ahead_ms))


def stream_markers(wanted: Any) -> tuple[str, ...]:
    """Names of the markers, or the reason why one cannot be streamed."""
    able = streamable()
    if wanted is None:
        return able
    names = select_markers(wanted)
    for name in names:
        if name not in able:
            raise BiomarkerError(
                f"{name!r} cannot be streamed: it is known only when its span has ended; leave it out, or "
                "extract it from the whole recording."
            )
    return names


def check_audio(audio: AudioSettings) -> None:
    """Refuse audio settings that need sound which has not been heard.

    Raises
    ------
    BiomarkerError
        For a calibration over an extent, or a rule for silence that needs the whole recording.
    """
    if audio.calibration == "extent":
        raise BiomarkerError(
            "A stream needs a fixed calibration; set [audio] calibration to a level in dBFS."
        )
    if audio.rule.rule not in ("energy", "none"):
        raise BiomarkerError(
            f"A stream cannot tell silence by the rule {audio.rule.rule!r}, which needs the whole recording; "
            "set [audio] silence to 'energy' or 'none'."
        )
