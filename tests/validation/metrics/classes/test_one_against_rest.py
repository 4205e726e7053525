import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation import ValidationSettings, compute_metrics
from voicerisk.validation.metrics.classes.decisions import brier_skill, class_decisions, class_losses
from voicerisk.validation.metrics.classes.one_against_rest import (
    at_class_prevalence,
    class_decision_curves,
    one_against_rest,
)
from voicerisk.validation.metrics.classes.recalibration import recalibrate_classes, temper_classes

CLASSES = ("NS", "SI", "ASE")


def simulate(n=240, seed=0, sharp=1.5):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.6, 0.25, 0.15])
    logits = rng.normal(size=(n, 3)) + sharp * np.eye(3)[y]
    return y, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def table(repeats=2, model="m", seed=0, sharp=1.5):
    y, p = simulate(seed=seed, sharp=sharp)
    parts = []
    for repeat in range(repeats):
        rows = np.random.default_rng(repeat).permutation(len(y))[:90]
        scores = {f"{kind}_{name}": p[rows, k] for k, name in enumerate(CLASSES) for kind in ("p_raw", "p")}
        parts.append(
            pd.DataFrame(
                {
                    "protocol": "nested", "model": model, "target": "t", "design": "holdout",
                    "repeat": repeat,
                    "fold": 0, "unit": "call", "call_id": [f"s{k:03d}" for k in rows],
                    "caller_id": [f"u{k // 2:03d}" for k in rows], "segment": None, "frame": None,
                    "time_s": np.nan, "y": np.array(CLASSES)[y[rows]], **scores, "threshold": np.nan,
                    "weight": 1.0,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_decisions_are_scikit_learns():
    from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

    y, p = simulate()
    one, groups, weight = np.ones((1, 1)), np.zeros(len(y), dtype=int), np.ones(len(y))
    found = class_decisions(y, p, groups, weight, one)
    precision, recall, f1, _ = precision_recall_fscore_support(y, p.argmax(axis=1))
    for k in range(3):
        got = [found[k, name][0] for name in ("ppv", "sensitivity", "f1")]
        assert got == pytest.approx([precision[k], recall[k], f1[k]], abs=1e-12)
    assert found[-1, "accuracy"][0] == pytest.approx(accuracy_score(y, p.argmax(axis=1)))
    assert found[-1, "f1"][0] == pytest.approx(f1.mean())
    losses = class_losses(y, p, groups, weight, one)
    assert losses["log_loss"][0] == pytest.approx(log_loss(y, p), abs=1e-12)
    assert losses["brier"][0] == pytest.approx(((p - np.eye(3)[y]) ** 2).mean(), abs=1e-15)


def test_a_weight_is_as_good_as_a_repetition():
    y, p = simulate(60)
    times = np.random.default_rng(1).integers(1, 4, len(y))
    one = np.ones((1, 1))
    weighed = class_decisions(y, p, np.zeros(len(y), dtype=int), times.astype(float), one)
    rows = np.repeat(np.arange(len(y)), times)
    repeated = class_decisions(y[rows], p[rows], np.zeros(len(rows), dtype=int), np.ones(len(rows)), one)
    for key, value in repeated.items():
        np.testing.assert_allclose(weighed[key], value, rtol=1e-12)


def test_repeats_that_hold_out_different_callers_are_all_drawn():
    predictions = table(repeats=3)
    metrics = compute_metrics(predictions, ValidationSettings(), n_boot=200, units=("call",))
    rows = metrics[(metrics["class"] == "ASE") & (metrics["metric"] == "auroc")]
    one = rows[rows["method"] == "caller_bootstrap_percentile_given_scores"].iloc[0]
    from sklearn.metrics import roc_auc_score

    parts = [part for _, part in predictions.groupby("repeat")]
    areas = [roc_auc_score(part["y"] == "ASE", part["p_raw_ASE"]) for part in parts]
    assert one["estimate"] == pytest.approx(np.mean(areas), abs=1e-12)
    assert one["lower"] < one["estimate"] < one["upper"]
    found = metrics.drop_duplicates(["class", "metric"]).set_index(["class", "metric"])["estimate"]
    for name in CLASSES:
        # F1 of a mean over repeats is not the F1 of the means; of one repeat it must be.
        assert 0 < found[name, "f1"] < 1
    single = compute_metrics(table(repeats=1), ValidationSettings(), n_boot=100, units=("call",))
    single = single.drop_duplicates(["class", "metric"]).set_index(["class", "metric"])["estimate"]
    for name in CLASSES:
        p, r = single[name, "ppv"], single[name, "sensitivity"]
        assert single[name, "f1"] == pytest.approx(2 * p * r / (p + r))
    assert {"accuracy", "log_loss", "brier", "auroc"} <= set(single.loc["macro"].index)


def test_intervals_hold_the_estimate():
    metrics = compute_metrics(table(repeats=1), ValidationSettings(), n_boot=300, units=("call",))
    known = metrics[metrics["lower"].notna()]
    rows = known[known["method"] == "caller_bootstrap_percentile_given_scores"]
    # Not the smooth parts of calibration, which resampling makes worse on average.
    rows = rows[rows["metric"].isin(["auroc", "accuracy", "f1", "ppv", "sensitivity", "brier", "log_loss"])]
    assert len(rows) >= 20
    assert (rows["lower"] <= rows["estimate"] + 1e-12).all()
    assert (rows["estimate"] <= rows["upper"] + 1e-12).all()


def test_recalibration_finds_temperature_and_shares_again():
    rng = np.random.default_rng(2)
    n, slope, offsets = 6000, 0.5, np.array([0.0, -1.0, -2.0])
    raw = rng.dirichlet([1, 1, 1], n)
    z = slope * np.log(np.clip(raw, 1e-6, 1)) + offsets
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    found = recalibrate_classes(raw, y, np.ones(n))
    # Four standard errors of a fit to 6,000 rows, found by repeating it.
    assert found.slope == pytest.approx(slope, abs=0.1)
    np.testing.assert_allclose(found.offsets, offsets, atol=0.25)
    np.testing.assert_allclose(found(raw).sum(axis=1), 1.0)
    shares = np.bincount(y, minlength=3) / n
    np.testing.assert_allclose(found(raw).mean(axis=0), shares, atol=2e-3)


def test_recalibration_keeps_the_shares_and_leaves_good_scores_alone():
    rng = np.random.default_rng(6)
    slopes, worse = [], []
    for _ in range(60):
        raw = rng.dirichlet([0.3, 0.3, 0.3], 660)
        y = (rng.random(660)[:, None] > raw.cumsum(axis=1)).sum(axis=1)
        learned, held_out = slice(0, 60), slice(60, None)
        found = recalibrate_classes(raw[learned], y[learned], np.ones(60))
        slopes.append(found.slope)
        # A maximum of the likelihood over offsets has the mean risk of each class at its share.
        shares = np.bincount(y[learned], minlength=3) / 60
        np.testing.assert_allclose(found(raw[learned]).mean(axis=0), shares, atol=1e-4)
        rows = np.arange(600)
        loss = [
            -np.log(np.clip(p[rows, y[held_out]], 1e-6, 1)).mean() for p in (found(raw[held_out]), raw[60:])
        ]
        worse.append(loss[0] - loss[1])
    # Smoothed targets give a slope of 0.6 here; 0.05 is three standard errors.
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.1)
    # Three parameters learned from 60 rows cost about 3 / (2 * 60) = 0.025.
    assert np.mean(worse) < 0.04


def test_recalibration_takes_from_scores_that_say_nothing_what_they_claim():
    rng = np.random.default_rng(8)
    y = np.repeat([0, 1, 2], [80, 80, 40])
    slopes = []
    for _ in range(30):
        raw = rng.dirichlet([0.3, 0.3, 0.3], len(y))
        found = recalibrate_classes(raw, y, np.ones(len(y)))
        slopes.append(found.slope)
        # As they were, the largest risk of a row is 0.8 on average; the largest share is 0.4.
        assert found(raw).max(axis=1).mean() < 0.6
    assert np.mean(slopes) < 0.1


def test_recalibration_of_separated_and_of_useless_scores_is_finite():
    y = np.repeat([0, 1, 2], 10)
    perfect = recalibrate_classes(np.eye(3)[y], y, np.ones(30))
    assert np.isfinite(perfect(np.eye(3)[y])).all()
    flat = recalibrate_classes(np.full((30, 3), 1 / 3), y, np.ones(30))
    np.testing.assert_allclose(flat(np.full((1, 3), 1 / 3)), 1 / 3, atol=1e-6)


def test_another_prevalence_moves_risks_by_bayes_and_weights_alike():
    predictions = table(repeats=1)
    shares = {"NS": 0.9, "SI": 0.07, "ASE": 0.03}
    moved = at_class_prevalence(predictions, shares)
    weight = moved.groupby("y")["weight"].sum() / moved["weight"].sum()
    for name, share in shares.items():
        assert weight[name] == pytest.approx(share)
    np.testing.assert_allclose(moved[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1.0)
    assert (moved["p_ASE"] < predictions["p_ASE"]).mean() > 0.95
    own = (predictions["y"].value_counts() / len(predictions)).to_dict()
    same = at_class_prevalence(predictions, own)
    np.testing.assert_allclose(same["p_SI"], predictions["p_SI"], atol=1e-12)
    with pytest.raises(ValidationError, match="must name NS, SI, ASE"):
        at_class_prevalence(predictions, {"NS": 1.0})


def test_decision_curve_of_a_class_is_the_formula():
    predictions = table(repeats=2)
    curve = class_decision_curves(predictions, "SI", [0.3, 0.5], n_boot=50)
    binary = one_against_rest(predictions, "SI")
    for t in (0.3, 0.5):
        treated = binary["p"] >= t
        tp = (treated & (binary["y"] == 1)).mean()
        fp = (treated & (binary["y"] == 0)).mean()
        row = curve[(curve["threshold"] == t) & (curve["strategy"] == "model")].iloc[0]
        assert row["net_benefit"] == pytest.approx(tp - fp * t / (1 - t))
    top = curve[curve["strategy"] == "maximum"]["net_benefit"]
    assert top.tolist() == pytest.approx([binary["y"].mean()] * 2)


def test_brier_skill_is_one_less_the_ratio_and_needs_the_same_calls():
    both = pd.concat([table(repeats=1, sharp=2.5), table(repeats=1, model="base", sharp=0.5)])
    rows = brier_skill(both, "base", n_boot=100)
    brier = {}
    for model, part in both.groupby("model"):
        y = part["y"].map({name: k for k, name in enumerate(CLASSES)}).to_numpy()
        brier[model] = ((part[[f"p_{name}" for name in CLASSES]].to_numpy() - np.eye(3)[y]) ** 2).mean()
    assert rows["estimate"].tolist() == pytest.approx([1 - brier["m"] / brier["base"]])
    # The paper's own arithmetic: 0.10 against 0.18.
    assert round(100 * (1 - 0.10 / 0.18), 1) == 44.4
    with pytest.raises(ValidationError, match="not run on the same calls"):
        brier_skill(both.drop(index=both.index[0]).reset_index(drop=True).drop(index=0), "base", n_boot=100)


def test_one_slope_about_known_shares():
    rng = np.random.default_rng(0)
    shares = np.array([0.7, 0.2, 0.1])
    p = rng.dirichlet(6 * shares, size=4000)
    y = np.array([rng.choice(3, p=one) for one in p])
    known = np.bincount(y, minlength=3) / len(y)
    # Sharpened about the shares by 3, risks come back with a slope of 1/3.
    z = 3 * (np.log(np.clip(p, 1e-6, 1)) - np.log(known)) + np.log(known)
    sharp = np.exp(z - z.max(axis=1, keepdims=True))
    sharp /= sharp.sum(axis=1, keepdims=True)
    for scores, slope in ((p, 1.0), (sharp, 1 / 3)):
        found = temper_classes(scores, y, np.ones(len(y)), known)
        # Four standard errors of this sample.
        assert found.slope == pytest.approx(slope, rel=0.1)
    # Scores that say nothing: every risk comes near the share of its class, not near 1/3.
    noise = rng.dirichlet(np.ones(3), size=4000)
    flat = temper_classes(noise, y, np.ones(len(y)), known)
    assert flat.slope < 0.05
    np.testing.assert_allclose(flat(noise).mean(axis=0), known, atol=0.02)
    # A few rows that the scores separate: the weak prior keeps the slope finite, and no target is smoothed.
    few = temper_classes(
        np.array([[0.9, 0.1], [0.1, 0.9]] * 6), np.array([0, 1] * 6), np.ones(12), np.array([0.5, 0.5])
    )
    assert 1 < few.slope < 20 and not few.at_bound
    assert few(np.array([[0.1, 0.9]]))[0, 1] > 0.95
