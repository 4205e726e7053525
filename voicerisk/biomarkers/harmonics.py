"""What hangs on the pitch: cepstral peak prominence, height and energy of harmonics, subharmonics.

Two sets of definitions: textbook ones on a Hann-windowed spectrum of the sound without pre-emphasis, and
soundgen 2.5.1's on the frame's own half spectrum, quirks included, for parity given a pitch.
"""

import math
from functools import lru_cache

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from voicerisk.biomarkers.pitch import BLOCK, PitchSettings, pitch_tables, pitch_windows, power_spectrum
from voicerisk.biomarkers.windows import tapered

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEMITONES = 3.0  # to either side of the pitch, where the cepstral peak is sought
TREND_FROM_S = 0.001
LOG10 = 1 / math.log(10)  # NumPy's natural logarithm is several times faster than its decimal one
STEP_DB = 3.0  # a harmonic stands this much above the valleys beside it
MOST_SUBHARMONICS = 5


def harmonic_energy(amplitude: Floats, pitch: Floats, bin_hz: float) -> Floats:
    """10 log10(H / (1 - H)), H = share of amplitude above 1.25 times the pitch; NaN where unvoiced.

    References
    ----------
    soundgen 2.5.1, `harmEnergy`.
    """
    out = np.full(len(pitch), np.nan)
    rows = np.flatnonzero(pitch > 0)
    if len(rows):
        ratio = np.empty(len(rows))
        _upper_to_lower(amplitude, rows, 1.25 * pitch[rows] / bin_hz, ratio)
        with np.errstate(divide="ignore"):
            out[rows] = 10 * np.log10(ratio)
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _upper_to_lower(amplitude: Floats, rows: Ints, limit: Floats, ratio: Floats) -> None:
    """Sum of the amplitudes above each limit (in bins) over that of the others."""
    for at in range(len(rows)):
        a = amplitude[rows[at]]
        first = min(int(limit[at]) + 1, len(a))
        low, high = a[:first], a[first:]
        below = above = 0.0
        for k in range(len(low)):
            below += low[k]
        for k in range(len(high)):
            above += high[k]
        ratio[at] = above / below if below > 0 else np.nan


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
    """Depth (0 to 1) and ratio (2 to 5) of subharmonics on the half spectrum's cepstrum, as soundgen."""
    n_bins = amplitude.shape[1]
    half = n_bins // 2
    depth = np.full(len(pitch), np.nan)
    ratio = np.full(len(pitch), np.nan)
    rows = np.flatnonzero(pitch > 0)
    d = np.abs(scipy.fft.rfft(np.log(np.maximum(amplitude[rows], 1e-10)), axis=1)[:, :half])
    d[:, 0] = 0.0
    base = np.rint(n_bins * bin_hz / pitch[rows]).astype(np.intp)
    d = np.pad(d, ((0, 0), (0, 2)))
    at = np.arange(len(rows))
    first = np.zeros(len(rows))
    best = np.zeros(len(rows))
    depth[rows] = 0.0
    for r in range(1, MOST_SUBHARMONICS + 1):
        place = base * r
        inside = place < half
        place = np.minimum(place, half - 1)
        e = np.maximum(d[at, place], np.maximum(d[at, np.maximum(place - 1, 0)], d[at, place + 1]))
        if r == 1:
            first = e
            continue
        excess = np.where(inside, e - first / r, 0.0)
        better = excess > best
        best[better] = excess[better]
        ratio[rows[better]] = r
        depth[rows[better]] = excess[better] / e[better]
    return depth, ratio


def soundgen_height(amplitude: Floats, pitch: Floats, bin_hz: float) -> Floats:
    """Height of harmonics, Hz, on the half spectrum: the first of the three guesses of soundgen 2.5.1.

    The first harmonic without a local peak within a quarter of the pitch that stands 3 dB above one
    neighbour.
    """
    out = np.full(len(pitch), np.nan)
    n_bins = amplitude.shape[1]
    rows = np.flatnonzero(pitch > 0)
    db = 20 * np.log10(np.maximum(amplitude[rows], 1e-10))
    for row, y in zip(rows, db, strict=True):
        up = np.diff(y)
        peak = np.zeros(n_bins, bool)
        peak[1:-1] = (up[:-1] > 0) & (up[1:] < 0) & (np.maximum(up[:-1], -up[1:]) >= STEP_DB)
        f0 = pitch[row]
        harmonic = 1
        while (harmonic + 0.25) * f0 < (n_bins - 1) * bin_hz:
            low = math.ceil((harmonic - 0.25) * f0 / bin_hz)
            high = int((harmonic + 0.25) * f0 / bin_hz)
            if not peak[low : high + 1].any():
                break
            harmonic += 1
        out[row] = min(harmonic * f0, (n_bins - 1) * bin_hz)
    return out


@lru_cache(maxsize=8)
def _trend(sample_rate: int, size: int) -> tuple[int, int, Floats]:
    """First and last place of the cepstrum in the trend, and the matrix from its dB to (intercept, slope)."""
    first = math.ceil(TREND_FROM_S * sample_rate)
    last = size // 2
    x = np.arange(first, last, dtype=np.float64)
    design = np.stack([np.ones_like(x), x], axis=1)
    return first, last, np.linalg.pinv(design).T.astype(np.float64)


