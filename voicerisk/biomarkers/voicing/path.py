"""The path of the pitch through the candidates of all frames, with the least cost of jumps and of voicing."""

import math

import numpy as np
from numba import njit

from voicerisk.biomarkers.voicing.pitch import CANDIDATES, Candidates, PitchSettings
from voicerisk.types import Floats, Ints


@njit(cache=True, nogil=True)
def _strengths(
    hz: Floats,
    height: Floats,
    level: float,
    reference: float,
    settings: tuple[float, float, float, float],
    out: Floats,
) -> int:
    """Strength of "unvoiced" (place 0) and of each candidate; returns the number of states."""
    floor, threshold, silence, octave_cost = settings
    loud = level / reference if reference > 0 else 0.0
    out[0] = threshold + max(0.0, 2.0 - loud * (1.0 + threshold) / silence)
    n = 1
    while n <= len(hz) and not np.isnan(hz[n - 1]):
        out[n] = height[n - 1] + octave_cost * math.log2(hz[n - 1] / floor)
        n += 1
    return n


@njit(cache=True, nogil=True)
def _forward(
    hz: Floats,
    height: Floats,
    level: Floats,
    reference: float,
    settings: tuple[float, float, float, float],
    jump: float,
    change: float,
    before: Floats,
    octave_before: Floats,
    n_before: int,
    back: Ints,
    tops: Ints,
) -> int:
    """Extend the paths by some frames; `before`, `octave_before` are the state, its size is returned."""
    n_frames, n_candidates = hz.shape
    total = np.zeros(n_candidates + 1)
    strength = np.zeros(n_candidates + 1)
    octave = np.zeros(n_candidates + 1)
    for i in range(n_frames):
        n = _strengths(hz[i], height[i], level[i], reference, settings, strength)
        for s in range(1, n):
            octave[s] = math.log2(hz[i, s - 1])
        for s in range(n):
            best = 0
            most = -1e300
            for p in range(n_before):
                cost = 0.0
                if s > 0 and p > 0:
                    cost = jump * abs(octave[s] - octave_before[p])
                elif s != p:
                    cost = change
                value = before[p] - cost
                if value > most:
                    most = value
                    best = p
            total[s] = strength[s] + (most if n_before > 0 else 0.0)
            back[i, s] = best
        top = 0
        for s in range(1, n):
            if total[s] > total[top]:
                top = s
        peak = total[top]
        for s in range(n):
            before[s] = total[s] - peak
            octave_before[s] = octave[s]
        n_before = n
        tops[i] = top
    return n_before


@njit(cache=True, nogil=True)
def _decide(back: Ints, tops: Ints, delay: int, last: bool, chosen: Ints) -> None:
    """State of each frame on the best path `delay` frames later; with `last` up to the end."""
    n = len(tops)
    for i in range(delay, n):
        state = tops[i]
        for k in range(i, i - delay, -1):
            state = back[k, state]
        chosen[i - delay] = state
    if last and n > 0:
        state = tops[n - 1]
        for k in range(n - 1, max(-1, n - 1 - delay), -1):
            chosen[k] = state
            state = back[k, state]


class PathTracker:
    """The path through the candidates, fed in blocks; what it decides does not depend on the blocks.

    Parameters
    ----------
    reference : float
        Peak that counts as loud, in the unit of the sound.
    hop_s : float
        Seconds between frames.
    settings : PitchSettings
    """

    def __init__(self, reference: float, hop_s: float, settings: PitchSettings) -> None:
        self._reference = reference
        self._scale = 0.01 / hop_s
        self._settings = settings
        self._before = np.zeros(CANDIDATES + 1)
        self._octave = np.zeros(CANDIDATES + 1)
        self._n_before = 0
        self._hz = np.empty((0, CANDIDATES))
        self._height = np.empty((0, CANDIDATES))
        self._back = np.empty((0, CANDIDATES + 1), np.int64)
        self._tops = np.empty(0, np.int64)

    @property
    def least(self) -> float:
        """Level of a frame below which no path is voiced, whatever its candidates are.

        Their strength is at most that of perfect periodicity at the highest pitch; being unvoiced in their
        place costs two changes of voicing at most.
        """
        settings = self._settings
        strongest = 1 + settings.octave_cost * math.log2(settings.ceiling / settings.floor)
        strongest += 2 * settings.voicing_cost * self._scale
        share = settings.silence_threshold / (1 + settings.voicing_threshold)
        return 0.999 * self._reference * share * (2 + settings.voicing_threshold - strongest)

    def add(self, found: Candidates, last: bool = False) -> tuple[Floats, Floats]:
        """Take the next frames; return pitch (Hz, NaN unvoiced) and autocorrelation of those decided."""
        settings = self._settings
        n = len(found.level)
        back = np.zeros((n, CANDIDATES + 1), np.int64)
        tops = np.zeros(n, np.int64)
        self._n_before = _forward(
            found.hz,
            found.height,
            found.level,
            self._reference,
            (settings.floor, settings.voicing_threshold, settings.silence_threshold, settings.octave_cost),
            settings.jump_cost * self._scale,
            settings.voicing_cost * self._scale,
            self._before,
            self._octave,
            self._n_before,
            back,
            tops,
        )
        self._hz = np.concatenate([self._hz, found.hz])
        self._height = np.concatenate([self._height, found.height])
        self._back = np.concatenate([self._back, back])
        self._tops = np.concatenate([self._tops, tops])
        decided = len(self._tops) if last else max(0, len(self._tops) - settings.delay)
        chosen = np.zeros(len(self._tops), np.int64)
        _decide(self._back, self._tops, settings.delay, last, chosen)
        chosen = chosen[:decided]
        place = np.maximum(chosen - 1, 0)[:, None]
        hz = np.where(chosen > 0, np.take_along_axis(self._hz[:decided], place, 1)[:, 0], np.nan)
        height = np.where(chosen > 0, np.take_along_axis(self._height[:decided], place, 1)[:, 0], np.nan)
        self._hz, self._height = self._hz[decided:], self._height[decided:]
        self._back, self._tops = self._back[decided:], self._tops[decided:]
        return hz, height
