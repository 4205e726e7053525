"""Any moderator: three levels, crossed ones, levels with too few callers; against R's mboost and by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from voicerisk.callers.moderator import SEX, Moderator, level_text, moderator_of, with_enough_callers
from voicerisk.errors import ModelError
from voicerisk.models import (
    BoostData,
    BoostSettings,
    GamBoost,
    Lane,
    LanePath,
    Learner,
    fit_lanes,
    held_out_path,
    learners_for,
    read_model,
)
from voicerisk.models.boosting.mboost import fit_mboost

SERVICE = Moderator("service", ("chat", "line / night", "text"))


def rows(n=420, moderator=SERVICE, missing=False, seed=3) -> BoostData:
    """Three services: `a` rises in the first, falls in the second; `b` is U-shaped in the third."""
    rng = np.random.default_rng(seed)
    caller = np.sort(rng.integers(0, 24, n)).astype(np.int32)
    level = (caller % len(moderator.levels)).astype(np.int8)
    columns = {"a": rng.normal(size=n), "b": rng.gamma(2.0, size=n)}
    logit = columns["a"] * np.array([1.2, -0.8, 0.0])[level % 3] + (columns["b"] - 2) ** 2 * (level == 2) / 3
    y = (rng.random(n) < 1 / (1 + np.exp(-(logit + 0.4 * level - 0.5)))).astype(np.int8)
    if missing:
        columns["b"][rng.random(n) < 0.2] = np.nan
    return BoostData(columns, level, y, caller, moderator)


def few(data: BoostData) -> BoostData:
    """Return the same rows where the third service has too few callers for a curve of its own."""
    return replace(data, moderator=replace(SERVICE, shared=("text",)))


def learner_sets(data: BoostData) -> dict[str, tuple[Learner, ...]]:
    missing = [name for name, column in data.columns.items() if np.isnan(column).any()]
    shared = replace(SERVICE, shared=("text",))
    return {
        "a learner a level": learners_for(data.columns, missing, SERVICE),
        "common and deviation": learners_for(data.columns, missing, SERVICE, common=True),
        "a level that shares": learners_for(data.columns, missing, shared),
        "with callers": learners_for(data.columns, missing, SERVICE, brandom=True),
        "no moderator": learners_for(data.columns, missing, None),
        "levels alone": tuple(Learner("bols", "1", by=level) for level in SERVICE.levels),
        "contrasts alone": (Learner("bols", "service", intercept=False), Learner("bbs", "a", by="chat")),
    }


@pytest.mark.mboost
@pytest.mark.parametrize("missing", [False, True])
def test_paths_over_three_levels_are_those_of_mboost(mboost, missing):
    data = rows(missing=missing)
    weights = np.where(data.y == 1, 1.7, 1.0) / np.bincount(data.caller)[data.caller]
    held_out = np.where(data.caller == 4, 0.0, weights)
    lanes = [
        Lane(f"{name}, {kind}", own, learners, **how)
        for name, learners in learner_sets(data).items()
        for kind, own, how in (
            ("plain", np.ones(data.n), {}),
            ("weighted", weights, {}),
            ("held out", held_out, {"boundary": "train", "outside": "clamp"}),
        )
    ]
    if missing:  # mboost warns of a learner without an intercept that is not centred; it is not of use here
        lanes = [lane for lane in lanes if not lane.key.startswith("contrasts")]
    for ours, theirs in zip(fit_lanes(data, lanes, 60), fit_mboost(data, lanes, 60), strict=True):
        np.testing.assert_array_equal(ours.selected, theirs.selected, err_msg=ours.key)
        # As for two levels: two LAPACKs agree on lambda to 1e-5, which moves fits by less than 1e-6.
        np.testing.assert_allclose(ours.risk, theirs.risk, rtol=1e-7, err_msg=ours.key)
        np.testing.assert_allclose(ours.link(), theirs.link(), atol=1e-6, err_msg=ours.key)
        assert len(set(ours.selected.tolist())) > 1, ours.key


def own_boosting(
    data: BoostData, path: LanePath, weights: np.ndarray, mstop: int
) -> tuple[list[int], np.ndarray]:
    """Boost with dense matrices and the path's lambda: what the engine's blocks must come to."""
    level = data.level
    bases = []
    for fitted in path.learners:
        learner, own = fitted.learner, np.ones(data.n)
        if learner.by is not None:
            own = (level == data.moderator.levels.index(learner.by)).astype(float)
        if fitted.grid is None:
            basis = np.ones((data.n, 1))
            if learner.variable == data.moderator.name:
                basis = np.c_[basis, level[:, None] == np.arange(1, len(data.moderator.levels))]
            penalty = np.zeros((basis.shape[1],) * 2)
        else:
            from scipy.interpolate import BSpline

            grid = fitted.grid
            knots = grid.low + grid.width * np.arange(-3, grid.intervals + 4)
            x = data.columns[learner.variable]
            basis = BSpline.design_matrix(np.clip(x, grid.low, grid.high - 1e-12), knots, 3).toarray()
            differences = np.diff(np.eye(basis.shape[1]), 2, axis=0)
            penalty = fitted.penalty * differences.T @ differences
        basis = basis * own[:, None]
        gram = basis.T @ (weights[:, None] * basis) + penalty
        bases.append((basis, np.linalg.inv(gram)))
    link, chosen = np.full(data.n, path.offset), []
    for _ in range(mstop):
        gradient = 2 / np.log(2) * (data.y - 1 / (1 + np.exp(-link)))
        fits = [basis @ (inverse @ (basis.T @ (weights * gradient))) for basis, inverse in bases]
        best = int(np.argmin([(weights * (gradient - fit) ** 2).sum() for fit in fits]))
        chosen.append(best)
        link += 2 * 0.1 * fits[best]  # the gradient is on the half log-odds
    return chosen, link


@pytest.mark.parametrize("name", ["a learner a level", "common and deviation", "a level that shares"])
def test_blocks_of_levels_give_what_dense_matrices_give(name):
    data = rows()
    weights = (data.caller != 5).astype(float)
    (path,) = fit_lanes(data, [Lane("l", weights, learner_sets(data)[name])], 80)
    chosen, link = own_boosting(data, path, weights, 80)
    assert path.selected.tolist() == chosen
    # sums over 420 rows in another order, 80 steps: seen 2e-12; inverses of conditioned matrices
    np.testing.assert_allclose(path.link(), link, atol=1e-9)


def test_two_levels_under_other_names_give_the_same_bits():
    data = rows(moderator=SEX)
    other = replace(data, moderator=Moderator("floor", ("ground", "first")))
    paths = [
        next(fit_lanes(one, [Lane("l", np.ones(one.n), learners_for(one.columns, (), one.moderator))], 60))
        for one in (data, other)
    ]
    np.testing.assert_array_equal(paths[0].selected, paths[1].selected)
    np.testing.assert_array_equal(paths[0].link(), paths[1].link())
    assert paths[1].learners[0].learner.name == "bols(floor)"


def test_the_order_of_the_levels_moves_no_score():
    data = rows()
    turned = replace(
        data, level=(2 - data.level).astype(np.int8), moderator=Moderator("service", SERVICE.levels[::-1])
    )
    one, other = (
        next(fit_lanes(d, [Lane("l", np.ones(d.n), learners_for(d.columns, (), d.moderator))], 80))
        for d in (data, turned)
    )
    np.testing.assert_allclose(one.link(), other.link(), atol=1e-9)  # sums in another order


def test_callers_of_a_level_that_shares_are_scored_by_offset_and_common_curves():
    data = few(rows())
    learners = learners_for(data.columns, (), data.moderator)
    (path,) = fit_lanes(data, [Lane("l", np.ones(data.n), learners)], 80)
    text = data.level == 2
    common = [f.learner.by is None for f in path.learners]
    expected = path.offset + path.contributions(data)[common].sum(0)
    np.testing.assert_allclose(path.link()[text], expected[text], atol=1e-12)
    assert np.ptp(path.link()[text]) > 0.5  # they have curves
    assert not np.allclose(path.link()[~text], expected[~text], atol=0.1)  # and others have more


def test_a_model_of_three_levels_is_saved_and_scores_as_the_fit(tmp_path):
    data = few(rows())
    table = pd.DataFrame(dict(data.columns)).assign(service=np.array(SERVICE.levels)[data.level])
    model = GamBoost(moderator="service", mstop=60, shared=["text"]).fit(table, data.y)
    model.save(tmp_path / "model.json")
    read = read_model(tmp_path / "model.json")
    assert read.moderator == Moderator("service", SERVICE.levels)
    scored = read.score(table)
    np.testing.assert_allclose(scored["log_odds"], model.decision_function(table), atol=1e-10)
    with pytest.raises(
        ModelError, match="row 1: service is 'fax'; it must be one of chat, line / night, text"
    ):
        read.score(table.assign(service=["chat", "fax", *table["service"][2:]]))
    effects = model.partial_effects()
    assert set(effects["sex"]) == set(SERVICE.levels)
    assert model.selection_frequencies()["sex"].isin(["all", "chat", "line / night"]).all()


def test_scores_after_every_step_are_those_of_the_path():
    for name, learners in learner_sets(rows(missing=True)).items():
        data = rows(missing=True)
        (path,) = fit_lanes(data, [Lane("l", np.ones(data.n), learners)], 30)
        groups = [np.flatnonzero(data.caller == c) for c in (1, 5, 9)]
        score, _ = held_out_path(path, groups)
        for step in (0, 7, 30):
            p = 1 / (1 + np.exp(-path.link(step=step)))
            if "callers" not in name:
                np.testing.assert_allclose(score[:, step], [p[g].mean() for g in groups], atol=1e-12)
        assert np.ptp(score, axis=1).min() > 0.001


def test_levels_are_read_from_a_column():
    assert moderator_of("sex", pd.Series(["F", "m", "Female", "X"])) == Moderator(
        "sex", ("X", "female", "male")
    )
    assert moderator_of("floor", pd.Series([2, 1, 2])).levels == ("1", "2")
    assert level_text("M", "sex") == "male" and level_text("M", "floor") == "M"
    np.testing.assert_array_equal(SEX.codes(pd.Series(["F", "male", "f"])), [0, 1, 0])
    with pytest.raises(ModelError, match="Column sex, row 1: there is no level"):
        moderator_of("sex", pd.Series(["F", None]))
    with pytest.raises(ModelError, match="61 levels; at most 60"):
        moderator_of("age", pd.Series(range(61)))


@pytest.mark.parametrize(
    ("callers", "own", "note"),
    [
        (
            {"X": 4, "female": 5, "male": 9},
            ("female", "male"),
            "X (4 callers) has fewer than 5 callers and shares",
        ),
        ({"X": 6, "female": 5, "male": 9}, ("X", "female", "male"), None),
        ({"X": 1, "female": 2, "male": 9}, None, "X (1 caller), female (2 callers) have fewer than 5"),
    ],
)
def test_levels_with_few_callers_share_the_common_curve_and_are_named(callers, own, note):
    found, notes = with_enough_callers(Moderator("sex", ("X", "female", "male")), callers, 5)
    assert (None if found is None else found.own) == own
    assert (note is None) == (notes == [])
    if note is not None:
        assert note in notes[0]


def test_what_cannot_be_a_moderator_is_refused():
    data = rows()
    with pytest.raises(ModelError, match=r"service must hold a code from 0 to 2 .* found 3 in row 0"):
        replace(data, level=np.full(data.n, 3))
    with pytest.raises(ModelError, match=r"The name 'a' .* is that of a column too"):
        replace(data, moderator=Moderator("service", ("a", "b", "c")))
    with pytest.raises(ModelError, match=r"boost\.by_sex needs a moderator of two levels"):
        learners_for(["a"], moderator=SERVICE, by_sex=True)
    with pytest.raises(ModelError, match="both true"):
        BoostSettings(by_sex=True, common=True)
    with pytest.raises(ModelError, match="column fax, which the data do not have"):
        list(fit_lanes(data, [Lane("l", np.ones(data.n), (Learner("bbs", "a", by="fax"),))], 2))
    with pytest.raises(ModelError, match="an intercept is taken by a level"):
        list(fit_lanes(data, [Lane("l", np.ones(data.n), (Learner("bols", "1", by="fax"),))], 2))
