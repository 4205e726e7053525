import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from rich.console import Console
from typer.testing import CliRunner

from tests.deep.chats.bags_of_words import Bags
from tests.deep.tiny_encoders import build_xlm_roberta
from tests.text.sessions_of_words import EVERYDAY, OF_CLASS, make_messages
from voicerisk.callers.provenance import leaks
from voicerisk.callers.schema import check_predictions
from voicerisk.cli import app
from voicerisk.cli.progress import ProgressBars
from voicerisk.deep.chats.study import run_text_study
from voicerisk.deep.chats.study_file import load_text_study
from voicerisk.deep.chats.summary import print_text_summary
from voicerisk.errors import ReportError, StudyError, TextError
from voicerisk.figures import make
from voicerisk.figures.gallery import draw, read_labels, stored
from voicerisk.report import export_study, write_report
from voicerisk.report.checklists.evidence import NO_ITEM, checklist
from voicerisk.report.gather import gather
from voicerisk.text.vectors import write_vectors

STUDY = """
[text]
messages = "messages.csv"
models = ["tfidf", "t_mlp", "w2v_mlp"]
encoder = "encoder"
vectors = "words.vec"
max_tokens = 24
repeats = 2
bootstraps = 100
prevalence = { NS = 0.9, SI = 0.07, ASE = 0.03 }

[text.network]
dense = 12
lstm = 8
hidden = 8
filters = 8
epochs = 6
patience = 3
learning_rate = 0.01

[text.explain]
models = ["t_mlp"]
sessions = 1
permutations = 20
words = 8
word_evaluations = 40
min_sessions = 2
"""
WORDS = [*EVERYDAY, *(word for own in OF_CLASS.values() for word in own)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    # 21 users have two sessions, of one class: 99 is a multiple of the number of classes.
    messages = make_messages(120, users=99)
    messages.to_csv(folder / "messages.csv", index=False)
    build_xlm_roberta(folder / "encoder", list(messages["text"]))
    with (folder / "words.vec").open("w") as stream:
        write_vectors(stream, WORDS, np.stack([Bags().word(word) for word in WORDS]))
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


@pytest.fixture(scope="module")
def screen():
    """Whatever a run prints or logs, at the level of debugging."""
    return StringIO()


@pytest.fixture(scope="module")
def results(study, screen):
    handler, root = logging.StreamHandler(screen), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # It writes down its bytecode, and is slow at that.
    logging.getLogger("numba").setLevel(logging.INFO)
    # One format is enough to see that every figure is drawn.
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(screen), redirect_stderr(screen):
        patch.setattr("voicerisk.figures.make", partial(make, formats=("pdf",)), raising=False)
        logging.getLogger("voicerisk").debug("looked at")
        reporter = ProgressBars(Console(file=screen))
        done = run_text_study(load_text_study(study), study.parent / "results", reporter)
        print_text_summary(done, Console(file=screen))
    root.removeHandler(handler)
    root.setLevel(before)
    return done


def test_no_word_of_a_message_is_printed_or_logged(results, screen):
    said = screen.getvalue().lower()
    assert "looked at" in said
    assert "held-out sessions" in said
    assert "words of 8 sessions explained" in said.replace("\n", " ")
    # `essen` and `film` may stand in names of files; a word of a class may not stand anywhere.
    for word in (word for own in OF_CLASS.values() for word in own):
        assert re.search(rf"\b{word}\b", said) is None, word


def test_predictions_and_metrics_are_the_houses(results):
    table = pd.read_parquet(results.folder / "predictions_nested.parquet")
    check_predictions(table)
    assert set(table["model"]) == {"tfidf", "t_mlp", "w2v_mlp"}
    assert sorted(table["repeat"].unique()) == [0, 1]
    assert (table["weight"] == 1).all()
    keys = set(
        zip(results.metrics["model"], results.metrics["class"], results.metrics["metric"], strict=True)
    )
    assert {("t_mlp", "ASE", "auroc"), ("t_mlp", "macro", "f1"), ("w2v_mlp", "SI", "ppv")} <= keys
    assert ("t_mlp", "macro", "brier_skill_against_tfidf") in keys
    parts = pd.read_csv(results.folder / "brier_parts.csv")
    whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
    np.testing.assert_allclose(whole, parts["brier"], atol=1e-12)
    assert (parts["resolution"] <= parts["uncertainty"] + 1e-12).all()


def test_nested_saw_no_held_out_user(results):
    provenance = json.loads((results.folder / "provenance.json").read_text())
    assert leaks(provenance["nested"]) == []
    seen = provenance["nested"]["folds"]["holdout"]["0"]["0"]["seen"]
    assert {"t_mlp: weights", "t_mlp: stopping", "tfidf: vocabulary", "tfidf: recalibration"} <= set(seen)


def test_published_repeats_the_paper_and_says_so(study, tmp_path, monkeypatch):
    # Figures and tables are looked at in the other run.
    monkeypatch.setattr("voicerisk.deep.chats.figures_and_tables.write_figures", lambda *args: [])
    quick = study.parent / "paper.toml"
    quick.write_text(STUDY.replace('models = ["tfidf", "t_mlp", "w2v_mlp"]', 'models = ["tfidf", "t_mlp"]'))
    results = run_text_study(load_text_study(quick, "paper"), tmp_path / "results")
    table = pd.read_parquet(results.folder / "predictions_published.parquet")
    check_predictions(table)
    balanced = table.groupby(["model", "repeat", "y"])["weight"].sum().unstack()
    assert (balanced.nunique(axis=1) == 1).all()
    assert (table["p_ASE"] == table["p_raw_ASE"]).all()
    provenance = json.loads((results.folder / "provenance.json").read_text())
    found = {one["learned"] for one in leaks(provenance["published"])}
    assert found == {"tfidf: stopping", "t_mlp: stopping"}
    assert any("repeats what the paper did" in note for note in results.notes)
    assert results.repeats.groupby("model")["best"].sum().tolist() == [1, 1]
    rows = results.metrics[(results.metrics["class"] == "ASE") & (results.metrics["metric"] == "auroc")]
    assert "row_bootstrap_duplicates_as_independent" in set(rows["method"])
    page = write_report(results.folder).read_text()
    assert "repeats what the paper did" in page


def test_the_tfidf_baseline_finds_the_planted_words(results):
    rows = results.repeats[(results.repeats["protocol"] == "nested") & (results.repeats["model"] == "tfidf")]
    assert (rows["auroc"] > 0.85).all()


def test_private_files_are_private_and_no_message_leaves_them(results):
    public, private = [], []
    for path in results.folder.rglob("*"):
        if path.is_file() and ".state" not in path.parts:
            (public if path.stat().st_mode & 0o044 else private).append(path)
    names = {path.name for path in private}
    assert {
        "predictions_nested.parquet",
        "sessions.csv",
        "exclusions.csv",
        "t_mlp.html",
        "t_mlp.pdf",
        "t_mlp_words.csv",
    } <= names
    for path in public:
        content = path.read_bytes().lower()
        for word in ("tabletten", "abschiedsbrief", "bruecke"):
            assert word.encode() not in content, path.name
    shown = (results.folder / "explanations" / "t_mlp.html").read_text()
    assert "tabletten" not in shown
    assert "message 1 (" in shown
    state = [path for path in (results.folder / ".state" / "embeddings").rglob("*") if path.is_file()]
    assert state
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in state)


