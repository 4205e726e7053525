"""The R package passes R CMD check, with its own testthat tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from voicerisk.rbridge import Worker
from voicerisk.rbridge.found import source_folder

SOURCE = source_folder().parent


@pytest.mark.r
@pytest.mark.slow
def test_r_cmd_check_is_clean_and_its_testthat_tests_pass(worker: Worker, tmp_path: Path):
    versions = worker.call("package_versions", packages=["testthat"]).value
    if versions["version"].isna().any():
        pytest.skip("R has no testthat")
    copy = shutil.copytree(SOURCE, tmp_path / "voicerisk")

    def r_cmd(*words: str) -> str:
        ran = subprocess.run(
            ["R", "CMD", *words],
            cwd=tmp_path,
            # Suggested packages may be absent, and no index of packages may be in reach.
            env={**os.environ, "_R_CHECK_FORCE_SUGGESTS_": "false", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
        return ran.stdout

    r_cmd("build", copy.name)
    (built,) = tmp_path.glob("voicerisk_*.tar.gz")
    told = r_cmd("check", "--no-manual", built.name)
    status = next(line for line in told.splitlines() if line.startswith("Status:"))
    assert "ERROR" not in status and "WARNING" not in status, told
    tests = (tmp_path / "voicerisk.Rcheck" / "tests" / "testthat.Rout").read_text()
    assert "FAIL 0" in tests


@pytest.mark.r
def test_every_exported_function_has_a_help_page():
    exported = [
        line[len("export(") : -1]
        for line in (SOURCE / "NAMESPACE").read_text().splitlines()
        if line.startswith("export(")
    ]
    named = "".join(path.read_text() for path in (SOURCE / "man").glob("*.Rd"))
    assert len(exported) > 15
    assert [name for name in exported if f"\\alias{{{name}}}" not in named] == []
