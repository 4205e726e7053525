"""What multitask learning does where the truth is planted; comparisons, tables, fusion; real calls."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.deep.multitask.small_encoders import build_speech, build_text
from voicerisk.deep.multitask import (
    NetworkSettings,
    SoundSettings,
    compare_models,
    run_experiments,
    simulate_tasks,
    transfer_sentences,
    transfer_table,
)
from voicerisk.deep.multitask.baselines import demographics_only
from voicerisk.deep.multitask.characteristics import count_test
from voicerisk.deep.multitask.comparisons import person_draws
from voicerisk.deep.multitask.folds import make_folds
from voicerisk.deep.multitask.fusion import late_fusion, read_voice_scores
from voicerisk.deep.multitask.results import fold_means
from voicerisk.deep.multitask.sound import load_sound, spectral_gate, trim_edges, windows
from voicerisk.errors import MultitaskError, ValidationError
from voicerisk.models.gamm.p_values import holm
from voicerisk.pipeline.kept_steps import kept_step
from voicerisk.validation.metrics.discrimination import auroc, delong_paired


def compared(relation, network, **more):
    data = simulate_tasks(relation=relation, seed=1, **more)
    found = run_experiments(data.cases, data.features, data.classes, ["W+E"], network, k=3, seed=1)
    pair = [("stl:W+E", "mtl:W+E")]
    return found, transfer_table([compare_models(found[task], pair, 500) for task in found])


def test_a_shared_signal_helps_the_weaker_task():
    network = NetworkSettings(hidden=(16,), epochs=12, batch=16, learning_rate=5e-3)
    found, table = compared("shared", network, n=400, n_features=20, noise=2.0)
    risk = table[table["target"] == "risk"].iloc[0]
    assert risk["lower"] > 0.02
    assert risk["verdict"] == "gain"
    assert any(
        "risk: a gain from multitask learning for 1 of 1 input" in s for s in transfer_sentences(table)
    )
    # The difference is that of the two AUROCs, and the bootstrap agrees with DeLong on its size.
    one, two = (found["risk"].query(f"model == '{name}:W+E'") for name in ("stl", "mtl"))
    y = (one["y"] == "raised").to_numpy().astype(int)
    areas = [auroc(y, rows["p_raw_raised"].to_numpy()) for rows in (one, two)]
    assert risk["difference"] == pytest.approx(areas[1] - areas[0], abs=1e-12)
    z, _ = delong_paired(y, two["p_raw_raised"].to_numpy(), one["p_raw_raised"].to_numpy())
    # 500 resamples give the width of the interval to about 7%.
    assert (risk["upper"] - risk["lower"]) / 3.92 == pytest.approx(risk["difference"] / z, rel=0.2)
    means = fold_means(found["risk"]).set_index(["model", "metric"])
    assert means.loc[("mtl:W+E", "auroc"), "mean"] == pytest.approx(risk["auroc_second"], abs=0.05)
    assert means.loc[("majority", "auroc"), "mean"] == 0.5


def test_tasks_that_compete_for_a_narrow_layer_show_negative_transfer_and_the_words_say_so():
    network = NetworkSettings(hidden=(1,), dropout=0.0, epochs=20, batch=16, learning_rate=1e-2)
    _, table = compared("conflict", network, n=300, n_features=12, noise=0.5)
    assert (table["upper"] < 0).all()
    assert (table["verdict"] == "negative transfer").all()
    assert all(
        "negative transfer (multitask is worse) for 1 of 1 input" in s for s in transfer_sentences(table)
    )


def test_holm_and_refusals():
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, np.nan, 0.03])), [0.06, 0.03, np.nan, 0.06])
    data = simulate_tasks(40, n_features=3)
    small = NetworkSettings(hidden=(3,), epochs=2)
    found = run_experiments(data.cases, data.features, data.classes, ["W"], small, k=2)["risk"]
    with pytest.raises(MultitaskError, match="no model 'mtl:E'"):
        compare_models(found, [("stl:W", "mtl:E")], 100)
    with pytest.raises(MultitaskError, match="not run on the same cases"):
        compare_models(found.drop(index=found.index[0]), [("stl:W", "mtl:W")], 100)
    assert person_draws(found, 10, 1).counts.shape[1] == 40


def test_chi_square_gives_the_p_values_that_the_paper_prints_from_its_counts():
    rng = np.random.default_rng(0)
    # Table 2: occupation .01, sex .99, marriage .001. Table 3: sex .09, occupation .02.
    assert round(count_test(np.array([[64, 13, 33], [33, 17, 40]]), rng)["p_value"], 2) == 0.01
    assert count_test(np.array([[29, 9, 21], [68, 21, 52]]), rng)["p_value"] == pytest.approx(0.99, abs=0.005)
    assert count_test(np.array([[27, 32], [83, 58]]), rng)["p_value"] == pytest.approx(0.09, abs=0.005)
    assert round(count_test(np.array([[69, 41], [41, 49]]), rng)["p_value"], 2) == 0.02
    sparse = count_test(np.array([[36, 20, 27], [61, 9, 39], [0, 1, 7]]), rng)
    assert round(sparse["p_value"], 3) == 0.001
    assert sparse["p_permutation"] < 0.01


def test_demographics_alone_find_what_is_planted_and_nothing_else():
    data = simulate_tasks(200, relation="none", seed=2)
    cases = data.cases.assign(age=np.where(data.cases["risk"] == "raised", 60.0, 30.0))
    cases.loc[::7, "age"] = np.nan
    folds = make_folds(cases, data.classes, 5, 1, 0.15, 1)
    scores = {
        columns: demographics_only("nested", "risk", cases, columns, data.classes, folds)
        for columns in (("age",), ("sex",))
    }
    areas = {
        name: auroc((table["y"] == "raised").to_numpy().astype(int), table["p_raw_raised"].to_numpy())
        for name, table in scores.items()
    }
    assert areas[("age",)] > 0.9
    assert abs(areas[("sex",)] - 0.5) < 0.15  # 4 standard errors at 200 cases


def test_networks_are_fused_with_the_voice_score_at_its_rate_of_false_alarms(tmp_path):
    ids = [f"c{k}" for k in range(8)]
    p = np.array([0.2, 0.7, 0.2, 0.7, 0.2, 0.7, 0.6, 0.1])
    table = pd.DataFrame(
        {
            "protocol": "nested", "model": "mtl:W+E", "target": "risk", "design": "grouped_kfold",
            "repeat": 0, "fold": range(8), "unit": "call", "call_id": ids, "caller_id": ids,
            "segment": np.nan, "frame": np.nan, "time_s": np.nan, "y": ["low", "raised"] * 4,
            "p_raw_low": 1 - p, "p_raw_raised": p, "p_low": 1 - p, "p_raised": p, "threshold": np.nan,
            "weight": 1.0,
        }
    )  # fmt: skip
    voice_p = np.array([0.6, 0.25, 0.2, 0.7, 0.3, 0.8, 0.1, 0.3])
    voice = table.drop(columns=["p_raw_low", "p_raw_raised", "p_low", "p_raised"]).assign(
        model="gamboost", target="outcome", y=[0, 1] * 4, p_raw=voice_p, p=voice_p, threshold=0.5
    )
    voice.iloc[:7].to_parquet(tmp_path / "voice.parquet")
    source = read_voice_scores(tmp_path / "voice.parquet", "nested")
    fused, notes = late_fusion(table, source, 100, 1)
    assert notes == ["voice lacks 1 of 8 calls; only the 7 calls that every source has are fused."]
    assert fused["model"].tolist() == ["voice", "mtl:W+E", "mtl:W+E + voice"]
    # Voice flags one of four without the event, c0, and misses c1. The network flags c6 and finds all three.
    assert fused["false_alarms"].tolist() == [0.25, 0.25, 0.25]
    assert fused[["missed", "rescued"]].iloc[1].tolist() == [1, 1]
    with pytest.raises(ValidationError, match="no call in common"):
        late_fusion(table.assign(call_id=[f"x{k}" for k in range(8)]), source, 100, 1)


def test_edges_are_trimmed_windows_cut_and_steady_noise_turned_down(tmp_path, rng):
    import soundfile

    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    quiet = np.zeros(8000)
    sound = np.concatenate([quiet, tone, quiet, tone, quiet])
    assert len(trim_edges(sound, 16_000)) == pytest.approx(40_000, abs=320)
    np.testing.assert_array_equal(trim_edges(quiet, 16_000), quiet)
    assert [len(w) for w in windows(sound, "multi", 1.0)] == [16_000] * 3
    assert [len(w) for w in windows(np.ones(36_000), "multi", 1.0)] == [16_000] * 2
    assert len(windows(np.ones(500), "multi", 1.0)[0]) == 500
    np.testing.assert_array_equal(windows(np.arange(10.0), "center", 4, rate=1)[0], [3, 4, 5, 6])
    np.testing.assert_array_equal(windows(np.arange(10.0), "head", 4, rate=1)[0], [0, 1, 2, 3])
    noise = 0.01 * rng.normal(size=64_000)
    noisy = noise.copy()
    noisy[24_000:40_000] += tone
    cleaned = spectral_gate(noisy, 16_000)
    assert cleaned[:20_000].std() < 0.5 * noise[:20_000].std()
    assert cleaned[26_000:38_000].std() == pytest.approx(tone.std(), rel=0.1)
    soundfile.write(tmp_path / "a.wav", sound, 16_000, subtype="FLOAT")
    settings = SoundSettings(trim_db=None)
    np.testing.assert_allclose(
        load_sound(tmp_path / "a.wav", settings, lambda x, rate: 2 * x), 2 * sound, atol=1e-6
    )
    with pytest.raises(MultitaskError, match="the denoiser returned"):
        load_sound(tmp_path / "a.wav", settings, lambda x, rate: x[1:])


@pytest.mark.real
@pytest.mark.slow
def test_the_machinery_runs_on_real_recordings(real_data, tmp_path):
    """Real sound, invented words: RAVDESS calls with a simulated transcript; emotion classes stand in.

    The emotion of an actor is neither depression nor risk, and the encoders have random weights: what is
    tested is the machinery.
    """
    from voicerisk.deep.multitask.study import run_multitask
    from voicerisk.deep.multitask.study_file import load_multitask_study

    rng = np.random.default_rng(1)
    calls = pd.read_csv(real_data / "calls.csv")
    calls = calls[calls["caller_id"].isin(sorted(calls["caller_id"].unique())[:8])]
    words = {"neutral": "ich bin ruhig", "happy": "ich bin froh", "distressed": "ich bin traurig"}
    cases = pd.DataFrame(
        {
            "case_id": calls["call_id"], "person_id": calls["caller_id"], "audio": calls["file"],
            "transcript": [f"{words[c]} {rng.choice(['heute', 'nicht', 'und'])}" for c in calls["condition"]],
            "emotion": calls["condition"],
            "distress": np.where(calls["condition"] == "distressed", "distressed", "other"),
            "sex": calls["sex"],
        }
    )  # fmt: skip
    # Files must lie in the folder of the table.
    (tmp_path / "calls").mkdir()
    for file in cases["audio"]:
        (tmp_path / file).write_bytes((real_data / file).read_bytes())
    cases.to_csv(tmp_path / "cases.csv", index=False)
    speech, text = build_speech(tmp_path / "w", "wav2vec2"), build_text(tmp_path / "e", "ernie")
    (tmp_path / "study.toml").write_text(
        f"""
