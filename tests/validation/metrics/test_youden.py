import numpy as np
import pandas as pd
import pytest

from voicerisk.callers.draws import draw_callers
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.youden import (
    automatic_direction,
    bootstrap_youden,
    cut_out_of_bag,
    youden_cut,
    youden_cuts,
)

EXACT = 1e-8


def _columns(table):
    return table["y"].to_numpy(), table["score"].to_numpy()


@pytest.mark.parametrize("name", ["d30", "d281"])
def test_youden_cut_equals_cutpointr(name, tables, expected):
    y, score = _columns(tables[name])
    ref = expected[name]["cutpointr"]
    cut, youden = youden_cut(score, y)
    assert cut == pytest.approx(ref["default_median"]["optimal_cutpoint"], abs=EXACT)
    assert youden == pytest.approx(ref["default_median"]["youden"], abs=EXACT)
    midpoint, _ = youden_cut(score, y, midpoints=True)
    assert midpoint == pytest.approx(ref["midpoints_all_ties"]["optimal_cutpoint"], abs=EXACT)
    assert midpoint == pytest.approx(expected[name]["proc_coords"]["youden"]["threshold"], abs=EXACT)
    assert automatic_direction(score, y) == ref["auto_direction"]


def test_ties_within_the_tolerance_are_all_optimal_and_their_median_is_taken():
    score, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 1])
    cuts, youden = youden_cuts(score, y)
    assert cuts.tolist() == [2.0, 4.0] and youden == 0.5
    assert youden_cut(score, y)[0] == 3.0
    # Nothing separates a reversed sample: everybody, or nobody (infinity), is positive.
    cuts, youden = youden_cuts(-score[[0, 3]], np.array([0, 1]))
    assert cuts.tolist() == [-4.0, np.inf] and youden == 0.0
    midpoints, _ = youden_cuts(score, y, midpoints=True)
    assert midpoints.tolist() == [1.5, 3.5]


@pytest.mark.parametrize("name", ["d30", "d281"])
@pytest.mark.parametrize(
    ("key", "stratified", "midpoints"),
    [("strat_seed1", True, False), ("unstrat_seed1", False, False), ("strat_mid_seed1", True, True)],
)
def test_mean_of_bootstrap_cuts_is_cutpointrs_in_distribution(
    name, key, stratified, midpoints, tables, expected
):
    y, score = _columns(tables[name])
    rows = np.arange(len(y))
    strata = y if stratified else None
    found = bootstrap_youden(score, y, rows, np.random.default_rng(3), 4000, midpoints, strata)
    reference = expected[name]["cutpointr"]["maximize_boot_metric_1000"][key]
    # Means of 1,000 (R) and 4,000 (here) resamples, each with the spread of the cuts.
    assert abs(found.threshold - reference) < 4 * found.sd / np.sqrt(1000)


def test_separated_scores_give_the_analytic_mean(tables, expected):
    y, score = _columns(tables["separated"])
    ref = expected["separated"]
    found = bootstrap_youden(score, y, np.arange(len(y)), np.random.default_rng(1), 20_000, strata=y)
    assert abs(found.threshold - ref["analytic_expected_cut_strat"]) < 4 * found.sd / np.sqrt(20_000)
    assert found.threshold > ref["min_pos"]
    middle = bootstrap_youden(score, y, np.arange(len(y)), np.random.default_rng(1), 4000, True, y)
    assert abs(middle.threshold - ref["boot1000_strat_mid_seed1"]) < 4 * middle.sd / np.sqrt(1000)


def test_single_resamples_follow_cutpointrs(evaluation, tables):
    """Quantiles of the cuts themselves, against 1,000 resamples of cutpointr: within 2.5 percentile ranks."""
    y, score = _columns(tables["d281"])
    reference = pd.read_csv(evaluation / "cutpointr_bootstrap_281_calls.csv")["optimal_cutpoint"].to_numpy()
    rng = np.random.default_rng(2)
    counts, _ = draw_callers(np.arange(len(y)), y, 2000, rng, y)
    cuts = []
    for row in counts:
        optimal, _ = youden_cuts(np.repeat(score, row), np.repeat(y, row))
        cuts.append(float(np.median(optimal)))
    cuts = np.array(cuts)
    assert abs(cuts.mean() - reference.mean()) < 4 * reference.std() * np.sqrt(1 / 1000 + 1 / 2000)
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        value = np.quantile(reference, q)
        # Scores have two decimals, so that the rank of a value is an interval.
        assert (cuts < value - 1e-9).mean() - 0.025 <= q <= (cuts <= value + 1e-9).mean() + 0.025


