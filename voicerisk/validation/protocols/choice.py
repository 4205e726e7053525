"""What a fold takes of its models: a number of steps, or weights of the members of a family."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from voicerisk.callers.weights import training_weights
from voicerisk.validation.contract import Member
from voicerisk.validation.metrics.logistic import logit
from voicerisk.validation.metrics.recalibration import SCORE_CLIP, fitted_line
from voicerisk.validation.protocols.steps import StepChoice, choose_steps

# What a member must be better by, in log-likelihood of the callers, to weigh as much as one whose `extra` is
# one less.
PRICE = 0.5
BOOSTED_GAP = 6.0  # deviance by which gamboost must be better than the members to take over
BOOSTED = "gamboost"


@dataclass(frozen=True, slots=True)
class Choice:
    """How the columns of a fit become one score.

    Parameters
    ----------
    members : tuple of Member
        Empty where there is one model.
    weights : ndarray, shape (members,)
        They sum to 1: the score's log-odds are the weighted mean of the members'.
    step : int or None
        Step of the boosted path, counted from its own first column; None where members are taken.
    steps : StepChoice or None
        What tuned the path; None where it was not tuned or there is none.
    deviance : ndarray
        Recalibrated deviance of the inner folds for each caller, by member and, where there is a path beside
        them, of that; empty where nothing was compared.
    """

    members: tuple[Member, ...]
    weights: np.ndarray
    step: int | None
    steps: StepChoice | None
    deviance: np.ndarray

    def score(self, columns: np.ndarray) -> np.ndarray:
        """Return the score of each call from the columns of a fit, shape (n_calls,)."""
        first = len(self.members)
        if self.step is not None:
            return np.asarray(columns[:, first + self.step])
        return expit(logit(columns[:, :first], SCORE_CLIP) @ self.weights)

    @property
    def of_frames(self) -> int | np.ndarray:
        """What `FittedPath.frame_scores` is asked for."""
        return self.weights if self.step is None else self.step


def untuned(members: Sequence[Member], width: int, step: int | None = None) -> Choice:
    """Return what is taken without inner folds: a step (the last by default), or members at their price.

    Parameters
    ----------
    members : sequence of Member
    width : int
        Number of columns.
    step : int, optional
    """
    if members:
        return Choice(
            tuple(members), mixing_weights(members, np.zeros(len(members))), None, None, np.zeros(0)
        )
    return Choice((), np.zeros(0), width - 1 if step is None else step, None, np.zeros(0))


def choose(
    members: Sequence[Member],
    score: np.ndarray,
    deviance: np.ndarray,
    fold: np.ndarray,
    y: np.ndarray,
    caller: np.ndarray,
    n_frames: np.ndarray,
    prior: float,
) -> Choice:
    """Learn from inner out-of-fold scores what a fold takes.

    Parameters
    ----------
    members : sequence of Member
    score, deviance : ndarray, shape (n_calls, columns)
    fold : ndarray of int, shape (n_calls,)
        Inner fold.
    y, caller, n_frames : ndarray, shape (n_calls,)
    prior : float
        pi0.

    Returns
    -------
    Choice

    Notes
    -----
    The loss is the deviance of calls after logistic recalibration of the out-of-fold scores, every caller
    counting alike within the classes: a member is judged by what its scores are worth, not by their scale.
    Members are mixed with weights exp(-deviance / 2 - PRICE * extra), so that what is as good and simpler
    leads, and small studies get the simple member. A boosted path, its steps chosen by the deviance of
    frames, takes the place of the members where it beats their mixture by `BOOSTED_GAP`.
    """
    first = len(members)
    of_frames = training_weights(caller, y, prior, n_frames)
    steps = choose_steps(deviance[:, first:], of_frames, fold) if deviance.shape[1] > first else None
    if not members:
        assert steps is not None
        return Choice((), np.zeros(0), steps.step, steps, np.zeros(0))
    weights = training_weights(caller, y, prior)
    losses = _losses(score[:, :first], y, weights, prior)
    mixed = Choice(tuple(members), mixing_weights(members, losses), None, steps, losses / weights.sum())
    if steps is None:
        return mixed
    boosted = _loss(score[:, first + steps.step], y, weights, prior)
    wins = boosted + BOOSTED_GAP < _loss(mixed.score(score), y, weights, prior)
    return Choice(
        mixed.members,
        np.zeros(first) if wins else mixed.weights,
        steps.step if wins else None,
        steps,
        np.r_[losses, boosted] / weights.sum(),
    )


def unseen_scores(
    choice: Choice,
    score: np.ndarray,
    fold: np.ndarray,
    y: np.ndarray,
    caller: np.ndarray,
    prior: float,
) -> np.ndarray:
    """Return the inner scores of what was chosen, the members mixed without the callers that are scored.

    Recalibration and cut are learned from these. With weights that had seen the same callers, a mixture would
    look better there than it is, and its risks would come out too extreme.

    Parameters
    ----------
    choice : Choice
    score : ndarray, shape (n_calls, columns)
        Inner out-of-fold scores.
    fold, y, caller : ndarray, shape (n_calls,)
    prior : float

    Returns
    -------
    ndarray, shape (n_calls,)
        Where a step was taken, its scores; that it was chosen by the same callers stays.
    """
    first = len(choice.members)
    if choice.step is not None or first < 2:
        return choice.score(score)
    logits = logit(score[:, :first], SCORE_CLIP)
    found = np.empty(len(score))
    for held in np.unique(fold):
        rest = fold != held
        if len(np.unique(y[rest])) < 2:
            mixed = choice.weights
        else:
            weights = training_weights(caller[rest], y[rest], prior)
            mixed = mixing_weights(choice.members, _losses(score[rest, :first], y[rest], weights, prior))
        found[~rest] = expit(logits[~rest] @ mixed)
    return found


def mixing_weights(members: Sequence[Member], losses: np.ndarray) -> np.ndarray:
    """Return the weights of members by their deviance, each paying its price; they sum to 1."""
    power = -0.5 * losses - PRICE * np.array([member.extra for member in members])
    weights = np.exp(power - power.max())
    return np.asarray(weights / weights.sum())


def _losses(score: np.ndarray, y: np.ndarray, weights: np.ndarray, prior: float) -> np.ndarray:
    return np.array([_loss(column, y, weights, prior) for column in score.T])


def _loss(score: np.ndarray, y: np.ndarray, weights: np.ndarray, prior: float) -> float:
    p = fitted_line(score, y, weights, prior)(score)
    return float(-2.0 * (weights * np.log(np.clip(np.where(y == 1, p, 1.0 - p), 1e-12, 1.0))).sum())
