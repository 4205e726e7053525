import numpy as np
import pytest
from scipy.special import expit

from voicerisk.errors import ValidationError
from voicerisk.validation import caller_shares, training_weights
from voicerisk.validation.metrics.calibration import calibration_line
from voicerisk.validation.metrics.logistic import logit
from voicerisk.validation.metrics.recalibration import SCORE_CLIP, SILENT_CALLERS, fitted_line, recalibrate
from voicerisk.validation.protocols.steps import choose_steps


def test_with_class_factor_one_the_criterion_is_the_mean_over_callers_of_their_mean_frame_deviance():
    rng = np.random.default_rng(0)
    caller = np.array(["a", "a", "b", "c", "d", "d"])
    n_frames = np.array([10, 30, 7, 100, 5, 5])
    y = np.array([0, 0, 1, 0, 1, 1])
    deviance = rng.gamma(2, 0.5, (6, 4))
    # Two of four callers are positive, so that a prior of one half leaves every class factor at 1.
    weights = training_weights(caller, y, 0.5, n_frames)
    found = choose_steps(deviance, weights, np.array([0, 0, 1, 1, 2, 2]))
    by_caller = [np.average(deviance[caller == c], axis=0, weights=n_frames[caller == c]) for c in "abcd"]
    np.testing.assert_allclose(found.deviance, np.mean(by_caller, axis=0), atol=1e-12)
    assert found.step == int(np.argmin(found.deviance)) and found.step_1se <= found.step


def test_the_smallest_number_of_steps_is_taken_where_deviances_tie():
    deviance = np.array([[3.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    assert choose_steps(deviance, np.ones(2), np.array([0, 1])).step == 1


def test_shares_of_a_caller_sum_to_one():
    shares = caller_shares(["a", "a", "b"], [1, 3, 9])
    np.testing.assert_allclose(shares, [0.25, 0.75, 1.0])
    with pytest.raises(ValidationError, match="one class is absent"):
        training_weights(["a", "b"], [1, 1], 0.5)
    with pytest.raises(ValidationError, match="class prior must lie strictly between"):
        training_weights(["a", "b"], [0, 1], 1.0)


def test_recalibration_is_the_weighted_logistic_regression_and_averages_to_the_prior():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 80)
    score = np.clip(0.4 + 0.1 * y + rng.normal(0, 0.15, 80), 0.01, 0.99)
    weights = training_weights(np.arange(80), y, 0.1)
    found = fitted_line(score, y, weights, 0.1)
    x = logit(score, SCORE_CLIP)
    family = sm.families.Binomial()
    fit = sm.GLM(y, sm.add_constant(x), family=family, freq_weights=weights).fit(tol=1e-14)
    assert (found.intercept, found.slope) == pytest.approx(tuple(fit.params), abs=1e-8)
    assert np.average(found(score), weights=weights) == pytest.approx(0.1, abs=1e-10)
    assert not found.flat and not found.separated
    shrunken = recalibrate(score, y, weights, 0.1)
    assert shrunken.slope == pytest.approx(found.slope * 80 / (80 + SILENT_CALLERS))
    assert np.average(shrunken(score), weights=weights) == pytest.approx(0.1, abs=1e-10)


def test_shrunken_risks_of_many_studies_are_not_too_extreme():
    rng = np.random.default_rng(3)

    def drawn(n):
        x = rng.normal(0, 1, n)
        return expit(x), (rng.random(n) < expit(x)).astype(int)

    score, y = drawn(2000)
    risks: dict[str, list[np.ndarray]] = {"fitted_line": [], "recalibrate": []}
    outcomes = []
    for _ in range(150):
        own, own_y = drawn(80)
        weights = training_weights(np.arange(80), own_y, own_y.mean())
        for learn in (fitted_line, recalibrate):
            risks[learn.__name__].append(learn(own, own_y, weights, own_y.mean())(score))
        outcomes.append(y)
    known = np.concatenate(outcomes)
    slope = {name: calibration_line(known, np.concatenate(p)).slope for name, p in risks.items()}
    assert slope["fitted_line"] < 0.9
    assert slope["recalibrate"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("score", [np.full(6, 0.4), np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])])
def test_constant_and_reversed_scores_give_the_prior(score):
    y = np.array([0, 0, 0, 1, 1, 1])
    found = recalibrate(score, y, training_weights(np.arange(6), y, 0.2), 0.2)
    assert found.flat and found.slope == 0.0
    np.testing.assert_allclose(found(np.array([0.1, 0.9])), 0.2)


def test_a_slope_below_zero_becomes_zero():
    y = np.array([0, 1, 0, 1, 0, 1])
    score = np.array([0.6, 0.5, 0.55, 0.3, 0.4, 0.45])
    found = recalibrate(score, y, np.ones(6), 0.5)
    assert found.flat and found(score) == pytest.approx(np.full(6, 0.5))


@pytest.mark.parametrize("lowest_positive", [0.6, 0.4])
def test_separated_scores_take_platts_targets(lowest_positive):
    """Also where the classes only touch at one score, which no finite slope can fit either."""
    y = np.array([0, 0, 0, 1, 1])
    score = np.array([0.1, 0.2, 0.4, lowest_positive, 0.9])
    found = recalibrate(score, y, np.ones(5), 0.4)
    assert found.separated and not found.flat and 0 < found.slope < 20
    risk = found(score)
    assert (np.diff(risk) >= 0).all() and risk[0] > 0 and risk[-1] < 1
