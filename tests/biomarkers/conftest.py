"""Reference recordings, and what soundgen 2.5.1 measured on them."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

SOUNDGEN = Path(__file__).parents[1] / "reference" / "soundgen"
FILES = ("human_female", "human_male", "espeak_female", "espeak_male", "noise", "complex150", "tone1k")


def recording(name: str) -> tuple[np.ndarray, int]:
    path = SOUNDGEN / "wav" / f"{name}.wav"
    if not path.exists():
        real = os.environ.get("VOICERISK_REAL")
        if not real:
            pytest.skip(f"{name}.wav (CC BY-SA) is not in the repository, and VOICERISK_REAL is not set")
        places = [Path(real).parents[k] / "reference" / "soundgen" / "wav" / path.name for k in (0, 1)]
        found = [place for place in places if place.exists()]
        if not found:
            pytest.skip(
                f"{name}.wav (CC BY-SA) is not in the repository, nor beside the folder of VOICERISK_REAL"
            )
        path = found[0]
    samples, rate = soundfile.read(path, dtype="float64")
    return samples, rate


@pytest.fixture(params=FILES)
def reference_file(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, int]:
    """Name, samples and sample rate of one of the seven recordings."""
    return request.param, *recording(request.param)


@pytest.fixture
def soundgen_table() -> Callable[[str, str], pd.DataFrame]:
    """What soundgen measured: soundgen_table('v2.5.1_nomask', 'noise')."""

    def read(version: str, name: str) -> pd.DataFrame:
        table = pd.read_csv(SOUNDGEN / version / f"{name}.csv")
        shannon = pd.read_csv(SOUNDGEN / "entropySh_v2.5.3.csv")
        table["entropySh"] = shannon.loc[shannon["file"] == f"{name}.wav", "entropySh"].to_numpy()
        return table

    return read


@pytest.fixture(scope="session")
def soundgen_folder() -> Path:
    """Folder of soundgen's numbers."""
    return SOUNDGEN


@pytest.fixture(scope="session")
def soundgen_wav() -> Callable[[str], tuple[np.ndarray, int]]:
    """Samples and sample rate of a recording by name."""
    return recording


@pytest.fixture
def espeak() -> tuple[np.ndarray, int]:
    """A synthetic female voice, 5 s at 8 kHz."""
    return recording("espeak_female")
