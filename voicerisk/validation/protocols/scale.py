"""The nested protocol for ordered grades and for numbers: everything learned inside the fold.

Folds, inner folds, members and their mixing are those of two classes. A fold's score is the members' weighted
mean; what it says of grades, or of the number, is learned on out-of-fold scores of the inner folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from voicerisk.callers.folds import caller_table, require_callers, strata_columns
from voicerisk.callers.weights import caller_shares
from voicerisk.errors import ValidationError
from voicerisk.proportional_odds import best_thresholds, loss, ridge_ordinal
from voicerisk.types import Floats, Progress
from voicerisk.validation.contract import Member, TrainingSet
from voicerisk.validation.protocols.choice import mixing_weights
from voicerisk.validation.protocols.fold_plan import OuterFold, plan_folds, plan_whole
from voicerisk.validation.protocols.outer_fold import SCORE_DECIMALS
from voicerisk.validation.settings import ValidationSettings

LEAST_CALLERS = 4  # in either half of the scale, as for two classes
# Of a recalibration's slope, for one standard deviation of the score: where scores separate the grades the
# likelihood alone has no maximum. At 40 callers it moves a slope by less than 0.1%.
SLOPE_PENALTY = 0.01


class Line(Protocol):
    """What turns a score into a statement about the outcome."""

    @property
    def flat(self) -> bool:
        """Whether inner scores did not rise with the outcome, so that every call is told the same."""
        ...

    def columns(self, score: Floats) -> dict[str, Floats]:
        """Return the columns of the predictions table: predicted, and of grades at_least_<grade>."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return its numbers, JSON-ready."""
        ...


@dataclass(frozen=True, slots=True)
class GradeLine:
    """logit P(y >= grade) = slope * score - threshold.

    Attributes
    ----------
    grades : tuple of int
        The study's grades, rising.
    thresholds : ndarray, shape (grades - 1,)
        Of all grades but the lowest. A grade nobody had in training has that of the next higher one, and
        infinity where there is none: nobody is told to reach it.
    slope : float
        Never below 0.
    """

    grades: tuple[int, ...]
    thresholds: Floats
    slope: float

    @property
    def flat(self) -> bool:
        """Whether every call gets the shares of the grades."""
        return self.slope == 0.0

    def at_least(self, score: Floats) -> Floats:
        """Return P(y >= grade) for all grades but the lowest, shape (n, grades - 1)."""
        return np.asarray(
            0.5 * (1.0 + np.tanh(0.5 * (self.slope * score[:, None] - self.thresholds))), np.float64
        )

    def columns(self, score: Floats) -> dict[str, Floats]:
        """Return predicted (the mean grade) and at_least_<grade>."""
        above = self.at_least(score)
        mean = self.grades[0] + above @ np.diff(self.grades).astype(np.float64)
        named = {f"at_least_{grade}": above[:, j] for j, grade in enumerate(self.grades[1:])}
        return {"predicted": mean, **named}

    def as_dict(self) -> dict[str, Any]:
        """Return grades, thresholds and slope."""
        return {
            "grades": list(self.grades),
            "thresholds": self.thresholds.tolist(),
            "slope": self.slope,
        }


@dataclass(frozen=True, slots=True)
class NumberLine:
    """predicted = intercept + slope * score."""

    intercept: float
    slope: float

    @property
    def flat(self) -> bool:
        """Whether every call gets the study's mean."""
        return self.slope == 0.0

    def columns(self, score: Floats) -> dict[str, Floats]:
        """Return predicted."""
        return {"predicted": self.intercept + self.slope * score}

    def as_dict(self) -> dict[str, Any]:
        """Return intercept and slope."""
        return {"intercept": self.intercept, "slope": self.slope}


@dataclass(frozen=True, slots=True)
class GradeScale:
    """Ordered grades.

    Attributes
    ----------
    grades : tuple of int
        That occur in the study, rising.
    shares : ndarray, shape (grades,)
        Their shares of the study's calls: the weight of each grade in every fold. Without it a model that
        learned nothing would score a held-out caller against their own grade.
    """

    grades: tuple[int, ...]
    shares: Floats

    @classmethod
    def of(cls, y: np.ndarray) -> GradeScale:
        """Return the scale of a study's calls."""
        grades, counts = np.unique(y, return_counts=True)
        return cls(tuple(int(one) for one in grades), counts / counts.sum())

    def weights(self, caller: np.ndarray, y: np.ndarray, rows: np.ndarray | None = None) -> Floats:
        """Return training weights, summing to callers: alike within a grade, grades as in the study."""
        share = caller_shares(caller, rows)
        place = np.searchsorted(self.grades, y)
        mass = np.bincount(place, share, len(self.grades))
        wanted = np.where(mass > 0, self.shares, 0.0)
        factor = wanted / wanted.sum() * mass.sum() / np.where(mass > 0, mass, 1.0)
        return np.asarray(share * factor[place], np.float64)

    def line(self, score: Floats, y: np.ndarray, weights: Floats) -> tuple[GradeLine, float]:
        """Learn the line on out-of-fold scores; return it and its deviance."""
        rank = np.unique(y, return_inverse=True)[1].astype(np.int64)
        spread = float(score.std())
        z = (score - score.mean()) / spread if spread > 0 else np.zeros(len(score))
        thresholds, found = ridge_ordinal(z[:, None], rank, weights, SLOPE_PENALTY)
        slope = float(found[0]) if spread > 0 and found[0] > 0 else 0.0
        if slope == 0.0:
            thresholds = best_thresholds(thresholds, np.zeros(len(z)), rank, weights)
        deviance = 2.0 * loss(thresholds, slope * z, rank, weights)
        per_score = slope / spread if slope else 0.0
        thresholds = thresholds + per_score * float(score.mean())
        place = np.searchsorted(np.unique(y), self.grades[1:])  # of the next grade that was there
        own = np.r_[-np.inf, thresholds, np.inf][place]
        return GradeLine(self.grades, own, per_score), deviance


