"""A stream gives what the whole recording gives, whatever the blocks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import Stream, extract, select_markers, stream_audio, streamable
from voicerisk.errors import BiomarkerError


def streamed(samples, rate, cuts, **kwargs):
    stream = Stream(rate, **kwargs)
    parts = [stream.feed(block) for block in np.split(samples, cuts)] + [stream.close()]
    return pd.concat(parts, ignore_index=True)


def assert_equal(left, right):
    assert list(left.columns) == list(right.columns)
    assert len(left) == len(right)
    for name in left:
        np.testing.assert_allclose(
            left[name].to_numpy(float), right[name].to_numpy(float), rtol=1e-9, atol=1e-9, err_msg=name
        )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_stream_equals_batch_whatever_the_blocks(espeak, data):
    samples, rate = espeak
    first = data.draw(st.integers(0, len(samples) - 1))
    length = data.draw(st.integers(0, 20000))
    piece = samples[first : first + length] * 0.3
    if not len(piece):
        piece = samples[:1]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(piece)), max_size=30)))
    assert_equal(
        streamed(piece, rate, cuts), extract(piece, rate, markers=streamable(), audio=stream_audio())
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_marker_is_known_after_its_own_look_ahead(espeak, data):
    # alone, so that no other marker's look-ahead lends it time
    samples, rate = espeak
    name = data.draw(st.sampled_from(streamable()))
    first = data.draw(st.integers(0, 15000))
    piece = samples[first : first + data.draw(st.integers(400, 25000))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(piece)), max_size=40)))
    ours = streamed(piece, rate, cuts, markers=[name])
    assert_equal(ours, extract(piece, rate, markers=[name], audio=stream_audio()))


@pytest.mark.parametrize("rate", [11025, 16000, 44100])
def test_stream_equals_batch_at_other_rates(rate):
    rng = np.random.default_rng(rate)
    t = np.arange(2 * rate) / rate
    voice = sum(np.sin(2 * np.pi * 140 * k * t + k) / k for k in range(1, 20)) * (np.sin(8 * t) > -0.3)
    sound = 0.1 * voice + 1e-3 * rng.standard_normal(len(t))
    cuts = np.sort(rng.integers(0, len(sound), 9))
    assert_equal(
        streamed(sound, rate, cuts), extract(sound, rate, markers=streamable(), audio=stream_audio())
    )


def test_memory_of_a_stream_does_not_grow():
    rng = np.random.default_rng(1)
    stream = Stream(8000)
    held = []
    for _ in range(40):
        stream.feed(0.05 * rng.standard_normal(4000))
        arrays = [stream._recorded, stream._signal, stream._sound, *stream._rows.values()]
        held.append(sum(array.nbytes for array in arrays))
    assert max(held[10:]) == max(held[10:20])
    assert max(held) < 1e6


def test_rows_come_no_later_than_the_look_ahead_and_a_step():
    stream = Stream(8000, ["rms_db", "entropy"])
    assert stream.look_ahead_s == 0
    got = 0
    for k in range(1, 200):
        got += len(stream.feed(np.full(160, 0.1) * np.cos(np.arange(160))))
        heard = (k * 160 - 320) // 160 + 1
        assert got >= heard - 26  # a step of 25 frames, and the sample that tells the last frame
    assert Stream(8000, ["dom"]).look_ahead_s == pytest.approx(0.04)
    assert Stream(8000, ["pitch"]).look_ahead_s == pytest.approx(0.5)
    assert Stream(8000, ["roughness"]).look_ahead_s == pytest.approx(0.16)
    assert Stream(8000, ["fmDep"]).look_ahead_s == pytest.approx(1.28)


def test_what_cannot_be_streamed_says_why():
    outside = set(select_markers("all")) - set(streamable())
    assert outside == {"flux"}
    assert set(select_markers("named")) <= set(streamable())
    with pytest.raises(BiomarkerError, match="'flux' cannot be streamed"):
        Stream(8000, "all")
    with pytest.raises(BiomarkerError, match="fixed calibration"):
        Stream(8000, audio=AudioSettings())
    with pytest.raises(BiomarkerError, match="cannot tell silence by the rule 'soundgen'"):
        Stream(8000, audio=AudioSettings(calibration=-26.0, normalise=False))
    with pytest.raises(BiomarkerError, match="sample rate of 4000 Hz"):
        Stream(4000)


def test_bad_blocks_are_refused():
    stream = Stream(8000, ["rms_db"])
    with pytest.raises(BiomarkerError, match="nan at sample 2"):
        stream.feed([0.0, 0.1, np.nan])
    with pytest.raises(BiomarkerError, match="vector of floats"):
        stream.feed(np.zeros((2, 2)))
    with pytest.raises(BiomarkerError, match="vector of floats"):
        stream.feed(np.zeros(4, np.int16))
    assert len(stream.close()) == 0
    with pytest.raises(BiomarkerError, match="closed"):
        stream.feed(np.zeros(4))
    with pytest.raises(BiomarkerError, match="closed already"):
        stream.close()
