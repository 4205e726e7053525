"""Tables of a results folder: ids stay text, numbers come back exactly, a changed file is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import voicerisk
from voicerisk.errors import StudyError
from voicerisk.files import write_csv, write_parquet
from voicerisk.pipeline.tables import (
    has_table,
    read_as_written,
    read_table,
    schemas,
    schemas_in_r,
    schemas_markdown,
)
from voicerisk.rbridge.found import source_folder

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tables.md"
IDS = ["001", "1.0", "NA", "None", "1e3", "007"]


def calls() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "call_id": IDS, "caller_id": IDS[::-1], "sex": "female", "outcome": [0, 1] * 3,
            "file": [f"{name}.wav" for name in IDS], "site": ["01", "02"] * 3,
            "age": [30, 41, 52, 63, 74, 85],
            "weight": [61.5, 70.0, 80.25, 1e-3, 0.1 + 0.2, 5.0], "first": [True, False] * 3,
        }
    )  # fmt: skip


def test_ids_stay_text_and_what_is_a_number_is_one(tmp_path):
    write_csv(tmp_path / "calls.csv", calls(), exact=True)
    found = voicerisk.read_table(tmp_path, "calls")
    assert found["call_id"].tolist() == IDS
    assert found["caller_id"].tolist() == IDS[::-1]
    assert found["site"].tolist() == ["01", "02"] * 3
    assert found["age"].dtype == "int64"
    assert found["first"].dtype == bool
    # Equal to the last bit, which the fast parser of pandas is not.
    assert found["weight"].tolist() == calls()["weight"].tolist()


def test_a_missing_id_is_missing_and_changes_no_other(tmp_path):
    rows = pd.DataFrame(
        {"step": "labels", "reason": "r", "call_id": ["1", None], "file": "f", "row": [2, None], "value": ""}
    )
    write_csv(tmp_path / "exclusions.csv", rows)
    found = read_table(tmp_path, "exclusions")
    assert found["call_id"].iloc[0] == "1"
    assert found["call_id"].isna().tolist() == [False, True]
    assert str(found["row"].dtype) == "Int64"
    assert found["row"].iloc[0] == 2


def test_ids_that_were_stored_as_numbers_are_text_too(tmp_path):
    rows = pd.DataFrame(
        {"call_id": [1, 2], "caller_id": [7, 8], "segment": 0, "frame": 0, "time_s": 0.5, "x": 1.5}
    )
    write_parquet(tmp_path / "frames.parquet", rows)
    found = read_table(tmp_path, "frames", columns=["call_id", "x"])
    assert found["call_id"].tolist() == ["1", "2"]
    assert list(found.columns) == ["call_id", "x"]


def test_infinite_and_missing_numbers(tmp_path):
    table = pd.DataFrame(
        {column.name: [1.0, np.nan, np.inf] for column in schemas()["boost/risk_path"].columns}
    )
    write_csv(tmp_path / "boost" / "risk_path.csv", table.assign(step=[0, 1, 2]))
    assert read_table(tmp_path, "boost/risk_path")["risk"].tolist()[::2] == [1.0, np.inf]
    assert read_table(tmp_path, "boost/risk_path")["risk"].isna().tolist() == [False, True, False]


def test_a_table_without_rows_has_its_columns(tmp_path):
    write_csv(tmp_path / "gamm" / "curves.csv", pd.DataFrame())
    found = read_table(tmp_path, "gamm/curves")
    assert len(found) == 0
    assert {"marker", "x", "estimate"} <= set(found.columns)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "flow",
            "step,unit,reason,n,remaining\na,call,,3,x7\n",
            r"flow.csv, row 2: remaining is 'x7', not a whole",
        ),
        ("flow", "step,unit,reason,n,remaining\na,call,,3,7.5\n", "remaining is '7.5', not a whole number"),
        ("optimism", "protocol,design,metric,apparent\na,b,c,high\n", "apparent is 'high', not a number"),
        ("tuning", "protocol,step,chosen\na,1,yes\n", "chosen is 'yes', not True or False"),
    ],
)
def test_a_value_of_another_kind_is_named(tmp_path, name, text, message):
    (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(StudyError, match=message):
        read_table(tmp_path, name)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(StudyError, match="no table 'frame' in a results folder; there are calls"):
        read_table(tmp_path, "frame")
    with pytest.raises(StudyError, match=r"metrics.csv is missing; run the study first"):
        read_table(tmp_path, "metrics")
    assert not has_table(tmp_path, "metrics")
    write_csv(tmp_path / "calls.csv", calls(), exact=True)
    with pytest.raises(StudyError, match="has no column 'height'"):
        read_table(tmp_path, "calls", columns=["height"])
    (tmp_path / "frames.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(StudyError, match="cannot be read as Parquet"):
        read_table(tmp_path, "frames")


def test_a_table_without_schema_guesses_no_ids(tmp_path):
    (tmp_path / "own.csv").write_text("session_id,code,n\n12,01,3\n13,02,4\n")
    found = read_as_written(tmp_path / "own.csv")
    assert found["session_id"].tolist() == ["12", "13"]
    assert found["code"].tolist() == ["01", "02"]
    assert found["n"].sum() == 7


def test_the_page_prints_every_schema():
    # `schemas_markdown` writes what the page must hold.
    assert schemas_markdown() in PAGE.read_text(encoding="utf-8")
    assert all(column.holds for schema in schemas().values() for column in schema.columns)


def test_r_reads_by_the_same_schema():
    # `schemas_in_r` writes what the file must hold.
    assert schemas_in_r() == (source_folder() / "schema.R").read_text(encoding="utf-8")
