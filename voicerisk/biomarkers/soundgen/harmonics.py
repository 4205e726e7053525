"""What depends on the pitch, as soundgen 2.5.1 has it on the half spectrum of the frame, for parity.

`amplitude` is the frames' half spectrum without the Nyquist bin, shape (n_frames, n_bins); `pitch` is in Hz,
NaN where unvoiced; `bin_hz` is the distance of bins.
"""

import math

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from voicerisk.biomarkers.voicing.harmonics import MOST_SUBHARMONICS, SEMITONES, STEP_DB
from voicerisk.types import Floats

TOLERANCE = 0.25  # of the pitch, by which a harmonic may be off its place
IN_STRETCH = 5  # harmonics in a stretch of the spectrum


def soundgen_cpp(amplitude: Floats, pitch: Floats, bin_hz: float) -> Floats:
    """Cepstral peak prominence as soundgen 2.5.1 has it, dB; NaN where unvoiced or without a peak.

    The cepstrum is the magnitude of the FFT of the log half spectrum. For each local maximum strictly within
    3 semitones of the pitch: its height (parabola) over a straight line in frequency (not quefrency), fitted
    without the points whose number from the start of the cepstrum is that of a peak from the start of the
    range, and read one point further than the peak.
    """
    n_bins = amplitude.shape[1]
    half = n_bins // 2
    hz = n_bins * bin_hz / np.arange(1, half)
    out = np.full(len(pitch), np.nan)
    rows = np.flatnonzero(pitch > 0)
    cepstra = np.abs(scipy.fft.rfft(np.log(amplitude[rows] + 1e-6), axis=1)[:, 1:half])
    values = np.full(len(rows), np.nan)
    _soundgen_cpp(cepstra, hz, pitch[rows], values)
    out[rows] = values
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _soundgen_cpp(cepstra: Floats, hz: Floats, pitch: Floats, out: Floats) -> None:
    n = len(hz)
    width = 2.0 ** (SEMITONES / 12.0)
    peak = np.zeros(n, np.bool_)
    kept = np.empty(n, np.bool_)
    for i in range(len(cepstra)):
        c = cepstra[i]
        first, last = n, -1  # the range of the pitch; frequencies fall
        for k in range(n):
            if hz[k] > pitch[i] / width and hz[k] < pitch[i] * width:
                first, last = min(first, k), k
        peak[:] = False
        kept[:] = True
        found = False
        for k in range(first + 1, last):
            if c[k] > c[k - 1] and c[k] > c[k + 1]:
                found = peak[k] = True
                kept[k - first] = False
        if not found:
            continue
        count = 0
        mean_hz = mean_c = 0.0
        least = c[0]
        for k in range(n):
            least = min(least, c[k])
            if kept[k]:
                count += 1
                mean_hz += hz[k]
                mean_c += c[k]
        mean_hz /= count
        mean_c /= count
        both = square = 0.0
        for k in range(n):
            if kept[k]:
                both += (hz[k] - mean_hz) * c[k]
                square += (hz[k] - mean_hz) ** 2
        for k in range(n):
            if not peak[k]:
                continue
            line = mean_c + both / square * (hz[min(k + 1, n - 1)] - mean_hz)
            if line < 0:
                line = least
            left, top, right = c[k - 1], c[k], c[k + 1]
            height = top - (left - right) ** 2 / (8 * (left - 2 * top + right))
            value = 20 * math.log10(height / line)
            if not out[i] >= value:
                out[i] = value


