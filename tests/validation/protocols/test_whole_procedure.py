from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.validation.toys import cohort, with_means
from voicerisk.callers.schema import check_calls
from voicerisk.callers.shuffling import Permutable, permutable, permute_outcomes
from voicerisk.errors import ValidationError
from voicerisk.validation import NESTED, ValidationSettings
from voicerisk.validation.audit.permutation import judge_permutations, permutation_test, strata_alone_auroc
from voicerisk.validation.protocols.kfold import kfold_auroc, kfold_rows
from voicerisk.validation.protocols.kfold_scores import pipeline_auroc
from voicerisk.validation.protocols.nested_error import leave_pair_out, nested_cv_error
from voicerisk.validation.protocols.ridge import ridge_paths
from voicerisk.validation.protocols.whole_procedure import bootstrap_calls, estimate_632plus, full_procedure
from voicerisk.validation.resume import Resume

SETTINGS = ValidationSettings(inner_folds=3, seed=2)
MARKERS = ["x0", "x1", "x2"]
# The ridge has no steps to tune.
FREE = Permutable(36, 36, 20.0)
STEPLESS = replace(NESTED, tune_steps=False)


def _maker(means, markers=MARKERS):
    """Refit by marker means, looked up by the recording a row stands for."""
    columns = means.set_index("call_id")[list(markers)]

    def make(calls):
        source = calls["source_call_id"] if "source_call_id" in calls.columns else calls["call_id"]
        table = calls.reset_index(drop=True)
        return ridge_paths(table.assign(**columns.loc[source].reset_index(drop=True)), markers)

    return make


def test_permutation_shuffles_callers_and_keeps_calls_together():
    calls, _ = cohort(14, 7, calls_each=2)
    shuffled = permute_outcomes(calls, np.random.default_rng(0))
    assert shuffled.groupby("caller_id")["y"].nunique().max() == 1
    assert shuffled["y"].sum() == calls["y"].sum() and not shuffled["y"].equals(calls["y"])
    within = permute_outcomes(calls, np.random.default_rng(0), ["sex"])
    before, after = (t.groupby("sex")["y"].sum() for t in (calls, within))
    pd.testing.assert_series_equal(before, after)


def test_a_caller_with_both_outcomes_is_permuted_within_himself():
    calls, _ = cohort(8, 4, calls_each=3)
    calls.loc[0, "y"] = 1 - calls.loc[1, "y"]
    mixed = calls["caller_id"][0]
    for seed in range(10):
        shuffled = permute_outcomes(calls, np.random.default_rng(seed))
        own = shuffled["y"][shuffled["caller_id"] == mixed]
        assert sorted(own) == sorted(calls["y"][calls["caller_id"] == mixed])


def test_permutation_finds_an_effect_and_calls_an_honest_pipeline_fine():
    calls, frames = cohort(24, 12, seed=3, effect=2.0)
    means = with_means(calls, frames)
    found = permutation_test(calls, _maker(means), SETTINGS, n_permutations=39, switches=STEPLESS)
    assert found.p_value == pytest.approx(1 / 40) and found.observed > 0.8
    assert found.verdict in ("fine", "hold-out bias")
    assert abs(found.null_mean - 0.5) < 0.1
    kept = dict(enumerate(found.null[:37]))
    seen = []
    again = permutation_test(
        calls, _maker(means), SETTINGS, n_permutations=39, switches=STEPLESS,
        resume=Resume(kept, lambda b, value: seen.append(b)),
    )  # fmt: skip
    np.testing.assert_array_equal(again.null, found.null)
    assert seen == [37, 38]


def test_permutation_catches_screening_on_all_data():
    rng = np.random.default_rng(0)
    calls, _ = cohort(24, 12, seed=3)
    names = [f"z{j}" for j in range(60)]
    means = calls.assign(**dict(zip(names, rng.normal(size=(60, 36)), strict=True)))

    def leaky(table):
        y = table.set_index("call_id")["y"][means["call_id"]].to_numpy()
        gap = np.abs(means[names][y == 1].mean() - means[names][y == 0].mean())
        return _maker(means, gap.nlargest(5).index.tolist())(table)

    found = permutation_test(calls, leaky, SETTINGS, n_permutations=20, switches=STEPLESS)
    assert found.verdict == "leak" and found.null_mean > 0.7
    assert "learned from the held-out callers' outcomes" in found.finding


