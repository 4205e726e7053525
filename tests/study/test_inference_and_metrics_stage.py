"""Parts of a study that decide what its numbers mean: prevalence, random intercepts, the manifest."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.models import GammSettings
from voicerisk.study.inference import random_intercepts
from voicerisk.study.output.metrics import at_study_prevalence, without_folders


def test_risks_at_another_prior_are_measured_at_the_study_s_own_prevalence():
    rng = np.random.default_rng(1)
    p_study = rng.uniform(0.05, 0.95, 4000)
    y = (rng.random(4000) < p_study).astype(int)
    share = y.mean()
    odds = p_study / (1 - p_study) * (0.2 / 0.8) / (share / (1 - share))
    table = pd.DataFrame({"protocol": "nested", "unit": "call", "y": y, "p": odds / (1 + odds)})
    table["call_id"] = [f"c{i}" for i in range(4000)]
    moved, notes = at_study_prevalence(table, prior=0.2)
    np.testing.assert_allclose(moved["p"], p_study, atol=1e-12)
    assert "0.2" in notes[0] and f"{share:.3f}" in notes[0]
    same, silent = at_study_prevalence(table, prior=None)
    assert same is table and silent == []


def test_an_intercept_for_the_call_is_added_where_callers_have_several_calls():
    one = pd.DataFrame({"caller_id": ["a", "b"]})
    several = pd.DataFrame({"caller_id": ["a", "a", "b"]})
    assert random_intercepts(GammSettings(), one) == (GammSettings(), [])
    settings, notes = random_intercepts(GammSettings(), several)
    assert settings.random == ("caller", "call") and "call within the caller" in notes[0]
    asked = GammSettings(random=())
    assert random_intercepts(asked, several) == (asked, [])


def test_a_manifest_keeps_no_folder():
    settings = {"cohort": {"calls": "/home/someone/study/calls.csv", "labels": ["/a/b"]}, "seed": 1}
    assert without_folders(settings) == {"cohort": {"calls": "calls.csv", "labels": ["b"]}, "seed": 1}


@pytest.mark.r
def test_markers_are_selected_on_one_half_of_the_callers_and_tested_on_the_other(
    write_study, tmp_path, monkeypatch
):
    from voicerisk.study import selective
    from voicerisk.study.fitting.design import model_tables
    from voicerisk.study.output.publication import _split_table
    from voicerisk.study.settings import load_study

    study = load_study(write_study(settings=SETTINGS.replace("k = 4", "k = 4\ncaller_split = true")))
    calls, frames = marker_frames(callers=24)
    frames = frames.merge(calls[["call_id", "caller_id"]], on="call_id").assign(time_s=0.0)
    keys = ["call_id", "caller_id", "segment"]
    segments = frames.groupby(keys, as_index=False)[["x", "noise"]].mean().assign(n_frames=10)
    tables = model_tables(calls.drop(columns="file"), frames, segments, ("x", "noise"), "frame")
    seen: dict[str, set[str]] = {}
    lasso = selective.screen_all

    def watched(rows, *rest):
        seen["selected on"] = set(rows.caller)
        return lasso(rows, *rest)

    monkeypatch.setattr(selective, "screen_all", watched)
    split = selective.caller_split_tests(study, tables, study.gamm, True)
    found = split.smooths
    # The planted marker separates so few callers, and then there is no P.
    assert len(split.notes) == 1 and "separate the outcomes" in split.notes[0]
    assert found["p_value"].isna().all()
    assert not found["selected_on_same_labels"].any()
    assert (found[["n_callers_selected_on", "n_callers_tested_on"]] == 12).all(axis=None)
    assert len(seen["selected on"]) == 12
    assert found.set_index(["marker", "sex"]).loc[("x", "female"), "residual_df"] == 5  # six women, less one
    assert {"p_holm", "p_bh"} <= set(found.columns)
    assert set(split.moderation["what"]) == {"curve", "level"}
    assert split.moderation["residual_df"].max() == 5
    shown = _split_table(found, {}, "sex")
    assert shown.name == "gamm_caller_split"
    assert any("selected on 12 callers and tested on 12 others" in note for note in shown.notes)
    assert not any("selected on the same outcomes" in note for note in shown.notes)

    few = calls["caller_id"].unique()[:3]
    small = model_tables(
        calls[calls["caller_id"].isin(few)].drop(columns="file"),
        frames[frames["caller_id"].isin(few)],
        segments[segments["caller_id"].isin(few)],
        ("x", "noise"),
        "frame",
    )
    none = selective.caller_split_tests(study, small, study.gamm, True)
    assert none.smooths is None
    assert none.notes == ("No caller split: A split needs at least 4 callers; there are 3.",)
    off = replace(study.gamm, caller_split=False)
    assert selective.caller_split_tests(study, tables, off, True) == selective.CallerSplit()
