"""Settings of the audio stage: the `[audio]` table of the study file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voicerisk.audio.silence import SilenceRule, silence_rule
from voicerisk.errors import AudioError

EXTENTS = ("caller_speech", "segment", "file")
CHANNELS = {"left": 1, "right": 2}


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """What happens to the sound before markers are taken.

    The steps are, in this order: 16-bit PCM, normalisation, pre-emphasis, scaling by the extent, frames,
    silence.

    Attributes
    ----------
    extent : {'caller_speech', 'segment', 'file'}
        Over what mean, peak, RMS, silence threshold and loudness scale are taken: all kept spans of the call,
        each span by itself, or the whole file (as soundgen does).
    calibration : 'extent' or float
        ``'extent'``: the front end of soundgen (centred, divided by the peak, 70 dB at the RMS of the
        extent). A number: the RMS, in dBFS, that counts as 70 dB; nothing is then taken from the recording,
        which needs ``normalise = False``.
    pre_emphasis : float
        a in y[n] = x[n] - a x[n-1], 0 to 1 exclusive; 0 switches it off. The paper names no value; 0.97 is
        the common one.
    normalise : bool
        Centre the extent and set its peak to full scale before anything else is measured (the paper's step).
    silence : str, mapping or SilenceRule
        Which frames are silent; see `SilenceRule`.
    channel : int, 'left', 'right' or None
        The caller's channel, counted from 1; needed for files of several channels.
    resample_hz : int or None
        Resample to this rate by soxr; None analyses every file at its own rate.
    pcm16 : bool
        Round to 16-bit PCM first (the paper's step).

    Raises
    ------
    AudioError
        For a value out of range; the message names the key.

    Examples
    --------
    >>> AudioSettings(extent="file", normalise=False, pre_emphasis=0).silence.rule
    'soundgen'
    """

    extent: str = "caller_speech"
    calibration: str | float = "extent"
    pre_emphasis: float = 0.97
    normalise: bool = True
    silence: str | Mapping[str, Any] | SilenceRule = "soundgen"
    channel: int | str | None = None
    resample_hz: int | None = None
    pcm16: bool = True

    def __post_init__(self) -> None:
        if self.extent not in EXTENTS:
            raise AudioError(f"[audio] extent = {self.extent!r} is not one of {', '.join(EXTENTS)}.")
        for key in ("normalise", "pcm16"):
            if not isinstance(getattr(self, key), bool):
                raise AudioError(f"[audio] {key} = {getattr(self, key)!r} must be true or false.")
        self._check_calibration()
        if not _is_number(self.pre_emphasis) or not 0 <= self.pre_emphasis < 1:
            raise AudioError(f"[audio] pre_emphasis = {self.pre_emphasis!r} must be from 0 (off) to below 1.")
        if self.channel is not None:
            channel_number(self.channel)
        rate = self.resample_hz
        if rate is not None and (
            not isinstance(rate, int) or isinstance(rate, bool) or not 1000 <= rate <= 384000
        ):
            raise AudioError(f"[audio] resample_hz = {rate!r} must be a whole number from 1000 to 384000.")
        object.__setattr__(self, "silence", silence_rule(self.silence))

    def _check_calibration(self) -> None:
        if self.calibration == "extent":
            return
        if not _is_number(self.calibration) or not -120 <= float(self.calibration) <= 0:
            raise AudioError(
                f'[audio] calibration = {self.calibration!r} must be "extent" or a level from -120 to 0 dBFS.'
            )
        if self.normalise:
            raise AudioError(
                f"[audio] calibration = {self.calibration} dBFS keeps the level of the recording, but "
                "normalise = true removes it; set normalise = false."
            )

    @property
    def rule(self) -> SilenceRule:
        """The silence rule."""
        return silence_rule(self.silence)


def channel_number(channel: int | str) -> int:
    """Return the number of a channel, counted from 1; 'left' is 1 and 'right' is 2."""
    if isinstance(channel, str) and channel in CHANNELS:
        return CHANNELS[channel]
    if isinstance(channel, int) and not isinstance(channel, bool) and channel >= 1:
        return channel
    raise AudioError(f'[audio] channel = {channel!r} must be "left", "right" or a number from 1.')


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
