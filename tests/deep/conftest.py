"""Tiny encoders with random weights and locally trained tokenizers: built in seconds, loaded by path.

Their words carry no meaning; what is tested is that everything around them does what it says.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tests.deep.tiny_encoders import build_xlm_roberta

# The made-up sessions of the torch-free tests serve here too.

# Without the extra there is nothing to test here: `make test-deep` installs it.
if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "safetensors")):
    collect_ignore_glob = ["*test_*.py"]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny XLM-RoBERTa."""
    return build_xlm_roberta(tmp_path_factory.mktemp("encoder") / "tiny-xlm-roberta")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
