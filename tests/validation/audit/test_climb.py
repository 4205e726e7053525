from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.validation.toys import cohort, leaky_fitter, stepwise_paths, with_means
from voicerisk.errors import ValidationError
from voicerisk.validation import NESTED, ValidationSettings, run_published
from voicerisk.validation.audit.checks import (
    CHANNEL,
    caller_columns,
    channel_findings,
    channel_table,
    column_findings,
    duplicate_audio,
    group_overlap,
    one_class_cells,
)
from voicerisk.validation.audit.climb import audit_ladder, ladder
from voicerisk.validation.audit.control_findings import control_findings
from voicerisk.validation.audit.controls import BesideMarkers, negative_controls
from voicerisk.validation.audit.findings import findings_table
from voicerisk.validation.metrics.discrimination import auroc
from voicerisk.validation.protocols.kfold_scores import pipeline_rows
from voicerisk.validation.protocols.ridge import ridge_paths
from voicerisk.validation.resume import Resume

SETTINGS = ValidationSettings(inner_folds=3, bootstraps=30, seed=3)
MARKERS = [f"x{j}" for j in range(30)]


@pytest.fixture(scope="module")
def null_cohort():
    calls, frames = cohort(12, 9, seed=5, effect=0.0, features=30)
    return calls, with_means(calls, frames)


@pytest.fixture(scope="module")
def climbed(null_cohort):
    calls, means = null_cohort
    kept = {}
    audit = audit_ladder(
        calls,
        leaky_fitter(calls, means, MARKERS),
        SETTINGS,
        design="loco",
        resume=Resume(keep=kept.__setitem__),
    )
    return audit, kept


def test_the_ladder_adds_one_switch_at_a_time():
    rungs = ladder()
    assert [rung.name for rung in rungs] == [
        "honest", "global_scaling", "global_screening", "row_lambda", "row_steps", "holdout_threshold",
        "cut_at_score", "no_recalibration", "shifting_prior", "row_weights", "frame_units",
        "caller_effect", "automatic_direction",
    ]  # fmt: skip
    changes = {}
    for before, rung in pairwise(rungs):
        changed = changes[rung.name] = set()
        for part in ("fit", "protocol"):
            was, now = asdict(getattr(before, part)), asdict(getattr(rung, part))
            changed |= {f"{part}.{key}" for key in now if now[key] != was[key]} - {"protocol.name"}
        changed |= {key for key in ("unit", "automatic") if getattr(before, key) != getattr(rung, key)}
        # Steps chosen over rows are not chosen on the inner folds any more: both say the same.
        assert changed == {"fit.row_steps", "protocol.tune_steps"} or len(changed) == 1, (rung.name, changed)
    # The weights of classes and of callers are switches of their own.
    assert changes["shifting_prior"] == {"protocol.constant_prior"}
    assert changes["row_weights"] == {"fit.row_weights"}
    assert rungs[0].protocol.recalibrate and rungs[0].protocol.threshold_from == NESTED.threshold_from
    assert not rungs[-1].protocol.inner and rungs[-1].automatic
    with pytest.raises(ValidationError, match="all_data or brandom"):
        ladder("fixed")


def test_each_planted_leak_is_found_and_named(climbed):
    audit, _ = climbed
    table = audit.table.set_index("rung")
    assert table.loc["honest", "leaked"] == "" and table.loc["honest", "auroc"] < 0.68
    # M7: 30 markers of noise screened on all callers.
    assert table.loc["global_screening", "auroc"] > table.loc["global_scaling", "auroc"] + 0.1
    assert "screening" in table.loc["global_screening", "leaked"]
    # M9: the cut saw the scores it is judged on.
    assert "threshold" in table.loc["holdout_threshold", "leaked"]
    # M1: the caller effect knows the answer.
    assert (
        table.loc["caller_effect", "auroc"] == 1.0 and "caller_effect" in table.loc["caller_effect", "leaked"]
    )
    found = {one.mechanism: one for one in audit.findings}
    assert found["caller_effect"].finding == "The held-out caller's label entered through the caller effect."
    assert found["caller_effect"].severity == found["global_screening"].severity == "leak"
    assert "held-out callers were seen by" in found["global_screening"].evidence
    assert findings_table(audit.findings)["severity"].iloc[0] == "leak"
    # The honest rung is clean, so that the study passes although the other rungs leak on purpose.
    assert audit.exit_code == 0 and {one.concerns for one in audit.findings} == {"the ladder"}


