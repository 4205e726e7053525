"""Folds by caller and selection frequencies."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ScreeningError
from voicerisk.screening import caller_folds, screen, selection_frequency, stability
from voicerisk.screening.stability import expected_false_selections

RNG = np.random.default_rng(2)
CALLER = np.repeat([f"c{i:02d}" for i in range(30)], 6)
Y = np.repeat(np.arange(30) % 3 == 0, 6).astype(int)
TABLE = pd.DataFrame(RNG.normal(size=(180, 5)), columns=list("abcde"))
TABLE["a"] += 1.5 * Y


def test_folds_hold_out_whole_callers_balanced_by_outcome():
    folds = caller_folds(CALLER, Y, 5, seed=3)
    rows = pd.DataFrame({"caller": CALLER, "y": Y, "fold": folds}).drop_duplicates(["caller", "fold"])
    assert len(rows) == 30
    assert (rows.groupby("fold").size() == 6).all()
    assert (rows.groupby("fold")["y"].sum() == 2).all()


def test_folds_do_not_depend_on_the_order_of_rows():
    order = RNG.permutation(180)
    assert (caller_folds(CALLER, Y, 5)[order] == caller_folds(CALLER[order], Y[order], 5)).all()


def test_folds_refuse_more_folds_than_callers():
    with pytest.raises(ScreeningError, match="2 callers cannot be dealt into 3 folds"):
        caller_folds(["a", "b"], [0, 1], 3)


@pytest.mark.parametrize("q", [None, 2])
def test_the_marker_with_an_effect_is_selected_most(q):
    found = stability(TABLE, list("abcde"), Y, CALLER, n_pairs=5, q=q, n_folds=4, seed=1)
    assert found.table["marker"].iloc[0] == "a"
    assert found.table["frequency"].iloc[0] == 1.0
    assert (found.table["frequency_both"] <= found.table["frequency"]).all()
    if q:
        assert found.mean_selected == 2.0
    again = stability(TABLE, list("abcde"), Y, CALLER, n_pairs=5, q=q, n_folds=4, seed=1)
    pd.testing.assert_frame_equal(found.table, again.table)


def test_progress_and_pairs():
    seen = []
    found = stability(
        TABLE, ["a", "b"], Y, CALLER, n_pairs=3, q=1, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert found.table["frequency"].sum() == 1.0


def test_bad_input_is_told():
    few = np.isin(CALLER, ["c00", "c03", "c01", "c02", "c04", "c05", "c07"])
    with pytest.raises(ScreeningError, match="needs 6 callers in each class; the smaller class has 2"):
        stability(TABLE[few], ["a"], Y[few], CALLER[few])
    with pytest.raises(ScreeningError, match="q is 9, but must be between 1 and the number of markers, 2"):
        stability(TABLE, ["a", "b"], Y, CALLER, q=9)
    with pytest.raises(ScreeningError, match=r"cutoff of stability selection is 0.5"):
        expected_false_selections(2, 5, 0.5)


def test_frequency_over_screenings_counts_fits():
    folds = caller_folds(CALLER, Y, 5)
    fits = [
        screen(TABLE[folds != out], list("abcde"), Y[folds != out], folds[folds != out]) for out in range(5)
    ]
    counted = selection_frequency(fits).set_index("marker")
    assert counted.loc["a", "n_selected"] == 5
    assert counted["n_selected"].sum() == sum(len(fit.selected) for fit in fits)
    assert (counted["n_screenings"] == 5).all()
