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


def test_fractions_have_twelve_digits_and_what_a_person_brought_all(tmp_path):
    table = pd.DataFrame(
        {
            "p": [2 / 3, 1e-20 / 3, np.nan, 1.0],
            "code": [20261201103000.0, 1.0, np.nan, 2.0],
            "n": [1, 2, 3, 4],
        }
    )
    write_csv(tmp_path / "a.csv", table[["p", "n"]])
    assert (tmp_path / "a.csv").read_text() == "p,n\n0.666666666667,1\n3.33333333333e-21,2\n,3\n1,4\n"
    back = pd.read_csv(tmp_path / "a.csv")
    np.testing.assert_allclose(back["p"], table["p"], rtol=1e-11)
    write_csv(tmp_path / "b.csv", table[["code"]], exact=True)
    assert pd.read_csv(tmp_path / "b.csv")["code"].equals(table["code"])


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_formula_stays(text):
    assert not is_formula(text)
    table = pd.DataFrame({"a": pd.Categorical([text, "b"]), "b": [True, False], "c": [np.nan, 1.0]})
    assert without_formulas(table) is table
