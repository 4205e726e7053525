"""Tables of a person's own markers: silent rows go, rows stand in their span, ids and names are checked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.biomarkers import BiomarkerSettings, preset_audio
from voicerisk.cohort import Cohort, CohortSettings, load_cohort
from voicerisk.errors import StudyError
from voicerisk.study.extraction.calls import channel_of_calls, extract_calls, read_marker_table
from voicerisk.study.extraction.files import extract_files
from voicerisk.study.extraction.marker_table import read_markers

SPANS = ((0.5, 1.5), (2.0, 2.5))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    rows = []
    for n in range(1, 6):
        call = f"{n:03d}"
        soundfile.write(tmp_path / f"{call}.wav", np.zeros(24_000), 8000)
        (tmp_path / f"{call}.txt").write_text("".join(f"{a}\t{b}\tcaller\n" for a, b in SPANS))
        rows.append(
            (call, f"p{n}", "F" if n % 2 else "M", f"{call}.wav", n % 2 if n < 5 else "", f"{call}.txt")
        )
    table = pd.DataFrame(rows, columns=["call_id", "caller_id", "sex", "file", "outcome", "labels"])
    table.to_csv(tmp_path / "calls.csv", index=False)
    return load_cohort(CohortSettings(calls="calls.csv"), tmp_path)


def frames(calls: tuple[str, ...] = ("001", "002", "003", "004")) -> pd.DataFrame:
    """Six frames a call, 0.1 s apart from the start of each span; marker a is the number of the row."""
    rows = [
        (call, segment, frame, start + 0.1 * frame)
        for call in calls
        for segment, (start, _) in enumerate(SPANS)
        for frame in range(3)
    ]
    table = pd.DataFrame(rows, columns=["call_id", "segment", "frame", "time_s"])
    return table.assign(a=np.arange(len(table)) * 0.5, b=np.linspace(-1, 1, len(table)))


def read(cohort: Cohort, table: pd.DataFrame, folder: Path, name: str = "frames.csv", **options: object):
    if name.endswith("parquet"):
        table.to_parquet(folder / name)
    else:
        table.to_csv(folder / name, index=False, **options)
    return read_marker_table(folder / name, cohort)


def test_rows_and_segments_are_those_of_the_table(cohort, tmp_path):
    found = read(cohort, frames(), tmp_path)
    assert found.markers == ("a", "b") and len(found.frames) == 24
    first = found.segments.iloc[0]
    assert (first["call_id"], first["segment"], first["start_s"], first["n_frames"], first["a"]) == (
        "001", 0, 0.5, 3, 0.5,
    )  # fmt: skip


@pytest.mark.parametrize("words", [(True, False), ("TRUE", "FALSE"), ("1", "0"), ("wahr", "falsch")])
def test_silent_rows_are_left_out_and_counted(cohort, tmp_path, words):
    table = frames()
    silent = table["frame"] == 0
    table.loc[silent, ["a", "b"]] = np.nan
    found = read(cohort, table.assign(silent=np.where(silent, *words)), tmp_path)
    assert len(found.frames) == 16 and found.frames["a"].notna().all()
    assert found.counts.iloc[-1].tolist() == ["silence", "frame", "silent", 8, 16]
    assert found.segments["n_silent"].tolist() == [1] * 8 and found.segments["n_frames"].tolist() == [2] * 8


@pytest.mark.parametrize("times", [True, False])
def test_segments_that_count_from_one_stand_in_the_right_span(cohort, tmp_path, times):
    table = frames().assign(segment=lambda t: t["segment"] + 1)
    found = read(cohort, table if times else table.drop(columns="time_s"), tmp_path)
    expected = read(cohort, frames(), tmp_path)
    columns = ["call_id", "segment", "start_s", "end_s", "a"]
    pd.testing.assert_frame_equal(found.segments[columns], expected.segments[columns])
    assert any("count from 1" in note for note in found.notes)


def test_times_tell_where_segments_count_from_when_numbers_do_not(cohort, tmp_path):
    last = frames().query("segment == 1")
    found = read(cohort, last, tmp_path)
    assert found.segments["start_s"].tolist() == [2.0] * 4
    found = read(cohort, frames().query("segment == 0").assign(segment=1), tmp_path)
    assert found.segments["start_s"].tolist() == [0.5] * 4
    with pytest.raises(StudyError, match="nothing tells whether segments count from 0 or from 1; add time_s"):
        read(cohort, last.drop(columns="time_s"), tmp_path)


def test_rows_without_segment_are_placed_by_time_and_gaps_counted(cohort, tmp_path):
    table = frames().drop(columns=["segment", "frame"])
    between = pd.DataFrame({"call_id": "001", "time_s": [0.0, 1.7, 2.9], "a": 7.0, "b": 7.0})
    found = read(cohort, pd.concat([between, table]), tmp_path)
    assert found.counts.iloc[-1].tolist() == ["own markers", "frame", "outside the labelled spans", 3, 24]
    assert found.frames["segment"].tolist() == frames()["segment"].tolist()


def test_ids_from_a_spreadsheet_are_named_in_both_spellings(cohort, tmp_path):
    table = frames().assign(call_id=lambda t: t["call_id"].astype(int))
    with pytest.raises(
        StudyError, match=r"4 of 4 call ids are spelled otherwise .*: '1' for '001', '2' for '002'"
    ):
        read(cohort, table, tmp_path)
    with pytest.raises(StudyError, match=r"1 of 4 call ids are spelled otherwise .*: '4' for '004'"):
        read(cohort, frames(("001", "002", "003", "4")), tmp_path)
    with pytest.raises(StudyError, match=r"'005' for '005.wav'|'005.wav' for '005'"):
        read(cohort, frames(("001", "005.wav")), tmp_path)
    with pytest.raises(StudyError, match="none of its 1 call ids is in the table of calls; it has 'x'"):
        read(cohort, frames(("x",)), tmp_path)


def test_rows_of_calls_that_were_left_out_are_no_mistake_and_unknown_ones_are_told(cohort, tmp_path):
    found = read(cohort, frames(("001", "002", "003", "004", "005")), tmp_path)
    assert found.counts.iloc[0].tolist() == ["own markers", "frame", "call not in the cohort", 6, 24]
    assert found.notes == ()
    found = read(cohort, frames(("001", "002", "003", "004", "q9")), tmp_path)
    assert "1 call id(s) of frames.csv are not in the table of calls" in found.notes[0]


def put(column: str, row: int, value: object):
    def change(table: pd.DataFrame) -> pd.DataFrame:
        cells = table[column].astype(object)
        cells[row] = value
        return table.assign(**{column: cells})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("segment", 4, ""), r"segment must be a whole number in every row \(row 6: ''\)"),
        (put("segment", 4, "one"), r"'segment' holds text where numbers belong \(row 6: 'one'\)"),
        (put("segment", 4, 0.5), r"segment must be a whole number in every row \(row 6: '0.5'\)"),
        (put("segment", 4, -1), r"segment must be a whole number in every row \(row 6: '-1'\)"),
        (put("segment", 0, 7), "call '001' has a segment 7, but 2 labelled span"),
        (put("frame", 1, 0), "row 3: call 001, segment 0, frame 0 is there twice"),
        (put("time_s", 0, "0:05"), r"'time_s' holds text where numbers belong \(row 2: '0:05'\)"),
        (put("time_s", 5, 2.9), "segment 1 has a row at 2.9 s, outside the labelled span"),
        (put("a", 3, "loud"), r"'a' holds text where numbers belong \(row 5: 'loud'\)"),
        (put("a", 3, "inf"), r"'a' holds text where numbers belong \(row 5: 'inf'\)"),
        (put("call_id", 3, ""), r"call_id is empty \(row 5: ''\)"),
        (lambda t: t.assign(silent="maybe"), "silent must be true or false in every row"),
        (lambda t: t.assign(X=range(1, 25)), r"the column 'X' counts the rows \(1, 2, 3 \.\.\.\)"),
        (lambda t: t.assign(sex="f"), "a marker cannot be called sex"),
        (lambda t: t.drop(columns=["a", "b"]), "has no column of markers"),
        (lambda t: t.drop(columns=["segment", "time_s"]), "neither a column segment nor time_s"),
        (lambda t: t.drop(columns="segment").pipe(put("time_s", 2, "")), "row 4: time_s is missing"),
        (lambda t: t.rename(columns={"call_id": "id"}), "there is no column 'call_id'"),
    ],
)
def test_what_would_be_read_wrong_is_refused(cohort, tmp_path, change, message):
    with pytest.raises(StudyError, match=message):
        read(cohort, change(frames()), tmp_path)


@pytest.mark.parametrize("name", ["f.csv", "f.CSV", "f.parquet"])
def test_every_kind_of_file_gives_the_same_numbers(cohort, tmp_path, name):
    found = read(cohort, frames(), tmp_path, name)
    pd.testing.assert_frame_equal(found.frames, read(cohort, frames(), tmp_path).frames)


def test_semicolons_with_decimal_commas_and_errors_of_excel(cohort, tmp_path):
    table = frames()
    text = table.to_csv(index=False, sep=";", decimal=",").replace("002;0;0;0,5;3,0;", "002;0;0;0,5;#DIV/0!;")
    (tmp_path / "f.csv").write_bytes(text.encode("utf-16"))
    found = read_marker_table(tmp_path / "f.csv", cohort)
    np.testing.assert_array_equal(found.frames["a"], table["a"].mask(table.index == 6))
    assert "1 cell(s) of the column 'a' of f.csv hold an error of Excel's" in found.notes[0]


@pytest.mark.parametrize("segments", [True, False])
def test_times_in_milliseconds_are_refused(cohort, tmp_path, segments):
    table = frames().assign(time_s=lambda t: t["time_s"] * 1000)
    table = table if segments else table.drop(columns=["segment", "frame"])
    with pytest.raises(StudyError, match=r"time_s of call '001' goes to 2200, but its recording lasts 3 s"):
        read(cohort, table, tmp_path)


def test_segments_of_one_s_own_stay_where_the_whole_file_is_one_span(tmp_path, cohort):
    table = pd.read_csv(tmp_path / "calls.csv", dtype=str).drop(columns="labels")
    table.to_csv(tmp_path / "calls.csv", index=False)
    whole = load_cohort(CohortSettings(calls="calls.csv"), tmp_path)
    found = read(whole, frames().assign(segment=lambda t: t["segment"] + 1), tmp_path)
    assert found.segments["segment"].tolist() == [1, 2] * 4
    assert found.segments["start_s"].tolist() == [0.5, 2.0] * 4


def test_the_channel_of_the_recordings_is_still_looked_at(cohort):
    from voicerisk.audio import AudioSettings

    table = channel_of_calls(cohort, AudioSettings())
    assert table["call_id"].tolist() == ["001", "002", "003", "004"] and len(table.columns) > 5


def test_a_model_takes_its_markers_and_leaves_other_columns(tmp_path):
    frames().assign(words="a b").to_csv(tmp_path / "f.csv", index=False)
    assert read_markers(tmp_path / "f.csv", ["b"]).markers == ("b",)
    with pytest.raises(StudyError, match="has no column c, a marker of the model"):
        read_markers(tmp_path / "f.csv", ["c"])


@pytest.mark.parametrize("name", ["frames.csv", "frames.parquet"])
def test_what_extract_writes_is_what_a_run_computes(tmp_path, cohort, name):
    rng = np.random.default_rng(1)
    for path in cohort.calls["path"]:
        sound = rng.normal(size=24_000) * (np.sin(np.arange(24_000) / 900) > 0) * 0.2
        soundfile.write(path, sound, 8000, subtype="PCM_16")
    markers = ("rms_db", "entropy")
    expected = extract_calls(
        cohort, preset_audio("published"), BiomarkerSettings(set=markers), tmp_path / "c"
    )
    table = pd.read_csv(tmp_path / "calls.csv", dtype=str).head(4)
    table.to_csv(tmp_path / "used.csv", index=False)
    extract_files(tmp_path / "used.csv", tmp_path / name, markers, labels=["call*"])
    found = read_marker_table(tmp_path / name, cohort)
    pd.testing.assert_frame_equal(found.frames, expected.frames, check_dtype=False, check_exact=True)
    columns = ["call_id", "segment", "start_s", "end_s", "label", "n_frames", "n_silent", *markers]
    pd.testing.assert_frame_equal(found.segments[columns], expected.segments[columns], check_dtype=False)
    assert found.segments["n_silent"].sum() > 0
