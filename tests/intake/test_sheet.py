"""Tables as hospitals have them: each is read to the right values, or refused with row and value."""

import datetime as dt
import io
import unicodedata
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicerisk.errors import StudyError
from voicerisk.intake import Sheet, clean, find_file, is_missing, look_alikes, read_sheet


def sheet(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Sheet:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return read_sheet(path, StudyError)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_utf_8_and_utf_16_are_read_with_and_without_a_mark(tmp_path, encoding):
    table = sheet(tmp_path, "call_id,größe\n007,1.5\n", encoding=encoding)
    assert table.cells["call_id"].tolist() == ["007"] and table.numbers("größe").values.tolist() == [1.5]


@pytest.mark.parametrize("name", ["t.csv", "t.CSV", "t.txt", "t.tsv"])
def test_a_line_that_names_the_separator_is_understood(tmp_path, name):
    table = sheet(tmp_path, "sep=;\r\ncall_id;x\r\n1;2,5\r\n\r\n;;\r\n2;3\r\n", name)
    assert table.numbers("x").values.tolist() == [2.5, 3.0]
    assert table.rows.tolist() == [2, 5]


def test_a_header_full_of_commas_in_quotes_does_not_hide_the_semicolons(tmp_path):
    table = sheet(tmp_path, '"a, b, c, d";call_id;x\n1;2;3\n')
    assert list(table.cells.columns) == ["a, b, c, d", "call_id", "x"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,5", "2"], [1.5, 2.0]),
        (["1.5", "-2e3"], [1.5, -2000.0]),
        (["\u22121.5", "2"], [-1.5, 2.0]),
        (["1,5", "#NV"], [1.5, np.nan]),
        (["0,125", "12,000"], [0.125, 12.0]),
        (["", "NA"], [np.nan, np.nan]),
    ],
)
def test_numbers_of_a_tab_separated_file(tmp_path, cells, expected):
    found = sheet(tmp_path, "call_id\tx\n" + "".join(f"{n}\t{c}\n" for n, c in enumerate(cells))).numbers("x")
    np.testing.assert_array_equal(found.values, expected)
    assert found.are_numbers


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["1.234,5", "2"], "has thousands separators"),
        (["1 234", "2"], "has thousands separators"),
        (["1\u202f234", "2"], "has thousands separators"),
        (["1'234.5", "7"], "has thousands separators"),
        (["1,234,567", "7"], "has thousands separators"),
        (["1,234", "2"], "can be a decimal comma or a thousands separator"),
        (["1,5", "2.5"], "has a decimal comma and '2.5' a decimal point"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_refused(tmp_path, cells, why):
    table = sheet(tmp_path, "call_id\tx\n" + "".join(f"{n}\t{c}\n" for n, c in enumerate(cells)))
    with pytest.raises(StudyError, match=why):
        table.required_numbers("x")


def test_points_between_thousands_are_refused_beside_decimal_commas(tmp_path):
    table = sheet(tmp_path, "call_id;x;y\n1;0,5;1.234\n2;1,25;2.500\n")
    assert table.numbers("x").values.tolist() == [0.5, 1.25]
    with pytest.raises(StudyError, match=r"'1\.234' can be a thousands separator"):
        table.required_numbers("y")


def test_three_decimals_with_points_stay_decimals_in_a_semicolon_file(tmp_path):
    assert sheet(tmp_path, "call_id;x\n1;1.234\n2;-0.500\n").numbers("x").values.tolist() == [1.234, -0.5]


@pytest.mark.parametrize(
    "cell",
    ["#N/A", "#NV", "#N/D", "#DIV/0!", "#WERT!", "#BEZUG!", "#REF!", "#NAME?", "#ZAHL!", "#NUM!", "#¡VALOR!",
     "#ÜBERLAUF!", "#NULL!", "na", "NaN", " n/a ", "--undefined--", "<NA>", "NULL"],
)  # fmt: skip
def test_missing_cells(cell):
    assert is_missing(cell)


@pytest.mark.parametrize("cell", ["0", "nada", "#1", "#hope", "no", "-", "?"])
def test_cells_that_are_not_missing(cell):
    assert not is_missing(cell)


def test_errors_of_excel_are_counted(tmp_path):
    table = sheet(tmp_path, "call_id,age\n1,#N/A\n2,30\n3,#WERT!\n")
    (note,) = table.notes()
    assert (
        note.startswith("2 cell(s) of the column 'age' of t.csv") and "row 2: '#N/A', row 4: '#WERT!'" in note
    )
    np.testing.assert_array_equal(table.numbers("age").values, [np.nan, 30.0, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",call_id\n1,a\n", r"row 1: column 1 has no name: it holds row names; .*row\.names = FALSE"),
        ('"",call_id\n1,a\n', "column 1 has no name"),
        ("Unnamed: 0,call_id\n0,a\n", "column 1 is called 'Unnamed: 0'"),
        ("...1,call_id\n0,a\n", "column 1 is called '...1'"),
        ("call_id,Unnamed: 3\n0,a\n", "column 2 is called 'Unnamed: 3'"),
        (
            "call_id,x\n1,a,2\n2,b,3\n",
            r"row 2: 3 fields, but the header has 2; if the first holds R's row names",
        ),
        ("call_id,a,a\n1,2,3\n", "the column 'a' occurs more than once"),
        ("call_id,Zoe\u0308,Zo\u00eb\n1,2,3\n", "occurs more than once"),
        ("call_id,a,,b\n1,2,3,4\n", "column 3 has no name"),
        ("call_id,a\n1\n", "row 2: 1 fields, but the header has 2"),
        ("<html><table></table></html>", "is a web page or XML"),
        ("", "is empty"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    with pytest.raises(StudyError, match=message):
        sheet(tmp_path, text)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"PK\x03\x04abc", "is a workbook or a zip archive"),
        (b"PAR1abc", "is a Parquet file; name it .parquet"),
        (b"\xd0\xcf\x11\xe0abc", "old or password-protected Excel"),
        (b"\x1f\x8babc", "is compressed"),
        (
            "call_id,größe\n1,2\n".encode("latin-1"),
            r"line 1: the byte 0xf6 is not UTF-8; save the file as UTF-8",
        ),
        (b"call_id,x\n1,a\x00b\n", "holds null bytes"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, start, message):
    path = tmp_path / "t.csv"
    path.write_bytes(start)
    with pytest.raises(StudyError, match=message):
        read_sheet(path, StudyError)
    with pytest.raises(StudyError, match="an old Excel file"):
        read_sheet(tmp_path / "t.xls", StudyError)


def test_extra_empty_cells_at_the_right_are_dropped(tmp_path):
    table = sheet(tmp_path, "call_id,x,,\n1,2,,,\n2,3\n3,4,,\n".replace("2,3\n", "2,3,,\n"))
    assert list(table.cells.columns) == ["call_id", "x"] and len(table.cells) == 3


def test_text_among_numbers_is_told_cell_by_cell(tmp_path):
    table = sheet(tmp_path, "call_id,x\n" + "".join(f"{n},{n}\n" for n in range(8)) + "8,k.A.\n9,12?\n")
    with pytest.raises(
        StudyError, match=r"'x' holds text where numbers belong \(row 10: 'k.A.', row 11: '12\?'\)"
    ):
        table.required_numbers("x")
    assert table.numbers("x").mostly


def workbook(folder: Path, rows: list[list[object]], change=None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if change:
        change(book)
    book.save(folder / "t.xlsx")
    return folder / "t.xlsx"


def test_a_workbook_is_read_by_the_same_rules(tmp_path):
    def zeros(book):
        book.active["A2"].number_format = "000"

    rows = [["call_id", "x", "when", "yes", None], [1, 2.5, dt.date(2021, 5, 17), True], [None] * 5,
            ["002", "#N/A", dt.datetime(2021, 5, 17, 8, 30), False]]  # fmt: skip
    table = read_sheet(workbook(tmp_path, rows, zeros), StudyError)
    assert table.cells["call_id"].tolist() == ["001", "002"]
    np.testing.assert_array_equal(table.numbers("x").values, [2.5, np.nan])
    assert table.cells["when"].tolist() == ["2021-05-17", "2021-05-17T08:30:00"]
    assert table.cells["yes"].tolist() == ["TRUE", "FALSE"]
    assert table.rows.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda book: book.create_sheet("two").append(["a"]), "has 2 filled sheets"),
        (lambda book: book.active.merge_cells("A2:A3"), "the cells A2:A3 are merged"),
        (lambda book: book.active.__setitem__("B2", "=1+1"), "cell B2: the formula has no stored value"),
        (lambda book: book.active.delete_rows(1, 9), "holds no filled sheet"),
    ],
)
def test_workbooks_that_would_lose_cells_are_refused(tmp_path, change, message):
    path = workbook(tmp_path, [["call_id", "x"], ["a", 1], ["b", 2]], change)
    with pytest.raises(StudyError, match=message):
        read_sheet(path, StudyError)


