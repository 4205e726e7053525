import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.discrimination import auroc, delong, delong_paired, obuchowski
from voicerisk.validation.metrics.proportions import npv_at_prevalence, ppv_at_prevalence, proportion_interval
from voicerisk.validation.metrics.ranking import rank_statistics

EXACT = 1e-8
SETS = ("d30", "d281")


def _columns(table):
    groups = np.unique(table["caller"], return_inverse=True)[1]
    return table["y"].to_numpy(), table["score"].to_numpy(), table["score2"].to_numpy(), groups


@pytest.mark.parametrize("name", SETS)
def test_auroc_delong_and_obuchowski_equal_r(name, tables, expected):
    y, score, score2, groups = _columns(tables[name])
    ref = expected[name]["auroc"]
    found = delong(y, score)
    assert found.auroc == pytest.approx(ref["auc"], abs=EXACT)
    assert found.variance == pytest.approx(ref["var_delong"], abs=EXACT)
    # The 1e-8 of the intervals is also the rounding of the normal quantile in the reference.
    np.testing.assert_allclose(found.wald(), ref["ci_delong"], atol=EXACT)
    np.testing.assert_allclose(found.logit(), ref["ci_delong_logit"], atol=EXACT)
    z, p = delong_paired(y, score, score2)
    assert z == pytest.approx(ref["delong_paired"]["Z"], abs=EXACT)
    assert p == pytest.approx(ref["delong_paired"]["p"], abs=EXACT)
    clustered = obuchowski(y, score, groups)
    assert clustered.se == pytest.approx(ref["obuchowski"]["se"], abs=EXACT)
    np.testing.assert_allclose(clustered.wald(), ref["obuchowski"]["ci"], atol=EXACT)


@pytest.mark.parametrize("name", SETS)
def test_rank_statistics_equal_r_and_scikit_learn(name, tables, expected):
    from sklearn.metrics import average_precision_score, roc_auc_score

    y, score, _, groups = _columns(tables[name])
    n_callers = groups.max() + 1
    rng = np.random.default_rng(0)
    counts = np.vstack([np.ones(n_callers), rng.integers(0, 4, (5, n_callers))])
    found = rank_statistics(score, y, groups, counts)
    ref = expected[name]
    assert found.auroc[0] == pytest.approx(ref["auroc"]["auc"], abs=EXACT)
    assert found.average_precision[0] == pytest.approx(ref["pr"]["average_precision"], abs=EXACT)
    assert found.pr_integral[0] == pytest.approx(ref["pr"]["PRROC_integral"], abs=EXACT)
    for b in range(1, 6):
        w = counts[b, groups]
        assert found.auroc[b] == pytest.approx(roc_auc_score(y, score, sample_weight=w), abs=1e-12)
        ap = average_precision_score(y, score, sample_weight=w)
        assert found.average_precision[b] == pytest.approx(ap, abs=1e-12)


@pytest.mark.parametrize("name", SETS)
def test_counting_a_caller_twice_equals_repeating_his_rows(name, tables):
    y, score, _, groups = _columns(tables[name])
    counts = np.random.default_rng(1).integers(0, 3, (1, groups.max() + 1))
    times = counts[0, groups]
    repeated = [np.repeat(v, times) for v in (score, y, groups)]
    ones = np.ones((1, counts.shape[1]))
    a, b = rank_statistics(score, y, groups, counts), rank_statistics(*repeated, ones)
    for metric in ("auroc", "average_precision", "pr_integral"):
        assert getattr(a, metric)[0] == pytest.approx(getattr(b, metric)[0], abs=1e-12)


def test_obuchowski_counts_the_covariance_of_a_caller_with_both_outcomes():
    # Each caller has both outcomes, so that their level moves positives and negatives together.
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(60), 4)
    y = np.tile([0, 1, 0, 1], 60)
    score = rng.normal(size=240) + np.repeat(rng.normal(size=60), 4)
    with_covariance = obuchowski(y, score, groups)
    boot = []
    for _ in range(600):
        drawn = rng.integers(0, 60, 60)
        rows = (drawn[:, None] * 4 + np.arange(4)).ravel()
        boot.append(auroc(y[rows], score[rows]))
    # 600 resamples know a standard deviation to about 3%; 15% leaves room for the linearisation.
    assert with_covariance.se == pytest.approx(np.std(boot), rel=0.15)
    assert with_covariance.se < 0.8 * delong(y, score).se


def test_complete_separation_is_not_informative():
    y = np.array([0, 0, 1, 1])
    found = delong(y, np.array([0.1, 0.2, 0.8, 0.9]))
    assert found.auroc == 1.0 and not found.informative and np.isnan(found.logit()).all()


def test_constant_scores_and_reversal():
    y = np.array([0, 1, 0, 1, 1])
    assert auroc(y, np.full(5, 0.3)) == 0.5
    score = np.array([0.1, 0.5, 0.5, 0.9, 0.2])
    assert auroc(y, -score) == pytest.approx(1 - auroc(y, score))


def test_one_class_or_one_caller_a_class_is_refused():
    with pytest.raises(ValidationError, match="both classes"):
        auroc(np.ones(3), np.arange(3.0))
    with pytest.raises(ValidationError, match="at least 2 callers in each class"):
        obuchowski(np.array([0, 0, 1, 1]), np.arange(4.0), np.array([0, 1, 2, 2]))
    empty = rank_statistics(np.arange(3.0), np.ones(3), np.zeros(3, dtype=int), np.ones((1, 1)))
    assert np.isnan(empty.auroc[0])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=30))
def test_rank_statistics_are_the_definition(rows):
    y, score = (np.array(v) for v in zip(*rows, strict=True))
    found = rank_statistics(score.astype(float), y, np.arange(len(y)), np.ones((1, len(y))))
    if y.min() == y.max():
        assert np.isnan(found.auroc[0])
        return
    difference = score[y == 1][:, None] - score[y == 0][None, :]
    assert found.auroc[0] == pytest.approx(((difference > 0) + 0.5 * (difference == 0)).mean())
    total = 0.0
    for cut in np.unique(score):
        flagged = score >= cut
        total += (y[score == cut] == 1).sum() / (y == 1).sum() * y[flagged].mean()
    assert found.average_precision[0] == pytest.approx(total)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("metric", ["sens", "spec", "ppv", "npv", "acc"])
def test_intervals_of_proportions_equal_r(name, metric, expected):
    ref = expected[name]["at_0.5"][metric]
    for method in ("wilson", "clopper_pearson"):
        found = proportion_interval(ref["x"], ref["n"], method)
        np.testing.assert_allclose(found, ref[method], atol=EXACT)


def test_predictive_values_at_the_samples_own_prevalence_are_the_samples():
    assert ppv_at_prevalence(48 / 77, 172 / 204, 77 / 281) == pytest.approx(48 / 80)
    assert npv_at_prevalence(48 / 77, 172 / 204, 77 / 281) == pytest.approx(172 / 201)
    with pytest.raises(ValidationError, match="not 'wald'"):
        proportion_interval(1, 2, "wald")