@pytest.mark.parametrize("name", ["d30", "d281"])
def test_out_of_bag_performance_of_the_cut_is_cutpointrs(name, tables, expected):
    y, score = _columns(tables[name])
    groups = np.arange(len(y))
    counts, _ = draw_callers(groups, y, 1000, np.random.default_rng(5), strata=y)
    found = cut_out_of_bag(score, y, groups, counts)
    ref = expected[name]["cutpointr"]["boot_runs_strat"]
    names = {
        "cut": "optimal_cutpoint", "youden_bag": "youden_b", "youden_oob": "youden_oob",
        "sensitivity_oob": "sensitivity_oob", "specificity_oob": "specificity_oob", "accuracy_oob": "acc_oob",
    }  # fmt: skip
    for ours, theirs in names.items():
        gap = abs(found[ours].mean() - ref[theirs]["mean"])
        assert gap < 4 * ref[theirs]["sd"] * np.sqrt(1 / 1000 + 1 / 1000), ours
        assert found[ours].std() == pytest.approx(ref[theirs]["sd"], rel=0.12), ours


def test_many_resamples_at_once_equal_one_at_a_time(tables):
    y, score = _columns(tables["d30"])
    groups = np.unique(tables["d30"]["caller"], return_inverse=True)[1]
    counts, redrawn = draw_callers(groups, y, 200, np.random.default_rng(8))
    pooled = []
    for row in counts:
        times = row[groups]
        cuts, _ = youden_cuts(np.repeat(score, times), np.repeat(y, times), midpoints=True)
        pooled.extend(cuts[np.isfinite(cuts)])
    found = bootstrap_youden(score, y, groups, np.random.default_rng(8), 200, midpoints=True)
    assert found.threshold == pytest.approx(np.mean(pooled), abs=1e-12)
    assert found.sd == pytest.approx(np.std(pooled, ddof=1), abs=1e-12)
    assert found.redrawn == redrawn


def test_resamples_of_one_class_are_drawn_again_and_counted():
    y = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    counts, redrawn = draw_callers(np.arange(8), y, 500, np.random.default_rng(0))
    assert (counts[:, 7] > 0).all() and (counts.sum(1) == 8).all()
    # A resample misses the one positive with probability (7/8)^8 = 0.34.
    assert redrawn > 100


def test_constant_scores_have_no_cut():
    y = np.array([0, 1, 0, 1])
    assert np.isnan(youden_cut(np.full(4, 0.5), y)[0])
    found = bootstrap_youden(np.full(4, 0.5), y, np.arange(4), np.random.default_rng(0))
    assert np.isnan(found.threshold) and found.n_boot == 0
    with pytest.raises(ValidationError, match="both classes"):
        youden_cut(np.arange(3.0), np.ones(3))
    with pytest.raises(ValidationError, match="one class only"):
        draw_callers(np.arange(3), np.ones(3), 10, np.random.default_rng(0))


def test_low_scores_that_mean_high_risk_by_negation():
    score, y = np.array([0.9, 0.8, 0.3, 0.2]), np.array([0, 0, 1, 1])
    assert automatic_direction(score, y) == "<="
    assert -youden_cut(-score, y)[0] == 0.3


def test_a_cut_keeps_less_out_of_bag_than_it_promises(tables):
    """cutpointr's boot_runs on d281: Youden index 0.559 in bag, 0.478 out of bag (means of 1,000)."""
    from voicerisk.validation import ValidationSettings
    from voicerisk.validation.metrics.cut_stability import cut_stability
    from voicerisk.validation.protocols.external import external_rows

    calls = tables["d281"].assign(call_id=lambda t: t["caller"].astype(str), caller_id=lambda t: t["call_id"])
    calls = calls[["call_id", "caller_id", "y", "score"]]
    score, calls = calls["score"].to_numpy(), calls.drop(columns="score")
    rows = external_rows(calls, score, None, 0.3, "m")
    table = cut_stability(rows, ValidationSettings(bootstraps=600)).set_index("quantity")
    # R draws within outcome; the unstratified means differ by less than their Monte Carlo error of 0.004.
    assert abs(table.loc["youden_bag", "mean"] - 0.5586) < 0.015
    assert abs(table.loc["youden_oob", "mean"] - 0.4779) < 0.015
    assert table.loc["cut", "n_boot"] == 600
    flat = external_rows(calls, np.full(len(calls), 0.4), None, 0.3, "m")
    assert cut_stability(flat, ValidationSettings(bootstraps=5)).empty


def test_the_mean_of_equal_cuts_is_that_cut():
    """Every resample cuts at the one score of all positives; a mean above it by a rounding flags nobody."""
    y = np.repeat([0, 1], 12)
    score = np.where(y == 1, 0.970421964167, 0.029578035833)
    for n_boot in range(90, 111):
        cut = bootstrap_youden(score, y, np.arange(24), np.random.default_rng(n_boot), n_boot, False)
        assert cut.threshold == 0.970421964167
