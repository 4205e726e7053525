"""A small study on disk, to be spoiled by the tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voicerisk.cohort import Cohort, CohortSettings, load_cohort

HEADER = "call_id,caller_id,sex,file,outcome,labels"
ROWS = (
    "001,a,F,001.wav,0,001.txt",
    "002,b,male,002.wav,0,002.txt",
    "003,c,f,003.wav,1,003.txt",
    "004,d,M,004.wav,1,004.txt",
)
TRACK = "0.5\t1.5\tcaller\n1.5\t1.75\tcounsellor\n2.0\t2.5\tcaller\n"


class Study:
    """A folder with calls.csv, 3 s recordings and label tracks."""

    def __init__(self, folder: Path):
        self.folder = folder
        for number in ("001", "002", "003", "004"):
            self.recording(f"{number}.wav")
            self.write(f"{number}.txt", TRACK)
        self.table(*ROWS)

    def write(self, name: str, content: str, encoding: str = "utf-8") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding=encoding, newline="")
        return path

    def recording(self, name: str, seconds: float = 3.0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(round(8000 * seconds)), 8000, subtype="PCM_16")
        return path

    def table(self, *rows: str, header: str = HEADER) -> Path:
        return self.write("calls.csv", "\n".join((header, *rows)) + "\n")

    def load(self, **settings: object) -> Cohort:
        return load_cohort(CohortSettings(calls="calls.csv", **settings), self.folder)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


@pytest.fixture
def replace_row(study: Study) -> Callable[[int, str], None]:
    """Replace the row with this number (the header is row 1)."""

    def replace(row: int, content: str) -> None:
        rows = list(ROWS)
        rows[row - 2] = content
        study.table(*rows)

    return replace
