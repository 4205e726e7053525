import numpy as np
import pytest

from tests.text.sessions_of_words import make_messages
from voicerisk.deep.chats.word_explanations import SessionMasker, explain_words
from voicerisk.text.tfidf import fit_tfidf

TEXTS = ("Ich kann, nicht mehr!", "heute", "danke für alles")


def test_messages_stay_apart_whatever_is_hidden():
    masker = SessionMasker(TEXTS)
    assert masker.words == ["Ich", "kann", "nicht", "mehr", "heute", "danke", "für", "alles"]
    assert masker.session(True) == TEXTS
    assert masker.session([0, 1, 0, 0, 0, 1, 0, 1]) == ("kann,", "danke alles")
    assert masker.session(np.zeros(8, dtype=bool)) == ()
    (boxed,) = masker(np.ones(8, dtype=bool))
    assert boxed.shape == (1,)
    assert boxed[0] == TEXTS


def test_the_tree_joins_words_to_messages_before_messages():
    tree = SessionMasker(TEXTS).clustering(None)
    assert tree.shape == (7, 4)
    assert tree[-1, 3] == 8
    assert (np.diff(tree[:, 3]) >= -8).all()
    sizes = {8 + k: row[3] for k, row in enumerate(tree)}
    children = {8 + k: {int(row[0]), int(row[1])} for k, row in enumerate(tree)}

    def leaves(node):
        return {node} if node < 8 else set().union(*(leaves(one) for one in children[node]))

    groups = [leaves(node) for node in sizes]
    assert {0, 1, 2, 3} in groups
    assert {5, 6, 7} in groups
    inside = ({0, 1, 2, 3}, {4}, {5, 6, 7})
    for group in groups:
        assert any(group <= one for one in inside) or any(one <= group for one in inside)


class Plain:
    """The same model, not known to be a sum over words: shap asks it about masked sessions."""

    def __init__(self, model):
        self.classes, self.logits = model.classes, model.logits


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Plain, lambda model: model], ids=["through shap", "exactly"])
def test_words_add_up_and_the_planted_ones_come_first(kind):
    grouped = make_messages(60).groupby("session_id")
    texts, labels = [tuple(part) for _, part in grouped["text"]], grouped["label"].first().to_numpy()
    classes = ("NS", "SI", "ASE")
    model, _ = fit_tfidf(texts, labels, np.arange(45), np.arange(45, 60), classes)
    session = ("heute schule mutter", "tabletten und essen", "abend film sterben")
    table, gap = explain_words(kind(model), session, 200)
    assert gap < 1e-8
    assert table["message"].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert set(table.nlargest(2, "ASE")["word"]) == {"tabletten", "sterben"}
