import numpy as np
import pandas as pd
import pytest

from tests.validation.metrics.test_compute import predictions
from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.metrics.classes.one_against_rest import hand_till, likeliest_class
from voicerisk.validation.metrics.compute import PERCENTILE
from voicerisk.validation.metrics.rater_agreement import (
    agreement_table,
    cohen_kappa,
    conger_kappa,
    fleiss_kappa,
    icc_agreement,
    krippendorff_alpha,
    light_kappa,
)
from voicerisk.validation.metrics.subgroup_gaps import fairness_gaps

EXACT = 1e-8
CLASSES = ("low", "moderate", "imminent")


@pytest.fixture(scope="module")
def ratings(tables):
    return tables["raters"].set_index("recording")


def test_coefficients_equal_r(ratings, expected):
    x, ref = ratings.to_numpy(), expected["kappa"]
    assert fleiss_kappa(x) == pytest.approx(ref["fleiss"], abs=EXACT)
    assert conger_kappa(x) == pytest.approx(ref["conger_exact"], abs=EXACT)
    assert light_kappa(x) == pytest.approx(ref["light"], abs=EXACT)
    for weights in ("none", "linear", "quadratic"):
        key = "cohen_12" if weights == "none" else f"cohen_12_{weights}"
        assert cohen_kappa(x[:, 0], x[:, 1], weights) == pytest.approx(ref[key], abs=EXACT)
    assert icc_agreement(x) == pytest.approx(ref["icc_2way_agreement"]["value"], abs=EXACT)
    assert krippendorff_alpha(x) == pytest.approx(ref["kripp_alpha_ordinal_definition"], abs=EXACT)


def test_kappas_equal_scikit_learn_and_statsmodels():
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.inter_rater import aggregate_raters
    from statsmodels.stats.inter_rater import fleiss_kappa as theirs

    x = np.random.default_rng(0).integers(1, 5, (50, 4))
    for ours, weights in (("none", None), ("linear", "linear"), ("quadratic", "quadratic")):
        found = cohen_kappa(x[:, 0], x[:, 1], ours)
        assert found == pytest.approx(cohen_kappa_score(x[:, 0], x[:, 1], weights=weights), abs=1e-12)
    assert fleiss_kappa(x) == pytest.approx(theirs(aggregate_raters(x)[0]), abs=1e-12)


def test_twelve_recordings_carry_little(ratings, expected):
    table = agreement_table(ratings, n_boot=60).set_index("metric")
    x, rng = ratings.to_numpy(), np.random.default_rng(3)
    resampled = np.array([fleiss_kappa(x[rng.integers(0, 12, 12)]) for _ in range(2000)])
    low, _, high = expected["kappa"]["fleiss_boot_recordings"]["q"]
    # The distribution is lumpy at 12 recordings: quantiles are compared by their percentile ranks.
    for q, value in ((0.025, low), (0.975, high)):
        below, up_to = (np.mean(resampled < value - 1e-9), np.mean(resampled <= value + 1e-9))
        assert below - 0.025 <= q <= up_to + 0.025
    assert table.loc["fleiss_kappa", "lower"] < 0.8 < table.loc["fleiss_kappa", "estimate"]
    assert table.loc["fleiss_kappa", ["n_recordings", "n_raters", "n_categories"]].tolist() == [12, 6, 3]


def test_agreement_by_definition_and_bad_input(ratings):
    perfect = np.tile(np.array([[1], [2], [3]]), (1, 4))
    for coefficient in (fleiss_kappa, conger_kappa, light_kappa, krippendorff_alpha, icc_agreement):
        assert coefficient(perfect) == pytest.approx(1.0)
    relabelled = {1: 10, 2: 20, 3: 30}
    x = ratings.to_numpy()
    moved = np.vectorize(relabelled.get)(x)
    assert krippendorff_alpha(moved) == pytest.approx(krippendorff_alpha(x))
    with_gap = x.astype(float)
    with_gap[0, 0] = np.nan
    assert 0.8 < krippendorff_alpha(with_gap) < 1
    with pytest.raises(ValidationError, match="rating of recording 1 by 'rater1' is missing"):
        agreement_table(pd.DataFrame(with_gap, ratings.index, ratings.columns))
    with pytest.raises(ValidationError, match="2 recordings and 2 raters or more, not 12 and 1"):
        agreement_table(ratings[["rater1"]])
    with pytest.raises(ValidationError, match="weights of kappa"):
        cohen_kappa(x[:, 0], x[:, 1], "cubic")


