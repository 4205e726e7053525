"""Roughness: the share of a sound's modulation that is fast enough to be heard as rough.

Not a 40 ms measurement: one value a chunk of 114 ms, interpolated onto the frames. soundgen divides a
recording into equal chunks of at most that length, so that each value depends on the length of the recording;
the layout of the published preset starts a chunk every 114 ms of the span and knows nothing of its end.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from voicerisk.biomarkers.frame.windows import tapered
from voicerisk.types import Floats, Ints

WINDOW_MS = 15.0
STEP_MS = 3.0
RESOLUTION_HZ = 10.0  # of amplitude modulation: a chunk spans 15 ms + 3 ms * round(1000 / 10 / 3)
ROUGH_HZ = (30.0, 150.0)
LEAST = 3  # short frames without which a chunk has no value
BATCH = 8  # chunks at a time, to stay in the cache


def chunk_ms() -> float:
    """Length of a chunk in milliseconds (114)."""
    return WINDOW_MS + STEP_MS * round(1000 / RESOLUTION_HZ / STEP_MS)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the chunks of a span lie.

    Attributes
    ----------
    first : ndarray of int64 (n_chunks,)
        First sample of each chunk.
    end : ndarray of int64 (n_chunks,)
        The sample after its last one.
    count : ndarray of int64 (n_chunks,)
        Short frames in each chunk.
    """

    first: Ints
    end: Ints
    count: Ints

    def part(self, low: int, high: int) -> "Layout":
        """Return the chunks from number `low` up to `high`."""
        return Layout(self.first[low:high], self.end[low:high], self.count[low:high])


@lru_cache(maxsize=8)
def _window(sample_rate: int) -> tuple[Floats, int]:
    size = int(WINDOW_MS / 1000 * sample_rate / 2) * 2
    return np.hanning(size), max(1, round(STEP_MS / 1000 * sample_rate))


