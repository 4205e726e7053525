"""Sessions chosen for explanation: who is chosen, by which repeat, and what the pages say."""

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.text.sessions_of_words import OF_CLASS, make_messages
from voicerisk.cli import app
from voicerisk.deep.chats.chosen import Wanted, choose, explain_chosen
from voicerisk.deep.chats.study import run_text_study
from voicerisk.deep.chats.study_file import load_text_study
from voicerisk.errors import TextError
from voicerisk.report import write_report

CLASSES = ("NS", "SI", "ASE")
STUDY = """
[text]
messages = "messages.csv"
models = ["tfidf"]
ratings = "ratings.csv"
repeats = 2
bootstraps = 100
"""


def predictions():
    """Return who was rated and taken for what, how surely, in which repeats."""
    rows = [
        ("a", 0, "ASE", "NS", 0.6), ("b", 0, "SI", "NS", 0.9), ("c", 0, "NS", "SI", 0.7),
        ("d", 0, "SI", "ASE", 0.8), ("e", 1, "NS", "ASE", 0.9),
        ("b", 1, "SI", "SI", 0.9), ("f", 1, "NS", "NS", 0.5),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["call_id", "repeat", "y", "taken", "sure"])
    for name in CLASSES:
        p = np.where(table["taken"] == name, table["sure"], (1 - table["sure"]) / 2)
        table[f"p_raw_{name}"], table[f"p_{name}"] = p, p
    return table.drop(columns=["taken", "sure"])


def test_misses_and_false_alarms_are_those_of_the_first_repeat_that_held_out_surest_first():
    chosen, notes = choose(predictions(), Wanted(misses=True))
    # b was missed more surely than a; that another repeat found b does not count twice.
    assert chosen == [("b", 0), ("a", 0)]
    assert notes == [
        "2 of 3 held-out sessions of another class than NS were taken for it; 2 of them are explained."
    ]
    assert choose(predictions(), Wanted(false_alarms=True))[0] == [("e", 1), ("c", 0)]
    both, _ = choose(predictions(), Wanted(("f", "a"), misses=True, false_alarms=True, most=1))
    assert both == [("f", 1), ("a", 0), ("b", 0), ("e", 1)]
    with pytest.raises(TextError, match="Session 'z' is in no test part"):
        choose(predictions(), Wanted(("z",)))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chosen")
    messages = make_messages(60, planted=0.06)
    messages.drop(columns="label").to_csv(folder / "messages.csv", index=False)
    agreed = messages.drop_duplicates("session_id")[["session_id", "label"]]
    # One of three raters takes every tenth session for NS.
    other = agreed.assign(label=agreed["label"].where(np.arange(len(agreed)) % 10 > 0, "NS"))
    raters = [table.assign(rater=name) for name, table in (("a", agreed), ("b", agreed), ("c", other))]
    pd.concat(raters).to_csv(folder / "ratings.csv", index=False)
    (folder / "study.toml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voicerisk.deep.chats.figures_and_tables.write_figures", lambda *args: [])
        run_text_study(load_text_study(folder / "study.toml"), folder / "results")
    return folder / "study.toml"


def test_each_session_is_explained_by_a_model_that_did_not_learn_from_it(study):
    results = study.parent / "results"
    held_out = pd.read_parquet(results / "predictions_nested.parquet")
    late = sorted(set(held_out.loc[held_out["repeat"] == 1, "call_id"])
                  - set(held_out.loc[held_out["repeat"] == 0, "call_id"]))[0]  # fmt: skip
    found = explain_chosen(load_text_study(study), results, "tfidf", Wanted((late,)))
    table = pd.read_csv(results / "explanations" / "tfidf_chosen_messages.csv")
    assert set(table["session_id"]) == {late}
    # The logits are those of repeat 1, which held it out: its scores are the ones that were reported.
    row = held_out[(held_out["call_id"] == late) & (held_out["repeat"] == 1)].iloc[0]
    full = table.drop_duplicates("class").set_index("class")["full"]
    assert full["ASE"] == pytest.approx(np.log(row["p_raw_ASE"] / row["p_raw_NS"]), abs=1e-9)
    assert (table["between_models_sd"] > 0).any()
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in found.files)
    assert not any(word in found.files[1].read_text() for own in OF_CLASS.values() for word in own)


def test_the_command_explains_misses_and_prints_no_word(study):
    results = study.parent / "results"
    asked = ["text", "explain", str(study), "--out", str(results), "--model", "tfidf"]
    done = CliRunner().invoke(app, [*asked, "--misses", "--false-alarms", "--most", "2", "--show-text"])
    assert done.exit_code == 0, done.output
    assert not any(word in done.output for own in OF_CLASS.values() for word in own)
    assert "were taken for it" in " ".join(done.output.split())
    page = (results / "explanations" / "tfidf_chosen.html").read_text()
    titles = re.findall(r"rated (\w+), taken for (\w+)</h2>", page)
    assert titles and all((label == "NS") != (taken == "NS") for label, taken in titles)
    # A false alarm shows the class that was alarmed for, a miss the class that was rated.
    assert len(re.findall(r"Logit of (?:SI|ASE) against NS", page)) == len(titles)
    assert "border-bottom:3px solid rgba" in page


def test_the_report_says_how_far_raters_agree(study):
    page = write_report(study.parent / "results").read_text()
    shown = page[page.index("Agreement of raters") :]
    row = re.search(r"Light&#39;s kappa \(mean of Cohen&#39;s over pairs\).{0,60}?(0\.\d+)", shown, re.S)
    # Two pairs differ in 4 of 60 sessions, one in none: c takes 2 of 20 SI and 2 of 20 ASE for NS.
    chance = (20 * 24 + 20 * 18 + 20 * 18) / 3600
    kappa = (56 / 60 - chance) / (1 - chance)
    assert row is not None and float(row.group(1)) == pytest.approx((1 + 2 * kappa) / 3, abs=0.005)
    printed = (study.parent / "results" / "tables" / "agreement.html").read_text()
    assert "Of sessions that every rater" in printed


def test_what_cannot_be_explained_is_one_sentence(study, tmp_path):
    own, results = load_text_study(study), study.parent / "results"
    for wanted, model, out, says in (
        (Wanted(), "tfidf", results, "Say which sessions"),
        (Wanted(misses=True), "t_mlp", results, "has no model 't_mlp'; it has tfidf"),
        (Wanted(misses=True), "tfidf", tmp_path, "no finished study of chats"),
        (Wanted(("nobody",)), "tfidf", results, "in no test part"),
    ):
        with pytest.raises(TextError, match=says):
            explain_chosen(own, out, model, wanted)
