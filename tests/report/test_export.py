"""The copy for sharing: complete for a reader, and nobody's name in it."""

import json
import re

import pandas as pd
import pytest

from voicerisk import report
from voicerisk.errors import ReportError
from voicerisk.validation.provenance import leaks


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
    for hidden in ("/home", "secret", "sounds", "/nowhere", ".wav", '"ef"'):
        assert hidden not in everything, hidden
    assert not list(out.rglob("*listening*"))


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
