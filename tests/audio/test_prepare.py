import numpy as np
import pytest

from voicerisk.audio import (
    AudioSettings,
    frame_rms,
    frame_starts,
    frames,
    measure,
    normalise,
    pcm16,
    pre_emphasise,
    prepare,
)
from voicerisk.errors import AudioError

SOUNDGEN = AudioSettings(extent="file", normalise=False, pre_emphasis=0)


@pytest.fixture
def speech() -> np.ndarray:
    rng = np.random.default_rng(3)
    loudness = np.repeat(rng.uniform(0.001, 0.3, 40), 400)
    return np.rint(32768 * loudness * rng.standard_normal(16000)).clip(-32768, 32767) / 32768


def test_the_last_frame_may_not_end_on_the_last_sample():
    assert [len(frame_starts(n, 320, 160)) for n in (0, 319, 320, 321, 480, 481, 8000)] == [
        0,
        0,
        0,
        1,
        1,
        2,
        48,
    ]
    assert [len(frame_starts(n, 320, 160, "full")) for n in (319, 320, 479, 480)] == [0, 1, 1, 2]


def test_frames_are_views_of_the_samples(speech):
    cut = frames(speech, frame_starts(len(speech), 320, 160), 320)
    assert np.shares_memory(cut, speech)
    assert not cut.flags.writeable
    np.testing.assert_array_equal(cut[7], speech[1120:1440])


def test_soundgens_front_end_by_its_formulas(speech):
    call = prepare(speech, 8000, None, SOUNDGEN)
    (span,) = call.spans
    centred = speech - speech.mean()
    np.testing.assert_allclose(span.signal, centred / abs(centred).max(), rtol=0, atol=1e-15)
    assert span.scaling.ampl == abs(speech).max()
    rms = np.sqrt(np.mean(centred**2))
    assert span.scaling.pressure == pytest.approx(
        abs(centred).max() / rms * 10**3.5 * abs(speech).max(), rel=1e-12
    )
    np.testing.assert_array_equal(span.silent, frame_rms(span.signal, span.starts, 320) < 0.04)
    assert 0 < span.silent.sum() < len(span.silent)
    np.testing.assert_allclose(span.time_s, (span.starts + 160) / 8000)


def test_what_happens_outside_the_spans_changes_nothing(speech):
    spans = [(0.2, 0.7), (1.0, 1.55)]
    loud = speech.copy()
    loud[: round(0.2 * 8000)] = 0.99
    loud[round(0.7 * 8000) : 8000] *= 3
    loud[round(1.55 * 8000) :] = -1.0
    for extent in ("caller_speech", "segment"):
        settings = AudioSettings(extent=extent)
        for before, after in zip(
            prepare(speech, 8000, spans, settings).spans,
            prepare(loud, 8000, spans, settings).spans,
            strict=True,
        ):
            np.testing.assert_array_equal(before.signal, after.signal)
            np.testing.assert_array_equal(before.silent, after.silent)
    changed = prepare(loud, 8000, spans, AudioSettings(extent="file")).spans[0]
    assert changed.level != prepare(speech, 8000, spans, AudioSettings(extent="file")).spans[0].level


def test_extents_share_or_part_their_level(speech):
    spans = [(0.2, 0.7), (1.0, 1.55)]
    shared = prepare(speech, 8000, spans, AudioSettings(extent="caller_speech")).spans
    assert shared[0].level == shared[1].level
    parted = prepare(speech, 8000, spans, AudioSettings(extent="segment")).spans
    assert parted[0].level != parted[1].level
    for span in parted:
        assert np.abs(span.signal).max() == pytest.approx(1.0, abs=1e-12)
    alone = prepare(speech, 8000, spans[1:], AudioSettings(extent="segment")).spans[0]
    np.testing.assert_array_equal(alone.signal, parted[1].signal)


def test_the_order_of_spans_does_not_matter(speech):
    spans = [(0.2, 0.7), (1.0, 1.55), (1.6, 1.9)]
    forth = prepare(speech, 8000, spans).spans
    back = prepare(speech, 8000, spans[::-1]).spans[::-1]
    for a, b in zip(forth, back, strict=True):
        np.testing.assert_allclose(a.signal, b.signal, rtol=0, atol=1e-14)
        np.testing.assert_array_equal(a.silent, b.silent)


def test_normalisation_removes_gain_and_offset(speech):
    raw = AudioSettings(pcm16=False)
    a = prepare(speech / 4, 8000, None, raw).spans[0]
    b = prepare(speech / 16 + 0.3, 8000, None, raw).spans[0]
    np.testing.assert_allclose(a.signal, b.signal, rtol=0, atol=1e-12)
    assert a.scaling.ampl == pytest.approx(b.scaling.ampl, rel=1e-12)
    assert a.scaling.pressure == pytest.approx(b.scaling.pressure, rel=1e-12)


def test_a_fixed_calibration_takes_nothing_from_the_recording(speech):
    settings = AudioSettings(calibration=-26, normalise=False, pre_emphasis=0)
    span = prepare(speech, 8000, [(0.5, 1.0)], settings).spans[0]
    np.testing.assert_array_equal(span.signal, speech[4000:8000])
    assert span.scaling.ampl == 1
    reference = 10 ** (-26 / 20)
    assert 20 * np.log10(reference * span.scaling.pressure) == pytest.approx(70)


