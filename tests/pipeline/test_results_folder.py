"""A results folder from elsewhere is data: nothing it says reaches beyond it, and damage is no traceback."""

import json
from pathlib import Path

import pytest

from voicerisk.errors import StudyError
from voicerisk.pipeline.results_folder import ResultsFolder, keep_only

IDENTITY = {"study": "a", "calls": "b"}


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    """A folder with one finished stage beside a file that must stay."""
    (tmp_path / "precious.csv").write_text("keep me")
    made = ResultsFolder(tmp_path / "results", IDENTITY)
    made.file("metrics.csv").write_text("auroc")
    made.finish("metrics", "mark", ["metrics.csv"], 0.0)
    return made


def crafted(folder: ResultsFolder, **changes: object) -> None:
    record = folder.state / "stages" / "metrics.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | changes))


def test_a_finished_stage_is_known_and_forgotten_with_its_outputs(folder):
    assert folder.is_done("metrics", "mark")
    assert list(folder.records()) == ["metrics"]
    folder.forget("metrics")
    assert not folder.file("metrics.csv").exists()
    assert not folder.is_done("metrics", "mark")


@pytest.mark.parametrize("name", ["../precious.csv", "a/../../precious.csv", "link/precious.csv", "."])
def test_a_crafted_record_removes_nothing_outside_the_folder(folder, name, tmp_path):
    (folder.path / "link").symlink_to(tmp_path)
    crafted(folder, outputs={name: "0" * 64, "metrics.csv": "0" * 64})
    assert not folder.is_done("metrics", "mark")
    folder.forget("metrics")
    assert (tmp_path / "precious.csv").read_text() == "keep me"
    assert folder.path.is_dir()


def test_an_absolute_name_in_a_record_is_no_output(folder, tmp_path):
    crafted(folder, outputs={str(tmp_path / "precious.csv"): "0" * 64})
    folder.forget("metrics")
    assert (tmp_path / "precious.csv").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"fingerprint": "mark"}', b"[" * 100_000,
     b'{"fingerprint": "mark", "seconds": 0.1, "notes": [1], "outputs": {}}',
     b'{"fingerprint": "mark", "seconds": 0.1, "notes": [], "outputs": ["a"]}'],
)  # fmt: skip
def test_a_damaged_record_means_that_the_stage_runs_again(folder, content):
    (folder.state / "stages" / "metrics.json").write_bytes(content)
    assert not folder.is_done("metrics", "mark")
    assert folder.records() == {}
    folder.forget("metrics")


def test_a_damaged_owner_is_a_sentence(folder):
    (folder.state / "study.json").write_bytes(b"{")
    with pytest.raises(StudyError, match=r"study\.json is damaged"):
        ResultsFolder(folder.path, IDENTITY)


def test_links_out_of_the_folder_are_not_followed_when_it_is_tidied(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    half_written = elsewhere / ".a.12345678.csv"
    half_written.write_text("not ours")
    (folder.path / "link").symlink_to(elsewhere)
    with folder.locked():
        pass
    assert half_written.exists()
    for place, use in (
        (folder.state / "frames", lambda: keep_only(folder.state / "frames", set())),
        (folder.state / "checkpoints", lambda: folder.checkpoints("nested", "mark")),
    ):
        place.symlink_to(elsewhere)
        with pytest.raises(StudyError, match=r"is a link to another place"):
            use()
    assert half_written.exists()


def test_state_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / ".state").symlink_to(tmp_path / "other")
    with pytest.raises(StudyError, match=r"\.state is a link"):
        ResultsFolder(tmp_path / "results", IDENTITY)