[multitask]
cases = "cases.csv"
demographics = ["sex"]
audio_encoders = {{ W = {json.dumps(str(speech))} }}
text_encoders = {{ E = {json.dumps(str(text))} }}
biomarkers = true
inputs = ["B", "W+E"]
folds = 4
bootstraps = 200
[multitask.severity]
column = "emotion"
classes = ["neutral", "happy", "distressed"]
[multitask.risk]
column = "distress"
classes = ["other", "distressed"]
[multitask.network]
hidden = [16]
learning_rate = 5e-3
"""
    )
    result = run_multitask(load_multitask_study(tmp_path / "study.toml"), tmp_path / "out")
    table = pd.read_parquet(result.folder / "predictions_risk.parquet")
    assert table["caller_id"].nunique() == 8
    # 24 calls of 8 actors: an AUROC has a standard error of about 0.12, so none is asserted here.
    areas = result.metrics.query("metric == 'auroc' and `class` == 'distressed' and model == 'stl:B'")
    assert areas["estimate"].between(0.0, 1.0).all() and len(areas)
    assert (table.groupby("model").size() == 24).all()
    stored = list((result.folder / ".state" / "embeddings").glob("biomarkers-*/*.json"))
    assert len(stored) == 24
    for file in stored:
        markers = kept_step(file)
        assert sum(value is not None for value in markers.values()) == 37  # 36 markers and the version
