"""Source-filter speech at 8 kHz.

A band-limited glottal pulse train (with jitter, shimmer and amplitude modulation) and aspiration noise pass a
spectral tilt and four moving formants; fricative noise passes a band of its own. The filters act on
overlapping 16 ms windows in the frequency domain, which is exact linear interpolation between their outputs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicerisk.types import Floats

SAMPLE_RATE = 8000
HOP = 64
FFT = 512


# F1 to F4 in Hz of an adult man: /i e ae a o u schwa/
VOWELS = np.array(
    [
        [300, 2200, 2900, 3500],
        [440, 1950, 2600, 3450],
        [660, 1700, 2450, 3450],
        [750, 1250, 2500, 3400],
        [520, 920, 2450, 3350],
        [330, 950, 2300, 3300],
        [500, 1450, 2450, 3400],
    ],
    dtype=np.float64,
)
SONORANT = np.array([300, 1250, 2350, 3300], dtype=np.float64)
BANDWIDTHS = np.array([70, 95, 140, 220], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Voice:
    """How one person sounds.

    Attributes
    ----------
    f0_hz : float
        Median pitch.
    f0_semitones : float
        Standard deviation of the accents, semitones.
    tract : float
        Formants relative to an adult man's.
    f2_scale : float
        Second formant relative to that.
    tilt_hz : float
        Corner above which the source falls by a further 6 dB per octave; high = pressed, loud voice.
    breath_db : float
        Aspiration noise relative to the pulse train, dB.
    roughness : float
        Depth of the 70 Hz amplitude modulation, 0 to 1.
    jitter, shimmer : float
        Standard deviation of period and amplitude from cycle to cycle, relative.
    tempo : float
        Relative syllable rate.
    stress_db : float
        Standard deviation of the level from syllable to syllable, dB; small = monotonous.
    """

    f0_hz: float
    f0_semitones: float = 1.5
    tract: float = 1.0
    f2_scale: float = 1.0
    tilt_hz: float = 900.0
    breath_db: float = -22.0
    roughness: float = 0.05
    jitter: float = 0.006
    shimmer: float = 0.04
    tempo: float = 1.0
    stress_db: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Control tracks, one value per HOP samples: amplitudes linear, frequencies in Hz."""

    voiced: Floats
    fricative: Floats
    formants: Floats
    f0: Floats
    fricative_hz: Floats


