"""Screening: what the chosen set must obey, and what bad input is told."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from voicerisk.errors import ScreeningError
from voicerisk.screening import ScreeningSettings, caller_folds, fit_path, screen
from voicerisk.screening.cross_validation import choose_lambdas, fold_deviance, summarise_folds
from voicerisk.screening.lasso import optimality_gap


def cohort(seed=0, n_callers=40, rows=8, p=6, effect=1.0):
    rng = np.random.default_rng(seed)
    caller = np.repeat(np.arange(n_callers), rows)
    y = np.repeat(np.arange(n_callers) % 2, rows)
    X = rng.normal(size=(len(caller), p)) + rng.normal(size=(n_callers, p))[caller]
    X[:, 0] += effect * y
    return pd.DataFrame(X, columns=[f"m{j}" for j in range(p)]), y, caller


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.booleans())
def test_solutions_obey_the_kkt_conditions(seed, p, weighted):
    rng = np.random.default_rng(seed)
    n = 80
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p)) * 10 ** rng.uniform(-3, 3, p) + rng.normal(size=p)
    y = (rng.random(n) < 0.4).astype(float)
    y[:2] = (0.0, 1.0)
    weights = rng.uniform(0.1, 3.0, n) if weighted else np.ones(n)
    path = fit_path(X, y, weights, tol=1e-14)
    share = weights / weights.sum()
    Z = (X - share @ X) / np.sqrt(share @ (X - share @ X) ** 2)
    residual = y[:, None] - expit(path.link(X))
    gradient = (share[:, None] * residual).T @ Z
    b = path.coefficients * path.scale
    lambdas = path.lambdas[:, None]
    # glmnet stops on the change of the deviance: gradients are met to about the root of its threshold.
    assert np.abs(share @ residual).max() < 1e-6
    assert (np.abs(gradient) <= lambdas + 1e-6).all()
    active = b != 0
    assert np.abs(gradient - lambdas * np.sign(b))[active].max(initial=0.0) < 1e-6


def test_a_solver_that_stops_short_is_said():
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)), columns=list("abcdef"))
    table["b"] = table["a"] + 0.05 * rng.normal(size=300)
    y = (rng.random(300) < expit(2 * table["a"] - table["c"])).astype(int)
    folds = caller_folds(np.arange(300), y, 5)
    rough = screen(table, list(table), y, folds, tol=1e-3, fold_tol=1e-3)
    assert any(note.startswith("The solver stopped short of the solution") for note in rough.notes)
    tight = screen(table, list(table), y, folds)
    assert not any("stopped short" in note for note in tight.notes)


@pytest.mark.parametrize("at", [0, 10, 30])
def test_the_optimality_gap_is_the_size_of_a_spoiled_coefficient(at):
    table, y, _ = cohort(24)
    X, y, w = table.to_numpy(), y.astype(float), np.ones(len(y))
    path = fit_path(X, y, tol=1e-14)
    assert optimality_gap(path, at, X, y, w) < 1e-4
    path.coefficients[at, 0] += 0.2
    assert optimality_gap(path, at, X, y, w) > 0.05


def test_whole_number_weights_are_repeated_rows():
    table, y, caller = cohort(3)
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    repeat = np.repeat(np.arange(len(y)), weights)
    folds = caller_folds(caller, y, 5)
    one = screen(table, list(table), y, folds, weights, tol=1e-14, fold_tol=1e-14)
    other = screen(table.iloc[repeat], list(table), y[repeat], folds[repeat], tol=1e-14, fold_tol=1e-14)
    pd.testing.assert_frame_equal(one.path, other.path, rtol=1e-8, atol=1e-8)
    assert one.lambda_min == pytest.approx(other.lambda_min, rel=1e-10)


def test_scale_of_weights_units_of_markers_and_order_of_rows_do_not_matter():
    table, y, caller = cohort(4)
    folds = caller_folds(caller, y, 5)
    weights = np.random.default_rng(2).uniform(0.5, 2.0, len(y))
    one = screen(table, list(table), y, folds, weights, tol=1e-13, fold_tol=1e-13)
    order = np.random.default_rng(3).permutation(len(y))
    units = np.array([1e3, 1e-4, 1.0, 5.0, 0.1, 2.0])
    other = screen(
        (table * units + 7.0).iloc[order], list(table), y[order], folds[order] + 11, weights[order] * 1e-5,
        tol=1e-13, fold_tol=1e-13,
    )  # fmt: skip
    assert one.selected == other.selected
    assert one.path["deviance"].to_numpy() == pytest.approx(other.path["deviance"].to_numpy(), abs=1e-7)
    assert one.coefficients["coefficient_min"].to_numpy() == pytest.approx(
        other.coefficients["coefficient_min"].to_numpy() * units, abs=1e-6
    )


def test_rows_of_weight_zero_are_as_if_absent():
    table, y, caller = cohort(5)
    folds = caller_folds(caller, y, 5)
    weights = (caller >= 4).astype(float)
    spoiled = table.copy()
    spoiled.loc[caller < 4] = 1e6
    one = screen(spoiled, list(table), y, folds, weights)
    other = screen(table[caller >= 4], list(table), y[caller >= 4], folds[caller >= 4])
    pd.testing.assert_frame_equal(one.path, other.path)
    assert one.n_rows == (caller >= 4).sum()


def test_nothing_selected_is_legal_on_noise():
    rng = np.random.default_rng(8)
    table, y, caller = cohort(8, n_callers=30, effect=0.0)
    label = rng.permutation(np.arange(30) % 2)[caller]
    found = screen(table, list(table), label, caller_folds(caller, label, 10), rule="1se")
    assert found.selected == ()
    assert found.lambda_1se == found.path["lambda"].iloc[0]
    assert (found.coefficients["coefficient_1se"] == 0).all()
    assert not found.coefficients["selected"].any()
    p = y.mean()
    assert found.path["intercept"].iloc[0] == pytest.approx(np.log(p / (1 - p)), abs=1e-8)


def test_1se_is_no_smaller_than_min_and_selects_no_more():
    table, y, caller = cohort(9)
    folds = caller_folds(caller, y, 10)
    least, sparse = (screen(table, list(table), y, folds, rule=rule) for rule in ("min", "1se"))
    assert least.lambda_1se >= least.lambda_min
    assert "m0" in sparse.selected
    assert len(sparse.selected) <= len(least.selected)


def test_missing_values_get_the_median_and_an_indicator_that_can_select_the_marker():
    table, y, caller = cohort(10, effect=0.0)
    missing = (np.random.default_rng(1).random(len(y)) < np.where(y == 1, 0.6, 0.1)) & (np.arange(len(y)) > 3)
    table.loc[missing, "m3"] = np.nan
    found = screen(table, list(table), y, caller_folds(caller, y, 10))
    terms = found.coefficients.set_index("term")
    assert list(terms.index) == [*table, "m3_missing"]
    assert terms.loc["m3_missing", "coefficient_min"] > 0
    assert terms.loc["m3", "fill"] == np.median(table["m3"].dropna())
    assert terms["fill"].notna().sum() == 1
    assert "m3" in found.selected and terms.loc["m3", "selected"]


def test_a_fold_learns_its_medians_from_its_own_training_rows():
    """Compared with folds fitted by hand."""
    table, y, caller = cohort(11)
    table.loc[::5, "m1"] = np.nan
    folds = caller_folds(caller, y, 4)
    found = screen(table, list(table), y, folds, tol=1e-12, fold_tol=1e-12)
    lambdas = found.path["lambda"].to_numpy()
    deviances, sizes = [], []
    for fold in range(4):
        train = folds != fold
        filled = table.assign(m1_missing=table["m1"].isna().astype(float))
        filled["m1"] = filled["m1"].fillna(np.median(table.loc[train, "m1"].dropna()))
        X = filled.to_numpy()
        path = fit_path(X[train], y[train].astype(float), lambdas=lambdas, tol=1e-12)
        p = expit(path.link(X[~train]))
        held = y[~train][:, None]
        deviances.append(-2 * (held * np.log(p) + (1 - held) * np.log(1 - p)).mean(axis=0))
        sizes.append((~train).sum())
    assert found.path["deviance"].to_numpy() == pytest.approx(
        np.average(deviances, axis=0, weights=sizes), abs=1e-9
    )


def test_constant_empty_and_identical_columns_are_named():
    table, y, caller = cohort(12)
    table["flat"] = 0.1 + 0.2
    table["gone"] = np.nan
    table["twin"] = table["m0"]
    found = screen(table, list(table), y, caller_folds(caller, y, 5))
    assert not {"flat", "gone"} & set(found.selected)
    assert "m0" in found.selected and "twin" not in found.selected
    notes = " ".join(found.notes)
    assert "Never available, so never selected: gone." in notes
    assert "Constant in the rows given, so never selected: flat." in notes
    assert "twin is identical to m0" in notes
    assert np.isfinite(found.path.to_numpy()).all()


def test_only_constant_columns_select_nothing():
    _, y, caller = cohort(13)
    found = screen(pd.DataFrame({"a": np.ones(len(y))}), ["a"], y, caller_folds(caller, y, 5))
    assert found.selected == ()
    assert found.path["deviance"].to_numpy() == pytest.approx([-2 * np.log(0.5)], abs=1e-12)
    assert any("no column varies with the outcome" in note for note in found.notes)


def test_a_single_marker_can_be_screened():
    table, y, caller = cohort(14, effect=2.0)
    assert screen(table, ["m0"], y, caller_folds(caller, y, 5)).selected == ("m0",)


def test_under_separation_the_number_of_lambdas_is_said():
    table, y, caller = cohort(15)
    table["m0"] = y + 0.01 * table["m0"]
    found = screen(table, list(table), y, caller_folds(caller, y, 5))
    assert "m0" in found.selected
    assert len(found.path) < 100
    assert any(note.startswith(f"{len(found.path)} of 100 lambdas were fitted") for note in found.notes)
    assert np.isfinite(found.path.to_numpy()).all()


def test_nothing_is_selected_at_the_largest_lambda_even_by_rounding():
    table, y, _ = cohort(23)
    X = table.to_numpy()
    start = fit_path(X, y.astype(float)).lambdas[0]
    path = fit_path(X, y.astype(float), lambdas=start * np.array([2.0, 1.0, 0.9]), tol=1e-14)
    assert (np.count_nonzero(path.coefficients, axis=1) == [0, 0, 1]).all()
    assert path.intercepts[:2] == pytest.approx(np.log(y.mean() / (1 - y.mean())), abs=1e-12)


def test_the_same_input_gives_the_same_bits():
    table, y, caller = cohort(16)
    folds = caller_folds(caller, y, 5)
    one, two = (screen(table, list(table), y, folds) for _ in range(2))
    pd.testing.assert_frame_equal(one.path, two.path, check_exact=True)


def test_deviance_and_rules_by_hand():
    link = np.log([[0.25 / 0.75], [0.9 / 0.1], [1e-9]])
    y, w = np.array([0.0, 1.0, 1.0]), np.array([1.0, 2.0, 0.0])
    by_hand = -2 * (np.log(0.75) + 2 * np.log(0.9)) / 3
    assert fold_deviance(link, y, w) == pytest.approx([by_hand])
    mean, se = summarise_folds(np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 1.0, 2.0]))
    assert mean == pytest.approx([2.75])
    assert se == pytest.approx([np.sqrt((1.75**2 + 0.75**2 + 2 * 1.25**2) / 4 / 2)])
    assert choose_lambdas(np.array([3.0, 1.0, 1.0, 2.0]), np.full(4, 0.5)) == (1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"markers": []}, "no marker to screen"),
        ({"markers": ["m0", "m9"]}, "no column for the marker 'm9'"),
        ({"markers": ["m0", "m0"]}, "'m0' is listed more than once"),
        ({"markers": ["text"]}, "'text' does not hold numbers"),
        ({"y": np.ones(320)}, "all 320 rows have outcome 1"),
        ({"y": np.full(320, 2)}, "outcome in row 0 is 2.0, but must be 0 or 1"),
        ({"y": np.full(320, np.nan)}, "outcome in row 0 is nan"),
        ({"y": np.ones(3)}, r"outcome have shape \(3,\), but the table to screen has 320 rows"),
        ({"weights": np.full(320, -1.0)}, "weight in row 0 is -1.0"),
        ({"weights": np.full(320, np.inf)}, "weight in row 0 is inf"),
        ({"weights": np.zeros(320)}, "all weights are 0"),
        ({"folds": np.zeros(320, dtype=int)}, "at least 3 folds"),
        ({"folds": np.full(320, 0.5)}, "Folds must be whole numbers"),
        (
            {"folds": np.arange(320) % 5, "callers": np.repeat(np.arange(40), 8)},
            "Caller '0' is split over 5 folds",
        ),
        ({"rule": "best"}, "The rule 'best' is not known"),
    ],
)
def test_bad_input_is_told_in_a_sentence(change, message):
    table, y, caller = cohort(17)
    table["text"] = "a"
    arguments = {
        "table": table,
        "markers": ["m0", "m1"],
        "y": y,
        "folds": caller_folds(caller, y, 5),
    } | change
    with pytest.raises(ScreeningError, match=message):
        screen(**arguments)


def test_an_infinite_marker_names_marker_and_row():
    table, y, caller = cohort(17)
    table.loc[7, "m1"] = np.inf
    with pytest.raises(ScreeningError, match=r"'m1' is infinite in row 7 .*\(1 infinite values in all\)"):
        screen(table, ["m0", "m1"], y, caller_folds(caller, y, 5))


def test_a_training_set_with_one_class_names_the_fold():
    table, y, caller = cohort(18, n_callers=6)
    folds = np.where(y == 1, 0, caller % 3 + 1)
    with pytest.raises(ScreeningError, match="Without fold 0 all 24 rows have outcome 0"):
        screen(table, list(table), y, folds)


def test_settings_name_the_key():
    assert ScreeningSettings().rule == "min"
    with pytest.raises(
        ScreeningError, match=r"\[screening\] unit must be one of segment, frame, none, not 'frames'"
    ):
        ScreeningSettings(unit="frames")
    with pytest.raises(ScreeningError, match=r"\[screening\] rule must be one of min, 1se, not 'best'"):
        ScreeningSettings(rule="best")


def test_the_prior_is_the_same_in_the_training_rows_of_every_fold():
    rng = np.random.default_rng(4)
    caller = np.repeat(np.arange(24), rng.integers(3, 30, 24))
    y = (np.arange(24) % 3 == 0)[caller].astype(float)
    X = rng.normal(size=(len(caller), 3)) + 0.6 * y[:, None] * [1, 0, 0]
    folds = (np.arange(24) // 3 % 4)[caller]  # callers 0, 12 (both positive) among others: shares differ
    shares = 1.0 / np.bincount(caller)[caller]

    def at(weights, outcome, prior):
        scale = np.where(
            outcome == 1, prior / weights[outcome == 1].sum(), (1 - prior) / weights[outcome == 0].sum()
        )
        return weights * scale * weights.sum()

    table = pd.DataFrame(X, columns=list("abc"))
    found = screen(table, list("abc"), y, folds, shares, callers=caller, prior=0.4, tol=1e-12, fold_tol=1e-12)
    weights = at(shares, y, 0.4)
    path = fit_path(X, y, weights, tol=1e-12)
    np.testing.assert_allclose(found.path["lambda"], path.lambdas, rtol=1e-10)
    lost = 0.0
    for fold in range(4):
        train, out = folds != fold, folds == fold
        own = fit_path(X[train], y[train], at(shares[train], y[train], 0.4), path.lambdas, tol=1e-12)
        p = 1 / (1 + np.exp(-own.link(X[out])))
        lost = lost - 2 * weights[out] @ np.log(np.where(y[out, None] == 1, p, 1 - p))
    np.testing.assert_allclose(found.path["deviance"], lost / weights.sum(), rtol=1e-6)
    with pytest.raises(ScreeningError, match="The class prior is 1"):
        screen(table, list("abc"), y, folds, prior=1.0)


def aged(n: int = 600) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Draw an age that decides on the outcome, a marker that is its echo, and one of its own."""
    rng = np.random.default_rng(6)
    age = rng.normal(size=n)
    table = pd.DataFrame({"age": age, "echo": age + rng.normal(size=n), "own": rng.normal(size=n)})
    y = (rng.random(n) < 1 / (1 + np.exp(-2.0 * age - table["own"]))).astype(int)
    return table, y, np.arange(n) % 60 % 10


