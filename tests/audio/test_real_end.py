"""Sound is decoded to its real end, or refused: what a container admits is not all that a recorder wrote."""

import re
import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicerisk.audio import AudioSettings, channel_table, prepare_file, read_recording, sound_length
from voicerisk.audio.mpeg import mpeg_parts
from voicerisk.errors import AudioError

RATE = 16000


@pytest.fixture
def sound() -> np.ndarray:
    """Three seconds on the 16-bit grid, no two parts of them alike."""
    t = np.arange(3 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 40 * t) * t) * (1 + np.sin(2 * np.pi * 3 * t))
    return np.rint(32768 * (tone + 0.001 * np.random.default_rng(3).standard_normal(len(t)))) / 32768


def written(place: Path, sound: np.ndarray, kind: str, subtype: str, **keys: object) -> bytes:
    soundfile.write(place, sound, RATE, format=kind, subtype=subtype, **keys)
    return place.read_bytes()


JOINED = [
    ("WAV", "PCM_16", 0.0), ("WAV", "ULAW", 0.02), ("RF64", "PCM_16", 0.0), ("W64", "PCM_16", 0.0),
    ("AIFF", "PCM_16", 0.0), ("AU", "PCM_16", 0.0), ("CAF", "PCM_16", 0.0), ("FLAC", "PCM_16", 0.0),
    ("OGG", "VORBIS", None), ("OGG", "OPUS", None), ("MP3", "MPEG_LAYER_III", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "subtype", "tolerance"), JOINED)
def test_files_joined_end_to_end_are_read_to_the_last_sample(tmp_path, sound, kind, subtype, tolerance):
    # A lossy part is what it is by itself; the other formats hold the samples, but for the steps of mu-law.
    one = written(tmp_path / "one", sound, kind, subtype)
    two = written(tmp_path / "two", 0.5 * sound[: 2 * RATE], kind, subtype)
    path = tmp_path / "joined.bin"
    path.write_bytes(one + two)
    recording = read_recording(path)
    assert len(recording.samples) == 5 * RATE
    parts = np.concatenate([read_recording(tmp_path / name).samples for name in ("one", "two")])
    np.testing.assert_array_equal(recording.samples, parts)
    if tolerance is not None:
        np.testing.assert_allclose(
            recording.samples, np.r_[sound, 0.5 * sound[: 2 * RATE]], rtol=0, atol=tolerance + 1 / 65536
        )
    assert sound_length(path) == (5.0, RATE)
    if kind not in ("W64", "WAV", "AIFF"):  # libsndfile takes these for broken, or counts on into the second
        assert recording.stated_s == 3.0
    assert prepare_file(path, None, AudioSettings()).n_samples == 5 * RATE
    assert channel_table(path)["duration_s"] == 5.0


@pytest.mark.parametrize("riff", [0, None])
def test_a_wav_header_that_was_never_finished_hides_nothing(tmp_path, sound, riff):
    content = bytearray(written(tmp_path / "a.wav", sound, "WAV", "PCM_16"))
    content[40:44] = struct.pack("<I", 0)
    if riff is not None:
        content[4:8] = struct.pack("<I", riff)
    (tmp_path / "a.wav").write_bytes(content)
    recording = read_recording(tmp_path / "a.wav")
    np.testing.assert_array_equal(recording.samples, sound)
    assert recording.stated_s == 0.0


def test_an_au_header_that_was_never_finished_hides_nothing(tmp_path, sound):
    content = bytearray(written(tmp_path / "a.au", sound, "AU", "PCM_16"))
    content[8:12] = bytes(4)
    (tmp_path / "a.au").write_bytes(content)
    np.testing.assert_array_equal(read_recording(tmp_path / "a.au").samples, sound)


@pytest.mark.parametrize(
    ("kind", "field", "stale"),
    [("WAV", b"data", "<I"), ("AIFF", b"SSND", ">I"), ("AU", b".snd", ">I"), ("CAF", b"data", ">q")],
)
def test_a_stale_header_is_refused_with_the_bytes_that_it_hides(tmp_path, sound, kind, field, stale):
    content = bytearray(written(tmp_path / "a.bin", sound, kind, "PCM_16"))
    place = content.index(field) + (8 if kind == "AU" else 4)
    content[place : place + struct.calcsize(stale)] = struct.pack(stale, 32000)
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.bin goes on after its sound ends: .* \d+ bytes unaccounted"):
        read_recording(tmp_path / "a.bin")


def test_chunks_after_the_sound_and_padding_are_no_sound(tmp_path, sound):
    whole = written(tmp_path / "a.wav", sound, "WAV", "PCM_16")
    for tail in (
        b"LIST" + struct.pack("<I", 4) + b"INFO",
        b"id3 " + struct.pack("<I", 3) + b"abc\0" + b"bext" + struct.pack("<I", 2) + b"ab",
        b"LIST" + struct.pack("<I", 400) + b"INFO",  # cut short, which costs no sound
        bytes(4096),
        b"TAG".ljust(128, b" "),
        b"\n",
    ):
        (tmp_path / "a.wav").write_bytes(whole + tail)
        np.testing.assert_array_equal(read_recording(tmp_path / "a.wav").samples, sound)


