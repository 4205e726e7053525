"""What depends on the pitch: cepstral peak prominence, height and energy of harmonics, subharmonics.

Textbook definitions on a Hann-windowed spectrum of the sound without pre-emphasis; those of soundgen 2.5.1
are in `soundgen_harmonics`. The energy above the fundamental is the same in both.
"""

import math
from functools import lru_cache

import numpy as np
import scipy.fft
from numba import njit

from voicerisk.biomarkers.frame.windows import tapered
from voicerisk.biomarkers.voicing.pitch import (
    BLOCK,
    PitchSettings,
    pitch_tables,
    pitch_windows,
    power_spectrum,
)
from voicerisk.types import Floats, Ints

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
