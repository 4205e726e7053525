import numpy as np
import pytest
from scipy.stats import norm

from voicerisk.errors import StudyError
from voicerisk.simulate import simulate_markers
from voicerisk.simulate.markers import DENSITIES


def test_the_truth_is_the_log_ratio_of_the_densities_drawn_from():
    cohort = simulate_markers(callers=4000, segments=2, icc=0.3, seed=2)
    for (marker, sex), curve in cohort.curves.groupby(["marker", "sex"]):
        density = DENSITIES[marker][sex]
        x = curve["x"].to_numpy()
        expected = norm.logpdf(x, density.mean_1, density.sd_1) - norm.logpdf(x, density.mean_0, density.sd_0)
        np.testing.assert_allclose(curve["estimate"], expected, atol=1e-12)
        for outcome in (0, 1):
            rows = cohort.segments.query("sex == @sex and outcome == @outcome")[marker]
            mean, sd = getattr(density, f"mean_{outcome}"), getattr(density, f"sd_{outcome}")
            # 2,000 rows of 1,000 callers: the standard error of the mean is below 0.035 sd
            assert rows.mean() == pytest.approx(mean, abs=0.14 * sd)
            assert rows.std() == pytest.approx(sd, rel=0.08)


def test_markers_are_independent_given_outcome_and_sex():
    rows = simulate_markers(callers=4000, segments=1, seed=5).segments
    for _, group in rows.groupby(["sex", "outcome"]):
        off = group[["x1", "x2", "x3"]].corr().to_numpy()[np.triu_indices(3, 1)]
        assert np.abs(off).max() < 4 / np.sqrt(len(group))


def test_the_share_of_variance_between_callers_is_the_icc():
    rows = simulate_markers(callers=600, segments=10, null=True, icc=0.3, seed=3).segments
    caller = rows.groupby("caller_id")["x1"]
    within = caller.var().mean()
    between = caller.mean().var() - within / 10
    assert between / (between + within) == pytest.approx(0.3, abs=0.04)


def test_nothing_moves_under_the_null():
    cohort = simulate_markers(callers=281, positives=77, segments=5, markers=12, null=True, seed=4)
    assert (cohort.curves["estimate"] == 0).all()
    assert cohort.calls["outcome"].sum() == 77
    assert len(cohort.segments) == 281 * 5
    assert cohort.markers == tuple(f"x{i}" for i in range(1, 13))
    women = cohort.calls["sex"] == "female"
    assert abs(cohort.calls.loc[women, "outcome"].sum() - 77 / 2) <= 1


def test_the_same_seed_gives_the_same_table():
    one, again, other = (simulate_markers(callers=20, seed=s).segments for s in (7, 7, 8))
    assert one.equals(again)
    assert not one.equals(other)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"callers": 3}, "callers = 3 is too small"),
        ({"positives": 0}, "positives = 0 leaves one outcome without callers"),
        ({"positives": 120}, "positives = 120 leaves one outcome"),
        ({"icc": 1.0}, r"icc = 1\.0 is not a share of variance"),
        ({"segments": 0}, "segments = 0 is too small"),
        ({"seed": -1}, "seed = -1 is too small"),
    ],
)
def test_numbers_out_of_range_are_named(keys, message):
    with pytest.raises(StudyError, match=message):
        simulate_markers(**keys)