def test_verdicts_follow_the_rule():
    rng = np.random.default_rng(0)
    null = rng.normal(0.5, 0.05, 100)
    assert judge_permutations("all", 0.6, null - null.mean() + 0.519, FREE).verdict == "fine"
    assert judge_permutations("all", 0.6, null - null.mean() + 0.53, FREE).verdict == "leak"
    assert judge_permutations("all", 0.6, null - null.mean() + 0.47, FREE).verdict == "hold-out bias"
    within = judge_permutations("strata", 0.6, null - null.mean() + 0.575, FREE)
    assert within.verdict == "strata carry the outcome"
    # 20 permutations of spread 0.06: three Monte Carlo errors are 0.04, so that 0.53 is no finding.
    assert judge_permutations("all", 0.6, rng.normal(0.53, 0.06, 20), FREE).tolerance > 0.03
    assert judge_permutations("all", 9.0, null, FREE).p_value == pytest.approx(1 / 101)


def test_nothing_to_permute_is_no_p_of_one():
    """Every service has one outcome: no permutation within services changes anything."""
    calls, frames = cohort(14, 7, seed=2, effect=1.0)
    calls["service"] = np.where(calls["y"] == 1, "000", "line")
    ran = []
    found = permutation_test(
        calls, _maker(with_means(calls, frames)), SETTINGS, 19, ["service"], STEPLESS,
        Resume(keep=lambda b, value: ran.append(b)),
    )  # fmt: skip
    assert np.isnan(found.p_value) and np.isnan(found.null_mean) and len(found.null) == 0 == len(ran)
    assert found.verdict == "nothing to permute" and found.observed > 0.5
    assert "holds callers of one outcome only (0 of 21 callers" in found.finding
    assert "There is no P" in found.finding


def test_callers_who_can_be_permuted_are_counted():
    calls, frames = cohort(9, 5, seed=1, calls_each=2)
    calls["service"] = "line"
    first = calls["caller_id"] == calls.loc[calls["y"] == 1, "caller_id"].iloc[0]
    calls.loc[first, "service"] = "000"
    assert permutable(calls).callers == 14 and permutable(calls, ["service"]).callers == 13
    # 13 callers, 4 of them positive.
    assert permutable(calls, ["service"]).smallest_p == pytest.approx(1 / 715)
    found = permutation_test(calls, _maker(with_means(calls, frames)), SETTINGS, 3, ["service"], STEPLESS)
    assert found.permutable.callers == 13 and found.permutable.all_callers == 14
    assert "13 of 14 callers could be permuted" in found.finding
    # A caller of both outcomes is shuffled within themselves, and moves where their stratum has nobody else.
    calls.loc[calls.index[first][0], "y"] = 0
    assert permutable(calls, ["service"]).callers == 14
    # Two callers: half of all permutations change nothing.
    pair = calls[calls["caller_id"].isin(["c000", *calls.loc[calls["y"] != calls["y"][0], "caller_id"][-1:]])]
    assert permutable(pair).smallest_p == pytest.approx(0.5)
    few = judge_permutations("strata", 0.6, np.array([0.4, 0.6]), permutable(pair))
    assert "P cannot fall below 0.5" in few.finding


def test_strata_alone_have_an_auroc_of_their_own():
    calls, _ = cohort(30, 15, seed=1)
    told = calls.assign(sex=np.where(calls["y"] == 1, "male", calls["sex"]))
    assert strata_alone_auroc(told, ["sex"], SETTINGS) > 0.6


def test_copies_of_a_caller_are_apart_but_share_their_source():
    calls = check_calls(cohort(3, 2, calls_each=2)[0])
    bag = bootstrap_calls(calls, np.array([3, 0, 1, 1, 0]))
    assert len(bag) == 10 and bag["call_id"].is_unique
    assert bag.groupby("source_caller_id")["caller_id"].nunique().to_dict() == {
        "c000": 3,
        "c002": 1,
        "c003": 1,
    }


def test_a_null_above_one_half_is_not_laid_to_the_strata_where_callers_kept_their_outcome():
    """These stay in the model and in the AUROC with their true outcome: voice is in the null, too."""
    null = np.linspace(0.61, 0.65, 40)
    all_move = judge_permutations("strata", 0.7, null, Permutable(60, 60, 30.0))
    some_stay = judge_permutations("strata", 0.7, null, Permutable(30, 60, 20.0))
    assert (
        all_move.verdict == "strata carry the outcome" and "so much the strata alone give" in all_move.finding
    )
    assert some_stay.verdict == "strata and fixed callers" and some_stay.p_value == all_move.p_value
    assert "the callers who kept their outcome, give together" in some_stay.finding
    assert "alone" not in some_stay.finding


