import dataclasses
import filecmp
import json
import tomllib

import numpy as np
import pandas as pd
import parselmouth
import pytest
import soundfile

from voicerisk.audio import channel_table
from voicerisk.errors import StudyError
from voicerisk.simulate import simulate
from voicerisk.simulate.cohort import draw_caller
from voicerisk.simulate.truth import EFFECTS


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "study"
    told = []
    truth = simulate(folder, callers=8, seed=11, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 8) for i in range(1, 9)]
    return folder, truth, pd.read_csv(folder / "calls.csv")


def spans(folder, row):
    track = pd.read_csv(folder / row.labels, sep="\t", header=None, names=["start_s", "end_s", "label"])
    return track[track["label"] == "caller"]


def test_the_folder_is_a_study(cohort):
    folder, truth, calls = cohort
    study = tomllib.loads((folder / "study.toml").read_text())
    assert study["cohort"]["calls"] == "calls.csv"
    assert study["cohort"]["labels"] == ["caller"]
    assert list(calls.columns) == [
        "call_id",
        "caller_id",
        "sex",
        "outcome",
        "service",
        "age",
        "file",
        "labels",
    ]
    assert calls.groupby(["sex", "outcome"]).size().tolist() == [2, 2, 2, 2]
    written = json.loads((folder / "truth.json").read_text())
    assert written["markers"] == {m: dict(d) for m, d in truth.markers.items()}
    assert written["null"] is False
    for row in calls.itertuples():
        info = soundfile.info(folder / row.file)
        assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")
        track = pd.read_csv(folder / row.labels, sep="\t", header=None)
        assert (track[0] < track[1]).all()
        assert (track[1].to_numpy()[:-1] <= track[0].to_numpy()[1:]).all()
        assert track[1].max() <= info.duration
        assert set(track[2]) == {"caller", "counsellor"}
        assert 7 < (spans(folder, row)["end_s"] - spans(folder, row)["start_s"]).sum() < 13


def test_it_sounds_like_people_on_the_telephone(cohort):
    folder, _, calls = cohort
    for row in calls.itertuples():
        samples, rate = soundfile.read(folder / row.file)
        sound = parselmouth.Sound(samples, rate)
        low, high = (75, 250) if row.sex == "male" else (120, 400)
        pitch = sound.to_pitch_ac(pitch_floor=low, pitch_ceiling=high)
        formants = sound.to_formant_burg(max_number_of_formants=4, maximum_formant=4000)
        values, tracks = [], []
        for span in spans(folder, row).itertuples():
            inside = (pitch.xs() > span.start_s) & (pitch.xs() < span.end_s)
            values.append(pitch.selected_array["frequency"][inside])
            voiced_times = pitch.xs()[inside][values[-1] > 0]
            tracks += [[formants.get_value_at_time(k, t) for k in (1, 2, 3)] for t in voiced_times[::3]]
        f0 = np.concatenate(values)
        assert 0.4 < (f0 > 0).mean() < 0.75
        lowest, highest = (85, 155) if row.sex == "male" else (155, 260)
        assert lowest < np.median(f0[f0 > 0]) < highest
        f1, f2, f3 = np.nanmedian(np.array(tracks, dtype=float), axis=0)
        assert 400 < f1 < 800
        assert 1300 < f2 < 2100
        assert 2300 < f3 < 3100
        power = np.abs(np.fft.rfft(samples)) ** 2
        frequency = np.fft.rfftfreq(len(samples), 1 / rate)
        outside = power[(frequency < 200) | (frequency > 3700)].sum()
        assert outside < 0.02 * power.sum()


def test_more_callers_leave_the_earlier_ones_as_they_were(cohort, tmp_path):
    folder, _, calls = cohort
    simulate(tmp_path / "more", callers=12, seed=11)
    more = pd.read_csv(tmp_path / "more" / "calls.csv")
    pd.testing.assert_frame_equal(more.iloc[:8], calls)
    for row in calls.itertuples():
        for file in (row.file, row.labels):
            assert filecmp.cmp(folder / file, tmp_path / "more" / file, shallow=False)


def test_another_seed_is_another_cohort(cohort, tmp_path):
    folder, _, calls = cohort
    simulate(tmp_path / "other", callers=4, seed=12)
    assert (tmp_path / "other" / calls["file"][0]).read_bytes() != (folder / calls["file"][0]).read_bytes()


