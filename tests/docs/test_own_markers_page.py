"""docs/howto/own_markers.md: its programs are run, and what they write is read as a study reads it."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.cohort import CohortSettings, load_cohort
from voicerisk.study.extraction.calls import read_marker_table

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "own_markers.md"
RATE = 16_000


def block(kind: str, holds: str = "") -> str:
    found = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (one,) = [text for text in found if holds in text]
    return one


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four calls of a buzz from 0.5 to 1 s in 1.5 s of noise; the label goes from 0.4 to 1.2 s."""
    rng = np.random.default_rng(1)
    time = np.arange(int(1.5 * RATE)) / RATE
    for n in range(4):
        buzz = sum(np.sin(2 * np.pi * k * (120 + 20 * n) * time) / k for k in range(1, 12))
        sound = 0.2 * buzz * ((time > 0.5) & (time < 1.0)) + 1e-3 * rng.normal(size=time.size)
        soundfile.write(tmp_path / f"{n}.wav", sound, RATE)
        (tmp_path / f"{n}.txt").write_text("0.4\t1.2\tcaller\n")
    rows = [f"00{n},p{n},F,{n}.wav,{n % 2},{n}.txt" for n in range(4)]
    (tmp_path / "calls.csv").write_text("\n".join(["call_id,caller_id,sex,file,outcome,labels", *rows]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, name: str):
    return read_marker_table(folder / name, load_cohort(CohortSettings(calls="calls.csv"), folder))


def check(found, pitch: str, hertz) -> None:
    """Frames lie in the span, four calls alike, and pitch is known in the buzz only and right there."""
    frames = found.frames
    assert frames.groupby("call_id").size().index.tolist() == ["000", "001", "002", "003"]
    assert frames["time_s"].between(0.4, 1.2).all() and found.counts["n"].sum() > 0
    inside = frames["time_s"].between(0.6, 0.9)
    assert frames.loc[inside, pitch].notna().all()
    assert frames.loc[(frames["time_s"] < 0.43) | (frames["time_s"] > 1.1), pitch].isna().mean() > 0.8
    medians = hertz(frames[inside].groupby("call_id")[pitch].median().to_numpy())
    np.testing.assert_allclose(medians, [120, 140, 160, 180], rtol=0.03)  # the step of openSMILE's pitch


def test_opensmile(folder):
    pytest.importorskip("opensmile", reason="opensmile is not installed")
    exec(compile(block("python", "opensmile"), str(PAGE), "exec"), {})
    found = read(folder, "egemaps.parquet")
    assert len(found.markers) == 25 and "slope0-500_sma3" in found.markers
    assert not (found.frames["F1amplitudeLogRelF0_sma3nz"] == -201).any()
    check(found, "F0semitoneFrom27.5Hz_sma3nz", lambda semitones: 27.5 * 2 ** (semitones / 12))


def test_praat(folder):
    pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    (folder / "markers.praat").write_text(block("praat"))
    exec(compile(block("python", "parselmouth"), str(PAGE), "exec"), {})
    found = read(folder, "praat.csv")
    assert found.markers == ("f0_hz", "intensity_db")
    check(found, "f0_hz", lambda hertz: hertz)


@pytest.mark.r
def test_the_lines_around_soundgen(folder):
    stand_in = """
library <- function(...) NULL
analyze <- function(file, ...) list(detailed = data.frame(
  file = file, duration = 1.5, duration_noSilence = 1, time = seq(20, 1480, 20),
  pitch = ifelse(seq(20, 1480, 20) > 500, 120, NA), "quartile50" = 300, voiced = TRUE))
"""
    (folder / "run.R").write_text(stand_in + block("r"))
    subprocess.run(["Rscript", "run.R"], cwd=folder, check=True, capture_output=True)
    assert pd.read_csv(folder / "soundgen.csv", dtype=str)["call_id"].iloc[0] == "000"
    found = read(folder, "soundgen.csv")
    assert found.markers == ("pitch", "quartile50")
    assert found.frames["time_s"].between(0.4, 1.2).all() and len(found.frames) == 4 * 40
    np.testing.assert_array_equal(found.frames["pitch"].isna(), found.frames["time_s"] <= 0.5)


def test_the_study_file_of_the_page_names_a_table_that_the_page_writes():
    assert 'frames = "egemaps.parquet"' in block("toml") and '"egemaps.parquet"' in block(
        "python", "opensmile"
    )
