import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.metrics.test_compute import predictions
from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.calibration import (
    calibration_draws,
    calibration_error,
    calibration_line,
    corp,
    ferro_fricker,
    murphy,
)
from voicerisk.validation.metrics.decision_curves import (
    decision_curve,
    decision_curves,
    net_benefit,
    net_benefit_at,
    shift_prevalence,
    useful_range,
)
from voicerisk.validation.metrics.logistic import fit_logistic, logit

EXACT = 1e-8
SETS = ("d30", "d281")


def _columns(table):
    return table["y"].to_numpy(), table["score"].to_numpy()


@pytest.mark.parametrize("name", SETS)
def test_slope_and_intercept_equal_rs_glm(name, tables, expected):
    found, ref = calibration_line(*_columns(tables[name])), expected[name]["calibration"]
    # R's glm stops at a relative change of the deviance of 1e-8, which leaves 1e-7 in a coefficient.
    assert found.slope == pytest.approx(ref["slope"], abs=1e-7)
    assert found.intercept == pytest.approx(ref["intercept"], abs=1e-7)
    assert found.in_the_large == pytest.approx(ref["citl"], abs=1e-7)
    assert found.slope_se == pytest.approx(ref["slope_se"], abs=1e-5)
    assert found.in_the_large_se == pytest.approx(ref["citl_se"], abs=1e-5)
    assert found.observed_expected == pytest.approx(_oe(tables[name]), abs=1e-12)


def _oe(table):
    return table["y"].sum() / table["score"].sum()


def test_calibration_is_statsmodels_glm_with_weights(tables):
    import statsmodels.api as sm

    y, p = _columns(tables["d281"])
    weights = np.random.default_rng(0).integers(0, 4, (3, len(y))).astype(float)
    found = calibration_draws(y, p, weights)
    for b in range(3):
        x = logit(p, 1e-3)
        fit = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial(), freq_weights=weights[b]).fit(
            tol=1e-14
        )
        assert found["calibration_intercept"][b] == pytest.approx(fit.params[0], abs=EXACT)
        assert found["calibration_slope"][b] == pytest.approx(fit.params[1], abs=EXACT)


def test_separated_or_constant_risks_have_no_slope():
    y, w = np.array([0, 0, 1, 1]), np.ones(4)
    for x in (np.arange(4.0), -np.arange(4.0), np.array([0.0, 1.0, 1.0, 2.0]), np.ones(4)):
        assert np.isnan(fit_logistic(x, y, w)[1][0])
    assert np.isfinite(fit_logistic(np.arange(4.0), y, w, slope=1.0)[0][0])
    with pytest.raises(ValidationError, match="one class only"):
        calibration_line(np.ones(3), np.full(3, 0.5))


@pytest.mark.parametrize("name", SETS)
def test_calibration_error_names_its_smoother(name, tables, expected):
    y, p = _columns(tables[name])
    p = np.clip(p, 1e-3, 1 - 1e-3)  # as the reference did
    for smoother, key, tolerance in (
        ("lowess", "lowess_f2_3_iter0", 1e-6),
        # R interpolates loess between vertices of a tree; ours is the direct fit. 3e-3 is that difference.
        ("loess", "loess_span0.75_deg2_default", 3e-3),
    ):
        found, ref = calibration_error(y, p, smoother), expected[name]["calibration"][key]
        assert found.smoother == smoother
        assert found.ici == pytest.approx(ref["ICI"], abs=tolerance)
        assert found.e50 == pytest.approx(ref["E50"], abs=tolerance)
        assert found.e90 == pytest.approx(ref["E90"], abs=tolerance)
    with pytest.raises(ValidationError, match="lowess or loess, not 'rcs'"):
        calibration_error(y, p, "rcs")


def test_direct_loess_reproduces_a_quadratic():
    x = np.linspace(0, 1, 40)
    error = calibration_error(0.2 + 0.3 * x + 0.4 * x**2, x, "loess")
    assert error.ici == pytest.approx(np.abs(x - (0.2 + 0.3 * x + 0.4 * x**2)).mean(), abs=1e-10)


@pytest.mark.parametrize("name", SETS)
def test_brier_parts_equal_the_references(name, tables, expected):
    y, p = _columns(tables[name])
    ref = expected[name]["brier"]
    plain = murphy(y, p)
    for ours, theirs in (
        ("reliability", "REL"), ("resolution", "RES"), ("uncertainty", "UNC"), ("within_variance", "WBV"),
        ("within_covariance", "WBC"),
    ):  # fmt: skip
        assert getattr(plain, ours) == pytest.approx(ref["murphy_binned_left_closed"][theirs], abs=EXACT)
    exact = murphy(y, p, bins=None)
    for ours, theirs in (("reliability", "REL"), ("resolution", "RES"), ("uncertainty", "UNC")):
        assert getattr(exact, ours) == pytest.approx(ref["murphy_exact_unique"][theirs], abs=EXACT)
        corrected = getattr(ferro_fricker(y, p), ours)
        assert corrected == pytest.approx(ref["ferro_fricker_bins10"][theirs + "_bc"], abs=EXACT)
    isotonic = corp(y, p)
    assert isotonic.miscalibration == pytest.approx(ref["corp"]["MCB"], abs=EXACT)
    assert isotonic.discrimination == pytest.approx(ref["corp"]["DSC"], abs=EXACT)
    assert isotonic.uncertainty == pytest.approx(ref["corp"]["UNC"], abs=EXACT)


