"""The copy for sharing: complete for a reader, and nobody's name in it."""

import json
import re
import shutil

import pandas as pd
import pytest

from voicerisk import report
from voicerisk.callers.provenance import leaks
from voicerisk.errors import ReportError
from voicerisk.report.gather import gather
from voicerisk.report.pseudonyms import WITHHELD, Veil, pseudonyms
from voicerisk.report.secrets import Secrets, secrets_of, telling_column

SALT = "5a17" * 16  # of the pseudonyms, in the study of conftest.py


@pytest.fixture(scope="module")
def exported(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("share") / "export"
    return out, report.export_study(study, out)


def test_no_id_path_or_text_leaves(exported, made):
    out, written = exported
    calls = made.calls()
    everything = "\n".join(path.read_text(encoding="utf-8") for path in written)
    assert {path for path in out.rglob("*") if path.is_file()} == set(written)
    for one in set(calls["call_id"]) | set(calls["caller_id"]):
        if one == "007" or re.fullmatch(r"caller \d+", one):
            continue  # a number, and names that look like pseudonyms
        assert not re.search(rf"(?<!\w){re.escape(one)}(?!\w)", everything), one
    assert {path.suffix for path in written} == {".csv", ".json", ".html"}, "nothing with metadata of its own"
    for hidden in ("/home", "secret", "sounds", "/nowhere", ".wav", '"ef"', SALT, "flat"):
        assert hidden not in everything, hidden
    assert not list(out.rglob("*listening*"))


def test_numbers_of_folds_cannot_be_turned_back(exported, study):
    out, _ = exported
    files = (study / "thresholds.csv", out / "thresholds.csv", out / "figures" / "threshold_distribution.csv")
    own, shared, drawn = (
        pd.read_csv(file).dropna(subset=["threshold"]).round({"threshold": 10}) for file in files
    )
    key = ["protocol", "design", "threshold"]
    both = shared.merge(drawn, on=key, suffixes=("", "_drawn"))
    nested = both["protocol"] == "nested"
    assert len(both) >= 40 and (both.loc[nested, "fold"] == both.loc[nested, "fold_drawn"]).all()
    old = shared.merge(own, on=key, suffixes=("", "_own"))
    old = old[old["protocol"] == "nested"]
    assert (old["fold"].astype(str) != old["fold_own"].astype(str).str.lstrip("f")).mean() > 0.8


def test_report_in_the_copy_uses_the_same_pseudonyms(exported):
    out, _ = exported
    text = (out / "report.html").read_text(encoding="utf-8")
    calls = pd.read_csv(out / "calls.csv")
    missed = re.findall(r"call \d\d", text)
    assert missed and set(missed) <= set(calls["call_id"])


def test_rows_and_folds_keep_no_order_of_ids(exported, study):
    out, _ = exported
    calls = pd.read_csv(out / "calls.csv", dtype=str)
    assert list(calls["caller_id"]) == sorted(calls["caller_id"])
    shared = pd.read_csv(out / "predictions_of_calls.csv")
    loco = shared[(shared["design"] == "loco") & (shared["protocol"] == "nested")]
    own = pd.read_parquet(study / "predictions_nested.parquet").query("design == 'loco'")
    assert sorted(loco["p_raw"]) == pytest.approx(sorted(own["p_raw"]))
    merged = loco.merge(own, on="p_raw", suffixes=("_new", "_old"))
    assert merged.groupby("fold_old")["fold_new"].nunique().eq(1).all()
    assert (merged["fold_old"].str[1:].astype(int) != merged["fold_new"]).mean() > 0.8


def test_provenance_still_tells_what_leaked(exported):
    out, _ = exported
    provenance = json.loads((out / "provenance.json").read_text())
    assert leaks(provenance["nested"]) == []
    assert {one["learned"] for one in leaks(provenance["published"])} == {"screening", "threshold"}
    # "caller 05" is an id here, so that no pseudonym may look like one
    assert all(name.startswith("caller-") for name in provenance["nested"]["callers"])


def test_columns_are_shared_only_when_named(study, exported, tmp_path):
    out, _ = exported
    assert list(pd.read_csv(out / "calls.csv").columns) == ["call_id", "caller_id", "sex", "outcome"]
    report.export_study(study, tmp_path / "more", columns=("age",))
    assert "age" in pd.read_csv(tmp_path / "more" / "calls.csv")
    with pytest.raises(ReportError, match="no column 'height'"):
        report.export_study(study, tmp_path / "third", columns=("height",))


def test_folders_in_use_are_refused(study, exported):
    with pytest.raises(ReportError, match="lies inside the study"):
        report.export_study(study, study / "export")
    with pytest.raises(ReportError, match="not an empty folder"):
        report.export_study(study, exported[0])


@pytest.fixture
def spoiled(study, tmp_path):
    """A study that tells of a caller who was left out wherever a person or a stage may write."""
    place = tmp_path / "ward nine" / "results"
    shutil.copytree(study, place)
    manifest = json.loads((place / "manifest.json").read_text())
    cohort = manifest["settings"]["cohort"]
    cohort |= {"where": "caller_id != 'anna-17'", "labels": ["client cries"], "root": "ward7/sounds"}
    manifest["settings"]["report"]["ethics"] = "Approved; anna-17 withdrew."
    manifest["stages"]["extract"]["notes"] = ["Call anna-17 left.", "Frames kept: all: 12."]
    (place / "manifest.json").write_text(json.dumps(manifest))
    left = {"call_id": ["anna-17"], "file": ["ward7/anna smith.wav"], "step": "filter", "reason": "where"}
    pd.DataFrame(left).to_csv(place / "exclusions.csv", index=False)
    for name in ("flow.csv", "figures/exclusion_flow.csv"):
        table = pd.read_csv(place / name)
        row = table.iloc[[0]].assign(reason="where caller_id != 'anna-17': False")
        pd.concat([table, row]).to_csv(place / name, index=False)
    return place


def test_nothing_that_was_written_about_a_caller_leaves(spoiled, tmp_path):
    out = tmp_path / "copy"
    written = report.export_study(spoiled, out)
    everything = "\n".join(path.read_text(encoding="utf-8") for path in written)
    for hidden in ("anna", "client cries", "ward7", "ward nine", "withdrew"):
        assert hidden not in everything, hidden
    notes = json.loads((out / "manifest.json").read_text())["stages"]["extract"]["notes"]
    assert notes == [WITHHELD, "Frames kept: all: 12."]
    assert "filter of the study" in set(pd.read_csv(out / "flow.csv")["reason"])
    assert out.stat().st_mode & 0o777 == 0o700


def test_a_copy_that_holds_an_id_is_not_finished(spoiled, tmp_path):
    labels = spoiled / "figures" / "labels.csv"
    table = pd.read_csv(labels)
    table.loc[0, "label"] = "Loudness of anna-17"
    table.to_csv(labels, index=False)
    with pytest.raises(ReportError, match=r"not finished, and removed: .* would hold 'anna-17'"):
        report.export_study(spoiled, tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["ward nine"]


def test_ids_of_callers_who_were_left_out_are_known(spoiled):
    known = secrets_of(gather(spoiled), spoiled)
    assert {"anna-17", "anna smith.wav", "ward7/", "client cries"} <= set(known.words)
    assert known.found_in("Call 007 is short.") == "007"
    assert known.found_in("In 007 of 40 folds.") is None
    assert secrets_of(gather(spoiled), spoiled, allow=["client cries"]).found_in("client cries") is None


def test_texts_are_withheld_whole_and_counts_stay():
    veil = Veil(
        {"a.1": "call 1", "12": "call 2"},
        {"a": "caller 1"},
        Secrets(("a.1", "anna"), frozenset(), frozenset({"12"})),
    )
    for text in ("all: 12", "in 12 of 40 folds", "analysed, annal", "a caller and a call"):
        assert veil.text(text) == text
    for text in ("a.1 left", "left: anna.", "call 12", "calls 3, 12 and 15", "caller_id '12': anna"):
        assert veil.text(text) == WITHHELD, text
    table = veil.table(pd.DataFrame({"call_id": ["a.1", "zz"], "n": [12, 12]}))
    assert table["call_id"].tolist() == ["call 1", "unknown"] and table["n"].tolist() == [12, 12]


@pytest.mark.parametrize(
    ("word", "text", "holds"),
    [
        ("ab", "ab", True), ("ab", "x ab.", True), ("ab", "abc ab_ 1ab", False), ("ab", "abc ab", True),
        ("a b", "xa b", False), ("a b", "a b c", True), ("a b", "a bc", False), ("ward/", "ward/x", True),
        ("-x", "a-x", True), ("-x", "-xy", False), ("é1", "né1 é1", True), ("a.wav", "a.wave a_a.wav", False),
    ],
)  # fmt: skip
def test_a_secret_is_found_as_a_word_of_its_own(word, text, holds):
    many = tuple(f"{word[0]}{number}zz" for number in range(500))
    found = Secrets((*many, word), frozenset(), frozenset()).found_in(text)
    assert (found == word) is holds and (found is None) is not holds


@pytest.mark.parametrize("taken", [["caller 1"], ["caller 1", "caller-2"], ["caller x"]])
def test_no_pseudonym_is_the_id_of_somebody(taken):
    names = pseudonyms([*taken, "b", "c"], "caller", "salt")
    assert not set(names.values()) & set(names)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["c1", "c2", "c3", "c4", "c5", "c6"], "holds the ids of its rows"),
        (["x1", "x2", "x3", "", "", ""], "holds the ids of its rows"),
        (["north", "c9", "north", "north", "north", "north"], "ids, file names or label texts"),
        (["north", "north", "anna", "north", "north", "north"], "ids, file names or label texts"),
        (["tired", "tired", "tired", "sad voice", "tired", "tired"], "ids, file names or label texts"),
        (["Ann", "Bea", "Cem", "Dora", "Emil", "Fay"], "another text for nearly every caller"),
        (["north", "south", "north", "south", "north", "south"], None),
        ([31, 45, 22, 19, 54, 33], None),
    ],
)
def test_columns_that_tell_who_is_who_are_not_shared(values, why):
    calls = pd.DataFrame(
        {"call_id": [f"c{n}" for n in range(1, 7)], "caller_id": [f"x{n}" for n in range(1, 7)]}
    )
    secrets = Secrets(("c9", "anna.wav", "sad voice"), frozenset(), frozenset())
    found = telling_column(pd.Series(values), calls, secrets)
    assert found is None if why is None else why in str(found)
