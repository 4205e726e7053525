"""A study by any moderator: a third sex, a service, two columns crossed, none; everyone is scored."""

import numpy as np
import pandas as pd
import pytest

from tests.study.small_study import GAMBOOST, SETTINGS, marker_frames
from voicerisk.callers.moderator import Moderator
from voicerisk.cohort import CohortSettings
from voicerisk.errors import CohortError
from voicerisk.models import read_model
from voicerisk.study import load_study, run_study
from voicerisk.study.fitting.boost_rows import FrameRows
from voicerisk.study.fitting.design import ModelTables, study_moderator


def quick(settings: str) -> str:
    settings = settings.replace("repeats = 1", 'designs = ["loco"]\nrepeats = 1')
    return settings.replace("inner_folds = 3", "inner_folds = 3\nfast = true")


QUICK, QUICK_GAMBOOST = quick(SETTINGS), quick(GAMBOOST)


def with_services(callers: int = 18, seed: int = 5):
    calls, frames = marker_frames(callers, effect=1.5, seed=seed)
    return calls.assign(service=np.array(["chat", "line", "text"])[np.arange(callers) // 2 % 3]), frames


def run(write_study, tmp_path, calls, frames, cohort, told, protocols=("nested",), base=QUICK):
    settings = base.replace('outcome = "outcome"\n', f'outcome = "outcome"\n{cohort}\n')
    study = load_study(write_study(calls, frames, settings))
    reporter = told()
    run_study(study, tmp_path / "results", protocols=protocols, reporter=reporter)
    return tmp_path / "results", reporter.notes


def scored(results, protocol="nested") -> pd.DataFrame:
    table = pd.read_parquet(results / f"predictions_{protocol}.parquet")
    return table[table["unit"] == "call"].set_index("call_id")


@pytest.mark.r
def test_one_caller_of_a_third_sex_does_not_stop_a_study_and_is_scored(write_study, tmp_path, told):
    calls, frames = marker_frames(16, effect=1.5)
    calls.loc[5, "sex"] = "X"
    calls.loc[6, "sex"] = ""
    gaps = 'missing_level = "unknown"'
    results, notes = run(write_study, tmp_path, calls, frames, gaps, told, None, QUICK_GAMBOOST)
    assert (
        "sex: X (1 caller), unknown (1 caller) have fewer than 5 callers and share the common curve." in notes
    )
    assert any("2 callers of X, unknown (8 rows) are not in the GAMM" in note for note in notes)
    for protocol in ("published", "nested"):
        table = scored(results, protocol)
        assert set(table.index) == set(calls["call_id"])
        assert table["p_raw"].between(0.01, 0.99).all()
        assert table.loc["call05", "sex"] == "X" and table.loc["call06", "sex"] == "unknown"
    model = read_model(results / "boost" / "model.json")
    assert model.moderator == Moderator("sex", ("X", "female", "male", "unknown"))
    names = set(pd.read_csv(results / "boost" / "selection.csv")["learner"])
    assert {"bbs(x)", "bbs(x, by = female)", "bbs(x, by = male)"} <= names and "bbs(x, by = X)" not in names
    # The curve of a level without one of its own is the common curve.
    kept = pd.read_csv(results / "boost" / "partial_effects.csv").query("marker == 'x'")
    assert set(kept["sex"]) == {"X", "female", "male", "unknown"}


@pytest.mark.r
def test_three_services_have_curves_of_their_own(write_study, tmp_path, told):
    calls, frames = with_services()
    results, _ = run(write_study, tmp_path, calls, frames, 'moderator = "service"', told)
    effects = pd.read_csv(results / "boost" / "partial_effects.csv")
    assert set(effects["sex"]) == {"chat", "line", "text"}
    smooths = pd.read_csv(results / "gamm" / "smooths.csv")
    assert set(smooths["sex"]) == {"chat", "line", "text"}
    metrics = pd.read_csv(results / "metrics.csv")
    assert {"service=chat", "service=line", "service=text", "sex=female"} <= set(metrics["subgroup"])
    assert scored(results)["p_raw"].notna().all()
    assert (results / "figures" / "partial_effects.svg").exists()
    assert "chat" in (results / "tables" / "gamm.csv").read_text()


@pytest.mark.r
def test_without_a_moderator_everyone_shares_one_curve(write_study, tmp_path, told):
    calls, frames = marker_frames(effect=1.5)
    results, notes = run(
        write_study, tmp_path, calls, frames, 'moderator = "none"', told, base=QUICK_GAMBOOST
    )
    assert "No moderator: every caller shares the common curve." in notes
    # The nested procedure may screen the noise out.
    learners = set(pd.read_csv(results / "boost" / "selection.csv")["learner"])
    assert {"bbs(x)"} <= learners <= {"bbs(x)", "bbs(noise)"}
    assert read_model(results / "boost" / "model.json").moderator is None
    assert set(pd.read_csv(results / "metrics.csv")["subgroup"]) >= {"all", "sex=female", "sex=male"}


@pytest.mark.r
def test_two_columns_crossed_are_one_moderator(write_study, tmp_path, told):
    calls, frames = marker_frames(24, effect=1.5)
    calls["service"] = np.where(np.arange(24) // 4 % 2, "line", "chat")
    results, _ = run(write_study, tmp_path, calls, frames, 'moderator = ["sex", "service"]', told)
    levels = {"female x chat", "female x line", "male x chat", "male x line"}
    assert set(pd.read_csv(results / "boost" / "partial_effects.csv")["sex"]) == levels
    assert set(pd.read_csv(results / "calls.csv")["sex x service"]) == levels
    assert {f"sex x service={level}" for level in levels} <= set(
        pd.read_csv(results / "metrics.csv")["subgroup"]
    )


def test_a_fold_without_a_level_shares_the_common_curve_for_it(fitter):
    tables = fitter.tables
    calls = tables.calls.assign(sex=["female", "male", "X", "male"] * 4)
    three = ModelTables(
        calls, tables.frames, tables.segments, tables.markers, Moderator("sex", ("X", "female", "male"))
    )
    rows = FrameRows.of(three)
    others = ~rows.callers.isin(calls.loc[calls["sex"] == "X", "caller_id"])
    assert rows.moderator_of(np.ones(16, bool)) == three.moderator
    assert rows.moderator_of(others).shared == ("X",)
    one = rows.callers.isin(calls.loc[calls["sex"] == "X", "caller_id"])
    assert rows.moderator_of(one) is None


def test_a_study_of_two_sexes_has_the_learners_of_the_paper(fitter):
    rows = FrameRows.of(fitter.tables)
    assert rows.data.moderator == Moderator("sex", ("female", "male"))
    assert rows.data.level[:1] == (0 if fitter.tables.calls["sex"][0] == "female" else 1)


def test_a_column_of_gaps_is_no_moderator(write_study):
    calls, frames = with_services()
    calls.loc[3, "service"] = ""
    settings = QUICK.replace('outcome = "outcome"\n', 'outcome = "outcome"\nmoderator = "service"\n')
    study = load_study(write_study(calls, frames, settings))
    with pytest.raises(CohortError, match=r"row 5: service is empty.* set \[cohort\] missing_level"):
        run_study(study, study.folder / "results")


def test_a_study_of_one_sex_has_one_curve_and_says_so():
    calls = pd.DataFrame({"caller_id": list("abcdef"), "sex": "female"})
    found, notes = study_moderator(calls, CohortSettings("calls.csv"))
    assert found is None and notes == ["All callers are female: there is no effect of sex to estimate."]
