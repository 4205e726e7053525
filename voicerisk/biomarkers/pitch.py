"""Pitch: normalised autocorrelation over three periods, and the best path through its peaks.

The Blackman window of the other markers leaves too few periods of a low male voice; the tracker looks at
three periods of the lowest pitch (40 ms) around the middle of each frame, under a Hann window whose own
autocorrelation is divided out (Boersma 1993). The path is decided a fixed number of frames later, so that a
stream and a whole recording give the same.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from voicerisk.biomarkers.windows import tapered

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PitchSettings:
    """How pitch is tracked.

    Attributes
    ----------
    floor, ceiling : float
        Hz.
    voicing_threshold : float
        Normalised autocorrelation above which a frame tends to be voiced.
    silence_threshold : float
        Share of the reference peak below which a frame tends to be unvoiced.
    octave_cost : float
        Favour of higher candidates, per octave.
    jump_cost, voicing_cost : float
        Of an octave's jump and of a change of voicing, within 10 ms.
    delay : int
        Frames after which the path is decided.
    """

    floor: float = 75.0
    ceiling: float = 600.0
    voicing_threshold: float = 0.5
    silence_threshold: float = 0.03
    octave_cost: float = 0.01
    jump_cost: float = 0.5
    voicing_cost: float = 0.2
    delay: int = 25


CANDIDATES = 12  # at most, per frame, besides "unvoiced"
TAPS = 12  # to either side, of the interpolation between lags
PHASES = 8  # places between lags
BLOCK = 128


@dataclass(frozen=True, slots=True)
class PitchTables:
    """Constants of the tracker at one sample rate."""

    window: Floats
    fft_size: int
    correction: Floats  # 1 / autocorrelation of the window
    shortest: int
    longest: int
    interpolator: Floats  # (2 PHASES + 1, 2 TAPS + 1)


@lru_cache(maxsize=8)
def pitch_tables(sample_rate: int, floor: float, ceiling: float) -> PitchTables:
    """Prepare the constants of the tracker."""
    size = 2 * math.ceil(1.5 / floor * sample_rate)
    window = np.hanning(size + 2)[1:-1]
    longest = math.ceil(sample_rate / floor)
    kept = longest + TAPS + 2
    fft_size = scipy.fft.next_fast_len(size + kept, real=True)
    own = scipy.fft.irfft(np.abs(scipy.fft.rfft(window, fft_size)) ** 2, fft_size)[:kept]
    offset = np.arange(-PHASES, PHASES + 1)[:, None] / PHASES
    tap = np.arange(-TAPS, TAPS + 1)[None, :]
    distance = offset - tap
    taper = 0.5 + 0.5 * np.cos(np.pi * np.clip(distance / (TAPS + 1), -1, 1))
    return PitchTables(
        window=window,
        fft_size=fft_size,
        correction=own[0] / own,
        shortest=math.floor(sample_rate / ceiling),
        longest=longest,
        interpolator=np.sinc(distance) * taper,
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """Peaks of the autocorrelation of each frame, float64 (n_frames, CANDIDATES), NaN where there are fewer.

    Attributes
    ----------
    hz, height : ndarray
        Frequency and normalised autocorrelation of each peak.
    level : ndarray (n_frames,)
        Largest |sample| of the frame, mean taken off.
    """

    hz: Floats
    height: Floats
    level: Floats


def pitch_windows(sound: Floats, centres: Ints, size: int) -> tuple[Floats, Ints]:
    """Return the sound, and the first sample of the window of `size` samples around each centre.

    At the ends of the span the window is moved inside; a shorter span is filled up with zeros.
    """
    if len(sound) < size:
        sound = np.concatenate([sound, np.zeros(size - len(sound))])
    return sound, np.clip(centres - size // 2, 0, len(sound) - size)


def pitch_candidates(
    sound: Floats, centres: Ints, sample_rate: int, settings: PitchSettings, least: float = 0.0
) -> Candidates:
    """Find the peaks of the normalised autocorrelation around each frame's middle.

    Parameters
    ----------
    sound : ndarray of float64, shape (n,)
        One span, without pre-emphasis.
    centres : ndarray of int64, shape (n_frames,)
        Middle sample of each frame. At the ends of the span the window is moved inside.
    sample_rate : int
    settings : PitchSettings
    least : float
        Frames whose level is below it get no candidates; see `PathTracker.least`.
    """
    tables = pitch_tables(sample_rate, settings.floor, settings.ceiling)
    size = len(tables.window)
    sound, starts = pitch_windows(sound, centres, size)
    n = len(centres)
    found = Candidates(np.full((n, CANDIDATES), np.nan), np.full((n, CANDIDATES), np.nan), np.zeros(n))
    period = math.ceil(sample_rate / settings.floor)
    for first in range(0, n, BLOCK):
        rows = slice(first, first + BLOCK)
        x = tapered(sound, starts[rows], tables.window, centred=True)
        _levels(x, tables.window, (size - period) // 2, (size + period) // 2, found.level[rows])
        own = np.flatnonzero(found.level[rows] >= least)
        if not len(own):
            continue
        power = power_spectrum(x if len(own) == len(x) else x[own], tables.fft_size)
        _peaks(
            scipy.fft.irfft(power, tables.fft_size, axis=1, overwrite_x=True),
            own,
            tables.correction,
            tables.shortest,
            tables.longest,
            tables.interpolator,
            float(sample_rate),
            settings.floor,
            settings.ceiling,
            settings.octave_cost,
            0.5 * settings.voicing_threshold,
            found.hz[rows],
            found.height[rows],
        )
    return found


def power_spectrum(windowed: Floats, fft_size: int) -> Floats:
    """Squared magnitude of the spectrum of each row, filled up with zeros, (n, fft_size // 2 + 1)."""
    spectrum = scipy.fft.rfft(windowed, fft_size, axis=1)
    power = np.empty(spectrum.shape)
    if power.size:
        _squared(spectrum.view(np.float64), power)
    return power


@njit(cache=True, nogil=True)
def _squared(pairs: Floats, power: Floats) -> None:
    for i in range(len(power)):
        real, imaginary, out = pairs[i, 0::2], pairs[i, 1::2], power[i]
        for k in range(len(out)):
            out[k] = real[k] * real[k] + imaginary[k] * imaginary[k]


@njit(cache=True, nogil=True)
def _levels(windowed: Floats, window: Floats, begin: int, end: int, level: Floats) -> None:
    """Largest |sample| of each row before it was windowed, from `begin` to `end`."""
    for i in range(len(level)):
        top = 0.0
        for k in range(begin, end):
            top = max(top, abs(windowed[i, k] / window[k]))
        level[i] = top


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _peaks(
    lagged: Floats,
    rows: NDArray[np.intp],
    correction: Floats,
    shortest: int,
    longest: int,
    interpolator: Floats,
    rate: float,
    floor: float,
    ceiling: float,
    octave_cost: float,
    lowest: float,
    hz: Floats,
    height: Floats,
) -> None:
    n_frames = len(lagged)
    kept = len(correction)
    places, taps = interpolator.shape
    half = taps // 2
    mirrored = np.empty(kept + half)
    r = mirrored[half:]
    fine = np.empty(places)
    score = np.empty(hz.shape[1])
    for at in range(n_frames):
        i = rows[at]
        if not lagged[at, 0] > 0:
            continue
        for k in range(kept):
            r[k] = lagged[at, k] / lagged[at, 0] * correction[k]
        for k in range(half):  # autocorrelation is even: lags below 0 mirror
            mirrored[k] = r[half - k]
        found = 0
        for lag in range(max(2, shortest), longest + 1):
            if r[lag] < lowest or r[lag] < r[lag - 1] or r[lag] <= r[lag + 1]:
                continue
            around = mirrored[lag : lag + taps]
            for j in range(places):
                s = 0.0
                for t in range(taps):
                    s += interpolator[j, t] * around[t]
                fine[j] = s
            best = 1
            for j in range(1, places - 1):
                if fine[j] > fine[best]:
                    best = j
            left, middle, right = fine[best - 1], fine[best], fine[best + 1]
            bend = left - 2 * middle + right
            shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
            shift = min(1.0, max(-1.0, shift))
            top = middle - 0.25 * (left - right) * shift
            f = rate / (lag + (best - places // 2 + shift) / (places // 2))
            if f < floor or f > ceiling:
                continue
            if top > 1.0:
                top = 1.0 / top
            rank = top + octave_cost * math.log2(f / floor)
            # kept in the order of rank; the worst falls out when the row is full
            if found == len(score):
                if rank <= score[found - 1]:
                    continue
                found -= 1
            place = found
            while place > 0 and score[place - 1] < rank:
                score[place] = score[place - 1]
                hz[i, place] = hz[i, place - 1]
                height[i, place] = height[i, place - 1]
                place -= 1
            score[place] = rank
            hz[i, place] = f
            height[i, place] = top
            found += 1


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