def test_under_the_null_callers_differ_as_much_but_not_by_outcome():
    moved = [draw_caller(i, 5, EFFECTS) for i in range(400)]
    unmoved = [draw_caller(i, 5, ()) for i in range(400)]
    for a, b in zip(moved, unmoved, strict=True):
        assert (a.sex, a.age, a.line, a.service) == (b.sex, b.age, b.line, b.service)
    # Without effects the outcome is independent of sex, too: of 200 positives 100 are women, give or take
    # 3 standard errors of sqrt(1/3) for each block of four.
    positive_women = sum(p.outcome for p in unmoved if p.sex == "female")
    assert sum(p.outcome for p in unmoved) == 200
    assert positive_women != 100 and abs(positive_women - 100) < 3 * np.sqrt(100 / 3)
    for effect in EFFECTS:
        for sex in ("female", "male"):
            for people, moves in ((moved, sex in effect.sexes), (unmoved, False)):
                groups = [
                    np.array(
                        [getattr(p.voice, effect.parameter) for p in people if (p.sex, p.outcome) == (sex, y)]
                    )
                    for y in (0, 1)
                ]
                difference = (groups[1].mean() - groups[0].mean()) / groups[0].std()
                # standard error of the difference of two means of 100: about 0.14 sd
                assert difference > 1 if moves else abs(difference) < 0.6


def test_null_says_so(tmp_path):
    truth = simulate(tmp_path / "null", callers=4, null=True, speech_s=2)
    assert truth.null
    assert truth.effects == ()
    assert truth.markers == {}
    calls = pd.read_csv(tmp_path / "null" / "calls.csv")
    assert calls["outcome"].value_counts().to_dict() == {0: 2, 1: 2}
    assert calls["sex"].value_counts().to_dict() == {"female": 2, "male": 2}


def test_a_caller_may_call_twice(tmp_path):
    simulate(tmp_path / "twice", callers=4, calls_per_caller=2, speech_s=2)
    calls = pd.read_csv(tmp_path / "twice" / "calls.csv")
    assert calls.groupby("caller_id").size().tolist() == [2] * 4
    assert (calls.groupby("caller_id")["outcome"].nunique() == 1).all()
    assert calls["call_id"].is_unique
    first, second = (soundfile.read(tmp_path / "twice" / f)[0] for f in calls["file"][:2])
    assert len(first) != len(second) or not np.array_equal(first, second)


def test_planted_leaks_are_there_to_be_found(tmp_path):
    truth = simulate(tmp_path / "leak", callers=8, speech_s=4, channel_leak=True, order_leak=True, seed=3)
    assert truth.leaks == ("channel", "order")
    calls = pd.read_csv(tmp_path / "leak" / "calls.csv")
    assert calls["outcome"].tolist() == [1] * 4 + [0] * 4
    assert calls["call_id"].is_monotonic_increasing
    rows = pd.DataFrame(
        [
            channel_table(tmp_path / "leak" / r.file, spans(tmp_path / "leak", r), r.call_id)
            for r in calls.itertuples()
        ]
    )
    positive = calls["outcome"] == 1
    assert rows.loc[positive, "noise_floor_dbfs"].min() > rows.loc[~positive, "noise_floor_dbfs"].max()
    assert rows.loc[positive, "bandwidth_hz"].max() < rows.loc[~positive, "bandwidth_hz"].min()
    assert set(calls.loc[positive, "service"]) == {"emergency"}


def test_the_lines_tell_nothing_without_a_leak():
    people = [draw_caller(i, 5, EFFECTS) for i in range(400)]
    for field in ("level_dbfs", "noise_dbfs", "high_hz"):
        means = [np.mean([getattr(p.line, field) for p in people if p.outcome == y]) for y in (0, 1)]
        assert abs(means[1] - means[0]) < 0.6
    assert len({dataclasses.astuple(p.line) for p in people}) == 400


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(StudyError, match=r"full is not empty; name a new folder .* nothing is overwritten"):
        simulate(tmp_path / "full", callers=4)
    with pytest.raises(StudyError, match=r"notes\.txt is a file; name a folder"):
        simulate(tmp_path / "full" / "notes.txt", callers=4)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"callers": 3}, "callers = 3 is too small"),
        ({"seed": -1}, "seed = -1 is too small"),
        ({"calls_per_caller": 0}, "calls_per_caller = 0 is too small"),
        ({"speech_s": 1}, "speech_s = 1 is too small"),
    ],
)
def test_numbers_out_of_range_are_named(tmp_path, keys, message):
    with pytest.raises(StudyError, match=message):
        simulate(tmp_path / "new", **keys)
    assert not (tmp_path / "new").exists()
