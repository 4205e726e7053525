"""One call of a finished study: its listening figure, the report that plays it, the copy that must not."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from voicerisk.cli import app
from voicerisk.errors import StudyError
from voicerisk.simulate import simulate
from voicerisk.study import load_study, run_study
from voicerisk.study.output.figures import draw_call, file_name, published_cuts
from voicerisk.study.output.one_call import calls_of, listen_to, missed_calls_of, sound_of, study_of

pytestmark = [pytest.mark.r, pytest.mark.slow]

QUICK = """
[cohort]
calls = "calls.csv"
outcome = "outcome"
labels = ["caller"]
strata = ["service"]

[biomarkers]
set = ["rms_db", "f2_freq", "roughness", "dom"]

[gamm]
k = 4

[boost]
mstop = 15

[validation]
designs = ["loco"]
inner_folds = 3
bootstraps = 40

[report]
risks_to_act_on = [0.1, 0.4]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Path]:
    """A cohort and the results of its study."""
    place = tmp_path_factory.mktemp("heard")
    simulate(place / "cohort", callers=12, seed=4)
    file = place / "cohort" / "study.toml"
    file.write_text(QUICK, encoding="utf-8")
    run_study(load_study(file), place / "results")
    return place / "cohort", place / "results"


@pytest.fixture(scope="module")
def boosted(finished, tmp_path_factory) -> tuple[Path, Path]:
    """The same cohort and results, of gamboost in place of call models."""
    place = Path(shutil.copytree(finished[0].parent, tmp_path_factory.mktemp("boosted") / "heard"))
    file = place / "cohort" / "study.toml"
    file.write_text(QUICK.replace("[validation]", '[validation]\nfamily = ["gamboost"]'), encoding="utf-8")
    run_study(load_study(file), place / "results")
    return place / "cohort", place / "results"


@pytest.mark.parametrize("protocol", ["nested", "published"])
def test_contributions_add_up_to_the_held_out_score(finished, protocol):
    _, results = finished
    study = study_of(results)
    call = calls_of(results)[3]
    heard = listen_to(study, results, call, protocol)
    parts = heard.parts["contributions"]
    log_odds = parts.groupby("time_s")["value"].sum()
    stored = pd.read_parquet(results / f"predictions_{protocol}.parquet")
    stored = stored.query("unit == 'frame' and design == 'loco' and call_id == @call").set_index("time_s")
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds)), stored["p_raw"][log_odds.index], atol=1e-6)
    whole = pd.read_parquet(results / f"predictions_{protocol}.parquet")
    whole = whole.query("unit == 'call' and design == 'loco' and call_id == @call")["p_raw"].iloc[0]
    assert heard.parts["scores"]["call_score"].eq(whole).all()
    markers = {"rms_db", "f2_freq", "roughness", "dom"}
    spreads = {f"{marker} (spread within calls)" for marker in markers}
    assert set(parts["term"]) <= {"start and sex", *markers, *spreads}
    # Everything is in the recording's own time.
    length = len(heard.recording.samples) / heard.recording.sample_rate
    spans = heard.parts["spans"]
    assert ((spans["start_s"] >= 0) & (spans["end_s"] <= length + 1e-9)).all()
    for time in parts["time_s"].unique():
        assert ((spans["start_s"] <= time) & (time <= spans["end_s"])).any()
    middle = heard.envelope["time_s"].to_numpy()
    assert middle[-1] + (middle[1] - middle[0]) / 2 == pytest.approx(length, rel=1e-3)


def test_sound_is_that_of_the_recording(finished):
    import io

    _, results = finished
    heard = listen_to(study_of(results), results, calls_of(results)[0])
    samples, rate = soundfile.read(io.BytesIO(sound_of(heard)))
    assert rate == heard.recording.sample_rate
    np.testing.assert_allclose(samples, heard.recording.samples, atol=1.01 / 32768)


def test_figures_of_calls_are_private_and_named_safely(finished, tmp_path, every_format):
    _, results = finished
    copy = Path(shutil.copytree(results, tmp_path / "results"))
    heard = listen_to(study_of(results), results, calls_of(results)[0])
    with every_format():
        written = draw_call(heard, copy, formats=("png",), dpi=72)
    assert written[0].name == f"listening--{heard.call_id}.png"
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in written)
    assert re.fullmatch(r"script-[0-9a-f]{8}", file_name("<script>")) and file_name("a/../b") != file_name(
        "ab"
    )


