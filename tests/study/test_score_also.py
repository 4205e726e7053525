"""The left-out middle of a study of two classes: scored by models that never saw its callers."""

import numpy as np
import pandas as pd
import pytest

from tests.study.small_scale import graded_frames
from voicerisk.errors import CohortError, StudyError
from voicerisk.models import read_model
from voicerisk.pipeline.progress import Silent
from voicerisk.pipeline.tables import read_table
from voicerisk.study import load_study, run_study
from voicerisk.study.also import assigned, decisions, middle_of, score_by_folds
from voicerisk.study.protocols import procedure_of
from voicerisk.study.stages import StudyStages, open_results
from voicerisk.study.whole_run import forget
from voicerisk.validation.contract import TrainingSet
from voicerisk.validation.protocols.fold_plan import OuterFold

SETTINGS = """
[cohort]
calls = "calls.csv"
cssrs = "cssrs"
score_also = [3, 4]
moderator = "none"

[biomarkers]
frames = "markers.csv"

[screening]
unit = "none"

[gamm]
k = 4

[validation]
protocols = ["nested"]
designs = ["loco"]
family = ["linear", "curves"]
inner_folds = 3
bootstraps = 20
seed = 3
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    import soundfile

    folder = tmp_path_factory.mktemp("also")
    calls, frames = graded_frames(32, slope=3.0)
    calls = calls.assign(cssrs=calls["grade"] + 1 + (calls["grade"] > 2))  # 1, 2, 3 and 5, 6
    calls.loc[calls.index[calls["cssrs"] == 3][:2], "cssrs"] = 4
    # one caller of the middle has a call that is learned from, too
    low = calls.index[calls["cssrs"] == 1][0]
    calls.loc[calls.index[calls["cssrs"] == 4][0], ["caller_id", "sex"]] = calls.loc[
        low, ["caller_id", "sex"]
    ].to_numpy()
    for n, file in enumerate(calls["file"]):
        sound = np.zeros(16_000)
        sound[1000 + 100 * n] = 0.01
        soundfile.write(folder / file, sound, 8000, subtype="PCM_16")
    calls.to_csv(folder / "calls.csv", index=False)
    frames.to_csv(folder / "markers.csv", index=False)
    (folder / "study.toml").write_text(SETTINGS, encoding="utf-8")
    study = load_study(folder / "study.toml")
    return study, run_study(study, folder / "results"), calls


def test_everyone_is_scored_and_nothing_else_changes(ran) -> None:
    _, result, calls = ran
    scores = read_table(result.folder, "also/scores")
    middle = calls[calls["cssrs"].isin([3, 4])]
    assert set(scores.loc[~scores["learned"], "call_id"]) == set(middle["call_id"])
    assert len(scores) == len(calls)
    assert (scores.set_index("call_id")["rating"].loc[calls["call_id"]].to_numpy() == calls["cssrs"]).all()
    auroc = result.metrics.query("unit == 'call' and metric == 'auroc' and subgroup == 'all'")["estimate"]
    spectrum = read_table(result.folder, "also/spectrum").set_index("calls")
    assert spectrum.loc["without the middle", "auroc"] == pytest.approx(auroc.iloc[0], abs=1e-12)
    assert spectrum.loc["everyone", "n"] == len(calls)
    # the marker rises along the scale: the middle lies between, so that everyone is harder to tell
    assert spectrum.loc["everyone", "auroc"] < spectrum.loc["without the middle", "auroc"]
    assert read_table(result.folder, "calls")["cssrs"].isin([1, 2, 5, 6]).all()
    assert read_model(result.folder / "boost/model.json").notes["calls"] == len(calls) - len(middle)


def test_the_fold_models_are_those_of_the_protocol(ran) -> None:
    """Calls that were learned from elsewhere get, by the same way, the scores that the protocol gave them."""
    study, result, _ = ran
    folder = open_results(study, result.folder)
    stages = StudyStages(study, folder, 1, Silent())
    from voicerisk.cohort import load_cohort

    tables, _ = stages.extract(load_cohort(study.cohort, study.folder))
    fitter = procedure_of(study, "nested", tables, (), folder.checkpoints("again", ""), 1)
    again = score_by_folds(study, fitter, tables, tables, folder, "loco", lambda done, total: None)
    rows = read_table(result.folder, "predictions_nested").query("unit == 'call'").set_index("call_id")
    for column in ("p_raw", "p", "threshold"):
        np.testing.assert_allclose(again[column], rows.loc[again["call_id"], column], atol=1e-9)


def test_a_caller_with_learned_calls_is_scored_where_they_were_held_out(ran) -> None:
    _, result, calls = ran
    scores = read_table(result.folder, "also/scores").set_index("call_id")
    both = calls[calls["caller_id"].duplicated(keep=False)]
    assert len(both) == 2 and scores.loc[both["call_id"], "fold"].nunique() == 1


def test_callers_keep_one_fold_and_folds_are_shared_out() -> None:
    def fold(n: int) -> OuterFold:
        return OuterFold("loco", 0, n, TrainingSet(f"k{n}", ("x",), (f"held{n}",), None, 1), ())

    planned = [fold(n) for n in range(3)]
    callers = pd.Series(["held1", "a", "b", "c", "a", "held0"])
    found = assigned(callers, planned, seed=1)
    assert found[0] == 1 and found[5] == 0 and found[1] == found[4]
    assert sorted(found[1:4]) == [0, 1, 2]
    np.testing.assert_array_equal(found, assigned(callers, planned, seed=1))


def test_decisions_count_the_middle_as_without_the_outcome() -> None:
    both = pd.DataFrame(
        {
            "design": "loco",
            "fold": range(8),
            "caller_id": list("abcdefgh"),
            "y": [1, 2, 5, 6, 3, 3, 4, 4],
            "flagged": [False, True, True, True, True, False, True, False],
        }
    )
    table = decisions(both, (1, 2), (5, 6), seed=1, n_boot=20).set_index(["calls", "metric"])["estimate"]
    assert table["without the middle", "ppv"] == pytest.approx(2 / 3)
    assert table["everyone", "ppv"] == pytest.approx(2 / 5)
    assert table["without the middle", "specificity"] == pytest.approx(1 / 2)
    assert table["everyone", "specificity"] == pytest.approx(3 / 6)
    assert table["everyone", "sensitivity"] == table["without the middle", "sensitivity"] == 1.0


def test_it_is_shown(ran) -> None:
    _, result, _ = ran
    assert (result.folder / "figures/predicted_observed--with_the_middle.svg").is_file()
    assert (result.folder / "tables/with_the_middle.csv").is_file()
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "With the middle scored too (never learned from)" in page


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[3, 4]", "[2, 3]", "whose calls are learned from already"),
        ("[3, 4]", "[9]", "ratings are 0 to 6"),
        ('cssrs = "cssrs"', 'outcome = "grade"', "coded from cssrs"),
        ('["linear", "curves"]', '["linear", "gamboost"]', "without gamboost"),
        ('["nested"]', '["published"]', "needs the nested protocol"),
    ],
)
def test_bad_settings_are_named(write_study, old, new, said) -> None:
    calls, frames = graded_frames(8)
    with pytest.raises((CohortError, StudyError), match=said):
        load_study(write_study(calls, frames, SETTINGS.replace(old, new)))


def test_a_rating_that_nobody_has_is_an_error(ran, tmp_path) -> None:
    study, _, _ = ran
    from dataclasses import replace

    with pytest.raises(StudyError, match="no call has such a rating"):
        middle_of(replace(study, cohort=replace(study.cohort, score_also=(0,))))


def test_what_is_asked_for_no_more_is_forgotten(ran) -> None:
    study, result, _ = ran
    folder = open_results(study, result.folder)
    forget(folder, ["also"])
    assert not (result.folder / "also/scores.csv").exists()
    assert (result.folder / "also/frames.parquet").exists() and (result.folder / "metrics.csv").exists()
    assert "also" not in folder.records()
