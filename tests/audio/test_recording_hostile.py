"""Fuzzed headers and samples: a clear error or defined values, never a crash and never a silent NaN."""

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voicerisk.audio import AudioSettings, channel_table, frame_rms, prepare, prepare_file, read_recording
from voicerisk.errors import AudioError


def wav(samples: np.ndarray) -> bytes:
    content = samples.astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(content), b"WAVE", b"fmt ", 16, 1, 1, 8000,
                       16000, 2, 16, b"data", len(content))  # fmt: skip
    return head + content


SOUND = wav(np.random.default_rng(0).integers(-9000, 9000, 2000))


def read_or_refuse(content: bytes, suffix: str) -> None:
    """Whatever the bytes are, they are finite samples or an AudioError that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzzed{suffix}"
        path.write_bytes(content)
        try:
            recording = read_recording(path, channel=1)
            call = prepare(recording.samples, recording.sample_rate, name=str(path))
            row = channel_table(recording)
        except AudioError as refused:
            assert "fuzzed" in str(refused) or "sample rate" in str(refused)
            return
        assert np.isfinite(recording.samples).all()
        assert all(np.isfinite(span.signal).all() for span in call.spans)
        assert np.isfinite([v for v in row.values() if isinstance(v, float)]).all()


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.integers(0, 43), st.integers(0, 255), min_size=1, max_size=8))
@example({22: 0})
@example({24: 0, 25: 0, 26: 0, 27: 0})
@example({40: 0xFF, 41: 0xFF, 42: 0xFF, 43: 0x7F})
@example({34: 0})
@example({20: 3, 34: 32})
def test_wav_headers(changes):
    content = bytearray(SOUND)
    for place, value in changes.items():
        content[place] = value
    read_or_refuse(bytes(content), ".wav")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(SOUND)))
def test_wav_cut_anywhere_is_refused(length):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cut.wav"
        path.write_bytes(SOUND[:length])
        if length == len(SOUND):
            assert len(read_recording(path).samples) == 2000
        else:
            with pytest.raises(AudioError, match=r"cut\.wav"):
                read_recording(path)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".aiff", ".au", ".mp3"])
def test_other_containers_with_flipped_bytes(suffix, tmp_path):
    rng = np.random.default_rng(4)
    path = tmp_path / f"sound{suffix}"
    soundfile.write(path, 0.1 * rng.standard_normal(4000), 8000)
    content = bytearray(path.read_bytes())
    for _ in range(60):
        broken = content.copy()
        for place in rng.integers(0, min(len(content), 400), 3):
            broken[place] = int(rng.integers(256))
        read_or_refuse(bytes(broken), suffix)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.integers(1, 1500),
        elements=st.one_of(
            st.floats(-1, 1), st.sampled_from([0.0, 1.0, -1.0, 1e-300, -5e-324, 1e6, np.nan, np.inf, -np.inf])
        ),
    ),
    st.sampled_from(["caller_speech", "segment", "file"]),
    st.sampled_from(["soundgen", "energy", "noise-floor", "none"]),
)
def test_samples(samples, extent, silence):
    options = AudioSettings(extent=extent, silence=silence)
    if not np.isfinite(samples).all():
        with pytest.raises(AudioError, match=r"x\.wav holds .* NaN or infinite"):
            prepare(samples, 8000, None, options, "x.wav")
        return
    (span,) = prepare(samples, 8000, None, options, "x.wav").spans
    assert np.isfinite(span.signal).all()
    assert np.abs(span.signal).max() <= 1 + 1e-12
    assert np.isfinite([span.scaling.ampl, span.scaling.pressure, span.level.rms]).all()
    assert len(span.silent) == len(span.starts) == max(0, (len(samples) - 321) // 160 + 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(400, 4000), st.floats(0.01, 100), st.booleans(), st.integers(0, 10))
def test_silence_ignores_gain_and_polarity(n, gain, flip, seed):
    rng = np.random.default_rng(seed)
    sound = np.repeat(rng.uniform(0.001, 0.3, n // 100 + 1), 100)[:n] * rng.standard_normal(n)
    options = AudioSettings(pcm16=False)
    (one,) = prepare(sound, 8000, None, options).spans
    (other,) = prepare(gain * (-sound if flip else sound), 8000, None, options).spans
    np.testing.assert_allclose(other.signal, -one.signal if flip else one.signal, rtol=0, atol=1e-9)
    level = frame_rms(one.signal, one.starts, one.window)
    clear = np.abs(level - 0.04) > 1e-9
    np.testing.assert_array_equal(one.silent[clear], other.silent[clear])


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("zeros", np.zeros(4000)),
        ("offset", np.full(4000, 0.9)),
        ("clipped", np.sign(np.sin(np.arange(4000) / 5))),
        ("one sample", np.array([0.5])),
        ("one step", np.r_[np.zeros(2000), np.full(2000, 1 / 32768)]),
    ],
)
def test_odd_recordings_have_defined_values(tmp_path, name, samples):
    path = tmp_path / f"{name}.wav"
    soundfile.write(path, samples, 8000, subtype="PCM_16")
    whole = prepare(read_recording(path).samples, 8000).spans[0]
    lazy = next(iter(prepare_file(path).spans))
    for span in (whole, lazy):
        assert np.isfinite(span.signal).all()
        assert np.isfinite([span.scaling.ampl, span.scaling.pressure]).all()
    np.testing.assert_array_equal(whole.silent, lazy.silent)
    if name in ("zeros", "offset"):
        assert whole.silent.all()
