import sys
import types

import numpy as np
import pytest

from voicerisk.audio import AudioSettings, SilenceRule, prepare
from voicerisk.errors import AudioError


@pytest.fixture
def steps() -> np.ndarray:
    """Noise of half a second each at -60, -40, -20 and -60 dBFS RMS."""
    rng = np.random.default_rng(2)
    gain = np.repeat([1e-3, 1e-2, 1e-1, 1e-3], 4000)
    return gain * rng.standard_normal(16000)


def kept(samples, silence, spans=None, **keys):
    call = prepare(samples, 8000, spans, AudioSettings(silence=silence, pcm16=False, **keys))
    return np.concatenate([span.time_s[~span.silent] for span in call.spans])


def test_the_energy_rule_is_absolute(steps):
    loud = kept(steps, {"rule": "energy", "threshold": -30})
    assert loud.min() > 0.97
    assert loud.max() < 1.53
    assert 23 <= len(loud) <= 26
    # ten times the gain lifts the -40 dBFS part over the threshold
    assert 46 <= len(kept(10 * steps, {"rule": "energy", "threshold": -30})) <= 51


def test_an_offset_is_not_energy(steps):
    rule = {"rule": "energy", "threshold": -30}
    np.testing.assert_array_equal(kept(steps + 0.3, rule), kept(steps, rule))


def test_the_noise_floor_rule_adapts(steps):
    for gain in (1, 0.05):
        over = kept(gain * steps, "noise-floor")
        assert over.min() > 0.47
        assert over.max() < 1.53


def test_the_noise_floor_of_a_file_may_lie_outside_the_spans(steps):
    span = [(0.55, 1.45)]
    own = kept(steps, {"rule": "noise-floor", "threshold": 15}, span)
    of_file = kept(steps, {"rule": "noise-floor", "threshold": 15}, span, extent="file")
    assert len(own) < len(of_file) == 43


def test_soundgens_rule_is_relative_to_the_peak_of_the_extent(steps):
    keys = {"pre_emphasis": 0, "normalise": False}
    whole = kept(steps, "soundgen", **keys)
    np.testing.assert_array_equal(whole, kept(steps / 7, "soundgen", **keys))
    assert whole.min() > 0.97
    assert whole.max() < 1.53
    # a quiet span of its own is not silent
    assert len(kept(steps, "soundgen", [(0.0, 0.5)], **keys)) == 23
    # the same holds under a fixed calibration, whose threshold still follows the peak
    np.testing.assert_array_equal(whole, kept(steps, "soundgen", calibration=-26, **keys))


def test_no_rule_keeps_all_but_digital_silence(steps):
    steps[6000:8000] = 0.0
    silent = prepare(steps, 8000, None, AudioSettings(silence="none")).spans[0].silent
    assert np.flatnonzero(silent).tolist() == [38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48]


def test_voice_activity_needs_its_package(steps, monkeypatch):
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(
        AudioError, match=r"webrtcvad-wheels; install it with: pip install 'voicerisk\[vad\]'"
    ):
        prepare(steps, 8000, None, AudioSettings(silence="vad"))


def test_voice_activity_needs_a_telephone_rate(steps):
    with pytest.raises(
        AudioError, match=r"works at 8000, .* but the sample rate is 11025 Hz; set resample_hz"
    ):
        prepare(steps, 11025, None, AudioSettings(silence="vad"))


def test_a_frame_is_speech_when_half_of_its_parts_are(steps, monkeypatch):
    """A detector that calls loud parts speech stands in for the real one, part by part."""
    asked = []

    class Detector:
        def __init__(self, aggressiveness):
            asked.append(aggressiveness)

        def is_speech(self, content, rate):
            part = np.frombuffer(content, dtype="<i2")
            assert (len(part), rate) == (80, 8000)
            return bool(np.abs(part).mean() > 1000)

    monkeypatch.setitem(sys.modules, "webrtcvad", types.SimpleNamespace(Vad=Detector))
    rule = SilenceRule("vad", 3)
    call = prepare(steps, 8000, [(0.9, 1.2), (1.3, 1.6)], AudioSettings(silence=rule))
    assert asked == [3, 3]
    first = call.spans[0]
    # speech begins 800 samples into the span: frames from sample 640 on hold two or more loud parts of four
    np.testing.assert_array_equal(first.silent, first.starts < 640)


def test_the_real_detector_tells_speech_from_silence():
    pytest.importorskip("webrtcvad", reason="the extra 'vad' is not installed")
    rng = np.random.default_rng(3)
    t = np.arange(8000) / 8000
    vowel = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 20)) * (
        1 + 0.3 * np.sin(2 * np.pi * 4 * t)
    )
    sound = np.concatenate([1e-4 * rng.standard_normal(8000), 0.1 * vowel, 1e-4 * rng.standard_normal(8000)])
    span = prepare(sound, 8000, None, AudioSettings(silence="vad")).spans[0]
    inside = (span.time_s > 1.1) & (span.time_s < 1.9)
    assert (~span.silent[inside]).mean() > 0.8
    assert span.silent[span.time_s < 0.95].mean() > 0.8
