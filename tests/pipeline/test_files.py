"""Tables that leave: no cell runs in a spreadsheet, and what is no formula stays as it is."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.files import PRIVATE, is_formula, without_formulas, write_csv

FORMULAS = [
    "=1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "＝1",
    "'=1",
    "+cmd|' /C calc'!A0",
    "-2+HYPERLINK(A1)",
    "+Sheet!A1",
]
PLAIN = ["-5", "+49 30 1234", "- none", "+ no class weights (shares of the study)", "a=b", "call 1", "", "–"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_stand_behind_an_apostrophe(text):
    table = pd.DataFrame({"note": [text, "fine"], text: [1, 2], "n": [-1.5, 2.0]})
    safe = without_formulas(table)
    assert safe["note"].tolist() == [f"'{text}", "fine"]
    assert safe.columns.tolist() == ["note", f"'{text}", "n"]
    assert safe["n"].tolist() == [-1.5, 2.0]
    assert table["note"][0] == text, "the table in memory stays as it is"


def test_what_is_written_is_safe_and_private(tmp_path):
    write_csv(tmp_path / "a.csv", pd.DataFrame({"note": ["=1+1", "-5"]}), PRIVATE)
    assert (tmp_path / "a.csv").read_text() == "note\n'=1+1\n-5\n"
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_formula_stays(text):
    assert not is_formula(text)
    table = pd.DataFrame({"a": pd.Categorical([text, "b"]), "b": [True, False], "c": [np.nan, 1.0]})
    assert without_formulas(table) is table