@dataclass(frozen=True, slots=True)
class NumberScale:
    """A number.

    Attributes
    ----------
    mean : float
        Of the study, callers alike. A fold's predictions are level with it: the level of the callers who are
        left would lean against those held out, as the class share does that a fold of two classes holds.
    """

    mean: float

    @classmethod
    def of(cls, y: np.ndarray, caller: np.ndarray) -> NumberScale:
        """Return the scale of a study's calls."""
        return cls(float(np.average(y, weights=caller_shares(caller))))

    def weights(self, caller: np.ndarray, y: np.ndarray, rows: np.ndarray | None = None) -> Floats:
        """Return training weights: callers alike; they sum to the number of callers."""
        return caller_shares(caller, rows)

    def line(self, score: Floats, y: np.ndarray, weights: Floats) -> tuple[NumberLine, float]:
        """Learn the line on out-of-fold scores; return it and its deviance (Gaussian, spread unknown)."""
        share = weights / weights.sum()
        y_mean, s_mean = float(share @ y), float(share @ score)
        within = float(share @ (score - s_mean) ** 2)
        total = float(share @ (y - y_mean) ** 2)
        if not total > 0:
            raise ValidationError(
                "The outcome is the same in all calls of a training set; nothing is there to learn."
            )
        both = float(share @ ((score - s_mean) * (y - y_mean)))
        slope = both / within if within > 0 and both > 0 else 0.0
        left = total - slope * both
        deviance = float(weights.sum()) * np.log(max(left / total, np.finfo(float).tiny))
        # Were the callers left in of the study's mean, line and scores would be that much higher.
        level = (left / total) * (self.mean - y_mean)
        return NumberLine(y_mean - slope * s_mean + level, slope), float(deviance)


Scale = GradeScale | NumberScale
FitMembers = Callable[[TrainingSet], Floats]
"""Fits the members on a training set; returns their scores of all calls, shape (n_calls, members)."""


@dataclass(frozen=True, slots=True)
class ScaleFold:
    """What a fold learned.

    Attributes
    ----------
    weights : ndarray, shape (members,)
    line : Line
    deviance : ndarray, shape (members,)
        Of the inner folds, for each caller.
    score : ndarray, shape (n_assessed,)
    rows : ndarray of int
        Calls that were held out.
    """

    plan: OuterFold
    weights: Floats
    line: Line
    deviance: Floats
    score: Floats
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """What the protocol returns.

    Attributes
    ----------
    predictions : DataFrame
        design, repeat, fold, call_id, caller_id, y, score, predicted, and of grades at_least_<grade>.
    tuning : DataFrame
        design, repeat, fold, member, weight, deviance.
    notes : dict
    folds : list of ScaleFold
    """

    predictions: pd.DataFrame
    tuning: pd.DataFrame
    notes: dict[str, Any]
    folds: list[ScaleFold] = field(default_factory=list)


def run_scale(
    calls: pd.DataFrame,
    scale: Scale,
    fit: FitMembers,
    members: Sequence[Member],
    settings: ValidationSettings,
    progress: Progress | None = None,
) -> ScaleResult:
    """Validate a family of models of grades or of a number on callers left out.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames, then one column a stratum; in the order of the rows of `fit`.
    scale : GradeScale or NumberScale
    fit : callable
    members : sequence of Member
        Of the columns that `fit` returns.
    settings : ValidationSettings
    progress : callable, optional

    Returns
    -------
    ScaleResult

    Raises
    ------
    ValidationError
        Where fewer than 4 callers lie in one half of the scale.
    """
    callers, stand_in = halves(calls)
    planned, merged = plan_folds(callers, settings.designs, settings, "nested", None, True)
    total = sum(1 + len(one.inner) for one in planned)
    finished, done = [], 0
    for plan in planned:
        finished.append(finish(plan, calls, scale, fit, members))
        done += 1 + len(plan.inner)
        if progress is not None:
            progress(done, total)
    mean = np.mean([one.weights for one in finished], axis=0)
    notes = {
        "folds": len(finished),
        "halves": f"folds are spread over calls below and from {stand_in:g} on",
        "merged_strata": list(merged),
        "folds_with_flat_recalibration": sum(one.line.flat for one in finished),
        "member_weights": {m.name: float(w) for m, w in zip(members, mean, strict=True)},
    }
    return ScaleResult(
        pd.concat([_rows(one, calls) for one in finished], ignore_index=True),
        pd.concat([_tuned(one, members) for one in finished], ignore_index=True),
        notes,
        finished,
    )


