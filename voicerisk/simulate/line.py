"""The telephone line: band, noise, and mu-law coding."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

from voicerisk.simulate.speech import SAMPLE_RATE
from voicerisk.types import Floats


@dataclass(frozen=True, slots=True)
class Line:
    """One telephone line.

    Attributes
    ----------
    low_hz, high_hz : float
        Edges of the band (-3 dB).
    level_dbfs : float
        RMS of the caller's voiced speech.
    noise_dbfs : float
        RMS of the line's noise.
    """

    low_hz: float = 300.0
    high_hz: float = 3400.0
    level_dbfs: float = -26.0
    noise_dbfs: float = -58.0


def transmit(sound: Floats, line: Line, rng: np.random.Generator) -> Floats:
    """Send a sound (full scale = 1) down the line: band-pass, noise, G.711 mu-law, 16-bit grid."""
    band = butter(4, [line.low_hz, line.high_hz], btype="bandpass", fs=SAMPLE_RATE, output="sos")
    noisy = sosfilt(band, sound) + 10 ** (line.noise_dbfs / 20) * rng.standard_normal(len(sound))
    return mu_law(np.clip(noisy, -1.0, 1.0))


def mu_law(samples: Floats) -> Floats:
    """Code to eight bits by mu = 255 and decode again."""
    compressed = np.sign(samples) * np.log1p(255 * np.abs(samples)) / np.log(256)
    coded = np.rint(compressed * 127) / 127
    return np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255
