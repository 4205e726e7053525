"""Tables of markers: columns, spans, switches, settings, bad input."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from voicerisk.audio.settings import AudioSettings
from voicerisk.biomarkers import (
    BiomarkerSettings,
    catalogue,
    catalogue_markdown,
    extract,
    extract_call,
    keep_frames,
    missing_counts,
    select_markers,
    summarise_segments,
)
from voicerisk.errors import AudioError, BiomarkerError

NAMED = (
    "rms_db", "dom", "entropy", "f1_freq", "f1_width", "f2_freq", "f2_width", "f3_freq", "loudness",
    "quartile50", "roughness", "specSlope",
)  # fmt: skip
HEAD = ["segment", "frame", "time_s", "silent"]


def test_named_set_is_the_papers_table_1():
    assert set(select_markers("named")) == set(NAMED)
    assert set(select_markers("named", "soundgen-2.5.1")) == set(NAMED) - {"rms_db"} | {"ampl"}


def test_catalogue_is_complete():
    table = catalogue()
    assert not table["name"].duplicated().any()
    assert len(select_markers("all")) == len(select_markers("all", "soundgen-2.5.1")) == 36
    for column in (
        "label",
        "description",
        "definition",
        "soundgen_name",
        "missing_when",
        "source",
        "version",
    ):
        assert (table[column].str.len() > 0).all(), column
    assert (table["minimum"] < table["maximum"]).all()
    assert table["tier"].isin([1, 2, 3, 4]).all()
    assert (table["context_ms"] >= 40).all()


def test_columns_come_in_catalogue_order_whatever_was_asked(espeak):
    samples, rate = espeak
    table = extract(samples, rate, markers=["quartile50", "dom", "rms_db"])
    assert list(table.columns) == [*HEAD, "rms_db", "dom", "quartile50"]
    assert (
        table["segment"].dtype == np.int32
        and table["frame"].dtype == np.int32
        and table["silent"].dtype == bool
    )
    empty = extract(samples[:100], rate, markers=["quartile50", "dom", "rms_db"])
    assert list(empty.columns) == list(table.columns) and len(empty) == 0
    assert (empty.dtypes == table.dtypes).all()


@pytest.mark.parametrize("preset", ["published", "soundgen-2.5.1"])
def test_a_marker_does_not_depend_on_which_others_are_taken(espeak, preset):
    samples, rate = espeak
    names = select_markers("named", preset)
    together = extract(samples, rate, preset, markers=names)
    for name in names:
        alone = extract(samples, rate, preset, markers=[name])
        pd.testing.assert_series_equal(alone[name], together[name], check_exact=True)


def test_frames_start_anew_in_each_span(espeak):
    samples, rate = espeak
    audio = AudioSettings(extent="segment")
    spans = [(0.5, 1.25), (1.3, 2.9)]
    table = extract(samples, rate, spans=spans, markers="named", audio=audio)
    for k, (start, end) in enumerate(spans):
        part = table[table["segment"] == k].reset_index(drop=True)
        alone = extract(samples[round(start * rate) : round(end * rate)], rate, markers="named", audio=audio)
        assert part["frame"].tolist() == list(range(len(alone)))
        np.testing.assert_allclose(part["time_s"], alone["time_s"] + start, atol=1e-9)
        pd.testing.assert_frame_equal(part[list(NAMED)], alone[list(NAMED)], check_exact=True)


def test_sound_outside_the_spans_changes_nothing(espeak):
    samples, rate = espeak
    spans = [(0.5, 1.25), (1.5, 2.9)]
    loud = samples.copy()
    loud[: rate // 2] = 0.9 * np.sign(samples[: rate // 2] + 1e-9)
    pd.testing.assert_frame_equal(
        extract(samples, rate, spans=spans, markers="named"),
        extract(loud, rate, spans=spans, markers="named"),
        check_exact=True,
    )


def test_rms_db_is_ampl_in_decibels(espeak):
    samples, rate = espeak
    plain = AudioSettings(extent="file", pre_emphasis=0.0, normalise=False)
    decibels = extract(samples, rate, markers=["rms_db"], audio=plain)["rms_db"]
    linear = extract(samples, rate, "soundgen-2.5.1", markers=["ampl"])["ampl"]
    np.testing.assert_allclose(decibels, 20 * np.log10(np.maximum(linear, 1e-6)), rtol=1e-12)


def test_markers_are_missing_on_silence_and_dom_on_noise():
    rng = np.random.default_rng(1)
    noise = 0.1 * rng.standard_normal(8000)
    noise[4000:] *= 1e-4
    table = extract(noise, 8000, markers="named", audio=AudioSettings(pcm16=False))
    silent = table["silent"]
    assert 20 < silent.sum() < 30
    assert table.loc[silent, [n for n in NAMED if n != "rms_db"]].isna().all(axis=None)
    assert table["rms_db"].notna().all()
    assert (table.loc[~silent, "entropy"] > 0.6).all()
    assert table["dom"].isna().all()
    assert table.loc[~silent, "quartile50"].notna().all()


def test_digital_silence_is_missing_not_zero():
    table = extract(np.zeros(8000), 8000, markers="named")
    assert table["silent"].all()
    assert table.drop(columns=[*HEAD, "rms_db"]).isna().all(axis=None)
    assert (table["rms_db"] == -120).all()


def test_call_frames_and_counts(espeak):
    samples, rate = espeak
    recording = type("Recording", (), {"samples": samples, "sample_rate": rate})
    call = extract_call(recording, [(0.5, 2.0)], AudioSettings(), BiomarkerSettings())
    pd.testing.assert_frame_equal(call.frames, extract(samples, rate, spans=[(0.5, 2.0)], markers="named"))
    silent = call.counts.loc[call.counts["step"] == "silence"].iloc[0]
    assert silent["n"] == call.frames["silent"].sum()
    assert silent["remaining"] == (~call.frames["silent"]).sum()


def test_segment_means_are_over_available_frames():
    frames = pd.DataFrame(
        {
            "call_id": ["a", "a", "a", "b", "b"],
            "segment": [0, 0, 1, 0, 0],
            "silent": [False, False, True, False, False],
            "dom": [100.0, np.nan, 5.0, 200.0, 300.0],
        }
    )
    spans = pd.DataFrame(
        {
            "call_id": ["b", "a", "a"], "caller_id": ["y", "x", "x"], "segment": [0, 0, 1],
            "start_s": [0.0, 0.0, 2.0], "end_s": [1.0, 1.0, 3.0], "label": ["", "cries", ""],
        }
    )  # fmt: skip
    table = summarise_segments(frames, spans)
    expected = spans.assign(
        n_frames=[2, 2, 0], n_silent=[0, 0, 1], dom=[250.0, 100.0, np.nan], dom_n_available=[2, 1, 0]
    )
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    shuffled = summarise_segments(frames.sample(frac=1, random_state=1), spans)
    pd.testing.assert_frame_equal(shuffled, table)
    with pytest.raises(BiomarkerError, match=r"call_id b, segment 0, which is not among the spans"):
        summarise_segments(frames, spans.iloc[1:])
    with pytest.raises(BiomarkerError, match="twice"):
        summarise_segments(frames, pd.concat([spans, spans]))


def test_missing_values_are_counted_by_group():
    frames = pd.DataFrame(
        {
            "sex": ["female", "female", "male", "male"],
            "outcome": [0, 0, 1, 1],
            "dom": [np.nan, 100.0, np.nan, np.nan],
            "pitch": [1.0, 1.0, 1.0, 1.0],
            "silent": [False, False, False, True],
        }
    )
    table = missing_counts(frames, by=["sex", "outcome"])
    assert table.columns.tolist() == ["marker", "sex", "outcome", "n_frames", "n_missing", "share_missing"]
    dom = table[table["marker"] == "dom"].set_index("sex")
    assert dom.loc["female", "n_missing"] == 1 and dom.loc["female", "n_frames"] == 2
    assert dom.loc["male", "n_missing"] == 1 and dom.loc["male", "share_missing"] == 1.0
    assert missing_counts(frames)["n_missing"].tolist() == [2, 0]
    with pytest.raises(BiomarkerError, match="'service'"):
        missing_counts(frames, by=["service"])


def test_rules_for_missing_values():
    frames = pd.DataFrame({name: [1.0, 1.0, 1.0, 1.0] for name in (*NAMED, "pitch", "subRatio")})
    frames["silent"] = [False, False, False, True]
    frames.loc[0, "dom"] = np.nan
    frames.loc[1, "pitch"] = np.nan
    frames.loc[2, "subRatio"] = np.nan
    assert keep_frames(frames).tolist() == [True, True, True, False]
    assert keep_frames(frames, "named").tolist() == [False, True, True, False]
    assert keep_frames(frames, "complete").tolist() == [False, False, True, False]
    with pytest.raises(BiomarkerError, match="no column 'dom'"):
        keep_frames(frames.drop(columns="dom"), "named")
    with pytest.raises(BiomarkerError, match="'fill'"):
        keep_frames(frames, "fill")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "soundgen"}, r"preset = 'soundgen' is not known; did you mean 'soundgen-2.5.1'"),
        ({"set": "most"}, r"set = 'most' is not known"),
        ({"set": ["loudnes"]}, r"'loudnes' is no marker of the preset 'published'; did you mean 'loudness'"),
        ({"set": ["ampl"]}, r"its level marker is 'rms_db'"),
        ({"set": ["dom", "dom"]}, r"names 'dom' twice"),
        ({"set": []}, r"names no marker"),
        ({"set": 3}, r"set = 3 must be"),
        ({"levels": "call"}, r"levels = 'call' is not one of frame, segment, both"),
        ({"missing": "fill"}, r"missing = 'fill' is not one of masked, named, complete"),
        ({"frames": ""}, r"frames = '' must be the path of a table"),
    ],
)
def test_settings_say_what_is_wrong(settings, message):
    with pytest.raises(BiomarkerError, match=message):
        BiomarkerSettings(**settings)


def test_settings_take_lists_and_keep_tuples():
    settings = BiomarkerSettings(set=["pitch", "dom"])
    assert settings.set == ("pitch", "dom")
    assert settings.markers == ("dom", "pitch")
    assert hash(settings) == hash(BiomarkerSettings(set=("pitch", "dom")))


def test_unusable_signals_are_refused():
    with pytest.raises(BiomarkerError, match="sample rate of 4000 Hz"):
        extract(np.zeros(4000), 4000)
    with pytest.raises(BiomarkerError, match="type int8"):
        extract(np.zeros(8000, np.int8), 8000)
    with pytest.raises(AudioError, match="NaN or infinite"):
        extract(np.array([0.0, np.nan] * 4000), 8000)
    with pytest.raises(AudioError, match="outside the recording"):
        extract(np.ones(8000), 8000, spans=[(0.5, 1.5)])


def test_integers_have_their_own_full_scale(espeak):
    samples, rate = espeak
    as_int = np.rint(samples * 32768).astype(np.int16)
    pd.testing.assert_frame_equal(
        extract(as_int, rate, markers="named"), extract(samples, rate, markers="named"), check_exact=True
    )


def test_documentation_holds_the_catalogue():
    page = Path(__file__).parents[2] / "docs" / "biomarkers.md"
    assert page.read_text(encoding="utf-8").endswith(catalogue_markdown())
