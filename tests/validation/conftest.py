import json
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def evaluation(reference: Path) -> Path:
    """Folder of the reference numbers computed in R."""
    return reference / "metrics"


@pytest.fixture(scope="session")
def expected(evaluation: Path) -> dict:
    """Values of pROC, cutpointr, PRROC, dcurves, rms, irr and their like."""
    return json.loads((evaluation / "expected.json").read_text())


@pytest.fixture(scope="session")
def tables(evaluation: Path) -> dict[str, pd.DataFrame]:
    """The seeded data behind the reference numbers; service keeps its leading zeros."""
    names = {
        "d30": "scores_30_calls",
        "d281": "scores_281_calls",
        "d3class": "scores_3_classes",
        "raters": "ratings_6_raters",
        "separated": "scores_separated",
    }
    return {
        short: pd.read_csv(evaluation / f"{name}.csv", dtype={"service": str})
        for short, name in names.items()
    }
