"""Scores of new calls by a saved model, in Python and on the command line, and what cannot be scored."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from voicerisk.cli import app
from voicerisk.errors import VoiceriskError
from voicerisk.models import GamBoost, read_model
from voicerisk.study.saved_model.scoring import score


def frames(n: int = 400, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    call = np.sort(rng.integers(0, 4, n))
    return pd.DataFrame(
        {
            "call_id": [f"call{c}" for c in call],
            "segment": np.arange(n) // 10 % 5,
            "frame": np.arange(n) % 10,
            "time_s": np.arange(n) * 0.02,
            "dom": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "entropy": rng.random(n),
            "sex": np.where(call % 2, "male", "female"),
        }
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    table = frames(600, seed=5)
    rng = np.random.default_rng(2)
    y = (np.nan_to_num(table["dom"]) + 2 * table["entropy"] + rng.normal(size=600) > 1).astype(int)
    path = tmp_path_factory.mktemp("model") / "model.json"
    GamBoost(markers=["dom", "entropy"], mstop=40).fit(table, y).save(path)
    return path


@pytest.fixture
def run(model, tmp_path):
    """Return a function that scores a table by the command line; (result, folder of the scores)."""

    def invoke(table: pd.DataFrame, *options: str, suffix: str = ".parquet", model: object = model):
        source = tmp_path / f"frames{suffix}"
        table.to_parquet(source) if suffix == ".parquet" else table.to_csv(source, index=False)
        out = tmp_path / "scores"
        return CliRunner().invoke(app, ["score", str(model), str(source), "--out", str(out), *options]), out

    return invoke


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_frames_segments_and_calls(run, model, suffix):
    table = frames()
    result, out = run(table, suffix=suffix)
    assert result.exit_code == 0, result.output
    scored = pd.read_csv(out / "frames.csv")
    parts = scored[["base", "dom", "entropy"]].sum(axis=1)
    np.testing.assert_allclose(parts, scored["log_odds"], atol=1e-12)
    np.testing.assert_allclose(scored["p_raw"], 1 / (1 + np.exp(-scored["log_odds"])), atol=1e-12)
    np.testing.assert_allclose(scored["p_raw"], read_model(model).score(table)["p_raw"], atol=1e-12)
    assert (scored.loc[table["dom"].isna(), "dom"] == 0).all()
    for name, keys in (("segments", ["call_id", "segment"]), ("calls", ["call_id"])):
        means = pd.read_csv(out / f"{name}.csv").set_index(keys)
        own = scored.groupby(keys)
        for column in ("p_raw", "log_odds", "base", "dom", "entropy"):
            np.testing.assert_allclose(means[column].sort_index(), own[column].mean(), atol=1e-12)
        assert means["n_frames"].sum() == len(table)
        np.testing.assert_allclose(means[["base", "dom", "entropy"]].sum(axis=1), means["log_odds"])
    calls = pd.read_csv(out / "calls.csv")
    assert (
        f"call0: no decision, since the file holds no cut. Score {calls['p_raw'][0]:.3f}, "
        f"{calls['n_frames'][0]} frames." in result.output
    )
    assert "never the sole basis of a clinical decision" in result.output


def test_values_beyond_the_training_range_are_said_by_call(run):
    table = frames().assign(entropy=lambda t: np.where(t["call_id"] == "call2", 3.0, t["entropy"]))
    result, out = run(table)
    outside = pd.read_csv(out / "outside.csv").set_index(["call_id", "marker"])
    assert outside.loc[("call2", "entropy"), "share"] == 1.0
    assert outside.loc[("call1", "entropy"), "n_outside"] <= 2
    available = table.query("call_id == 'call1'")["dom"].notna().sum()
    assert outside.loc[("call1", "dom"), "n_values"] == available
    after = result.output[result.output.index("call2:") :]
    assert "entropy: 100.0% of values beyond the training range" in after


def test_silent_frames_have_no_row_and_the_sex_may_come_from_the_command(run):
    table = frames().assign(silent=lambda t: np.arange(len(t)) % 4 == 0)
    result, out = run(table)
    assert result.exit_code == 0
    assert len(pd.read_csv(out / "frames.csv")) == 300
    plain, out = run(frames().drop(columns="sex"), "--sex", "F")
    assert plain.exit_code == 0
    women = pd.read_csv(out / "frames.csv")["base"]
    assert women.nunique() == 1


def test_frames_with_a_gap_that_the_model_never_saw_are_left_out_and_counted(run):
    whole, out = run(frames(40))
    before = pd.read_csv(out / "frames.csv")
    table = frames(40)
    table.loc[[0, 7], "entropy"] = np.nan
    result, out = run(table)
    assert whole.exit_code == result.exit_code == 0
    assert "2 of 40 frames were left out" in " ".join(result.output.split())
    assert "(entropy in 2)" in " ".join(result.output.split())
    after = pd.read_csv(out / "frames.csv")
    pd.testing.assert_frame_equal(after, before.drop(index=[0, 7]).reset_index(drop=True))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.drop(columns="entropy"), (), "no column entropy"),
        (lambda t: t.drop(columns="call_id"), (), "no column 'call_id'"),
        (lambda t: t.drop(columns="sex"), (), "does not say which it is; add --sex with female or male"),
        (lambda t: t, ("--sex", "diverse"), "--sex diverse contradicts"),
        (lambda t: t.assign(sex=["x", *t["sex"][1:]]), (), "is x in some rows and female in others"),
        (lambda t: t.assign(entropy=np.nan), (), "Call call0 has no frame that the model can score"),
        (lambda t: t.assign(entropy=[np.inf, *t["entropy"][1:]]), (), "is infinite .row 2: 'inf'."),
        (lambda t: t.assign(entropy="loud"), (), "the column 'entropy' holds text where numbers belong"),
        (lambda t: t.assign(silent=True), (), "holds no frame with speech"),
    ],
)  # fmt: skip
def test_frames_that_cannot_be_scored_say_why(run, change, options, message):
    result, out = run(change(frames(40)), *options)
    assert isinstance(result.exception, VoiceriskError)
    with pytest.raises(VoiceriskError, match=message):
        raise result.exception
    assert not out.exists()


def test_ids_stay_text_in_every_kind_of_table(model, tmp_path):
    table = frames(12).assign(call_id=["001"] * 6 + ["1"] * 6, sex=["female"] * 6 + ["M"] * 6)
    expected = score(model, write_as(table, tmp_path / "f.csv")).calls
    assert expected["call_id"].tolist() == ["001", "1"]
    for name in ("f.CSV", "f.tsv", "f.xlsx", "f.PARQUET"):
        got = score(model, write_as(table, tmp_path / name)).calls
        pd.testing.assert_frame_equal(got, expected, rtol=1e-12)


def write_as(table, path):
    if path.suffix.lower() == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".xlsx":
        table.to_excel(path, index=False)
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def test_the_option_fills_gaps_of_the_sex_and_contradicts_nothing(model, tmp_path):
    table = frames(12).assign(call_id=["a"] * 6 + ["b"] * 6)
    women = score(model, write_as(table.assign(sex="female"), tmp_path / "f.csv")).calls
    gaps = write_as(table.assign(sex=["F"] * 6 + [""] * 6), tmp_path / "gaps.csv")
    pd.testing.assert_frame_equal(score(model, gaps, "female").calls, women)
    with pytest.raises(VoiceriskError, match=r"sex is missing \(row 8: ''"):
        score(model, gaps)
    both = write_as(table.assign(sex=["female"] * 6 + ["male"] * 6), tmp_path / "both.csv")
    with pytest.raises(VoiceriskError, match=r"--sex female contradicts both.csv \(row 8: 'male'"):
        score(model, both, "female")
    mixed = write_as(
        frames(12).assign(call_id="a", sex=["female"] * 6 + ["male"] * 6), tmp_path / "mixed.csv"
    )
    with pytest.raises(VoiceriskError, match="call 'a' is female in some rows and male in others"):
        score(model, mixed)


def test_a_level_that_the_model_does_not_know_gets_the_mean_and_is_named(run, model, tmp_path):
    table = frames(12).assign(call_id=["a"] * 6 + ["b"] * 6)
    women, men = (
        score(model, write_as(table.assign(sex=sex), tmp_path / f"{sex}.csv")) for sex in ("female", "male")
    )
    path = write_as(table.assign(sex=["diverse"] * 6 + ["male"] * 6), tmp_path / "others.csv")
    told = score(model, path)
    mean = (women.calls["log_odds"][0] + men.calls["log_odds"][0]) / 2
    assert told.calls["log_odds"][0] == pytest.approx(mean, abs=1e-12)
    assert told.calls["log_odds"][1] == men.calls["log_odds"][1]
    assert told.calls["beyond_training"].tolist() == [True, bool(men.calls["beyond_training"][1])]
    assert any("does not know the level of 1 call ('diverse' in 1); it knows female, male" in note
               for note in told.notes)  # fmt: skip
    result, _ = run(table.drop(columns="sex"), "--sex", "diverse")
    assert "the level of 2 calls ('diverse' in 2)" in " ".join(result.output.split())
    with pytest.raises(VoiceriskError, match="sex is 'diverse'; it must be one of female, male"):
        read_model(model).score(table.assign(sex="diverse"))


def test_foreign_and_damaged_files_are_refused(run, model, tmp_path):
    foreign = tmp_path / "other.json"
    foreign.write_text('{"format": "xgboost"}')
    result, _ = run(frames(40), model=foreign)
    assert "is not a voicerisk model" in str(result.exception)
    edited = json.loads(model.read_text())
    edited["model"]["member"]["effects"][0]["polynomials"][0][0] += 1e-9
    foreign.write_text(json.dumps(edited))
    result, _ = run(frames(40), model=foreign)
    assert "is damaged or was edited" in str(result.exception)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no table")
    with pytest.raises(VoiceriskError, match="cannot be read as Parquet"):
        score(model, broken)
    with pytest.raises(VoiceriskError, match="is not there"):
        score(model, tmp_path / "gone.csv")
    with pytest.raises(VoiceriskError):
        score(model, tmp_path / "gone.wav", "female")


def test_a_recording_is_analysed_and_scored_as_its_frames_are(tmp_path):
    from scipy.io import wavfile

    from voicerisk.study.extraction.files import extract_files

    rng = np.random.default_rng(1)
    t = np.arange(32000) / 16000
    sound = np.sin(2 * np.pi * 180 * t * (1 + 0.1 * t)) * (0.2 + 0.1 * np.sin(9 * t)) + 0.02 * rng.normal(
        size=32000
    )
    wavfile.write(tmp_path / "one.wav", 16000, (sound * 20000).astype(np.int16))
    extract_files(tmp_path / "one.wav", tmp_path / "f.csv", ("entropy", "f1_freq"), "published", (), None, 1)
    table = pd.read_csv(tmp_path / "f.csv")
    table = table[~table["silent"]].reset_index(drop=True)
    y = (table["entropy"] + rng.normal(size=len(table)) > table["entropy"].mean()).astype(int)
    fitted = GamBoost(markers=["entropy", "f1_freq"], moderator=None, mstop=20).fit(table, y)
    fitted.save(tmp_path / "model.json")
    arguments = [
        "score",
        str(tmp_path / "model.json"),
        str(tmp_path / "one.wav"),
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    scored = pd.read_csv(tmp_path / "out" / "frames.csv")
    assert scored["call_id"].unique().tolist() == ["one"]
    np.testing.assert_allclose(scored["p_raw"], fitted.predict_proba(table)[:, 1], atol=1e-9)
