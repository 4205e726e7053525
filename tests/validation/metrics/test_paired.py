"""Differences of two models on the same calls: what they equal, and when they are refused."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.metrics.discrimination import obuchowski_paired
from voicerisk.validation.metrics.paired import CLUSTERED, PAIRED, paired_differences


def predictions(seed: int = 1, callers: int = 30, calls: int = 1, protocol: str = "nested", **more):
    rng = np.random.default_rng(seed)
    n = callers * calls
    caller = np.repeat([f"c{i:02d}" for i in range(callers)], calls)
    y = np.repeat(np.arange(callers) % 2, calls)
    score = (0.5 + 0.1 * (y - 0.5) + rng.normal(0, 0.1, n)).clip(0.01, 0.99).round(6)
    table = {
        "protocol": protocol, "model": "m", "target": "outcome", "design": "loco", "repeat": 0,
        "fold": np.repeat(np.arange(callers), calls), "unit": "call",
        "call_id": [f"k{i:03d}" for i in range(n)], "caller_id": caller, "segment": None, "frame": None,
        "time_s": None, "y": y, "p_raw": score, "p": score, "threshold": 0.5, "weight": 1.0,
    } | more  # fmt: skip
    return pd.DataFrame(table)


@pytest.fixture
def both():
    return pd.concat([predictions(1), predictions(2, protocol="published")], ignore_index=True)


def test_each_side_is_what_metrics_csv_has_and_the_difference_is_theirs(both):
    found = paired_differences(both, n_boot=200)
    metrics = compute_metrics(both, ValidationSettings(), n_boot=200, units=("call",))
    metrics = metrics.drop_duplicates(["protocol", "metric", "threshold"])
    one = metrics.set_index(["protocol", "metric", metrics["threshold"].fillna(-1)])["estimate"]
    rows = found[found["method"] == PAIRED]
    assert {"auroc", "sensitivity", "specificity", "youden_j", "brier", "net_benefit"} <= set(rows["metric"])
    for row in rows.to_dict("records"):
        cut = row["threshold"] if row["metric"] == "net_benefit" else None
        if cut is None:
            own, other = (one[side].loc[row["metric"]].iloc[0] for side in ("nested", "published"))
        else:
            own, other = (one[side, row["metric"], cut] for side in ("nested", "published"))
        assert row["estimate"] == pytest.approx(own) and row["other"] == pytest.approx(other)
        assert row["difference"] == pytest.approx(own - other)
        # Without an interval where both models act alike in every resample.
        assert np.isnan(row["lower"]) or row["lower"] <= row["difference"] <= row["upper"]
    assert set(zip(found["n"], found["n_events"], found["n_callers"], strict=True)) == {(30, 15, 30)}


@pytest.mark.parametrize("name", ["d30", "d281"])
def test_with_one_row_a_caller_the_interval_is_that_of_r_s_paired_delong(name, tables, expected):
    table = tables[name]
    y, first, second = (table[column].to_numpy() for column in ("y", "score", "score2"))
    difference, low, high = obuchowski_paired(y, [first], [second], np.arange(len(y)))
    se = (high - low) / (2 * 1.959963984540054)
    # 1e-8: the rounding of pROC's Z in the reference
    assert difference / se == pytest.approx(expected[name]["auroc"]["delong_paired"]["Z"], abs=1e-7)


def test_calls_of_one_caller_count_as_one_caller():
    table = predictions(3)
    y, first = table["y"].to_numpy(), table["p_raw"].to_numpy()
    second = predictions(4)["p_raw"].to_numpy()
    alone = obuchowski_paired(y, [first], [second], np.arange(30))
    twice = [np.repeat(values, 2) for values in (y, first, second, np.arange(30))]
    np.testing.assert_allclose(obuchowski_paired(twice[0], [twice[1]], [twice[2]], twice[3]), alone)
    as_rows = obuchowski_paired(twice[0], [twice[1]], [twice[2]], np.arange(60))
    assert as_rows[2] - as_rows[1] < 0.8 * (alone[2] - alone[1])


def test_a_pair_is_narrower_than_two_intervals_where_scores_are_alike(both):
    rng = np.random.default_rng(5)
    close = predictions(1, protocol="published")
    close["p_raw"] = (close["p_raw"] + rng.normal(0, 0.01, len(close))).clip(0, 1)
    table = pd.concat([predictions(1), close], ignore_index=True)
    rows = paired_differences(table, n_boot=500).query("metric == 'auroc'").set_index("method")
    width = rows["upper"] - rows["lower"]
    assert width[PAIRED] < 0.15 and width[CLUSTERED] == pytest.approx(width[PAIRED], rel=0.35)
    alone = compute_metrics(predictions(1), ValidationSettings(), n_boot=500, units=("call",))
    alone = alone.query("metric == 'auroc'").iloc[0]
    assert width[PAIRED] < 0.5 * (alone["upper"] - alone["lower"])


def test_the_same_scores_differ_by_nothing_and_have_no_interval():
    table = pd.concat([predictions(1), predictions(1, protocol="published")], ignore_index=True)
    found = paired_differences(table, n_boot=100)
    assert (found["difference"] == 0).all() and found["lower"].isna().all()
    assert CLUSTERED not in set(found["method"])


def test_models_are_compared_in_the_designs_that_both_have(both):
    folds = pd.concat(
        [predictions(k, design="grouped_kfold", repeat=k, fold=k % 3) for k in range(3)], ignore_index=True
    )
    rival = folds.assign(protocol="rival", model="simple", p_raw=0.5)
    found = paired_differences(pd.concat([both, folds, rival], ignore_index=True), n_boot=100)
    pairs = set(zip(found["design"], found["other_protocol"], strict=True))
    assert pairs == {("loco", "published"), ("grouped_kfold", "rival")}
    mean = found.query("design == 'grouped_kfold' and metric == 'auroc'")["estimate"].iloc[0]
    each = [
        paired_differences(pd.concat([part, part.assign(protocol="rival")]), n_boot=100)
        for _, part in folds.groupby("repeat")
    ]
    assert mean == pytest.approx(
        np.mean([one.query("metric == 'auroc'")["estimate"].iloc[0] for one in each])
    )
    assert paired_differences(both[both["protocol"] == "published"], n_boot=100).empty


def test_other_calls_and_an_unknown_reference_are_refused(both):
    with pytest.raises(ValidationError, match=r"judged different calls \(30 and 29\) in design loco"):
        paired_differences(both.iloc[:-1], n_boot=100)
    with pytest.raises(ValidationError, match="No call is scored by nested/x; the predictions table has"):
        paired_differences(both, ("nested", "x"))


def test_where_no_fold_found_a_cut_there_is_no_difference_of_decisions(both):
    both["threshold"] = both["threshold"].where(both["protocol"] == "published")
    found = paired_differences(both, n_boot=100)
    assert "sensitivity" not in set(found["metric"]) and "auroc" in set(found["metric"])
