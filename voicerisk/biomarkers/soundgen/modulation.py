"""Modulation of amplitude and pitch as soundgen 2.5.1 measures it, for parity.

Values come from a few long windows, or from the turns of the whole contour, and are stretched over the
frames as if they were equally spaced: a value need not belong to the time that it is written at, and all
depend on the length of the recording. The published preset does neither (see `modulation`).
"""

import numpy as np
import scipy.fft
from numba import njit

from voicerisk.biomarkers.change.modulation import AM_HZ, FM_HZ
from voicerisk.biomarkers.soundgen.contours import (
    band_passed,
    bridged,
    stretched,
    strongest_modulation,
    turns,
)
from voicerisk.types import Floats


def envelope_modulation(signal: Floats, sample_rate: int, n_frames: int) -> dict[str, Floats]:
    """`amEnvFreq` (Hz), `amEnvPurity` (dB) and `amEnvDep` (0 to 1) of each frame of a span.

    The envelope is filtered above 10 Hz and lifted to a minimum of 0. Frequency and purity are those of its
    windows of 400 ms. For the depth it is filtered once more, below twice the highest of these frequencies,
    and lifted again; 1 - exp(-|difference of ln envelope|) between successive turns is stretched first over
    the windows, then over the frames.

    Parameters
    ----------
    signal : ndarray of float64, shape (n,)
        The whole span: filters and Hilbert transform take all of it at once.
    sample_rate : int
        Hz.
    n_frames : int

    Returns
    -------
    dict of str to ndarray of float64, shape (n_frames,)
        NaN in spans too short for two windows, and without any sound.
    """
    out = {name: np.full(n_frames, np.nan) for name in ("amEnvFreq", "amEnvPurity", "amEnvDep")}
    width = round(1 / AM_HZ[1] * sample_rate / 2)
    if len(signal) <= width or not signal.any():
        return out
    track = _envelope(signal, width)
    rate = sample_rate / width * 2
    if len(track) < 2:
        return out
    track = band_passed(track, rate, low=AM_HZ[0])
    track -= track.min()
    frequency, purity = strongest_modulation(track, rate, *AM_HZ)
    if np.isnan(frequency).all():
        return out
    smooth = band_passed(track, rate, high=float(np.nanmax(frequency)) * 2)
    smooth -= smooth.min()
    with np.errstate(divide="ignore"):  # the lowest point is 0, next to which any depth is 1
        depth = 1 - np.exp(-np.abs(np.diff(np.log(smooth[turns(smooth)]))))
    out["amEnvFreq"] = stretched(frequency, n_frames)
    out["amEnvPurity"] = stretched(purity, n_frames)
    if len(depth):
        out["amEnvDep"] = stretched(stretched(depth, len(frequency)), n_frames)
    return out


def _envelope(signal: Floats, width: int) -> Floats:
    """Magnitude of the analytic signal, averaged over `width + 1` samples every half `width`.

    The Hilbert transform is taken by FFT, with zeros on either side up to a power of two, and its result is
    read one sample early unless none or one had to be added. All zeros are put behind here: the transform is
    periodic, so that the sample before the first one is the last.
    """
    n = len(signal)
    size = 1 << (n - 1).bit_length()
    spectrum = scipy.fft.rfft(signal, size)
    spectrum *= -1j
    spectrum[0] = spectrum[-1] = 0
    height = scipy.fft.irfft(spectrum, size, overwrite_x=True)
    del spectrum  # an hour of sound at 8 kHz has 268 MB of it
    if size - n > 1:
        before = abs(height[-1])
        np.hypot(height[: n - 1], signal[: n - 1], out=height[1:n])
        height[0] = before
    else:
        np.hypot(height[:n], signal, out=height[:n])
    height = height[: n - (size - n == 1)]
    count = int((n - width - 1) / (width / 2) + 1e-10) + 1
    track = np.empty(count)
    _means(height, width, track)
    return bridged(track)


@njit(cache=True, nogil=True)
def _means(height: Floats, width: int, out: Floats) -> None:
    """Means of `width + 1` values every half `width`; NaN where one is beyond the end."""
    for k in range(len(out)):
        first = k * width // 2
        total = 0.0
        for i in range(first, first + width + 1):
            total += height[i] if i < len(height) else np.nan
        out[k] = total / (width + 1)


def contour_modulation(pitch: Floats, frame_rate: float) -> dict[str, Floats]:
    """`fmFreq` (Hz), `fmPurity` (dB) and `fmDep` (semitones) of each frame.

    The pitch in Hz, bridged over unvoiced frames and not centred, is looked at in windows of 800 ms; its mean
    leaks into the lowest bins, so that the frequency is often 5 Hz, the lowest there is. The depth is half
    the distance, in semitones, between successive turns of the contour filtered from the lowest to the
    highest of these frequencies, stretched over all frames.

    Parameters
    ----------
    pitch : ndarray of float64, shape (n_frames,)
        Hz, NaN where unvoiced.
    frame_rate : float
        Frames a second.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_frames,)
        NaN on unvoiced frames, and where fewer than two frames are voiced or two windows do not fit.
    """
    n = len(pitch)
    out = {name: np.full(n, np.nan) for name in ("fmFreq", "fmPurity", "fmDep")}
    voiced = pitch > 0
    if voiced.sum() < 2:
        return out
    track = bridged(np.where(voiced, pitch, np.nan))
    frequency, purity = strongest_modulation(track, frame_rate, *FM_HZ)
    if np.isnan(frequency).all():
        return out
    swing = band_passed(track, frame_rate, float(np.nanmin(frequency)), float(np.nanmax(frequency)))
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.abs(np.diff(12 * np.log2(swing[turns(swing)]))) / 2
    out["fmFreq"] = stretched(frequency, n)
    out["fmPurity"] = stretched(purity, n)
    if len(depth):
        out["fmDep"] = stretched(depth, n)
    for values in out.values():
        values[~voiced] = np.nan
    return out
