"""What all tests share: where reference numbers lie, and when a marked test is skipped and why."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicerisk.errors import RBridgeError
from voicerisk.rbridge import Worker, call

REFERENCE = Path(__file__).parent / "reference"

# Functions of R that end in every way a call can end, for the tests of the bridge.
os.environ["VOICERISK_R_PROBES"] = str(Path(__file__).parent / "rbridge" / "probes.R")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of the committed reference numbers and synthetic recordings."""
    return REFERENCE


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real calls (calls.csv); the test is skipped where VOICERISK_REAL names none."""
    named = os.environ.get("VOICERISK_REAL")
    if not named:
        pytest.skip("VOICERISK_REAL does not name the folder of real recordings")
    folder = Path(named)
    if (folder / "ravdess_calls").is_dir():
        folder = folder / "ravdess_calls"
    if not (folder / "calls.csv").is_file():
        pytest.fail(f"VOICERISK_REAL names {folder}, which holds no calls.csv")
    return folder


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """One R child for all tests; skipped with the reason where there is no R."""
    try:
        child = Worker()
        child.call("package_versions", packages=["mgcv"])
    except RBridgeError as failure:
        pytest.skip(f"no usable R: {failure}")
    with child:
        yield child


@pytest.fixture(scope="session")
def mboost() -> None:
    """Skip without mboost, or fail where VOICERISK_REQUIRE asks for it."""
    try:
        call("need_package", package="mboost")
    except RBridgeError as failure:
        if "mboost" in os.environ.get("VOICERISK_REQUIRE", ""):
            pytest.fail(str(failure))
        pytest.skip(str(failure))
