"""A model that learned nothing reproduces a perfect result: caller effects, one left out, free direction."""

from dataclasses import replace

import numpy as np

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.cohort import load_cohort
from voicerisk.pipeline.progress import Silent
from voicerisk.study import load_study
from voicerisk.study.protocols import fitter_of
from voicerisk.study.stages import StudyStages, open_results
from voicerisk.validation import compute_metrics, degenerate_scores, run_published


def test_caller_intercepts_on_noise_score_the_offset_alone_and_a_free_direction_makes_them_perfect(
    write_study, tmp_path
):
    """Outcomes are constant within callers, so that brandom takes every step; a caller left out has effect 0.

    Their score is the offset, the share of positive frames among the others. It moves against their outcome:
    AUROC exactly 0 with the direction fixed, exactly 1 where it is chosen from the same scores.
    """
    calls, frames = marker_frames(callers=16, effect=0.0, seed=6)
    # Any number of frames a call: (P - f_i) / (T - f_i) < P / T < P / (T - f_j).
    rng = np.random.default_rng(0)
    kept = {call: int(n) for call, n in zip(calls["call_id"], rng.integers(8, 41, 16), strict=True)}
    frames = frames[frames["segment"] * 10 + frames["frame"] < frames["call_id"].map(kept)]
    settings = SETTINGS.replace("mstop = 10", "mstop = 40\nbrandom = true")
    study = load_study(write_study(calls, frames, settings))
    folder = open_results(study, tmp_path / "out")
    tables, _ = StudyStages(study, folder, 1, Silent()).extract(load_cohort(study.cohort, study.folder))
    fitter = fitter_of(study, "published", tables, ("x", "noise"), tmp_path / "fits", 1)
    table = tables.calls[["call_id", "caller_id", "y", "n_frames", "sex"]]
    result = run_published(table, fitter, replace(study.validation, bootstraps=200))

    metrics = compute_metrics(result.predictions, study.validation, n_boot=20)
    found = metrics[metrics["unit"] == "call"].drop_duplicates("metric").set_index("metric")["estimate"]
    assert found["auroc"] == 0.0 and found["auroc_auto"] == 1.0
    assert result.notes["automatic_direction"] == "<="
    assert degenerate_scores(result.predictions)["alarm"].all()
    # The score is the share of positive frames among the others, nothing else.
    rows = result.predictions[result.predictions["unit"] == "call"].set_index("call_id")
    of = table.set_index("call_id").loc[rows.index]
    positive, n = of["y"] * of["n_frames"], of["n_frames"]
    share = (positive.sum() - positive) / (n.sum() - n)
    np.testing.assert_allclose(rows["p_raw"], share, atol=0.01)
