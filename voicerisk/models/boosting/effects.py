"""What a boosted model says about each marker: partial effects, selection frequencies, importance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.models.boosting.learner_rows import masked_column
from voicerisk.models.boosting.path import FittedLearner, LanePath
from voicerisk.models.boosting.spec import BoostData, Learner
from voicerisk.models.splines import evaluate_cells
from voicerisk.types import Floats


def selection_frequencies(path: LanePath, step: int | None = None) -> pd.DataFrame:
    """Return how often each base-learner was chosen in the first `step` steps.

    Returns
    -------
    DataFrame
        learner, marker, sex, n_selected, share (of the steps).
    """
    chosen = path.selected[: _steps(path, step)]
    counts = np.bincount(chosen[chosen >= 0], minlength=len(path.learners))
    table = learner_table([f.learner for f in path.learners], _data(path).moderator)
    table["n_selected"] = counts
    table["share"] = counts / max(len(chosen), 1)
    return table


def importance(path: LanePath, step: int | None = None) -> pd.DataFrame:
    """Return the fall of the risk in the steps that chose each base-learner (mboost's `varimp`).

    Returns
    -------
    DataFrame
        learner, marker, sex, importance (sum of the fall of the risk / number of rows), share.
    """
    step = _steps(path, step)
    chosen = path.selected[:step]
    fall = -np.diff(path.risk[: step + 1]) / path.n
    sums = np.bincount(chosen[chosen >= 0], fall[chosen >= 0], len(path.learners))
    table = learner_table([f.learner for f in path.learners], _data(path).moderator)
    table["importance"] = sums
    table["share"] = sums / sums.sum() if sums.sum() > 0 else 0.0
    return table


def partial_effects(path: LanePath, step: int | None = None, points: int = 100) -> pd.DataFrame:
    """Return each marker's effect for each level of the moderator on the log-odds scale.

    The effect is the sum of all base-learners of the marker that touch the level, minus its mean over the
    rows of that level where the marker is available. That mean is in `availability_effects`.

    Parameters
    ----------
    path : LanePath
        With its data.
    step : int, optional
        Number of steps; None = all.
    points : int
        Values of x, equidistant over the range seen in that level.

    Returns
    -------
    DataFrame
        marker, sex (the level: 'female', 'male', or 'all' where the model has no moderator), x, estimate
        (log-odds).
    """
    tables = []
    for marker, sex, seen, effect in _effects(path, step):
        x = np.linspace(seen.min(), seen.max(), points)
        estimate = effect(x) - effect(seen).mean()
        tables.append(pd.DataFrame({"marker": marker, "sex": sex, "x": x, "estimate": estimate}))
    if not tables:
        return pd.DataFrame({"marker": [], "sex": [], "x": np.zeros(0), "estimate": np.zeros(0)})
    return pd.concat(tables, ignore_index=True)


def availability_effects(path: LanePath, step: int | None = None) -> pd.DataFrame:
    """Return the mean effect of each marker over its available rows: what being available adds.

    Returns
    -------
    DataFrame
        marker, sex, estimate (log-odds), share_available (of the rows of that level).
    """
    data = _data(path)
    rows = []
    for marker, sex, seen, effect in _effects(path, step):
        rows.append((marker, sex, effect(seen).mean(), len(seen) / np.count_nonzero(_of_level(data, sex))))
    return pd.DataFrame(rows, columns=["marker", "sex", "estimate", "share_available"])


class _Effect:
    """The sum of a marker's learners, as a function of x."""

    def __init__(self, parts: list[tuple[FittedLearner, Floats]], outside: str) -> None:
        self.parts, self.outside = parts, outside

    def __call__(self, x: Floats) -> Floats:
        total = np.zeros(len(x))
        for fitted, c in self.parts:
            if fitted.grid is not None:
                total += evaluate_cells(*fitted.grid.locate(x, self.outside), fitted.polynomials(c))
        return total


def _effects(path: LanePath, step: int | None) -> list[tuple[str, str, Floats, _Effect]]:
    """Return marker, level, the available values in that level, and the effect."""
    data = _data(path)
    coefficients = path.coefficients(step)
    parts = [(f, c) for f, c in zip(path.learners, coefficients, strict=True) if f.grid is not None]
    levels = () if data.moderator is None else data.moderator.levels
    for fitted, _ in parts:
        if fitted.learner.by not in (None, *levels):
            raise ModelError(
                f"{fitted.learner.name} is no learner by level of the moderator; its effect has no curve."
            )
    markers = list(dict.fromkeys(f.learner.variable for f, _ in parts))
    found = []
    for marker in markers:
        for sex in levels or ("all",):
            own = [(f, c) for f, c in parts if f.learner.variable == marker and f.learner.by in (None, sex)]
            if not own:
                continue
            column = masked_column(data, own[0][0].learner)
            seen = column[_of_level(data, sex) & ~np.isnan(column)]
            if len(seen):
                found.append((marker, sex, seen, _Effect(own, path.outside)))
    return found


def _of_level(data: BoostData, level: str) -> NDArray[np.bool_]:
    """Return which rows are of a level; 'all' is that of data without a moderator."""
    if data.moderator is None or data.level is None:
        return np.ones(data.n, bool)
    return np.asarray(data.level == data.moderator.levels.index(level))


def learner_table(learners: Sequence[Learner], moderator: Moderator | None) -> pd.DataFrame:
    """Return learner, marker, sex (the level, 'all' for learners of every level) of base-learners."""
    levels = () if moderator is None else moderator.levels
    return pd.DataFrame(
        {
            "learner": [learner.name for learner in learners],
            "marker": [learner.variable for learner in learners],
            "sex": [learner.by if learner.by in levels else "all" for learner in learners],
        }
    )


def _steps(path: LanePath, step: int | None) -> int:
    if step is None:
        return path.mstop
    if not 0 <= step <= path.mstop:
        raise ModelError(f"Step {step} was asked for; path {path.key} has steps 0 to {path.mstop}.")
    return step


def _data(path: LanePath) -> BoostData:
    if path.data is None:
        raise ModelError(
            f"Path {path.key} was read from a file; give it its data (from_npz(..., data)) for effects."
        )
    return path.data