def test_corp_is_model_diagnostics(tables):
    diagnostics = pytest.importorskip("model_diagnostics.scoring")
    y, p = _columns(tables["d281"])
    theirs = diagnostics.decompose(y, p, scoring_function=diagnostics.SquaredError())
    found = corp(y, p)
    assert found.miscalibration == pytest.approx(theirs["miscalibration"][0], abs=1e-12)
    assert found.discrimination == pytest.approx(theirs["discrimination"][0], abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=3, max_size=40),
    st.sampled_from([None, 5, 10]),
)
def test_parts_always_add_up_to_the_brier_score(rows, bins):
    y, p = (np.array(v, dtype=float) for v in zip(*rows, strict=True))
    brier = ((p - y) ** 2).mean()
    assert murphy(y, p, bins).brier == pytest.approx(brier, abs=1e-12)
    isotonic = corp(y, p)
    total = isotonic.miscalibration - isotonic.discrimination + isotonic.uncertainty
    assert total == pytest.approx(brier, abs=1e-12)
    assert isotonic.miscalibration > -1e-12 and isotonic.discrimination > -1e-12


@pytest.mark.parametrize("name", SETS)
def test_net_benefit_equals_dcurves_at_tied_thresholds(name, tables, expected):
    y, p = _columns(tables[name])
    rows = expected[name]["dca"]
    t = np.array([row["threshold"] for row in rows])
    risk, everybody = net_benefit(y, p, t)
    np.testing.assert_allclose(risk[0], [row["nb"] for row in rows], atol=EXACT)
    np.testing.assert_allclose(everybody[0], [row["nb_all"] for row in rows], atol=EXACT)
    np.testing.assert_allclose(risk[0], expected[name]["dca_dcurves"]["net_benefit"], atol=EXACT)


def test_three_class_net_benefit_equals_r_one_against_the_rest(tables, expected):
    table = tables["d3class"]
    for label, rows in expected["dca3"].items():
        t = np.array([row["threshold"] for row in rows])
        y = (table["cls"] == label).to_numpy().astype(int)
        risk, everybody = net_benefit(y, table[label].to_numpy(), t)
        np.testing.assert_allclose(risk[0], [row["nb"] for row in rows], atol=EXACT)
        np.testing.assert_allclose(everybody[0], [row["nb_all"] for row in rows], atol=EXACT)


def test_prevalence_shift_is_bayes_and_keeps_the_curve_at_the_samples_own_prevalence(tables):
    y, p = _columns(tables["d281"])
    own = y.mean()
    t = np.array([0.1, 0.3, 0.5])
    np.testing.assert_allclose(net_benefit_at(y, p, t, own, own)[0], net_benefit(y, p, t)[0], atol=1e-12)
    moved = shift_prevalence(np.array([0.274]), 0.274, 0.05)
    assert moved[0] == pytest.approx(0.05)
    # At another prevalence: sensitivity and specificity at the cut that the shifted risk implies.
    shifted = shift_prevalence(p, own, 0.05)
    flagged = shifted >= 0.1
    se, sp = flagged[y == 1].mean(), (~flagged)[y == 0].mean()
    by_hand = se * 0.05 - (1 - sp) * 0.95 * 0.1 / 0.9
    assert net_benefit_at(y, p, np.array([0.1]), own, 0.05)[0][0, 0] == pytest.approx(by_hand, abs=1e-12)
    with pytest.raises(ValidationError, match="strictly between 0 and 1"):
        net_benefit(y, p, np.array([0.0]))
    with pytest.raises(ValidationError, match="target prevalence"):
        net_benefit_at(y, p, t, own, 1.0)


def test_decision_curve_has_all_strategies_and_a_useful_range(tables):
    y, p = _columns(tables["d281"])
    groups = np.arange(len(y))
    counts = np.vstack(
        [np.ones(len(y)), np.random.default_rng(0).multinomial(281, np.full(281, 1 / 281), 200)]
    )
    curve = decision_curve(y, p, np.arange(0.05, 0.95, 0.05), groups, counts)
    model = curve[curve["strategy"] == "model"]
    assert (model["lower"] <= model["net_benefit"]).all() and (model["net_benefit"] <= model["upper"]).all()
    assert (curve[curve["strategy"] == "none"]["net_benefit"] == 0).all()
    rows = predictions(tables["d281"])
    table = decision_curves(rows, n_boot=50)
    assert set(table["protocol"]) == {"nested"} and table["threshold"].nunique() == 40
    again = table[(table["strategy"] == "model") & (table["threshold"] == 0.2)]["net_benefit"]
    assert again.tolist() == pytest.approx([0.1681494661922], abs=EXACT)
    with pytest.raises(ValidationError, match="both the class prior and the prevalence"):
        decision_curves(rows, prevalence=0.1)
    (low, high), *_ = useful_range(curve)
    assert low <= 0.1 and 0.5 <= high < 0.9
