"""Agreement among raters, against irr and against agreement known by construction."""

import json

import numpy as np
import pandas as pd
import pytest

from voicerisk.cohort import rater_agreement
from voicerisk.cohort.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha, light_kappa
from voicerisk.errors import CohortError


@pytest.fixture(scope="module")
def raters(reference):
    """Twelve recordings by six raters, codes from 0."""
    return pd.read_csv(reference / "cohort" / "raters.csv").set_index("recording").to_numpy() - 1


@pytest.fixture(scope="module")
def irr(reference):
    return json.loads((reference / "cohort" / "raters.json").read_text())


def long_table(codes, scale="cssrs"):
    wide = pd.DataFrame(codes, columns=[f"r{j}" for j in range(codes.shape[1])])
    long = wide.rename_axis("call_id").reset_index().melt("call_id", var_name="rater", value_name="value")
    long = long[long["value"] >= 0].astype({"call_id": "str", "value": "f8"})
    return long.assign(scale=scale, level=long["value"].map({0: "low", 1: "moderate", 2: "imminent"}))


def test_kappas_agree_with_irr(raters, irr):
    # irr's numbers are stored with 13 digits.
    assert fleiss_kappa(raters) == pytest.approx(irr["fleiss"], abs=1e-12)
    assert light_kappa(raters) == pytest.approx(irr["light"], abs=1e-12)
    one, other = raters[:, 0], raters[:, 1]
    assert cohen_kappa(one, other) == pytest.approx(irr["cohen_12"], abs=1e-12)
    assert cohen_kappa(one, other, 1) == pytest.approx(irr["cohen_12_linear"], abs=1e-12)
    assert cohen_kappa(one, other, 2) == pytest.approx(irr["cohen_12_quadratic"], abs=1e-12)
    assert krippendorff_alpha(raters, ordinal=True) == pytest.approx(
        irr["kripp_alpha_ordinal_definition"], abs=1e-12
    )


def test_nominal_alpha_of_krippendorffs_own_example():
    """Krippendorff (2011), section C: four observers, twelve units, gaps; it gives 0.743 and 0.815."""
    values = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    codes = np.array([[-1 if cell is None else cell - 1 for cell in row] for row in values]).T
    assert krippendorff_alpha(codes) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(codes, ordinal=True) == pytest.approx(0.815, abs=5e-4)


def test_the_table_has_every_measure_with_intervals(raters, irr):
    found = rater_agreement(long_table(raters), bootstraps=1000, seed=3).set_index(["rated", "measure"])
    fleiss = found.loc[("value", "fleiss")]
    assert fleiss["estimate"] == pytest.approx(irr["fleiss"], abs=1e-12)
    assert (fleiss["n_recordings"], fleiss["n_raters"], fleiss["n_categories"]) == (12, 6, 3)
    # Another generator and twelve recordings: quantiles agree to a few percentile ranks.
    assert fleiss["lower"] == pytest.approx(irr["fleiss_boot_recordings"]["q"][0], abs=0.06)
    assert fleiss["upper"] == 1.0
    assert len(found) == 12
    again = rater_agreement(long_table(raters), bootstraps=1000, seed=3).set_index(["rated", "measure"])
    pd.testing.assert_frame_equal(found, again)


def test_the_order_of_rows_raters_and_categories_does_not_matter(raters):
    codes = raters[:, ::-1]
    assert fleiss_kappa(codes[::-1]) == pytest.approx(fleiss_kappa(raters), abs=1e-12)
    assert light_kappa(codes, power=2) == pytest.approx(light_kappa(raters, power=2), abs=1e-12)
    assert light_kappa(2 - raters, power=1) == pytest.approx(light_kappa(raters, power=1), abs=1e-12)
    assert krippendorff_alpha(2 - raters, ordinal=True) == pytest.approx(
        krippendorff_alpha(raters, ordinal=True), abs=1e-12
    )


def test_weights_count_recordings_as_often(raters):
    times = np.random.default_rng(5).integers(0, 4, len(raters))
    repeated = np.repeat(raters, times, axis=0)
    for measure in (fleiss_kappa, light_kappa, krippendorff_alpha):
        assert measure(raters, times[None].astype(float)) == pytest.approx(measure(repeated), abs=1e-12)


def test_perfect_agreement_is_one_and_chance_is_zero():
    rng = np.random.default_rng(1)
    same = np.repeat(rng.integers(3, size=(50, 1)), 4, axis=1)
    chance = rng.integers(3, size=(4000, 3))
    for measure in (fleiss_kappa, light_kappa, krippendorff_alpha):
        assert measure(same) == pytest.approx(1.0)
        assert measure(chance) == pytest.approx(0.0, abs=0.03)


def test_agreement_that_chance_alone_gives_is_undefined_not_one():
    alike = np.zeros((10, 3), dtype=np.int64)
    for measure in (fleiss_kappa, light_kappa, krippendorff_alpha):
        assert np.isnan(measure(alike)).all()
    found = rater_agreement(long_table(alike), bootstraps=50)
    assert found["estimate"].isna().all() and (found["n_undefined"] == 50).all()


def test_recordings_are_counted_by_measure(raters):
    gaps = raters.copy()
    gaps[0, 0] = -1
    gaps[1, 1:] = -1
    found = rater_agreement(long_table(gaps), bootstraps=20).set_index(["rated", "measure"])["n_recordings"]
    assert found[("value", "fleiss")] == 10
    assert found[("value", "krippendorff_ordinal")] == 11


def test_one_rater_only_is_told(raters):
    with pytest.raises(CohortError, match="No recording was rated by two raters on the same scale"):
        rater_agreement(long_table(raters[:, :1]))
    with pytest.raises(CohortError, match="No recording was rated by two raters"):
        rater_agreement(long_table(raters, scale="screening"))
