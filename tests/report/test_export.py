"""The copy for sharing: complete for a reader, and nobody's name in it."""

import json
import re

import pandas as pd
import pytest

from voicerisk import report
from voicerisk.callers.provenance import leaks
from voicerisk.errors import ReportError

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
    own = pd.read_csv(study / "thresholds.csv").dropna(subset=["threshold"])
    shared = pd.read_csv(out / "thresholds.csv").dropna(subset=["threshold"])
    drawn = pd.read_csv(out / "figures" / "threshold_distribution.csv").dropna(subset=["threshold"])
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
    assert all(name.startswith("caller ") for name in provenance["nested"]["callers"])


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
