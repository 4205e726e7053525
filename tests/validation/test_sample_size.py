"""Sample sizes against R's pmsampsize 1.1.2 and the published code of Riley (2021)."""

import numpy as np
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation.sample_size import (
    NODES,
    Precision,
    _slope_information,
    auroc_se,
    calibrated_log_odds,
    design_effect,
    development_plan,
    slope_information,
    validation_plan,
)


def largest_r2(prevalence):
    return 1 - np.exp(2 * (prevalence * np.log(prevalence) + (1 - prevalence) * np.log(1 - prevalence)))


def test_development_agrees_with_pmsampsize():
    # pmsampsize(type = "b", csrsquared = 0.288, parameters = 24, prevalence = 0.174)
    found = development_plan(24, 0.174, 0.288 / largest_r2(0.174))
    assert found["callers"].tolist() == [623, 662, 221]
    assert found["events"].tolist() == [109, 116, 39]


def test_validation_agrees_with_pmvalsampsize():
    # pmvalsampsize 0.2.1: prevalence 0.22, C 0.8, log-odds normal (-1.7, 1.2): 1364, 2963, 440.
    found = validation_plan(0.8, 0.22)["callers"].tolist()
    assert found[2] == 440
    # Its SE of O/E moves in steps of 0.0001 and is printed as 0.051; ours is 0.05095.
    assert found[0] == 1367
    assert int(np.ceil(0.78 / (0.22 * 0.051**2))) == 1364
    # Its log-odds are a million random draws: Monte Carlo error of some callers.
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    information = _slope_information(-1.7 + 1.2 * nodes, weights / weights.sum())
    assert 1 / (0.2 / 3.92) ** 2 / information == pytest.approx(2963, rel=0.002)


def test_log_odds_of_the_slope_are_calibrated():
    centre, sd = calibrated_log_odds(0.8, 0.22)
    rng = np.random.default_rng(1)
    y = rng.random(400_000) < 0.22
    x = centre + (y - 0.5) * sd**2 + sd * rng.normal(size=len(y))
    p = 1 / (1 + np.exp(-x))
    order = np.argsort(p)
    # In tenths of callers by risk, mean risk and share of outcomes agree: 4 standard errors are 0.01.
    for part in np.array_split(order, 10):
        assert y[part].mean() == pytest.approx(p[part].mean(), abs=0.01)
    curvature = p * (1 - p)
    i0, i1, i2 = (np.mean(curvature * x**k) for k in (0, 1, 2))
    assert slope_information(0.8, 0.22) == pytest.approx((i0 * i2 - i1**2) / i0, rel=0.02)


def test_widths_are_kept():
    wide, narrow = (validation_plan(0.75, 0.3, Precision(auroc=width)) for width in (0.2, 0.1))
    n = int(narrow["callers"].iloc[2])
    assert auroc_se(n, 0.75, 0.3) <= 0.1 / 3.92 < auroc_se(n - 1, 0.75, 0.3)
    assert wide["callers"].iloc[2] < n


def test_net_benefit_by_simulation():
    found = validation_plan(0.8, 0.3, threshold=0.2, sensitivity=0.8, specificity=0.7)
    n = int(found["callers"].iloc[-1])
    rng = np.random.default_rng(2)
    y = rng.random((4000, n)) < 0.3
    flagged = rng.random((4000, n)) < np.where(y, 0.8, 0.3)
    weight = 0.25
    benefit = ((flagged & y).mean(1) - weight * (flagged & ~y).mean(1)) / 0.3
    # The formula takes the prevalence of the standardisation as random too; both agree to a tenth.
    share = y.mean(1)
    own = ((flagged & y).mean(1) - weight * (flagged & ~y).mean(1)) / share
    assert 3.92 * own.std() == pytest.approx(0.2, rel=0.1)
    assert benefit.mean() == pytest.approx(0.8 - 0.25 * 0.3 * 0.7 / 0.3, abs=0.01)


def test_calls_of_one_caller_count_less():
    assert design_effect(1, 0.9) == 1.0
    assert design_effect(4, 0.0) == 1.0
    assert design_effect(4, 1.0) == 4.0


@pytest.mark.parametrize(("auroc", "prevalence"), [(0.5, 0.3), (1.0, 0.3), (0.8, 0.0), (0.8, 1.0)])
def test_what_cannot_be_planned_is_refused(auroc, prevalence):
    with pytest.raises(ValidationError, match=r"AUROC between 0.5 and 1"):
        validation_plan(auroc, prevalence)


def test_net_benefit_needs_all_three():
    with pytest.raises(ValidationError, match="needs a threshold, a sensitivity and a specificity"):
        validation_plan(0.8, 0.3, threshold=0.2)
