"""The sound of a span before pre-emphasis and scaling, which pitch and harmonics are taken from."""

import math

import numpy as np
from numba import njit

from voicerisk.audio.prepare import SpanFrames
from voicerisk.audio.settings import AudioSettings
from voicerisk.types import Floats

LOOK = 1 << 18  # samples that are read at a time
CREST = 8.0  # peak over RMS of speech (18 dB), where a fixed calibration says nothing of peaks


class PlainSound:
    """The sound of a span without pre-emphasis and scaling, read forward.

    Pre-emphasis takes 26 dB off a pitch of 100 Hz, so that the tracker and the harmonics work on the sound
    before it. The filter is undone exactly; where the span is a cut from a filtered file (extent ``file``),
    the sound before the span is taken as silent, which fades within a frame.
    """

    def __init__(self, span: SpanFrames, audio: AudioSettings) -> None:
        self._span = span
        self._audio = audio
        self._origin = 0
        self._sound = np.empty(0)

    def between(self, origin: int, signal: Floats) -> Floats:
        """Return the plain sound of `signal`, which begins at sample `origin` and goes on from the last one.

        Each call may begin later than the one before, but within what it read, and must read further.
        """
        span, emphasis = self._span, float(self._audio.pre_emphasis)
        known = self._sound[origin - self._origin :]
        new = signal[len(known) :] * span.scaling.divisor + span.scaling.centre
        first = origin + len(known) == 0
        if emphasis > 0 and len(new):
            if first and (span.first_sample == 0 or self._audio.extent != "file"):
                new[0] /= 1 - emphasis
            elif not first:
                new[0] += emphasis * known[-1]
            undo_emphasis(new, emphasis)
        self._sound = np.concatenate([known, new]) if len(known) else new
        self._origin = origin
        return self._sound

    def loud(self) -> float:
        """Return the peak that the tracker calls loud, in the unit of the plain sound.

        That of the extent, or 18 dB above the calibration level where that is fixed.
        """
        audio, span = self._audio, self._span
        if audio.calibration != "extent":
            return float(CREST * 10 ** (float(audio.calibration) / 20))
        if audio.normalise:
            return 1.0
        if audio.pre_emphasis == 0:
            return span.level.centred_peak
        ahead, n = PlainSound(span, audio), len(span.signal)
        low, high, total = math.inf, -math.inf, 0.0
        for begin in range(0, n, LOOK):
            origin = max(0, begin - 1)
            sound = ahead.between(origin, np.asarray(span.signal[origin : begin + LOOK]))[begin - origin :]
            low, high = min(low, float(sound.min())), max(high, float(sound.max()))
            total += float(sound.sum())
        return max(high - total / n, total / n - low)


@njit(cache=True, nogil=True)
def undo_emphasis(sound: Floats, emphasis: float) -> None:
    """Turn y[n] = x[n] - a x[n-1] back into x in place, from the second sample on; the first is x already."""
    for k in range(1, len(sound)):
        sound[k] += emphasis * sound[k - 1]