def learn_scale(
    calls: pd.DataFrame,
    scale: Scale,
    fit: FitMembers,
    members: Sequence[Member],
    settings: ValidationSettings,
) -> ScaleFold:
    """Run the procedure once on all callers; `score` is the apparent one."""
    callers, _ = halves(calls)
    return finish(plan_whole(callers, settings, "nested/all", None, True), calls, scale, fit, members)


def halves(calls: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Return the callers as folds are dealt by them: those below and those above the middle of the scale.

    Returns
    -------
    callers : DataFrame
        As `caller_table`; pattern '0' for callers whose mean outcome is below the bound, else '1'.
    bound : float
        The value of a caller's mean outcome that parts the callers most evenly.
    """
    mean = calls.groupby("caller_id")["y"].mean()
    values = np.unique(mean.to_numpy())[1:]
    if not len(values):
        raise ValidationError("All callers have the same outcome; nothing is there to learn.")
    above = np.array([(mean >= value).sum() for value in values])
    bound = float(values[np.abs(2 * above - len(mean)).argmin()])
    half = (calls["caller_id"].map(mean) >= bound).astype(np.int64)
    table = calls.assign(y=half)
    callers = caller_table(table, strata_columns(table))
    require_callers(callers, LEAST_CALLERS, "nested")
    return callers, bound


def finish(
    plan: OuterFold, calls: pd.DataFrame, scale: Scale, fit: FitMembers, members: Sequence[Member]
) -> ScaleFold:
    """Learn one outer fold: members weighed and the line learned on inner out-of-fold scores."""
    caller = calls["caller_id"].to_numpy(dtype=str)
    y = calls["y"].to_numpy()
    inner = np.full((len(calls), len(members)), np.nan)
    fold = np.full(len(calls), -1)
    for number, asked in enumerate(plan.inner):
        rows = np.flatnonzero(np.isin(caller, asked.assess))
        inner[rows] = _checked(fit(asked), len(calls), len(members), asked.key)[rows]
        fold[rows] = number
    train = np.flatnonzero(np.isin(caller, plan.outer.train))
    weights = scale.weights(caller[train], y[train])
    losses = np.array([scale.line(inner[train, m], y[train], weights)[1] for m in range(len(members))])
    mixed = mixing_weights(members, losses)
    unseen = _unseen_scores(inner[train], fold[train], y[train], caller[train], scale, members, mixed)
    line, _ = scale.line(unseen.round(SCORE_DECIMALS), y[train], weights)
    held = np.flatnonzero(np.isin(caller, plan.outer.assess))
    score = _checked(fit(plan.outer), len(calls), len(members), plan.outer.key)[held] @ mixed
    return ScaleFold(plan, mixed, line, losses / weights.sum(), score.round(SCORE_DECIMALS), held)


def _unseen_scores(
    inner: Floats,
    fold: np.ndarray,
    y: np.ndarray,
    caller: np.ndarray,
    scale: Scale,
    members: Sequence[Member],
    mixed: Floats,
) -> Floats:
    """Mix inner scores without the callers that are scored: seen weights would make the line too steep."""
    score = np.empty(len(y))
    for held in np.unique(fold):
        rest = fold != held
        own = mixed
        if np.ptp(y[rest]) > 0:
            weights = scale.weights(caller[rest], y[rest])
            losses = [scale.line(column, y[rest], weights)[1] for column in inner[rest].T]
            own = mixing_weights(members, np.array(losses))
        score[~rest] = inner[~rest] @ own
    return score


def _checked(score: Floats, n: int, members: int, key: str) -> Floats:
    if score.shape != (n, members) or not np.isfinite(score).all():
        raise ValidationError(
            f"The refit {key!r} must give {members} finite scores for each of {n} calls; it gave shape "
            f"{score.shape}, {int((~np.isfinite(score)).sum())} of them not finite."
        )
    return score


def _rows(one: ScaleFold, calls: pd.DataFrame) -> pd.DataFrame:
    held = calls.iloc[one.rows]
    plan = one.plan
    return pd.DataFrame(
        {
            "design": plan.design,
            "repeat": plan.repeat,
            "fold": plan.fold,
            "call_id": held["call_id"].to_numpy(),
            "caller_id": held["caller_id"].to_numpy(),
            "y": held["y"].to_numpy(),
            "score": one.score,
            **one.line.columns(one.score),
        }
    )


def _tuned(one: ScaleFold, members: Sequence[Member]) -> pd.DataFrame:
    plan = one.plan
    return pd.DataFrame(
        {
            "design": plan.design,
            "repeat": plan.repeat,
            "fold": plan.fold,
            "member": [member.name for member in members],
            "weight": one.weights,
            "deviance": one.deviance,
        }
    )
