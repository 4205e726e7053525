import numpy as np
import pandas as pd
import pytest

from tests.validation.toys import cohort, stepwise_paths
from voicerisk.callers.draws import bca_interval, caller_draws, percentile_interval
from voicerisk.errors import ValidationError
from voicerisk.figures.wording import one_interval
from voicerisk.validation import (
    ValidationSettings,
    check_predictions,
    compute_metrics,
    degenerate_scores,
    run_nested,
    run_published,
)
from voicerisk.validation.metrics.compute import METRIC_COLUMNS, NAIVE, PERCENTILE
from voicerisk.validation.metrics.ranking import rank_statistics

EXACT = 1e-8
SETTINGS = ValidationSettings(repeats=2, bootstraps=50, inner_folds=3)


def predictions(table: pd.DataFrame, protocol: str = "nested", threshold: float = 0.5) -> pd.DataFrame:
    """Put a reference table (one row a call) into the schema."""
    n = len(table)
    return pd.DataFrame(
        {
            "protocol": protocol, "model": "m", "target": "outcome", "design": "loco", "repeat": 0,
            "fold": np.unique(table["caller"], return_inverse=True)[1], "unit": "call",
            "call_id": [f"k{i:03d}" for i in range(n)], "caller_id": table["caller"].to_numpy(),
            "segment": None, "frame": None, "time_s": np.nan, "y": table["y"].to_numpy(),
            "p_raw": table["score"].to_numpy(), "p": table["score"].to_numpy(), "threshold": threshold,
            "weight": 1.0, "sex": table["sex"].to_numpy(),
        }
    )  # fmt: skip


def _value(metrics, unit, metric, column="estimate", method=PERCENTILE, subgroup="all"):
    found = metrics[
        (metrics["unit"] == unit) & (metrics["metric"] == metric) & (metrics["method"] == method)
        & (metrics["subgroup"] == subgroup)
    ]  # fmt: skip
    assert len(found) == 1, f"{len(found)} rows of {unit} {metric} {method}"
    return found[column].iloc[0]


@pytest.fixture(scope="module")
def measured(tables):
    return {
        name: compute_metrics(predictions(tables[name]), SETTINGS, n_boot=150, subgroups=["sex"])
        for name in ("d30", "d281")
    }


@pytest.mark.parametrize("name", ["d30", "d281"])
def test_point_estimates_equal_r(name, measured, expected):
    ref, metrics = expected[name], measured[name]
    assert list(metrics.columns) == list(METRIC_COLUMNS)
    assert _value(metrics, "call", "auroc") == pytest.approx(ref["auroc"]["auc"], abs=EXACT)
    # In d30 callers c0007 and c0009 tie with c0008 at 1.2 / 3: on paper 23 of 24 pairs. R's mean() breaks
    # these ties by its last bit and counts 22.
    by_hand = {"d30": 23 / 24, "d281": ref["caller_level"]["auc"]}[name]
    assert _value(metrics, "caller", "auroc") == pytest.approx(by_hand, abs=EXACT)
    ap = ref["pr"]["average_precision"]
    assert _value(metrics, "call", "average_precision") == pytest.approx(ap, abs=EXACT)
    assert _value(metrics, "call", "pr_integral") == pytest.approx(ref["pr"]["PRROC_integral"], abs=EXACT)
    assert _value(metrics, "call", "brier") == pytest.approx(ref["brier"]["brier_raw"], abs=EXACT)
    assert _value(metrics, "call", "brier_skill") == pytest.approx(ref["brier"]["bss"], abs=EXACT)
    slope = ref["calibration"]["slope"]
    assert _value(metrics, "call", "calibration_slope") == pytest.approx(slope, abs=1e-7)
    mcb = ref["brier"]["corp"]["MCB"]
    assert _value(metrics, "call", "corp_miscalibration") == pytest.approx(mcb, abs=EXACT)
    at = metrics[(metrics["metric"] == "net_benefit") & (metrics["unit"] == "call")]
    for row in ref["dca"]:
        if row["threshold"] in (0.1, 0.2, 0.3, 0.5):
            found = at[(at["threshold"] == row["threshold"]) & (at["method"] == PERCENTILE)]
            assert found["estimate"].tolist() == pytest.approx([row["nb"]], abs=EXACT)
    names = {"sens": "sensitivity", "spec": "specificity", "ppv": "ppv", "npv": "npv", "acc": "accuracy"}
    for theirs, ours in names.items():
        assert _value(metrics, "call", ours) == pytest.approx(ref["at_0.5"][theirs]["est"], abs=EXACT)
        assert _value(metrics, "call", ours, "threshold") == 0.5