def _three_classes(table):
    rows = predictions(table.assign(y=0, score=0.5, sex="female")).drop(columns=["p", "p_raw", "sex"])
    scores = {f"{kind}_{c}": table[c].to_numpy() for kind in ("p_raw", "p") for c in CLASSES}
    return rows.assign(y=table["cls"].to_numpy(), threshold=np.nan, **scores)


def test_three_classes_one_against_the_rest_and_macro(tables, expected):
    from sklearn.metrics import roc_auc_score

    table = tables["d3class"]
    metrics = compute_metrics(_three_classes(table), ValidationSettings(), n_boot=60, units=["call"])
    auroc = metrics[(metrics["metric"] == "auroc") & (metrics["method"] == PERCENTILE)].set_index("class")
    each = {c: roc_auc_score(table["cls"] == c, table[c]) for c in CLASSES}
    for name, value in each.items():
        assert auroc.loc[name, "estimate"] == pytest.approx(value, abs=1e-12)
    assert auroc.loc["macro", "estimate"] == pytest.approx(np.mean(list(each.values())), abs=1e-12)
    assert auroc.loc["macro", "lower"] < auroc.loc["macro", "estimate"] < auroc.loc["macro", "upper"]
    for row in expected["dca3"]["imminent"]:
        if row["threshold"] in (0.1, 0.2, 0.3, 0.5):
            found = metrics[
                (metrics["metric"] == "net_benefit") & (metrics["class"] == "imminent")
                & (metrics["threshold"] == row["threshold"]) & (metrics["method"] == PERCENTILE)
            ]  # fmt: skip
            assert found["estimate"].tolist() == pytest.approx([row["nb"]], abs=EXACT)


def test_hand_and_till_equals_r(tables, expected):
    table = tables["d3class"]
    scores = {c: table[c].to_numpy() for c in CLASSES}
    found = hand_till(table["cls"].to_numpy(), scores)
    assert found == pytest.approx(expected["multiclass"]["hand_till_mauc"], abs=EXACT)
    counts = likeliest_class(table["cls"].to_numpy(), scores)
    assert counts["n"].sum() == 281 and len(counts) == 9
    with pytest.raises(ValidationError, match="No row has the class 'none'"):
        hand_till(table["cls"].to_numpy(), {**scores, "none": scores["low"]})


def test_gaps_are_differences_and_say_where_callers_are_few(tables):
    rows = predictions(tables["d281"]).assign(service=tables["d281"]["service"].to_numpy())
    gaps = fairness_gaps(rows, "sex", n_boot=300).set_index(["subgroup", "metric"])
    female, male = gaps.loc[("sex=female", "auroc")], gaps.loc[("sex=male", "auroc")]
    assert female["difference"] == pytest.approx(-male["difference"])
    assert female["estimate"] == pytest.approx(male["rest"])
    assert female["lower"] < female["difference"] < female["upper"]
    by_service = fairness_gaps(rows, "service", n_boot=100)
    noted = by_service.set_index("subgroup")["note"]
    assert set(rows["y"][rows["service"] == "000"]) == {1}
    assert noted["service=000"].str.startswith("one class only").all()
    few = fairness_gaps(rows.assign(sex=["a"] * 12 + ["b"] * 269), "sex", n_boot=50).set_index("subgroup")
    assert few["note"]["sex=a"].str.contains("callers in the smaller class").all()
    with pytest.raises(ValidationError, match="no column 'town'"):
        fairness_gaps(rows, "town")
