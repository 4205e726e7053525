"""Tracks of ELAN, subtitles, diarisation and WhisperX: the right spans, with speakers as labels."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.cohort.labels import read_track
from voicerisk.errors import CohortError

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2021-05-17T08:30:00+01:00" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1500"/>
<TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2250"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="caller"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>ich &amp; du</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="counsellor"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
<ANNOTATION_VALUE>ja</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER LINGUISTIC_TYPE_REF="sub" PARENT_REF="caller" TIER_ID="gloss"><ANNOTATION>
<REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1"><ANNOTATION_VALUE>I</ANNOTATION_VALUE></REF_ANNOTATION>
</ANNOTATION></TIER></ANNOTATION_DOCUMENT>
"""
EXPORT = (
    "caller\t\t00:00:00.500\t0.5\t00:00:01.500\t1.5\t00:00:01.000\t1.0\tich & du\n"
    "counsellor\t\t00:00:01.500\t1.5\t00:00:02.250\t2.25\t00:00:00.750\t0.75\tja\n"
)
SRT = (
    "1\n00:00:00,500 --> 00:00:01,500\ncaller: ich & du\n\n"
    "2\n00:00:01,500 --> 00:00:02,250\n[counsellor]: ja\n"
)
VTT = (
    "WEBVTT\n\nNOTE by hand\n\n00:00.500 --> 00:01.500 align:start\n<v caller>ich &amp; du</v>\n\n"
    "second\n00:00:01.500 --> 00:00:02.250\n<v.loud counsellor>ja\n"
)
RTTM = (
    "SPEAKER call 1 0.500 1.000 <NA> <NA> caller <NA> <NA>\n"
    "SPEAKER call 1 1.500 0.750 <NA> <NA> counsellor <NA> <NA>\n"
)
WHISPERX = json.dumps(
    {
        "segments": [
            {"start": 0.5, "end": 1.5, "text": " ich & du", "speaker": "caller", "words": []},
            {"start": 1.5, "end": 2.25, "text": " ja", "speaker": "counsellor"},
        ],
        "language": "de",
    }
)