def test_intervals_of_callers_equal_r(measured, expected):
    ref, metrics = expected["d281"], measured["d281"]
    for bound, place in (("lower", 0), ("upper", 1)):
        delong = _value(metrics, "call", "auroc", bound, "delong")
        assert delong == pytest.approx(ref["auroc"]["ci_delong"][place], abs=EXACT)
        for method in ("wilson", "clopper_pearson"):
            found = _value(metrics, "caller", "sensitivity", bound, method)
            assert found == pytest.approx(ref["at_0.5"]["sens"][method][place], abs=EXACT)
    clustered = measured["d30"]
    lower = _value(clustered, "call", "auroc", "lower", "obuchowski")
    assert lower == pytest.approx(expected["d30"]["auroc"]["obuchowski"]["ci"][0], abs=EXACT)
    # Several calls a caller are not independent: no exact intervals on calls.
    on_calls = clustered[clustered["unit"] == "call"]
    assert not on_calls["method"].isin(["wilson", "clopper_pearson", "delong"]).any()


@pytest.mark.parametrize("name", ["d30", "d281"])
def test_caller_bootstrap_is_the_references_in_distribution(name, tables, expected):
    rows = predictions(tables[name])
    ref = expected[name]["cluster_boot"]["frame_auc"]
    draws = caller_draws(rows, 4000, np.random.default_rng(2), ["outcome"])
    groups = np.unique(rows["caller_id"], return_inverse=True)[1]
    auroc = rank_statistics(rows["p_raw"].to_numpy(), rows["y"].to_numpy(), groups, draws.counts).auroc
    resampled = auroc[1 : 1 + draws.n_boot]
    assert abs(resampled.mean() - ref["mean"]) < 4 * ref["sd"] / np.sqrt(2000)
    assert resampled.std() == pytest.approx(ref["sd"], rel=0.07)
    for q, value in zip(expected[name]["cluster_boot"]["q_probs"], ref["q"], strict=True):
        assert (resampled < value - 1e-9).mean() - 0.025 <= q <= (resampled <= value + 1e-9).mean() + 0.025