def test_the_same_folds_on_every_rung_and_no_rung_twice(climbed, null_cohort):
    audit, kept = climbed
    calls, _ = null_cohort

    def never(switches, table):
        raise AssertionError("a finished rung must not run again")

    again = audit_ladder(calls, never, SETTINGS, resume=Resume(kept))
    pd.testing.assert_frame_equal(audit.table, again.table)


def test_permutations_name_the_rung_that_leaks(null_cohort):
    calls, means = null_cohort
    rungs = [rung for rung in ladder() if rung.name in ("honest", "global_screening")]
    audit = audit_ladder(
        calls, leaky_fitter(calls, means, MARKERS), SETTINGS, "grouped_kfold", n_permutations=10, rungs=rungs
    )
    table = audit.table.set_index("rung")
    assert table.loc["global_screening", "null_verdict"] == "leak"
    assert table.loc["honest", "null_verdict"] != "leak"
    assert "global_screening_null" in {one.mechanism for one in audit.findings}


def test_a_frame_rung_is_judged_against_permutations_of_its_own_unit():
    calls, frames = cohort(10, 8, seed=2, effect=1.0)
    rungs = [rung for rung in ladder() if rung.name in ("row_weights", "frame_units")]

    def make(switches, table):
        return stepwise_paths(table, frames)

    audit = audit_ladder(calls, make, SETTINGS, "loco", n_permutations=3, rungs=rungs)
    table = audit.table.set_index("rung")
    assert table["unit"].to_dict() == {"row_weights": "call", "frame_units": "frame"}
    assert table.loc["frame_units", "auroc"] == table.loc["frame_units", "auroc_frame"]
    score, (y, of_frames) = pipeline_rows(calls, make(None, calls), SETTINGS, rungs[1].protocol, True)
    sorted_calls = calls.sort_values(["caller_id", "call_id"])
    assert len(of_frames) == calls["n_frames"].sum()
    assert table.loc["frame_units", "auroc_kfold"] == auroc(y, of_frames)
    assert table.loc["frame_units", "auroc_call_kfold"] == auroc(sorted_calls["y"].to_numpy(), score)
    draws = audit.permutations.set_index(["rung", "permutation"])
    of_unit, of_calls = draws.loc["frame_units", "auroc_kfold"], draws.loc["frame_units", "auroc_call_kfold"]
    assert (of_unit != of_calls).all()
    assert (of_calls == draws.loc["row_weights", "auroc_kfold"]).all()
    assert table.loc["frame_units", "null_mean_kfold"] == of_unit[1:].mean()
    assert table.loc["frame_units", "null_mean_call_kfold"] == of_calls[1:].mean()


def test_a_model_without_frames_prints_its_calls_counted_by_their_frames(climbed):
    audit, _ = climbed
    table = audit.table.set_index("rung")
    assert table.loc["row_weights", "unit"] == "call"
    assert table.loc["frame_units", "unit"] == "frame_by_call"
    # The same scores, but long calls count more.
    assert table.loc["frame_units", "auroc_call"] == table.loc["row_weights", "auroc_call"]
    assert table.loc["frame_units", "auroc"] != table.loc["frame_units", "auroc_call"]


def test_calls_without_a_cut_are_counted_and_not_flagged(null_cohort):
    """One fold in which the model learns nothing: the others' calls are decided as before."""
    calls, means = null_cohort
    rungs = [rung for rung in ladder() if rung.name in ("honest", "holdout_threshold")]
    plain = leaky_fitter(calls, means, MARKERS)

    def constant_without(caller):
        def make(switches, table):
            fit, nothing = plain(switches, table), ridge_paths(table.assign(nothing=0.0), ["nothing"])

            def chosen(sets, progress):
                for one in sets:
                    yield from (fit if caller in one.train else nothing)([one], progress)

            return chosen

        return make

    left_out = calls.loc[calls["y"] == 1, "caller_id"].iloc[0]
    audit = audit_ladder(calls, constant_without(left_out), SETTINGS, rungs=rungs)
    table, scores = audit.table.set_index("rung"), audit.scores
    assert (table["n_with_cut"] + table["n_without_cut"] == len(calls)).all()
    assert table["n_without_cut"].to_dict() == {"honest": 1, "holdout_threshold": 0}
    own = scores[scores["rung"] == "honest"]
    flagged = (own["p_raw"] >= own["threshold"].fillna(np.inf)).to_numpy()
    y = own["y"].to_numpy()
    expected = flagged[y == 1].mean() - flagged[y == 0].mean()
    assert table.loc["honest", "youden_j"] == pytest.approx(expected, abs=1e-12)
    # Leaving the call out would give another number, of other calls than on the next rung.
    known = own["threshold"].notna().to_numpy()
    other = flagged[known & (y == 1)].mean() - flagged[known & (y == 0)].mean()
    assert flagged[y == 1].any() and abs(other - expected) > 0.001
    evidence = {one.mechanism: one.evidence for one in audit.findings}["holdout_threshold"]
    assert "calls without a cut 0 after 1" in evidence


