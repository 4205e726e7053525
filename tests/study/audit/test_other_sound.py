"""Controls on sound and facts that no model is given: what is planted there is found, and named."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from voicerisk.audio import AudioSettings
from voicerisk.cohort import CohortSettings, load_cohort
from voicerisk.study.audit.other_sound import (
    OTHER_VOICE,
    SILENCE,
    lengths,
    moments,
    other_sound,
    outside,
)
from voicerisk.validation import ValidationSettings, negative_controls
from voicerisk.validation.audit.control_findings import control_findings
from voicerisk.validation.audit.controls import Alone, BesideMarkers
from voicerisk.validation.protocols.ridge import ridge_paths

RATE = 8000
MARKERS = ("rms_db", "entropy", "quartile50")
CALLERS = 20


def _call(rng, hum: float, tone_hz: float, channels: int = 1) -> np.ndarray:
    """Return 3 s: the caller's noise from 0.5 to 1.5 s, somebody's tone from 2 to 2.5 s, a line's noise."""
    t = np.arange(3 * RATE) / RATE
    sound = 0.002 * rng.normal(size=t.size) + hum * np.sin(2 * np.pi * 120 * t)
    caller = (t >= 0.5) & (t < 1.5)
    sound[caller] = 0.2 * rng.normal(size=caller.sum())
    other = (t >= 2.0) & (t < 2.5)
    sound[other] += 0.2 * np.sin(2 * np.pi * tone_hz * t[other])
    if channels == 1:
        return sound
    beside = 0.002 * rng.normal(size=t.size)
    beside[caller] += 0.2 * np.sin(2 * np.pi * 700 * t[caller])
    return np.column_stack([sound, beside])


def _cohort(folder, hum=(0.0, 0.0), tone=(500.0, 500.0), channels=1, n=CALLERS):
    rng = np.random.default_rng(3)
    y = np.arange(n) % 2
    rows = pd.DataFrame({"call_id": [f"c{i:02d}" for i in range(n)]})
    rows["caller_id"] = rows["call_id"]
    rows["sex"], rows["outcome"] = np.where(np.arange(n) % 4 < 2, "F", "M"), y
    rows["file"], rows["labels"] = rows["call_id"] + ".wav", "track.txt"
    rows["called"] = [f"2024-03-{1 + i:02d}T{10 + 3 * v:02d}:00" for i, v in enumerate(y)]
    for name, v in zip(rows["file"], y, strict=True):
        pitch = tone[v] * rng.uniform(0.9, 1.1)
        soundfile.write(folder / name, _call(rng, hum[v] * rng.uniform(0.8, 1.2), pitch, channels), RATE)
    rows.to_csv(folder / "calls.csv", index=False)
    (folder / "track.txt").write_text("0.5\t1.5\tcaller\n2.0\t2.5\tcounsellor\n")
    return load_cohort(CohortSettings(calls="calls.csv", labels=("caller",)), folder)


def _controls(cohort, others):
    calls = cohort.calls[["call_id", "caller_id"]].assign(y=cohort.calls["outcome"], n_frames=10)
    blind = calls.assign(x=np.random.default_rng(0).normal(size=len(calls)))
    settings = ValidationSettings(designs=["grouped_kfold"], repeats=1, inner_folds=3, bootstraps=50)
    found = negative_controls(
        calls, lambda part: ridge_paths(blind, ["x"]), settings, BesideMarkers(others=others)
    )
    return found.set_index("control"), {one.mechanism: one for one in control_findings(found)}


def _alone(kind, table):
    columns = table[table["kind"] == kind].drop(columns=["kind", "n_frames"])
    return Alone(kind, kind, "0.5", columns)


def test_what_lies_outside_is_apart_from_every_span_and_bounded():
    spans = pd.DataFrame({"start_s": [5.0, 1.0, 9.95], "end_s": [9.8, 4.0, 20.0]})
    assert outside(spans, 0.0, 30.0) == [(0.0, 0.9), (4.1, 4.9), (20.1, 30.0)]
    # Overlapping spans, and a call that ends with its speech.
    assert outside(pd.DataFrame({"start_s": [0.0, 1.0], "end_s": [6.0, 2.0]}), 0.0, 6.0) == []
    long = outside(pd.DataFrame({"start_s": [100.0], "end_s": [101.0]}), 0.0, 900.0)
    assert sum(b - a for a, b in long) == pytest.approx(120.0) and long[0] == (0.0, 99.9)


