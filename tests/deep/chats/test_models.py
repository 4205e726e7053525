from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.deep.chats.bags_of_words import Bags
from tests.text.sessions_of_words import EVERYDAY, OF_CLASS, make_messages
from voicerisk.deep.chats.message_explanations import Background, explain_messages, sessions_to_explain
from voicerisk.deep.chats.models import Lesson, fit_message_model, fit_word_model, load_text_model
from voicerisk.deep.networks.architectures import MessageNetwork, WordNetwork
from voicerisk.errors import ModelError
from voicerisk.text.settings import NetworkSettings
from voicerisk.text.vectors import WordVectors
from voicerisk.validation.metrics.discrimination import auroc

CLASSES = ("NS", "SI", "ASE")
SMALL = NetworkSettings(dense=16, lstm=12, hidden=12, filters=12, dropout=0.1, learning_rate=0.01, epochs=25)
FIT, INNER, TEST = np.arange(90), np.arange(90, 120), np.arange(120, 180)
# Sums in another order: float32 with other padding.
ROUNDING = 1e-5


def sessions(seed=0, planted=0.35):
    grouped = make_messages(180, seed=seed, planted=planted).groupby("session_id")
    return [tuple(part) for _, part in grouped["text"]], grouped["label"].first().to_numpy()


def vectors():
    words = tuple(sorted({*EVERYDAY, *(word for own in OF_CLASS.values() for word in own)}))
    return WordVectors(words, np.stack([Bags().word(word) for word in words]), len(words))


def lesson(labels, seed=3):
    codes = np.array([CLASSES.index(label) for label in labels])
    return Lesson(codes, FIT, INNER, "log_loss", seed)


def fit(kind, texts, labels):
    if kind == "t_mlp":
        return fit_message_model(texts, CLASSES, lesson(labels), Bags(), "bags", SMALL)
    return fit_word_model(texts, CLASSES, lesson(labels), vectors(), 60, SMALL)


@pytest.fixture(scope="module")
def data():
    return sessions()


@pytest.fixture(scope="module", params=["t_mlp", "w2v_mlp"])
def model(request, data):
    return fit(request.param, *data)[0]


def test_a_planted_signal_is_learned(model, data):
    texts, labels = data
    decided = model.logits([texts[k] for k in TEST]).argmax(axis=1)
    assert np.mean(np.array(CLASSES)[decided] == labels[TEST]) > 0.9


def test_permuted_labels_teach_nothing(data):
    texts, labels = data
    shuffled = np.random.default_rng(5).permutation(labels)
    model, _ = fit("t_mlp", texts, shuffled)
    logits = model.logits([texts[k] for k in TEST])
    areas = [auroc((shuffled[TEST] == name).astype(int), logits[:, k]) for k, name in enumerate(CLASSES)]
    # The standard error of one such area is about 0.08, of their mean about 0.05.
    assert abs(np.mean(areas) - 0.5) < 0.15


def test_neither_neighbours_nor_order_nor_padding_matter(model, data):
    texts = [*data[0][:12], (), data[0][0][:1]]
    together = model.logits(texts)
    alone = np.vstack([model.logits([one]) for one in texts])
    np.testing.assert_allclose(together, alone, atol=ROUNDING)
    np.testing.assert_allclose(together, model.logits(texts[::-1])[::-1], atol=ROUNDING)
    assert np.isfinite(together).all()


def test_networks_ignore_what_lies_behind_the_end():
    torch.manual_seed(0)
    vectors = torch.cat([torch.zeros(1, 4), torch.randn(8, 4)])
    message, word = MessageNetwork(5, 3, SMALL).eval(), WordNetwork(vectors, 3, SMALL).eval()
    x, w, n = torch.randn(3, 7, 5), torch.randint(1, 9, (3, 7)), torch.tensor([7, 3, 0])
    other_x, other_w = x.clone(), torch.cat([w.clone(), torch.zeros(3, 4, dtype=torch.long)], dim=1)
    other_x[1, 3:], other_x[2] = 99.0, -99.0
    for row, length in enumerate(n):
        other_w[row, int(length) :] = 0
        w[row, int(length) :] = 0
    torch.testing.assert_close(message(x, n), message(other_x, n))
    torch.testing.assert_close(word(w, n), word(other_w, n))


def test_the_same_seed_gives_the_same_bits(data):
    texts, labels = data
    one, first = fit("t_mlp", texts, labels)
    two, second = fit("t_mlp", texts, labels)
    np.testing.assert_array_equal(one.logits(texts), two.logits(texts))
    assert first.equals(second)


def test_saved_without_pickle_and_read_back(tmp_path, model, data):
    model.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    back = load_text_model(tmp_path, Bags(), "bags", vectors())
    np.testing.assert_array_equal(back.logits(data[0]), model.logits(data[0]))
    if hasattr(model, "encoder"):
        with pytest.raises(ModelError, match="another encoder"):
            load_text_model(tmp_path, Bags(), "other")
    else:
        assert b"tabletten" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
        with pytest.raises(ModelError, match="needs the word vectors of its training"):
            load_text_model(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_text_model(tmp_path, Bags(), "bags", vectors())


def test_a_word_that_training_never_used_is_told_by_its_vector(data):
    texts, labels = list(data[0]), data[1]
    texts = [
        tuple(t.replace("seil", "schule") for t in one) if k in FIT else one for k, one in enumerate(texts)
    ]
    model, _ = fit("w2v_mlp", texts, labels)
    known, other = model.logits([("seil seil seil seil",)]), model.logits([("wort wort wort wort",)])
    assert np.abs(known - other).max() > 1e-3
    # A word without a vector is nothing, wherever it stands.
    np.testing.assert_array_equal(other, model.logits([("zeichen zeichen zeichen zeichen",)]))


def one_message_tells(n=180, seed=4):
    """Return sessions of four messages of which one, at a random place, has the words of the class."""
    rng = np.random.default_rng(seed)
    texts, labels, places = [], [], []
    for number in range(n):
        label = CLASSES[number % 3]
        messages = [" ".join(rng.choice(EVERYDAY, 4)) for _ in range(4)]
        place = int(rng.integers(4))
        if label != "NS":
            messages[place] = " ".join(rng.choice(OF_CLASS[label], 4))
        texts.append(tuple(messages))
        labels.append(label)
        places.append(place)
    return texts, np.array(labels), places


def test_the_planted_message_ranks_first_and_contributions_add_up():
    texts, labels, places = one_message_tells()
    patient = replace(SMALL, epochs=60, patience=25)
    model, _ = fit_message_model(texts, CLASSES, lesson(labels), Bags(), "bags", patient)
    neutral = tuple(text for k in FIT if labels[k] == "NS" for text in texts[k])
    for background in (Background(), Background("background", neutral)):
        first = []
        for k in [k for k in TEST if labels[k] == "ASE"][:10]:
            found = explain_messages(model, texts[k], 20, np.random.default_rng(0), background)
            assert found.gap < 1e-8
            first.append(found.values[:, 2].argmax() == places[k])
            whole = model.logits([texts[k]])[0]
            np.testing.assert_allclose(found.full[2], whole[2] - whole[0], atol=1e-4)
        assert np.mean(first) >= 0.8


def test_sessions_to_explain_are_those_of_highest_risk_in_their_class(model, data):
    texts, labels = [data[0][k] for k in TEST], data[1][TEST]
    chosen = sessions_to_explain(model, texts, labels, 2)
    assert [labels[k] for k in chosen] == ["NS", "NS", "SI", "SI", "ASE", "ASE"]
