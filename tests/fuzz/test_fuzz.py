"""The fuzzer itself, and a few hundred damaged files with fixed seeds: each a result or one sentence."""

import random

import pytest

from tests.fuzz import fuzz
from tests.fuzz.fuzz import attempt, damaged, once
from tests.fuzz.readers import Reader, readers
from voicerisk.errors import VoiceriskError

READERS = (
    *("sound", "labels", "calls", "study", "model", "markers", "chats", "filter"),
    *("cases", "results", "scores", "words"),
)


@pytest.fixture(scope="module")
def every():
    with readers() as found:
        yield found


@pytest.mark.parametrize("name", READERS)
def test_valid_files_are_read_and_damaged_ones_end_in_a_sentence(every, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reader = every[name]
    for file, content in reader.seeds.items():
        (tmp_path / file).write_bytes(content if reader.mend is None else reader.mend(content))
        assert once(reader, tmp_path / file) == "read", file
        (tmp_path / file).unlink()
    outcomes = [attempt(reader, tmp_path, 20, number, name) for number in range(40)]
    assert set(outcomes) <= {"read", "refused"}


def test_all_readers_are_tried(every):
    assert set(every) == set(READERS)


def test_one_seed_damages_alike_and_changes_something():
    content = bytes(range(256))
    made = [damaged(content, random.Random("1 5")) for _ in range(2)]
    assert made[0] == made[1] != content


@pytest.mark.parametrize(
    ("problem", "outcome"), [(None, "read"), (VoiceriskError("no"), "refused"), (KeyError("x"), "raw")]
)
def test_outcomes_are_told_apart_and_findings_kept(tmp_path, monkeypatch, problem, outcome):
    monkeypatch.chdir(tmp_path)

    def read(path):
        if problem is not None:
            raise problem

    assert attempt(Reader({"a.txt": b"abc"}, read), tmp_path, 1, 2, "labels") == outcome
    kept = sorted(path.name for path in (tmp_path / fuzz.KEPT).glob("*"))
    assert kept == (["labels_1_2.traceback", "labels_1_2.txt"] if outcome == "raw" else [])
