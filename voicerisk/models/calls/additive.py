"""A model of calls as the additive model that a file keeps, and its curves as tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.callers.moderator import Moderator
from voicerisk.models.calls.features import CallFrames, source_of
from voicerisk.models.calls.model import COMMON, CallModel
from voicerisk.models.saved.additive import ALL, CALL, AdditiveModel, Effect
from voicerisk.models.saved.procedure import Procedure


def additive_model(
    model: CallModel,
    moderator: Moderator | None,
    frames: CallFrames,
    notes: Mapping[str, Any] | None = None,
    procedure: Procedure | None = None,
) -> AdditiveModel:
    """Return the additive model that a file keeps.

    Parameters
    ----------
    model : CallModel
    moderator : Moderator or None
        Its levels that the model does not know get the curves that all levels share.
    frames : CallFrames
        Of the calls learned from; they set the ranges, beyond which somebody who uses the model is warned.
    notes : mapping, optional
    procedure : Procedure, optional

    Returns
    -------
    AdditiveModel
        Of unit 'call': a call's log-odds are the sum over markers of the mean contribution of the rows where
        the marker is available. What a marker spreads within calls is part of its contribution.
    """
    levels = {ALL: COMMON} if moderator is None else {one: _known(model, one) for one in moderator.levels}
    of_values = {effect.marker for effect in model.effects if effect.marker == source_of(effect.marker)}
    effects = tuple(
        Effect(
            source_of(effect.marker), level, effect.grid, effect.polynomials, effect.marker not in of_values
        )
        for level, source in levels.items()
        for effect in model.effects
        if effect.level == source and (effect.marker in of_values or effect.coefficients.any())
    )
    return AdditiveModel(
        offset=model.offset,
        level_effect={level: model.level_effect[source] for level, source in levels.items()},
        effects=effects,
        markers=tuple(dict.fromkeys(effect.marker for effect in effects)),
        moderator=moderator,
        outside="clamp",
        availability=frozenset(effect.marker for effect in effects),
        ranges={
            effect.marker: (
                float(np.nanmin(frames.columns[effect.marker])),
                float(np.nanmax(frames.columns[effect.marker])),
            )
            for effect in effects
        },
        procedure=procedure,
        unit=CALL,
        notes=dict(notes or {}),
    )


def call_effects(
    model: CallModel,
    frames: CallFrames,
    level: NDArray[np.object_],
    points: int = 100,
    along: CallModel | None = None,
) -> pd.DataFrame:
    """Return each marker's curve in each level that has calls, minus its mean over the level's calls.

    Parameters
    ----------
    model : CallModel
    frames : CallFrames
    level : ndarray of str, shape (n_calls,)
    points : int
    along : CallModel, optional
        The model whose curves, knots and values of x are taken, so that those of several models can be
        compared; a level that `model` did not learn from has the curve that levels share, a marker that did
        not vary there adds nothing. `model` itself by default.

    Returns
    -------
    DataFrame
        marker, sex (the level), x (over the knots), estimate (log-odds).
    """
    parts = []
    own = {(effect.marker, effect.level): effect for effect in model.effects}
    learned = set(model.level_effect)
    for drawn in (along or model).effects:
        effect = own.get((drawn.marker, drawn.level if drawn.level in learned else COMMON))
        means = frames.means_of(drawn.marker, (effect or drawn).grid)[level == drawn.level]
        means = means[~np.isnan(means).any(axis=1)]
        if not len(means):
            continue
        x = np.linspace(drawn.grid.low, drawn.grid.high, points)
        estimate = np.zeros(points)
        if effect is not None:
            estimate = effect(x) - (means @ effect.coefficients).mean()
        parts.append(pd.DataFrame({"marker": drawn.marker, "sex": drawn.level, "x": x, "estimate": estimate}))
    if not parts:
        return pd.DataFrame(columns=["marker", "sex", "x", "estimate"])
    return pd.concat(parts, ignore_index=True)


def _known(model: CallModel, level: str) -> str:
    return level if level in model.level_effect else COMMON
