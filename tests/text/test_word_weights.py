"""Weights of words of a TF-IDF model, by hand."""

import sys

import numpy as np
import pytest

from voicerisk.text.probabilities import contrasts
from voicerisk.text.tfidf import TfidfModel
from voicerisk.text.word_weights import weight_table, word_contributions

CLASSES = ("NS", "SI", "ASE")
TERMS = ("allein", "allein heute", "danke", "heute")


def model(shift=0.0):
    coefficients = np.array([[0.0, 0.5, 2.0, 0.1], [1.0, 0.0, -1.0, 0.2], [3.0, 1.0, -2.0, 0.3]]) + shift
    return TfidfModel(
        CLASSES, TERMS, np.array([1.5, 2.0, 1.2, 1.0]), coefficients, np.array([0.1, 0.2, 0.3]), 1.0
    )


def test_words_share_the_logit_exactly_and_need_no_shap(monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)
    session = ("Allein heute", "ganz allein", "danke")
    found = word_contributions(model(), session)
    assert found["word"].tolist() == ["allein", "heute", "ganz", "allein", "danke"]
    assert found["message"].tolist() == [1, 1, 2, 2, 3]
    # Two uses of allein: 1 + log 2, times its idf; the pair stands once, and is shared by its two words.
    x = np.array([(1 + np.log(2)) * 1.5, 2.0, 1.2, 1.0])
    x /= np.sqrt((x**2).sum())
    of_ase = x * (model().coefficients[2] - model().coefficients[0])
    alone, pair, thanks, today = of_ase
    by_hand = [alone / 2 + pair / 2, today + pair / 2, 0.0, alone / 2, thanks]
    np.testing.assert_allclose(found["ASE"], by_hand, atol=1e-12)
    ends = contrasts(model().logits([(), session]))
    np.testing.assert_allclose(found[list(CLASSES)].sum(), ends[1] - ends[0], atol=1e-12)
    assert word_contributions(model(), ()).empty


def test_the_table_gathers_all_models_and_leaves_rare_words_out():
    other = TfidfModel(
        CLASSES, ("allein",), np.array([2.0]), np.array([[0.0], [1.0], [4.0]]), np.zeros(3), 1.0
    )
    sessions = [("allein heute",), ("allein",), ("danke heute",), ("heute", "allein")]
    table, rare = weight_table([model(), other], sessions, ["u1", "u2", "u3", "u3"], 2)
    # danke has one user, and so has the pair; heute has two.
    assert rare == 2
    ase = table[table["class"] == "ASE"].set_index("term")
    assert list(ase.index) == ["allein", "heute"]
    assert ase.loc["allein", ["n_sessions", "n_users", "n_models"]].tolist() == [3, 3, 2]
    assert ase.loc["allein", "mean"] == pytest.approx((3.0 * 1.5 + 4.0 * 2.0) / 2)
    assert ase.loc["allein", "sd"] == pytest.approx(abs(4.5 - 8.0) / np.sqrt(2))
    # The second model does not know the word.
    assert ase.loc["heute", "mean"] == pytest.approx(0.2 / 2)
    assert np.isnan(weight_table([model()], sessions, ["u1", "u2", "u3", "u3"], 2)[0]["sd"]).all()
