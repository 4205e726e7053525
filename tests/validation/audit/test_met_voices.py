"""Control (c): a jump where the model knows the voice, none where it knows what the segment holds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from voicerisk.validation import NESTED, ValidationSettings, negative_controls
from voicerisk.validation.audit.control_findings import control_findings, said_of_voices
from voicerisk.validation.audit.controls import BesideMarkers
from voicerisk.validation.audit.met_voices import met_voices, share_met
from voicerisk.validation.protocols.ridge import ridge_paths

SETTINGS = ValidationSettings(inner_folds=3, seed=4)
# The ridge has no steps to tune.
STEPLESS = replace(NESTED, tune_steps=False)
MARKERS = [f"x{j}" for j in range(10)]


def _segments(icc: float, effect: float, seed: int = 1, callers: int = 40, each: int = 8):
    """Segments whose markers share `icc` of their variance within a caller; x0 moves with the outcome."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(callers) % 2)
    row = np.repeat(np.arange(callers), each)
    own = rng.normal(size=(callers, 10))[row]
    X = np.sqrt(icc) * own + np.sqrt(1.0 - icc) * rng.normal(size=own.shape)
    X[:, 0] += effect * y[row]
    table = pd.DataFrame(
        {"segment_id": [f"s{i:04d}" for i in range(len(row))], "call_id": [f"k{i:02d}" for i in row],
         "caller_id": [f"c{i:02d}" for i in row], "y": y[row], "n_frames": 5}
    )  # fmt: skip
    return table, pd.DataFrame(X, columns=MARKERS, index=table["segment_id"])


def _maker(values):
    def make(table):
        own = values.loc[table["call_id"], MARKERS].reset_index(drop=True)
        return ridge_paths(pd.concat([table.reset_index(drop=True), own], axis=1), MARKERS)

    return make


def _met(icc, effect, **cohort):
    segments, values = _segments(icc, effect, **cohort)
    return met_voices(segments, _maker(values), SETTINGS, STEPLESS)


def test_noise_without_voices_neither_meets_nor_knows_anything():
    found = _met(0.0, 0.0)
    # Of 320 independent segments the AUROC has a standard error of 0.03.
    assert abs(found.unmet - 0.5) < 0.1 and abs(found.met - 0.5) < 0.1
    assert found.lower < 0.0 < found.upper or abs(found.change) < 0.05
    assert "recognises" not in said_of_voices(found.change, found.lower, found.upper)


@pytest.mark.parametrize("icc", [0.3, 0.5])
def test_noise_with_voices_jumps_where_they_were_met(icc):
    found = _met(icc, 0.0)
    assert abs(found.unmet - 0.5) < 0.1
    assert found.lower > 0.0 and found.change > 0.05
    assert said_of_voices(found.change, found.lower, found.upper) == (
        "the model recognises callers, or their recordings, that it has met"
    )
    assert found.share_met > 0.95


def test_an_effect_without_voices_is_found_alike_in_both():
    found = _met(0.0, 0.8)
    assert found.unmet > 0.65 and found.met > 0.65
    # Seen over 150 cohorts of this kind: the change has mean 0.00 and standard deviation 0.01.
    assert abs(found.change) < 0.04
    assert said_of_voices(found.change, found.lower, found.upper).startswith("no jump")


def test_only_who_counts_as_a_caller_differs():
    """The same folds and seeds, as many segments a caller, the same outcomes; segments of other voices."""
    segments, values = _segments(0.3, 0.0, callers=20, each=4)
    segments["sex"] = np.where(segments["caller_id"].str[1:].astype(int) % 3 == 0, "male", "female")
    asked, tables = [], []
    plain = _maker(values)

    def make(table):
        fit = plain(table)
        tables.append(table.set_index("call_id"))

        def watched(sets, progress):
            asked.append(list(sets))
            return fit(sets, progress)

        return watched

    met_voices(segments, make, SETTINGS, STEPLESS, ["sex"])
    assert asked[0] == asked[1]
    real, dealt = tables[0], tables[1].loc[tables[0].index]
    assert not (real["caller_id"] == dealt["caller_id"]).all()
    for column in ("y", "sex", "n_frames"):
        assert (real[column] == dealt[column]).all(), column
    counts = [one["caller_id"].value_counts().to_dict() for one in (real, dealt)]
    assert counts[0] == counts[1]
    outcome = dealt.groupby("caller_id")[["y", "sex"]].nunique()
    assert (outcome == 1).all().all()
    assert share_met(real["caller_id"], real["caller_id"]) == 0.0


def test_the_control_says_what_it_found_and_where_it_cannot_be_estimated():
    segments, values = _segments(0.5, 0.0)
    calls = segments.groupby(["call_id", "caller_id", "y"], as_index=False)["n_frames"].sum()
    means = values.groupby(segments.set_index("segment_id")["call_id"]).mean()

    def of_calls(table):
        own = means.loc[table["call_id"]].reset_index(drop=True)
        return ridge_paths(pd.concat([table.reset_index(drop=True), own], axis=1), MARKERS)

    def run(rows):
        return negative_controls(
            calls,
            of_calls,
            SETTINGS,
            BesideMarkers(segments=rows, make_of_segments=_maker(values)),
            switches=STEPLESS,
        )

    controls = run(segments)
    row = controls.set_index("control").loc["c"]
    assert row["unit"] == "segment" and row["change"] == pytest.approx(row["auroc"] - row["reference"])
    assert "the model recognises callers, or their recordings, that it has met" in row["note"]
    (found,) = [one for one in control_findings(controls) if one.mechanism == "identity_readable"]
    assert found.severity == "note" and f"{row['reference']:.3f} where it did not" in found.evidence
    single = run(segments.drop_duplicates("caller_id"))
    assert "no caller has a second segment" in single.set_index("control").loc["c", "expected"]
    assert not [one for one in control_findings(single) if one.mechanism == "identity_readable"]
