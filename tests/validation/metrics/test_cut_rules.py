"""Cuts by a service's rule: what each promises holds on the scores it was learned from, by brute force."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from voicerisk.callers.draws import draw_callers
from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings
from voicerisk.validation.cut_rule import CutRule, read_rule
from voicerisk.validation.metrics.cut_rules import bootstrapped_cuts, rule_cut
from voicerisk.validation.metrics.recalibration import Recalibration
from voicerisk.validation.metrics.youden import cut_out_of_bag
from voicerisk.validation.protocols.outer_fold import cut_scores


def scores(n=120, ties=False, seed=4):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.2 * y - 0.5)))
    return (score.round(1) if ties else score), y


def at(cut, score, y):
    flagged = score >= cut
    return flagged[y == 1].mean(), 1 - flagged[y == 0].mean(), flagged.mean()


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("floor", [0.5, 0.8, 0.95, 1.0])
def test_a_floor_on_sensitivity_holds_and_no_higher_cut_keeps_it(floor, ties):
    score, y = scores(ties=ties)
    cut = rule_cut(CutRule("sensitivity", floor), score, y)
    assert at(cut, score, y)[0] >= floor
    assert all(at(c, score, y)[0] < floor for c in np.unique(score) if c > cut)
    half = rule_cut(CutRule("sensitivity", floor), score, y, midpoints=True)
    np.testing.assert_array_equal(score >= half, score >= cut)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("flags", "prevalence"), [(10, None), (40, None), (10, 0.05), (0.1, None)])
def test_a_capacity_is_never_exceeded_and_is_used(flags, prevalence, ties):
    score, y = scores(ties=ties)
    pi = y.mean() if prevalence is None else prevalence

    def share(cut):
        sensitivity, specificity, _ = at(cut, score, y)
        return pi * sensitivity + (1 - pi) * (1 - specificity)

    cut = rule_cut(CutRule("capacity", flags), score, y, prevalence=prevalence)
    assert share(cut) <= flags / 100 + 1e-12
    assert all(share(c) > flags / 100 for c in np.unique(score) if c < cut)


@pytest.mark.parametrize("cost", [0.2, 1, 5, 50])
def test_a_price_is_paid_as_little_as_can_be(cost):
    score, y = scores()
    cut = rule_cut(CutRule("cost", cost), score, y, prevalence=0.1)

    def price(c):
        sensitivity, specificity, _ = at(c, score, y)
        return 0.1 * cost * (1 - sensitivity) + 0.9 * (1 - specificity)

    assert price(cut) <= min(price(c) for c in [*np.unique(score), np.inf]) + 1e-9


def test_a_dearer_miss_lowers_the_cut():
    score, y = scores()
    cuts = [rule_cut(CutRule("cost", cost), score, y) for cost in (0.5, 2, 10, 100)]
    assert cuts == sorted(cuts, reverse=True) and cuts[0] > cuts[-1]


def test_weights_are_copies_of_rows():
    score, y = scores(40)
    times = np.random.default_rng(1).integers(0, 4, 40)
    for rule in (CutRule("sensitivity", 0.9), CutRule("capacity", 20), CutRule("cost", 4)):
        assert rule_cut(rule, score, y, times) == rule_cut(rule, np.repeat(score, times), np.repeat(y, times))


def test_a_risk_is_taken_through_the_recalibration():
    score, y = scores()
    line = Recalibration(-0.4, 1.7, False, False)
    cut = rule_cut(CutRule("risk", 0.2), score, y, line=line)
    np.testing.assert_array_equal(score >= cut, line(score) >= 0.2)
    assert rule_cut(CutRule("risk", 0.2), score, y) == 0.2
    assert np.isnan(rule_cut(CutRule("risk", 0.2), score, y, line=replace(line, slope=0.0)))


def test_bootstraps_draw_whole_callers_and_judge_on_those_left_out():
    score, y = scores()
    groups = np.arange(len(y)) // 3
    first = y[groups * 3]
    rng = np.random.default_rng(3)
    cuts, _ = bootstrapped_cuts(CutRule("sensitivity", 0.9), score, first, groups, rng, 50)
    assert len(cuts) == 50 and np.ptp(cuts) > 0
    counts, _ = draw_callers(groups, first, 60, np.random.default_rng(3))
    table = cut_out_of_bag(score, first, groups, counts, rule=CutRule("sensitivity", 0.9))
    # What holds in the bag does not hold in full outside it.
    assert table["sensitivity_oob"].mean() < 0.9 + 0.05
    assert (table["youden_bag"] <= 1).all() and table["cut"].between(score.min(), score.max()).all()


def test_a_fold_takes_its_cut_by_the_rule_of_the_study():
    score, y = scores()
    settings = ValidationSettings(threshold={"sensitivity": 0.95}, bootstraps=30)
    found = cut_scores(score, y, np.arange(len(y)).astype(str), settings, True, (0, 0, 0))
    assert found.method == "sensitivity" and found.n_boot == 30
    assert at(found.threshold, score, y)[0] >= 0.95
    assert found.q025 <= found.threshold <= found.q975
    constant = cut_scores(
        np.full(10, 0.3), np.arange(10) % 2, np.arange(10).astype(str), settings, True, (0,)
    )
    assert np.isnan(constant.threshold)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"sensitivty": 0.9}, "has the rule 'sensitivty'; it is one of sensitivity, cost, capacity, risk"),
        ({"sensitivity": 95}, "sensitivity is 95; it must be a share above 0 and at most 1"),
        ({"capacity": 100}, "capacity is 100; it must be a number of calls above 0 and below 100"),
        ({"cost": 0}, "cost is 0; it must be a number above 0"),
        ({"risk": True}, "risk is True; it must be a probability"),
        ({"risk": 0.2, "cost": 3}, "must hold one rule"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(value, says):
    with pytest.raises(ValidationError, match=says):
        read_rule(value)
    with pytest.raises(ValidationError, match=says):
        ValidationSettings(threshold=value)


def test_one_class_has_no_cut():
    with pytest.raises(ValidationError, match="one class is absent"):
        rule_cut(CutRule("cost", 2), np.array([0.1, 0.2]), np.array([1, 1]))
    assert pd.isna(rule_cut(CutRule("cost", 2), np.array([0.2, 0.2]), np.array([1, 0])))
