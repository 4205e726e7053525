"""Terms of a report link to what they mean, once a section, and never inside code or another word."""

import re

import pytest

from voicerisk.report.glossary import PLAIN, Linker, glossary


def test_every_term_has_a_meaning_and_what_is_not_linked_is_a_term():
    assert len(glossary()) > 40
    assert all(meaning.endswith(".") for meaning in glossary().values())
    assert glossary()["family"] == glossary()["member"], "terms that share an entry share its meaning"
    assert set(glossary()) >= PLAIN


def test_the_first_mention_in_each_section_is_linked():
    linked = Linker()
    linked.begin()
    first = str(linked("The AUROC of calls; this AUROC is high."))
    assert first.count('<a class="term" href="#term-auroc" title="The chance that a call') == 1
    assert first.endswith("this AUROC is high.")
    assert "<a" not in str(linked("AUROC again"))
    linked.begin()
    assert "<a" in str(linked("AUROC in the next section"))
    assert [term for _, term, _ in linked.entries()] == ["AUROC"]


@pytest.mark.parametrize("text", ["`AUROC`", "pre-AUROC", "AUROCs", "each call has a score"])
def test_code_parts_of_words_and_everyday_words_are_left_alone(text):
    linked = Linker()
    assert "<a" not in str(linked(text))
    assert not list(linked.entries())


def test_text_stays_text():
    assert str(Linker()("<b>calibration slope</b> & more")).startswith("&lt;b&gt;<a")
    plain = re.sub(r"<[^>]*>", "", str(Linker()("The calibration slope, not the calibration.")))
    assert plain == "The calibration slope, not the calibration."


def test_the_longest_term_wins():
    assert "term-calibration-slope" in str(Linker()("calibration slope"))


def test_a_study_of_chats_explains_in_its_own_units():
    linked = Linker({"call": "session", "caller": "user"})
    said = str(linked("leave one user out"))
    assert "term-leave-one-user-out" in said
    assert not re.search(r"\b[Cc]all(er)?s?\b", said)
