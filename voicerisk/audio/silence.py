"""Which frames are silent: strategies that can be named in the study file.

Every rule looks at the frames of one extent and at nothing else, so that silence learns nothing across calls
and a counsellor's peak does not set a caller's silence.
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicerisk.errors import AudioError
from voicerisk.types import Bools, Floats, Ints

FLOOR_QUANTILE = 0.1
VAD_RATES = (8000, 16000, 32000, 48000)

_DEFAULTS = {"soundgen": 0.04, "energy": -50.0, "noise-floor": 10.0, "vad": 2.0, "none": 0.0}
_RANGES = {
    "soundgen": (0.0, 1.0, "the share of the extent's peak"),
    "energy": (-200.0, 0.0, "dB re full scale"),
    "noise-floor": (0.0, 100.0, "dB above the noise floor"),
    "vad": (0.0, 3.0, "the aggressiveness of the detector"),
    "none": (0.0, 0.0, "not used"),
}


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """A rule that marks frames as silent.

    Attributes
    ----------
    rule : {'soundgen', 'energy', 'noise-floor', 'vad', 'none'}
        ``soundgen``: RMS of the frame below `threshold` (default 0.04, i.e. -28 dB) of the peak of its
        extent, both about the extent's mean (soundgen 2.5.1). ``energy``: RMS of the recorded sound below
        `threshold` dBFS (default -50). ``noise-floor``: RMS of the recorded sound less than `threshold` dB
        (default 10) above the 10th percentile of the frames of its extent. ``vad``: WebRTC voice activity
        detector of aggressiveness `threshold` (0 to 3, default 2); a frame is silent when fewer than half of
        its 10 ms parts are speech. ``none``: no frame. A constant frame (digital silence)
        is silent under every rule.
    threshold : float or None
        As above; None takes the default.
    """

    rule: str = "soundgen"
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.rule not in _DEFAULTS:
            near = difflib.get_close_matches(str(self.rule), _DEFAULTS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise AudioError(
                f"[audio] silence = {self.rule!r} is not a known rule; known are {', '.join(_DEFAULTS)}{hint}"
            )
        value = _DEFAULTS[self.rule] if self.threshold is None else self.threshold
        low, high, meaning = _RANGES[self.rule]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise AudioError(
                f"[audio] silence threshold = {value!r} for the rule {self.rule!r} ({meaning}) must be a "
                f"number from {low:g} to {high:g}."
            )
        if self.rule == "vad" and value != int(value):
            raise AudioError(f"[audio] silence threshold = {value!r} for 'vad' must be 0, 1, 2 or 3.")
        object.__setattr__(self, "threshold", float(value))

    @property
    def value(self) -> float:
        """The threshold, defaults filled in."""
        assert self.threshold is not None  # set by __post_init__
        return self.threshold


def silence_rule(named: "str | Mapping[str, Any] | SilenceRule") -> SilenceRule:
    """Return the rule that a study file names: a word, or a table with `rule` and `threshold`."""
    if isinstance(named, SilenceRule):
        return named
    if isinstance(named, str):
        return SilenceRule(named)
    if isinstance(named, Mapping) and "rule" in named and set(named) <= {"rule", "threshold"}:
        return SilenceRule(named["rule"], named.get("threshold"))
    raise AudioError(
        f'[audio] silence = {named!r} is not understood; give a rule such as "soundgen", or a table such as '
        '{ rule = "energy", threshold = -45 }.'
    )


def silent_by_level(
    rule: SilenceRule, relative_rms: Floats, recorded_rms: Floats, extent_rms: Floats | None = None
) -> Bools:
    """Mark silent frames by their level.

    Parameters
    ----------
    rule : SilenceRule
        Any rule but ``vad``.
    relative_rms : float64 (n_frames,)
        RMS about the extent's mean, divided by the extent's max |x - mean|, of the analysed sound.
    recorded_rms : float64 (n_frames,)
        RMS of the recorded sound about the frame's own mean, full scale = 1.
    extent_rms : float64 (n_extent_frames,), optional
        The same for all frames of the extent, over which ``noise-floor`` finds its floor; by default the
        frames given.

    Returns
    -------
    bool (n_frames,)
    """
    zero = recorded_rms == 0.0
    if rule.rule == "none":
        return zero
    if rule.rule == "soundgen":
        return (relative_rms < rule.value) | zero
    if rule.rule == "energy":
        return (recorded_rms < 10 ** (rule.value / 20)) | zero
    if rule.rule == "noise-floor":
        ground = recorded_rms if extent_rms is None else extent_rms
        ground = ground[ground > 0]
        if len(ground) == 0:
            return zero
        return (recorded_rms < np.quantile(ground, FLOOR_QUANTILE) * 10 ** (rule.value / 20)) | zero
    raise AudioError(f"The rule {rule.rule!r} does not decide by level.")


class VoiceActivity:
    """The WebRTC voice activity detector over one span, fed block by block.

    Parameters
    ----------
    rule : SilenceRule
        With rule ``vad``.
    sample_rate : int
        8000, 16000, 32000 or 48000 Hz.

    Raises
    ------
    AudioError
        Without webrtcvad-wheels, or at another sample rate.
    """

    def __init__(self, rule: SilenceRule, sample_rate: int) -> None:
        if sample_rate not in VAD_RATES:
            raise AudioError(
                f"[audio] silence = 'vad' works at {', '.join(map(str, VAD_RATES))} Hz, but the sample rate "
                f"is {sample_rate} Hz; set resample_hz or choose another rule."
            )
        try:
            webrtcvad = importlib.import_module("webrtcvad")
        except ImportError as missing:
            raise AudioError(
                "[audio] silence = 'vad' needs the package webrtcvad-wheels; install it with: "
                "pip install 'voicerisk[vad]'"
            ) from missing
        self._detector = webrtcvad.Vad(int(rule.value))
        self._rate = sample_rate
        self._part = sample_rate // 100
        self._rest = np.zeros(0, dtype="<i2")
        self._speech: list[bool] = []
        self.heard = 0

    def feed(self, recorded: Floats) -> None:
        """Listen to the next samples of the span (full scale = 1)."""
        self.heard += len(recorded)
        steps = np.clip(np.rint(recorded * 32768.0), -32768, 32767).astype("<i2")
        steps = np.concatenate([self._rest, steps])
        whole = len(steps) // self._part * self._part
        for at in range(0, whole, self._part):
            content = steps[at : at + self._part].tobytes()
            self._speech.append(bool(self._detector.is_speech(content, self._rate)))
        self._rest = steps[whole:]

    def silent(self, starts: Ints) -> Bools:
        """Return which of the 40 ms frames have fewer than two of four 10 ms parts with speech."""
        total = np.concatenate([[0], np.cumsum(np.asarray(self._speech, dtype=np.int64))])
        first = starts // self._part
        return (total[first + 4] - total[first]) < 2