def soundgen_subharmonics(amplitude: Floats, pitch: Floats, bin_hz: float) -> tuple[Floats, Floats]:
    """Depth (0 to 1) and ratio (2 to 5) of subharmonics; NaN where unvoiced.

    The cepstrum is the magnitude of the FFT of the log half spectrum, its first half, its first place set to
    0. Place p (from 1) counts as the frequency n_bins * bin_hz / p, though it holds p - 1 waves along the
    spectrum. b = the place nearest to the pitch; E_r = maximum of places r b - 1 to r b + 1;
    excess_r = E_r - E_1 / r. The ratio is the r of the largest excess, NaN where none is positive; the depth
    is that excess over its E_r, else 0.
    """
    n_bins = amplitude.shape[1]
    half = n_bins // 2
    depth = np.full(len(pitch), np.nan)
    ratio = np.full(len(pitch), np.nan)
    rows = np.flatnonzero(pitch > 0)
    every = np.arange(len(rows))
    d = np.abs(scipy.fft.rfft(np.log(np.maximum(amplitude[rows], 1e-10)), axis=1)[:, :half])
    d[:, 0] = 0.0
    hz = n_bins * bin_hz / np.arange(1, half + 1)
    place = np.abs(hz - pitch[rows, None]).argmin(axis=1) + 1
    first = best = np.zeros(len(rows))
    depth[rows] = 0.0
    for r in range(1, MOST_SUBHARMONICS + 1):
        at = place * r - 1
        # soundgen leaves out maxima that would reach beyond the cepstrum
        inside = at + 1 < half
        at = np.minimum(at, half - 2)
        e = np.maximum(d[every, at], np.maximum(d[every, np.maximum(at - 1, 0)], d[every, at + 1]))
        if r == 1:
            first = np.where(inside, e, np.inf)
            continue
        excess = np.where(inside, e - first / r, 0.0)
        better = excess > best
        best = np.where(better, excess, best)
        ratio[rows[better]] = r
        depth[rows[better]] = excess[better] / e[better]
    return depth, ratio


def soundgen_height(amplitude: Floats, pitch: Floats, bin_hz: float) -> Floats:
    """Height of harmonics, Hz, not yet smoothed along time: the median of three guesses that exist.

    1. Pitch times the number of the last harmonic before the first that has no peak: for each harmonic the
       largest bin within a quarter of the pitch of its place, counted one bin too low, must exceed both
       neighbours, and one of them by 3 dB. No guess where all have one; 0 where the first has none.
    2. Peaks are bins that are the maximum of about the pitch's width around them and exceed some bin on
       either side by 3 dB. Stretches of the spectrum that hold five harmonics move up by one harmonic. The
       first whose peaks' median distance is a quarter of the pitch or more off it gives its number (from 0)
       times the pitch, less half a stretch, no guess where that is below the pitch; the last bin's frequency
       where there is none.
    3. As 2, with the first stretch in whose spectrum (of the dB) the fifth bin is no local maximum; no guess
       where there is none.

    NaN where unvoiced, without any guess, and where the first harmonic lies above the spectrum.
    """
    out = np.full(len(pitch), np.nan)
    rows = np.flatnonzero(pitch > 0)
    if len(rows):
        db = 20 * np.log10(np.maximum(amplitude[rows], 1e-300))
        heights = np.empty(len(rows))
        _heights(db, pitch[rows], bin_hz, heights)
        out[rows] = heights
    return out


@njit(cache=True, nogil=True)
def _heights(db: Floats, pitch: Floats, bin_hz: float, out: Floats) -> None:
    for i in range(len(pitch)):
        if _countable(db.shape[1], pitch[i], bin_hz) < 1:
            out[i] = np.nan
            continue
        guesses = np.empty(3)
        guesses[0] = _without_peak(db[i], pitch[i], bin_hz)
        guesses[1], guesses[2] = _by_stretches(db[i], pitch[i], bin_hz)
        known = guesses[~np.isnan(guesses)]
        out[i] = np.median(known) if len(known) else np.nan


@njit(cache=True, nogil=True)
def _countable(n_bins: int, pitch: float, bin_hz: float) -> int:
    """How many harmonics lie in the spectrum with all of their tolerance."""
    around = round(TOLERANCE * pitch / bin_hz)
    return math.floor(((n_bins - 1) * bin_hz - around * bin_hz) / pitch)


