"""Tables of results are read as they were written."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.deep.multitask.figures import PERCENTILE, heatmap_table
from voicerisk.deep.results import read_results
from voicerisk.files import write_csv


@pytest.mark.parametrize("names", [("None", "mild", "severe"), ("0", "1", "2")])
def test_a_class_counts_in_a_mean_whatever_it_is_called(tmp_path, names):
    row = {
        "protocol": "nested",
        "model": "mtl:audio",
        "target": "severity",
        "metric": "specificity",
        "unit": "call",
    }
    row |= {"method": PERCENTILE, "subgroup": "all", "lower": np.nan, "upper": np.nan}
    values = (0.2, 0.8, 0.9)
    table = pd.DataFrame(
        [{**row, "class": name, "estimate": value} for name, value in zip(names, values, strict=True)]
    )
    write_csv(tmp_path / "metrics.csv", table)
    means = pd.DataFrame({**row, "mean": 0.6}, index=[0])
    found = heatmap_table(read_results(tmp_path / "metrics.csv"), means, {"severity": names})
    assert found.set_index("metric").loc["specificity", "fold_mean"] == 0.6
    mean = found.set_index("metric").loc["specificity", "estimate"]
    assert mean == pytest.approx(np.mean(values))


def test_an_empty_cell_is_missing_and_an_id_keeps_its_zeros(tmp_path):
    write_csv(
        tmp_path / "a.csv",
        pd.DataFrame({"user_id": ["007", "NA"], "estimate": [0.5, np.nan], "note": ["", "null"]}),
    )
    found = read_results(tmp_path / "a.csv", ["note"])
    assert found["user_id"].tolist() == ["007", "NA"]
    assert found["estimate"].isna().tolist() == [False, True]
    assert found["note"].isna().tolist() == [True, False]
