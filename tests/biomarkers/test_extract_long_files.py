"""A long file gives what the same sound in memory gives, bit for bit, in little memory."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.audio import AudioSettings, prepare, prepare_file
from voicerisk.biomarkers import (
    BiomarkerSettings,
    extract,
    extract_call_file,
    extract_file,
    preset_audio,
    select_markers,
    span,
)
from voicerisk.biomarkers.extract import measure
from voicerisk.errors import BiomarkerError


@pytest.fixture(scope="module")
def sound():
    """Two minutes of voice-like bursts with pauses of digital silence and of noise."""
    rng = np.random.default_rng(7)
    n = 120 * 8000
    t = np.arange(n) / 8000
    hz = 130 * 2 ** (0.3 * np.sin(2 * np.pi * 0.4 * t) + 0.02 * np.sin(2 * np.pi * 6 * t))
    phase = 2 * np.pi * np.cumsum(hz) / 8000
    voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * np.clip(np.sin(2 * np.pi * 0.7 * t), 0, 1)
    sound = 0.1 * voice * (1 + 0.3 * np.sin(2 * np.pi * 60 * t)) + 1e-3 * rng.standard_normal(n)
    sound[30 * 8000 : 33 * 8000] = 0.0
    return np.rint(32768 * sound) / 32768


PLAIN = AudioSettings(normalise=False)
CASES = {
    "published": ("published", AudioSettings(), [(0.3, 70.0), (71.0, 71.02), (80.1, 119.0)]),
    "soundgen": ("soundgen-2.5.1", preset_audio("soundgen-2.5.1"), None),
    "spans out of order": ("published", AudioSettings(extent="segment"), [(60.0, 119.0), (0.5, 45.0)]),
    "cuts of a file": ("published", AudioSettings(extent="file"), [(10.0, 50.0)]),
    "no normalisation": ("published", PLAIN, [(1.0, 62.0)]),
    "fixed": ("published", AudioSettings(normalise=False, calibration=-26.0, silence="energy"), None),
}


def test_resampling_and_voice_activity_hear_the_same_in_pieces(sound, tmp_path, monkeypatch):
    path = tmp_path / "call.wav"
    soundfile.write(path, np.column_stack([0 * sound, sound])[: 45 * 8000], 8000, subtype="PCM_24")
    module = sys.modules["voicerisk.biomarkers.extract"]
    for audio in (
        AudioSettings(channel="right", resample_hz=16000, silence="vad"),
        AudioSettings(channel=2, silence="noise-floor", extent="segment"),
    ):
        settings = BiomarkerSettings(set="named")
        spans = [(0.4, 20.0), (20.5, 44.9)]
        if audio.rule.rule == "vad":
            pytest.importorskip("webrtcvad", reason="the extra 'vad' is not installed")
        monkeypatch.setattr(module, "WHOLE_S", 900.0)
        whole = extract_call_file(path, spans, audio, settings)
        monkeypatch.setattr(module, "WHOLE_S", 5.0)
        pieces = extract_call_file(path, spans, audio, settings)
        pd.testing.assert_frame_equal(pieces.frames, whole.frames, check_exact=True)
        pd.testing.assert_frame_equal(pieces.counts, whole.counts)
        assert 0 < whole.frames["silent"].sum() < len(whole.frames)


@pytest.mark.parametrize("name", CASES)
def test_a_file_read_in_pieces_gives_the_same_numbers(sound, name, tmp_path):
    preset, audio, spans = CASES[name]
    path = tmp_path / "call.wav"
    soundfile.write(path, sound, 8000, subtype="PCM_16")
    names = select_markers("all", preset)
    whole = measure(prepare(sound, 8000, spans, audio), names, preset, audio)
    lazy = measure(prepare_file(path, spans, audio), names, preset, audio)
    pd.testing.assert_frame_equal(lazy, whole, check_exact=True)


@pytest.mark.parametrize("preset", ["published", "soundgen-2.5.1"])
def test_the_length_of_the_pieces_changes_nothing(sound, preset, monkeypatch):
    whole = extract(sound[: 50 * 8000], 8000, preset)
    monkeypatch.setattr(span, "PIECE", 190)
    pieces = extract(sound[: 50 * 8000], 8000, preset)
    # sums over the envelope begin elsewhere, and matrix products have other numbers of rows
    pd.testing.assert_frame_equal(pieces, whole, check_exact=False, rtol=1e-9, atol=1e-9)


def test_a_long_file_is_read_in_pieces_and_a_short_one_whole(sound, tmp_path, monkeypatch):
    path = tmp_path / "call.flac"
    soundfile.write(path, sound[:80000], 8000)
    settings = BiomarkerSettings(set="all")
    whole = extract_call_file(path, [(0.2, 9.0)], AudioSettings(), settings)
    module = sys.modules["voicerisk.biomarkers.extract"]
    monkeypatch.setattr(module, "WHOLE_S", 5.0)
    monkeypatch.setattr(module, "read_recording", None)
    long = extract_call_file(path, [(0.2, 9.0)], AudioSettings(), settings)
    pd.testing.assert_frame_equal(long.frames, whole.frames, check_exact=True)
    pd.testing.assert_frame_equal(long.counts, whole.counts)


LONG = """
import json, os, pathlib, struct, sys
import numpy as np, soundfile
from voicerisk.audio import AudioSettings
from voicerisk.biomarkers import BiomarkerSettings, extract_call_file

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

