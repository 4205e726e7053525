"""Finished steps on disk: whole, or as if they were not there."""

import json

import pytest

from voicerisk.pipeline.kept_steps import keep_step, kept_step

VALUE = {"auroc": 0.71, "callers": ("a", "b"), "n": {10: 1, 9: None}}


@pytest.fixture
def step(tmp_path):
    table = tmp_path / "step.parquet"
    table.write_bytes(b"0123456789")
    keep_step(tmp_path / "step.json", VALUE, table)
    return tmp_path / "step.json"


def test_what_was_kept_is_found_again_and_private(step):
    assert kept_step(step) == {"auroc": 0.71, "callers": ["a", "b"], "n": {"10": 1, "9": None}}
    assert step.stat().st_mode & 0o777 == 0o600
    assert kept_step(step.with_name("another.json")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"value": 1}',
        b'{"value": 1, "beside": 3, "sha256": ""}',
    ],
)
def test_a_damaged_step_counts_as_missing(step, content):
    step.write_bytes(content)
    assert kept_step(step) is None


def test_a_changed_digit_or_file_counts_as_missing(step):
    step.write_text(step.read_text().replace("0.71", "0.77"))
    assert kept_step(step) is None
    table = step.with_name("step.parquet")
    keep_step(step, VALUE, table)
    table.write_bytes(b"0123456780")
    assert kept_step(step) is None
    table.unlink()
    assert kept_step(step) is None


def test_a_name_beside_it_leads_nowhere_else(step):
    record = json.loads(step.read_text())
    step.write_text(json.dumps({**record, "beside": {"../../etc/passwd": "0"}}))
    assert kept_step(step) is None
