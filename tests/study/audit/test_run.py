"""The audit of a study: it finds what was planted, names it, resumes, and does not depend on jobs."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import SETTINGS, marker_frames
from voicerisk.study import load_study
from voicerisk.study.audit.fits import by_segment, caller_effects, thinned
from voicerisk.study.audit.run import run_audit
from voicerisk.study.audit.steps import AuditOptions
from voicerisk.study.fitting.design import ModelTables

FEW = AuditOptions(permutations=2, frames_per_caller=20)


def test_an_honest_study_passes_until_an_earlier_run_has_seen_a_held_out_caller(write_study, tmp_path, told):
    study, out, reporter = load_study(write_study()), tmp_path / "out", told()
    result = run_audit(study, out, FEW, reporter=reporter)
    assert result.exit_code == 0
    own = result.findings[result.findings["concerns"] == "the study"]
    assert not (own["severity"] == "leak").any()
    ladder = result.ladder.set_index("rung")
    assert ladder.loc["honest", "leaked"] == ""
    assert "knots" in ladder.loc["global_scaling", "leaked"]
    assert {"screening", "knots"} <= set(ladder.loc["global_screening", "leaked"].split(", "))
    assert "mstop" not in ladder.loc["row_lambda", "leaked"] and "mstop" in ladder.loc["row_steps", "leaked"]
    assert "threshold" in ladder.loc["holdout_threshold", "leaked"]
    # M1: the caller effect holds the label of the caller left out, so that nothing is ranked wrongly,
    # with shuffled outcomes as well.
    assert (
        ladder.loc["caller_effect", "auroc_call"] == 1.0
        and ladder.loc["caller_effect", "null_mean_kfold"] > 0.9
    )
    assert "caller_effect" in ladder.loc["caller_effect", "leaked"]
    named = set(result.findings["mechanism"])
    assert {
        "global_screening",
        "caller_effect",
        "holdout_threshold",
        "shifting_prior",
        "row_weights",
    } <= named

    assert ladder["n_without_cut"].add(ladder["n_with_cut"]).eq(12).all()
    assert set(ladder["unit"]) == {"call", "frame"} and ladder.loc["frame_units", "unit"] == "frame"
    controls = result.controls.set_index("control")
    assert controls.loc["c", "unit"] == "segment"
    change = controls.loc["c", "auroc"] - controls.loc["c", "reference"]
    assert controls.loc["c", "change"] == pytest.approx(change)
    assert "48 segments, 100% of whose voices were met" in controls.loc["c", "note"]
    tests = result.tests.set_index("scheme")
    assert (tests["n_callers"] == 12).all() and (tests["design"] == "grouped_kfold").all()
    # Sex and outcome are crossed in the small study, so that every caller has somebody to swap with.
    assert (tests["n_permutable_callers"] == 12).all()

    for name in ("ladder", "findings", "permutations", "tests", "controls", "columns", "sample_size"):
        assert (out / "audit" / f"{name}.csv").is_file(), name
    assert (pd.read_csv(out / "audit" / "ladder.csv")["frames_per_caller"] == 20).all()
    assert (out / "audit" / "ladder_scores.csv").stat().st_mode & 0o077 == 0
    for figure in ("audit_ladder", "permutation_null"):
        assert (out / "figures" / f"{figure}.svg").is_file()
    assert any("Thinned" in note for note in reporter.notes)
    assert any("about" in note and "models" in note for note in reporter.notes)

    # Run again with another number of jobs: every step is found, and nothing changes, ...
    before = (out / "audit" / "ladder.csv").read_bytes()
    stamps = {file: file.stat().st_mtime_ns for file in (out / ".state" / "checkpoints").rglob("*.json")}
    callers = [f"caller{i:02d}" for i in range(12)]
    fold = {"held_out": ["caller03"], "seen": {"screening": {"callers": callers}}}
    provenance = {"nested": {"callers": callers, "folds": {"loco": {"0": {"3": fold}}}}}
    (out / "provenance.json").write_text(json.dumps(provenance))
    again = run_audit(study, out, FEW, jobs=2, reporter=told())
    assert (out / "audit" / "ladder.csv").read_bytes() == before
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in stamps.items())
    # ... but for the provenance of an earlier run, which names a caller that was held out.
    assert again.exit_code == 3
    leak = again.findings.iloc[0]
    assert leak["mechanism"] == "group_overlap" and "'screening'" in leak["finding"]
    assert "caller03" in leak["evidence"]


def test_the_command_finds_and_names_what_was_planted(write_study, tmp_path):
    """M3: a running number in the order of the outcome as a marker; M5: one service that is all positive."""
    from typer.testing import CliRunner

    from voicerisk.cli import app

    calls, frames = marker_frames()
    calls = calls.sort_values("outcome", kind="stable").reset_index(drop=True)
    calls["service"] = np.where(np.arange(12) >= 9, "000", "line")
    calls["risk_folder"] = np.where(calls["outcome"] == 1, "imminent", "low")
    number = dict(zip(calls["call_id"], range(12), strict=True))
    frames["file_number"] = frames["call_id"].map(number).astype(float)
    settings = SETTINGS.replace('outcome = "outcome"', 'outcome = "outcome"\nstrata = ["service"]')
    study = write_study(calls, frames, settings + '\n[screening]\nunit = "none"\n')
    out = tmp_path / "out"
    options = ["-o", str(out), "-B", "0", "--frames-per-caller", "10", "--pairs", "4", "-j", "1", "--details"]
    ran = CliRunner().invoke(app, ["audit", str(study), *options])
    assert ran.exit_code == 3, ran.output
    assert "Exit code 3" in ran.output and "'file_number'" in ran.output
    for heading in ("Leak.", "What each rule of the published protocol does here", "leave pair out"):
        assert heading in ran.output

    findings = pd.read_csv(out / "audit" / "findings.csv")
    found = findings[findings["concerns"] == "the study"].set_index("mechanism")
    assert found.loc["index_column", "severity"] == "leak"
    assert "file_number" in found.loc["index_column", "finding"]
    assert "service = 000 have outcome 1" in found.loc["one_class_cell", "finding"]
    # A column that the model is not given is a note, not a leak.
    assert found.loc["caller_constant_column", "severity"] == "note"
    assert "risk_folder" in found.loc["caller_constant_column", "finding"]
    assert found.loc["sorted_by_outcome", "severity"] == "note"
    controls = pd.read_csv(out / "audit" / "controls.csv").set_index("control")
    assert "not estimable" in controls.loc["f", "expected"]


def _tables(n_segments=(3, 1), y=(1, 0)) -> ModelTables:
    calls = pd.DataFrame(
        {"call_id": ["a", "b"], "caller_id": ["A", "B"], "sex": "female", "y": list(y), "n_frames": [6, 2]}
    )
    frames = pd.DataFrame(
        {
            "call_id": list("aaaaaabb"),
            "caller_id": list("AAAAAABB"),
            "segment": [0, 0, 1, 1, 2, 2, 0, 0],
            "frame": [0, 1] * 4,
            "time_s": np.arange(8.0),
            "x": np.arange(8.0),
        }
    )
    segments = pd.DataFrame(
        {
            "call_id": ["a"] * n_segments[0] + ["b"] * n_segments[1],
            "caller_id": ["A"] * n_segments[0] + ["B"] * n_segments[1],
            "segment": [*range(n_segments[0]), *range(n_segments[1])],
            "n_frames": 2,
            "x": 0.0,
        }
    )
    return ModelTables(calls, frames, segments, ("x",))


def test_caller_effects_solve_the_equation_of_the_random_intercept():
    effects = caller_effects(_tables())
    base = np.log(0.75 / 0.25)
    for name, n, positive in (("A", 3, 3), ("B", 1, 0)):
        p = 1.0 / (1.0 + np.exp(-(base + effects[name])))
        # Posterior mode with variance 1: the score of the likelihood equals the effect.
        assert abs(positive - n * p - effects[name]) < 1e-9
    assert effects["A"] > 0 > effects["B"]


def test_thinning_keeps_so_many_frames_a_caller_and_every_call():
    tables = thinned(_tables(), 3)
    assert tables.frames["call_id"].value_counts().to_dict() == {"a": 3, "b": 2}
    assert tables.frames["x"].tolist() == [0.0, 2.0, 4.0, 6.0, 7.0]
    assert tables.calls["n_frames"].tolist() == [3, 2]
    assert thinned(_tables(), 99).frames.equals(_tables().frames)


def test_each_segment_becomes_a_call_with_its_own_frames():
    tables = by_segment(thinned(_tables(), 3))
    # Frames 0, 2, 4 of caller A are left, one a segment.
    assert tables.calls["call_id"].tolist() == ["a/0", "a/1", "a/2", "b/0"]
    assert tables.calls["of_call"].tolist() == ["a", "a", "a", "b"]
    assert tables.calls["y"].tolist() == [1, 1, 1, 0]
    assert tables.calls["n_frames"].tolist() == [1, 1, 1, 2]
    by_call = tables.frames.groupby("call_id")["x"].apply(list).to_dict()
    assert by_call == {"a/0": [0.0], "a/1": [2.0], "a/2": [4.0], "b/0": [6.0, 7.0]}
    # A segment without frames cannot be scored.
    fewer = by_segment(thinned(_tables(), 2))
    assert fewer.calls["call_id"].tolist() == ["a/0", "a/1", "b/0"]
    assert set(fewer.segments["call_id"]) == set(fewer.calls["call_id"])


def test_options_are_checked():
    from voicerisk.errors import StudyError

    with pytest.raises(StudyError, match="at least 1 frame"):
        AuditOptions(frames_per_caller=0)
    with pytest.raises(StudyError, match="number of permutations is -1"):
        AuditOptions(permutations=-1)


def test_strata_that_hold_one_outcome_each_give_no_p(write_study, tmp_path):
    """Every service has one outcome: P is missing with its reason, in the tables and on the screen."""
    from typer.testing import CliRunner

    from voicerisk.cli import app

    calls, frames = marker_frames()
    calls["service"] = np.where(calls["outcome"] == 1, "000", "line")
    settings = SETTINGS.replace('outcome = "outcome"', 'outcome = "outcome"\nstrata = ["service"]')
    study = write_study(calls, frames, settings + '\n[screening]\nunit = "none"\n')
    out = tmp_path / "out"
    options = ["-o", str(out), "-B", "2", "--frames-per-caller", "10", "-j", "1"]
    ran = CliRunner().invoke(app, ["audit", str(study), *options])
    # The service tells the outcome, but no model is given it: a bias, and no leak.
    assert ran.exit_code == 0, ran.output
    tests = pd.read_csv(out / "audit" / "tests.csv").set_index("scheme")
    assert np.isnan(tests.loc["strata", "p_value"]) and tests.loc["strata", "n_permutations"] == 0
    assert tests.loc["strata", "n_permutable_callers"] == 0 and tests.loc["all", "n_permutable_callers"] == 12
    assert "There is no P" in tests.loc["strata", "says"]
    shown = " ".join(ran.output.split())
    assert "Nothing can be permuted within strata" in shown and "P = nan" not in shown
    controls = pd.read_csv(out / "audit" / "controls.csv").set_index("control")
    assert "tests the validation code, not the study" in controls.loc["g", "note"]
    found = pd.read_csv(out / "audit" / "findings.csv").set_index("mechanism")
    assert found.loc["strata_not_permutable", "severity"] == "note"
    assert set(found.loc[["one_class_cell"], "severity"]) == {"bias"}
    assert found.loc["caller_constant_column", "severity"] == "note"
    # No screening: no rung may say that one leaked.
    assert found.loc["global_screening", "severity"] == "note"
    draws = pd.read_csv(out / "audit" / "permutations.csv")
    assert set(draws["scheme"]) == {"all"}
