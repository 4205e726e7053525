import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt

from voicerisk.audio import CHANNEL_COLUMNS, channel_table, duplicate_recordings
from voicerisk.errors import AudioError


def write(path, samples, subtype="PCM_16"):
    soundfile.write(path, samples, 8000, subtype=subtype)
    return path


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_levels_are_of_the_speech_and_the_floor_is_of_the_rest(tmp_path, rng):
    sound = 0.001 * rng.standard_normal(40000)
    sound[8000:24000] += 0.1 * rng.standard_normal(16000)
    row = channel_table(write(tmp_path / "a.wav", sound), [(1.0, 3.0)], "a")
    assert tuple(row) == CHANNEL_COLUMNS
    assert row["call_id"] == "a"
    assert row["rms_dbfs"] == pytest.approx(-20, abs=0.2)
    assert row["noise_floor_dbfs"] == pytest.approx(-60, abs=0.6)
    assert row["duration_s"] == 5.0
    assert row["bandwidth_hz"] > 3900
    assert row["clipped_share"] == 0


def test_bandwidth_follows_the_line(tmp_path, rng):
    noise = 0.1 * rng.standard_normal(40000)
    for edge in (2500, 3400):
        line = sosfiltfilt(butter(12, edge, fs=8000, output="sos"), noise)
        row = channel_table(write(tmp_path / "a.wav", line, "DOUBLE"))
        assert row["bandwidth_hz"] == pytest.approx(edge, abs=80)


def test_clipping_and_offset_are_seen(tmp_path):
    t = np.arange(16000) / 8000
    tone = 0.5 * np.sin(2 * np.pi * 200 * t)
    assert channel_table(write(tmp_path / "a.wav", tone))["clipped_share"] == 0
    flat = np.clip(tone, -0.25, 0.25)
    row = channel_table(write(tmp_path / "b.wav", flat + 0.1))
    # |sin| exceeds one half for two thirds of the time
    assert row["clipped_share"] == pytest.approx(2 / 3, abs=0.06)
    assert row["dc_offset"] == pytest.approx(0.1, abs=1e-3)


def test_digital_silence_has_defined_values(tmp_path):
    row = channel_table(write(tmp_path / "a.wav", np.zeros(8000)))
    assert (row["rms_dbfs"], row["noise_floor_dbfs"], row["bandwidth_hz"]) == (-200, -200, 0)
    assert all(np.isfinite(v) for k, v in row.items() if k not in ("call_id", "sha256", "subtype"))


def test_one_sample_has_defined_values(tmp_path):
    row = channel_table(write(tmp_path / "a.wav", np.array([0.5])))
    assert row["duration_s"] == 1 / 8000
    assert all(np.isfinite(v) for k, v in row.items() if k not in ("call_id", "sha256", "subtype"))


def test_spans_outside_the_recording_are_named(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(8000))
    with pytest.raises(AudioError, match=r"Span 0 of .*a\.wav \(0\.5 to 1\.5 s\) lies outside"):
        channel_table(path, [(0.5, 1.5)])


def test_the_same_sound_under_two_names_is_found(tmp_path, rng):
    sound = np.rint(3000 * rng.standard_normal(8000)).astype(np.int16)
    other = sound.copy()
    other[-1] += 1
    for name, samples in (
        ("a.wav", sound),
        ("b.flac", sound),
        ("c.wav", other),
        ("d.wav", other),
        ("e.wav", -sound),
    ):
        soundfile.write(tmp_path / name, samples, 8000)
    rows = [channel_table(tmp_path / n, call_id=n[0]) for n in ("a.wav", "c.wav", "b.flac", "d.wav", "e.wav")]
    found = duplicate_recordings(pd.DataFrame(rows))
    assert found[["group", "call_id"]].values.tolist() == [[0, "a"], [0, "b"], [1, "c"], [1, "d"]]
    assert duplicate_recordings(pd.DataFrame(rows[4:])).empty