def test_a_marker_that_echoes_a_covariate_is_kept_only_where_the_covariate_is_ignored():
    table, y, folds = aged()
    assert screen(table, ["echo", "own"], y, folds, rule="1se").selected == ("echo", "own")
    beside = screen(table, ["echo", "own"], y, folds, rule="1se", covariates=["age"])
    assert beside.selected == ("own",)
    # The covariate is in the model before the first marker is, at the logistic regression's coefficient.
    from sklearn.linear_model import LogisticRegression

    alone = LogisticRegression(C=np.inf, tol=1e-12).fit(table[["age"]], y)
    assert beside.path["age"].iloc[0] == pytest.approx(alone.coef_[0, 0] * table["age"].std(ddof=0), abs=1e-5)
    assert beside.path["n_nonzero"].iloc[0] == 1


def test_gaps_of_a_covariate_have_an_indicator_that_is_not_penalised_either():
    table, y, folds = aged()
    table.loc[::7, "age"] = np.nan
    found = screen(table, ["own"], y, folds, covariates=["age"])
    assert list(found.coefficients["term"]) == ["age", "own", "age_missing"]
    assert (found.path[["age", "age_missing"]].iloc[0] != 0).all() and found.path["own"].iloc[0] == 0
    assert found.selected == ("own",)


def test_a_marker_that_is_the_covariate_itself_adds_nothing():
    table, y, folds = aged()
    found = screen(table.assign(copy=table["age"]), ["copy", "own"], y, folds, covariates=["age"])
    assert found.selected == ("own",) and "copy is identical to age" in " ".join(found.notes)


def test_covariates_that_tell_the_outcomes_apart_are_refused():
    table, y, folds = aged()
    with pytest.raises(ScreeningError, match="tell the outcomes apart"):
        screen(table.assign(age=y), ["own"], y, folds, covariates=["age"])
    with pytest.raises(ScreeningError, match="'age' is listed more than once"):
        screen(table, ["age"], y, folds, covariates=["age"])


@pytest.mark.parametrize("covariates", ["age", ["age", "age"], [3]])
def test_covariates_of_the_study_file_are_a_list_of_columns(covariates):
    with pytest.raises(ScreeningError, match=r"\[screening\] covariates"):
        ScreeningSettings(covariates=covariates)


def test_nothing_is_screened_beside_covariates_where_screening_is_off():
    with pytest.raises(ScreeningError, match="screens nothing"):
        ScreeningSettings(unit="none", covariates=["age"])
