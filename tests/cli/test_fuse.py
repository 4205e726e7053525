"""`voicerisk fuse` from files to a folder."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import StudyError
from voicerisk.study.fusion import fuse_files


@pytest.fixture
def tables(tmp_path):
    rng = np.random.default_rng(2)
    y = np.arange(40) % 2
    ids = [f"00{k}" for k in range(40)]
    paths = []
    for name, shift in (("voice", 1.5), ("text", 1.0)):
        risk = 1 / (1 + np.exp(-shift * (rng.normal(size=40) + shift * y - shift / 2)))
        table = pd.DataFrame(
            {
                "protocol": "nested", "model": name, "target": "outcome", "design": "loco", "repeat": 0,
                "fold": range(40), "unit": "call", "call_id": ids, "caller_id": ids, "segment": np.nan,
                "frame": np.nan, "time_s": np.nan, "y": y, "p_raw": risk, "p": risk, "threshold": 0.5,
                "weight": 1.0,
            }
        )  # fmt: skip
        paths.append(tmp_path / name / "predictions.parquet")
        paths[-1].parent.mkdir()
        table.to_parquet(paths[-1])
    return paths


def test_a_folder_of_results_is_written(tables, tmp_path):
    result = fuse_files([str(tables[0]), f"words={tables[1]}::text"], tmp_path / "out", bootstraps=100)
    assert result.compared["model"].tolist() == ["voice", "words", "fused"]
    page = (tmp_path / "out" / "fusion.md").read_text()
    assert all(sentence in page for sentence in result.sentences)
    written = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert written["call_id"].iloc[0] == "000"  # ids stay text
    assert (tmp_path / "out" / "predictions.parquet").stat().st_mode & 0o077 == 0
    metrics = pd.read_csv(tmp_path / "out" / "metrics.csv")
    assert set(metrics["model"]) == {"voice", "words", "fused"}


def test_what_is_no_table_is_refused(tables, tmp_path):
    with pytest.raises(StudyError, match="There is no predictions table"):
        fuse_files([str(tables[0]), str(tmp_path / "none.parquet")], tmp_path / "out")
    broken = tmp_path / "broken.parquet"
    broken.write_text("call_id,p\n")
    with pytest.raises(StudyError, match="is no Parquet file"):
        fuse_files([str(tables[0]), str(broken)], tmp_path / "out")