def draw_again(folder, *names):
    """Return all text of some figures."""
    known, found = stored(folder), []
    for name in names:
        table, parts = known[name]
        figure = draw(name, table, parts, read_labels(folder))
        found += [text.get_text() for text in figure.findobj(Text)]
    return "\n".join(found)


def test_figures_tables_report_and_manifest_are_there(results, tmp_path):
    figures = {path.stem for path in (results.folder / "figures").glob("*.pdf")}
    assert {
        "exclusion_flow", "roc--nested_t_mlp", "precision_recall--nested_w2v_mlp", "confusion--nested",
        "calibration--nested_tfidf", "decision_curves--nested_ASE",
        "decision_curves--nested_SI_at_prevalence",
        "training_curves",
    } <= figures  # fmt: skip
    tables = {path.stem for path in (results.folder / "tables").glob("*.html")}
    assert {"classes", "brier", "repeats", "classes_at_prevalence", "characteristics"} <= tables
    manifest = json.loads((results.folder / "manifest.json").read_text())
    assert manifest["kind"] == "text"
    assert len(manifest["encoder"]) == 64
    some = shutil.ignore_patterns("roc*", "precision*", "calibration*", "decision*", ".state")
    page = write_report(shutil.copytree(results.folder, tmp_path / "few", ignore=some)).read_text()
    for said in (
        "Crisis chats and risk", "Performance by class", "Performance by class where the model is to be used",
        "At the shares NS 0.9, SI 0.07, ASE 0.03", "Parts of the Brier score", "Within bins", "Resolution",
        "Skill against TF-IDF", "All repeats", "Sessions and users by class", "One-way analysis of variance",
        "saying each class&#39;s share to everybody", "120 sessions of 99 users", "No session was left out",
        "Performance, nested protocol, W2V-MLP", "had the model, its tuning, its",
    ):  # fmt: skip
        assert said in page, said
    # Sessions and users, never calls and callers: in tables, captions and figures.
    figure = draw_again(results.folder / "figures", "confusion--nested", "calibration--nested_tfidf")
    assert "groups of sessions" in figure
    for text in (figure, re.sub(r"(?s)<script.*?</script>|<style.*?</style>", "", page)):
        assert re.findall(r"[^.]{0,40}\b[Cc]all(?:er)?s?\b", text) == []
    for wrong in ("tabletten", "No call was left out", "voicerisk audit", "w2v_mlp</td>", str(tmp_path)):
        assert wrong not in page, wrong
    # The coverage that was measured is of cross-validated scores of one outcome: nothing here.
    assert "no coverage was measured" in page
    for stem, (table, parts) in stored(results.folder / "figures").items():
        drawn = draw(stem, table, parts, read_labels(results.folder / "figures"))
        below = " ".join(text.get_text() for text in drawn.findobj(Text))
        assert "cross-validated" not in below and "whole procedure" not in below, stem
        banded = stem.split("--")[0] in ("calibration", "decision_curves")
        if banded or re.search(r"\d to 0?[.\d]", below):
            assert "no coverage was measured" in " ".join(below.split()), stem
    for path in (results.folder / "tables").glob("*.html"):
        assert "79 to 91%" not in path.read_text(), path.name
    assert "79 to 91%" not in page
    parts = pd.read_csv(results.folder / "tables" / "brier.csv")
    own = pd.read_csv(results.folder / "brier_parts.csv")
    printed = parts["Within bins"].str.replace("\u2212", "-").astype(float)
    np.testing.assert_allclose(printed, own["within_bins"], atol=5e-5)


