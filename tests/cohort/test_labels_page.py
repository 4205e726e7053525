"""docs/labels.md: its examples are read and run."""

import re
import tomllib
from pathlib import Path

import pytest
import soundfile

from voicerisk.cohort import CohortSettings, read_audacity
from voicerisk.cohort.calls_table import read_calls

PAGE = Path(__file__).parents[2] / "docs" / "labels.md"
GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n9\n<exists>\n1\n"IntervalTier"\n'
    '"speech"\n0\n9\n2\n0\n4\n"caller"\n4\n9\n""\n'
)


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The study of the page, with recordings of silence."""
    study = tmp_path / "my_study"
    for folder in ("audio", "labels"):
        (study / folder).mkdir(parents=True)
    (table,) = blocks("csv")
    (study / "calls.csv").write_text(table, encoding="utf-8")
    for row in read_calls(study / "calls.csv").cells.itertuples():
        soundfile.write(study / row.file, [0.0] * 72000, 8000)
        grid = row.labels.endswith(".TextGrid")
        (study / row.labels).write_text(GRID if grid else blocks("text")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_runs_and_counts(example, capsys):
    (code,) = blocks("python")
    found: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), found)
    cohort = found["cohort"]
    assert list(cohort.calls["call_id"]) == ["001", "002", "003", "004"]
    assert list(cohort.calls["outcome"]) == [0, 0, 1, 1]
    assert cohort.spans["label"].tolist().count("caller: tearful") == 3
    assert "C-SSRS 3-4 (moderate risk)" in capsys.readouterr().out
    assert "a17" not in (example / "spans_without_names.csv").read_text()


def test_the_study_files_of_the_page_are_valid():
    texts = blocks("toml")
    assert len(texts) == 3
    for text in texts:
        settings = CohortSettings(**tomllib.loads(text)["cohort"])
        assert settings.cssrs.column == "cssrs"
    assert [rating.scale for rating in settings.ratings] == ["cssrs"] * 2 + ["counsellor"] + ["screening"] * 3


def test_the_tracks_of_the_page_are_read(tmp_path):
    plain, spectral = blocks("text")
    path = tmp_path / "track.txt"
    path.write_text(plain, encoding="utf-8")
    assert read_audacity(path)["end_s"].tolist() == [2.48, 4.1, 7.25]
    path.write_text(spectral, encoding="utf-8")
    assert read_audacity(path)["high_hz"].tolist() == [3400.0]


def test_every_key_of_the_settings_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for key in CohortSettings.__dataclass_fields__:
        assert f"`{key}`" in page
