"""Levels: what is measured over an extent, and how a signal is scaled by it.

An extent is the stretch of sound over which mean, peak and RMS are taken: all of the caller's speech in a
call, one segment, or the whole file. The front end of soundgen 2.5.1 centres and peak-normalises the extent
and keeps its peak aside for the level markers; `Scaling` holds these constants.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from voicerisk.errors import AudioError
from voicerisk.types import Floats

SPL_REFERENCE_DB = 70.0
"""dB SPL that soundgen gives to the RMS of a recording (its ``SPL_measured``)."""


LEVEL_BLOCK = 1 << 15
"""Samples that a level is summed over at a time."""


@dataclass(frozen=True, slots=True)
class Level:
    """What was measured over one extent, full scale = 1.

    Attributes
    ----------
    n_samples : int
    mean : float
        Mean sample (DC offset).
    peak : float
        max abs(x), before the mean is taken off.
    centred_peak : float
        max abs(x - mean); 0 where the extent is constant.
    rms : float
        Root mean square of x - mean; 0 where the extent is constant.
    """

    n_samples: int
    mean: float
    peak: float
    centred_peak: float
    rms: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """Constants that turn samples into the analysed signal, and the analysed signal into levels.

    Attributes
    ----------
    centre : float
        Taken off every sample.
    divisor : float
        What remains is divided by this; never 0.
    ampl : float
        RMS of a frame of the analysed signal times `ampl` is soundgen's ``ampl`` (linear, full scale = 1).
    pressure : float
        The analysed signal times `pressure` is what the loudness chain sees (soundgen's C), in units of the
        reference sound pressure.
    """

    centre: float
    divisor: float
    ampl: float
    pressure: float

    def apply(self, samples: Floats, out: Floats | None = None) -> Floats:
        """Return (samples - centre) / divisor, in `out` where it is given (`samples` themselves may be)."""
        scaled = np.subtract(samples, self.centre, out=out)
        scaled /= self.divisor
        return scaled


def measure(pieces: Sequence[Floats]) -> Level:
    """Measure the level over all pieces of one extent, taken together.

    Parameters
    ----------
    pieces : sequence of float64 (n_i,)
        Samples, full scale = 1. Together they must hold at least one sample.

    Returns
    -------
    Level
        `centred_peak` and `rms` are exactly 0 for a constant extent: what rounding leaves of it after
        centring is no signal.

    Raises
    ------
    AudioError
        Without any sample.
    """
    return level_over(piece[a:b] for piece in pieces for a, b in stretches(0, len(piece)))


def stretches(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut [begin, end) into the stretches of `LEVEL_BLOCK` samples that a level is summed over."""
    return ((a, min(a + LEVEL_BLOCK, end)) for a in range(begin, end, LEVEL_BLOCK))


def level_over(parts: Iterable[Floats]) -> Level:
    """Measure the level over all parts, one at a time (means and squares merged pairwise).

    Sums depend, in their last digit, on where the parts are cut: cut by `stretches`, a file that is read
    block by block has the level of one in memory, bit for bit.

    Raises
    ------
    AudioError
        Without any sample.
    """
    from voicerisk.audio.loops import squares_about, sum_and_range  # compiles, so only when it is called

    n, mean, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    for part in parts:
        total, least, most = sum_and_range(part)
        own = total / len(part)
        both = n + len(part)
        squares += squares_about(part, own) + (own - mean) ** 2 * n * len(part) / both
        mean += (own - mean) * len(part) / both
        n, low, high = both, min(low, least), max(high, most)
    if n == 0:
        raise AudioError("No sample is left to measure a level over; check the spans.")
    peak = max(abs(low), abs(high))
    centred = max(high - mean, mean - low)
    if centred <= 1e-12 * peak:
        return Level(n, mean, peak, 0.0, 0.0)
    return Level(n, mean, peak, centred, math.sqrt(squares / n))


def extent_scaling(level: Level) -> Scaling:
    """Scale as soundgen 2.5.1 does: centred, divided by max abs(x - mean), 70 dB at the extent's RMS.

    The loudness constant is C = (max abs(x - mean) / rms) 10^(70/20) peak. A constant extent becomes all
    zero.
    """
    if level.centred_peak == 0.0:
        return Scaling(level.mean, 1.0, 0.0, 0.0)
    pressure = level.centred_peak / level.rms * 10 ** (SPL_REFERENCE_DB / 20) * level.peak
    return Scaling(level.mean, level.centred_peak, level.peak, pressure)


def fixed_scaling(reference_dbfs: float) -> Scaling:
    """Scale by constants alone: an RMS of `reference_dbfs` counts as 70 dB; the recording gives nothing."""
    return Scaling(0.0, 1.0, 1.0, 10 ** ((SPL_REFERENCE_DB - reference_dbfs) / 20))


def pcm16(samples: Floats) -> tuple[Floats, int]:
    """Round samples to the 16-bit grid: rint(32768 x) in [-32768, 32767], divided by 32768. No dither.

    Ties go to the even step. Samples that are 16-bit already stay as they are, bit for bit.

    Parameters
    ----------
    samples : float64 (n,)
        Full scale = 1.

    Returns
    -------
    float64 (n,), int
        The samples on the grid (`samples` themselves where they are on it already), and how many were beyond
        it and clipped.
    """
    from voicerisk.audio.loops import on_grid  # compiles, so only when it is called

    if on_grid(samples):
        return samples, 0
    steps = samples * 32768.0
    np.rint(steps, out=steps)
    clipped = 0
    if len(steps) and (steps.min() < -32768.0 or steps.max() > 32767.0):
        clipped = int(np.count_nonzero((steps < -32768.0) | (steps > 32767.0)))
        np.clip(steps, -32768.0, 32767.0, out=steps)
    steps /= 32768.0
    return steps, clipped


def normalise(samples: Floats, level: Level) -> Floats:
    """Take the extent's mean off and set its largest remaining sample to 1 (peak normalisation)."""
    if level.centred_peak == 0.0:
        return np.zeros_like(samples)
    centred = samples - level.mean
    centred /= level.centred_peak
    return centred


def pre_emphasise(samples: Floats, coefficient: float) -> Floats:
    """Return y[n] = x[n] - a x[n-1], with y[0] = (1 - a) x[0].

    The first sample is treated as if the sound before it had stood still: keeping it whole would put a click
    at the start of every span, and that click would set the peak of the extent.

    Examples
    --------
    >>> import numpy as np
    >>> pre_emphasise(np.array([1.0, 1.0, 0.0]), 0.5).tolist()
    [0.5, 0.5, -0.5]
    """
    if coefficient == 0.0 or len(samples) == 0:
        return samples
    emphasised = np.empty_like(samples)
    emphasised[0] = (1.0 - coefficient) * samples[0]
    np.multiply(samples[:-1], -coefficient, out=emphasised[1:])
    emphasised[1:] += samples[1:]
    return emphasised


def dbfs(amplitude: float) -> float:
    """Return 20 log10(amplitude) re full scale = 1; -inf for 0.

    Examples
    --------
    >>> dbfs(0.5), dbfs(0.0)
    (-6.020599913279624, -inf)
    """
    return 20.0 * float(np.log10(amplitude)) if amplitude > 0 else -np.inf