def test_risks_that_move_between_models_are_those_of_the_models():
    from voicerisk.validation.protocols.instability import instability

    calls, frames = cohort(24, 20, seed=5, effect=1.0, features=2)
    seen = {}
    make = _maker(with_means(calls, frames), ["x0", "x1"])
    full_procedure(calls, make, SETTINGS, n_boot=12, keep_refit=lambda b, found: seen.update({b: found.risk}))
    whole = seen.pop(None)
    assert len(whole) == len(calls) and 2 <= len(seen) <= 12
    found = instability(calls, whole, list(seen.values()), 0.5)
    every = np.vstack(list(seen.values()))
    # A recalibrated risk: in a bag of callers the mean of the risks is near the share of its events.
    assert 0.3 < every.mean() < 0.7
    assert found["mape"].to_numpy() == pytest.approx(np.abs(every - whole).mean(axis=0))
    assert ((found["q025"] <= found["mean"]) & (found["mean"] <= found["q975"])).all()
    flips = ((every >= 0.5) != (whole >= 0.5)).mean(axis=0)
    assert found["decided_otherwise"].to_numpy() == pytest.approx(flips) and flips.max() > 0
    # The same model again and again does not move.
    still = instability(calls, whole, [whole, whole], 0.5)
    assert (still["mape"] == 0).all() and (still["decided_otherwise"] == 0).all()
    with pytest.raises(ValidationError, match="at least 2 models"):
        instability(calls, whole, [whole], 0.5)


def test_full_procedure_on_noise_is_honest_where_the_apparent_value_is_not():
    calls, frames = cohort(30, 20, seed=4, effect=0.0, features=8)
    markers = [f"x{j}" for j in range(8)]
    make, kept = _maker(with_means(calls, frames), markers), {}
    short = full_procedure(calls, make, SETTINGS, n_boot=30, resume=Resume(keep=kept.__setitem__))
    found = full_procedure(calls, make, SETTINGS, n_boot=100, resume=Resume(keep=kept.__setitem__))
    # A longer run holds the bootstraps of a shorter one, which has too few for an interval.
    np.testing.assert_array_equal(found.out_of_bag[:30], short.out_of_bag)
    assert np.isnan([short.lower, short.upper, *short.around(0.5)]).all()
    resumed = full_procedure(calls, make, SETTINGS, n_boot=100, resume=Resume(kept))
    np.testing.assert_array_equal(resumed.out_of_bag, found.out_of_bag)
    assert found.apparent > 0.65
    assert found.out_of_bag.mean() < 0.6 and found.lower < 0.5 < found.upper
    assert found.optimism > 0.1 and found.corrected < found.apparent - 0.1
    assert found.estimate_632plus <= found.estimate_632 <= found.apparent
    # About a cross-validated value: as wide as the out-of-bag values are apart, and moving with it.
    low, high = found.around(0.45)
    assert high - low == pytest.approx(found.upper - found.lower)
    assert (low - 0.45) == pytest.approx(found.lower - found.out_of_bag.mean())
    assert found.around(0.99)[1] == 1.0 and found.around(0.01)[0] == 0.0
    assert found.around(-0.2, least=-1.0)[0] == pytest.approx(low - 0.65)

    # One grouped k-fold, and both its intervals, in rows of the audit's table.
    kfold = kfold_auroc(calls, make(calls), SETTINGS)
    assert kfold[0] == pytest.approx(pipeline_auroc(calls, make(calls), SETTINGS))
    given, whole = kfold_rows(found, kfold)
    assert given[1:4] == kfold and kfold[1] < kfold[0] < kfold[2]
    assert whole[1:4] == (kfold[0], *found.around(kfold[0])) and whole[4].startswith("spread of 100")
    few = kfold_rows(replace(found, out_of_bag=found.out_of_bag[:3]), kfold)[1]
    assert np.isnan(few[2]) and np.isnan(few[3]) and few[4].startswith("3 bootstraps")
    # An AUROC of 1 in every bootstrap is no certainty.
    alike = kfold_rows(replace(found, out_of_bag=np.ones(100)), kfold)[1]
    assert np.isnan(alike[2]) and np.isnan(alike[3]) and "no certainty" in alike[4]


