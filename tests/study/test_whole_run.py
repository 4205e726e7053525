"""A whole study on markers of its own: outputs, what runs again when, what does not depend on jobs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import GAMBOOST, SETTINGS, marker_frames
from voicerisk.errors import StudyError, VoiceriskError
from voicerisk.study import load_study, run_study

OUTPUTS = """
calls.csv flow.csv exclusions.csv frames.parquet segments.parquet screening.csv lasso_path.csv
gamm/smooths.csv gamm/terms.csv gamm/curves.csv gamm/model.rds predictions_published.parquet
predictions_nested.parquet provenance.json thresholds.csv metrics.csv manifest.json
figures/protocols_compared.pdf figures/protocols_compared.svg figures/protocols_compared.png
figures/gamm_curves.pdf tables/performance.csv report.html
"""

pytestmark = pytest.mark.r


def _bytes(folder: Path) -> dict[str, bytes]:
    names = ["metrics.csv", "thresholds.csv", "screening.csv", "gamm/smooths.csv", "provenance.json"]
    return {name: (folder / name).read_bytes() for name in names}


def _predictions(folder: Path, protocol: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"predictions_{protocol}.parquet")


def test_both_protocols_write_every_output_and_find_the_planted_marker(
    write_study, tmp_path, told, every_format
):
    out = tmp_path / "out"
    with every_format():
        result = run_study(load_study(write_study()), out, jobs=2)
    assert [name for name in OUTPUTS.split() if not (out / name).is_file()] == []
    assert set(pd.read_csv(out / "screening.csv").query("selected")["marker"]) >= {"x"}

    nested = _predictions(out, "nested")
    assert set(nested["design"]) == {"loco", "grouped_kfold"}
    calls = nested[(nested["unit"] == "call") & (nested["design"] == "loco")]
    assert sorted(calls["call_id"]) == [f"call{i:02d}" for i in range(12)]
    frames = nested[nested["unit"] == "frame"]
    assert len(frames) == 12 * 40 and frames["p"].isna().all()
    # A call's log-odds are the mean of its frames', where no marker is missing; scores keep 12 decimals.
    means = np.log(frames["p_raw"] / (1 - frames["p_raw"])).groupby(frames["call_id"]).mean()
    score = calls.set_index("call_id")["p_raw"]
    np.testing.assert_allclose(np.log(score / (1 - score)), means[calls["call_id"]], atol=1e-9)
    published = _predictions(out, "published").query("design == 'loco'")
    means = published.query("unit == 'frame'").groupby("call_id")["p_raw"].mean()
    score = published.query("unit == 'call'").set_index("call_id")["p_raw"]
    np.testing.assert_allclose(score, means[score.index], atol=1e-12)

    auroc = result.metrics.query(
        "metric == 'auroc' and unit == 'call' and design == 'loco' and subgroup == 'all'"
    )
    assert set(auroc["protocol"]) == {"published", "nested"}
    # A shift of one frame SD, 40 frames a call, caller SD 0.3. The published protocol may stay far below: of
    # 12 callers, leaving one out moves the offset against them.
    assert (auroc.loc[auroc["protocol"] == "nested", "estimate"] > 0.8).all()
    simple = result.metrics.query("protocol == 'rival' and unit == 'call' and metric == 'auroc'")
    assert set(simple["model"]) == {"ridge_means", "elastic_net", "ridge_segments", "no_voice"}
    assert (simple.loc[simple["model"] != "no_voice", "estimate"] > 0.7).all()
    pairs = pd.read_csv(out / "comparisons.csv").query("metric == 'auroc' and other_protocol == 'rival'")
    assert set(pairs["other_model"]) == set(simple["model"]) and set(pairs["design"]) == {"grouped_kfold"}

    provenance = json.loads((out / "provenance.json").read_text())
    everyone = set(provenance["nested"]["callers"])
    for fold in provenance["nested"]["folds"]["loco"]["0"].values():
        held_out = set(fold["held_out"])
        for callers in fold["seen"].values():
            seen = everyone - set(callers["all_but"]) if isinstance(callers, dict) else callers
            assert held_out.isdisjoint(seen)

    manifest = json.loads((out / "manifest.json").read_text())
    assert str(tmp_path) not in json.dumps(manifest)
    assert manifest["settings"]["validation"]["seed"] == 3
    # Private tables are for their owner alone.
    for name in ("frames.parquet", "predictions_nested.parquet", "provenance.json", "calls.csv"):
        assert (out / name).stat().st_mode & 0o077 == 0

    second = told()
    run_study(load_study(tmp_path / "study" / "study.toml"), out, reporter=second)
    assert second.ran == []

    # What does not depend on the machine: one job gives the same bytes.
    alone = tmp_path / "alone"
    run_study(load_study(tmp_path / "study" / "study.toml"), alone, jobs=1)
    assert _bytes(alone) == _bytes(out)
    pd.testing.assert_frame_equal(_predictions(alone, "nested"), nested)

    # A changed setting runs again just what depends on it.
    text = (tmp_path / "study" / "study.toml").read_text().replace("mstop = 10", "mstop = 8")
    (tmp_path / "study" / "study.toml").write_text(text)
    third = told()
    run_study(load_study(tmp_path / "study" / "study.toml"), out, reporter=third)
    simple = "Simple models on the same folds"
    assert third.unchanged == ["Biomarkers", "Lasso screening", "GAMM (mgcv)", simple]
    # A changed input runs everything again.
    frames_table = pd.read_csv(tmp_path / "study" / "markers.csv")
    frames_table.loc[0, "x"] += 0.5
    frames_table.to_csv(tmp_path / "study" / "markers.csv", index=False)
    fourth = told()
    run_study(load_study(tmp_path / "study" / "study.toml"), out, reporter=fourth)
    assert fourth.unchanged == []


def test_one_protocol_leaves_no_stale_results_of_the_other(write_study, tmp_path):
    file = write_study()
    out = tmp_path / "out"
    run_study(load_study(file), out, protocols=("published",))
    assert not (out / "predictions_nested.parquet").exists()
    assert not (out / "predictions_rivals.parquet").exists()
    assert set(pd.read_csv(out / "metrics.csv")["protocol"]) == {"published"}
    file.write_text(SETTINGS.replace("mstop = 10", "mstop = 9"))
    run_study(load_study(file), out, protocols=("nested",))
    # The published predictions were made with mstop = 10: beside the new ones they would mislead.
    assert not (out / "predictions_published.parquet").exists()
    assert set(pd.read_csv(out / "metrics.csv")["protocol"]) == {"nested", "rival"}


def test_markers_without_information_leave_an_empty_set_and_say_so(write_study, tmp_path, told):
    calls, frames = marker_frames(effect=0.0, seed=5)
    settings = GAMBOOST + '\n[screening]\nrule = "1se"\n'  # call models are not screened
    reporter = told()
    out = tmp_path / "out"
    run_study(load_study(write_study(calls, frames, settings)), out, protocols=("nested",), reporter=reporter)
    assert not pd.read_csv(out / "screening.csv")["selected"].any()
    assert any("No GAMM: the screening left no marker" in note for note in reporter.notes)
    assert any("the Lasso kept no marker" in note for note in reporter.notes)
    nested = _predictions(out, "nested").query("unit == 'call' and design == 'loco'")
    assert nested["p_raw"].between(0, 1).all()


def test_one_sex_callers_with_both_outcomes_and_missing_values_are_legal(write_study, tmp_path, told):
    calls, frames = marker_frames(callers=16, frames=30)
    calls["sex"] = "female"
    calls["caller_id"] = [f"caller{i // 2:02d}" for i in range(16)]  # pairs of calls
    calls["outcome"] = [0, 1, *([0, 0, 1, 1] * 4)[:14]]
    calls["service"] = np.where(calls.index.isin([4, 5, 8, 9]), "night", "day")  # only outcome 1 at night
    frames.loc[::7, "noise"] = np.nan
    frames["x"] += frames["call_id"].map(calls.set_index("call_id")["outcome"])
    reporter = told()
    out = tmp_path / "out"
    settings = SETTINGS.replace("repeats = 1", 'repeats = 1\ndesigns = ["loco"]')
    settings = settings.replace('outcome = "outcome"', 'outcome = "outcome"\nstrata = ["service"]')
    result = run_study(load_study(write_study(calls, frames, settings)), out, reporter=reporter)
    assert any("both outcomes" in note for note in reporter.notes)
    one_outcome = [note for note in reporter.notes if "night" in note]
    assert len(one_outcome) == 2  # before anything is computed, and once for all its cells
    assert "1 of the 2 values of 'service' have one outcome only: 'night' (4 calls, all 1)" in one_outcome[0]
    assert one_outcome[1].endswith("where all calls have one outcome: service=night.")
    night = result.metrics.query("subgroup == 'service=night'").set_index("metric")["estimate"]
    assert night["auroc"].isna().all() and night["sensitivity"].between(0, 1).all()
    assert "caller" not in set(result.metrics["unit"])  # absent where a caller has both outcomes
    missing = pd.read_csv(out / "missing.csv").query("marker == 'noise'")
    assert missing["n_missing"].sum() == frames["noise"].isna().sum()
    assert len(_predictions(out, "nested").query("unit == 'frame'")) == len(
        frames
    )  # masked: every frame stays


@pytest.mark.parametrize("levels", ["segment", "both"])
def test_levels_enter_screening_and_boosting_alike(write_study, tmp_path, levels):
    settings = SETTINGS.replace('frames = "markers.csv"', f'frames = "markers.csv"\nlevels = "{levels}"')
    settings += '\n[screening]\nunit = "frame"\n' if levels == "both" else ""
    out = tmp_path / "out"
    run_study(load_study(write_study(settings=settings)), out, protocols=("published",))
    terms = set(pd.read_csv(out / "screening.csv")["term"])
    expected = {"x", "noise"} if levels == "segment" else {
        "x_segment", "x_deviation", "noise_segment", "noise_deviation"
    }  # fmt: skip
    assert terms == expected


def test_deviations_cannot_be_screened_on_segments(write_study, tmp_path):
    settings = SETTINGS.replace('frames = "markers.csv"', 'frames = "markers.csv"\nlevels = "both"')
    with pytest.raises(StudyError, match="a segment's deviations average to zero"):
        run_study(load_study(write_study(settings=settings)), tmp_path / "out")


def test_a_folder_with_another_study_or_with_other_files_is_refused(write_study, tmp_path):
    out = tmp_path / "out"
    first = write_study()
    run_study(load_study(first), out, protocols=("published",))
    calls, frames = marker_frames(seed=9)
    calls.loc[0, "outcome"] = 1
    with pytest.raises(StudyError, match="holds the results of another study"):
        run_study(load_study(write_study(calls, frames, name="other")), out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("x")
    with pytest.raises(StudyError, match="is not empty and holds no study"):
        run_study(load_study(first), tmp_path / "full")
    # A study that was moved is the same study.
    shutil.move(tmp_path / "study", tmp_path / "moved")
    run_study(load_study(tmp_path / "moved" / "study.toml"), out, protocols=("published",))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.drop(columns="call_id"), r"markers\.csv, row 1: there is no column 'call_id'"),
        (
            lambda t: t.assign(x=t["x"].where(t.index != 3, np.inf)),
            r"markers\.csv: the column 'x' holds text where numbers belong \(row 5: 'inf'\)",
        ),
        (lambda t: t.assign(x="loud"), "the column 'x' holds text where numbers belong"),
        (lambda t: pd.concat([t, t.head(1)]), "row 482: call call00, segment 0, frame 0 is there twice"),
        (lambda t: t.drop(columns=["x", "noise"]), "has no column of markers"),
        (lambda t: t[t["call_id"].isin(["call00", "call01", "call02"])], "each class needs at least two"),
    ],
)
def test_a_spoilt_marker_table_is_named_with_row_and_value(write_study, tmp_path, spoil, says):
    _, frames = marker_frames()
    with pytest.raises(VoiceriskError, match=says):
        run_study(load_study(write_study(frames=spoil(frames))), tmp_path / "out")


def test_a_second_run_in_the_same_folder_is_kept_out(write_study, tmp_path):
    from voicerisk.pipeline.results_folder import ResultsFolder

    folder = ResultsFolder(tmp_path / "out", {"study": "a", "calls": "b"})
    code = (
        "from pathlib import Path; import sys; from voicerisk.pipeline.results_folder import ResultsFolder\n"
        "f = ResultsFolder(Path(sys.argv[1]), {'study': 'a', 'calls': 'b'})\n"
        "with f.locked(): pass"
    )
    with folder.locked():
        other = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "out"], capture_output=True, text=True, check=False
        )
    assert "Another run is writing to" in other.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on_with_the_same_result(write_study, tmp_path, how):
    # Fits of gamboost are kept one by one; call models take too little time to.
    settings = GAMBOOST.replace("repeats = 1", "repeats = 6")
    file = write_study(settings=settings)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run_study(load_study(file), whole, protocols=("nested",))

    command = [
        sys.executable,
        "-m",
        "voicerisk",
        "run",
        file,
        "--out",
        stopped,
        "--protocol",
        "nested",
        "-j",
        "1",
    ]
    # Nothing of the surroundings is part of a result: another seed of hashes, locale and clock, two jobs.
    surroundings = {**os.environ, "PYTHONHASHSEED": "77", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=surroundings
    )
    folds = stopped / ".state" / "checkpoints" / "nested"
    for _ in range(30_000):  # five minutes: a busy machine is slow to start
        if process.poll() is not None or len(list(folds.rglob("*.npz"))) > 5:
            break
        time.sleep(0.01)
    assert process.poll() is None, "the run ended before it could be stopped"
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from there" in said
    kept = len(list(folds.rglob("*.npz")))
    assert kept > 5

    run_study(load_study(file), stopped, protocols=("nested",), jobs=2)
    pd.testing.assert_frame_equal(_predictions(stopped, "nested"), _predictions(whole, "nested"))
    assert (stopped / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
