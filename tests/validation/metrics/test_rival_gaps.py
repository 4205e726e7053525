"""The difference between the nested protocol and a rival is one of the same calls, folds and draws."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.metrics.rival_gaps import differences_to_rivals

SETTINGS = ValidationSettings(seed=4)


def table(protocol: str, score: np.ndarray) -> pd.DataFrame:
    n = score.shape[1]
    ids = [f"c{i:02d}" for i in range(n)]
    parts = [
        pd.DataFrame(
            {"protocol": protocol, "model": protocol, "target": "outcome", "design": "grouped_kfold",
             "repeat": repeat, "fold": np.arange(n) % 5, "unit": "call", "call_id": ids, "caller_id": ids,
             "segment": None, "frame": None, "time_s": None, "y": np.arange(n) % 2, "p_raw": row, "p": row,
             "threshold": 0.5, "weight": 1.0}
        )
        for repeat, row in enumerate(score)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_the_difference_is_that_of_the_aurocs_and_its_interval_that_of_the_pair():
    rng = np.random.default_rng(2)
    y = np.arange(60) % 2
    common = y + rng.normal(size=(2, 60))
    nested, rival = (1 / (1 + np.exp(-common - shift * rng.normal(size=(2, 60)))) for shift in (0.1, 0.2))
    ours, theirs = table("nested", nested), table("rival", rival)
    [row] = differences_to_rivals(ours, theirs, SETTINGS, n_boot=400).to_dict("records")
    metrics = compute_metrics(pd.concat([ours, theirs]), SETTINGS, n_boot=400).query(
        "metric == 'auroc' and unit == 'call' and method.str.contains('percentile')"
    )
    of = metrics.set_index("protocol")
    assert row["estimate"] == pytest.approx(of.loc["nested", "estimate"] - of.loc["rival", "estimate"])
    assert row["lower"] < row["estimate"] < row["upper"]
    # Scores that move together: the pair is known far better than either.
    assert row["upper"] - row["lower"] < 0.5 * (of.loc["nested", "upper"] - of.loc["nested", "lower"])
    assert row["metric"] == "auroc_difference" and row["n"] == row["n_callers"] == 60


def test_the_same_scores_differ_by_nothing():
    score = np.random.default_rng(1).random((1, 20))
    [row] = differences_to_rivals(table("nested", score), table("rival", score), SETTINGS).to_dict("records")
    assert row["estimate"] == 0.0
    assert (row["lower"], row["upper"]) in ((0.0, 0.0),) or np.isnan(row["lower"])


def test_other_folds_are_refused():
    score = np.random.default_rng(1).random((1, 20))
    other = table("rival", score).assign(fold=0)
    with pytest.raises(ValidationError, match="judged on other folds"):
        differences_to_rivals(table("nested", score), other, SETTINGS)
