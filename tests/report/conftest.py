"""The made-up study of the figures' tests."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "figures"))

import synthetic_tables


@pytest.fixture(scope="session")
def made() -> ModuleType:
    """Tables of a made-up study."""
    return synthetic_tables
