import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from tests.text.sessions_of_words import OF_CLASS, make_messages
from voicerisk.errors import ModelError, TextError
from voicerisk.text.probabilities import balanced_log_loss, contrasts
from voicerisk.text.ridge import GRID
from voicerisk.text.splits import oversample, repeated_splits
from voicerisk.text.tfidf import TfidfModel, fit_tfidf, load_tfidf, terms_of

CLASSES = ("NS", "SI", "ASE")


def table_of(n, users, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"user_id": [f"u{k % users}" for k in range(n)], "label": rng.choice(CLASSES, n, p=[0.6, 0.25, 0.15])}
    )


def test_no_user_is_in_two_parts_and_every_session_in_one():
    table = table_of(300, 120)
    for split in repeated_splits(table, CLASSES, 4, 0.25, 0.15, seed=3):
        parts = (split.fit, split.validation, split.test)
        assert sorted(np.concatenate(parts)) == list(range(300))
        users = [set(table["user_id"].iloc[part]) for part in parts]
        assert not (users[0] & users[1] or users[0] & users[2] or users[1] & users[2])
        for part in parts:
            assert set(table["label"].iloc[part]) == set(CLASSES)


def test_classes_keep_their_shares_and_repeats_differ():
    table = table_of(1348, 1348)
    splits = repeated_splits(table, CLASSES, 5, 0.25, 0.15, seed=1)
    for split in splits:
        n = table["label"].iloc[split.test].value_counts()
        assert (abs(n - 0.25 * table["label"].value_counts()) <= 0.5).all()
    assert len({tuple(split.test) for split in splits}) == 5
    again = repeated_splits(table, CLASSES, 5, 0.25, 0.15, seed=1)
    assert all((a.test == b.test).all() for a, b in zip(splits, again, strict=True))


def test_too_few_users_of_a_class_are_named():
    table = pd.DataFrame({"user_id": list("abcde"), "label": ["NS"] * 4 + ["ASE"]})
    with pytest.raises(TextError, match="Class SI has 0 user"):
        repeated_splits(table, CLASSES, 1, 0.25, 0.15, seed=1)


def test_oversampling_balances_and_stays_inside_its_part():
    labels = np.array(["NS"] * 50 + ["SI"] * 20 + ["ASE"] * 10)
    part = np.r_[0:30, 50:60, 70:74]
    rows = oversample(labels, part, np.random.default_rng(0))
    assert set(rows) == set(part)
    assert np.unique(labels[rows], return_counts=True)[1].tolist() == [30, 30, 30]


def sessions(n=90, **more):
    messages = make_messages(n, **more)
    grouped = messages.groupby("session_id")
    return [tuple(part) for _, part in grouped["text"]], grouped["label"].first().to_numpy()


def test_the_baseline_finds_planted_words_and_nothing_of_the_test_part_is_in_its_vocabulary():
    texts, labels = sessions()
    texts[80] = (*texts[80], "geheimwort geheimwort")
    texts[81] = (*texts[81], "geheimwort")
    fit, inner, test = np.arange(60), np.arange(60, 75), np.arange(75, 90)
    model, tried = fit_tfidf(texts, labels, fit, inner, CLASSES)
    assert "geheimwort" not in model.vocabulary
    decided = model.logits([texts[k] for k in test]).argmax(axis=1)
    assert np.mean(np.array(CLASSES)[decided] == labels[test]) > 0.9
    strongest = np.array(model.vocabulary)[np.argsort(-model.coefficients[2])[:5]]
    assert set(strongest) <= set(OF_CLASS["ASE"]) | {t for t in model.vocabulary if " " in t}
    assert min(one["log_loss"] for one in tried) == pytest.approx(
        balanced_log_loss(
            model.logits([texts[k] for k in inner]), np.array([CLASSES.index(x) for x in labels[inner]])
        )
    )


