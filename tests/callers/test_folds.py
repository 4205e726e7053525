import numpy as np
import pandas as pd
import pytest

from tests.validation.toys import cohort
from voicerisk.callers.folds import merge_small_cells, require_callers
from voicerisk.errors import ValidationError
from voicerisk.validation import caller_table, grouped_folds, number_of_folds


def _spread(fold: np.ndarray, mask: np.ndarray, k: int) -> int:
    counts = np.bincount(fold[mask], minlength=k)
    return int(counts.max() - counts.min())


@pytest.mark.parametrize("seed", range(5))
def test_classes_and_fold_sizes_differ_by_at_most_one(seed):
    calls, _ = cohort(61, 23, seed=seed)
    callers = caller_table(calls)
    folds = grouped_folds(callers, 10, np.random.default_rng(seed), ("sex", "service"))
    pattern = callers["pattern"].to_numpy()
    assert _spread(folds.fold, np.ones(len(callers), dtype=bool), 10) <= 1
    assert _spread(folds.fold, pattern == "1", 10) <= 1
    assert _spread(folds.fold, pattern == "0", 10) <= 1
    assert _spread(folds.fold, (pattern == "0") & (callers["sex"] == "male").to_numpy(), 10) <= 2


def test_folds_do_not_depend_on_the_order_of_the_rows():
    calls, _ = cohort(20, 12, seed=3)
    callers = caller_table(calls)
    straight = grouped_folds(callers, 5, np.random.default_rng(1), ("sex",))
    shuffled = callers.sample(frac=1, random_state=0)
    turned = grouped_folds(shuffled, 5, np.random.default_rng(1), ("sex",))
    a = dict(zip(callers["caller_id"], straight.fold, strict=True))
    assert a == dict(zip(shuffled["caller_id"], turned.fold, strict=True))


def test_a_caller_with_both_outcomes_counts_in_both_classes_and_stays_whole():
    calls = pd.DataFrame(
        {
            "call_id": [f"k{i}" for i in range(9)],
            "caller_id": ["a", "a", "b", "c", "d", "e", "f", "g", "h"],
            "y": [0, 1, 0, 0, 0, 1, 1, 1, 0],
            "n_frames": 1,
        }
    )
    callers = caller_table(calls)
    assert callers.set_index("caller_id")["pattern"]["a"] == "both"
    assert number_of_folds(callers) == 4
    folds = grouped_folds(callers, 4, np.random.default_rng(0))
    for k in range(4):
        inside = set(callers["pattern"][folds.fold == k])
        assert inside & {"0", "both"} and inside & {"1", "both"}


def test_small_cells_are_merged_last_stratum_first_and_listed():
    callers = pd.DataFrame(
        {
            "caller_id": [f"c{i:02d}" for i in range(26)],
            "pattern": ["0"] * 14 + ["1"] * 12,
            "sex": ["female"] * 7 + ["male"] * 7 + ["female"] * 10 + ["male"] * 2,
            "service": ["OTL"] * 14 + ["000"] * 5 + ["OTL"] * 5 + ["OTL"] * 2,
        }
    )
    cells, merged = merge_small_cells(callers, 5, ("sex", "service"))
    assert len(set(cells[:14])) == 2
    # Two imminent men are too few: they join the women, whose services then no longer part them.
    assert len(set(cells[14:])) == 1
    assert any("outcome pattern 1: sex female, male merged (12 callers)" in line for line in merged)
    cells, merged = merge_small_cells(callers, 6, ("sex", "service"))
    assert any("sex = female: service 000, OTL merged (10 callers)" in line for line in merged)


def test_impossible_folds_say_so():
    calls, _ = cohort(5, 3)
    callers = caller_table(calls)
    with pytest.raises(ValidationError, match="4 folds are not possible with 5 and 3 callers"):
        grouped_folds(callers, 4, np.random.default_rng(0))
    with pytest.raises(
        ValidationError, match="needs at least 4 callers in each class, but only 3 callers have"
    ):
        require_callers(callers, 4, "nested")
    with pytest.raises(ValidationError, match="stands in the callers table twice"):
        grouped_folds(pd.concat([callers, callers.head(1)]), 2, np.random.default_rng(0))
    with pytest.raises(ValidationError, match="lacks the stratum column"):
        grouped_folds(callers, 2, np.random.default_rng(0), ("town",))
