"""A study from recordings: the simulated cohort, a call without a frame, and what the command line says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.simulate import simulate
from voicerisk.study import load_study, run_study

QUICK = """
[cohort]
calls = "calls.csv"
outcome = "outcome"
labels = ["caller"]
strata = ["service"]

[biomarkers]
set = ["rms_db", "f2_freq", "roughness", "specSlope"]

[gamm]
k = 4

[boost]
mstop = 15

[validation]
designs = ["loco"]
inner_folds = 3
bootstraps = 40
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "cohort"
    simulate(folder, callers=12, seed=4)
    (folder / "study.toml").write_text(QUICK, encoding="utf-8")
    return folder


def _copy(cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cohort, tmp_path / "cohort"))


def _voicerisk(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voicerisk", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.r
def test_recordings_become_a_validated_model(cohort, tmp_path):
    out = tmp_path / "out"
    done = _voicerisk("run", cohort / "study.toml", "--out", out, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert "leave one caller out" in done.stdout and "never the sole basis" in done.stdout

    frames = pd.read_parquet(out / "frames.parquet")
    segments = pd.read_parquet(out / "segments.parquet")
    flow = pd.read_csv(out / "flow.csv")
    assert len(frames) == segments["n_frames"].sum()
    silence = flow[flow["step"] == "silence"].iloc[0]
    assert silence["remaining"] == len(frames) and silence["n"] == segments["n_silent"].sum()
    # A segment's marker is the mean of its frames.
    own = frames.groupby(["call_id", "segment"])["rms_db"].mean()
    keys = segments.query("n_frames > 0").set_index(["call_id", "segment"])
    np.testing.assert_allclose(keys["rms_db"], own[keys.index], rtol=1e-12)
    # Every frame lies within its span.
    spans = frames.merge(segments[["call_id", "segment", "start_s", "end_s"]], on=["call_id", "segment"])
    assert ((spans["time_s"] > spans["start_s"]) & (spans["time_s"] < spans["end_s"])).all()

    channel = pd.read_csv(out / "channel.csv")
    assert len(channel) == 12 and channel["sha256"].is_unique
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["recordings"] == sorted(set(channel["sha256"]))
    assert manifest["sound"]["decoded_s"] == pytest.approx(channel["duration_s"].sum(), abs=1e-3)
    assert manifest["sound"]["stated_s"] == manifest["sound"]["decoded_s"]
    assert manifest["sound"]["calls_whose_header_states_another_length"] == 0
    text = (out / "manifest.json").read_text()
    assert not any(f'"{call}"' in text for call in channel["call_id"])
    assert str(tmp_path) not in (out / "manifest.json").read_text()

    again = _voicerisk("run", cohort / "study.toml", "--out", out, "--jobs", 2)
    assert again.returncode == 0 and again.stdout.count("unchanged, kept") == 11


@pytest.mark.r
def test_a_call_without_a_frame_is_left_out_counted_and_named(cohort, tmp_path, told):
    folder = _copy(cohort, tmp_path)
    calls = pd.read_csv(folder / "calls.csv")
    extra = calls.iloc[[0]].assign(
        call_id="short", caller_id="caller_short", file="short.wav", labels="short.txt"
    )
    pd.concat([calls, extra]).to_csv(folder / "calls.csv", index=False)
    soundfile.write(folder / "short.wav", np.zeros(8000), 8000, subtype="PCM_16")
    (folder / "short.txt").write_text("0.1\t0.12\tcaller\n")  # 20 ms: shorter than a frame
    reporter, out = told(), tmp_path / "out"
    run_study(load_study(folder / "study.toml"), out, protocols=("published",), reporter=reporter)
    assert any("no frame left after silence removal: see exclusions.csv" in note for note in reporter.notes)
    exclusions = pd.read_csv(out / "exclusions.csv")
    assert exclusions.query("call_id == 'short' and step == 'silence'")["file"].item() == "short.wav"
    assert "short" not in set(pd.read_parquet(out / "predictions_published.parquet")["call_id"])


def _broken(folder: Path) -> None:
    first = pd.read_csv(folder / "calls.csv")["file"][0]
    (folder / first).write_bytes(b"RIFF\x00\x00\x00\x00WAVEjunk")


def _gone(folder: Path) -> None:
    (folder / pd.read_csv(folder / "calls.csv")["file"][1]).unlink()


def _outside(folder: Path) -> None:
    track = folder / pd.read_csv(folder / "calls.csv")["labels"][2]
    track.write_text(track.read_text() + "900.0\t901.0\tcaller\n")


def _no_sex(folder: Path) -> None:
    table = pd.read_csv(folder / "calls.csv")
    table.loc[3, "sex"] = None
    table.to_csv(folder / "calls.csv", index=False)


def _not_a_number(folder: Path) -> None:
    first = pd.read_csv(folder / "calls.csv")["file"][0]
    samples, rate = soundfile.read(folder / first)
    samples[10_000] = np.nan
    soundfile.write(folder / first, samples, rate, subtype="FLOAT")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_broken, r"\.wav"),
        (_gone, r"\.wav"),
        (_outside, r"\.txt.*900"),
        (_no_sex, r"calls\.csv.*row 5.*sex"),
        (_not_a_number, r"\.wav.*NaN"),
    ],
)
def test_the_command_line_says_what_is_wrong_in_one_sentence(cohort, tmp_path, spoil, says):
    folder = _copy(cohort, tmp_path)
    spoil(folder)
    done = _voicerisk("run", folder / "study.toml", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(says, done.stderr.replace("\n", " ")), done.stderr


def test_simulate_refuses_a_folder_in_use_and_help_has_examples(cohort):
    done = _voicerisk("simulate", cohort)
    assert done.returncode == 1 and "empty" in done.stderr
    for command in ("run", "simulate", "doctor"):
        assert "Example" in _voicerisk(command, "--help").stdout


def test_nothing_slow_is_loaded_for_help():
    slow = {"numpy", "pandas", "numba", "sklearn", "matplotlib", "rpy2", "glmnet"}
    code = f"import sys, voicerisk; from voicerisk.cli import app; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
