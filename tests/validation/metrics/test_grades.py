"""Ordinal and numeric measures: pairs by brute force, scikit-learn, and what must hold."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, cohen_kappa_score, r2_score, roc_auc_score

from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.grades import (
    grade_calibration,
    grade_metrics,
    number_metrics,
    ordinal_c,
    ranked_probability_score,
    spectrum_effect,
    weighted_kappa,
    within_callers_c,
)


def drawn(n=150, seed=2):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    cuts = np.array([-1.0, 0.0, 1.2])
    above = 1 / (1 + np.exp(-(1.5 * truth[:, None] - cuts)))
    p = -np.diff(np.column_stack([np.ones(n), above, np.zeros(n)]), axis=1)
    grade = (rng.random(n)[:, None] < above).sum(axis=1)
    return grade, truth.round(1), p, above


def test_concordance_counts_pairs():
    grade, score, _, _ = drawn()
    good = total = 0.0
    for i in range(len(grade)):
        for j in range(len(grade)):
            if grade[i] < grade[j]:
                total += 1
                good += (score[i] < score[j]) + 0.5 * (score[i] == score[j])
    assert ordinal_c(grade, score) == pytest.approx(good / total, abs=1e-12)
    assert ordinal_c(grade, -score) == pytest.approx(1 - good / total, abs=1e-12)


def test_two_grades_are_auroc_and_brier():
    grade, score, p, above = drawn()
    y = (grade >= 2).astype(int)
    assert ordinal_c(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    two = np.column_stack([1 - above[:, 1], above[:, 1]])
    assert ranked_probability_score(y, two) == pytest.approx(brier_score_loss(y, above[:, 1]), abs=1e-12)
    # The mean over thresholds of the Brier scores of P(y >= k)
    of_each = [brier_score_loss(grade >= k, above[:, k - 1]) for k in (1, 2, 3)]
    assert ranked_probability_score(grade, p) == pytest.approx(np.mean(of_each), abs=1e-12)


@pytest.mark.parametrize("distance", ["linear", "quadratic"])
def test_kappa_is_that_of_scikit_learn_and_knows_absent_grades(distance):
    grade, _, p, _ = drawn()
    likely = p.argmax(axis=1)
    assert weighted_kappa(grade, likely, distance) == pytest.approx(
        cohen_kappa_score(grade, likely, weights=distance), abs=1e-12
    )
    # 0, 1 and 4: a miss by three grades is not a miss by one
    first, second = np.array([0, 1, 4, 4, 0]), np.array([0, 4, 4, 1, 1])
    labels = list(range(5))
    assert weighted_kappa(first, second, distance) == pytest.approx(
        cohen_kappa_score(first, second, weights=distance, labels=labels), abs=1e-12
    )
    assert np.isnan(weighted_kappa(np.ones(3, int), np.ones(3, int)))


def test_weights_are_copies_of_rows():
    grade, score, p, _ = drawn(60)
    times = np.random.default_rng(5).integers(0, 3, 60)
    again = np.repeat(np.arange(60), times)
    assert ordinal_c(grade, score, times) == pytest.approx(ordinal_c(grade[again], score[again]))
    assert ranked_probability_score(grade, p, times) == pytest.approx(
        ranked_probability_score(grade[again], p[again])
    )
    likely = p.argmax(axis=1)
    assert weighted_kappa(grade, likely, "linear", times) == pytest.approx(
        weighted_kappa(grade[again], likely[again], "linear")
    )


def test_calibration_of_each_grade_is_right_for_the_truth_and_wrong_for_a_shifted_score():
    grade, _, _, above = drawn(6000)
    right = grade_calibration(grade, above)
    np.testing.assert_allclose(right["observed"], right["expected"], atol=0.02)
    np.testing.assert_allclose(right["slope"], 1.0, atol=0.12)
    shifted = 1 / (1 + np.exp(-(np.log(above / (1 - above)) * 2 + 1)))
    wrong = grade_calibration(grade, shifted)
    np.testing.assert_allclose(wrong["slope"], 0.5, atol=0.06)
    assert (wrong["in_the_large"] < -0.3).all()
    none = grade_calibration(np.zeros(10, int), np.full((10, 1), 0.2))
    assert none["slope"].isna().all() and none["observed"].iloc[0] == 0


def test_leaving_the_middle_out_flatters():
    grade, _, _, above = drawn(3000)
    table = spectrum_effect(grade, above[:, 0], low=0, high=3).set_index("calls")
    assert table.loc["without the middle", "auroc"] > table.loc["everyone", "auroc"] + 0.05
    assert table.loc["everyone", "n_middle"] == np.isin(grade, (1, 2)).sum()
    assert table.loc["without the middle", "n_middle"] == 0
    assert table.loc["everyone", "auroc"] == pytest.approx(roc_auc_score(grade >= 3, above[:, 0]))
    with pytest.raises(ValidationError, match="low must be below high"):
        spectrum_effect(grade, above[:, 0], low=2, high=2)


def test_noise_has_a_concordance_of_one_half_and_no_skill():
    rng = np.random.default_rng(4)
    values = []
    for _ in range(60):
        grade = rng.integers(0, 5, 200)
        values.append(ordinal_c(grade, rng.normal(size=200)))
    assert np.mean(values) == pytest.approx(0.5, abs=0.01)
    grade, score, _, _ = drawn(400)
    shares = np.tile(np.bincount(grade) / len(grade), (len(grade), 1))
    table = grade_metrics(grade, score, shares, np.arange(400), n_boot=50).set_index("metric")["estimate"]
    assert table["rps"] == table["rps_of_shares"]


def test_intervals_draw_whole_callers():
    grade, score, p, _ = drawn(90)
    alone = grade_metrics(grade, score, p, np.arange(90), n_boot=400).set_index("metric")
    # The same calls three times each: a bootstrap of rows would narrow, one of callers does not.
    again = np.repeat(np.arange(90), 3)
    copied = grade_metrics(grade[again], score[again], p[again], again, n_boot=400).set_index("metric")
    width = (copied["upper"] - copied["lower"]) / (alone["upper"] - alone["lower"])
    np.testing.assert_allclose(copied["estimate"], alone["estimate"], atol=0.01)
    np.testing.assert_allclose(width, 1.0, atol=0.05)
    assert alone["n_callers"].eq(90).all() and copied["n"].eq(270).all()
    assert ((alone["lower"] < alone["estimate"]) & (alone["estimate"] < alone["upper"])).all()


def test_numbers_are_measured_in_their_unit():
    rng = np.random.default_rng(1)
    y = rng.normal(15, 5, 200)
    f = 15 + 0.5 * (y - 15) + rng.normal(size=200)
    table = number_metrics(y, f, np.arange(200), n_boot=100).set_index("metric")["estimate"]
    assert table["r2"] == pytest.approx(r2_score(y, f), abs=1e-12)
    assert table["rmse"] == pytest.approx(np.sqrt(np.mean((y - f) ** 2)), abs=1e-12)
    slope, intercept = np.polyfit(f, y, 1)
    assert table["calibration_slope"] == pytest.approx(slope) and slope > 1.2  # too timid
    assert table["calibration_intercept"] == pytest.approx(intercept)
    assert number_metrics(y, np.full(200, 30.0), np.arange(200), n_boot=5)["estimate"][0] < 0
    with pytest.raises(ValidationError, match="must be finite and of one length"):
        number_metrics(y, f[:10], np.arange(200))


def test_what_cannot_be_measured_is_refused():
    grade, _, p, _ = drawn(20)
    with pytest.raises(ValidationError, match="row 3 are no distribution"):
        ranked_probability_score(grade, np.where(np.arange(20)[:, None] == 3, 0.9, p))
    with pytest.raises(ValidationError, match="do not fit 20 grades"):
        ranked_probability_score(np.full(20, 4), p)
    with pytest.raises(ValidationError, match="whole numbers from 0 on"):
        ordinal_c(np.array([0.5, 1]), np.array([0.1, 0.2]))
    with pytest.raises(ValidationError, match="distance of kappa"):
        weighted_kappa(grade, grade, "cubic")


def test_the_order_of_a_callers_own_calls_is_a_share_of_pairs():
    rng = np.random.default_rng(2)
    caller = np.repeat(np.arange(6), 4)
    y, score = rng.integers(0, 3, 24), rng.integers(0, 5, 24) + 100.0 * caller  # callers lie far apart
    measure = within_callers_c(y, score, caller)
    drawn = np.array([1.0, 2.0, 0.0, 1.0, 3.0, 1.0])[caller]
    right = pairs = 0.0
    for i in range(24):
        for j in range(24):
            if caller[i] == caller[j] and y[i] > y[j]:
                pairs += drawn[i]
                right += drawn[i] * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    assert measure(drawn) == pytest.approx(right / pairs, abs=1e-12)
    assert measure(np.ones(24)) != pytest.approx(ordinal_c(y, score), abs=0.01)
    assert within_callers_c(y[::4], score[::4], caller[::4]) is None
