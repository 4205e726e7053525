"""Intervals of cross-validated scores are lengthened, and only theirs; what is printed is the longer one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.metrics.test_paired import predictions
from voicerisk.figures.differences import one_difference
from voicerisk.figures.wording import WIDER, given_scores, one_interval
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.metrics.compute import PERCENTILE, WIDENED, WILSON
from voicerisk.validation.metrics.paired import PAIRED, WIDENED_PAIRED, paired_differences
from voicerisk.validation.metrics.widening import widened, widening


def test_the_factor_is_nadeau_and_bengio_s_for_one_k_fold():
    for k in (2, 5, 10, 281):
        # (1/k + test/training) s2 in the place of s2/k, with test/training = (1/k) / (1 - 1/k)
        assert widening(k) ** 2 == pytest.approx((1 / k + (1 / k) / (1 - 1 / k)) / (1 / k))


@given(st.sets(st.integers(1, 99), min_size=3, max_size=3), st.floats(1.1, 2.0))
def test_a_wider_interval_holds_the_old_one_and_stays_in_range(values, factor):
    low, estimate, high = (value / 100 for value in sorted(values))
    for metric in ("auroc", "youden_j", "brier", "auroc_auto"):
        ends = widened(metric, estimate, low, high, factor)
        assert 0.0 - (metric == "youden_j") <= ends[0] < low and high < ends[1] <= 1.0


def test_at_the_end_of_a_range_the_interval_is_held_within_it():
    assert widened("sensitivity", 1.0, 0.8, 1.0, 1.5) == pytest.approx((0.7, 1.0))
    assert widened("calibration_slope", 1.0, -0.2, 2.2, 1.5) == pytest.approx((-0.8, 2.8))


def test_metrics_csv_has_both_and_the_wider_one_is_printed():
    metrics = compute_metrics(predictions(1), ValidationSettings(), n_boot=300, units=("call",))
    metrics["at"] = metrics["threshold"].fillna(-1)
    by_method = {name: part.set_index(["metric", "at"]) for name, part in metrics.groupby("method")}
    plain, wide = by_method[PERCENTILE], by_method[WIDENED]
    # No interval, no wider one.
    assert len(wide) == plain["lower"].notna().sum() and wide.index.isin(plain.index).all()
    area = wide.loc["auroc"].iloc[0]
    same = widened("auroc", *plain.loc["auroc"].iloc[0][["estimate", "lower", "upper"]], widening(30))
    assert (area["lower"], area["upper"]) == pytest.approx(same)
    printed = one_interval(metrics)
    assert not printed.duplicated(["metric", "threshold"]).any() and len(printed) == len(plain)
    assert set(printed["method"]) <= {WIDENED, WILSON, PERCENTILE}
    assert printed.query("metric == 'auroc'")["lower"].iloc[0] == area["lower"]
    assert given_scores(printed) == WIDER
    cuts = printed[printed["metric"] == "net_benefit"].set_index("threshold")["upper"]
    assert cuts.nunique() > 1  # each cut has its own interval


def test_a_fixed_model_on_other_callers_is_not_widened():
    outside = predictions(1, design="external", fold=0)
    metrics = compute_metrics(outside, ValidationSettings(), n_boot=100, units=("call",))
    assert WIDENED not in set(metrics["method"])


def test_differences_are_widened_alike():
    both = pd.concat([predictions(1), predictions(2, protocol="published")], ignore_index=True)
    found = paired_differences(both, n_boot=200).query("metric == 'auroc'").set_index("method")
    plain, wide = found.loc[PAIRED], found.loc[WIDENED_PAIRED]
    arms = np.array([wide["lower"], wide["upper"]]) - wide["difference"]
    np.testing.assert_allclose(
        arms, widening(30) * (np.array([plain["lower"], plain["upper"]]) - plain["difference"])
    )
    # Of two rates no difference is above 1, however long its arms.
    all_or_none = both.assign(p_raw=both["p_raw"].where(both["protocol"] == "nested", 0.9 - 0.8 * both["y"]))
    apart = paired_differences(all_or_none, n_boot=200).query("method == @WIDENED_PAIRED")
    rates = apart[apart["metric"].isin(["auroc", "sensitivity", "specificity"])]
    assert rates["upper"].le(1).all() and rates["upper"].max() == 1
    shown = one_difference(paired_differences(both, n_boot=200))
    assert not shown.duplicated(["metric", "threshold"]).any()
    assert shown.query("metric == 'auroc'")["method"].tolist() == [WIDENED_PAIRED]
