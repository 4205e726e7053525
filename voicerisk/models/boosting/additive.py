"""A boosted path as the additive model that a file keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicerisk.errors import ModelError
from voicerisk.models.boosting.engine.rows import learner_blocks
from voicerisk.models.boosting.engine.splines import Grid
from voicerisk.models.boosting.path import LanePath
from voicerisk.models.boosting.spec import SEXES
from voicerisk.models.saved.additive import ALL, AdditiveModel, Effect
from voicerisk.models.saved.procedure import Procedure
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
        For a learner by a 0/1 column, which a file of curves by sex cannot hold.
    """
    learners = [f.learner for f in path.learners]
    for learner in learners:
        if learner.by not in (None, *SEXES):
            raise ModelError(
                f"{learner.name} is not a learner by sex; such a model cannot be saved for scoring."
            )
    by_sex = any(learner.by in SEXES or learner.variable == "sex" for learner in learners)
    shift = dict.fromkeys(SEXES, 0.0) if by_sex else {ALL: 0.0}
    sums: dict[tuple[str, str, Grid], Floats] = {}
    for fitted, c in zip(path.learners, path.coefficients(step), strict=True):
        learner = fitted.learner
        if learner.kind == "brandom":
            continue
        if fitted.grid is None:
            blocks = learner_blocks(learner, by_sex)
            for b, name in enumerate(shift):
                value = c[0] if learner.variable == "1" or learner.intercept else 0.0
                if learner.variable == "sex" and b == 1:
                    value = c[0] + c[1] if learner.intercept else c[0]
                shift[name] += float(value) * (blocks >> b & 1)
            continue
        names = (learner.by,) if learner.by else tuple(shift)
        for name in names:
            key = (learner.variable, name, fitted.grid)
            sums[key] = sums.get(key, 0.0) + fitted.polynomials(c)
    every = tuple(
        dict.fromkeys(
            learner.variable for learner in learners if learner.variable not in ("sex", "1", "caller")
        )
    )
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
        moderator="sex" if by_sex else None,
        levels=SEXES if by_sex else (),
        outside=path.outside,
        availability=available,
        ranges=ranges,
        procedure=procedure,
        unit="frame",
        notes={"steps": taken, "rows": path.n, **(notes or {})},
    )