def test_a_study_that_screens_nothing_is_not_told_that_its_screening_leaks(null_cohort):
    calls, means = null_cohort

    def make(switches, table):
        return ridge_paths(table.merge(means[["call_id", "x0", "x1"]], on="call_id"), ["x0", "x1"])

    rungs = [r for r in ladder() if r.name in ("honest", "global_screening", "row_lambda")]
    found = {one.mechanism: one for one in audit_ladder(calls, make, SETTINGS, rungs=rungs).findings}
    for name in ("global_screening", "row_lambda"):
        assert found[name].severity == "note" and "does not screen" in found[name].finding


def test_offset_only_scores_are_reversed_and_automatic_direction_makes_them_perfect(null_cohort):
    """A caller effect that takes all steps: AUROC exactly 0 with fixed direction, exactly 1 with
    automatic."""
    calls, means = null_cohort
    rungs = [r for r in ladder("brandom") if r.name in ("caller_effect", "automatic_direction")]
    audit = audit_ladder(calls, leaky_fitter(calls, means, MARKERS), SETTINGS, "loco", rungs=rungs)
    table = audit.table.set_index("rung")
    assert table.loc["caller_effect", "auroc_call"] == 0.0
    assert table.loc["automatic_direction", "auroc"] == 1.0
    assert table["degenerate"].all() and table["copies_empty_model"].all()
    found = {one.mechanism: one for one in audit.findings}
    assert "scored by the offset alone" in found["caller_effect"].finding
    assert "reversed scores became a success" in found["automatic_direction"].finding


def test_group_overlap_is_found_in_the_provenance():
    """M2: rows of the held-out caller in training."""
    calls, frames = cohort(6, 6)
    clean = run_published(calls, stepwise_paths(calls, frames), SETTINGS)
    assert {one.severity for one in group_overlap(clean.provenance)} == {"bias"}
    straddling = run_published(calls, stepwise_paths(calls, frames, leak="random_intercept"), SETTINGS)
    found = {one.finding: one for one in group_overlap(straddling.provenance)}
    assert found["The held-out caller's data entered through 'random_intercept'."].severity == "leak"


