"""Tables of cases as people save them."""

import pytest

from voicerisk.deep.multitask.cases import load_cases
from voicerisk.deep.multitask.settings import MultitaskSettings, TargetSettings
from voicerisk.errors import MultitaskError

SETTINGS = MultitaskSettings(
    cases="cases.csv",
    severity=TargetSettings("hamd17", ("none", "high"), (8.0,), 0.0, 52.0),
    risk=TargetSettings("risk", ("none", "raised"), ()),
    text_encoders={"E": "encoder"},
    inputs=("E",),
    missing="exclude",
    demographics=("age",),
)
LINES = [
    f"{n:03d};p{n:02d};ich  bin\u200dda;{n},5;{'none' if n < 9 else 'raised'};{20 + n}" for n in range(5, 13)
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_semicolons_decimal_commas_and_errors_of_excel(tmp_path, encoding):
    lines = ["sep=;", "case_id;person_id;transcript;hamd17;risk;age", *LINES, "", "099;p99;x;9;#N/A;#NV"]
    (tmp_path / "cases.csv").write_bytes("\r\n".join(lines).encode(encoding))
    cases = load_cases(SETTINGS, tmp_path)
    assert cases.table["case_id"].tolist() == [f"{n:03d}" for n in range(5, 13)]
    assert cases.table["severity_score"].tolist() == [n + 0.5 for n in range(5, 13)]
    assert cases.table["risk"].tolist() == ["none"] * 4 + ["raised"] * 4
    assert cases.table["transcript"].iloc[0] == "ich  bin\u200dda"
    assert cases.flow.query("step == 'excluded'")["reason"].tolist() == ["no risk"]
    assert "1 cell(s) of the column 'risk'" in cases.notes[0]


def test_a_wrong_score_is_named_by_its_row_past_blank_lines(tmp_path):
    lines = ["case_id,person_id,transcript,hamd17,risk,age", "1,a,x,7,none,20", "", "2,b,x,99,none,20"]
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    with pytest.raises(MultitaskError, match="row 4: hamd17 is '99'"):
        load_cases(SETTINGS, tmp_path)