def test_a_wav_file_of_no_sample_stays_one(tmp_path):
    content = written(tmp_path / "none.wav", np.zeros(0), "WAV", "PCM_16")
    (tmp_path / "none.wav").write_bytes(content + b"LIST" + struct.pack("<I", 4) + b"INFO")
    with pytest.raises(AudioError, match=r"none\.wav holds no sample"):
        read_recording(tmp_path / "none.wav")


@pytest.mark.parametrize("states", [0, RATE])
def test_a_flac_stream_that_states_no_length_or_too_little_is_read_whole(tmp_path, sound, states):
    content = bytearray(written(tmp_path / "a.flac", sound, "FLAC", "PCM_16"))
    content[21] &= 0xF0
    content[22:26] = struct.pack(">I", states)
    (tmp_path / "a.flac").write_bytes(content)
    np.testing.assert_array_equal(read_recording(tmp_path / "a.flac").samples, sound)


def test_a_piped_flac_stream_that_was_cut_off_is_refused(tmp_path, sound):
    content = bytearray(written(tmp_path / "a.flac", sound, "FLAC", "PCM_16"))
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content[:-1000])
    with pytest.raises(AudioError, match=r"a\.flac does not say how long it is, .* cut off"):
        read_recording(tmp_path / "a.flac")


def test_an_mp3_of_changing_bit_rate_without_its_length_is_counted(tmp_path):
    # Silence costs few bits and noise many, so that an estimate from the first frames is far off.
    noise = 0.3 * np.random.default_rng(1).standard_normal(5 * RATE)
    sound = np.r_[np.zeros(3 * RATE), noise]
    written(
        tmp_path / "a.mp3", sound, "MP3", "MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.3
    )
    content = (tmp_path / "a.mp3").read_bytes()
    assert b"Xing" in content[:60]
    first = content.index(b"\xff\xf3", 4)
    (tmp_path / "b.mp3").write_bytes(content[first:])
    with soundfile.SoundFile(tmp_path / "b.mp3") as file:
        assert abs(file.frames / RATE - 8.1) > 5  # what libsndfile says by itself
    found = read_recording(tmp_path / "b.mp3")
    assert len(found.samples) / RATE == 8.1  # 225 frames of 576 samples
    assert sound_length(tmp_path / "b.mp3")[0] == 8.1
    # 1105 samples: the encoder's delay, which only the lost frame could have told
    whole = read_recording(tmp_path / "a.mp3").samples
    np.testing.assert_allclose(found.samples[1105 : 1105 + len(whole)], whole, atol=1e-5)


def test_an_mp3_that_says_fewer_frames_than_there_are_is_read_whole(tmp_path, sound):
    content = bytearray(written(tmp_path / "a.mp3", sound, "MP3", "MPEG_LAYER_III"))
    place = max(content.find(b"Xing"), content.find(b"Info")) + 8
    frames = int.from_bytes(content[place : place + 4], "big")
    whole = len(read_recording(tmp_path / "a.mp3").samples)
    content[place : place + 4] = (frames // 2).to_bytes(4, "big")
    (tmp_path / "b.mp3").write_bytes(content)
    assert len(read_recording(tmp_path / "b.mp3").samples) == whole


def test_tags_of_an_mp3_are_no_frames(tmp_path, sound):
    content = written(tmp_path / "a.mp3", sound, "MP3", "MPEG_LAYER_III")
    whole = read_recording(tmp_path / "a.mp3").samples
    front = b"ID3\x04\0\0" + bytes((0, 0, 1, 0)) + b"\xff\xf3\xff" * 42 + b"\0\0"
    back = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0x80000000) + bytes(8) + b"TAG".ljust(128)
    (tmp_path / "b.mp3").write_bytes(front + content + back)
    assert len(mpeg_parts(front + content + back)) == 1
    np.testing.assert_array_equal(read_recording(tmp_path / "b.mp3").samples, whole)


def test_parts_that_do_not_fit_together_are_refused(tmp_path, sound):
    one = written(tmp_path / "one.wav", sound, "WAV", "PCM_16")
    soundfile.write(tmp_path / "two.wav", sound, 8000, subtype="PCM_16")
    (tmp_path / "joined.wav").write_bytes(one + (tmp_path / "two.wav").read_bytes())
    with pytest.raises(AudioError, match=r"joined\.wav holds 2 sounds .* number 2 has 8000 Hz"):
        read_recording(tmp_path / "joined.wav")
    soundfile.write(tmp_path / "two.wav", np.column_stack([sound, sound]), RATE, subtype="PCM_16")
    (tmp_path / "joined.wav").write_bytes(one + (tmp_path / "two.wav").read_bytes())
    with pytest.raises(AudioError, match=r"number 2 has 16000 Hz and 2 channel"):
        read_recording(tmp_path / "joined.wav", channel=1)


