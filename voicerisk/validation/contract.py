"""The contract by which validation asks for refits: what is asked, what comes back, and what is checked.

Validation knows no model. It hands training sets (callers to learn from, callers to score) to a function and
takes back the scores of the assessed calls after every number of steps of the model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError
from voicerisk.types import Progress


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """One model to fit.

    Parameters
    ----------
    key : str
        Unique and stable, for example ``nested/loco/r00/f003/i07`` (inner) or ``nested/loco/r00/f003/outer``.
    train : tuple of str
        Callers whose labels and frames may be seen.
    assess : tuple of str
        Callers to score.
    class_prior : float or None
        pi0: the training weight of a row is class factor x 1/(rows of its caller). None = no class factor.
    seed : int
        For anything random in the fit (inner folds of the Lasso, ...).
    caller_weights : bool
        Whether rows weigh 1/(rows of their caller) where there is no class factor, too; otherwise they are
        unweighted then. With a class prior callers always weigh alike within their class.
    """

    key: str
    train: tuple[str, ...]
    assess: tuple[str, ...]
    class_prior: float | None
    seed: int
    caller_weights: bool = False

    @property
    def weighted(self) -> bool:
        """Whether rows are weighted at all; `training_weights` at `class_prior` then has the weights."""
        return self.class_prior is not None or self.caller_weights


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a small named family, of which a fold takes a weighted mean.

    Parameters
    ----------
    name : str
    extra : int
        How much more than the simplest member it may learn; the more, the more the callers must speak for it.
    """

    name: str
    extra: int


@dataclass(frozen=True, slots=True)
class FittedPath:
    """Scores of the assessed calls by one fitted model along its path, or by the members of a family.

    Parameters
    ----------
    key : str
        Key of the training set.
    call_ids : tuple of str
        The calls of the assessed callers.
    call_score : ndarray, shape (n_calls, M + 1)
        Mean frame probability of each call after 0..M steps (M = 0 for a model without steps). Where there
        are members, their probabilities of the call come first, one column each; the columns after them, if
        any, are the path.
    call_deviance : ndarray, shape (n_calls, M + 1)
        Mean frame deviance (-2 log-likelihood) of each call; of a member the deviance of the call.
    provenance : mapping of str to tuple of str
        Learned object ('screening', 'knots', 'boost', ...) -> callers it saw.
    notes : mapping
        For example selected markers (`selected`), share of frames clamped, learners left out.
    frame_scores : callable
        Step -> table call_id, segment, frame, time_s, p_raw of the assessed calls; empty for a model without
        frames. Where the fold takes members, their weights -> that table.
    members : tuple of Member
        The same for all paths of an outer fold; empty where there is one model.
    model : callable, optional
        Weights of the members -> the model that is their mean, for whoever keeps models; None where the refit
        keeps none.
    """

    key: str
    call_ids: tuple[str, ...]
    call_score: np.ndarray
    call_deviance: np.ndarray
    provenance: Mapping[str, tuple[str, ...]]
    notes: Mapping[str, Any]
    frame_scores: Callable[[Any], pd.DataFrame]
    members: tuple[Member, ...] = ()
    model: Callable[[Any], Any] | None = None


FitPaths = Callable[[Sequence[TrainingSet], Progress | None], Iterator[FittedPath]]
"""Fits every training set and yields the paths in the order asked."""


def next_path(
    paths: Iterator[FittedPath], asked: TrainingSet, call_ids: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, FittedPath]:
    """Take the next path and check that it answers what was asked.

    Parameters
    ----------
    paths : iterator of FittedPath
    asked : TrainingSet
    call_ids : sequence of str
        All calls of `asked.assess`, in the order wanted.

    Returns
    -------
    score, deviance : ndarray, shape (n_calls, M + 1)
        Rows in the order of `call_ids`.
    path : FittedPath

    Raises
    ------
    ValidationError
        Where the path is missing, belongs to another training set, lacks a call, or holds values that are not
        finite or are outside their range.
    """
    path = next(paths, None)
    if path is None:
        raise ValidationError(f"The refit ended before {asked.key!r}; it must yield one path a training set.")
    if path.key != asked.key:
        raise ValidationError(f"The refit returned {path.key!r} in place of {asked.key!r}; keep the order.")
    position = {call: row for row, call in enumerate(path.call_ids)}
    if len(position) != len(path.call_ids) or set(position) != set(call_ids):
        odd = sorted(set(position) ^ set(call_ids))[:3]
        raise ValidationError(
            f"The refit {asked.key!r} must score each call of its assessed callers once; "
            f"it returned {len(path.call_ids)} rows for {len(call_ids)} calls (differing: {odd})."
        )
    shape = np.shape(path.call_score)
    if (
        len(shape) != 2
        or shape[0] != len(path.call_ids)
        or shape[1] < len(path.members)
        or np.shape(path.call_deviance) != shape
    ):
        raise ValidationError(
            f"The refit {asked.key!r} returned scores of shape {shape} and deviances of shape "
            f"{np.shape(path.call_deviance)}; both must be (calls, steps + 1) = ({len(path.call_ids)}, ...)."
        )
    rows = [position[call] for call in call_ids]
    score = np.asarray(path.call_score, dtype=np.float64)[rows]
    deviance = np.asarray(path.call_deviance, dtype=np.float64)[rows]
    _inside(asked.key, "score", score, call_ids, 1.0)
    _inside(asked.key, "deviance", deviance, call_ids, np.inf)
    return score, deviance, path


def _inside(key: str, what: str, values: np.ndarray, call_ids: Sequence[str], highest: float) -> None:
    bad = ~np.isfinite(values) | (values < 0.0) | (values > highest)
    if bad.any():
        row, step = np.argwhere(bad)[0]
        raise ValidationError(
            f"The refit {key!r} gave call {call_ids[row]!r} a {what} of {values[row, step]} at step {step}; "
            f"it must be finite and between 0 and {highest:g}."
        )


def assert_unseen(path: FittedPath, asked: TrainingSet, also: Mapping[str, Sequence[str]]) -> None:
    """Assert that no learned object saw a caller it may not have seen.

    Parameters
    ----------
    path : FittedPath
    asked : TrainingSet
    also : mapping of str to sequence of str
        Further callers that a named object may have seen (the fast switch: screening).

    Raises
    ------
    ValidationError
        Names the object, the refit and the callers.
    """
    if not path.provenance:
        raise ValidationError(
            f"The refit {asked.key!r} names no learned object in its provenance; a model always learns "
            "something."
        )
    for name, seen in path.provenance.items():
        allowed = set(asked.train).union(also.get(name, ()))
        leaked = sorted(set(seen) - allowed)
        if leaked:
            held_out = [caller for caller in leaked if caller in asked.assess]
            where = f"held-out callers {held_out[:3]}" if held_out else f"callers {leaked[:3]}"
            raise ValidationError(
                f"The learned object {name!r} of {asked.key!r} saw {where} ({len(leaked)} in all), "
                "which are not in its training set; its scores are not honest."
            )
