"""Modulation of the envelope as soundgen lays it out: a few long windows, stretched over the frames.

That soundgen's values come from windows of 400 ms every 120 ms was read off its numbers: on the reference
recordings they are piecewise linear over the frames, with as many corners, to all digits.
"""

import numpy as np
from numpy.typing import NDArray

from voicerisk.biomarkers.modulation import AM_WINDOW_S, amplitude_modulation

Floats = NDArray[np.float64]

EVERY_S = 0.12
NAMES = ("amEnvFreq", "amEnvPurity")


class EnvelopeWindows:
    """Takes `amEnvFreq` and `amEnvPurity` of the windows of a span, whose sound comes piece by piece.

    Parameters
    ----------
    n_samples : int
        Of the span.
    sample_rate : int
        Hz.
    """

    def __init__(self, n_samples: int, sample_rate: int) -> None:
        self._rate = sample_rate
        self._length = round(AM_WINDOW_S * sample_rate)
        every = round(EVERY_S * sample_rate)
        self._first = np.arange(0, max(0, n_samples - self._length) + 1, every, dtype=np.int64)
        self._values = {name: np.full(len(self._first), np.nan) for name in NAMES}
        self._done = 0

    def take(self, signal: Floats, origin: int, margin: int, last: bool) -> None:
        """Take the windows that are complete with `margin` samples after them, or all where the span ends."""
        known = origin + len(signal) - (0 if last else margin)
        high = int(np.searchsorted(self._first + self._length, known, side="right"))
        if last and len(signal) < self._length and origin == 0:
            return  # the span is shorter than one window
        own = slice(self._done, max(self._done, high))
        self._done = own.stop
        centres = self._first[own] - origin + self._length // 2
        found = amplitude_modulation(signal, self._rate, centres)
        for name, values in zip(NAMES, found, strict=False):
            self._values[name][own] = values

    def on_frames(self, n: int) -> dict[str, Floats]:
        """Stretch the values onto `n` frames, end onto end, over windows without a peak."""
        out = {}
        for name, values in self._values.items():
            known = np.flatnonzero(~np.isnan(values))
            at = np.linspace(0, len(values) - 1, n)
            out[name] = np.interp(at, known, values[known]) if len(known) else np.full(n, np.nan)
        return out
