"""P values that the selection has touched do not leave a study, and those of other callers do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from voicerisk.figures.curves import _p_of
from voicerisk.report.tables.formats import MISSING
from voicerisk.report.tables.publication import gamm_table
from voicerisk.study.fitting.gamm_rows import compares_curves
from voicerisk.study.selective import (
    CallerSplit,
    selective_moderation,
    selective_smooths,
    selective_terms,
)

READ, OTHER = "without_random_intercepts", "with_random_intercepts"


@pytest.fixture
def smooths():
    rows = [(m, s, model) for model in (OTHER, READ) for m in ("dom", "noise") for s in ("female", "male")]
    table = pd.DataFrame(rows, columns=["marker", "sex", "model"])
    return table.assign(
        edf=2.0, ref_df=2.5, residual_df=9.0, statistic=4.0, statistic_name="F", p_value=0.01, p_holm=0.04,
        p_bh=0.02, selected_on_same_labels=True,
    )  # fmt: skip


@pytest.fixture
def split():
    tested = pd.DataFrame({"marker": ["dom", "dom"], "sex": ["female", "male"], "p_value": [0.03, 0.2]})
    moderation = pd.DataFrame(
        {
            "marker": ["dom", ""],
            "contrast": "male - female",
            "what": ["curve", "level"],
            "p_value": [0.3, 0.9],
        }
    )
    return CallerSplit(tested, moderation)


def test_selected_markers_carry_the_p_of_other_callers_alone(smooths, split):
    table = selective_smooths(smooths, READ, True, False, split)
    assert table[["p_value", "p_holm", "p_bh"]].isna().all(axis=None)
    read = table[table["model"] == READ].set_index(["marker", "sex"])
    assert read["p_selective"].tolist()[:2] == [0.03, 0.2]
    np.testing.assert_allclose(read["p_selective_holm"].tolist()[:2], [0.06, 0.2])
    # Not selected by the first half, so not tested; and the split says nothing of the other model.
    assert read.loc["noise", "p_selective"].isna().all()
    assert table.loc[table["model"] == OTHER, "p_selective"].isna().all()


def test_nothing_selected_changes_nothing(smooths, split):
    assert selective_smooths(smooths, READ, False, False, split) is smooths


def test_naive_p_stay_only_where_asked_for_and_are_named_everywhere(smooths, split):
    asked = selective_smooths(smooths, READ, True, True, split)
    read = asked[asked["model"] == READ]
    assert (read["p_value"] == 0.01).all()
    cells = gamm_table(read).cells
    assert {"P, other callers", "P (same outcomes)", "P, Holm (same outcomes)"} <= set(cells.columns)
    assert "P" not in cells.columns
    assert _p_of(read[read["marker"] == "dom"].iloc[0]) == ", P=.03 (.06)"  # Holm in brackets
    assert _p_of(read[read["marker"] == "noise"].iloc[0]) == ", naive P=.01"
    left = selective_smooths(smooths, READ, True, False, split)
    left = left[left["model"] == READ]
    table = gamm_table(left)
    assert not any("same outcomes" in column for column in table.cells.columns)
    assert any("tested on the other" in note for note in table.notes)
    assert _p_of(left[left["marker"] == "noise"].iloc[0]) == ""


def test_without_a_split_there_is_no_p_and_the_table_says_so(smooths):
    table = selective_smooths(smooths, READ, True, False, CallerSplit())
    shown = gamm_table(table[table["model"] == READ])
    assert any("There is no P value" in note for note in shown.notes)
    assert set(shown.cells["P, other callers"]) == {MISSING}


def test_a_linear_marker_loses_its_p_and_a_covariate_keeps_it():
    terms = pd.DataFrame({"term": ["sexmale", "age", "sexfemale:voiced", "voiced"], "p_value": 0.01})
    left = selective_terms(terms, ["voiced", "dom"], True, False)["p_value"]
    assert left.notna().tolist() == [True, True, False, False]
    assert selective_terms(terms, ["voiced"], True, True)["p_value"].notna().all()


def test_moderation_keeps_the_p_of_levels_and_takes_that_of_curves_from_other_callers(split, smooths):
    whole = pd.DataFrame(
        {
            "marker": ["dom", "noise", ""], "contrast": "male - female", "what": ["curve", "curve", "level"],
            "estimate": [np.nan, np.nan, 0.5], "se": [np.nan, np.nan, 0.2], "lower": [np.nan, np.nan, 0.1],
            "upper": [np.nan, np.nan, 0.9], "p_value": [0.001, 0.2, 0.04],
        }
    )  # fmt: skip
    table = selective_moderation(whole, True, False, split)
    assert table["p_value"].isna().tolist() == [True, True, False]
    np.testing.assert_array_equal(table["p_selective"], [0.3, np.nan, np.nan])
    terms = pd.DataFrame(
        {"term": ["sexmale", "age"], "estimate": 1.64, "lower": 1.0, "upper": 2.0, "se": 0.2,
         "statistic": 3.0, "statistic_name": "t", "p_value": 0.01}
    )  # fmt: skip
    notes = gamm_table(smooths, terms, moderation=table).notes
    assert any(note.startswith("male - female: 0.50 (0.10 to 0.90) log-odds") for note in notes)
    assert any("dom, male - female, P =.30" in note for note in notes)
    assert not any(note.startswith("sexmale") for note in notes)
    assert any(note.startswith("age") for note in notes)

    # Where curves were not tested, in the whole study or in a half, what remains stays as it is.
    levels = whole[whole["what"] == "level"].reset_index(drop=True)
    alone = replace(split, moderation=levels)
    for table in (levels, whole):
        for half in (split, alone):
            found = selective_moderation(table, True, False, half)
            assert found["p_value"].tolist()[-1] == 0.04 and len(found) == len(table)
    assert selective_moderation(whole, True, False, alone)["p_selective"].isna().all()


@pytest.mark.parametrize(
    ("rows", "markers", "levels", "tested"),
    [(45_000, 36, 2, False), (45_000, 36, 1, True), (3_091, 36, 2, True), (20_000, 20, 2, True)],
)
def test_curves_are_compared_where_another_fit_takes_seconds(rows, markers, levels, tested):
    assert compares_curves(rows, markers, levels) is tested