def test_bca_and_percentile_equal_scipys_on_a_mean():
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    x = rng.exponential(size=40)
    rows = pd.DataFrame({"caller_id": [f"c{i:02d}" for i in range(40)], "y": [0, 1] * 20})
    draws = caller_draws(rows, 20_000, np.random.default_rng(1))
    values = draws.counts @ x / draws.counts.sum(1)
    theirs = bootstrap((x,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(2))
    # Two runs of 20,000 resamples of a mean; over seeds the upper end has a standard deviation of 0.009.
    np.testing.assert_allclose(bca_interval(values, draws), theirs.confidence_interval, atol=0.035)
    low, high = percentile_interval(values, draws)
    assert low < bca_interval(values, draws)[0] and high < bca_interval(values, draws)[1]


def test_subgroups_are_the_metrics_of_the_subset(measured, tables):
    part = tables["d281"][tables["d281"]["sex"] == "male"]
    alone = compute_metrics(predictions(part), SETTINGS, n_boot=200)
    for metric in ("auroc", "average_precision", "accuracy", "brier"):
        inside = _value(measured["d281"], "call", metric, subgroup="sex=male")
        assert inside == pytest.approx(_value(alone, "call", metric), abs=1e-12)
    assert _value(measured["d281"], "call", "auroc", "n", subgroup="sex=male") == len(part)


def test_rows_in_any_order_and_renamed_calls_give_the_same_metrics(tables):
    rows = predictions(tables["d30"])
    first = compute_metrics(rows, SETTINGS, n_boot=200)
    shuffled = rows.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(first, compute_metrics(shuffled, SETTINGS, n_boot=200))
    renamed = rows.assign(call_id="z" + rows["call_id"])
    pd.testing.assert_frame_equal(first, compute_metrics(renamed, SETTINGS, n_boot=200))


def test_a_call_split_into_frames_keeps_its_decision_and_its_caller_intervals():
    calls, frames = cohort(16, 8, seed=2, effect=1.0)
    result = run_published(calls, stepwise_paths(calls, frames), SETTINGS)
    metrics = compute_metrics(result.predictions, SETTINGS, n_boot=300)
    on_calls = result.predictions[result.predictions["unit"] == "call"].set_index("call_id")
    n_frames = calls.set_index("call_id")["n_frames"][on_calls.index]
    right = (on_calls["p_raw"] >= on_calls["threshold"]) == (on_calls["y"] == 1)
    carried = _value(metrics, "frame_by_call", "accuracy")
    assert carried == pytest.approx(np.average(right, weights=n_frames), abs=1e-12)
    assert _value(metrics, "frame_by_call", "accuracy", "n") == n_frames.sum()
    on_frames = result.predictions[result.predictions["unit"] == "frame"]
    own = ((on_frames["p_raw"] >= on_frames["threshold"]) == (on_frames["y"] == 1)).mean()
    assert _value(metrics, "frame", "accuracy") == pytest.approx(own, abs=1e-12)
    # The naive interval takes frames for callers and is narrower; it is shown for `published` only.
    naive = _value(metrics, "frame", "auroc", "upper", NAIVE) - _value(
        metrics, "frame", "auroc", "lower", NAIVE
    )
    honest = _value(metrics, "frame", "auroc", "upper") - _value(metrics, "frame", "auroc", "lower")
    assert naive < honest
    assert not (metrics["method"] == "wilson").where(metrics["unit"] == "frame_by_call", False).any()


def test_predictive_values_at_another_prevalence_follow_bayes(tables):
    metrics = compute_metrics(
        predictions(tables["d281"]), SETTINGS, n_boot=100, units=["call"], prevalence=0.05
    )
    se, sp = (_value(metrics, "call", name) for name in ("sensitivity", "specificity"))
    found = _value(metrics, "call", "ppv_at_prevalence")
    assert found == pytest.approx(se * 0.05 / (se * 0.05 + (1 - sp) * 0.95))
    assert found < _value(metrics, "call", "ppv")
    with pytest.raises(ValidationError, match="target prevalence"):
        compute_metrics(predictions(tables["d281"]), SETTINGS, n_boot=10, prevalence=2.0)


def test_repeats_are_averaged_under_the_same_draws():
    calls, frames = cohort(16, 8, seed=2)
    settings = ValidationSettings(designs=["grouped_kfold"], repeats=2, bootstraps=50, inner_folds=3)
    rows = run_nested(calls, stepwise_paths(calls, frames), settings).predictions
    metrics = compute_metrics(rows, settings, n_boot=200)
    each = [compute_metrics(rows[rows["repeat"] == r], settings, n_boot=200, units=["call"]) for r in (0, 1)]
    mean = np.mean([_value(one, "call", "auroc") for one in each])
    assert _value(metrics, "call", "auroc") == pytest.approx(mean, abs=1e-12)
    assert _value(metrics, "call", "auroc", "n") == len(calls)
    assert set(metrics["unit"]) == {"call", "caller"}


def test_automatic_direction_turns_a_reversed_score_and_the_fixed_one_stands_beside_it(tables):
    rows = predictions(tables["d281"], "published")
    rows["p_raw"] = 1 - rows["p_raw"]
    metrics = compute_metrics(rows, SETTINGS, n_boot=200)
    fixed, auto = _value(metrics, "call", "auroc"), _value(metrics, "call", "auroc_auto")
    assert fixed == pytest.approx(1 - 0.84418767507, abs=EXACT) and auto == pytest.approx(1 - fixed)
    assert _value(metrics, "call", "accuracy_auto") > _value(metrics, "call", "accuracy") + 0.3
    nested = compute_metrics(rows.assign(protocol="nested"), SETTINGS, n_boot=100)
    assert not nested["metric"].str.endswith("_auto").any()
    asked = ValidationSettings(direction="auto", bootstraps=50)
    assert compute_metrics(rows.assign(protocol="nested"), asked, n_boot=100)["metric"].eq("auroc_auto").any()


def test_constant_scores_give_one_half_no_decision_and_a_note(tables):
    rows = predictions(tables["d281"], threshold=np.nan).assign(p_raw=0.3, p=0.3)
    metrics = compute_metrics(rows, SETTINGS, n_boot=100)
    assert _value(metrics, "call", "auroc") == 0.5
    assert not metrics["metric"].isin(["accuracy", "sensitivity"]).any()
    assert any("the scores are constant" in note for note in metrics.attrs["notes"])
    assert degenerate_scores(rows)["alarm"].tolist() == [True]


def test_a_caller_with_both_outcomes_has_no_caller_rows_and_the_note_says_why(tables):
    rows = predictions(tables["d30"])
    rows.loc[0, "y"] = 1
    metrics = compute_metrics(rows, SETTINGS, n_boot=100)
    assert set(metrics["unit"]) == {"call"}
    assert any("a caller has calls of more than one outcome" in note for note in metrics.attrs["notes"])


def test_a_slope_that_many_resamples_do_not_have_gets_no_interval(tables):
    """Nearly separated risks: dropping the separated resamples would leave an interval of the others only."""
    rows = predictions(tables["d281"].iloc[:40])
    score = np.where(rows["y"] == 1, 0.8, 0.2) + np.linspace(-0.1, 0.1, 40)
    swapped = [rows.index[rows["y"] == v][0] for v in (0, 1)]
    score[swapped] = score[swapped[::-1]]
    metrics = compute_metrics(rows.assign(p_raw=score, p=score), SETTINGS, n_boot=200, units=["call"])
    assert np.isfinite(_value(metrics, "call", "calibration_slope"))
    assert np.isnan(_value(metrics, "call", "calibration_slope", "lower"))
    assert np.isfinite(_value(metrics, "call", "brier", "lower"))
    assert any("calibration_slope is undefined in" in note for note in metrics.attrs["notes"])


def test_bootstrap_strata_of_a_single_caller_are_merged_and_said(tables):
    rows = predictions(tables["d30"])
    draws = caller_draws(rows, 50, np.random.default_rng(0), ["outcome", "sex"])
    sizes = rows.groupby("caller_id")[["y", "sex"]].first().value_counts()
    assert (sizes == 1).any() == bool(draws.merged)
    assert (draws.counts[1:51].sum(1) == 10).all()


def test_an_empty_model_is_exactly_reversed_and_the_alarm_rings(tables):
    table = tables["d281"]
    y = table["y"].to_numpy()
    empty = (y.sum() - y) / (len(y) - 1)
    metrics = compute_metrics(predictions(table.assign(score=empty), "published"), SETTINGS, n_boot=100)
    assert _value(metrics, "call", "auroc") == 0.0 and _value(metrics, "call", "auroc_auto") == 1.0
    alarm = degenerate_scores(predictions(table.assign(score=empty)))
    assert alarm["alarm"].tolist() == [True] and alarm["correlation"].iloc[0] == pytest.approx(1)
    assert degenerate_scores(predictions(table))["alarm"].tolist() == [False]


BAD = [
    (lambda t: t.drop(columns=["fold", "weight"]), r"lacks the column\(s\) fold, weight"),
    (lambda t: t.iloc[:0], "predictions table is empty"),
    (lambda t: t.assign(p_raw=t["p_raw"].where(t.index != 3)), "row 3, call 'k003': p_raw is NaN"),
    (
        lambda t: t.assign(p_raw=t["p_raw"].where(t.index != 4, 1.2)),
        "row 4, call 'k004': p_raw is 1.2, outside",
    ),
    (lambda t: t.assign(p=t["p"].where(t.index != 4, -0.1)), "row 4, call 'k004': p is -0.1, outside"),
    (lambda t: t.assign(y=t["y"].where(t.index != 5, 2)), "row 5, call 'k005': y is 2"),
    (
        lambda t: pd.concat([t, t.iloc[[7]]]),
        "call 'k007' and 1 more: the same prediction stands more than once",
    ),
    (
        lambda t: t.assign(unit="recording"),
        "unit 'recording' is unknown; it must be one of frame, segment, call",
    ),
    (lambda t: t.assign(design="cv"), "design 'cv' is unknown"),
    (lambda t: t.assign(weight=0.0), "weight 0.0 must be finite and above 0"),
    (
        lambda t: t.assign(caller_id=t["caller_id"].where(t.index != 1)),
        "row 1, call 'k001': caller_id is missing",
    ),
    (lambda t: t.assign(fold=range(len(t))), "caller 'c0001' has calls in the folds .* in training and test"),
    (lambda t: t.assign(unit="frame", segment=0, frame=0), "p must be empty on frame and segment rows"),
    (lambda t: t.assign(frame=1), "frame must be empty on call rows"),
    (lambda t: t.assign(call_id="k", frame=range(len(t)), unit="frame", p=np.nan), "more than one caller"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_bad_tables_say_where(spoil, message, tables):
    with pytest.raises(ValidationError, match=message):
        check_predictions(spoil(predictions(tables["d30"])))


def test_one_class_is_refused(tables):
    rows = predictions(tables["d30"]).assign(y=0)
    with pytest.raises(ValidationError, match=r"calls of nested/m/outcome/loco hold one class only \(y = 0"):
        compute_metrics(rows, SETTINGS)


def test_calls_tables_say_where():
    calls, frames = cohort(5, 5)
    fit = stepwise_paths(calls, frames)
    for spoil, message in (
        (lambda t: t.drop(columns="y"), r"calls table lacks the column\(s\) y"),
        (lambda t: t.iloc[:0], "calls table is empty"),
        (lambda t: t.assign(y=t["y"].where(t.index != 2)), "calls, row 2, call 'k0002': y is"),
        (lambda t: t.assign(call_id="same"), "holds call_id 'same' more than once"),
        (lambda t: t.assign(n_frames=0), "n_frames = 0; a call without frames must leave the cohort"),
        (lambda t: t.assign(sex=t["sex"].where(t.index != 4)), "calls, row 4, call 'k0004': sex is missing"),
    ):
        with pytest.raises(ValidationError, match=message):
            run_nested(spoil(calls), fit, SETTINGS)


def test_a_bootstrap_that_never_varies_gives_no_interval():
    table = pd.DataFrame(
        {
            "caller": [f"c{i:02d}" for i in range(24)],
            "sex": ["female", "male"] * 12,
            "y": np.repeat([0, 1], 12),
            "score": np.linspace(0.1, 0.9, 24),
        }
    )
    metrics = compute_metrics(predictions(table), SETTINGS, n_boot=200)
    auroc = metrics[(metrics["metric"] == "auroc") & (metrics["unit"] == "call")]
    assert (auroc["estimate"] == 1.0).all()
    # 24 separated calls do not show that the AUROC is 1: "1.00 (1.00 to 1.00)" would be a wrong number.
    assert auroc["lower"].isna().all() and auroc["upper"].isna().all()


def _decided(threshold: list[float], design: str = "grouped_kfold") -> pd.DataFrame:
    """20 callers with one call each; scores and outcomes agree but for the thresholds given."""
    n = len(threshold)
    y = np.arange(n) % 2
    ids = [f"k{i:03d}" for i in range(n)]
    return pd.DataFrame(
        {
            "protocol": "nested", "model": "m", "target": "outcome", "design": design, "repeat": 0,
            "fold": range(n), "unit": "call", "call_id": ids, "caller_id": ids, "segment": None,
            "frame": None, "time_s": None, "y": y, "p_raw": 0.2 + 0.6 * y + 0.001 * np.arange(n),
            "p": 0.2 + 0.6 * y,
            "threshold": threshold, "weight": 1.0,
        }
    )  # fmt: skip


def _values(table: pd.DataFrame, method: str = PERCENTILE) -> pd.DataFrame:
    metrics = compute_metrics(table, ValidationSettings(), n_boot=100)
    calls = metrics[(metrics["unit"] == "call") & (metrics["method"] == method)]
    return calls[calls["threshold"].isna() | (calls["metric"] != "net_benefit")].set_index("metric")


def test_a_call_without_a_cut_is_not_flagged_and_counts():
    cuts = np.full(20, 0.5)
    cuts[[0, 1, 2, 3, 5]] = np.nan  # of 3 positive and 2 negative calls
    found = _values(_decided(cuts.tolist()))
    assert found.loc["sensitivity", "estimate"] == pytest.approx(7 / 10)
    assert found.loc["specificity", "estimate"] == 1.0
    assert found.loc["sensitivity", "n"] == 20 and found.loc["sensitivity", "n_events"] == 10
    whole = compute_metrics(_decided(cuts.tolist()), ValidationSettings(), n_boot=50)
    assert any("5 of 20 calls have no cut and count as not flagged" in note for note in whole.attrs["notes"])


def test_where_no_fold_found_a_cut_no_decision_is_measured_and_it_is_said():
    whole = compute_metrics(_decided([np.nan] * 20), ValidationSettings(), n_boot=50)
    assert not whole["metric"].isin(["sensitivity", "specificity"]).any()
    assert any("no fold found a cut" in note for note in whole.attrs["notes"])


def test_the_share_of_the_studys_own_calls_is_no_calibration_in_the_large():
    own, other = _values(_decided([0.5] * 20)), _values(_decided([0.5] * 20, "external"))
    for name in ("calibration_in_the_large", "observed_expected"):
        assert name not in own.index and name in other.index


def test_a_proportion_of_one_has_wilsons_interval_over_callers():
    table = _decided([0.5] * 20, "external")
    found = _values(table, "wilson_callers")
    # R: prop.test(10, 10, correct = FALSE)$conf.int
    assert found.loc["sensitivity", "lower"] == pytest.approx(0.7224672, abs=1e-6)
    assert found.loc["sensitivity", "upper"] == pytest.approx(1.0, abs=1e-12)
    # A second call of each caller, decided alike, tells nothing new.
    twice = pd.concat([table, table.assign(call_id=table["call_id"] + "b")], ignore_index=True)
    again = _values(twice, "wilson_callers")
    assert again.loc["sensitivity", "lower"] == pytest.approx(found.loc["sensitivity", "lower"], abs=1e-12)
    # Of 20 folds, widened: (1 + 20 / 19) times the variance, as of so many callers fewer.
    within = _values(_decided([0.5] * 20), "wilson_callers")
    z2, n = 1.959964**2, 10 / (1 + 20 / 19)
    assert within.loc["sensitivity", "lower"] == pytest.approx(n / (n + z2), abs=1e-6)
    metrics = compute_metrics(table, ValidationSettings(), n_boot=100)
    shown = one_interval(metrics[metrics["unit"] == "call"]).set_index("metric")
    assert shown.loc["sensitivity", ["lower", "upper", "method"]].tolist() == [
        *found.loc["sensitivity", ["lower", "upper"]], "wilson_callers",
    ]  # fmt: skip
    assert shown.loc["auroc", "method"] == PERCENTILE
