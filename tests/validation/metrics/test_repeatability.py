"""Repeatability of markers: against sums by hand and against truth that is simulated."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.validation.metrics.repeatability import icc_oneway, repeatability


def test_shrout_and_fleiss_table_of_six_targets():
    # Shrout and Fleiss (1979), table 2: four judges, six targets; ICC(1,1) is .17.
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    icc, within = icc_oneway(ratings.ravel().astype(float), np.repeat(np.arange(6), 4))
    assert icc == pytest.approx(0.166, abs=5e-4)
    assert within == pytest.approx(np.sqrt(ratings.var(axis=1, ddof=1).mean()))


def test_truth_is_found_with_segments_of_unequal_number():
    rng = np.random.default_rng(1)
    rows = []
    for caller in range(150):
        voice = rng.normal(scale=1.0)
        for call in range(2):
            mood = rng.normal(scale=0.5)
            n = int(rng.integers(2, 12))
            x = voice + mood + rng.normal(scale=2.0, size=n)
            rows.append(
                pd.DataFrame(
                    {
                        "call_id": f"{caller}.{call}",
                        "caller_id": str(caller),
                        "x": x,
                        "noise": rng.normal(size=n),
                    }
                )
            )
    found = repeatability(pd.concat(rows), ["x", "noise"]).set_index("marker")
    # 1.25 / (1.25 + 4); the standard error with 300 calls is about 0.02.
    assert found.loc["x", "icc_segments"] == pytest.approx(1.25 / 5.25, abs=0.06)
    assert found.loc["x", "sd_within_call"] == pytest.approx(2.0, rel=0.05)
    assert found.loc["noise", "icc_segments"] < 0.05
    assert found.loc["x", "n_callers_again"] == 150
    # Means of calls: 1 between callers; 0.25 and 4 / segments within them.
    assert 0.4 < found.loc["x", "icc_calls"] < 0.75


def test_minimal_detectable_change_is_passed_by_one_pair_in_twenty():
    rng = np.random.default_rng(2)
    n, size = 4000, 5
    x = rng.normal(size=(n, size))
    table = pd.DataFrame(
        {"call_id": np.repeat(np.arange(n), size), "caller_id": np.repeat(np.arange(n), size), "x": x.ravel()}
    )
    found = repeatability(table, ["x"]).iloc[0]
    assert found["mdc_from"] == "segments"
    change = found["mdc_calls"]
    means = x.mean(axis=1)
    passed = np.mean(np.abs(means[::2] - means[1::2]) > change)
    assert passed == pytest.approx(0.05, abs=0.015)  # three standard errors of 2,000 pairs


def test_what_cannot_be_told_is_empty():
    table = pd.DataFrame(
        {"call_id": list("aabb"), "caller_id": list("aabb"), "x": [1.0, 2, 3, 4], "gap": np.nan}
    )
    found = repeatability(table, ["x", "gap"]).set_index("marker")
    assert found["icc_segments"].isna().all() and found.loc["gap", "n_segments"] == 0
    assert icc_oneway(np.array([1.0, 1, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2]))[1] == 0.0


def test_change_of_a_caller_is_measured_by_their_calls_where_they_have_several():
    rng = np.random.default_rng(3)
    callers, size = 3000, 6
    mood = rng.normal(scale=1.0, size=(callers, 2))
    x = mood[:, :, None] + rng.normal(size=(callers, 2, size))
    call = np.repeat(np.arange(callers * 2), size)
    table = pd.DataFrame({"call_id": call, "caller_id": call // 2, "x": x.ravel()})
    found = repeatability(table, ["x"]).iloc[0]
    assert found["mdc_from"] == "calls"
    passed = np.abs(np.diff(x.mean(axis=2), axis=1)) > found["mdc_calls"]
    assert passed.mean() == pytest.approx(0.05, abs=0.015)  # four standard errors of 3,000 pairs
