"""Roughness: the share of a sound's modulation that is fast enough to be heard as rough.

Not a 40 ms measurement: one value a chunk of about 114 ms, interpolated onto the frames.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from voicerisk.biomarkers.windows import tapered

Floats = NDArray[np.float64]

WINDOW_MS = 15.0
STEP_MS = 3.0
RESOLUTION_HZ = 10.0  # of amplitude modulation: a chunk spans 15 ms + 3 ms * round(1000 / 10 / 3)
ROUGH_HZ = (30.0, 150.0)
BATCH = 16  # chunks at a time, to stay in the cache


def chunk_ms() -> float:
    """Length of a chunk in milliseconds (114)."""
    return WINDOW_MS + STEP_MS * round(1000 / RESOLUTION_HZ / STEP_MS)


def chunk_borders(n: int, sample_rate: int) -> NDArray[np.intp]:
    """First samples (0-based) of the chunks of `n` samples, and the last sample; neighbours share borders."""
    count = math.ceil(n / sample_rate * 1000 / chunk_ms())
    return np.floor(np.linspace(1, n, count + 1)).astype(np.intp) - 1


@lru_cache(maxsize=8)
def _window(sample_rate: int) -> tuple[Floats, int]:
    size = int(WINDOW_MS / 1000 * sample_rate / 2) * 2
    return np.hanning(size), max(1, round(STEP_MS / 1000 * sample_rate))


@dataclass(frozen=True, slots=True)
class Chunks:
    """Modulation spectra of a span's chunks that hold equally many short frames.

    Attributes
    ----------
    number : ndarray of int (k,)
        Which chunks of the span.
    columns : ndarray of float64 (k, m)
        For each amplitude-modulation frequency the modulation spectrum, scaled to 0..1 over the chunk, summed
        over the upper half of its spectral axis.
    hz : ndarray of float64 (m,)
        Amplitude-modulation frequency of each column; symmetric around 0 but for the first.
    """

    number: NDArray[np.intp]
    columns: Floats
    hz: Floats


def modulation_columns(signal: Floats, sample_rate: int) -> list[Chunks]:
    """Modulation spectra of all chunks of a span that hold at least 3 short frames, grouped by their number.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
        One span. Only its shape matters, not its level.
    sample_rate : int
        Hz.

    Returns
    -------
    list of Chunks
        A chunk without any sound has NaN columns.

    References
    ----------
    soundgen 2.5.1, `modulationSpectrum()`.
    """
    window, step = _window(sample_rate)
    size = len(window)
    borders = chunk_borders(len(signal), sample_rate)
    counts = (np.diff(borders) + 1 - size) // step + 1
    if len(signal) < size:
        return []
    groups = []
    for count in np.unique(counts[counts >= 3]):
        chunks = np.flatnonzero(counts == count)
        columns = np.empty((len(chunks), count))
        sign = ((-1.0) ** np.arange(count))[None, :, None]
        for first in range(0, len(chunks), BATCH):
            batch = chunks[first : first + BATCH]
            starts = (borders[batch][:, None] + np.arange(count) * step).ravel()
            spectra = np.abs(scipy.fft.rfft(tapered(signal, starts, window), axis=1)[:, : size // 2])
            spectra = spectra.reshape(len(batch), count, size // 2)  # chunk, time, frequency
            # Rows: multiplying by (-1)^row moves the zero to the middle of an even axis, so that the upper
            # half of the shifted axis is the lower half of the plain one. Columns may be odd in number:
            # multiplied as defined.
            across = scipy.fft.rfft(spectra, axis=2)[:, :, : size // 4]
            across *= sign
            both = np.abs(scipy.fft.fft(across, axis=1, overwrite_x=True))
            low = both.min(axis=(1, 2))[:, None]
            high = both.max(axis=(1, 2))[:, None]
            with np.errstate(invalid="ignore"):
                columns[first : first + BATCH] = (both.sum(axis=2) - both.shape[2] * low) / (high - low)
        hz = (np.arange(count) - count / 2) * (sample_rate / step) / count
        groups.append(Chunks(chunks, columns, hz))
    return groups


def chunk_roughness(groups: list[Chunks], n_chunks: int) -> Floats:
    """Roughness of each chunk of a span.

    Parameters
    ----------
    groups : list of Chunks
        As `modulation_columns` returns them.
    n_chunks : int

    Returns
    -------
    ndarray of float64, shape (n_chunks,)
        Percent, 0 to 100; NaN in chunks that are too short or silent.

    References
    ----------
    soundgen 2.5.1, `getRough()` on `modulationSpectrum()`, which takes the frequencies of the first chunk for
    all.
    """
    values = np.full(n_chunks, np.nan)
    if not groups:
        return values
    hz = min(groups, key=lambda group: group.number[0]).hz
    rough = (hz > ROUGH_HZ[0]) & (hz < ROUGH_HZ[1])
    for group in groups:
        both = min(group.columns.shape[1], len(rough))
        with np.errstate(invalid="ignore"):
            share = group.columns[:, :both] @ rough[:both] / group.columns.sum(axis=1)
        values[group.number] = 100 * share
    return values


def interpolate(values: Floats, n: int) -> Floats:
    """Stretch a row of chunk values linearly onto `n` frames, end onto end; NaN next to a missing one."""
    if len(values) == 1:
        return np.full(n, values[0])
    return np.interp(np.linspace(0, len(values) - 1, n), np.arange(len(values)), values)
