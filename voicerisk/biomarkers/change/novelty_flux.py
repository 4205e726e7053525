"""Change from frame to frame: novelty and flux."""

import math
from functools import lru_cache

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from voicerisk.biomarkers.change.smoothing import median_of_three
from voicerisk.biomarkers.frame.windows import tapered
from voicerisk.types import Floats, Ints

MEL_BANDS = 200
MEL_EMPHASIS = 0.97
KERNEL = 4
KERNEL_SD = 0.5
BLOCK = 128
FLUX_BLOCK = 4096  # frames

# How flux scales each marker: log2(x + 1) or not, and the divisor.
FLUX_SCALES = {
    "voiced": (False, 1.0),
    "ampl": (False, 1.0),
    "dom": (True, 2.0),
    "entropy": (False, 1.0),
    "HNR": (False, 6.0),
    "loudness": (False, 6.0),
    "novelty": (False, 1.0),
    "peakFreq": (True, 2.0),
    "pitch": (True, 2.0),
    "quartile25": (True, 2.0),
    "quartile50": (True, 2.0),
    "quartile75": (True, 2.0),
    "roughness": (False, 100.0),
    "specCentroid": (True, 2.0),
}


@lru_cache(maxsize=8)
def _mel_filters(sample_rate: int, n_bins: int) -> tuple[Ints, Floats, Floats]:
    """Triangular filters of equal width in mel (Slaney): for each bin the edge below it, and its weights.

    The weights are those in the band that ends there (edge - 1) and in the one that begins there (edge). The
    first of the `n_bins` bins lies at 0, the last one at half the sample rate.
    """

    def to_mel(hz: Floats) -> Floats:
        return np.where(
            hz < 1000, hz / (200 / 3), 15 + np.log(np.maximum(hz, 1000) / 1000) / (np.log(6.4) / 27)
        )

    def to_hz(mel: Floats) -> Floats:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * np.log(6.4) / 27))

    edges = to_hz(np.linspace(0, float(to_mel(np.array(sample_rate / 2))), MEL_BANDS + 2))
    f = np.arange(n_bins) * sample_rate / (2 * (n_bins - 1))
    # A frequency between two edges lies on the falling side of one triangle and the rising side of the next.
    edge = np.clip(np.searchsorted(edges, f, side="right") - 1, 0, MEL_BANDS)
    rising = (f - edges[edge]) / (edges[edge + 1] - edges[edge])
    area = np.concatenate([[np.inf], (edges[2:] - edges[:-2]) / 2, [np.inf]])  # of bands -1 .. MEL_BANDS
    return edge, (1 - rising) / area[edge], rising / area[edge + 1]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def _mel_bands(
    pairs: Floats,
    edge: Ints,
    falling: Floats,
    rising: Floats,
    rows: Ints,
    bands: Floats,
) -> None:
    """Power in mel bands of the given rows, scaled to unit length in each frame."""
    n_bins, n_bands = len(edge), bands.shape[1]
    power = np.empty(n_bins)
    band = np.empty(n_bands + 2)  # one more to either side, for the outermost edges
    for at in range(len(rows)):
        real, imaginary = pairs[at, 0::2], pairs[at, 1::2]
        for k in range(n_bins):
            power[k] = real[k] * real[k] + imaginary[k] * imaginary[k]
        band[:] = 0.0
        for k in range(n_bins):
            band[edge[k]] += power[k] * falling[k]
            band[edge[k] + 1] += power[k] * rising[k]
        inner, out = band[1:-1], bands[rows[at]]
        length = 0.0
        for j in range(n_bands):
            length += inner[j] * inner[j]
        scale = 1.0 / math.sqrt(length) if length > 0 else 0.0
        for j in range(n_bands):
            out[j] = inner[j] * scale