def harmonic_markers(
    sound: Floats, centres: Ints, pitch: Floats, sample_rate: int, settings: PitchSettings
) -> dict[str, Floats]:
    """CPP, harmHeight, subDep and subRatio of voiced frames, by the published preset's definitions.

    Parameters
    ----------
    sound : ndarray of float64, shape (n,)
        One span, without pre-emphasis.
    centres : ndarray of int64, shape (n_frames,)
        Middle sample of each frame.
    pitch : ndarray of float64, shape (n_frames,)
        Hz, NaN where unvoiced.
    sample_rate : int
    settings : PitchSettings

    Returns
    -------
    dict of str to ndarray of float64, shape (n_frames,)
        NaN where unvoiced.

    References
    ----------
    CPP: Hillenbrand and Houde (1996), Journal of Speech and Hearing Research 39, 311-321.
    """
    names = ("CPP", "harmHeight", "subDep", "subRatio")
    out = {name: np.full(len(pitch), np.nan) for name in names}
    voiced = np.flatnonzero(pitch > 0)
    tables = pitch_tables(sample_rate, settings.floor, settings.ceiling)
    sound, starts = pitch_windows(sound, centres, len(tables.window))
    size = tables.fft_size
    first, last, trend = _trend(sample_rate, size)
    for begin in range(0, len(voiced), BLOCK):
        rows = voiced[begin : begin + BLOCK]
        x = tapered(sound, starts[rows], tables.window, centred=True)
        power = power_spectrum(x, size)
        # Zero power exists only in digital silence; the floor lies 200 dB below the frame's maximum.
        _raise_to_floor(power, 1e-20)
        db = np.log(power, out=power)
        db *= 10 * LOG10
        cepstrum = np.abs(scipy.fft.irfft(db, size, axis=1)[:, : last + 1])
        in_db = np.maximum(cepstrum, 1e-12)
        np.log(in_db, out=in_db)
        in_db *= 20 * LOG10
        lines = in_db[:, first:last] @ trend
        values = np.full((len(rows), len(names)), np.nan)
        _harmonics(db, cepstrum, in_db, lines, pitch[rows], sample_rate / size, float(sample_rate), values)
        for name, column in zip(names, values.T, strict=True):
            out[name][rows] = column
    return out


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _raise_to_floor(power: Floats, share: float) -> None:
    """Raise what is less than a share of its row's maximum to it."""
    for i in range(len(power)):
        row = power[i]
        top = 0.0
        for k in range(len(row)):
            top = max(top, row[k])
        floor = share * top
        for k in range(len(row)):
            row[k] = max(row[k], floor)


@njit(cache=True, nogil=True)
def _harmonics(
    db: Floats,
    cepstrum: Floats,
    in_db: Floats,
    lines: Floats,
    pitch: Floats,
    bin_hz: float,
    rate: float,
    out: Floats,
) -> None:
    n_frames, n_bins = db.shape
    n_lags = cepstrum.shape[1]
    width = 2.0 ** (SEMITONES / 12.0)
    for i in range(n_frames):
        f0 = pitch[i]
        period = rate / f0
        # cepstral peak over its trend
        low = max(1, math.ceil(period / width))
        high = min(n_lags - 2, int(period * width))
        best = low
        for k in range(low, high + 1):
            if in_db[i, k] > in_db[i, best]:
                best = k
        left, top, right = in_db[i, best - 1], in_db[i, best], in_db[i, best + 1]
        bend = left - 2 * top + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        shift = min(0.5, max(-0.5, shift))
        out[i, 0] = top - 0.25 * (left - right) * shift - (lines[i, 0] + lines[i, 1] * (best + shift))
        # the last harmonic, counted without a gap, that stands out from the valleys beside it
        harmonic = 1
        while (harmonic + 0.5) * f0 < (n_bins - 1) * bin_hz:
            a = round((harmonic - 0.5) * f0 / bin_hz)
            b = round((harmonic + 0.5) * f0 / bin_hz)
            c = math.ceil((harmonic - 0.25) * f0 / bin_hz)
            d = int((harmonic + 0.25) * f0 / bin_hz)
            peak = c
            for k in range(c, d + 1):
                if db[i, k] > db[i, peak]:
                    peak = k
            valley_left = db[i, peak]
            for k in range(a, peak):
                valley_left = min(valley_left, db[i, k])
            valley_right = db[i, peak]
            for k in range(peak + 1, b + 1):
                valley_right = min(valley_right, db[i, k])
            if db[i, peak] - max(valley_left, valley_right) < STEP_DB:
                break
            harmonic += 1
        if harmonic > 1:
            out[i, 1] = (harmonic - 1) * f0
        # subharmonics: a cepstral peak at r periods higher than the first one's echo there
        first = 0.0
        deepest = 0.0
        for r in range(1, MOST_SUBHARMONICS + 1):
            place = round(r * period)
            if place + 1 >= n_lags:
                break
            e = max(cepstrum[i, place - 1], max(cepstrum[i, place], cepstrum[i, place + 1]))
            if r == 1:
                first = e
            elif e - first / r > deepest * e and e > 0:
                deepest = (e - first / r) / e
                out[i, 3] = r
        out[i, 2] = deepest