def _layout(first: Ints, end: Ints, sample_rate: int) -> Layout:
    window, step = _window(sample_rate)
    return Layout(first, end, np.maximum((end - first - len(window)) // step + 1, 0))


def equal_chunks(n: int, sample_rate: int) -> Layout:
    """Divide `n` samples into equal chunks of at most 114 ms that share their borders, as soundgen does."""
    many = math.ceil(n / sample_rate * 1000 / chunk_ms())
    borders = np.floor(np.linspace(1, n, many + 1)).astype(np.int64) - 1
    return _layout(borders[:-1], borders[1:] + 1, sample_rate)


def steady_chunks(n: int, sample_rate: int) -> Layout:
    """Divide `n` samples into chunks of 114 ms from the first one on; the last one is what remains."""
    first = np.arange(0, n, round(chunk_ms() / 1000 * sample_rate), dtype=np.int64)
    return _layout(first, np.append(first[1:], n), sample_rate)


@dataclass(frozen=True, slots=True)
class Chunks:
    """Modulation spectra of chunks that hold equally many short frames.

    Attributes
    ----------
    number : ndarray of int (k,)
        Which chunks of the layout.
    columns : ndarray of float64 (k, m)
        For each amplitude-modulation frequency the modulation spectrum, scaled to 0..1 over the chunk, summed
        over the upper half of its spectral axis.
    hz : ndarray of float64 (m,)
        Amplitude-modulation frequency of each column; symmetric around 0 but for the first.
    """

    number: NDArray[np.intp]
    columns: Floats
    hz: Floats


def modulation_hz(count: int, sample_rate: int) -> Floats:
    """Amplitude-modulation frequency of each column of a chunk of `count` short frames."""
    return (np.arange(count) - count / 2) * (sample_rate / _window(sample_rate)[1]) / count


@lru_cache(maxsize=64)
def _across_time(count: int) -> tuple[Floats, Floats]:
    """Return cosines and sines of the first half of the columns, over times folded as `_fold_times` does."""
    pairs = (count - 1) // 2
    angle = 2 * np.pi * np.outer(np.arange(count // 2 + 1) - count / 2, np.arange(count)) / count
    alone = [0, count // 2] if count % 2 == 0 else [0]
    cosines = np.concatenate([np.cos(angle[:, 1 : pairs + 1]), np.cos(angle[:, alone])], axis=1)
    return np.ascontiguousarray(cosines), np.ascontiguousarray(-np.sin(angle[:, 1 : pairs + 1]))


def modulation_columns(signal: Floats, sample_rate: int, layout: Layout) -> list[Chunks]:
    """Modulation spectra of all chunks that hold at least 3 short frames, grouped by their number.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
        Only its shape matters, not its level.
    sample_rate : int
        Hz.
    layout : Layout
        Places in `signal`.

    Returns
    -------
    list of Chunks
        A chunk without any sound has NaN columns.

    References
    ----------
    soundgen 2.5.1, `modulationSpectrum()`.
    """
    window, step = _window(sample_rate)
    groups = []
    for count in np.unique(layout.count[layout.count >= LEAST]).tolist():
        chunks = np.flatnonzero(layout.count == count)
        columns = np.empty((len(chunks), count))
        cosines, sines = _across_time(count)
        half, n_bins = len(cosines), len(window) // 2
        spectra = np.empty((count * min(BATCH, len(chunks)), n_bins + 1), np.complex128)
        for low in range(0, len(chunks), BATCH):
            batch = chunks[low : low + BATCH]
            starts = (layout.first[batch] + (np.arange(count) * step)[:, None]).ravel()
            short = np.fft.rfft(tapered(signal, starts, window), axis=1, out=spectra[: len(starts)])
            like = np.empty((cosines.shape[1], len(batch) * n_bins))
            unlike = np.empty((sines.shape[1], len(batch) * n_bins))
            _fold_times(short.view(np.float64), count, n_bins, like, unlike)
            # The spectra are real, so that column -f mirrors column f over the spectral axis: half of the
            # columns, and both halves of that axis, hold everything.
            both = np.empty((half, len(batch), n_bins), np.complex128)
            _join(cosines @ like, sines @ unlike, both.reshape(half, -1).view(np.float64))
            both = scipy.fft.fft(both, axis=2, overwrite_x=True)
            _fold_columns(both.view(np.float64), columns[low : low + BATCH])
        groups.append(Chunks(chunks, columns, modulation_hz(count, sample_rate)))
    return groups


@njit(cache=True, nogil=True)
def _fold_times(pairs: Floats, count: int, n_bins: int, like: Floats, unlike: Floats) -> None:
    """Take magnitudes, and sum and difference of the times t and count - t, which cosines and sines share.

    `like` is what the cosines of the columns multiply, its last rows the times without a partner; `unlike`
    is what the sines do. With an odd count the columns lie at half numbers, and the two change places.
    """
    many = len(pairs) // count
    sign = 1.0 if count % 2 == 0 else -1.0
    n_pairs = len(unlike)
    size = np.empty(n_bins)
    other = np.empty(n_bins)
    for i in range(many):
        for t in range(n_pairs + 1 + (count % 2 == 0)):
            first = pairs[t * many + i]
            real, imaginary = first[0::2], first[1::2]
            for k in range(n_bins):
                size[k] = math.sqrt(real[k] * real[k] + imaginary[k] * imaginary[k])
            place = t - 1 if 0 < t <= n_pairs else n_pairs + (t > 0)
            out = like[place, i * n_bins : (i + 1) * n_bins]
            if 0 < t <= n_pairs:
                second = pairs[(count - t) * many + i]
                real, imaginary = second[0::2], second[1::2]
                for k in range(n_bins):
                    other[k] = sign * math.sqrt(real[k] * real[k] + imaginary[k] * imaginary[k])
                difference = unlike[place, i * n_bins : (i + 1) * n_bins]
                for k in range(n_bins):
                    difference[k] = size[k] - other[k]
                for k in range(n_bins):
                    out[k] = size[k] + other[k]
            else:
                for k in range(n_bins):
                    out[k] = size[k]


@njit(cache=True, nogil=True)
def _join(real: Floats, imaginary: Floats, pairs: Floats) -> None:
    """Write complex numbers as pairs."""
    for i in range(len(pairs)):
        x, y, out = real[i], imaginary[i], pairs[i]
        for k in range(len(x)):
            out[2 * k] = x[k]
            out[2 * k + 1] = y[k]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _fold_columns(pairs: Floats, columns: Floats) -> None:
    """Sum magnitudes over the upper half of the spectral axis, less their minimum, over their range."""
    half, n_chunks, twice = pairs.shape
    n_bins = twice // 2
    upper = n_bins // 2
    count = columns.shape[1]
    size = np.empty(n_bins)
    for i in range(n_chunks):
        low = np.inf
        high = 0.0
        for j in range(half):
            real, imaginary = pairs[j, i, 0::2], pairs[j, i, 1::2]
            for k in range(n_bins):
                size[k] = math.sqrt(real[k] * real[k] + imaginary[k] * imaginary[k])
            total = 0.0
            for k in range(upper):
                total += size[k]
                low = min(low, size[k])
                high = max(high, size[k])
            columns[i, j] = total
            if j > 0 and count - j != j:
                total = size[0]
                for k in range(n_bins - upper + 1, n_bins):
                    total += size[k]
                    low = min(low, size[k])
                    high = max(high, size[k])
                columns[i, count - j] = total
        for j in range(count):
            columns[i, j] = (columns[i, j] - upper * low) / (high - low) if high > low else np.nan


def chunk_roughness(groups: list[Chunks], n_chunks: int, hz: Floats | None = None) -> Floats:
    """Roughness of each chunk.

    Parameters
    ----------
    groups : list of Chunks
        As `modulation_columns` returns them.
    n_chunks : int
    hz : ndarray of float64, optional
        Frequencies of the columns of all chunks (soundgen takes those of the first chunk); default: each
        chunk's own.

    Returns
    -------
    ndarray of float64, shape (n_chunks,)
        Percent, 0 to 100; NaN in chunks that are too short or silent.

    References
    ----------
    soundgen 2.5.1, `getRough()` on `modulationSpectrum()`.
    """
    values = np.full(n_chunks, np.nan)
    for group in groups:
        of = group.hz if hz is None else hz
        rough = (of > ROUGH_HZ[0]) & (of < ROUGH_HZ[1])
        both = min(group.columns.shape[1], len(rough))
        with np.errstate(invalid="ignore"):
            share = group.columns[:, :both] @ rough[:both] / group.columns.sum(axis=1)
        values[group.number] = 100 * share
    return values


def between(values: Floats, layout: Layout, at: NDArray[np.floating[Any]]) -> Floats:
    """Interpolate chunk values linearly between the middles of the chunks.

    Parameters
    ----------
    values : ndarray of float64, shape (n_chunks,)
    layout : Layout
        In order of time.
    at : ndarray of float64, shape (n,)
        Samples, in the places of the layout.

    Returns
    -------
    ndarray of float64, shape (n,)
        Beyond the outermost middles, and where one of the two neighbours is missing, the value of the other
        one; NaN where both are.
    """
    left, right, weight = neighbours(layout, at)
    before, after = values[left], values[right]
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    return np.asarray(before + weight * (after - before))


def neighbours(layout: Layout, at: NDArray[np.floating[Any]]) -> tuple[Ints, Ints, Floats]:
    """Return the chunks whose middles lie around each place, and the weight of the second of them."""
    middle = (layout.first + layout.end) / 2
    right = np.clip(np.searchsorted(middle, at), 0, len(middle) - 1)
    left = np.clip(np.searchsorted(middle, at) - 1, 0, len(middle) - 1)
    width = np.where(right > left, middle[right] - middle[left], 1.0)
    return left, right, np.where(right > left, (at - middle[left]) / width, 0.0)
