"""Conformal sets: they hold as often as they say, in each group and class; few callers rule nothing out."""

import numpy as np
import pandas as pd
import pytest

from voicerisk.errors import ValidationError
from voicerisk.validation.metrics.conformal import conformal_cut, conformal_sets, cuts_of, in_set, sets_of


def test_a_new_caller_is_covered_as_often_as_ranks_say():
    """With n callers and no ties the outcome stays in with probability ceil(level (n + 1)) / (n + 1)."""
    rng = np.random.default_rng(1)
    n, times = 19, 4000
    draws = rng.random((times, n + 1))
    for outcome in (0, 1):
        held = [in_set(one[n:], conformal_cut(one[:n], np.arange(n), outcome), outcome)[0] for one in draws]
        # 0.9 x 20 = 18 of 20 ranks; Monte Carlo error 0.005.
        assert np.mean(held) == pytest.approx(0.9, abs=0.015)


def test_callers_count_alike_however_many_calls_they_have():
    rng = np.random.default_rng(2)
    risk, caller = np.linspace(0.3, 0.9, 30), np.arange(30)
    cut = conformal_cut(risk, caller, 1)
    many = conformal_cut(np.r_[risk, np.full(500, 0.3)], np.r_[caller, np.zeros(500, int)], 1)
    assert many == pytest.approx(cut)
    order = rng.permutation(30)
    assert conformal_cut(risk[order], caller[order], 1) == cut
    assert conformal_cut(1 - risk, caller, 0) == pytest.approx(1 - cut)


def test_where_callers_are_few_or_risks_alike_nothing_is_ruled_out():
    assert conformal_cut(np.linspace(0, 1, 8), np.arange(8), 1) == -np.inf
    assert conformal_cut(np.linspace(0, 1, 8), np.arange(8), 0) == np.inf
    assert conformal_cut(np.linspace(0.2, 1, 9), np.arange(9), 1) == 0.2
    assert conformal_cut(np.full(50, 0.3), np.arange(50), 1) == 0.3
    with pytest.raises(ValidationError, match="above 0 and below 1"):
        conformal_cut(np.ones(3), np.arange(3), 1, level=1.0)


def predictions(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex, y = np.arange(n) % 2, rng.integers(0, 2, n)
    # Women's risks are no guide, men's are good.
    p = 1 / (1 + np.exp(-rng.normal(size=n) - 2.5 * (2 * y - 1) * sex))
    return pd.DataFrame(
        {"protocol": "nested", "unit": "call", "design": "grouped_kfold", "repeat": 0, "y": y, "p": p,
         "caller_id": [f"c{i}" for i in range(n)], "sex": np.where(sex, "male", "female")}
    )  # fmt: skip


def test_each_group_and_class_is_covered_by_its_own_cut():
    table = predictions(600, 3)
    sets = conformal_sets(table, "sex")
    own = sets[sets["by"] == "sex"].set_index(["group", "outcome"])
    # On callers left out of the cut: within a rank of 0.9.
    assert own["covered"].to_numpy() == pytest.approx(0.9, abs=0.02)
    assert (own["lower"] < 0.9).all() and (own["upper"] > 0.9).all()
    assert own.loc["female", "both"].min() > 0.6 and own.loc["male", "one"].min() > 0.8
    assert sets[["one", "both", "none"]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    # On new callers: 2,000, Monte Carlo error 0.015 a cell and that of 150 callers that set the cut, 0.025.
    new, cuts = predictions(4000, 4), cuts_of(sets, "sex")
    assert cuts is not None
    said = np.array(sets_of(new["p"].to_numpy(), new["sex"].to_numpy(), cuts))
    held = pd.Series([str(y) in one for y, one in zip(new["y"], said, strict=True)])
    assert held.groupby([new["sex"], new["y"]]).mean().to_numpy() == pytest.approx(0.9, abs=0.08)
    assert sets_of(np.array([0.5, np.nan]), np.array(["diverse", "male"]), cuts) == ["", ""]
    for damaged in ({}, {"groups": [1]}, {"groups": {"male": {"0": "x", "1": None}}}):
        with pytest.raises(ValidationError, match="damaged"):
            sets_of(np.array([0.5]), np.array(["male"]), damaged)
    # One cut for all is short for women and long for men, which is why groups have their own.
    marginal = cuts_of(conformal_sets(table, None), None)
    assert marginal is not None and set(marginal["groups"]) == {"all"}


def test_without_a_risk_there_are_no_sets():
    table = predictions(40, 5)
    assert conformal_sets(table.assign(p=np.nan), "sex").empty
    assert cuts_of(conformal_sets(table.assign(y=1), "sex"), "sex") is None
    few = conformal_sets(table.head(12), "sex")
    assert few["cut"].isna().all() and few["both"].to_numpy() == pytest.approx(1.0)


def test_the_written_table_makes_the_cuts_and_the_table_of_the_report(tmp_path):
    from voicerisk.files import write_csv
    from voicerisk.pipeline.tables import read_table
    from voicerisk.report.tables.conformal import conformal_table

    for by, table in (("sex", predictions(80, 6)), (None, predictions(80, 6)), ("sex", predictions(8, 7))):
        sets = conformal_sets(table, by)
        write_csv(tmp_path / "conformal.csv", sets)
        read = read_table(tmp_path, "conformal")
        again, first = cuts_of(read, by), cuts_of(sets, by)
        assert again is not None and first is not None
        for group, own in first["groups"].items():
            assert again["groups"][group] == pytest.approx(own)
        shown = conformal_table(read).cells
        assert len(shown) == len(sets) and shown["Group"].iloc[0] == "all calls"
    write_csv(tmp_path / "conformal.csv", conformal_sets(table.assign(p=np.nan), "sex"))
    assert cuts_of(read_table(tmp_path, "conformal"), "sex") is None
