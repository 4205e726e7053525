import numpy as np
import pytest
import soundfile

from voicerisk.audio import blocks, read_recording
from voicerisk.errors import AudioError

GRID = {"PCM_U8": 2**7, "PCM_S8": 2**7, "PCM_16": 2**15, "PCM_24": 2**23, "PCM_32": 2**31}


@pytest.fixture
def sound() -> np.ndarray:
    rng = np.random.default_rng(1)
    t = np.arange(16000) / 8000
    return 0.3 * np.sin(2 * np.pi * 310 * t) + 0.02 * rng.standard_normal(16000)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("AIFF", "PCM_S8"),
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "PCM_32"),
        ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("AU", "PCM_16"),
        ("RF64", "PCM_16"),
        ("CAF", "PCM_24"),
    ],
)
def test_integers_come_back_on_their_own_grid(tmp_path, sound, container, subtype):
    path = tmp_path / "call.bin"
    soundfile.write(path, sound, 8000, format=container, subtype=subtype)
    recording = read_recording(path)
    steps = recording.samples * GRID[subtype]
    np.testing.assert_array_equal(steps, np.rint(steps))
    np.testing.assert_allclose(recording.samples, sound, atol=1.01 / GRID[subtype])
    assert (recording.sample_rate, recording.subtype, recording.n_channels) == (8000, subtype, 1)


@pytest.mark.parametrize(("subtype", "dtype"), [("FLOAT", np.float32), ("DOUBLE", np.float64)])
def test_floats_are_never_cast_scaled_or_clipped(tmp_path, sound, subtype, dtype):
    path = tmp_path / "call.wav"
    written = (5.3 * sound).astype(dtype)
    soundfile.write(path, written, 8000, subtype=subtype)
    read = read_recording(path).samples
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, written.astype(np.float64))
    assert np.abs(read).max() > 1


@pytest.mark.parametrize(
    ("container", "subtype", "closest"),
    [
        ("WAV", "ULAW", 0.999),
        ("WAV", "ALAW", 0.999),
        ("WAV", "GSM610", 0.95),
        ("OGG", "VORBIS", 0.95),
        ("OGG", "OPUS", 0.9),
        ("MP3", "MPEG_LAYER_III", 0.95),
    ],
)
def test_telephone_and_lossy_codecs_are_read(tmp_path, sound, container, subtype, closest):
    path = tmp_path / "call.bin"
    soundfile.write(path, sound, 8000, format=container, subtype=subtype)
    recording = read_recording(path)
    assert recording.subtype == subtype
    assert len(recording.samples) == pytest.approx(16000, abs=320)
    n = min(len(recording.samples), 16000)
    assert np.corrcoef(recording.samples[:n], sound[:n])[0, 1] > closest


def test_the_same_sound_in_another_lossless_container_has_the_same_hash(tmp_path, sound):
    steps = np.rint(32768 * sound).astype(np.int16)
    for name in ("a.wav", "b.flac", "c.aiff"):
        soundfile.write(tmp_path / name, steps, 8000, subtype="PCM_16")
    soundfile.write(tmp_path / "d.wav", steps, 11025, subtype="PCM_16")
    hashes = [read_recording(tmp_path / name).sha256 for name in ("a.wav", "b.flac", "c.aiff", "d.wav")]
    assert len(set(hashes[:3])) == 1
    assert hashes[3] != hashes[0]
    assert read_recording(tmp_path / "a.wav", resample_hz=16000).sha256 == hashes[0]


def test_several_channels_need_a_name(tmp_path, sound):
    path = tmp_path / "both.wav"
    soundfile.write(path, np.column_stack([sound, -0.5 * sound]), 8000, subtype="DOUBLE")
    with pytest.raises(AudioError, match=r"both\.wav has 2 channels; name the caller's"):
        read_recording(path)
    np.testing.assert_array_equal(read_recording(path, channel="left").samples, sound)
    np.testing.assert_array_equal(read_recording(path, channel=2).samples, -0.5 * sound)
    with pytest.raises(AudioError, match=r"both\.wav has 2 channels, so \[audio\] channel = 3"):
        read_recording(path, channel=3)


def test_a_mono_file_has_no_right_channel(tmp_path, sound):
    soundfile.write(tmp_path / "mono.wav", sound, 8000)
    assert read_recording(tmp_path / "mono.wav", channel="left").n_channels == 1
    with pytest.raises(AudioError, match=r"mono\.wav has 1 channel, so \[audio\] channel = 'right'"):
        read_recording(tmp_path / "mono.wav", channel="right")


def test_resampling_happens_only_when_asked(tmp_path):
    t = np.arange(32000) / 16000
    tone = 0.4 * np.sin(2 * np.pi * 500 * t)
    path = tmp_path / "wide.wav"
    soundfile.write(path, tone, 16000, subtype="DOUBLE")
    assert read_recording(path).sample_rate == 16000
    narrow = read_recording(path, resample_hz=8000)
    assert (narrow.sample_rate, narrow.file_rate, len(narrow.samples)) == (8000, 16000, 16000)
    # away from the ends the resampler's passband is flat to far better than this
    np.testing.assert_allclose(narrow.samples[2000:-2000], tone[::2][2000:-2000], atol=1e-6)


def test_blocks_of_any_size_join_to_the_whole(tmp_path, sound):
    path = tmp_path / "call.flac"
    soundfile.write(path, sound, 8000)
    whole = read_recording(path).samples
    for size in (777, 4000, 16000, 99999):
        np.testing.assert_array_equal(np.concatenate(list(blocks(path, size=size))), whole)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.wav", b"", r"empty\.wav is empty \(0 bytes\)"),
        ("text.wav", b"not a sound at all, really", r"text\.wav cannot be read as sound: "),
        ("bare.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ", r"bare\.wav cannot be read as sound: "),
        ("headerless.raw", b"\x00\x01" * 4000, r"headerless\.raw cannot be read as sound: "),
    ],
)
def test_what_is_no_recording_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=message):
        read_recording(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"nobody\.wav does not exist"):
        read_recording(tmp_path / "nobody.wav")


def test_no_sample_is_an_error(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    with pytest.raises(AudioError, match=r"none\.wav holds no sample"):
        read_recording(tmp_path / "none.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_are_named(tmp_path, sound, bad):
    sound[6000] = bad
    soundfile.write(tmp_path / "holes.wav", sound, 8000, subtype="FLOAT")
    with pytest.raises(
        AudioError, match=r"holes\.wav holds samples that are NaN or infinite, the first at 6000"
    ):
        read_recording(tmp_path / "holes.wav")


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "ULAW"),
        ("RF64", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("AU", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
def test_a_truncated_file_is_refused(tmp_path, sound, container, subtype):
    path = tmp_path / "half.bin"
    soundfile.write(path, sound, 8000, format=container, subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(AudioError, match=r"half\.bin (is truncated|breaks off after|holds no sample)"):
        read_recording(path)


def test_an_open_size_of_a_streaming_writer_is_no_truncation(tmp_path, sound):
    path = tmp_path / "piped.wav"
    soundfile.write(path, sound, 8000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_recording(path).samples) == 16000
