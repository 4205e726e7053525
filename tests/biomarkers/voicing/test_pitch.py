"""The pitch tracker: against known pitch, and against Praat on real speech."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import extract

PLAIN = AudioSettings(pre_emphasis=0.0, normalise=False, pcm16=False)


def harmonics(hz: np.ndarray, rate: int = 8000, slope: float = 1.0) -> np.ndarray:
    """A voice-like sound of the given pitch at every sample."""
    phase = 2 * np.pi * np.cumsum(hz) / rate
    return sum(np.sin(k * phase) / k**slope * (k * hz < 0.48 * rate) for k in range(1, 40)) / 8


@pytest.mark.parametrize("hz", [80.0, 101.3, 150.0, 247.9, 440.0, 580.0])
@pytest.mark.parametrize("rate", [8000, 11025, 16000])
def test_a_steady_pitch_is_found(hz, rate):
    sound = harmonics(np.full(rate, hz), rate)
    table = extract(sound, rate, markers=["pitch", "voiced"])
    assert (table["voiced"] == 1).all()
    # a window of 40 ms holds three periods of the lowest pitch; a tenth of a semitone is heard by nobody
    np.testing.assert_allclose(table["pitch"], hz, rtol=0.005)


def test_a_gliding_pitch_is_followed():
    track = np.geomspace(90, 360, 16000)
    table = extract(harmonics(track), 8000, markers=["pitch"])
    centre = np.rint(table["time_s"] * 8000).astype(int)
    np.testing.assert_allclose(table["pitch"], track[centre], rtol=0.02)


def test_noise_and_silence_are_unvoiced():
    rng = np.random.default_rng(5)
    sound = np.concatenate([0.1 * rng.standard_normal(8000), 1e-4 * rng.standard_normal(8000)])
    table = extract(sound, 8000, markers=["pitch", "voiced", "HNR", "CPP"])
    assert table["voiced"].mean() < 0.05
    assert table.loc[table["voiced"] == 0, ["pitch", "HNR", "CPP"]].isna().all(axis=None)


def test_hnr_is_the_ratio_that_was_mixed():
    rng = np.random.default_rng(2)
    voice = harmonics(np.full(40000, 200.0))
    noise = rng.standard_normal(len(voice))
    for wanted in (0.0, 10.0, 20.0):
        scale = voice.std() * 10 ** (-wanted / 20)
        table = extract(voice + scale * noise, 8000, markers=["HNR"], audio=PLAIN)
        # Boersma's estimate is unbiased to about a decibel at this window
        assert table["HNR"].median() == pytest.approx(wanted, abs=1.2)


def test_cpp_and_height_of_harmonics_fall_with_noise():
    rng = np.random.default_rng(3)
    voice = harmonics(np.full(16000, 120.0))
    clean = extract(voice + 1e-4 * rng.standard_normal(len(voice)), 8000, markers=["CPP", "harmHeight"])
    noisy = extract(voice + 0.05 * rng.standard_normal(len(voice)), 8000, markers=["CPP", "harmHeight"])
    assert clean["CPP"].median() > noisy["CPP"].median() + 5
    assert clean["harmHeight"].median() > 3000
    assert noisy["harmHeight"].median() < clean["harmHeight"].median() - 500


def test_period_doubling_is_a_subharmonic():
    n = np.arange(16000)
    pulse = np.zeros(16000)
    pulse[::40] = 1.0  # 200 Hz
    pulse[::80] = 0.6  # every second pulse weaker
    decay = np.exp(-np.arange(60) / 8) * np.cos(2 * np.pi * np.arange(60) * 700 / 8000)
    doubled = np.convolve(pulse, decay)[: len(n)]
    regular = np.convolve((n % 40 == 0).astype(float), decay)[: len(n)]
    pitch = np.full(len(extract(doubled, 8000, "soundgen-2.5.1", markers=["ampl"])), 200.0)
    found = extract(doubled, 8000, "soundgen-2.5.1", markers=["subRatio", "subDep"], pitch=pitch)
    none = extract(regular, 8000, "soundgen-2.5.1", markers=["subRatio", "subDep"], pitch=pitch)
    assert (found["subRatio"] == 2).mean() > 0.9
    assert found["subDep"].median() > none["subDep"].median() + 0.1


@pytest.fixture(scope="module")
def against_praat(real_data):
    parselmouth = pytest.importorskip("parselmouth")
    calls = pd.read_csv(real_data / "calls.csv")
    segments = pd.read_csv(real_data / "segments.csv")
    rows = []
    for call in calls.itertuples():
        samples, rate = soundfile.read(real_data / call.file)
        spans = segments.loc[segments["call_id"] == call.call_id, ["segment", "start_s", "end_s"]]
        table = extract(samples, rate, spans=spans, markers=["pitch"], mask=False)
        praat = parselmouth.Sound(samples, rate).to_pitch_ac(time_step=0.01)
        nearest = np.abs(praat.xs()[None, :] - table["time_s"].to_numpy()[:, None]).argmin(axis=1)
        hz = praat.selected_array["frequency"][nearest]
        rows.append(
            pd.DataFrame(
                {
                    "call_id": call.call_id,
                    "sex": call.sex,
                    "ours": table["pitch"],
                    "praat": np.where(hz > 0, hz, np.nan),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("sex", ["female", "male"])
def test_pitch_agrees_with_praat_on_real_calls(against_praat, sex):
    frames = against_praat[against_praat["sex"] == sex]
    ours, praat = frames["ours"].notna(), frames["praat"].notna()
    assert (ours == praat).mean() >= 0.90
    both = frames[ours & praat]
    assert ((both["ours"] / both["praat"] - 1).abs() > 0.2).mean() < 0.03
    medians = both.groupby("call_id")[["ours", "praat"]].median()
    assert (medians["ours"] / medians["praat"] - 1).abs().max() < 0.02
    # Over each tracker's own voiced frames the median of a file also depends on which frames those are. Praat
    # at a step of 20 ms differs from itself at 5 ms by more than 2% in 2 of these 72 files.
    own = frames.groupby("call_id")[["ours", "praat"]].median()
    assert ((own["ours"] / own["praat"] - 1).abs() < 0.02).mean() >= 0.95