def test_a_line_that_differs_by_class_is_found_in_silence_and_a_clean_one_is_not(tmp_path):
    audio = AudioSettings()
    planted, clean = tmp_path / "planted", tmp_path / "clean"
    for folder, hum in ((planted, (0.001, 0.02)), (clean, (0.005, 0.005))):
        folder.mkdir()
        cohort = _cohort(folder, hum=hum)
        table = other_sound(cohort, audio, MARKERS, "published")
        assert set(table["kind"]) == {SILENCE, OTHER_VOICE} and table["n_frames"].min() >= 10
        rows, found = _controls(cohort, [_alone(SILENCE, table)])
        if folder == planted:
            assert rows.loc[SILENCE, "auroc"] > 0.9 and found["silence_alone"].severity == "bias"
        else:
            assert rows.loc[SILENCE, "lower"] < 0.5 and "silence_alone" not in found


def test_another_voice_that_differs_by_class_is_found_and_is_not_taken_for_silence(tmp_path):
    cohort = _cohort(tmp_path, tone=(400.0, 1200.0))
    table = other_sound(cohort, AudioSettings(), MARKERS, "published")
    rows, found = _controls(cohort, [_alone(SILENCE, table), _alone(OTHER_VOICE, table)])
    assert rows.loc[OTHER_VOICE, "auroc"] > 0.9 and found["other_voice_alone"].severity == "note"
    assert "silence_alone" not in found
    # The caller's own sound enters neither: with other speech of the caller nothing changes.
    for name in cohort.calls["file"]:
        sound, rate = soundfile.read(tmp_path / name)
        sound[int(0.5 * rate) : int(1.5 * rate)] *= 0.1
        soundfile.write(tmp_path / name, sound, rate)
    quiet = other_sound(cohort, AudioSettings(), MARKERS, "published")
    pd.testing.assert_frame_equal(quiet, table, rtol=1e-9)


def test_the_other_channel_of_two_is_the_other_voice(tmp_path):
    cohort = _cohort(tmp_path, channels=2, n=4)
    table = other_sound(cohort, AudioSettings(channel=1), MARKERS, "published").set_index("kind")
    # One second of tone in the other channel, at 700 Hz.
    heard = table.loc[OTHER_VOICE]
    assert heard["n_frames"].between(45, 55).all()
    assert heard["quartile50"].between(600.0, 800.0).all()


def test_lengths_and_moments_that_tell_the_outcome_are_named(tmp_path):
    cohort = _cohort(tmp_path)
    long = lengths(cohort, pd.Series(3.0, index=cohort.calls["call_id"]))
    assert long["log seconds of speech"].to_numpy() == pytest.approx(0.0)
    assert long["share of speech"].to_numpy() == pytest.approx(1 / 3)
    when = moments(cohort.calls)
    assert list(when.columns[1:]) == ["called (days)", "called (hour, sine)", "called (hour, cosine)"]
    noisy = long.assign(**{"log seconds of speech": cohort.calls["outcome"] + np.linspace(0, 0.3, CALLERS)})
    rows, found = _controls(cohort, [Alone("lengths", "", "", noisy), Alone("moments", "", "", when)])
    assert rows.loc["lengths", "auroc"] > 0.9 and found["lengths_alone"].severity == "note"
    assert found["moments_alone"].severity == "bias"


def test_a_control_without_values_says_so(tmp_path):
    cohort = _cohort(tmp_path, n=8)
    few = Alone(SILENCE, "silence", "0.5", pd.DataFrame({"call_id": ["c00"], "rms_db": [1.0]}))
    rows, found = _controls(cohort, [few])
    assert np.isnan(rows.loc[SILENCE, "auroc"]) and "1 of 8 calls" in rows.loc[SILENCE, "note"]
    assert "silence_alone" not in found
