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

from voicerisk.biomarkers.frame.spectrum import squared
from voicerisk.biomarkers.frame.windows import tapered
from voicerisk.types import Floats, Ints


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
    return squared(scipy.fft.rfft(windowed, fft_size, axis=1), fft_size // 2 + 1)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})
def _levels(windowed: Floats, window: Floats, begin: int, end: int, level: Floats) -> None:
    """Largest |sample| of each row before it was windowed, from `begin` to `end`."""
    for i in range(len(level)):
        top = 0.0
        for k in range(begin, end):
            top = max(top, abs(windowed[i, k] / window[k]))
        level[i] = top


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
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
