from pathlib import Path

import pandas as pd
import pytest

from voicerisk.errors import TextError
from voicerisk.text.cleaning import clean_text, word_spans, words_of
from voicerisk.text.coding import code_sessions, consensus, cssrs_to_class, rating_matrix


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Schau www.example.org/x?y=1 mal", "Schau mal"),
        ("HTTPS://EXAMPLE.ORG/a ok", "ok"),
        ("<p>so <b>traurig</b></p><br/>weiter", "so traurig weiter"),
        ("1 < 2 und 3 > 2", "1 2 und 3 2"),
        ("a &amp; b", "a & b"),
        ("Größe, Straße: „ja“ – nein!", "Größe, Straße: „ja“ – nein!"),
        ("u\u0308ber", "über"),
        ("müde 😢👍🏽 ~^|\\ ok", "müde ok"),
        ("  \t\n ", ""),
        ("الحياة صعبة", "الحياة صعبة"),
    ],
)
def test_cleaning(raw, clean):
    assert clean_text(raw) == clean
    assert clean_text(clean) == clean


def test_emoji_stay_where_asked_and_are_words():
    assert clean_text("müde 😢 ok", keep_emoji=True) == "müde 😢 ok"
    assert words_of("müde 😢 ok") == ["müde", "😢", "ok"]


def test_words_keep_apostrophes_and_hyphens_inside():
    text = "Ich kann's nicht, E-Mail? l’été!"
    assert words_of(text) == ["ich", "kann's", "nicht", "e-mail", "l’été"]
    assert [text[a:b] for a, b in word_spans(text)][1] == "kann's"


def test_any_advanced_item_is_ase_and_ideation_alone_is_si():
    assert cssrs_to_class({"wish_dead": False, "plan": False}) == "NS"
    assert cssrs_to_class({"wish_dead": False, "active_thoughts": True}) == "SI"
    for item in ("method", "intent", "plan", "preparation", "attempt"):
        assert cssrs_to_class({item: True}) == "ASE"
        assert cssrs_to_class({"wish_dead": True, item: True}) == "ASE"
    with pytest.raises(TextError, match="unknown item 'wish'"):
        cssrs_to_class({"wish": True})
    with pytest.raises(TextError, match="no item"):
        cssrs_to_class({})


def test_an_empty_answer_is_not_a_no():
    table = pd.DataFrame({"wish_dead": ["yes", "no", "", ""], "plan": ["0", "1", "", "true"]})
    assert code_sessions(table, Path("s.csv")).tolist() == ["SI", "ASE", None, "ASE"]
    with pytest.raises(TextError, match=r"s\.csv, row 2: column plan is empty although"):
        code_sessions(pd.DataFrame({"wish_dead": ["yes"], "plan": [""]}), Path("s.csv"))
    with pytest.raises(TextError, match=r"row 2, column plan: the answer is neither"):
        code_sessions(pd.DataFrame({"plan": ["perhaps"]}), Path("s.csv"))


def test_consensus_needs_more_than_half():
    rows = [("a", 1, "SI"), ("a", 2, "SI"), ("a", 3, "NS"), ("b", 1, "NS"), ("b", 2, "SI"), ("c", 1, "ASE")]
    ratings = pd.DataFrame(rows, columns=["session_id", "rater", "label"])
    agreed = consensus(ratings)
    assert agreed.dropna().to_dict() == {"a": "SI", "c": "ASE"}
    assert agreed.isna().to_dict() == {"a": False, "b": True, "c": False}
    assert rating_matrix(ratings, ("NS", "SI", "ASE")).loc["a"].tolist() == [1, 1, 0]
    with pytest.raises(TextError, match="rated a session more than once"):
        consensus(pd.concat([ratings, ratings.iloc[:1]]))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a<!-- x -->b", "a b"), ("a<!-- x", "a !-- x"), ("<!--><b>c</b>", "!-- c"),
        ("a <!--<b>--> c", "a c"), ("<!-- <!-- --> d -->", "d --"), ("<b <!-- x --> >e", "e"),
        ("&lt;!-- y --&gt;f", "f"),
    ],
)  # fmt: skip
def test_comments_and_tags_leave(text, clean):
    assert clean_text(text) == clean


def test_what_somebody_types_is_cleaned_in_time_that_grows_as_the_text(monkeypatch):
    # Each search for the end of a comment may look at the rest of the text once, not once for each beginning.
    class Counted(str):
        looked = 0

        def find(self, sign, start=0, end=None):
            Counted.looked += 1
            return str.find(self, sign, start)

    from voicerisk.text import cleaning

    cleaning._without_tags(Counted("<!--" * 10_000))
    assert Counted.looked == 2
