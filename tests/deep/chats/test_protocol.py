"""What the protocols may look at, found by changing what they must not see."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.deep.chats.bags_of_words import Bags
from tests.text.sessions_of_words import EVERYDAY, OF_CLASS, make_messages
from voicerisk.deep.chats.learning import Pretrained
from voicerisk.deep.chats.notes import notes_of_repeats
from voicerisk.deep.chats.protocol import fit_on_split
from voicerisk.text.linear import session_vectors
from voicerisk.text.sessions import load_text_cohort
from voicerisk.text.settings import NetworkSettings, TextSettings
from voicerisk.text.splits import repeated_splits
from voicerisk.text.vectors import WordVectors
from voicerisk.validation.metrics.discrimination import auroc

MODELS = ("tfidf", "linear", "t_mlp", "w2v_mlp")
SMALL = NetworkSettings(
    dense=12, lstm=8, hidden=8, filters=8, dropout=0.1, learning_rate=0.01, epochs=8, patience=3
)
WORDS = tuple(sorted({*EVERYDAY, *(word for own in OF_CLASS.values() for word in own)}))
SETTINGS = TextSettings(
    messages="messages.csv", models=MODELS, encoder="none", vectors="none", max_words=20, network=SMALL
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    # Every eighth session is a user's second one, of the same class.
    make_messages(120, users=105).to_csv(folder / "messages.csv", index=False)
    return load_text_cohort(SETTINGS, folder)


@pytest.fixture(scope="module")
def split(cohort):
    return repeated_splits(cohort.sessions, cohort.classes, 1, 0.25, 0.2, seed=1)[0]


def pretrained():
    bags = Bags()
    bags.encoder = SimpleNamespace(identity="bags")
    return Pretrained(bags, WordVectors(WORDS, np.stack([bags.word(word) for word in WORDS]), len(WORDS)))


def fit(name, protocol, cohort, split):
    given = replace(pretrained(), sessions=session_vectors(cohort.texts, Bags()))
    return fit_on_split(name, protocol, cohort, split, 0, SETTINGS, given)


def with_other_test_part(cohort, split):
    """Give held-out sessions other words, the class's own ones of another class, and other labels."""
    texts, labels = list(cohort.texts), cohort.sessions["label"].to_numpy(dtype=object).copy()
    for number, k in enumerate(split.test):
        labels[k] = cohort.classes[(cohort.classes.index(labels[k]) + 1) % 3]
        texts[k] = (f"geheim{number % 4} " + " ".join(OF_CLASS["NS"]),) * 3
    return replace(cohort, texts=tuple(texts), sessions=cohort.sessions.assign(label=labels))


@pytest.mark.parametrize("name", MODELS)
def test_nothing_of_the_test_part_changes_what_nested_learns(name, cohort, split):
    own, other = (fit(name, "nested", one, split) for one in (cohort, with_other_test_part(cohort, split)))
    probe = [cohort.texts[k] for k in split.test]
    models = own.learned.model, other.learned.model
    np.testing.assert_array_equal(models[0].logits(probe), models[1].logits(probe))
    pd.testing.assert_frame_equal(own.learned.history, other.learned.history)
    slopes = [one.facts["recalibration_slope"] for one in (own, other)]
    assert slopes[0] == slopes[1]
    assert own.facts["train_and_test_users_shared"] == 0
    assert "geheim1" not in set(getattr(models[1], "vocabulary", ()))


@pytest.mark.parametrize("name", MODELS)
def test_the_test_part_chooses_what_published_stops_on(name, cohort, split):
    own, other = (fit(name, "published", one, split) for one in (cohort, with_other_test_part(cohort, split)))
    own_history, other_history = own.learned.history, other.learned.history
    assert not own_history["accuracy"].equals(other_history["accuracy"])
    best = own_history.loc[own_history["chosen"], "accuracy"].item()
    assert best == own_history["accuracy"].max()
    n = own.predictions.groupby("y")["weight"].sum()
    assert n.nunique() == 1
    assert own.facts["test_rows"] == n.sum() > own.facts["test_sessions"] - 1


@pytest.mark.parametrize("name", ["t_mlp", "w2v_mlp"])
def test_training_is_balanced_by_repeating_training_sessions(name, cohort, split):
    fitted = fit(name, "nested", cohort, split)
    counts = cohort.sessions["label"].iloc[split.fit].value_counts()
    assert fitted.facts["fit_rows"] == 3 * counts.max()
    assert (fitted.predictions["weight"] == 1).all()
    assert sorted(fitted.predictions["call_id"]) == sorted(cohort.sessions["session_id"].iloc[split.test])


@pytest.mark.parametrize("name", MODELS)
def test_permuted_labels_teach_nothing(name, cohort):
    areas = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        # Whole users change their class, so that splits stay what they are.
        users = cohort.sessions.groupby("user_id")["label"].first()
        new = dict(zip(users.index, rng.permutation(users.to_numpy()), strict=True))
        shuffled = replace(cohort, sessions=cohort.sessions.assign(label=cohort.sessions["user_id"].map(new)))
        split = repeated_splits(shuffled.sessions, shuffled.classes, 1, 0.4, 0.2, seed=seed)[0]
        table = fit(name, "nested", shuffled, split).predictions
        areas += [auroc((table["y"] == one).astype(int), table[f"p_raw_{one}"]) for one in cohort.classes]
    # 48 test sessions: the standard error of one area is about 0.08, of the mean of nine about 0.04.
    assert abs(np.mean(areas) - 0.5) < 0.12


def test_what_was_cut_or_chosen_at_an_edge_is_said(cohort, split):
    history = pd.DataFrame({"chosen": [True], "step": [1.0]})
    trained = history.assign(train_loss=0.5)
    words = fit("w2v_mlp", "nested", cohort, split).facts
    longer = sum(sum(len(text.split()) for text in texts) > 20 for texts in cohort.texts)
    assert words["sessions_cut_to_max_words"] == longer > 0
    said = notes_of_repeats("W2V-MLP", "nested", [words], trained, 8)
    assert any("in 1 of 1 repeats epoch 1 or 2 was the best" in note for note in said)
    assert any(note.startswith(f"W2V-MLP, nested: {longer} sessions have more than") for note in said)
    shared = {"train_and_test_users_shared": 0}
    never = [shared | {"never_decided": ["ASE"]}, shared | {"never_decided": []}]
    assert (
        "in 1 of 2 repeats ASE is never the likeliest class"
        in notes_of_repeats("X", "nested", never, history, 8)[0]
    )
    facts = [shared | {"penalty_c": c, "penalty_at_edge": c == 1e5} for c in (1e5, 100.0)]
    said = notes_of_repeats("TF-IDF", "nested", facts, history, 8)
    assert said == [
        "TF-IDF, nested: in 1 of 2 repeats the chosen penalty is the first or last tried (C = 100000)."
    ]
