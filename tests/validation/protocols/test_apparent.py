"""Apparent performance stands beside the validated one, learned by the same steps."""

import numpy as np
import pandas as pd
import pytest

from tests.validation.toys import cohort, stepwise_paths
from voicerisk.callers.draws import caller_draws
from voicerisk.errors import ValidationError
from voicerisk.validation import NESTED, PUBLISHED, ValidationSettings, compute_metrics, run_nested
from voicerisk.validation.protocols.on_all_callers import learn_on_all, optimism_table

SETTINGS = ValidationSettings(designs=("grouped_kfold",), repeats=1, inner_folds=3, bootstraps=30, seed=4)


def test_a_model_of_noise_looks_better_on_the_callers_it_learned_from():
    calls, frames = cohort(16, 12, seed=8, effect=0.0, features=12)
    fit = stepwise_paths(calls, frames, steps=40)
    whole = learn_on_all(calls, fit, SETTINGS, PUBLISHED)
    scores, learned = whole.scores, whole.as_dict()
    assert scores["call_id"].tolist() == sorted(calls["call_id"])
    assert learned["intercept"] is None and learned["mstop"] == 40 and learned["class_prior"] is None
    # The cut is learned from the same scores, as the published protocol does.
    assert scores["threshold"].nunique() == 1 and 0 < learned["threshold"] < 1

    tuned = learn_on_all(calls, fit, SETTINGS, NESTED).as_dict()
    assert tuned["slope"] >= 0 and tuned["class_prior"] == pytest.approx(calls["y"].mean())
    assert tuned["mstop"] < 40

    result = run_nested(calls, fit, SETTINGS)
    metrics = compute_metrics(result.predictions, SETTINGS, n_boot=20)
    table = optimism_table(metrics, scores, "nested").set_index("metric")
    assert table.loc["auroc", "apparent"] > 0.85 > table.loc["auroc", "validated"]
    for name, sign in (("auroc", 1), ("brier", -1)):
        row = table.loc[name]
        assert row["optimism"] == pytest.approx(sign * (row["apparent"] - row["validated"]))


def test_metrics_are_drawn_within_the_strata_that_the_study_sampled_by():
    calls, _ = cohort(14, 9, seed=3)
    draws = caller_draws(calls, 50, np.random.default_rng(0), ("outcome", "sex"))
    cell = calls["y"].astype(str) + calls["sex"]
    for value in cell.unique():
        inside = (cell == value).to_numpy()
        if inside.sum() > 1:
            assert (draws.counts[1:51, inside].sum(1) == inside.sum()).all()
    with pytest.raises(ValidationError, match="'town': it is neither 'outcome' nor a column"):
        caller_draws(calls, 5, np.random.default_rng(0), ("town",))


def test_a_single_caller_in_a_stratum_is_merged_and_said():
    calls, _ = cohort(8, 5, seed=3)
    calls["service"] = ["000"] + ["line"] * 12
    draws = caller_draws(calls, 20, np.random.default_rng(0), ("service",))
    assert "merged" in draws.merged[0]
    assert pd.Series(draws.counts[1:21, 0]).nunique() > 1


def test_settings_of_strata_and_prevalence_are_checked():
    assert ValidationSettings(strata=["outcome", "sex"]).strata == ("outcome", "sex")
    with pytest.raises(ValidationError, match="strata must name columns, each once"):
        ValidationSettings(strata=["sex", "sex"])
    with pytest.raises(ValidationError, match="prevalence must be a share"):
        ValidationSettings(prevalence=1.0)
