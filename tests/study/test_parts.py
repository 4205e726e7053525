"""Parts of a study that decide what its numbers mean: prevalence, random intercepts, the manifest."""

import numpy as np
import pandas as pd

from voicerisk.models import GammSettings
from voicerisk.study.inference import random_intercepts
from voicerisk.study.outputs import at_study_prevalence, without_folders


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
