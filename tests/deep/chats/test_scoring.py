"""A model that leaves gives the risks that were reported, and needs what it was trained with."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.deep.chats.bags_of_words import Bags
from tests.deep.tiny_encoders import build_xlm_roberta
from tests.text.sessions_of_words import EVERYDAY, OF_CLASS, make_messages
from voicerisk.callers.provenance import leaks
from voicerisk.cli import app
from voicerisk.deep.chats.procedure import load_procedure
from voicerisk.deep.chats.scoring import Given, score_sessions, validate_sessions
from voicerisk.deep.chats.study import run_text_study
from voicerisk.deep.chats.study_file import load_text_study
from voicerisk.errors import ModelError, TextError
from voicerisk.text.vectors import write_vectors

CLASSES = ("NS", "SI", "ASE")
WORDS = [*EVERYDAY, *(word for own in OF_CLASS.values() for word in own)]
STUDY = """
[text]
messages = "messages.csv"
models = ["tfidf", "linear", "t_mlp", "w2v_mlp"]
encoder = "encoder"
embeddings = "embeddings.csv"
vectors = "words.vec"
scores = { llm = "llm.csv" }
repeats = 1
bootstraps = 100

[text.network]
dense = 8
lstm = 6
hidden = 6
filters = 6
epochs = 3
"""


def scores_of(ids, labels, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.array([[label == name for name in CLASSES] for label in labels])
    score = rng.dirichlet(np.ones(3), len(ids)) * 0.6 + 0.4 * truth
    return pd.DataFrame({"session_id": ids, **{name: score[:, k] for k, name in enumerate(CLASSES)}})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaving")
    messages = make_messages(75, users=66)
    messages.to_csv(folder / "messages.csv", index=False)
    build_xlm_roberta(folder / "encoder", list(messages["text"]))
    with (folder / "words.vec").open("w") as stream:
        write_vectors(stream, WORDS, np.stack([Bags().word(word) for word in WORDS]))
    vectors = pd.DataFrame(Bags().embed(list(messages["text"]))).add_prefix("e")
    # One row a message: those of a session are averaged.
    vectors.insert(0, "session_id", messages["session_id"])
    vectors.to_csv(folder / "embeddings.csv", index=False)
    labels = messages.groupby("session_id")["label"].first()
    scores_of(list(labels.index), labels).to_csv(folder / "llm.csv", index=False)
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


@pytest.fixture(scope="module")
def results(study):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voicerisk.deep.chats.figures_and_tables.write_figures", lambda *args: [])
        return run_text_study(load_text_study(study), study.parent / "results")


def given(study, name):
    folder = study.parent
    return {
        "tfidf": Given(), "linear": Given(table=folder / "embeddings.csv"),
        "t_mlp": Given(encoder=folder / "encoder"), "w2v_mlp": Given(vectors=folder / "words.vec"),
        "llm": Given(table=folder / "llm.csv"),
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", ["tfidf", "linear", "t_mlp", "w2v_mlp", "llm"])
def test_a_saved_model_gives_the_risks_that_were_reported(study, results, name):
    table = pd.read_parquet(results.folder / "predictions_nested.parquet")
    own = table[table["model"] == name].set_index("call_id")
    folder = results.folder / "models" / "nested" / name / "repeat_0"
    found = score_sessions(folder, study.parent / "messages.csv", given(study, name)).sessions
    found = found.set_index("session_id").loc[own.index]
    for column in [f"{kind}_{one}" for kind in ("p_raw", "p") for one in CLASSES]:
        # Networks pad with other neighbours here: float32 sums in another order.
        np.testing.assert_allclose(found[column], own[column], atol=1e-5 if "mlp" in name else 1e-12)
    final = results.folder / "models" / "final" / name
    assert {path.suffix for path in final.iterdir()} <= {".json", ".safetensors"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in final.iterdir())
    assert load_procedure(final).learned_from == {"sessions": 75, "users": 66}


def test_the_model_that_leaves_is_the_nested_recipe_on_all_sessions(study, results):
    final = results.folder / "models" / "final" / "linear"
    found = score_sessions(final, study.parent / "messages.csv", given(study, "linear"))
    labels = pd.read_csv(study.parent / "messages.csv").groupby("session_id")["label"].first()
    assert (found.sessions.set_index("session_id")["likeliest"] == labels).mean() > 0.9
    seen = json.loads((final / "provenance.json").read_text())["seen"]
    assert all(one.get("all_but") == [] for one in seen.values())
    provenance = json.loads((results.folder / "provenance.json").read_text())
    assert leaks(provenance["nested"]) == []
    recalibration = json.loads((final / "procedure.json").read_text())["recalibration"]
    # Learned on users left out in turn: on the training scores themselves the slope would be far above.
    assert 0.3 < recalibration["slope"] < 3


def test_another_prevalence_moves_risks_by_bayes_rule(study, results):
    folder = results.folder / "models" / "final" / "tfidf"
    messages = study.parent / "messages.csv"
    before = score_sessions(folder, messages)
    shares = {"NS": 0.9, "SI": 0.07, "ASE": 0.03}
    after = score_sessions(folder, messages, prevalence=shares).sessions
    own = before.procedure.shares
    odds = before.sessions["p_ASE"] / before.sessions["p_NS"] * (0.03 / own["ASE"]) / (0.9 / own["NS"])
    np.testing.assert_allclose(after["p_ASE"] / after["p_NS"], odds, rtol=1e-9)
    with pytest.raises(ModelError, match="each a share above 0, together 1"):
        score_sessions(folder, messages, prevalence={"NS": 0.9, "SI": 0.3, "ASE": 0.03})


def test_what_a_model_needs_is_asked_for_and_another_one_is_refused(study, results, tmp_path):
    models, messages = results.folder / "models" / "final", study.parent / "messages.csv"
    for name, option in (("linear", "table"), ("t_mlp", "encoder"), ("w2v_mlp", "vectors"), ("llm", "table")):
        with pytest.raises(ModelError, match=f"--{option} PATH"):
            score_sessions(models / name, messages)
    (tmp_path / "other.vec").write_text((study.parent / "words.vec").read_text() + "neu" + " 0.1" * 24 + "\n")
    with pytest.raises(ModelError, match="not the file of word vectors"):
        score_sessions(models / "w2v_mlp", messages, Given(vectors=tmp_path / "other.vec"))
    other = build_xlm_roberta(tmp_path / "other", seed=3)
    with pytest.raises(ModelError, match="another encoder"):
        score_sessions(models / "t_mlp", messages, Given(encoder=other))
    with pytest.raises(ModelError, match=r"holds no procedure\.json"):
        score_sessions(tmp_path, messages)
    (tmp_path / "procedure.json").write_text('{"format": 1}')
    with pytest.raises(ModelError, match="not readable"):
        score_sessions(tmp_path, messages)


def test_sessions_like_none_of_the_study_are_not_scored(study, results, tmp_path):
    rows = pd.DataFrame(
        {
            "session_id": ["a", "b", "c"], "age": [16, 12, 17], "time": 1,
            "text": ["tabletten sterben", "allein traurig", "http://nur.ein/link"],
        }
    )  # fmt: skip
    rows.to_csv(tmp_path / "new.csv", index=False)
    found = score_sessions(results.folder / "models" / "final" / "tfidf", tmp_path / "new.csv").sessions
    assert found["left_out"].tolist() == ["", "younger than 14", "fewer than 1 messages with words"]
    assert found["p_ASE"].notna().tolist() == [True, False, False]
    np.testing.assert_allclose(found.loc[0, ["p_NS", "p_SI", "p_ASE"]].sum(), 1.0)


def test_validation_on_another_study_learns_nothing_and_says_how_risks_fit(study, results, tmp_path):
    other = make_messages(60, seed=9)
    other.to_csv(tmp_path / "plain.csv", index=False)
    other.rename(columns={"text": "body"}).to_csv(tmp_path / "other.csv", index=False)
    (tmp_path / "study.toml").write_text(
        '[text]\nmessages = "other.csv"\ntext = "body"\nmax_messages = 2\nbootstraps = 100\n'
    )
    folder = results.folder / "models" / "final" / "tfidf"
    before = (folder / "model.json").read_bytes()
    command = ["text", "validate", str(folder), str(tmp_path / "study.toml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "tabletten" not in done.output
    table = pd.read_parquet(tmp_path / "out" / "predictions_external.parquet")
    assert set(table["design"]) == {"external"} and len(table) == 60
    metrics = pd.read_csv(tmp_path / "out" / "metrics.csv")
    macro = metrics[(metrics["class"] == "macro") & (metrics["metric"] == "auroc")]
    assert macro["estimate"].iloc[0] > 0.9
    # Messages are cut as in the model's study, not as the new one would.
    own = score_sessions(folder, tmp_path / "plain.csv").sessions
    np.testing.assert_allclose(table["p_ASE"], own["p_ASE"], atol=1e-12)
    assert (folder / "model.json").read_bytes() == before
    (tmp_path / "study.toml").write_text(
        '[text]\nmessages = "other.csv"\ntext = "body"\nclasses = ["NS", "SI"]\n'
    )
    with pytest.raises(TextError, match="the model knows NS, SI, ASE"):
        validate_sessions(folder, load_text_study(tmp_path / "study.toml"), tmp_path / "o")


def test_the_command_scores_and_prints_no_word(study, results, tmp_path):
    folder = results.folder / "models" / "final" / "tfidf"
    command = ["text", "score", str(folder), str(study.parent / "messages.csv"), "--out", str(tmp_path)]
    done = CliRunner().invoke(
        app, [*command, *(f"--prevalence={one}" for one in ("NS=0.9", "SI=0.07", "ASE=0.03"))]
    )
    assert done.exit_code == 0, done.output
    assert "likeliest in" in done.output and "tabletten" not in done.output
    written = tmp_path / "sessions.csv"
    assert written.stat().st_mode & 0o777 == 0o600
    assert len(pd.read_csv(written)) == 75
    wrong = CliRunner().invoke(app, [*command, "--prevalence", "NS"])
    assert wrong.exit_code != 0
