"""The truth of the audio cohort is found again: which marker moves, for whom, and in which direction."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.audio import AudioSettings, read_recording
from voicerisk.biomarkers import BiomarkerSettings, extract_call
from voicerisk.simulate import simulate


def differences(folder, markers):
    """Return Cohen's d of the call means between the outcomes, by marker and sex."""
    calls = pd.read_csv(folder / "calls.csv")
    settings = BiomarkerSettings(set=markers)
    means = []
    for row in calls.itertuples():
        track = pd.read_csv(folder / row.labels, sep="\t", header=None, names=["start_s", "end_s", "label"])
        spans = track[track["label"] == "caller"]
        frames = extract_call(read_recording(folder / row.file), spans, AudioSettings(), settings).frames
        means.append(frames.loc[~frames["silent"], list(markers)].mean())
    table = pd.concat([calls, pd.DataFrame(means)], axis=1)
    found = {}
    for sex, group in table.groupby("sex"):
        one, zero = (group.loc[group["outcome"] == y, list(markers)] for y in (1, 0))
        found[sex] = (one.mean() - zero.mean()) / np.sqrt((one.var() + zero.var()) / 2)
    return pd.DataFrame(found)


@pytest.mark.slow
def test_markers_move_as_the_truth_says(tmp_path):
    truth = simulate(tmp_path / "moved", callers=64, speech_s=6, seed=21)
    found = differences(tmp_path / "moved", tuple(truth.markers))
    # 16 callers a cell: the standard error of d is about 0.35; the planted ones are 1.3 to 2.2
    for marker, by_sex in truth.markers.items():
        for sex, direction in by_sex.items():
            d = found.loc[marker, sex]
            assert d * direction > 0.7 if direction else abs(d) < 0.7, (marker, sex, d)


@pytest.mark.slow
def test_no_marker_moves_under_the_null(tmp_path):
    simulate(tmp_path / "null", callers=64, speech_s=6, seed=22, null=True)
    found = differences(tmp_path / "null", ("roughness", "f2_freq", "f2_width", "entropy", "rms_db"))
    assert np.abs(found.to_numpy()).max() < 4 * 0.35
    assert np.abs(found.to_numpy().mean()) < 0.35