def mel_spectra(signal: Floats, starts: Ints, window: int, sample_rate: int) -> Floats:
    """Mel bands of frames, each of unit length, as soundgen has them.

    The last bin (Nyquist) is left out, and the others are spread out up to half the sample rate.
    """
    n_fft = 1 << (window - 1).bit_length()
    edge, falling, rising = _mel_filters(sample_rate, n_fft // 2)
    windows = tapered(signal, starts, np.hamming(window), emphasis=MEL_EMPHASIS)
    spectrum = scipy.fft.rfft(windows, n_fft, axis=1)
    bands = np.zeros((len(starts), MEL_BANDS))
    _mel_bands(spectrum.view(np.float64), edge, falling, rising, np.arange(len(starts)), bands)
    return bands


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def similarities(bands: Floats, lagged: Floats) -> None:
    """Products of each row with the next ones, up to the width of `lagged` less one."""
    n, n_bands = bands.shape
    for i in range(n):
        for k in range(1, min(lagged.shape[1], n - i)):
            total = 0.0
            for j in range(n_bands):
                total += bands[i, j] * bands[i + k, j]
            lagged[i, k] = total


@lru_cache(maxsize=1)
def _checkerboard() -> tuple[Floats, NDArray[np.bool_]]:
    """Gaussian checkerboard, centred and of unit length off the diagonal, and where it counts."""
    at = np.arange(KERNEL) - (KERNEL - 1) / 2
    sign = np.sign(np.outer(at, at))
    scaled = at / at[-1]
    kernel = sign * np.exp(-(scaled[:, None] ** 2 + scaled[None, :] ** 2) / (2 * KERNEL_SD**2))
    off = ~np.eye(KERNEL, dtype=bool)
    flat = kernel[off] - kernel[off].mean()
    return flat / np.sqrt(flat @ flat), off


def novelty(
    signal: Floats,
    starts: Ints,
    window: int,
    sample_rate: int,
    heard: NDArray[np.bool_] | None = None,
) -> Floats:
    """Novelty of each frame of a span, -1 to 1.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
    starts : ndarray of int64, shape (n_frames,)
        First samples of the frames.
    window, sample_rate : int
    heard : ndarray of bool, shape (n_frames,), optional
        Frames that values are wanted for; the others are NaN. Default: all.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
        Correlation of the cosine similarities of four successive mel spectra with a Gaussian checkerboard;
        frames beyond the ends count as similarity 0. 0 where all similarities are equal.

    References
    ----------
    Foote (2000); soundgen 2.5.1, `ssm()`.
    """
    n = len(starts)
    n_fft = 1 << (window - 1).bit_length()
    edge, falling, rising = _mel_filters(sample_rate, n_fft // 2 + 1)
    taper = np.hamming(window)
    lagged = np.zeros(
        (n + 2 * KERNEL, KERNEL)
    )  # similarity of frame i and i + k, padded by KERNEL on both sides
    tail = np.empty((0, MEL_BANDS))
    seen = np.ones(n, np.bool_)
    if heard is not None:  # a patch reaches from two frames before to one frame after its own
        seen = heard.copy()
        for shift in range(1, KERNEL // 2 + 1):
            seen[:-shift] |= heard[shift:]
            if shift < KERNEL // 2:
                seen[shift:] |= heard[:-shift]
    for first in range(0, n, BLOCK):
        rows = starts[first : first + BLOCK]
        own = np.flatnonzero(seen[first : first + BLOCK])
        bands = np.zeros((len(rows), MEL_BANDS))
        if len(own):
            spectrum = scipy.fft.rfft(tapered(signal, rows[own], taper, emphasis=MEL_EMPHASIS), n_fft, axis=1)
            _mel_bands(spectrum.view(np.float64), edge, falling, rising, own, bands)
        joined = np.concatenate([tail, bands])
        similarities(joined, lagged[first - len(tail) + KERNEL :])
        tail = joined[-(KERNEL - 1) :]
    values = checkered(lagged)
    if heard is not None:
        values[~heard] = np.nan
    return values


def checkered(lagged: Floats) -> Floats:
    """Correlate similarities around each frame with the checkerboard; 0 where all are equal.

    Parameters
    ----------
    lagged : ndarray of float64, shape (n_frames + 2 * KERNEL, at least KERNEL)
        Similarity of frame i and i + k in row i + KERNEL and column k.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
    """
    kernel, off = _checkerboard()
    # the patch of frame i covers frames i - 2 .. i + 1
    n = len(lagged) - 2 * KERNEL
    corner = np.arange(n) + KERNEL - KERNEL // 2
    patch = np.empty((n, int(off.sum())))
    for place, (a, b) in enumerate(np.argwhere(off)):
        patch[:, place] = lagged[corner + min(a, b), abs(a - b)]
    patch -= patch.mean(axis=1, keepdims=True)
    size = np.sqrt(np.einsum("ij,ij->i", patch, patch))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size > 1e-12, patch @ kernel / size, 0.0)


def flux(values: dict[str, Floats]) -> Floats:
    """Feature flux: (1 - correlation) / 2 of the scaled markers of successive frames.

    Parameters
    ----------
    values : dict of str to ndarray of float64, shape (n_frames,)
        The markers of `FLUX_SCALES`. `HNR` counts on voiced frames only; each is median-smoothed.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
        0 to 1, NaN on the first frame and where fewer than three markers exist on both frames.

    References
    ----------
    soundgen 2.5.1, `flux`.
    """
    n = len(values["voiced"])
    out = np.full(n, np.nan)
    centres = np.zeros(len(FLUX_SCALES))
    for place, name in enumerate(FLUX_SCALES):
        x = _scaled(values, name, slice(None))
        known = ~np.isnan(x)
        if name != "voiced" and known.any():
            centres[place] = x[known].mean()
    for first in range(0, n, FLUX_BLOCK):
        # one row more for the distance, and one to either side for the median
        low, high = max(0, first - 2), min(n, first + FLUX_BLOCK + 1)
        table = np.empty((high - low, len(FLUX_SCALES)))
        for place, (name, (_, divisor)) in enumerate(FLUX_SCALES.items()):
            x = _scaled(values, name, slice(low, high))
            table[:, place] = median_of_three((x - centres[place]) / divisor)
        rows = slice(first, first + FLUX_BLOCK)
        distance = np.full(high - low, np.nan)
        distances(table, distance)
        out[rows] = distance[first - low :][:FLUX_BLOCK]
    return out


def _scaled(values: dict[str, Floats], name: str, rows: slice) -> Floats:
    """Return some rows of a marker as flux takes it: frequencies as logarithm, HNR on voiced frames only."""
    x = values[name][rows]
    if FLUX_SCALES[name][0]:
        return np.asarray(np.log2(x + 1))
    return np.where(values["voiced"][rows] > 0, x, np.nan) if name == "HNR" else x


@njit(cache=True, nogil=True)
def distances(table: Floats, out: Floats) -> None:
    """(1 - correlation) / 2 of each row with the one before, over what both have; 3 values at least."""
    n_frames, n = table.shape
    for i in range(1, n_frames):
        count = 0
        now = last = 0.0
        for k in range(n):
            if not (np.isnan(table[i, k]) or np.isnan(table[i - 1, k])):
                count += 1
                now += table[i, k]
                last += table[i - 1, k]
        if count < 3:
            continue
        now /= count
        last /= count
        product = square = before = 0.0
        for k in range(n):
            if not (np.isnan(table[i, k]) or np.isnan(table[i - 1, k])):
                x, y = table[i, k] - now, table[i - 1, k] - last
                product += x * y
                square += x * x
                before += y * y
        r = product / math.sqrt(square * before) if square * before > 0 else np.nan
        out[i] = min(1.0, max(0.0, (1.0 - r) / 2.0)) if not np.isnan(r) else np.nan