def test_a_file_that_is_no_workbook_is_refused(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"call_id,x\n")
    with pytest.raises(StudyError, match="cannot be read as a workbook"):
        read_sheet(tmp_path / "t.xlsx", StudyError)


def test_parquet_keeps_numbers_and_makes_ids_text(tmp_path):
    frame = pd.DataFrame({"call_id": [1, 2], "x": [0.1, np.nan], "c": pd.Categorical(["a", "Zoe\u0308"])})
    frame.to_parquet(tmp_path / "t.PARQUET")
    table = read_sheet(tmp_path / "t.PARQUET", StudyError)
    assert table.cells["call_id"].tolist() == ["1", "2"] and table.cells["c"].tolist() == ["a", "Zo\u00eb"]
    np.testing.assert_array_equal(table.numbers("x").values, [0.1, np.nan])


def test_a_named_index_of_parquet_is_a_column(tmp_path):
    frame = pd.DataFrame(
        {"x": [1.0]}, index=pd.MultiIndex.from_tuples([("a", 0)], names=["call_id", "segment"])
    )
    frame.to_parquet(tmp_path / "t.parquet")
    assert set(read_sheet(tmp_path / "t.parquet", StudyError).cells.columns) == {"call_id", "segment", "x"}
    pd.DataFrame({"call_id": ["a", "b"]}, index=[7, 3]).to_parquet(tmp_path / "t.parquet")
    assert list(read_sheet(tmp_path / "t.parquet", StudyError).cells.columns) == ["call_id"]


