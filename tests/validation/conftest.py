import json
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def evaluation(reference: Path) -> Path:
    """Folder of the reference numbers computed in R."""
    return reference / "eval"


@pytest.fixture(scope="session")
def expected(evaluation: Path) -> dict:
    """Values of pROC, cutpointr, PRROC, dcurves, rms, irr and their like."""
    return json.loads((evaluation / "ref.json").read_text())


@pytest.fixture(scope="session")
def tables(evaluation: Path) -> dict[str, pd.DataFrame]:
    """The seeded data behind the reference numbers; service keeps its leading zeros."""
    names = ("d30", "d281", "d3class", "raters", "separated")
    return {name: pd.read_csv(evaluation / f"{name}.csv", dtype={"service": str}) for name in names}
