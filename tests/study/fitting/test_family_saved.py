"""What is saved of the family is what was validated: the same scores, risk and cut from the file."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import marker_frames
from voicerisk.cohort import load_cohort
from voicerisk.models import read_model, write_model
from voicerisk.pipeline.progress import Silent
from voicerisk.pipeline.results_folder import ResultsFolder
from voicerisk.pipeline.tables import read_table
from voicerisk.study import load_study
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.protocols import procedure_of, run_protocol_stage
from voicerisk.study.saved_model.models import learn_model
from voicerisk.study.saved_model.scoring import score
from voicerisk.study.settings import Study
from voicerisk.study.stages import StudyStages, open_results

Made = tuple[Study, ModelTables, ResultsFolder]


@pytest.fixture
def made(write_study, tmp_path) -> Made:
    calls, frames = marker_frames(effect=2.0)
    frames.loc[frames.index[::7], "noise"] = np.nan
    study = load_study(write_study(calls, frames))
    folder = open_results(study, tmp_path / "out")
    tables, _ = StudyStages(study, folder, 1, Silent()).extract(load_cohort(study.cohort, study.folder))
    return study, tables, folder


def test_the_file_scores_calls_as_the_procedure_does(made, tmp_path):
    study, tables, folder = made
    fitter = procedure_of(study, "nested", tables, (), folder.checkpoints("boost", "m"), 1)
    learned, model, _ = learn_model(study, "nested", tables, fitter)
    write_model(tmp_path / "model.json", model)
    kept = json.loads((tmp_path / "model.json").read_text())["model"]
    assert kept["member"]["kind"] == "calls" and sum(kept["notes"]["members"].values()) == pytest.approx(1.0)
    table = tables.frames.assign(sex=tables.of_frames("sex"))
    table.to_parquet(tmp_path / "frames.parquet")
    scored = score(tmp_path / "model.json", tmp_path / "frames.parquet").calls.set_index("call_id")
    own = learned.scores.set_index("call_id")
    # the file's curves are the same numbers, summed in another order
    np.testing.assert_allclose(scored["p_raw"][own.index], own["p_raw"], atol=1e-9)
    np.testing.assert_allclose(scored["risk"][own.index], own["p"], atol=1e-9)
    assert (scored["flagged"][own.index] == (own["p_raw"] >= learned.cut)).all()
    parts = scored["base"] + scored["x"] + scored["noise"]
    np.testing.assert_allclose(scored["log_odds"], parts, atol=1e-12)
    assert read_model(tmp_path / "model.json").unit == "call"
    # The knots span less than the frames learned from, the ranges all of it.
    assert not scored["beyond_training"].any() and scored["most_outside"].eq(0).all()


def test_the_stage_writes_tables_that_read_back(made):
    study, tables, folder = made
    run_protocol_stage(study, "nested", tables, (), folder, "m", 1, lambda done, total: None)
    tuning = pd.read_csv(folder.file(".state/protocols/nested/tuning.csv"))
    weights = tuning.groupby(["design", "repeat", "fold"])["weight"].sum()
    np.testing.assert_allclose(weights, 1.0, atol=1e-9)
    notes = json.loads(folder.file(".state/protocols/nested/notes.json").read_text())
    assert notes["folds_constant"] <= notes["folds"]
    assert folder.file("predictions_nested.parquet").is_file()
    with pytest.raises(Exception, match="tuning"):
        read_table(folder.path, "tuning")  # joined by a later stage
