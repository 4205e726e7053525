"""calls.csv as people save it."""

import csv

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.cohort.calls_table import read_calls, typed, with_rows
from voicerisk.errors import CohortError


def write(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "calls.csv"
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


HEAD = "call_id,caller_id,sex,file"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_delimiters_and_line_ends(tmp_path, encoding, delimiter, end):
    text = delimiter.join(HEAD.split(",")) + end + delimiter.join(["001", "Zoë", "F", "a.wav"]) + end
    table = with_rows(read_calls(write(tmp_path, text, encoding)))
    assert table.iloc[0].tolist() == ["001", "Zoë", "F", "a.wav", 2]


def test_rows_are_numbered_as_in_a_spreadsheet(tmp_path):
    text = HEAD + ',note\n1,a,F,x.wav,"two\nlines"\n\n,,,,\n2,b,F,y.wav,\n'
    table = with_rows(read_calls(write(tmp_path, text)))
    assert table["row"].tolist() == [2, 5]
    assert table["note"].tolist() == ["two\nlines", ""]


def test_blanks_around_cells_go_since_they_would_make_two_callers_of_one(tmp_path):
    table = with_rows(read_calls(write(tmp_path, " call_id , caller_id,sex,file\n1, a ,F,x\n2,a,F,y\n")))
    assert table["caller_id"].tolist() == ["a", "a"]


def test_types_follow_the_cells(tmp_path):
    text = (
        HEAD
        + ",n,x,code,gap,mixed,none,big\n"
        + "001,7,F,1.wav,1,1e-3,007,NA,1,,12345678901234567890\n"
        + ("002,8,F,2.wav,-2,.5,1,3,x,,1\n")
    )
    table = typed(read_calls(write(tmp_path, text)))
    assert table["call_id"].tolist() == ["001", "002"] and table["caller_id"].tolist() == ["7", "8"]
    assert table["n"].dtype == np.int64 and table["n"].tolist() == [1, -2]
    assert table["x"].tolist() == [1e-3, 0.5]
    assert table["code"].tolist() == ["007", "1"]
    assert np.isnan(table["gap"].iloc[0]) and table["gap"].iloc[1] == 3.0
    assert table["mixed"].tolist() == ["1", "x"]
    assert table["none"].dtype == np.float64 and table["none"].isna().all()
    assert table["big"].dtype == np.float64


def test_decimal_commas_of_semicolon_files(tmp_path):
    text = HEAD.replace(",", ";") + ";age;text\n1;a;F;x,1.wav;34,5;a,b\n2;b;F;y.wav;40;1\n"
    table = typed(read_calls(write(tmp_path, text)))
    assert table["age"].tolist() == [34.5, 40.0]
    assert table["file"].iloc[0] == "x,1.wav" and table["text"].iloc[0] == "a,b"


def test_empty_columns_at_the_right_are_dropped(tmp_path):
    table = with_rows(read_calls(write(tmp_path, HEAD + ",,\n1,a,F,x.wav,,\n")))
    assert list(table.columns) == ["call_id", "caller_id", "sex", "file", "row"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "calls.csv is empty"),
        (HEAD + "\n", "has a header but no rows"),
        (
            "call_id,caller_id,file\n",
            r"row 1: there is no column 'sex' \(it has 'call_id', 'caller_id', 'file'",
        ),
        ("Call ID,caller_id,sex,file\n", r"no column 'call_id' \(rename the column 'Call ID'"),
        ("call_id caller_id sex file\n", "columns are read as separated by commas"),
        (HEAD + ",age,age\n", r"row 1: the column 'age' occurs more than once"),
        (HEAD + ",,x\n1,a,F,x.wav,2,3\n", r"row 1: column 5 has no name"),
        (HEAD + ",path\n1,a,F,x.wav,y\n", r"the column name 'path' is used by voicerisk"),
        (HEAD + '\n1,a,F,"x.wav\n', r"calls.csv, after row 1: "),
        (HEAD + "\n1,a,F,x\0.wav\n", "holds null bytes"),
        (
            "é".encode("latin-1") + b"\n",
            r"calls.csv, line 1: the byte 0xe9 is not UTF-8; save the file as UTF-8",
        ),
    ],
)
def test_unreadable_tables_are_told(tmp_path, content, message):
    with pytest.raises(CohortError, match=message):
        read_calls(write(tmp_path, content))


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(CohortError, match=r"There is no file .*calls.csv"):
        read_calls(tmp_path / "calls.csv")


NASTY = st.text(st.sampled_from(list("ab01,;\t\"'\n\r \\-=é\u2028")), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NASTY, NASTY, NASTY), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_what_the_csv_module_writes_is_read_back(tmp_path, rows, delimiter):
    path = tmp_path / "calls.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(["call_id", "caller_id", "sex", "file", "note"])
        for number, row in enumerate(rows):
            writer.writerow([number, row[0], "F", row[1], row[2]])
    table = with_rows(read_calls(path))
    assert table["row"].tolist() == list(range(2, len(rows) + 2))
    for place, column in enumerate(("caller_id", "file")):
        assert table[column].tolist() == [row[place].strip() for row in rows]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"call_id,caller_id,sex,file\n", b"\xef\xbb\xbfcall_id;"])
)
def test_any_bytes_are_read_or_refused_in_words(tmp_path, tail, head):
    path = tmp_path / "calls.csv"
    path.write_bytes(head + tail)
    try:
        table = typed(read_calls(path))
    except CohortError as error:
        assert "calls.csv" in str(error)
    else:
        assert len(table) and {"call_id", "row"} <= set(table.columns)