def test_every_penalty_is_solved_to_its_optimum_and_accuracy_chooses_where_asked():
    texts, labels = sessions(planted=0.15)
    codes = np.array([CLASSES.index(label) for label in labels])
    fit, inner = np.arange(60), np.arange(60, 90)
    model, tried = fit_tfidf(texts, labels, fit, inner, CLASSES)
    assert [one["penalty_c"] for one in tried] == list(GRID)
    assert all(one["converged"] for one in tried)
    # At the optimum of a penalised multinomial model fitted values have the classes' totals.
    p = softmax(model.logits([texts[k] for k in fit]), axis=1)
    np.testing.assert_allclose(p.mean(axis=0), np.bincount(codes[fit]) / 60, atol=1e-5)
    chosen = next(one for one in tried if one["penalty_c"] == model.penalty_c)
    assert chosen["log_loss"] == min(one["log_loss"] for one in tried)
    assert GRID[0] < model.penalty_c < GRID[-1]
    by_accuracy, _ = fit_tfidf(texts, labels, fit, inner, CLASSES, "accuracy")
    best = max(tried, key=lambda one: (one["accuracy"], -one["log_loss"]))
    assert by_accuracy.penalty_c == best["penalty_c"]


def test_a_penalty_that_does_not_converge_is_not_chosen(monkeypatch):
    texts, labels = sessions(30)
    monkeypatch.setattr("voicerisk.text.ridge.ITERATIONS", 1)
    with pytest.raises(ModelError, match="converged for no penalty in 1 iterations"):
        fit_tfidf(texts, labels, np.arange(24), np.arange(24, 30), CLASSES)


def test_the_baseline_equals_scikit_learns():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, labels = sessions(30)
    model, _ = fit_tfidf(texts, labels, np.arange(24), np.arange(24, 30), CLASSES)
    oracle = TfidfVectorizer(analyzer=terms_of, min_df=2, sublinear_tf=True).fit(texts[:24])
    assert tuple(sorted(oracle.vocabulary_)) == model.vocabulary
    np.testing.assert_allclose(oracle.idf_, model.idf, rtol=1e-12)
    x = oracle.transform(texts[24:]).toarray()
    # Columns of both are in alphabetical order; only rounding differs.
    np.testing.assert_allclose(
        x @ model.coefficients.T + model.intercepts, model.logits(texts[24:]), atol=1e-12
    )


def test_the_baseline_is_saved_and_read_back(tmp_path):
    texts, labels = sessions(30)
    model, _ = fit_tfidf(texts, labels, np.arange(24), np.arange(24, 30), CLASSES)
    model.save(tmp_path)
    assert (tmp_path / "model.json").stat().st_mode & 0o777 == 0o600
    np.testing.assert_array_equal(load_tfidf(tmp_path).logits(texts), model.logits(texts))
    assert np.isfinite(model.logits([()])).all()
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ModelError, match="not readable"):
        load_tfidf(tmp_path)


def test_two_classes_have_two_opposite_logits():
    texts, labels = sessions(40)
    keep = np.flatnonzero(labels != "SI")
    model, _ = fit_tfidf(
        [texts[k] for k in keep], labels[keep], np.arange(20), np.arange(20, 26), ("NS", "ASE")
    )
    logits = model.logits([texts[k] for k in keep])
    np.testing.assert_allclose(logits.sum(axis=1), 0, atol=1e-12)


def test_contrasts_do_not_depend_on_a_shift_of_all_logits():
    logits = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(contrasts(logits), contrasts(logits + 7.0), atol=1e-12)
    np.testing.assert_allclose(softmax(logits + 700.0, axis=1).sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("idf", [1.0]), ("idf", ["a", "b"]), ("coefficients", [[0.1, 0.2]]), ("coefficients", 7),
        ("intercepts", [0.1, None]), ("classes", 3), ("terms", None), ("penalty_c", []), ("kind", "t_mlp"),
    ],
)  # fmt: skip
def test_a_saved_baseline_whose_parts_do_not_belong_together_is_refused(tmp_path, key, value):
    model = TfidfModel(
        ("NS", "SI"), ("nicht", "mehr"), np.ones(2), np.array([[0.1, 0.2], [0.3, 0.4]]), np.zeros(2), 1.0
    )
    model.save(tmp_path)
    stored = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**stored, key: value}))
    with pytest.raises(ModelError, match=r"model\.json"):
        load_tfidf(tmp_path)
