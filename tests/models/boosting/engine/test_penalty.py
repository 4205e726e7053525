"""lambda from degrees of freedom: R's root search, and what the result must satisfy."""

import numpy as np
import pytest

from voicerisk.models import BoostData, Lane, Learner, fit_lanes
from voicerisk.models.boosting.engine.penalty import (
    MAX_LAMBDA,
    degrees_of_freedom,
    penalty_for_df,
    penalty_from_spectrum,
    ridge_penalty_for_df,
)
from voicerisk.models.splines import difference_matrix

# R 4.2.2: uniroot(f, c(0, 1e15), tol = sqrt(.Machine$double.eps))$root, and how far it is from the true root
UNIROOT = (
    (12, 4.0, 0.2248710028217874, 7e-13),
    (12, 6.0, 0.0080489268068155116, -1.3e-8),
    (12, 8.0, 0.000288927826940213, -6.6e-6),
    (12, 10.0, 1.0371112886539542e-05, -5.2e-5),
    (8, 6.0, 0.056066596610101709, 2.7e-9),
    (8, 9.0, 0.0020117232803078967, 1.3e-7),
    (5, 2.5, 7.0192650960967757, 4.4e-11),
)


def spectrum(size: float) -> np.ndarray:
    """Sixteen values from 1 to 8**size, and two of rounding as in the null space of a penalty."""
    return np.concatenate([2.0 ** np.linspace(0, 3 * size, 16), 8.0**size * np.array([2.0**-56, 2.0**-58])])


@pytest.mark.parametrize(("size", "df", "root", "stops"), UNIROOT)
def test_the_search_stops_where_uniroot_stops(size, df, root, stops):
    values = spectrum(size)
    found = penalty_from_spectrum(values, df)
    assert found == pytest.approx(root, rel=1e-12)  # seen: 7e-15
    low, high = -60.0, np.log(MAX_LAMBDA)
    for _ in range(70):
        middle = (low + high) / 2
        low, high = (middle, high) if degrees_of_freedom(values, np.exp(middle)) > df else (low, middle)
    assert found / np.exp(high) - 1 == pytest.approx(stops, rel=0.05, abs=1e-12)


def test_what_cannot_be_reached_is_the_largest_lambda():
    assert penalty_from_spectrum(np.array([1.0, 0.0, 0.0, 0.0]), 2.5) == MAX_LAMBDA


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_smoother_has_the_wished_degrees_of_freedom(order):
    rng = np.random.default_rng(order)
    basis = rng.random((60, 12))
    gram = basis.T @ basis
    root = difference_matrix(12, order)
    for df in (order + 0.5, order + 2.0, 9.0):
        penalty = penalty_for_df(gram[None], root, df)[0]
        smoother = np.linalg.solve(gram + penalty * root.T @ root, gram)
        # the ridge of 1e-9 K moves it by less
        assert np.trace(2 * smoother - smoother @ smoother) == pytest.approx(df, abs=1e-7)


def test_each_learner_is_found_alone_to_the_last_bit():
    rng = np.random.default_rng(4)
    basis = rng.random((5, 40, 10))
    grams = basis.swapaxes(1, 2) @ basis
    root = difference_matrix(10, 2)
    together = penalty_for_df(grams, root, 4.0)
    assert [penalty_for_df(one[None], root, 4.0)[0] for one in grams] == together.tolist()


def test_a_learner_with_empty_columns_is_moved_towards_the_identity():
    """The eigenvalues of empty columns become 1.5e-8, so that df can be met at a finite lambda."""
    gram = np.diag([30.0, 20.0, 10.0, 5.0, 0.0, 0.0, 0.0])
    root = difference_matrix(7, 2)
    penalty = penalty_for_df(gram[None], root, 3.0)[0]
    inner = gram + 1e-9 * root.T @ root
    least = np.linalg.eigvalsh(inner)[0] - np.sqrt(np.finfo(float).eps)
    rho = 1 / (1 - least)
    moved = rho * inner + (1 - rho) * np.eye(7)
    smoother = np.linalg.solve(moved + penalty * root.T @ root, moved)
    assert np.trace(2 * smoother - smoother @ smoother) == pytest.approx(3.0, abs=1e-6)


def test_callers_of_equal_size_have_a_closed_form():
    """p (2s - s**2) = df with s = n / (n + lambda)."""
    shrink = 1 - np.sqrt(1 - 4.0 / 20)
    assert ridge_penalty_for_df(np.full(20, 35.0), 4.0) == pytest.approx(35 * (1 / shrink - 1), rel=1e-9)


def test_callers_without_rows_have_next_to_no_part_in_it():
    """Their count becomes 1.5e-8, whose share of the degrees of freedom is 2e-10 each."""
    counts = np.array([12.0, 40.0, 25.0, 31.0, 18.0, 22.0])
    alone = ridge_penalty_for_df(counts, 4.0)
    assert ridge_penalty_for_df(np.append(counts, [0.0, 0.0]), 4.0) == pytest.approx(alone, rel=1e-7)


def test_a_caller_code_without_rows_is_no_caller():
    """lambda is that of the callers in the data, whatever codes they bear: such a code moved it by 2e-8."""
    rng = np.random.default_rng(6)
    caller = np.repeat(np.arange(6, dtype=np.int32), 8)
    y = rng.integers(0, 2, 48).astype(np.int8)
    found = []
    for codes in (caller, 2 * caller + 3):
        data = BoostData({}, None, y, codes.astype(np.int32))
        (path,) = fit_lanes(data, [Lane("x", np.ones(48), (Learner("brandom", "caller", df=2.0),))], 5)
        found.append((path.learners[0].penalty, path.risk.tolist()))
    assert found[0] == found[1]


def test_with_knots_of_the_training_rows_a_held_out_caller_is_as_good_as_absent():
    caller = np.repeat(np.arange(6, dtype=np.int32), 8)
    data = BoostData({}, None, np.tile(np.array([0, 1, 1, 0], np.int8), 12), caller)
    weights = (caller != 2).astype(float)
    learners = (Learner("brandom", "caller", df=2.0),)
    (held_out,) = fit_lanes(data, [Lane("x", weights, learners, boundary="train")], 1)
    (absent,) = fit_lanes(data.take(np.flatnonzero(weights)), [Lane("x", np.ones(40), learners)], 1)
    assert held_out.learners[0].penalty == absent.learners[0].penalty
