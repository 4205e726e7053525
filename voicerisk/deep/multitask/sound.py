"""From a recording to what an audio encoder hears: edges trimmed, denoised, 16 kHz, windows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from voicerisk.audio import read_recording
from voicerisk.deep.multitask.settings import SoundSettings
from voicerisk.errors import MultitaskError
from voicerisk.types import Floats

Denoiser = Callable[[Floats, int], Floats]
RATE = 16_000
EDGE_FRAME_S = 0.02
SHORTEST_REST_S = 1.0
SHORTEST = 400


def trim_edges(samples: Floats, rate: int, trim_db: float = 40.0) -> Floats:
    """Cut silence at both edges; silence within stays.

    Parameters
    ----------
    samples : float64 (n,)
    rate : int
        Hz.
    trim_db : float
        20 ms frames whose RMS (about their own mean) lies so many dB or more below that of the loudest are
        silent.

    Returns
    -------
    float64 (m,)
        Unchanged where it is shorter than one frame or constant.

    Examples
    --------
    >>> sound = np.concatenate([np.zeros(1600), np.tile([0.5, -0.5], 1600), np.zeros(8000)])
    >>> len(trim_edges(sound, 16000))
    3200
    """
    size = max(round(EDGE_FRAME_S * rate), 1)
    whole = len(samples) // size
    if whole == 0:
        return samples
    frames = samples[: whole * size].reshape(whole, size)
    level = frames.std(axis=1)
    if level.max() == 0.0:
        return samples
    loud = np.flatnonzero(level > level.max() * 10.0 ** (-trim_db / 20.0))
    end = len(samples) if loud[-1] == whole - 1 else (loud[-1] + 1) * size
    return samples[loud[0] * size : end]


def spectral_gate(
    samples: Floats, rate: int, quantile: float = 0.1, floor_db: float = -20.0, above_db: float = 16.0
) -> Floats:
    """Turn down what does not stand out from the steady background.

    Short-time spectra (64 ms, Hann, a quarter step). The background of a frequency is the given quantile of
    its magnitude over time; bins less than `above_db` over it are turned down by `floor_db`, and the gains
    are smoothed over 3 frames and 3 bins. Of steady Gaussian noise (Rayleigh magnitudes) 16 dB over the 10%
    quantile leaves about 1 bin in 100 open. Steady noise alone is removed, unlike by the paper's closed
    service.

    Parameters
    ----------
    samples : float64 (n,)
    rate : int
        Hz.
    quantile : float
    floor_db, above_db : float

    Returns
    -------
    float64 (n,)
    """
    from scipy.ndimage import uniform_filter
    from scipy.signal import istft, stft

    size = 1 << (round(0.064 * rate) - 1).bit_length()
    if len(samples) < 2 * size:
        return samples
    _, _, spectrum = stft(samples, fs=rate, window="hann", nperseg=size, noverlap=size * 3 // 4)
    magnitude = np.abs(spectrum)
    background = np.quantile(magnitude, quantile, axis=1, keepdims=True)
    open_bins = magnitude > background * 10.0 ** (above_db / 20.0)
    gain = uniform_filter(np.where(open_bins, 1.0, 10.0 ** (floor_db / 20.0)), size=3, mode="nearest")
    _, cleaned = istft(spectrum * gain, fs=rate, window="hann", nperseg=size, noverlap=size * 3 // 4)
    return np.asarray(cleaned[: len(samples)], dtype=np.float64)


DENOISERS: dict[str, Denoiser | None] = {"none": None, "spectral_gate": spectral_gate}


def load_sound(path: Path, settings: SoundSettings, denoiser: Denoiser | None = None) -> Floats:
    """Read a recording and bring it to what encoders expect.

    Parameters
    ----------
    path : Path
    settings : SoundSettings
    denoiser : callable, optional
        Takes samples and rate, returns as many samples; in place of the one that the settings name.

    Returns
    -------
    float64 (n,)
        16 kHz, edges trimmed, denoised, in this order: resample, trim, denoise.

    Raises
    ------
    MultitaskError
        Where nothing is left or the denoiser returns another length or values that are not finite.
    AudioError
        For an unreadable file.
    """
    samples = read_recording(path, channel=settings.channel, resample_hz=RATE).samples
    if settings.trim_db is not None:
        samples = trim_edges(samples, RATE, settings.trim_db)
    clean = denoiser or DENOISERS[settings.denoise]
    if clean is not None:
        cleaned = np.asarray(clean(samples, RATE), dtype=np.float64)
        if cleaned.shape != samples.shape or not np.isfinite(cleaned).all():
            raise MultitaskError(
                f"{path.name}: the denoiser returned {cleaned.shape} for {samples.shape} samples, or values "
                "that are not finite."
            )
        samples = cleaned
    if not np.any(samples) or len(samples) < SHORTEST:
        raise MultitaskError(
            f"{path.name} holds nothing but silence, or less than 25 ms of sound; take it out of the cases."
        )
    return samples


def windows(samples: Floats, crop: str, window_s: float = 6.25, rate: int = RATE) -> list[Floats]:
    """Cut a sound into windows.

    Parameters
    ----------
    samples : float64 (n,)
    crop : {'head', 'center', 'multi'}
        The first window, the middle one, or one after the other; a rest shorter than 1 s is left out unless
        it is all there is.
    window_s : float
    rate : int

    Returns
    -------
    list of float64 (m,), m <= window_s * rate
        Not padded; 'head' and 'center' give one.

    Examples
    --------
    >>> [len(one) for one in windows(np.ones(25), "multi", window_s=1.0, rate=10)]
    [10, 10]
    """
    size = round(window_s * rate)
    if crop == "head" or len(samples) <= size:
        return [samples[:size]]
    if crop == "center":
        start = (len(samples) - size) // 2
        return [samples[start : start + size]]
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    return parts if len(parts[-1]) >= SHORTEST_REST_S * rate else parts[:-1]