def track(folder, text, name="call.txt", tier=None, encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return [row[:3] for row in read_track(path, tier).rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", [EAF, EXPORT, SRT, VTT, RTTM, WHISPERX])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_format_says_who_speaks_when(tmp_path, text, encoding, end):
    if encoding == "utf-16":
        text = text.replace('encoding="UTF-8"', 'encoding="UTF-16"')
    found = track(tmp_path, text.replace("\n", end), encoding=encoding)
    assert found == [(0.5, 1.5, "caller"), (1.5, 2.25, "counsellor")]


def test_a_named_tier_of_elan_gives_its_texts(tmp_path):
    for text in (EAF, EXPORT):
        assert track(tmp_path, text, tier="caller") == [(0.5, 1.5, "ich & du")]
        with pytest.raises(
            CohortError, match=r"has no tier 'calle' with annotations; it has 'caller', 'couns"
        ):
            track(tmp_path, text, tier="calle")


def test_a_single_tier_gives_its_texts(tmp_path):
    assert track(tmp_path, EXPORT.splitlines()[0]) == [(0.5, 1.5, "ich & du")]


def test_cues_without_a_speaker_and_json_without_speakers_keep_their_words(tmp_path):
    assert track(tmp_path, SRT.replace("caller: ", ""))[0][2] == "ich & du"
    plain = {"segments": [{"start": 0, "end": 1, "text": " hello "}]}
    assert track(tmp_path, json.dumps(plain)) == [(0.0, 1.0, "hello")]


def test_hours_count(tmp_path):
    assert track(tmp_path, "1\n01:02:03,5 --> 01:02:04,25\na: b\n") == [(3723.5, 3724.25, "a")]


def test_of_many_recordings_in_one_rttm_the_one_of_its_name_is_read(tmp_path):
    both = RTTM + "SPEAKER other 1 9.0 1.0 <NA> <NA> caller <NA> <NA>\n"
    assert len(track(tmp_path, both, "call.rttm")) == 2
    with pytest.raises(
        CohortError, match=r"holds 2 recordings \(call, other\), none of the name of the file"
    ):
        track(tmp_path, both, "third.rttm")


def test_an_arrow_in_an_audacity_label_makes_no_subtitle(tmp_path):
    assert track(tmp_path, "0.5\t1.5\tcalm --> tearful\n") == [(0.5, 1.5, "calm --> tearful")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EAF.replace("</TIER>", "", 1), "is no XML that ELAN writes"),
        (EAF.replace('TIME_VALUE="500"', ""), "tier 'caller': annotation 1 has no time of its own"),
        (EAF.replace("<ANN", "<!DOCTYPE x><ANN", 1), "declares entities"),
        ("<?xml version='1.0'?><tei/>", "holds <tei>, not an ELAN file"),
        (
            EXPORT.replace("00:00:01.500\t1.5\t00:00:01.000\t", ""),
            "line 1: there are no begin and end as hh:mm:ss.ms",
        ),
        (SRT.replace("00:00:01,500\n", "soon\n", 1), "line 2: 'soon' is no time"),
        (
            SRT.replace("00:00:00,500", "00:00:09,500"),
            r"line 2: the label ends at 1\.5 s, before it starts at 9\.5 s",
        ),
        (RTTM.replace("0.500", "half"), "line 1: start and length must be numbers"),
        ("SPEAKER call 1 0.5\n", "line 1: a SPEAKER line has at least 8 fields, this one 4"),
        ('{"segments": 3}', "has no list of segments"),
        ('{"segments": [{"start": "0", "end": 1}]}', "segment 1: start and end must be numbers"),
        ('{"segments": [{"start": 0, "end": 1' + "0" * 400 + "}]}", "holds a number that is no time"),
        ('{"segments": [', "is no JSON"),
    ],
)
def test_what_is_damaged_is_named(tmp_path, text, message):
    with pytest.raises(CohortError, match=message):
        track(tmp_path, text)


HEADS = [EAF[:700], EXPORT[:60], SRT[:40], VTT[:60], RTTM[:30], WHISPERX[:70]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(HEADS), st.text(max_size=40))
def test_any_tail_is_read_or_refused_in_words(tmp_path, head, tail):
    path = tmp_path / "any.txt"
    path.write_bytes((head + tail).encode("utf-8", "surrogatepass"))
    try:
        rows = read_track(path).rows
    except CohortError as error:
        assert "any.txt" in str(error)
    else:
        assert all(end >= start >= 0 for start, end, _, _ in rows)


def test_a_study_keeps_the_speaker_it_names(study):
    study.write("001.txt", RTTM.replace("call ", "001 "))
    study.write("002.txt", EAF)
    cohort = study.load(labels=["caller"])
    spans = cohort.spans[cohort.spans["call_id"].isin(["001", "002"])]
    assert spans[["start_s", "end_s"]].to_numpy().tolist() == [[0.5, 1.5], [0.5, 1.5]]


def test_spans_that_overlap_by_the_rounding_of_their_format_touch(study):
    study.write("001.txt", RTTM.replace("1.500 0.750", "1.499 0.750"))
    spans = study.load().spans.query("call_id == '001'")
    assert spans[["start_s", "end_s"]].to_numpy().tolist() == [[0.5, 1.5], [1.5, 2.249]]
    study.write("001.txt", "0.5\t1.500000\ta\n1.499999\t2\tb\n")
    spans = study.load().spans.query("call_id == '001'")
    assert spans[["start_s", "end_s"]].to_numpy().tolist() == [[0.5, 1.5], [1.5, 2.0]]
    study.write("001.txt", RTTM.replace("1.500 0.750", "1.490 0.750"))
    with pytest.raises(CohortError, match="overlap"):
        study.load()
