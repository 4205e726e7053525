"""Frames lie where their times say, and every marker answers to shift and gain as its definition says."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import catalogue, extract, select_markers

few = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FIXED = AudioSettings(
    extent="segment", calibration=-26.0, normalise=False, pre_emphasis=0.0, silence="none", pcm16=False
)


@pytest.mark.parametrize("rate", [8000, 11025, 16000])
@given(at=st.floats(0.05, 1.9), begin=st.floats(0.0, 0.04))
@settings(max_examples=10, deadline=None)
def test_a_click_is_heard_in_the_frames_that_hold_it(rate, at, begin):
    place = round(at * rate)
    sound = np.zeros(2 * rate)
    sound[place] = 0.5
    table = extract(sound, rate, markers=["rms_db"], audio=FIXED, spans=[(begin, 2.0)])
    first = round(begin * rate)
    hop = int(0.02 * rate)
    starts = first + np.arange(len(table)) * hop
    np.testing.assert_allclose(table["time_s"], (starts + hop) / rate, rtol=0, atol=1e-12)
    holds = (starts <= place) & (place < starts + 2 * hop)
    np.testing.assert_array_equal(table["rms_db"] > -119, holds)
    # by its time alone: a frame holds what lies less than 20 ms from its middle
    # (in whole samples, since a click on an edge is as far as rounding says)
    middle = np.rint(table["time_s"] * rate)
    np.testing.assert_array_equal(np.abs(middle - place) < hop, holds & (place != starts))


@few
@given(hops=st.integers(1, 90))
def test_markers_do_not_know_how_long_the_span_before_them_was(espeak, hops):
    samples, rate = espeak
    whole = extract(samples, rate, spans=[(0.0, 5.0)], audio=FIXED)
    part = extract(samples, rate, spans=[(hops * 160 / rate, 5.0)], audio=FIXED)
    rows = catalogue().set_index("name")
    # The path of the pitch begins anew with the span, and chunks are counted from its start.
    by_start = {"roughness", "amMsFreq", "amMsPurity", "flux"}
    for name in select_markers("all"):
        if (
            name in by_start
            or rows.loc[name, "tier"] == 3
            or name in ("HNR", "voiced", "fmFreq", "fmPurity", "fmDep")
        ):
            continue
        margin = math.ceil(rows.loc[name, "context_ms"] / 20)
        np.testing.assert_allclose(
            whole[name].to_numpy()[hops + margin : -margin],
            part[name].to_numpy()[margin:-margin],
            rtol=1e-9,
            atol=1e-9,
            err_msg=name,
        )


@pytest.mark.parametrize("chunks", [1, 3])
def test_markers_of_chunks_move_with_whole_chunks(espeak, chunks):
    # 20 chunks of 912 samples are 114 hops
    samples, rate = espeak
    sound = np.concatenate([samples, samples, samples])
    hops = 114 * chunks
    whole = extract(
        sound, rate, spans=[(0.0, 14.9)], audio=FIXED, markers=["roughness", "amMsFreq", "amMsPurity"]
    )
    part = extract(
        sound,
        rate,
        spans=[(hops * 160 / rate, 14.9)],
        audio=FIXED,
        markers=["roughness", "amMsFreq", "amMsPurity"],
    )
    for name in ("roughness", "amMsFreq", "amMsPurity"):
        np.testing.assert_allclose(
            whole[name].to_numpy()[hops + 12 :],
            part[name].to_numpy()[12:],
            rtol=1e-9,
            atol=1e-9,
            err_msg=name,
        )


@few
@given(exponent=st.integers(-3, 2))
def test_gain_under_a_fixed_calibration_moves_level_and_loudness_alone(espeak, exponent):
    samples, rate = espeak
    piece = samples[4000:20000]
    plain = extract(piece, rate, audio=FIXED, mask=False)
    scaled = extract(piece * 2.0**exponent, rate, audio=FIXED, mask=False)
    np.testing.assert_allclose(scaled["rms_db"] - plain["rms_db"], 20 * np.log10(2.0**exponent), atol=1e-9)
    grows = (scaled["loudness"] - plain["loudness"]) * np.sign(exponent)
    assert (grows.dropna() >= 0).all()
    # The tracker's level below which nothing is voiced is absolute here. So pitch and what depends on it,
    # flux among it, may come and go with gain; all others stay.
    depend_on_pitch = {
        "HNR",
        "voiced",
        "pitch",
        "CPP",
        "harmEnergy",
        "harmHeight",
        "subDep",
        "subRatio",
        "flux",
    }
    depend_on_pitch |= {"fmFreq", "fmPurity", "fmDep"}
    for name in set(select_markers("all")) - {"rms_db", "loudness"} - depend_on_pitch:
        np.testing.assert_allclose(scaled[name], plain[name], rtol=1e-9, atol=1e-9, err_msg=name)
    both = plain["pitch"].notna() & scaled["pitch"].notna()
    assert both.any()
    np.testing.assert_allclose(scaled["pitch"][both], plain["pitch"][both], rtol=0.2)