path, minutes, silent = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "silent"
rng = np.random.default_rng(1)
if silent:  # a file with a hole, which takes no room
    n = 2 * minutes * 60 * 8000
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", n + 36) + b"WAVEfmt ")
        file.write(struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16))
        file.write(b"data" + struct.pack("<I", n))
    os.truncate(path, n + 44)
else:
    with soundfile.SoundFile(path, "w", 8000, 1, subtype="PCM_16") as file:
        for _ in range(minutes):
            t = np.arange(60 * 8000) / 8000
            voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 9)) * np.sin(np.pi * t)
            file.write(0.1 * voice + 1e-3 * rng.standard_normal(len(t)))
settings = BiomarkerSettings(set="all")
extract_call_file(path, [(0.0, 30.0)], AudioSettings(), settings)
before = peak()
table = extract_call_file(path, None, AudioSettings(), settings).frames
known = [name for name in table.columns[4:] if table[name].notna().any()]
levels = [float(table["rms_db"].min()), float(table["rms_db"].max()), float(table["voiced"].max())]
size = int(table.memory_usage().sum())
print(json.dumps([before, peak(), len(table), int(table["silent"].sum()), size, known, levels]))
"""


def peak_of(path, minutes, kind):
    done = subprocess.run(
        [sys.executable, "-c", LONG, str(path), str(minutes), kind],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_a_long_file_needs_little_more_memory_than_its_table(tmp_path):
    before, after, n, silent, table, known, _ = peak_of(tmp_path / "long.wav", 30, "voice")
    assert known == list(select_markers("all"))
    assert n == 30 * 3000 - 2
    assert silent < n
    # values of the span, the table made of them, and one piece with its margins
    assert (after - before) * 1024 < 1.6 * table + 30e6


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
def test_ten_hours_of_digital_silence_have_a_level_and_nothing_else(tmp_path):
    before, after, n, silent, table, known, levels = peak_of(tmp_path / "silence.wav", 600, "silent")
    assert n == 600 * 3000 - 2
    assert silent == n
    assert known == ["rms_db", "voiced"]
    assert levels == [-120.0, -120.0, 0.0]  # the floor of the level, and never voiced
    assert (after - before) * 1024 < 1.6 * table + 30e6


def test_a_file_and_its_samples_give_the_same_table(sound, tmp_path):
    """`extract` and `extract_file` take and give the same things."""
    path = tmp_path / "call.wav"
    soundfile.write(path, sound[:32_000], 8000, subtype="FLOAT")
    for preset, marker in (("published", "rms_db"), ("soundgen-2.5.1", "ampl")):
        asked = {"preset": preset, "spans": [(0.2, 3.0)], "markers": [marker], "mask": False}
        of_samples = extract(soundfile.read(path)[0], 8000, **asked)
        pd.testing.assert_frame_equal(extract_file(path, **asked), of_samples)
    with pytest.raises(BiomarkerError, match=r"with the preset 'soundgen-2\.5\.1' only"):
        extract_file(path, pitch=[100.0])
