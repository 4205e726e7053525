"""Losses of call models, against closed forms and other programs."""

import numpy as np
import pytest

from voicerisk.models.calls.losses import NUMBER_SCALE, Grades, Numbers, TwoClasses
from voicerisk.models.calls.ridge import ridge_logistic
from voicerisk.proportional_odds import bounds, loss, ridge_ordinal, slopes


def drawn(n: int = 60, d: int = 4, seed: int = 1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    grade = np.digitize(x[:, 0] + 0.5 * x[:, 1] + rng.logistic(size=n), [-1.0, 0.3, 1.5])
    return x, grade.astype(np.int64), rng.uniform(0.5, 1.5, n)


def test_two_grades_are_a_logistic_regression() -> None:
    x, grade, w = drawn()
    y = (grade >= 2).astype(np.int64)
    thresholds, beta = ridge_ordinal(x, y, w, 0.7)
    intercept, other = ridge_logistic(x, y.astype(float), w, 0.7)
    np.testing.assert_allclose(beta, other, atol=1e-7)
    assert thresholds[0] == pytest.approx(-intercept, abs=1e-7)


def test_without_a_penalty_it_is_the_ordered_model_of_statsmodels() -> None:
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    x, grade, _ = drawn(200)
    thresholds, beta = ridge_ordinal(x, grade, np.ones(200), 1e-9)
    fit = OrderedModel(grade, x, distr="logit").fit(method="bfgs", disp=False, gtol=1e-8)
    # statsmodels stops at a gradient of 1e-8; at 200 rows that is 1e-5 of a coefficient
    np.testing.assert_allclose(beta, fit.params[:4], atol=2e-5)
    np.testing.assert_allclose(thresholds, fit.model.transform_threshold_params(fit.params)[1:-1], atol=2e-5)


def test_slopes_are_differences_of_the_loss() -> None:
    _, grade, w = drawn()
    score, theta = np.linspace(-1, 1, 60), np.array([-1.0, 0.2, 1.1])
    found = slopes(theta, score, grade, w)
    for k in range(3):
        step = np.zeros(3)
        step[k] = 1e-5
        by_hand = (loss(theta - step, score, grade, w) - loss(theta + step, score, grade, w)) / 2e-5
        assert found.thresholds[k] == pytest.approx(by_hand, rel=1e-6)
        before, after = (slopes(theta + sign * step, score, grade, w).thresholds for sign in (-1, 1))
        np.testing.assert_allclose(found.curvature[k], (after - before) / 2e-5, atol=1e-5)


def test_more_columns_than_rows_is_the_same_fit() -> None:
    x, grade, w = drawn(20, 4)
    wide = np.hstack([x, np.zeros((20, 30))])
    np.testing.assert_allclose(
        ridge_ordinal(wide, grade, w, 0.5)[1][:4], ridge_ordinal(x, grade, w, 0.5)[1], atol=1e-6
    )
    y = x[:, 0] + 0.1 * np.arange(20)
    narrow = Numbers(0.0).fit(x, y, w, 0.5)
    found = Numbers(0.0).fit(wide, y, w, 0.5)
    np.testing.assert_allclose(found[1][:4], narrow[1], atol=1e-9)
    assert found[0] == pytest.approx(narrow[0])


def test_numbers_are_the_ridge_of_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    x, _, w = drawn()
    y = 3.0 + x[:, 0] + np.sin(np.arange(60))
    intercept, beta = Numbers(2.0).fit(x, y, w, 0.25)
    fit = Ridge(alpha=0.25 * NUMBER_SCALE).fit(x, y, sample_weight=w)
    np.testing.assert_allclose(beta, fit.coef_, atol=1e-9)
    assert intercept == pytest.approx(fit.intercept_)


def test_residuals_are_what_a_model_without_markers_leaves() -> None:
    _, grade, w = drawn()
    share = w / w.sum()
    found, variance = Grades().residual(grade.astype(float), share)
    # the score's derivative at the best thresholds for score 0, whose mean is 0
    upto = np.cumsum(np.bincount(grade, share))[:-1]
    low, high = bounds(np.log(upto / (1 - upto)), np.zeros(60), grade)
    np.testing.assert_allclose(found, high + low - 1.0, atol=1e-12)
    assert share @ found == pytest.approx(0.0, abs=1e-12)
    assert variance == pytest.approx(share @ found**2)
    y = (grade > 1).astype(float)
    residual, of_classes = TwoClasses().residual(y, share)
    assert of_classes == pytest.approx(share @ residual**2)
