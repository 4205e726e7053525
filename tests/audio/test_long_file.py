import tracemalloc

import numpy as np
import pytest
import soundfile

from voicerisk.audio import AudioSettings, prepare, prepare_file, read_recording
from voicerisk.errors import AudioError

SPANS = [(0.2, 1.1), (2.0, 14.3), (1.3, 1.31), (15.0, 19.9)]

SETTINGS = {
    "published": AudioSettings(),
    "soundgen": AudioSettings(extent="file", normalise=False, pre_emphasis=0, pcm16=False),
    "emphasised file": AudioSettings(extent="file"),
    "segment": AudioSettings(extent="segment", silence={"rule": "noise-floor", "threshold": 6}),
    "floor of file": AudioSettings(extent="file", silence="noise-floor"),
    "fixed": AudioSettings(normalise=False, calibration=-26, silence={"rule": "energy", "threshold": -32}),
    "resampled": AudioSettings(resample_hz=11025),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(8)
    gain = np.repeat(rng.uniform(0.001, 0.2, 50), 3200)
    path = tmp_path_factory.mktemp("long") / "call.wav"
    soundfile.write(path, 0.05 + gain * rng.standard_normal(160000), 8000, subtype="FLOAT")
    return path


@pytest.mark.parametrize("name", SETTINGS)
def test_a_file_read_in_blocks_equals_a_file_read_whole(path, name):
    settings = SETTINGS[name]
    recording = read_recording(path, resample_hz=settings.resample_hz)
    whole = prepare(recording.samples, recording.sample_rate, SPANS, settings)
    lazy = prepare_file(path, SPANS, settings)
    assert (lazy.sample_rate, lazy.n_clipped) == (whole.sample_rate, whole.n_clipped)
    assert lazy.counts.equals(whole.counts)
    assert len(lazy.spans) == len(whole.spans)
    for ours, theirs in zip(lazy.spans, whole.spans, strict=True):
        assert (ours.segment, ours.first_sample) == (theirs.segment, theirs.first_sample)
        np.testing.assert_array_equal(ours.signal, theirs.signal)
        np.testing.assert_array_equal(ours.signal[100:400], theirs.signal[100:400])
        np.testing.assert_array_equal(ours.starts, theirs.starts)
        np.testing.assert_array_equal(ours.silent, theirs.silent)
        np.testing.assert_array_equal(ours.time_s, theirs.time_s)
        assert (ours.level, ours.scaling) == (theirs.level, theirs.scaling)


@pytest.mark.parametrize(("seconds", "margin"), [(0.02, 0.0), (0.5, 0.1), (3.0, 0.057), (100.0, 1.0)])
def test_pieces_join_to_the_span(path, seconds, margin):
    whole = prepare_file(path, SPANS)
    spans = {span.segment: span for span in whole.spans}
    found: dict[int, list[int]] = {segment: [] for segment in spans}
    for piece in whole.pieces(seconds, margin):
        span = spans[piece.frames.segment]
        assert piece.n_frames == len(span.starts)
        n = len(piece.frames.starts)
        assert n <= max(1, seconds * 8000 // 160)
        own = slice(piece.first_frame, piece.first_frame + n)
        np.testing.assert_allclose(piece.frames.time_s, span.time_s[own], atol=1e-12)
        np.testing.assert_array_equal(piece.frames.silent, span.silent[own])
        shift = piece.frames.first_sample - span.first_sample
        np.testing.assert_array_equal(piece.frames.starts + shift, span.starts[own])
        np.testing.assert_allclose(
            piece.frames.signal, span.signal[shift : shift + len(piece.frames.signal)], rtol=0, atol=1e-13
        )
        if n and piece.first_frame:
            assert piece.frames.starts[0] == min(int(margin * 8000), span.starts[piece.first_frame])
        found[piece.frames.segment] += range(own.start, own.stop)
    assert all(frames == list(range(len(spans[segment].starts))) for segment, frames in found.items())


def test_voice_activity_does_not_depend_on_the_pieces(path):
    pytest.importorskip("webrtcvad", reason="the extra 'vad' is not installed")
    settings = AudioSettings(silence="vad", pcm16=False)
    whole = {s.segment: s for s in prepare(read_recording(path).samples, 8000, SPANS, settings).spans}
    for piece in prepare_file(path, SPANS, settings).pieces(0.3, 0.05):
        own = slice(piece.first_frame, piece.first_frame + len(piece.frames.starts))
        np.testing.assert_array_equal(piece.frames.silent, whole[piece.frames.segment].silent[own])


def test_a_span_outside_the_file_is_named(path):
    with pytest.raises(
        AudioError, match=r"Span 0 of .*call\.wav \(1 to 21 s\) lies outside the recording of 20 s"
    ):
        prepare_file(path, [(1, 21)])


@pytest.mark.slow
def test_an_hour_of_silence_needs_little_memory(tmp_path):
    path = tmp_path / "hour.flac"
    with soundfile.SoundFile(path, "w", 8000, 1, subtype="PCM_16") as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8000, dtype=np.int16))
    tracemalloc.start()
    lazy = prepare_file(path, None)
    frames = silent = 0
    for piece in lazy.pieces():
        frames += len(piece.frames.starts)
        silent += int(piece.frames.silent.sum())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frames == silent == lazy.counts["n"].iloc[2] == (3600 * 8000 - 321) // 160 + 1
    assert peak < 40e6