def test_index_columns_and_columns_that_separate_are_found():
    """M3: a running number in the order of the risk folders; M1: an effect that is constant within
    callers."""
    calls, frames = cohort(15, 9, seed=1)
    ordered = calls.sort_values("y", ignore_index=True)
    ordered["number"] = np.arange(len(ordered))
    ordered["effect"] = ordered["y"] * 2.0 - 0.3
    ordered["folder"] = np.where(ordered["y"] == 1, "imminent", "low")
    rows = frames.merge(ordered, on="call_id")
    found = {
        one.evidence.split("'")[1]: one for one in column_findings(rows, ["number", "effect", "folder", "x1"])
    }
    assert found["number"].mechanism == "index_column" and found["number"].severity == "leak"
    assert "their order is that of the outcome" in found["number"].finding
    assert found["effect"].mechanism == "caller_constant_column" == found["folder"].mechanism
    assert "x1" not in found
    shuffled = rows.assign(number=rows["call_id"].str[1:].astype(int))
    assert {one.severity for one in column_findings(shuffled, ["number"])} <= {"note"}
    # An identifier of its own for every caller tells nothing about others.
    told = caller_columns(rows, ["caller_id"]).iloc[0]
    assert told["auroc"] == 0.5 and not told["separates"]
    # A column that says nothing scores one half, not less because each caller is left out of their own value.
    balanced = calls.sort_values("y", ignore_index=True)
    balanced["line"], balanced["side"] = "a", np.where(np.arange(len(calls)) % 2 == 0, "left", "right")
    balanced["y"] = (np.arange(len(calls)) // 2) % 2
    nothing = caller_columns(balanced, ["line", "side"]).set_index("column")["auroc"]
    assert nothing["line"] == nothing["side"] == 0.5
    with pytest.raises(ValidationError, match="callers of both classes"):
        caller_columns(rows[rows["y"] == 1], ["number"])


def test_a_column_that_separates_a_handful_of_callers_is_a_note():
    calls, _ = cohort(3, 3, seed=1)
    told = calls.assign(effect=calls["y"] - 0.3, other=np.arange(6.0)[::-1] ** 2)
    (found,) = [one for one in column_findings(told, ["effect", "other"]) if "'effect'" in one.evidence]
    # Two columns, each of which separates 3 and 3 callers with probability 2 / 20.
    assert found.severity == "note" and "by chance with probability 0.2" in found.evidence


def test_duplicate_audio_across_callers_is_a_leak():
    calls, _ = cohort(3, 3, calls_each=2)
    channel = pd.DataFrame({"call_id": calls["call_id"], "sha256": [f"h{i}" for i in range(12)]})
    assert duplicate_audio(channel, calls) == []
    channel.loc[[0, 1], "sha256"] = "same"
    assert [one.severity for one in duplicate_audio(channel, calls)] == ["note"]
    channel.loc[[0, 2], "sha256"] = "other"
    (found,) = [one for one in duplicate_audio(channel, calls) if one.severity == "leak"]
    assert "k0000, k0002" in found.evidence and "different callers" in found.finding
    with pytest.raises(ValidationError, match=r"lacks the column\(s\) sha256"):
        duplicate_audio(channel.drop(columns="sha256"), calls)


def test_a_channel_that_marks_a_class_is_found():
    """M5: level and bandwidth of one service."""
    calls, _ = cohort(30, 20, seed=2)
    rng = np.random.default_rng(0)
    marked = (calls["y"] == 1) & (rng.random(len(calls)) < 0.6)
    channel = pd.DataFrame(
        {
            "call_id": calls["call_id"],
            "noise_floor_dbfs": rng.normal(-60, 3, len(calls)) + 15 * marked,
            "bandwidth_hz": rng.normal(3400, 50, len(calls)),
            "sample_rate": np.where(calls["y"] == 1, 16000, 8000),
        }
    )
    table = channel_table(channel, calls).set_index("column")
    assert table.loc["noise_floor_dbfs", "lower"] > 0.5 and table.loc["sample_rate", "auroc"] == 1.0
    named = " ".join(one.finding for one in channel_findings(channel, calls))
    assert "the noise between words differs" in named and "the sample rate differs" in named


def test_a_channel_that_says_nothing_accuses_one_study_in_twenty_however_few_the_callers():
    """Seven columns of noise at 12 callers: an interval alone accused 23% of such studies."""
    columns = [name for name in CHANNEL if name != "sample_rate"]
    accused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        ids = [f"c{i:02d}" for i in range(12)]
        calls = pd.DataFrame({"call_id": ids, "caller_id": ids, "y": rng.permutation(np.arange(12) % 2)})
        channel = calls[["call_id"]].assign(**{name: rng.normal(size=12) for name in columns})
        accused += any(one.severity != "note" for one in channel_findings(channel, calls))
    # Binomial with 0.05: at most 11 in 99 of 100 cases.
    assert accused <= 11


def test_few_callers_who_are_separated_are_a_note():
    calls, _ = cohort(3, 3)
    channel = calls[["call_id"]].assign(sample_rate=np.where(calls["y"] == 1, 16000.0, 8000.0))
    (found,) = channel_findings(channel, calls)
    assert found.severity == "note" and "may be chance" in found.finding


def test_a_stratum_of_few_callers_with_one_outcome_is_no_bias():
    calls, _ = cohort(20, 20, seed=1)
    calls["service"], calls["year"] = "line", "2020"
    positive = calls.index[calls["y"] == 1]
    calls.loc[positive[:2], "year"] = "2019"
    calls.loc[positive[:8], "service"] = "000"
    cells = one_class_cells(calls, ["service", "year"])
    found = {one.finding.split(" = ")[0].split()[-1]: one for one in cells}
    # Two callers of 40, half of them positive, agree with probability 2 (20 19) / (40 39) = 0.49; 4 values.
    assert found["year"].severity == "note" and "probability 1, 4 values looked at" in found["year"].evidence
    assert found["service"].severity == "bias"


def test_many_strata_on_noise_accuse_next_to_no_study():
    """Services of 10 callers, 27% positive: one of 28 often has one outcome, by chance."""
    rng, accused = np.random.default_rng(5), 0
    for _ in range(40):
        calls = pd.DataFrame({"caller_id": [f"c{i:03d}" for i in range(280)]})
        calls = calls.assign(
            call_id=calls["caller_id"], y=rng.permutation(np.arange(280) < 76).astype(int),
            service=[f"s{i // 10:02d}" for i in range(280)],
        )  # fmt: skip
        accused += any(one.severity == "bias" for one in one_class_cells(calls, ["service"]))
    # at 5% the 99% limit of 40 studies is 6; without counting the values looked at, about 28 are accused
    assert accused <= 6


def test_a_pipeline_that_learned_nothing_is_not_accused_of_ranking_who_was_left_out():
    """Constant in all folds but one: AUROC near one half, and no leak, no bias."""
    calls, frames = cohort(10, 8, seed=2, effect=0.0)
    means = with_means(calls, frames)

    def make(switches, table):
        fit = ridge_paths(table.merge(means[["call_id", "x0"]], on="call_id"), ["x0"])
        nothing = ridge_paths(table.assign(nothing=0.0), ["nothing"])

        def chosen(sets, progress):
            for one in sets:
                own = "c004" not in one.train and (one.key.endswith("outer") or "c004" not in one.assess)
                yield from (fit if own else nothing)([one], progress)

        return chosen

    audit = audit_ladder(calls, make, SETTINGS, rungs=ladder()[:1])
    assert audit.table["degenerate"].all() and not audit.table["copies_empty_model"].any()
    (found,) = audit.findings
    assert found.mechanism == "honest_degenerate" and found.severity == "note"
    assert "learned next to nothing" in found.finding and "17 calls without a cut" in found.evidence


def test_negative_controls_come_out_as_expected():
    calls, frames = cohort(24, 16, seed=7, effect=1.5)
    means = with_means(calls, frames)
    means["service"] = np.where((means["y"] == 1) & (np.arange(40) % 3 > 0), "000", "OTL")
    columns = ["call_id", "caller_id", "y", "n_frames", "sex", "service"]
    recording = means[["call_id"]].assign(duration_s=np.where(means["service"] == "000", 9.0, 3.0))
    missing = means[["call_id"]].assign(dom_missing=np.where(means["y"] == 1, 0.2, 0.1))

    def make(table):
        return ridge_paths(table.merge(means[["call_id", "x0", "x1"]], on="call_id"), ["x0", "x1"])

    found = negative_controls(
        means[columns], make, SETTINGS, BesideMarkers("service", "sex", recording, missing)
    )
    rows = found.set_index("control")
    assert "duration_s" in rows.loc["d", "note"] and "dom_missing" not in rows.loc["d", "note"]
    assert rows.loc["d, missing", "auroc"] == 1.0
    # A perfect ranking has no interval; that 24 and 16 callers are ranked so by chance is next to impossible.
    assert np.isnan(rows.loc["d, missing", "lower"]) and rows.loc["d, missing", "chance"] < 1e-10
    spread = found.assign(lower=np.where(found["control"] == "d", 0.6, found["lower"]))
    severity = {one.mechanism: one.severity for one in control_findings(spread)}
    assert severity["missing_alone"] == "note" and severity["recording_alone"] == "bias"
    told = found.set_index("control").loc["g", "note"]
    assert "tests the validation code, not the study" in told
    found = found.set_index(["control", "what"])["auroc"]
    by_control = found.groupby(level=0, sort=False).first()
    assert by_control["none"] > 0.75
    assert abs(by_control["g"] - 0.5) < 1e-9
    assert by_control["d"] > 0.55
    # 5 shuffles of 40 callers: the standard error of the mean AUROC is about 0.04.
    assert abs(by_control["b"] - 0.5) < 0.13
    assert np.isnan(found["f"].iloc[0])