def test_every_topic_of_the_evidence_answers_items_but_what_the_author_added(results, tmp_path):
    copy = shutil.copytree(results.folder, tmp_path / "own", ignore=shutil.ignore_patterns(".state"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["settings"]["report"] = {"funding": "None.", "house_rule": "Two people read each session."}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    cells = checklist(gather(copy)).cells.set_index("Topic")
    assert list(cells.index[cells["Items"] == NO_ITEM]) == ["House rule"]
    performance = cells[cells.index.str.startswith("Performance")]
    assert len(performance) == 3 and set(performance["Items"]) == {"23a"}
    assert cells.loc["Models", "Items"] == "12b, 12c"


def test_a_study_of_chats_is_not_exported_and_what_may_leave_holds_no_id(results, tmp_path):
    with pytest.raises(ReportError, match="a study of chats is not exported"):
        export_study(results.folder, tmp_path / "copy")
    ids = [f"{kind}{number:03d}" for kind in "su" for number in (3, 17, 42, 88)]
    for path in [*(results.folder / "tables").iterdir(), *(results.folder / "figures").glob("*.csv")]:
        content = path.read_bytes()
        assert not any(re.search(rf"\b{one}\b".encode(), content) for one in ids), path.name


def test_explanations_add_up(results):
    table = pd.read_csv(results.folder / "explanations" / "t_mlp_messages.csv")
    assert "text" not in table
    total = table.groupby(["session_id", "class"])["contribution"].sum()
    ends = table.drop_duplicates(["session_id", "class"]).set_index(["session_id", "class"])
    np.testing.assert_allclose(total, (ends["full"] - ends["base"]).loc[total.index], atol=1e-8)


def test_a_second_run_does_nothing_again_and_a_lost_model_is_made_anew(study, results, monkeypatch):
    before = pd.read_parquet(results.folder / "predictions_nested.parquet")
    monkeypatch.setattr(
        "voicerisk.deep.chats.protocol.fit_on_split", lambda *args: pytest.fail("was fitted again")
    )
    run_text_study(load_text_study(study), results.folder)
    monkeypatch.undo()
    monkeypatch.setattr("voicerisk.deep.chats.figures_and_tables.write_figures", lambda *args: [])
    shutil.rmtree(results.folder / "models" / "nested" / "t_mlp")
    run_text_study(load_text_study(study), results.folder)
    after = pd.read_parquet(results.folder / "predictions_nested.parquet")
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_as_a_whole_run_does(study, tmp_path):
    quick = study.parent / "killed.toml"
    text = STUDY.replace('models = ["tfidf", "t_mlp", "w2v_mlp"]', 'models = ["t_mlp", "w2v_mlp"]')
    quick.write_text(text[: text.index("[text.explain]")].replace("repeats = 2", "repeats = 8"))
    command = [
        sys.executable,
        "-m",
        "voicerisk",
        "text",
        "run",
        str(quick),
        "--out",
        str(tmp_path / "killed"),
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    until = time.monotonic() + 300
    while not list((tmp_path / "killed").glob(".state/checkpoints/*/*/1.json")):
        assert child.poll() is None, "ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "manifest.json").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voicerisk.deep.chats.figures_and_tables.write_figures", lambda *args: [])
        again = run_text_study(load_text_study(quick), tmp_path / "killed")
        whole = run_text_study(load_text_study(quick), tmp_path / "whole")
    for name in ("metrics.csv", "repeats.csv", "tuning.csv", "brier_parts.csv", "provenance.json"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    tables = [pd.read_parquet(one.folder / "predictions_nested.parquet") for one in (again, whole)]
    pd.testing.assert_frame_equal(*tables)
    for one in (whole.folder / "models").rglob("model.safetensors"):
        assert (again.folder / one.relative_to(whole.folder)).read_bytes() == one.read_bytes()


def test_tables_that_cannot_be_studied_are_refused_before_anything_is_fitted(study, tmp_path):
    good = pd.read_csv(study.parent / "messages.csv")
    for spoiled, says in (
        (good[good["label"] == "NS"], r"Class SI has 0 user\(s\)"),
        (good.assign(label="NS", user_id="u0"), r"Class NS has 1 user\(s\)"),
        (good.drop(columns="session_id"), "messages.csv has no column session_id"),
        (good.assign(label="Ja"), "sessions have a label that is no class"),
        (good.iloc[:0], "no session|is empty|no rows"),
    ):
        spoiled.to_csv(tmp_path / "messages.csv", index=False)
        (tmp_path / "study.toml").write_text('[text]\nmessages = "messages.csv"\n')
        with pytest.raises(TextError, match=says):
            run_text_study(load_text_study(tmp_path / "study.toml"), tmp_path / "results")
        assert not list((tmp_path / "results").glob("models/*"))


def test_the_command_says_what_is_wrong_in_one_sentence(study, tmp_path):
    wrong = study.parent / "wrong.toml"
    wrong.write_text(STUDY.replace("repeats", "repeets"))
    with pytest.raises(StudyError, match=r"unknown key repeets in \[text\]; did you mean repeats"):
        load_text_study(wrong)
    done = CliRunner().invoke(app, ["text", "run", str(wrong), "--out", str(tmp_path / "o")])
    assert done.exit_code != 0
    wrong.write_text("[cohort]\ncalls = 'calls.csv'\n")
    with pytest.raises(StudyError, match=r"no table \[text\]"):
        load_text_study(wrong)