def test_pre_emphasis_is_a_first_difference_that_starts_without_a_click():
    x = np.array([0.5, 0.5, 0.5, 1.0, 0.0])
    np.testing.assert_allclose(pre_emphasise(x, 0.97), [0.015, 0.015, 0.015, 0.515, -0.97], atol=1e-15)
    assert pre_emphasise(x, 0.0) is x


def test_pcm16_is_a_fixed_grid():
    x = np.array([0.0, 1.0, -1.0, 2.0, 1.5 / 32768, 2.5 / 32768, -0.4 / 32768])
    steps, clipped = pcm16(x)
    assert (steps * 32768).tolist() == [0, 32767, -32768, 32767, 2, 2, 0]
    assert clipped == 2
    every = np.arange(-32768, 32768) / 32768
    np.testing.assert_array_equal(pcm16(every)[0], every)


def test_silence_and_dc_only_are_silent_and_finite():
    for x in (np.zeros(4000), np.full(4000, 0.3)):
        span = prepare(x, 8000).spans[0]
        assert span.silent.all()
        assert (span.signal == 0).all()
        assert span.scaling.ampl == 0
    assert measure([np.full(7777, 0.1)]).rms == 0
    assert (normalise(np.full(5, 0.1), measure([np.full(5, 0.1)])) == 0).all()


def test_counts_add_up(speech):
    call = prepare(speech, 8000, [(0.0, 0.5), (0.6, 0.63), (1.0, 2.0)])
    counts = call.counts.set_index("step")
    framed = sum(len(s.starts) for s in call.spans)
    assert counts.loc["spans", "n"] + counts.loc["spans", "remaining"] == len(frame_starts(16000, 320, 160))
    assert counts.loc["spans", "remaining"] == framed
    assert (counts.loc["framing", "n"], counts.loc["framing", "remaining"]) == (1, 2)
    kept = sum(int((~s.silent).sum()) for s in call.spans)
    assert counts.loc["silence", "remaining"] == kept < framed


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0.5, 2.5)], r"Span 0 of call\.wav \(0\.5 to 2\.5 s\) lies outside the recording of 2 s"),
        ([(0.1, 0.2), (-0.1, 0.05)], r"Span 1 of call\.wav \(-0\.1 to 0\.05 s\) lies outside"),
        ([(0.5, 0.5)], r"Span 0 .* holds no sample"),
        ([(0.7, 0.5)], r"Span 0 .* holds no sample"),
        ([(0.5, float("nan"))], r"Span 0 .* has no proper times"),
        ([(0.1, 0.5), (0.9, 1.2), (0.4, 0.6)], r"Spans 0 and 2 of call\.wav overlap"),
    ],
)
def test_impossible_spans_are_named(speech, spans, message):
    with pytest.raises(AudioError, match=message):
        prepare(speech, 8000, spans, name="call.wav")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((10, 2)), r"call\.wav has samples of shape \(10, 2\)"),
        (np.zeros(0), r"call\.wav holds no sample"),
        (
            np.array([0, 0, np.nan, np.inf]),
            r"call\.wav holds 2 samples that are NaN or infinite, the first at 2",
        ),
    ],
)
def test_unusable_samples_are_named(samples, message):
    with pytest.raises(AudioError, match=message):
        prepare(samples, 8000, name="call.wav")


def test_a_sample_rate_too_low_for_speech_is_refused(speech):
    with pytest.raises(AudioError, match="sample rate of 50 Hz is too low"):
        prepare(speech, 50)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"extent": "call"}, r"\[audio\] extent = 'call'"),
        ({"pre_emphasis": 1.0}, r"\[audio\] pre_emphasis = 1\.0"),
        ({"pre_emphasis": "0.97"}, r"\[audio\] pre_emphasis = '0\.97'"),
        ({"calibration": "file"}, r"\[audio\] calibration = 'file'"),
        ({"calibration": 3.0, "normalise": False}, r"\[audio\] calibration = 3\.0"),
        ({"calibration": -26}, r"calibration = -26 dBFS .* set normalise = false"),
        ({"normalise": 1}, r"\[audio\] normalise = 1 must be true or false"),
        ({"channel": "both"}, r"\[audio\] channel = 'both'"),
        ({"channel": 0}, r"\[audio\] channel = 0"),
        ({"resample_hz": 8000.5}, r"\[audio\] resample_hz = 8000\.5"),
        ({"silence": "soundgn"}, r"silence = 'soundgn' .* did you mean 'soundgen'\?"),
        ({"silence": {"rule": "energy", "level": 3}}, r"silence = .* is not understood"),
        (
            {"silence": {"rule": "energy", "threshold": 3}},
            r"threshold = 3 for the rule 'energy' \(dB re full scale\)",
        ),
        ({"silence": {"rule": "vad", "threshold": 1.5}}, r"threshold = 1\.5 for 'vad' must be 0, 1, 2 or 3"),
    ],
)
def test_settings_out_of_range_name_their_key(keys, message):
    with pytest.raises(AudioError, match=message):
        AudioSettings(**keys)
