"""What a fold takes: members by caller-level loss, the simpler where they are alike."""

import numpy as np
import pytest

from voicerisk.validation.contract import Member
from voicerisk.validation.protocols.choice import PRICE, choose, unseen_scores, untuned

MEMBERS = (Member("simple", 0), Member("rich", 1))


def chosen(score: np.ndarray, deviance: np.ndarray | None = None, members: tuple[Member, ...] = MEMBERS):
    n = len(score)
    y = np.arange(n) % 2
    caller = np.array([f"c{i:03d}" for i in range(n)])
    loss = -2 * np.log(np.where(y[:, None] == 1, score, 1 - score)) if deviance is None else deviance
    return choose(members, score, loss, np.arange(n) % 5, y, caller, np.full(n, 4), 0.5)


def noisy(n: int, signal: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 1 / (1 + np.exp(-(signal * (2 * (np.arange(n) % 2) - 1) + rng.normal(size=n))))


def test_equal_members_leave_the_simple_one_ahead_by_the_price() -> None:
    one = noisy(40, 0.5, 1)
    weights = chosen(np.column_stack([one, one])).weights
    assert weights[0] / weights[1] == pytest.approx(np.exp(PRICE))


def test_the_scale_of_scores_does_not_matter() -> None:
    one, other = noisy(60, 0.6, 2), noisy(60, 0.6, 3)
    link = np.log(other / (1 - other))
    shrunken = 1 / (1 + np.exp(-0.1 * link))
    as_is = chosen(np.column_stack([one, other])).weights
    np.testing.assert_allclose(chosen(np.column_stack([one, shrunken])).weights, as_is, atol=1e-6)


def test_what_many_callers_say_outweighs_the_price() -> None:
    few = np.column_stack([noisy(16, 0.0, 4), noisy(16, 0.6, 5)])
    many = np.column_stack([noisy(400, 0.0, 4), noisy(400, 0.6, 5)])
    assert chosen(few).weights[0] > 0.5
    assert chosen(many).weights[1] > 0.999


def test_scores_are_mixed_as_log_odds() -> None:
    columns = np.column_stack([noisy(40, 0.5, 1), noisy(40, 0.5, 2)])
    choice = chosen(columns)
    link = np.log(columns / (1 - columns)) @ choice.weights
    np.testing.assert_allclose(choice.score(columns), 1 / (1 + np.exp(-link)), atol=1e-12)


def test_boosting_takes_over_where_it_is_better_by_more_than_its_gap() -> None:
    poor, good = noisy(200, 0.0, 1), noisy(200, 1.0, 2)
    constant = np.full(200, 0.5)
    path = np.column_stack([constant, good])
    wins = chosen(np.column_stack([poor, poor, path]))
    assert wins.step == 1 and not wins.weights.any()
    np.testing.assert_array_equal(wins.score(np.column_stack([poor, poor, path])), good)
    loses = chosen(np.column_stack([good, good, path]))
    assert loses.step is None and loses.weights.sum() == pytest.approx(1.0)
    assert len(loses.deviance) == 3


def test_without_members_the_deviance_of_frames_decides() -> None:
    score = np.column_stack([np.full(20, 0.5), noisy(20, 1.0, 1), noisy(20, 1.0, 2)])
    deviance = np.tile([2.0, 1.0, 1.5], (20, 1))
    choice = chosen(score, deviance, ())
    assert choice.step == 1
    np.testing.assert_array_equal(choice.score(score), score[:, 1])


def test_without_inner_folds_the_last_step_or_members_at_their_price() -> None:
    assert untuned((), 4).step == 3 and untuned((), 4, -1).score(np.eye(4))[3] == 1.0
    weights = untuned(MEMBERS, 2).weights
    assert weights[0] / weights[1] == pytest.approx(np.exp(PRICE))


def test_inner_scores_are_mixed_without_the_callers_that_are_scored() -> None:
    columns = np.column_stack([noisy(60, 0.4, 6), noisy(60, 0.8, 7), noisy(60, 0.0, 8)])
    members = (*MEMBERS, Member("third", 0))
    fold, caller = np.arange(60) % 5, np.array([f"c{i:03d}" for i in range(60)])
    y = np.arange(60) % 2

    def scores(outcome: np.ndarray) -> np.ndarray:
        loss = -2 * np.log(np.where(outcome[:, None] == 1, columns, 1 - columns))
        choice = choose(members, columns, loss, fold, outcome, caller, np.full(60, 4), 0.5)
        return unseen_scores(choice, columns, fold, outcome, caller, 0.5)

    as_is = scores(y)
    turned = np.where(fold == 2, 1 - y, y)
    # Whatever the outcomes of a fold, its own scores stay; those of the other folds do not.
    np.testing.assert_array_equal(scores(turned)[fold == 2], as_is[fold == 2])
    assert (scores(turned)[fold != 2] != as_is[fold != 2]).all()
    # One member, or a step of boosting, is no mixture.
    alone = untuned(MEMBERS[:1], 1)
    np.testing.assert_allclose(
        unseen_scores(alone, columns[:, :1], fold, y, caller, 0.5), columns[:, 0], atol=1e-12
    )
    stepped = untuned((), 3)
    np.testing.assert_array_equal(unseen_scores(stepped, columns, fold, y, caller, 0.5), columns[:, -1])
