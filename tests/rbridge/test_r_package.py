"""The R package installs, and its own testthat tests pass."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from voicerisk.rbridge import Worker
from voicerisk.rbridge.session import source_folder

SOURCE = source_folder().parent


@pytest.mark.r
@pytest.mark.slow
def test_testthat(worker: Worker, tmp_path: Path):
    versions = worker.call("package_versions", packages=["testthat"]).value
    if versions["version"].isna().any():
        pytest.skip("R has no testthat")
    library = tmp_path / "library"
    library.mkdir()
    copy = shutil.copytree(SOURCE, tmp_path / "voicerisk")
    build = ["R", "CMD", "INSTALL", "--no-docs", "--no-byte-compile", "-l", str(library), str(copy)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    known = os.environ.get("R_LIBS_USER", "")
    script = (
        "library(testthat); library(voicerisk); "
        'test_dir("testthat", package = "voicerisk", reporter = "check")'
    )
    ran = subprocess.run(
        ["Rscript", "-e", script],
        cwd=copy / "tests",
        env={**os.environ, "R_LIBS": os.pathsep.join(part for part in (str(library), known) if part)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-3000:]
    assert "FAIL 0" in ran.stdout


@pytest.mark.r
def test_every_exported_function_has_a_help_page():
    exported = [
        line[len("export(") : -1]
        for line in (SOURCE / "NAMESPACE").read_text().splitlines()
        if line.startswith("export(")
    ]
    pages = {path.stem for path in (SOURCE / "man").glob("*.Rd")}
    assert len(exported) > 15
    assert set(exported) == pages
