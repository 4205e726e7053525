"""A boosted path as the additive model that a file keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicerisk.errors import ModelError
from voicerisk.models.boosting.learner_rows import is_level_learner
from voicerisk.models.boosting.path import LanePath, level_values
from voicerisk.models.saved.additive import ALL, AdditiveModel, Effect
from voicerisk.models.saved.procedure import Procedure
from voicerisk.models.splines import Grid
from voicerisk.types import Floats


def scoring_model(
    path: LanePath,
    step: int | None = None,
    notes: Mapping[str, Any] | None = None,
    procedure: Procedure | None = None,
) -> AdditiveModel:
    """Return the additive model after `step` steps, without caller effects.

    Parameters
    ----------
    path : LanePath
    step : int, optional
        None = all.
    notes : mapping, optional
        What a reader of the file should know of the fit.
    procedure : Procedure, optional
        What makes a risk and a decision of a call's score.

    Returns
    -------
    AdditiveModel

    Raises
    ------
    ModelError
        For a learner by a 0/1 column, which a file of curves by level cannot hold.
    """
    learners = [f.learner for f in path.learners]
    moderator = path.own_data().moderator
    levels = () if moderator is None else moderator.levels
    for learner in learners:
        if learner.by not in (None, *levels):
            raise ModelError(
                f"{learner.name} is no learner by level; such a model cannot be saved for scoring."
            )
    if not any(learner.by is not None or is_level_learner(learner, moderator) for learner in learners):
        moderator, levels = None, ()  # the same for every level
    shift = dict.fromkeys(levels or (ALL,), 0.0)
    sums: dict[tuple[str, str, Grid], Floats] = {}
    for fitted, c in zip(path.learners, path.coefficients(step), strict=True):
        learner = fitted.learner
        if learner.kind == "brandom":
            continue
        if fitted.grid is None:
            for name, value in zip(shift, level_values(learner, c, moderator), strict=True):
                shift[name] += float(value)
            continue
        names = (learner.by,) if learner.by else tuple(shift)
        for name in names:
            key = (learner.variable, name, fitted.grid)
            sums[key] = sums.get(key, 0.0) + fitted.polynomials(c)
    every = tuple(dict.fromkeys(f.learner.variable for f in path.learners if f.grid is not None))
    available = frozenset(m for m in every if all(x.available for x in learners if x.variable == m))
    ranges: dict[str, tuple[float, float]] = {}
    for marker, _, grid in sums:
        low, high = ranges.get(marker, (grid.low, grid.high))
        ranges[marker] = (min(low, grid.low), max(high, grid.high))
    taken = path.mstop if step is None else step
    return AdditiveModel(
        offset=path.offset,
        level_effect=shift,
        effects=tuple(Effect(*key, polynomials) for key, polynomials in sums.items()),
        markers=every,
        moderator=moderator,
        outside=path.outside,
        availability=available,
        ranges=ranges,
        procedure=procedure,
        unit="frame",
        notes={"steps": taken, "rows": path.n, **(notes or {})},
    )
