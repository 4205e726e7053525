import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import TextError
from voicerisk.text.shapley import shapley_values
from voicerisk.text.vectors import read_vectors, write_vectors
from voicerisk.text.words import category_table, read_lexicons, word_table


def interacting(shown, order):
    """Two outputs: additive, and one with a pair that only works together and a saturation."""
    z = shown.astype(float)
    first = z @ np.arange(1.0, z.shape[1] + 1)
    return np.column_stack([first, np.tanh(first) + 3.0 * z[:, 0] * z[:, 1]])


def test_values_add_up_exactly_or_drawn_and_both_agree():
    exact = shapley_values(interacting, 6, 2, np.random.default_rng(0))
    drawn = shapley_values(interacting, 6, 4000, np.random.default_rng(0), exact=False)
    assert exact.permutations == 0
    assert exact.gap < 1e-8
    assert drawn.gap < 1e-8
    np.testing.assert_allclose(exact.values[:, 0], np.arange(1.0, 7.0), atol=1e-12)
    assert exact.values[0, 1] - exact.values[5, 1] > 1.0
    # Five standard errors: far more than 12 numbers would ever need.
    assert (abs(drawn.values - exact.values) <= 5 * drawn.errors + 1e-12).all()
    assert (drawn.errors[:, 0] < 1e-12).all()
    assert (drawn.errors[:2, 1] > 0).all()


def test_a_background_of_each_order_keeps_the_sum():
    offsets = np.random.default_rng(1).normal(size=20)

    def value(shown, order):
        return (shown @ np.arange(1.0, 5.0) + offsets[order] * (~shown).sum(axis=1))[:, None]

    found = shapley_values(value, 4, 20, np.random.default_rng(0), exact=False)
    assert found.gap < 1e-8
    np.testing.assert_allclose(found.base, 4 * offsets.mean())


def test_odd_orders_and_no_parts_are_refused():
    with pytest.raises(TextError, match="even"):
        shapley_values(interacting, 12, 3, np.random.default_rng(0))
    with pytest.raises(TextError, match="no part"):
        shapley_values(interacting, 0, 2, np.random.default_rng(0))


def contributions():
    rows = [
        ("s1", "u1", "allein", 0.5), ("s2", "u2", "allein", 0.3), ("s3", "u3", "allein", -0.2),
        ("s1", "u1", "jolanda", 2.0), ("s4", "u1", "jolanda", 2.0), ("s5", "u1", "jolanda", 2.0),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["session_id", "user_id", "word", "SI"])


def test_words_of_few_users_are_suppressed_however_often_they_use_them():
    table, gone = word_table(contributions(), ("SI",), 3)
    assert table["word"].tolist() == ["allein"]
    assert table["n_sessions"].tolist() == [3]
    assert table["mean"].iloc[0] == pytest.approx(0.2)
    assert table["mean_absolute"].iloc[0] == pytest.approx(1.0 / 3.0)
    assert gone == {"words": 1, "uses": 3}


def test_categories_of_a_lexicon(tmp_path):
    (tmp_path / "lexicon.csv").write_text("category,word\nisolation,Allein\nabsolutist,immer\n")
    lexicons = read_lexicons(tmp_path / "lexicon.csv")
    table = category_table(contributions(), lexicons, ("SI",)).set_index("category")
    assert table.loc["isolation", "n_uses"] == 3
    assert table.loc["isolation", "per_session"] == pytest.approx(0.2)
    assert table.loc["absolutist", "n_uses"] == 0
    (tmp_path / "bad.csv").write_text("category,word\nisolation,\n")
    with pytest.raises(TextError, match=r"bad\.csv, row 2: word is empty"):
        read_lexicons(tmp_path / "bad.csv")


def test_vectors_are_streamed_and_only_the_words_asked_for_are_kept(tmp_path):
    path = tmp_path / "words.vec"
    with path.open("w") as stream:
        write_vectors(stream, ["mutter", "Schule", "haus"], np.arange(6.0).reshape(3, 2))
    found = read_vectors(path, {"Mutter", "Schule", "fehlt"})
    assert found.words == ("Mutter", "Schule")
    np.testing.assert_array_equal(found.matrix, [[0, 1], [2, 3]])
    assert found.coverage == pytest.approx(2 / 3)
    with pytest.raises(TextError, match="none of the 1 words"):
        read_vectors(path, {"fehlt"})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("mutter 1 2\n", "line 1: expected"), ("1 2\nmutter 1\n", "line 2: expected a word and 2"),
        ("1 2\nmutter 1 x\n", "line 2"), ("1 2\nmutter 1 nan\n", "line 2"),
    ],
)  # fmt: skip
def test_broken_vector_files_are_named_by_line(tmp_path, content, says):
    (tmp_path / "bad.vec").write_text(content)
    with pytest.raises(TextError, match=says):
        read_vectors(tmp_path / "bad.vec", {"mutter"})
