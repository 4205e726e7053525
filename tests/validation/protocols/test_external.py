import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from tests.validation.toys import cohort
from voicerisk.errors import ValidationError
from voicerisk.report.checklists.tripod_items import NOT_REPORTED, known_facts, reporting_evidence
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.metrics.calibration import calibration_line
from voicerisk.validation.metrics.logistic import logit
from voicerisk.validation.protocols.external import external_rows, marker_shift, recalibration_table


def test_recalibration_finds_a_shifted_and_stretched_risk(tables):
    y, p = tables["d281"]["y"].to_numpy(), tables["d281"]["score"].to_numpy()
    table = recalibration_table(y, p).set_index("method")
    full = table.loc["intercept and slope"]
    moved = expit(full["intercept"] + full["slope"] * logit(p, 1e-3))
    after = calibration_line(y, moved)
    assert after.slope == pytest.approx(1, abs=1e-6) and after.in_the_large == pytest.approx(0, abs=1e-6)
    assert table.loc["in the large", "mean_p"] == pytest.approx(y.mean(), abs=1e-6)
    assert table.loc["as is", "brier"] > table.loc["intercept and slope", "brier"]
    assert table["auroc"].nunique() == 1


def test_external_scores_become_predictions_with_the_saved_cut():
    calls, _ = cohort(20, 15, seed=2)
    score = np.clip(0.3 + 0.3 * calls["y"].to_numpy() + np.random.default_rng(0).normal(0, 0.2, 35), 0, 1)
    rows = external_rows(calls, score, None, 0.45, "saved")
    metrics = compute_metrics(rows, ValidationSettings(), n_boot=50, subgroups=["service"])
    assert set(metrics["design"]) == {"external"}
    assert set(metrics["subgroup"]) >= {"all", "service=OTL"}
    assert metrics[metrics["metric"] == "accuracy"]["threshold"].eq(0.45).all()


def test_marker_shift_is_in_standard_deviations_between_callers():
    rng = np.random.default_rng(1)
    before = pd.DataFrame({"caller_id": np.repeat(np.arange(50), 4), "a": 0.0, "b": 0.0})
    level = rng.normal(size=50)
    before["a"] = np.repeat(level, 4)
    before["b"] = np.repeat(level, 4)
    after = before.assign(a=before["a"] + level.std(ddof=1), b=before["b"].where(before["caller_id"] > 9))
    table = marker_shift(before, after, ["a", "b"]).set_index("marker")
    assert table.loc["a", "difference"] == pytest.approx(1.0) and table.loc["a", "shifted"]
    assert table.loc["b", "missing_after"] == pytest.approx(0.2)
    with pytest.raises(ValidationError, match="'c' is not in both studies"):
        marker_shift(before, after, ["a", "c"])


def test_reporting_table_never_leaves_a_blank():
    table = reporting_evidence({"seeds": "1", "ethics": "  "})
    assert (table["evidence"] != "").all()
    assert table.set_index("fact")["evidence"]["ethics"] == NOT_REPORTED
    assert (table["evidence"] != NOT_REPORTED).sum() == 1
    items = table.groupby("checklist")["item"].unique()
    # 27 items, 52 with their parts: those with parts, and how many.
    parts = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}
    own = [
        f"{i}{'abcdefg'[j]}" if i in parts else f"{i}" for i in range(1, 28) for j in range(parts.get(i, 1))
    ]
    assert list(items["TRIPOD+AI"]) == own and len(own) == 52
    # 16 questions on development and 18 on evaluation.
    asked = {"development": (3, 4, 4, 5), "evaluation": (3, 4, 4, 7)}
    own = [
        f"{part} {d}.{q}" for part, n in asked.items() for d in range(1, 5) for q in range(1, n[d - 1] + 1)
    ]
    assert list(items["PROBAST+AI"]) == own and len(own) == 16 + 18
    parts = {3: 2, 4: 2, 6: 2, 7: 4, 8: 7, 10: 3, 12: 2, 13: 2, 16: 3}
    own = [
        f"{i}{'abcdefg'[j]}" if i in parts else f"{i}" for i in range(1, 20) for j in range(parts.get(i, 1))
    ]
    assert list(items["TRIPOD-Cluster"]) == own and len(own) == 37
    assert set(table["fact"]) == set(known_facts())
    with pytest.raises(ValidationError, match="no fact 'seed'; the nearest known one is 'seeds'"):
        reporting_evidence({"seed": "1"})
