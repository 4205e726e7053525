"""Which rows a base-learner touches, and the values that it sees there."""

from __future__ import annotations

import numpy as np

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.models.boosting.spec import BoostData, Learner
from voicerisk.types import Floats


def mask_name(learner: Learner, moderator: Moderator | None) -> str | None:
    """Return the 0/1 column that masks rows; levels of the moderator are dealt with by blocks."""
    return None if moderator is not None and learner.by in moderator.levels else learner.by


def learner_blocks(learner: Learner, moderator: Moderator | None) -> int:
    """Return the blocks of rows that a learner touches, as bits."""
    every = 1 if moderator is None else (1 << len(moderator.levels)) - 1
    if moderator is not None and learner.by in moderator.levels:
        return 1 << moderator.levels.index(learner.by)
    if is_level_learner(learner, moderator):
        if learner.by is not None:
            raise ModelError(f"{learner.name} is not supported; bols({learner.variable}) takes no by.")
        return every if learner.intercept else every - 1
    if learner.by is not None and learner.variable == "1":
        raise ModelError(
            f"{learner.name} is not supported; an intercept is taken by a level of the moderator."
        )
    return every


def is_level_learner(learner: Learner, moderator: Moderator | None) -> bool:
    """Return whether a learner is one of the moderator itself, as bols(sex)."""
    return moderator is not None and learner.variable == moderator.name


def masked_column(data: BoostData, learner: Learner) -> Floats:
    """Return the learner's marker, NaN where its by or its availability is 0.

    Raises
    ------
    ModelError
        For an unknown column, a `by` that is not 0/1, or a missing value that the learner does not allow.
    """
    column = _column(data, learner.variable, learner)
    if not learner.available:
        missing = np.isnan(column)
        if missing.any():
            raise ModelError(
                f"{learner.variable} is missing in {missing.sum()} rows "
                f"(first: row {np.flatnonzero(missing)[0]}); "
                f"take {learner.name} by availability, or leave these rows out."
            )
    if learner.by is None or (data.moderator is not None and learner.by in data.moderator.levels):
        return column
    by = _column(data, learner.by, learner)
    if not np.isin(by, (0.0, 1.0)).all():
        wrong = np.flatnonzero(~np.isin(by, (0.0, 1.0)))[0]
        raise ModelError(f"{learner.by} is {by[wrong]} in row {wrong}; by = {learner.by} must be 0 or 1.")
    return np.where(by == 1.0, column, np.nan)


def _column(data: BoostData, name: str, learner: Learner) -> Floats:
    if name not in data.columns:
        raise ModelError(
            f"{learner.name} names column {name}, which the data do not have ({', '.join(data.columns)})."
        )
    return data.columns[name]
