import pandas as pd
import pytest

from voicerisk.errors import ReportError
from voicerisk.report.tables.agreement import rater_agreement_table
from voicerisk.validation import agreement_table


def test_every_coefficient_of_every_scale_stands_with_its_interval():
    ratings = pd.DataFrame({"a": [0, 1, 2, 2, 1, 0, 2, 1], "b": [0, 1, 2, 1, 1, 0, 2, 0]})
    one = agreement_table(ratings, n_boot=50).assign(scale="risk")
    two = one.assign(scale="severity", n_undefined=3)
    found = rater_agreement_table(pd.concat([one, two]), {"call": "session", "severity": "PHQ-9"})
    assert found.cells["Scale"].unique().tolist() == ["risk", "PHQ-9"]
    assert len(found.cells) == 2 * one["metric"].nunique()
    assert found.cells["Sessions"].unique().tolist() == ["8"]
    # 6 of 8 agree; chance is (2*3 + 3*3 + 3*2) / 64.
    chance = (2 * 3 + 3 * 3 + 3 * 2) / 64
    assert found.cells["Estimate (95% CI)"].iloc[0].startswith(f"{(0.75 - chance) / (1 - chance):.2f}")
    assert "left out" in found.notes[1]
    with pytest.raises(ReportError, match="n_raters"):
        rater_agreement_table(one.drop(columns="n_raters"))
