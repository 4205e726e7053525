"""Modulation of amplitude and pitch: what a voice does over tenths of a second.

None of these is a measurement of a 40 ms frame; windows stay inside the span, and near its ends they are
moved inside.
"""

import math
from functools import lru_cache

import numpy as np
from numba import njit

from voicerisk.biomarkers.change.roughness import Chunks
from voicerisk.biomarkers.frame.windows import tapered
from voicerisk.biomarkers.voicing.pitch import power_spectrum
from voicerisk.types import Floats, Ints

AM_HZ = (10.0, 200.0)
AM_WINDOW_S = 0.4
ENVELOPE_S = 0.0025
HILBERT_TAPS = 255
FM_HZ = (5.0, 25.0)
FM_WINDOW_S = 0.8
# A contour that moves less from one value to the next is level: what is left of a bridged gap less its
# running mean is rounding, and would turn at every value.
LEVEL_PITCH = 1e-6  # semitones
LEVEL_ENVELOPE = 1e-9  # of the largest value in the window


def chunk_modulation(groups: list[Chunks], n_chunks: int, within: bool = False) -> tuple[Floats, Floats]:
    """Frequency and purity of amplitude modulation in each chunk's modulation spectrum.

    Parameters
    ----------
    groups : list of Chunks
        As `modulation_columns` returns them.
    n_chunks : int
    within : bool
        Whether a peak's neighbours must lie from 10 to 200 Hz, too, and the lower of them be strictly below
        it, as in soundgen.

    Returns
    -------
    frequency, purity : ndarray of float64, shape (n_chunks,)
        Hz, dB (0 and below); NaN in a chunk without a peak from 10 to 200 Hz.

    References
    ----------
    soundgen 2.5.1, `amMsFreq` and `amMsPurity`.
    """
    frequency = np.full(n_chunks, np.nan)
    purity = np.full(n_chunks, np.nan)
    for group in groups:
        m = len(group.hz)
        # columns of equal |frequency| fold together (in half columns, to compare whole numbers)
        keys, place = np.unique(np.abs(2 * np.arange(m) - m), return_inverse=True)
        fold = (place[:, None] == np.arange(len(keys))) / np.bincount(place)
        folded = group.columns @ fold
        hz = keys * (-group.hz[0] / m)
        inner = folded[:, 1:-1]
        if not inner.size:
            continue  # three or four short frames have no peak between two others
        peak = (inner >= folded[:, :-2]) & (inner >= folded[:, 2:])
        inside = (hz >= AM_HZ[0]) & (hz <= AM_HZ[1])
        peak &= inside[1:-1]
        if within:
            peak &= inside[:-2] & inside[2:] & (inner > folded[:, :-2])
        best = np.where(peak, inner, -1.0).argmax(axis=1)
        rows = np.arange(len(folded))
        top = inner[rows, best]
        # 100 dB below the maximum a peak is rounding
        found = peak[rows, best] & (top > 1e-5 * folded.max(axis=1))
        frequency[group.number] = np.where(found, hz[best + 1], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            purity[group.number] = np.where(found, 20 * np.log10(top / folded.max(axis=1)), np.nan)
    return frequency, purity


@lru_cache(maxsize=1)
def _hilbert_taps() -> Floats:
    """Taps of the FIR Hilbert transformer (Hamming window) at the distances 1, 3, ... samples; 64 of them."""
    n = np.arange(1, HILBERT_TAPS // 2 + 1, 2)
    return np.asarray(2 / (np.pi * n) * (0.54 + 0.46 * np.cos(2 * np.pi * n / (HILBERT_TAPS - 1))))


def envelope_step(sample_rate: int) -> int:
    """Return the samples of 2.5 ms, over which the envelope is averaged."""
    return max(1, round(ENVELOPE_S * sample_rate))


def envelope(signal: Floats, sample_rate: int) -> Floats:
    """Amplitude envelope, averaged over 2.5 ms.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray of float64, shape (n // step,)
        One value every 2.5 ms; the magnitude of the sound and its Hilbert transform (FIR, 255 taps).
    """
    step = envelope_step(sample_rate)
    delay = HILBERT_TAPS // 2
    out = np.empty(len(signal) // step)
    padded = np.concatenate([np.zeros(delay), signal, np.zeros(delay)])
    _envelope(padded, _hilbert_taps(), step, out)
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _envelope(padded: Floats, taps: Floats, step: int, out: Floats) -> None:
    delay = HILBERT_TAPS // 2
    many = max(1, 400 // step)
    turned = np.empty(many * step)
    for first in range(0, len(out), many):
        count = min(many, len(out) - first)
        n = count * step
        at = first * step + delay
        turned[:n] = 0.0
        # the transformer is odd, and its even taps are zero; eight pairs of taps a pass
        for j in range(0, len(taps), 8):
            d = 2 * j + 1
            t0, t1, t2, t3 = taps[j], taps[j + 1], taps[j + 2], taps[j + 3]
            t4, t5, t6, t7 = taps[j + 4], taps[j + 5], taps[j + 6], taps[j + 7]
            a, b = padded[at - d - 14 : at - d + n], padded[at + d : at + d + n + 14]
            for i in range(n):
                near = t0 * (a[i + 14] - b[i]) + t1 * (a[i + 12] - b[i + 2])
                near += t2 * (a[i + 10] - b[i + 4]) + t3 * (a[i + 8] - b[i + 6])
                far = t4 * (a[i + 6] - b[i + 8]) + t5 * (a[i + 4] - b[i + 10])
                far += t6 * (a[i + 2] - b[i + 12]) + t7 * (a[i] - b[i + 14])
                turned[i] += near + far
        for k in range(count):
            total = 0.0
            across = turned[k * step : (k + 1) * step]
            along = padded[at + k * step : at + (k + 1) * step]
            for i in range(step):
                total += math.sqrt(across[i] * across[i] + along[i] * along[i])
            out[first + k] = total / step


def _moved(centres: Floats, width: int, n: int) -> Ints:
    """First places of windows of `width` around `centres`, moved inside 0..n."""
    return np.clip(np.floor(centres - width / 2 + 0.5).astype(np.int64), 0, n - width)


def _spectral_peak(power: Floats, spacing: float, low: float, high: float) -> tuple[Floats, Floats]:
    """Frequency (parabola) and purity 10 log10(p / (1 - p)) of the highest peak from `low` to `high` Hz.

    `power` holds squared magnitudes every `spacing` Hz; peaks and the share p are of magnitudes.
    """
    frequency, purity = np.full(len(power), np.nan), np.full(len(power), np.nan)
    _peaks_of_rows(power, spacing, low, high, frequency, purity)
    return frequency, purity


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _peaks_of_rows(
    power: Floats, spacing: float, low: float, high: float, frequency: Floats, purity: Floats
) -> None:
    n_rows, n = power.shape
    size = np.empty(n)
    first = max(1, math.ceil(low / spacing - 1e-9))
    last = min(n - 2, int(high / spacing + 1e-9))
    for i in range(n_rows):
        total = 0.0
        row = power[i]
        for k in range(n):
            size[k] = math.sqrt(row[k])
        for k in range(n):
            total += size[k]
        best = -1
        for k in range(first, last + 1):
            if size[k] > size[k - 1] and size[k] > size[k + 1] and (best < 0 or size[k] > size[best]):
                best = k
        if best < 0:
            continue
        left, top, right = size[best - 1], size[best], size[best + 1]
        place = best + 0.5 * (left - right) / (left - 2 * top + right)
        share = top / total
        frequency[i] = min(high, max(low, place * spacing))
        purity[i] = 10 * math.log10(share / (1 - share))


def amplitude_modulation(signal: Floats, sample_rate: int, centres: Ints) -> tuple[Floats, Floats, Floats]:
    """`amEnvFreq` (Hz), `amEnvPurity` (dB) and `amEnvDep` (0 to 1) of each frame.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
        One span, or a part of it that begins on a multiple of 2.5 ms of it and holds at least 0.3 s of the
        span on both sides of the centres where the span does.
    sample_rate : int
        Hz.
    centres : ndarray of int64, shape (n_frames,)
        Middle sample of each frame.

    Returns
    -------
    frequency, purity, depth : ndarray of float64, shape (n_frames,)
        NaN in spans shorter than 400 ms.
    """
    step = envelope_step(sample_rate)
    rate = sample_rate / step
    width = round(AM_WINDOW_S * rate)
    n = len(centres)
    frequency, purity, depth = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    if len(signal) // step < width or not n:
        return frequency, purity, depth
    track = envelope(signal, sample_rate)
    swing = track - _running_mean(track, round(rate / AM_HZ[0]) | 1)
    at = centres / step
    starts = _moved(at, width, len(track))
    taper = np.hanning(width)
    for first in range(0, n, 128):
        rows = slice(first, first + 128)
        power = power_spectrum(tapered(swing, starts[rows], taper), width)
        frequency[rows], purity[rows] = _spectral_peak(power, rate / width, *AM_HZ)
    _depths(swing, track, starts, at, width, depth)
    return frequency, purity, depth


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _depths(swing: Floats, track: Floats, starts: Ints, at: Floats, width: int, depth: Floats) -> None:
    """1 - exp(-|difference of ln envelope|) between the turns of the swing that lie around each place."""
    for i in range(len(starts)):
        begin = starts[i]
        top = 0.0
        own = track[begin : begin + width]
        for k in range(width):
            top = max(top, own[k])
        if top <= 0.0:
            continue
        turns = _turns_around(swing[begin : begin + width], at[i] - begin, LEVEL_ENVELOPE * top)
        depth[i] = _at_turns(turns, at[i] - begin, track[begin : begin + width], 1e-10 * top)


@njit(cache=True, nogil=True)
def _turns_around(track: Floats, at: float, level: float) -> tuple[int, int, int, int]:
    """Two pairs of neighbouring turns, their middles just before and beyond `at`; -1 where missing.

    A step of `level` or less is neither up nor down.
    """
    a, b, c, d = -1, -1, -1, -1  # the last middle up to `at` is of (a, b), the first beyond it of (c, d)
    before, last = 0, -1
    for k in range(len(track) - 1):
        step = track[k + 1] - track[k]
        slope = 1 if step > level else (-1 if step < -level else 0)
        if slope == 0:
            continue
        if before != 0 and slope != before:
            if last >= 0:
                if (last + k) / 2 <= at:
                    a, b = last, k
                else:
                    c, d = last, k
                    break
            last = k
        before = slope
    return a, b, c, d


@njit(cache=True, nogil=True)
def _at_turns(turns: tuple[int, int, int, int], at: float, track: Floats, floor: float) -> float:
    """Depth at a place, linear between the middles of the turns around it."""
    a, b, c, d = turns
    early = late = np.nan
    if a >= 0:
        early = 1.0 - math.exp(-abs(math.log(max(track[a], floor)) - math.log(max(track[b], floor))))
    if c >= 0:
        late = 1.0 - math.exp(-abs(math.log(max(track[c], floor)) - math.log(max(track[d], floor))))
    if a < 0 or c < 0:
        return late if a < 0 else early
    left, right = (a + b) / 2, (c + d) / 2
    return early + (late - early) * (at - left) / (right - left)


def _running_mean(track: Floats, width: int) -> Floats:
    """Mean over `width` places around each, fewer at the ends."""
    total = np.concatenate([[0.0], np.cumsum(track)])
    low = np.maximum(np.arange(len(track)) - width // 2, 0)
    high = np.minimum(np.arange(len(track)) + width // 2 + 1, len(track))
    return np.asarray((total[high] - total[low]) / (high - low))


def pitch_modulation(
    pitch: Floats, frame_rate: float, rows: Ints | None = None
) -> tuple[Floats, Floats, Floats]:
    """`fmFreq` (Hz), `fmPurity` (dB) and `fmDep` (semitones) of each frame.

    Each value depends on the pitch of the 800 ms around its frame alone (moved inside the span): the gaps in
    there are bridged linearly in semitones, and the running mean over 200 ms is taken off.

    Parameters
    ----------
    pitch : ndarray of float64, shape (n_frames,)
        Hz, NaN where unvoiced.
    frame_rate : float
        Frames a second.
    rows : ndarray of int64, optional
        Frames that values are wanted for; the others are NaN. Default: all.

    Returns
    -------
    frequency, purity, depth : ndarray of float64, shape (n_frames,)
        NaN on unvoiced frames, in spans shorter than 800 ms, and where fewer than two frames of the window
        are voiced or the pitch does not waver (by more than a millionth of a semitone).
    """
    n = len(pitch)
    width = round(FM_WINDOW_S * frame_rate)
    frequency, purity, depth = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    wanted = np.flatnonzero(pitch > 0) if rows is None else rows[pitch[rows] > 0]
    if n < width or not len(wanted):
        return frequency, purity, depth
    starts = _moved(np.asarray(wanted + 0.5, np.float64), width, n)
    taper = np.hanning(width)
    for first in range(0, len(wanted), 256):
        part = slice(first, first + 256)
        own = wanted[part]
        swing = np.empty((len(own), width))
        deep = np.full(len(own), np.nan)
        _contours(pitch, starts[part], own, round(frame_rate / FM_HZ[0]) // 2, swing, deep)
        power = power_spectrum(swing * taper, width)
        frequency[own], purity[own] = _spectral_peak(power, frame_rate / width, *FM_HZ)
        depth[own] = deep
    return frequency, purity, depth


@njit(cache=True, nogil=True)
def _contours(pitch: Floats, starts: Ints, rows: Ints, half: int, swing: Floats, depth: Floats) -> None:
    """Bridge the gaps of each window, take its running mean off, and measure the turns around its frame."""
    n, width = swing.shape
    filled = np.empty(width)
    for i in range(n):
        voiced = 0
        last = -1
        for k in range(width):
            hz = pitch[starts[i] + k]
            if not hz > 0:
                continue
            filled[k] = 12.0 * math.log2(hz)
            for j in range(last + 1, k):
                filled[j] = (
                    filled[k]
                    if last < 0
                    else filled[last] + (filled[k] - filled[last]) * (j - last) / (k - last)
                )
            last = k
            voiced += 1
        for j in range(last + 1, width):
            filled[j] = filled[last]
        swing[i] = 0.0
        if voiced < 2:
            continue
        for k in range(width):
            low, high = max(0, k - half), min(width, k + half + 1)
            total = 0.0
            for j in range(low, high):
                total += filled[j]
            swing[i, k] = filled[k] - total / (high - low)
        if np.abs(swing[i]).max() <= LEVEL_PITCH:  # no vibrato, and none of its rate
            swing[i] = 0.0
        at = rows[i] - starts[i]
        a, b, c, d = _turns_around(swing[i], at, LEVEL_PITCH)
        early = abs(swing[i, a] - swing[i, b]) / 2 if a >= 0 else np.nan
        late = abs(swing[i, c] - swing[i, d]) / 2 if c >= 0 else np.nan
        if a < 0 or c < 0:
            depth[i] = late if a < 0 else early
        else:
            left, right = (a + b) / 2, (c + d) / 2
            depth[i] = early + (late - early) * (at - left) / (right - left)
