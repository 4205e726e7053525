"""Roughness: the share of a sound's modulation that is fast enough to be heard as rough.

Not a 40 ms measurement: one value a chunk of about 114 ms, interpolated onto the frames.
"""

import math
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_MS = 15.0
STEP_MS = 3.0
RESOLUTION_HZ = 10.0  # of amplitude modulation: a chunk spans 15 ms + 3 ms * round(1000 / 10 / 3)
ROUGH_HZ = (30.0, 150.0)


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


def modulation_spectra(signal: Floats, sample_rate: int) -> list[tuple[int, Floats]]:
    """Modulation spectrum of each chunk.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
        One span. Only its shape matters, not its level.
    sample_rate : int
        Hz.

    Returns
    -------
    list of (chunk, spectrum)
        For each chunk long enough (3 short frames): its number and a matrix (n_spectral, n_temporal), the
        upper half of the spectral axis, scaled to 0..1.
    """
    window, step = _window(sample_rate)
    size = len(window)
    borders = chunk_borders(len(signal), sample_rate)
    counts = (np.diff(borders) + 1 - size) // step + 1
    out: list[tuple[int, Floats]] = []
    for count in np.unique(counts[counts >= 3]):
        chunks = np.flatnonzero(counts == count)
        starts = borders[chunks][:, None] + np.arange(count) * step
        frames = np.lib.stride_tricks.sliding_window_view(signal, size)[starts] * window
        spectra = np.abs(scipy.fft.rfft(frames, axis=2)[:, :, : size // 2])  # chunk, time, frequency
        # Rows: multiplying by (-1)^row moves the zero to the middle of an even axis, so that the upper half
        # of the shifted axis is the lower half of the plain one. Columns may be odd in number: multiplied as
        # defined.
        across = scipy.fft.rfft(spectra, axis=2)[:, :, : size // 4]
        across *= ((-1.0) ** np.arange(count))[None, :, None]
        both = np.abs(scipy.fft.fft(across, axis=1, overwrite_x=True))
        low = both.min(axis=(1, 2), keepdims=True)
        high = both.max(axis=(1, 2), keepdims=True)
        with np.errstate(invalid="ignore"):
            scaled = (both - low) / (high - low)
        out += [(int(c), m.T) for c, m in zip(chunks, scaled, strict=True)]
    return sorted(out, key=lambda pair: pair[0])


def chunk_roughness(spectra: list[tuple[int, Floats]], n_chunks: int, sample_rate: int) -> Floats:
    """Roughness of each chunk of a span.

    Parameters
    ----------
    spectra : list of (chunk, spectrum)
        As `modulation_spectra` returns them.
    n_chunks : int
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray of float64, shape (n_chunks,)
        Percent, 0 to 100; NaN in chunks that are too short or silent.

    References
    ----------
    soundgen 2.5.1, `getRough()` on `modulationSpectrum()`, which takes the frequencies of the first chunk for
    all.
    """
    _, step = _window(sample_rate)
    values = np.full(n_chunks, np.nan)
    rough = np.empty(0, bool)
    for chunk, matrix in spectra:
        m = matrix.shape[1]
        if not len(rough):
            hz = (np.arange(m) - m / 2) * (sample_rate / step) / m
            rough = (hz > ROUGH_HZ[0]) & (hz < ROUGH_HZ[1])
        columns = matrix.sum(axis=0)
        both = min(m, len(rough))
        total = columns.sum()
        if total > 0:
            values[chunk] = 100 * columns[:both][rough[:both]].sum() / total
    return values


def interpolate(values: Floats, n: int) -> Floats:
    """Stretch a row of chunk values linearly onto `n` frames, end onto end; NaN next to a missing one."""
    if len(values) == 1:
        return np.full(n, values[0])
    return np.interp(np.linspace(0, len(values) - 1, n), np.arange(len(values)), values)