def test_a_second_part_that_is_cut_off_is_refused(tmp_path, sound):
    one = written(tmp_path / "one.ogg", sound, "OGG", "OPUS")
    (tmp_path / "joined.ogg").write_bytes(one + one[: len(one) // 2])
    with pytest.raises(AudioError, match=r"joined\.ogg is truncated"):
        read_recording(tmp_path / "joined.ogg")


@pytest.mark.parametrize("rate", [384_001, 838_868_800])
def test_a_rate_that_no_recorder_has_is_refused(tmp_path, sound, rate):
    content = bytearray(written(tmp_path / "a.wav", sound, "WAV", "PCM_16"))
    content[24:28] = struct.pack("<I", rate)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=rf"a\.wav says that it has {rate} samples a second"):
        read_recording(tmp_path / "a.wav")


@pytest.mark.parametrize(("peak", "fine"), [(99.0, True), (101.0, False), (1e29, False)])
def test_samples_far_beyond_full_scale_are_no_sound(tmp_path, sound, peak, fine):
    sound[70000 % len(sound)] = -peak
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    if fine:
        assert np.abs(read_recording(tmp_path / "a.wav").samples).max() == peak
    else:
        with pytest.raises(
            AudioError, match=rf"a\.wav holds -{re.escape(f'{peak:.3g}')} at sample 22000, where full scale"
        ):
            read_recording(tmp_path / "a.wav")


def encoded(path: Path, sound: np.ndarray, container: str, codec: str, rate: int) -> bytes:
    """Write a sound with FFmpeg."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        kind = stream.codec_context.format.name
        for start in range(0, len(sound), 1024):
            block = sound[start : start + 1024]
            block = (
                np.rint(32767 * block).astype(np.int16)
                if kind.startswith("s16")
                else block.astype(np.float32)
            )
            frame = av.AudioFrame.from_ndarray(block[None], format=kind, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


FOREIGN = [
    ("m4a", "ipod", "aac", 16000), ("mp4", "mp4", "aac", 16000), ("aac", "adts", "aac", 16000),
    ("webm", "webm", "libopus", 48000), ("mka", "matroska", "libopus", 48000),
    ("amr", "amr", "libopencore_amrnb", 8000), ("3gp", "3gp", "libopencore_amrnb", 8000),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "container", "codec", "rate"), FOREIGN)
def test_what_phones_write_is_decoded_by_ffmpeg(tmp_path, suffix, container, codec, rate):
    t = np.arange(3 * rate) / rate
    sound = 0.4 * np.sin(2 * np.pi * 300 * t) * (1 + 0.5 * np.sin(2 * np.pi * 2 * t))
    path = tmp_path / f"a.{suffix}"
    encoded(path, sound, container, codec, rate)
    found = read_recording(path)
    assert found.sample_rate == rate
    # An encoder adds up to a packet at either end: 1024 samples of AAC, 20 ms of the others.
    assert 3.0 <= len(found.samples) / rate <= 3.08
    assert sound_length(path) == (len(found.samples) / rate, rate)
    # The sound itself: its level, to what such a codec keeps of a tone (AMR at 4.75 kbit/s loses 12%).
    assert np.std(found.samples) == pytest.approx(np.std(sound), rel=0.15)


@pytest.mark.parametrize(("suffix", "container", "codec", "rate"), [FOREIGN[0], FOREIGN[3], FOREIGN[5]])
def test_two_foreign_files_joined_are_refused(tmp_path, suffix, container, codec, rate):
    content = encoded(tmp_path / f"a.{suffix}", np.zeros(2 * rate) + 0.01, container, codec, rate)
    (tmp_path / f"b.{suffix}").write_bytes(content + content)
    with pytest.raises(
        AudioError, match=rf"b\.{suffix} goes on after its first part: .* at byte {len(content)}"
    ):
        read_recording(tmp_path / f"b.{suffix}")


@pytest.mark.parametrize(("suffix", "container", "codec", "rate"), [FOREIGN[0], FOREIGN[3]])
def test_a_truncated_foreign_file_is_refused(tmp_path, suffix, container, codec, rate):
    path = tmp_path / f"a.{suffix}"
    content = encoded(path, np.zeros(2 * rate) + 0.01, container, codec, rate)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=rf"a\.{suffix} (cannot be read|is truncated|breaks off)"):
        read_recording(path)


def test_without_the_extra_the_sentence_names_it(tmp_path, monkeypatch):
    (tmp_path / "a.amr").write_bytes(b"#!AMR\n" + bytes(100))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"a\.amr is AMR, which needs .* 'voicerisk\[codecs\]'"):
        read_recording(tmp_path / "a.amr")
