"""Every message is read by the encoder once, whatever models, runs and settings ask for its vector."""

from collections import Counter

import pandas as pd
import pytest

from tests.deep.tiny_encoders import build_xlm_roberta
from tests.text.sessions_of_words import make_messages
from voicerisk.deep.chats.study import run_text_study
from voicerisk.deep.chats.study_file import load_text_study
from voicerisk.deep.networks.encoders import TextEncoder
from voicerisk.errors import ModelError

STUDY = """
[text]
messages = "messages.csv"
models = ["linear", "t_mlp"]
encoder = "encoder"
repeats = 1
bootstraps = 100

[text.network]
dense = 6
lstm = 4
hidden = 4
epochs = 1
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr("voicerisk.deep.chats.figures_and_tables.write_figures", lambda *args: [])
    messages = make_messages(45)
    messages.to_csv(tmp_path / "messages.csv", index=False)
    build_xlm_roberta(tmp_path / "encoder", list(messages["text"]))
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path / "study.toml"


def test_all_models_and_later_runs_share_the_embeddings(study, monkeypatch):
    read = Counter()
    encode = TextEncoder.encode

    def counted(self, texts):
        read.update(texts)
        return encode(self, texts)

    monkeypatch.setattr(TextEncoder, "encode", counted)
    out = study.parent / "results"
    first = run_text_study(load_text_study(study), out)
    assert set(first.metrics["model"]) == {"linear", "t_mlp"}
    assert set(read) == set(pd.read_csv(study.parent / "messages.csv")["text"])
    assert set(read.values()) == {1}
    # What changes no fit fits nothing again, and nothing is embedded again.
    monkeypatch.setattr("voicerisk.deep.chats.protocol.fit_on_split", lambda *args: pytest.fail("fitted"))
    monkeypatch.setattr("voicerisk.deep.chats.study.learn", lambda *args: pytest.fail("fitted"))
    changed = STUDY.replace("bootstraps = 100", 'bootstraps = 110\ndevice = "auto"')
    study.write_text(changed + "[text.explain]\nmodels = []\n")
    run_text_study(load_text_study(study), out)
    assert set(read.values()) == {1}


def test_a_device_that_is_not_there_is_said_before_anything_is_read(study, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    study.write_text(STUDY.replace("bootstraps", 'device = "gpu"\nbootstraps'))
    with pytest.raises(ModelError, match="torch finds none"):
        run_text_study(load_text_study(study), study.parent / "results")
    assert not (study.parent / "results").exists()