def speak(voice: Voice, duration_s: float, rng: np.random.Generator) -> Floats:
    """Return float64 (round(8000 duration_s),) of running speech, RMS over the voiced parts about 1."""
    n = round(duration_s * SAMPLE_RATE)
    plan = _plan(voice, n // HOP + 3, rng)
    grid = np.arange(n) / HOP
    phase = _phase(voice, np.interp(grid, np.arange(len(plan.f0)), plan.f0), rng)
    pulses = _pulses(phase)
    cycle = phase / (2 * np.pi)
    knots = np.arange(int(cycle[-1]) + 2)
    pulses *= 1 + voice.shimmer * np.interp(cycle, knots, rng.standard_normal(len(knots)))
    t = np.arange(n) / SAMPLE_RATE
    pulses *= 1 + voice.roughness * np.sin(2 * np.pi * (70.0 * t + rng.random()))
    voicing = np.interp(grid, np.arange(len(plan.voiced)), plan.voiced)
    noise = rng.standard_normal(n)
    breath = noise * (0.7 + 0.3 * np.cos(phase)) * voicing * 10 ** (voice.breath_db / 20) * 4.0
    hiss = rng.standard_normal(n) * np.interp(grid, np.arange(len(plan.fricative)), plan.fricative)
    speech = _filtered(pulses * voicing, breath, hiss, voice, plan)
    loud = voicing > 0.3
    return speech / np.sqrt(np.mean(speech[loud] ** 2)) if loud.any() else speech


def _plan(voice: Voice, n_frames: int, rng: np.random.Generator) -> _Plan:
    """Lay out phrases of syllables with pauses between them."""
    per_frame = HOP / SAMPLE_RATE
    rows: list[
        tuple[int, float, float, Floats, float, float]
    ] = []  # frames, voiced, fricative, formants, accent, Hz
    done = 0

    def add(
        seconds: float, voiced: float, fricative: float, formants: Floats, accent: float, hiss: float
    ) -> None:
        nonlocal done
        frames = max(1, round(seconds / per_frame))
        rows.append((frames, voiced, fricative, formants, accent, hiss))
        done += frames

    deck: list[int] = []
    rest = VOWELS[6]
    add(rng.uniform(0.02, 0.10), 0.0, 0.0, rest, 0.0, 3000.0)
    while done < n_frames:
        syllables = int(rng.integers(4, 10))
        for i in range(syllables):
            fall = 2.0 - 4.5 * i / syllables
            accent = fall + voice.f0_semitones * rng.standard_normal()
            stress = 10 ** (voice.stress_db * rng.standard_normal() / 20)
            if not deck:  # every vowel once before any comes again: what is said differs less between calls
                deck = rng.permutation(len(VOWELS)).tolist()
            vowel = VOWELS[deck.pop()] * rng.normal(1.0, 0.03, 4)
            onset = rng.random()
            if onset < 0.32:
                add(
                    rng.uniform(0.06, 0.12) / voice.tempo,
                    0.0,
                    rng.uniform(0.6, 1.4),
                    vowel,
                    accent,
                    rng.uniform(2200, 3600),
                )
            elif onset < 0.55:
                add(rng.uniform(0.04, 0.08) / voice.tempo, 0.0, 0.0, vowel, accent, 3000.0)
                add(0.012, 0.0, rng.uniform(0.8, 1.6), vowel, accent, rng.uniform(1500, 3200))
            elif onset < 0.85:
                add(rng.uniform(0.05, 0.08) / voice.tempo, 0.4 * stress, 0.0, SONORANT, accent, 3000.0)
            add(rng.uniform(0.09, 0.20) / voice.tempo, stress, 0.0, vowel, accent, 3000.0)
        add(rng.uniform(0.15, 0.45) / voice.tempo, 0.0, 0.0, rest, 0.0, 3000.0)
    counts = [row[0] for row in rows]

    def track(values: list[float]) -> Floats:
        return np.repeat(np.asarray(values, dtype=np.float64), counts)[:n_frames]

    formants = np.repeat(np.array([row[3] for row in rows]), counts, axis=0)[:n_frames]
    formants = np.column_stack([_smooth(formants[:, i], 7) for i in range(4)]) * voice.tract
    formants[:, 1] *= voice.f2_scale
    semitones = _smooth(track([row[4] for row in rows]), 15)
    return _Plan(
        voiced=_smooth(track([row[1] for row in rows]), 3),
        fricative=_smooth(track([row[2] for row in rows]), 3),
        formants=np.clip(formants, 150.0, 3900.0),
        f0=voice.f0_hz * 2 ** (semitones / 12),
        fricative_hz=track([row[5] for row in rows]),
    )


def _smooth(track: Floats, width: int) -> Floats:
    """Average over a Hann window of `width` frames, ends held."""
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(track, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def _phase(voice: Voice, f0: Floats, rng: np.random.Generator) -> Floats:
    """Return the glottal phase (radians) with jitter, one value a sample."""
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    knots = np.arange(int(phase[-1] / (2 * np.pi)) + 2)
    offset = rng.standard_normal(len(knots)) * voice.jitter * 2 * np.pi / np.sqrt(2)
    return phase + np.interp(phase / (2 * np.pi), knots, offset)


def _pulses(phase: Floats) -> Floats:
    """Sum the cosines of all harmonics below 3.8 kHz in closed form (Dirichlet kernel)."""
    cycle = np.floor(phase / (2 * np.pi) + 0.5).astype(np.int64)
    folded = phase - 2 * np.pi * cycle
    first, counts = np.unique(cycle, return_counts=True)
    period = np.interp(first, first[counts > 0], counts.astype(np.float64))
    period[[0, -1]] = np.median(period)
    harmonics = np.floor(3800.0 / (SAMPLE_RATE / period))[cycle - first[0]]
    half = np.sin(folded / 2)
    near = np.abs(half) < 1e-5
    half[near] = 1.0
    kernel = np.sin((harmonics + 0.5) * folded) / (2 * half) - 0.5
    kernel[near] = harmonics[near]
    return kernel


def _filtered(pulses: Floats, breath: Floats, hiss: Floats, voice: Voice, plan: _Plan) -> Floats:
    """Pass the three sources through their filters, window by window, and add the windows up."""
    n = len(pulses)
    n_frames = n // HOP + 2
    window = np.hanning(2 * HOP + 1)[:-1]
    frequency = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
    formants = _resonances(plan.formants[:n_frames], BANDWIDTHS * voice.tract)
    tilt = 1 / (1 + 1j * frequency / 200.0) / (1 + 1j * frequency / voice.tilt_hz)
    lift = 1j * frequency / 1000.0 / (1 + 1j * frequency / 1000.0)
    band = _resonances(plan.fricative_hz[:n_frames, None], np.array([900.0])) * lift

    def spectra(source: Floats) -> npt.NDArray[np.complex128]:
        padded = np.concatenate([np.zeros(HOP), source, np.zeros(2 * HOP)])
        view = np.lib.stride_tricks.sliding_window_view(padded, 2 * HOP)[::HOP][:n_frames]
        return np.fft.rfft(view * window, FFT, axis=1)

    total = (spectra(pulses) * tilt + spectra(breath) * (0.1 * lift)) * formants
    total += spectra(hiss) * (0.15 * band)
    pieces = np.fft.irfft(total, FFT, axis=1)
    out = np.zeros((n_frames + FFT // HOP) * HOP)
    for part in range(FFT // HOP):  # every window's part-th stretch of HOP samples lands part hops later
        out[part * HOP : (part + n_frames) * HOP] += pieces[:, part * HOP : (part + 1) * HOP].ravel()
    return out[HOP : HOP + n]


def _resonances(frequencies: Floats, bandwidths: Floats) -> npt.NDArray[np.complex128]:
    """Return the product of two-pole resonators of unit gain at 0 Hz, (n_frames, FFT // 2 + 1)."""
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(FFT))
    gain = np.ones(len(frequencies))
    denominator = np.ones((len(frequencies), len(z)), dtype=np.complex128)
    for track, bandwidth in zip(frequencies.T, bandwidths, strict=True):
        radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
        first = -2 * radius * np.cos(2 * np.pi * track / SAMPLE_RATE)
        second = radius**2
        gain *= 1 + first + second
        denominator *= (1 + second * z * z) + first[:, None] * z
    return gain[:, None] / denominator