def test_a_damaged_parquet_file_is_refused(tmp_path):
    whole = io.BytesIO()
    pd.DataFrame({"call_id": ["a"] * 99, "x": np.arange(99.0)}).to_parquet(whole)
    for n in (8, 100, len(whole.getvalue()) - 1):
        (tmp_path / "t.parquet").write_bytes(whole.getvalue()[:n])
        with pytest.raises(StudyError, match="cannot be read as Parquet"):
            read_sheet(tmp_path / "t.parquet", StudyError)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6),
    st.sampled_from(",;\t"),
)
def test_every_double_survives_writing_and_reading(tmp_path, values, separator):
    path = tmp_path / "t.csv"
    pd.DataFrame({"call_id": "a", "x": values}).to_csv(path, sep=separator, index=False)
    np.testing.assert_array_equal(read_sheet(path, StudyError).required_numbers("x").values, values)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.sampled_from([b"", b"call_id,x\n1,", b"\xff\xfe", b"sep=;\n"]),
       st.sampled_from([".csv", ".parquet", ".xlsx"]))  # fmt: skip
def test_any_bytes_are_read_or_refused_in_words(tmp_path, tail, head, suffix):
    path = tmp_path / f"any{suffix}"
    path.write_bytes(head + tail)
    try:
        table = read_sheet(path, StudyError)
        table.notes()
        for name in table.cells:
            table.numbers(name)
    except StudyError as error:
        assert "any" in str(error)
    else:
        assert len(table.cells) == len(table.rows) > 0


@given(st.text(max_size=12))
def test_cleaning_twice_changes_nothing_more(text):
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    "names",
    [("007", "7"), ("A17", "a17"), ("A17", "A 17"), ("A-17", "A17"), ("Zoë", "Zoe"), ("7.0", "7"),
     ("p01", "p1"),
     ("A17", "\u041017"), ("M\u00fcller", "Mu\u00a8ller"), ("\uff11\uff12", "12")],
)  # fmt: skip
def test_ids_that_look_alike_are_found(names):
    assert look_alikes(names) == [names]


@pytest.mark.parametrize("names", [("1-12", "11-2"), ("a1", "b1"), ("p10", "p1"), ("17", "71"), ("a", "a")])
def test_ids_that_do_not_look_alike(names):
    assert look_alikes(names) == []


@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_file_is_found_in_either_form_of_its_name(tmp_path, forms):
    disk, table = (unicodedata.normalize(form, "\u00fcber/Zo\u00eb.wav") for form in forms)
    (tmp_path / disk).parent.mkdir()
    (tmp_path / disk).touch()
    assert find_file(tmp_path, table) == tmp_path / disk
    assert not find_file(tmp_path, "\u00fcber/Zoo.wav").exists()
