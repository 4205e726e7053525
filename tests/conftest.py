"""What all tests share: where reference numbers lie, and when a marked test is skipped and why."""

import os
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of the committed reference numbers and synthetic recordings."""
    return REFERENCE


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real recordings; the test is skipped where VOICERISK_REAL does not name one."""
    named = os.environ.get("VOICERISK_REAL")
    if not named:
        pytest.skip("VOICERISK_REAL does not name the folder of real recordings")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"VOICERISK_REAL names {folder}, which is not a folder")
    return folder