def test_the_bootstrap_refuses_what_saw_a_caller_left_out():
    calls, frames = cohort(12, 10, seed=4)
    plain = _maker(with_means(calls, frames))

    def seen_by_all(table):
        fit, everyone = plain(table), tuple(table["caller_id"])

        def leaky(sets, progress):
            for path in fit(sets, progress):
                yield replace(path, provenance={**path.provenance, "screening": everyone})

        return leaky

    with pytest.raises(ValidationError, match="'screening' of 'bootstrap/apparent/i00' saw held-out callers"):
        full_procedure(calls, seen_by_all, SETTINGS, n_boot=2)


def test_a_cohort_too_small_to_bootstrap_says_so():
    calls, frames = cohort(4, 4, seed=1)
    with pytest.raises(ValidationError, match="held 4 different callers of each class"):
        full_procedure(calls, _maker(with_means(calls, frames)), SETTINGS, n_boot=3)


def test_632_plus_by_hand():
    # No overfitting: .632. Complete overfitting: the out-of-bag value.
    assert estimate_632plus(0.8, 0.8, 0.5) == pytest.approx(0.8)
    assert estimate_632plus(1.0, 0.5, 0.5) == pytest.approx(0.5)
    weight = 0.632 / (1 - 0.368 * 0.5)
    assert estimate_632plus(0.9, 0.7, 0.5) == pytest.approx((1 - weight) * 0.9 + weight * 0.7)
    assert estimate_632plus(0.9, 0.3, 0.5) == pytest.approx(0.5)


def test_nested_error_of_a_fixed_model_is_the_naive_one():
    """A model that learns nothing from outcomes has independent losses: K folds change nothing."""
    calls, _ = cohort(40, 20, seed=1)
    fit = ridge_paths(calls.assign(x=0.0), ["x"], penalty=1e9)
    settings = ValidationSettings(prior=0.3)
    found = nested_cv_error(calls, fit, settings, repeats=4)
    y = calls["y"].to_numpy()
    assert found.cv_error == pytest.approx(((0.3 - y) ** 2).mean(), abs=1e-9)
    assert found.error == pytest.approx(found.cv_error, abs=1e-9)
    assert found.naive_se <= found.se <= np.sqrt(found.folds) * found.naive_se


def test_leave_pair_out_needs_no_constant_prior():
    """An empty model without a constant prior is reversed when pooled, and 0.5 by pairs."""
    calls, frames = cohort(12, 6, seed=1, effect=0.6)
    empty = leave_pair_out(calls, ridge_paths(calls.assign(x=0.0), ["x"]), SETTINGS, n_pairs=None)
    assert empty.auroc == 0.5 and empty.n_pairs == empty.all_pairs == 72 and empty.monte_carlo_se == 0
    # Positives with 6 calls, the others with 1: the mean of equal scores must not break a tie.
    many = calls.loc[calls.index.repeat(np.where(calls["y"] == 1, 6, 1))].reset_index(drop=True)
    many["call_id"] = [f"k{number}" for number in range(len(many))]
    tied = leave_pair_out(many, ridge_paths(many.assign(x=0.0), ["x"]), SETTINGS, n_pairs=None)
    assert tied.auroc == 0.5
    told = leave_pair_out(calls, ridge_paths(with_means(calls, frames), ["x0"]), SETTINGS, n_pairs=40)
    assert 0.5 < told.auroc < 1 and told.n_pairs == 40 and told.monte_carlo_se > 0
    calls.loc[0, "caller_id"], other = calls.loc[1, "caller_id"], calls.loc[1, "y"]
    calls.loc[0, "y"] = 1 - other
    with pytest.raises(ValidationError, match="needs callers of one outcome"):
        leave_pair_out(calls, ridge_paths(calls.assign(x=0.0), ["x"]), SETTINGS)


def test_a_few_permutations_accuse_nobody_by_chance():
    assert judge_permutations("all", 0.6, np.array([0.8]), FREE).verdict == "fine"
    # Two that happen to agree within 0.02 say little; many of the same spread say much.
    assert judge_permutations("all", 0.6, np.array([0.58, 0.60]), FREE).verdict == "fine"
    assert judge_permutations("all", 0.6, np.tile([0.58, 0.60], 20), FREE).verdict == "leak"
    # Where every permutation reaches 1 there is no doubt.
    assert judge_permutations("all", 1.0, np.array([1.0, 1.0]), FREE).verdict == "leak"
