"""The refitting function of a study: halting early chooses nothing else; what is stored is found again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import quick_settings
from voicerisk.validation import run_nested


def test_patience_chooses_the_same_steps_and_scores(fitter, tmp_path):
    calls = fitter.tables.calls
    full = run_nested(calls, fitter, quick_settings())
    patient = replace(fitter, patience=50, checkpoints=tmp_path / "patient")
    short = run_nested(calls, patient, quick_settings())
    pd.testing.assert_frame_equal(
        *(one.tuning.query("chosen").reset_index(drop=True) for one in (short, full))
    )
    pd.testing.assert_frame_equal(short.predictions, full.predictions)
    pd.testing.assert_frame_equal(short.thresholds, full.thresholds)
    sizes = {
        name: sum(np.load(file)["selected"].size for file in (tmp_path / name).rglob("*.npz"))
        for name in ("full", "patient")
    }
    assert sizes["patient"] < 0.8 * sizes["full"]


@pytest.mark.parametrize("damage", ["gone", "another marker", "cut short"])
def test_an_outer_fold_of_which_a_file_is_damaged_is_fitted_again_whole(fitter, tmp_path, damage):
    calls = fitter.tables.calls
    patient = replace(fitter, patience=50, checkpoints=tmp_path / "patient")
    first = run_nested(calls, patient, quick_settings())
    files = sorted((tmp_path / "patient").rglob("*.npz"))
    before = {file: file.stat().st_mtime_ns for file in files}
    if damage == "gone":
        files[1].unlink()
    elif damage == "another marker":
        notes = files[1].with_suffix(".json")
        notes.write_text(notes.read_text().replace("x", "noise"))
    else:
        files[1].write_bytes(files[1].read_bytes()[:-1])
    again = run_nested(calls, patient, quick_settings())
    pd.testing.assert_frame_equal(again.predictions, first.predictions)
    renewed = {file.parent for file in files if file.stat().st_mtime_ns != before[file]}
    assert renewed == {files[1].parent}
