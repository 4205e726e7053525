"""The draft of a manuscript: numbers come from the folder, gaps are marked, every format opens."""

import pandas as pd
import pytest

from voicerisk.errors import ReportError
from voicerisk.report.gather import gather
from voicerisk.report.manuscript import manuscript, write_manuscript


def _text(parts):
    return "\n".join(paragraph for part in parts for paragraph in part.paragraphs)


def test_numbers_are_those_of_the_folder(study):
    parts = manuscript(gather(study))
    calls = pd.read_csv(study / "calls.csv")
    assert f"{len(calls)} calls of {calls['caller_id'].nunique()} callers were analysed" in _text(parts)
    metrics = pd.read_csv(study / "metrics.csv").query("unit == 'call' and metric == 'auroc'")
    shown = metrics[metrics["subgroup"].fillna("all") == "all"]["estimate"].iloc[0]
    assert f"AUROC {shown:.2f}" in _text(parts)


def test_what_the_folder_cannot_know_is_marked(study):
    text = _text(manuscript(gather(study)))
    for gap in ("ethics approval", "how, when and by whom it was rated", "what these numbers mean"):
        assert any(gap in piece for piece in text.split("[WRITE: ")[1:])
    assert "None" not in text and "nan" not in text


@pytest.mark.parametrize("suffix", [".md", ".tex", ".docx"])
def test_every_format_holds_every_heading(study, tmp_path, suffix):
    path = write_manuscript(study, tmp_path / f"draft{suffix}")
    assert path.stat().st_mode & 0o077 == 0
    if suffix == ".docx":
        docx = pytest.importorskip("docx")
        text = "\n".join(paragraph.text for paragraph in docx.Document(str(path)).paragraphs)
    else:
        text = path.read_text(encoding="utf-8")
    for part in manuscript(gather(study)):
        assert part.heading in text


def test_another_suffix_is_refused(study, tmp_path):
    with pytest.raises(ReportError, match=r"draft\.pdf: a draft is written as \.md, \.docx, \.tex"):
        write_manuscript(study, tmp_path / "draft.pdf")