@njit(cache=True, nogil=True)
def _without_peak(db: Floats, pitch: float, bin_hz: float) -> float:
    n = len(db)
    around = round(TOLERANCE * pitch / bin_hz)
    for harmonic in range(1, _countable(n, pitch, bin_hz) + 1):
        middle = round(pitch * harmonic / bin_hz) - 1
        low = max(0, middle - around)
        top = low + np.argmax(db[low : middle + around + 1])
        left = np.inf if top == 0 else db[top] - db[top - 1]
        right = np.inf if top == n - 1 else db[top] - db[top + 1]
        if not (left > 0 and right > 0 and (left > STEP_DB or right > STEP_DB)):
            return pitch * (harmonic - 1)
    return np.nan


@njit(cache=True, nogil=True)
def _by_stretches(db: Floats, pitch: float, bin_hz: float) -> tuple[float, float]:
    n = len(db)
    spacing = pitch / bin_hz
    peaks = _peaks(db, math.ceil(spacing / 2) - 1)
    width = min(float(round(spacing * IN_STRETCH)), n / 2)
    count = int(width)
    tolerance = round(spacing * TOLERANCE)
    irregular = flat = -1
    at = spacing  # places count from 1
    number = 0
    while at + width < n and (irregular < 0 or flat < 0):
        own = peaks[(peaks >= at) & (peaks <= at + width - 1)]
        if irregular < 0 and len(own) > 1:
            usual = np.median(np.diff(own).astype(np.float64))
            irregular = number if abs(usual - spacing) >= tolerance else -1
        if flat < 0 and count // 2 >= IN_STRETCH + 2:
            before, own_bin, after = _three_bins(db, at, count)
            if not (own_bin > before and own_bin > after):
                flat = number
        at = float(round(at + spacing))
        number += 1
    by_distance = (n - 1) * bin_hz
    by_spectrum = np.nan
    if irregular >= 0:
        by_distance = (spacing * irregular - width / 2) * bin_hz
        if by_distance < pitch:
            by_distance = np.nan
    if flat >= 0:
        by_spectrum = (spacing * flat - width / 2) * bin_hz
        if by_spectrum < pitch:
            by_spectrum = np.nan
    return by_distance, by_spectrum


@njit(cache=True, nogil=True)
def _peaks(db: Floats, half: int) -> NDArray[np.int64]:
    """Places, from 1, of bins that are the first maximum of `half` bins to either side, and stand out."""
    found = np.empty(len(db), np.int64)
    count = 0
    for k in range(half, len(db) - half if half else 0):
        is_peak = True
        low_left = low_right = db[k]
        for j in range(1, half + 1):
            if db[k - j] >= db[k] or db[k + j] > db[k]:
                is_peak = False
                break
            low_left, low_right = min(low_left, db[k - j]), min(low_right, db[k + j])
        if is_peak and db[k] - low_left > STEP_DB and db[k] - low_right > STEP_DB:
            found[count] = k + 1
            count += 1
    return found[:count]


@njit(cache=True, nogil=True)
def _three_bins(db: Floats, at: float, count: int) -> tuple[float, float, float]:
    """Magnitudes around the `IN_STRETCH`-th bin of the Fourier transform of a stretch from place `at` on."""
    sizes = np.empty(3)
    for k in range(3):
        turn = 2 * math.pi * (IN_STRETCH - 1 + k) / count
        step_re, step_im = math.cos(turn), -math.sin(turn)
        re, im = 1.0, 0.0
        total_re = total_im = 0.0
        for j in range(count):
            value = db[int(at + j) - 1]
            total_re += value * re
            total_im += value * im
            re, im = re * step_re - im * step_im, re * step_im + im * step_re
        sizes[k] = math.sqrt(total_re * total_re + total_im * total_im)
    return sizes[0], sizes[1], sizes[2]