def test_what_no_longer_fits_is_refused(finished, tmp_path):
    cohort, results = finished
    moved = Path(shutil.copytree(cohort, tmp_path / "cohort"))
    study = load_study(moved / "study.toml")
    call = calls_of(results)[0]
    with pytest.raises(StudyError, match="has no analysed call 'nobody'"):
        listen_to(study, results, "nobody")
    changed = QUICK.replace("[cohort]", '[cohort]\nmoderator = "none"')
    (moved / "study.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(StudyError, match="no longer give the stored nested scores"):
        listen_to(load_study(moved / "study.toml"), results, call)
    file = moved / pd.read_csv(results / "calls.csv").set_index("call_id").at[call, "file"]
    samples, rate = soundfile.read(file)
    soundfile.write(file, samples * 0.5, rate, subtype="PCM_16")
    with pytest.raises(StudyError, match="is not the one that was analysed"):
        listen_to(study, results, call)
    elsewhere = Path(shutil.copytree(results, tmp_path / "deeper" / "results"))
    with pytest.raises(StudyError, match=r"no longer at .*name it with --study"):
        study_of(elsewhere)


def test_steps_of_another_length_are_refused(boosted):
    cohort, results = boosted
    file = cohort / "other.toml"
    text = (cohort / "study.toml").read_text(encoding="utf-8")
    file.write_text(text.replace("mstop = 15", "mstop = 15\nnu = 0.2"), encoding="utf-8")
    call = calls_of(results)[0]
    assert listen_to(load_study(cohort / "study.toml"), results, call).call_id == call
    with pytest.raises(StudyError, match="no longer give the stored nested scores"):
        listen_to(load_study(file), results, call)


def test_bootstrap_cuts_have_the_mean_that_was_applied(finished):
    _, results = finished
    predictions = pd.read_parquet(results / "predictions_published.parquet")
    cuts = published_cuts(study_of(results), predictions)["threshold"]
    applied = pd.read_csv(results / "thresholds.csv").query("protocol == 'published'")["threshold"].item()
    assert len(cuts) >= 40 and cuts.mean() == pytest.approx(applied, rel=1e-9)
    drawn = pd.read_csv(results / "figures" / "threshold_distribution.draws.csv")
    assert len(drawn) == len(cuts)


def test_what_is_always_available_has_no_effect_of_being_available(boosted):
    _, results = boosted
    effects = pd.read_csv(results / "boost" / "availability_effects.csv")
    frames = pd.read_parquet(results / "frames.parquet")
    assert set(effects["marker"]) <= {marker for marker in ("dom", "rms_db") if frames[marker].isna().any()}


def test_risks_nobody_would_act_on_reach_the_figure(finished):
    _, results = finished
    curve = pd.read_csv(results / "figures" / "decision_curves.csv")
    assert curve["relevant_low"].eq(0.1).all() and curve["relevant_high"].eq(0.4).all()


def test_report_plays_a_call_and_the_copy_tells_nobody(finished, tmp_path):
    cohort, results = finished
    runner = CliRunner()
    missed = missed_calls_of(results) or calls_of(results)[:1]
    words = ["report", results, "--call", missed[0], "--audio", "--out", tmp_path / "r.html"]
    done = runner.invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("<audio") == 1 and "data:audio/flac;base64," in text
    assert "The audit has not been run" in text and "voicerisk audit study.toml" in text

    done = runner.invoke(app, ["share", str(results), "--out", str(tmp_path / "copy"), "--column", "service"])
    assert done.exit_code == 0, done.output
    calls = pd.read_csv(results / "calls.csv", dtype=str)
    manifest = json.loads((results / "manifest.json").read_text(encoding="utf-8"))
    secret = {*calls["call_id"], *calls["caller_id"], *calls["file"], *manifest["recordings"]}
    secret |= {manifest["calls_table"]["sha256"], str(cohort), str(results), "/tmp", "labels/"}
    for path in (tmp_path / "copy").rglob("*"):
        if path.is_file():
            content = path.read_bytes().decode("utf-8")
            told = [one for one in secret if re.search(rf"(?<![\w#]){re.escape(one)}(?!\w)", content)]
            assert not told, (path.name, told)
