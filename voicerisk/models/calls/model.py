"""One additive model of calls, and the small family of penalties by which it is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.calls.features import BENDS, DEGREE, CallFrames, DrawnCalls, directions, stacked
from voicerisk.models.calls.losses import Loss, TwoClasses
from voicerisk.models.splines import Grid, evaluate_cells, spline_polynomials
from voicerisk.types import Floats

# name -> what it pays beside the line for each marker; measured by benchmarks/evidence/honest.py
MEMBERS: Mapping[str, int] = {
    "linear": 0,
    "by_level": 0,
    "spread": 1,
    "sparse_spread": 2,
    "sparse": 4,
    "curves": 6,
    "curves_by_level": 8,
}
COMMON = "all"  # curves of a level that was not learned from
PENALTY = 0.25  # prior variance of a call's log-odds is 1 / PENALTY: 2 log-odds either way
COMMON_SHARE = 0.5  # variance of what levels share, beside 1 of what is a level's own
LEVEL_SHARE = 0.5  # variance of the levels' own risk, beside 1 for the line of each marker
FORCED = 25.0  # mean square of a forced column, beside 1 of all markers together: 10 log-odds a spread
LEVEL_SHRINKS = 1.0  # callers by which a level's own mean of a marker is drawn to the common one


@dataclass(frozen=True, slots=True)
class CallEffect:
    """The effect of one marker in one level of the moderator.

    Attributes
    ----------
    marker, level : str
        Level `all` is what levels share; it serves levels that were not learned from.
    grid : Grid
    coefficients : ndarray, shape (intervals + 3,)
        Cubic B-spline coefficients in log-odds. The mean over the calls learned from is 0 in each level.
    """

    marker: str
    level: str
    grid: Grid
    coefficients: Floats

    @property
    def polynomials(self) -> Floats:
        """The curve as powers 0..3 of the position within each cell, shape (intervals + 3, 4)."""
        return spline_polynomials(self.coefficients, DEGREE)

    def __call__(self, x: Floats) -> Floats:
        """Return the effect at values of the marker; beyond the knots that at the knot, 0 where missing."""
        cell, t = self.grid.locate(x, "clamp")
        return evaluate_cells(cell, t, self.polynomials)


@dataclass(frozen=True, slots=True)
class CallModel:
    """Log-odds of a call: offset + effect of its level + for each marker the mean of its effect over frames.

    Attributes
    ----------
    offset : float
    level_effect : mapping of str to float
    effects : tuple of CallEffect
        Every marker that varies, in every level learned from and in `all`.
    markers : tuple of str
        All markers given.
    """

    offset: float
    level_effect: Mapping[str, float]
    effects: tuple[CallEffect, ...]
    markers: tuple[str, ...]

    def frame_link(self, columns: Mapping[str, Floats], level: NDArray[np.object_]) -> Floats:
        """Return the log-odds that a call would have if all its frames were like one, shape (n,).

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)
            Markers of frames; where one is missing it adds nothing.
        level : ndarray of str, shape (n,)
        """
        link = np.full(len(level), self.offset)
        for name, rows in self._rows_of(level).items():
            link[rows] += self.level_effect[name]
        for effect, rows in self._effects_on(level):
            link[rows] += effect(columns[effect.marker][rows])
        return link

    def call_link(self, frames: CallFrames, level: NDArray[np.object_]) -> Floats:
        """Return the log-odds of calls, shape (n_calls,): marker by marker the mean over available frames.

        Parameters
        ----------
        frames : CallFrames
        level : ndarray of str, shape (n_calls,)
        """
        link = np.full(len(level), self.offset)
        for name, calls in self._rows_of(level).items():
            link[calls] += self.level_effect[name]
        of_frames = np.asarray(level, dtype=object)[frames.call]
        for effect, rows in self._effects_on(of_frames):
            x = frames.columns[effect.marker][rows]
            known = ~np.isnan(x)
            call = frames.call[rows][known]
            total = np.bincount(call, effect(x[known]), frames.n_calls)
            link += total / np.maximum(np.bincount(call, minlength=frames.n_calls), 1)
        return link

    def _rows_of(self, level: NDArray[np.object_]) -> dict[str, NDArray[np.int64]]:
        known = [name for name in self.level_effect if name != COMMON]
        rows = {name: np.flatnonzero(level == name) for name in known}
        return rows | {COMMON: np.flatnonzero(~np.isin(level.astype(str), known))}

    def _effects_on(self, level: NDArray[np.object_]) -> list[tuple[CallEffect, NDArray[np.int64]]]:
        rows = self._rows_of(level)
        return [(effect, rows[effect.level]) for effect in self.effects if len(rows[effect.level])]


def mixed(models: Sequence[CallModel], weights: Sequence[float]) -> CallModel:
    """Return the weighted sum of models on the same calls: one additive model.

    Raises
    ------
    ModelError
        If the models have other markers, levels or knots.
    """
    first = models[0]
    keys = [(effect.marker, effect.level, effect.grid) for effect in first.effects]
    for other in models[1:]:
        if [(effect.marker, effect.level, effect.grid) for effect in other.effects] != keys:
            raise ModelError("Models of other markers, levels or knots cannot be averaged.")
    pairs = [(model, float(weight)) for model, weight in zip(models, weights, strict=True)]
    return CallModel(
        sum(weight * model.offset for model, weight in pairs),
        {
            name: sum(weight * model.level_effect[name] for model, weight in pairs)
            for name in first.level_effect
        },
        tuple(
            CallEffect(
                *key, np.sum([weight * model.effects[place].coefficients for model, weight in pairs], axis=0)
            )
            for place, key in enumerate(keys)
        ),
        first.markers,
    )


@dataclass(frozen=True, eq=False)
class CallFit:
    """The members of the family on one training set.

    Attributes
    ----------
    names : tuple of str
    link : ndarray, shape (n_calls, members)
        Log-odds of all calls given, also of those that were not learned from.
    """

    names: tuple[str, ...]
    link: Floats
    _made: tuple[Callable[[], CallModel], ...] = field(repr=False)

    @cached_property
    def models(self) -> tuple[CallModel, ...]:
        """The members as additive models, made when they are asked for: inner folds need scores alone."""
        return tuple(make() for make in self._made)


@dataclass(frozen=True, slots=True)
class Family:
    """Which members of the family are fitted, and to what.

    Attributes
    ----------
    members : sequence of str
        Of `MEMBERS`.
    spreads : sequence of str
        Those of the markers that are spreads within calls; only members named `...spread` take them.
    forced : sequence of str
        Those of the markers whose lines are as good as not penalised, in every member.
    loss : Loss
        Of two classes, of grades or of a number.
    penalty : float
    """

    members: Sequence[str] = tuple(MEMBERS)
    spreads: Sequence[str] = ()
    forced: Sequence[str] = ()
    loss: Loss = field(default_factory=TwoClasses)
    penalty: float = PENALTY


@dataclass(frozen=True, slots=True)
class _Space:
    """Where coefficients live: levels, markers and their knots, the turn and the centres of their bends."""

    levels: Sequence[str]
    names: Sequence[str]
    grids: Sequence[Grid]
    turn: Floats
    centres: Floats


def fit_calls(
    frames: CallFrames | DrawnCalls,
    markers: Sequence[str],
    level: NDArray[np.object_],
    y: NDArray[np.generic],
    train: NDArray[np.int64],
    weights: Floats,
    family: Family | None = None,
) -> CallFit:
    """Fit members of the family to some calls, and score all.

    Parameters
    ----------
    frames : CallFrames or DrawnCalls
    markers : sequence of str
    level : ndarray of str, shape (n_calls,)
        Level of the moderator; `all` for calls that share the common curves, or where there is none.
    y : ndarray, shape (n_calls,)
        0/1, or what `loss` is about. Read at `train` only.
    train : ndarray of int
        Calls to learn from.
    weights : ndarray, shape (len(train),)
        Training weights, summing to the number of callers.
    family : Family, optional
        Members and what they are about; all members of two classes by default.

    Returns
    -------
    CallFit

    Notes
    -----
    Every marker enters as the call's mean of a line and four bends. A line is scaled to variance 1 over the
    calls learned from; what the bends say beyond it is scaled to variance 1 together. `linear` has the
    lines, `curves` the bends too; `by_level` and `curves_by_level` have both once in common and once for each
    level, the ridge penalty drawing the latter to 0. `sparse` weighs each line by how far its score statistic
    exceeds what chance gives. All columns of a member together have mean square 1 a call, so that one penalty
    means the same for any number of markers; forced lines stand beside that with a penalty hundreds of times
    weaker.

    Markers are centred in each level of the moderator, at the class share that the weights set. So who is
    held out of a level moves no score by the difference between levels, which would bias it against
    their outcome.
    """
    asked = family if family is not None else Family()
    members, spreads, forced = asked.members, asked.spreads, asked.forced
    unknown = [name for name in members if name not in MEMBERS]
    if unknown:
        raise ModelError(f"There is no member {unknown[0]!r}; there are {', '.join(MEMBERS)}.")
    names, grids, features = stacked(frames, markers, train)
    levels = sorted(set(np.asarray(level)[train].astype(str)) - {COMMON})
    own = (np.asarray(level).astype(str)[:, None] == np.array(levels, dtype=str)).astype(np.float64)
    share = weights / weights.sum()
    missing = np.isnan(features)
    features = _filled(features, train, share)
    about = asked.loss
    outcome = np.asarray(y)[train].astype(np.float64)
    off_centre = outcome - about.centre(outcome, weights)
    centres = _centres(features[train].reshape(len(train), -1), own[train], off_centre, weights)
    centres = centres.reshape(len(levels) + 1, *features.shape[1:])
    place = np.column_stack([own, ~own.any(axis=1)]).argmax(axis=1)
    features = np.where(missing, 0.0, features - centres[place])
    turn, features = _standardised(features, train, share)

    space = _Space(levels, names, grids, turn, centres)

    residual, variance = about.residual(outcome, share)
    of_markers = np.array([float(name not in spreads) for name in names])
    is_forced = np.array([name in forced for name in names], dtype=bool)
    links, made = [], []
    for name in members:
        part = features[..., : 1 + BENDS if name.startswith("curves") else 1]
        size = np.ones(len(names)) if name.endswith("spread") else of_markers
        if name.startswith("sparse"):
            size = size * _beyond_chance(part[train, :, 0], residual, weights, variance)
        size = np.where(is_forced, 1.0, size)
        kept = np.flatnonzero(size > 0)
        root = np.sqrt(size[kept])[:, None]
        part = part[:, kept] * root
        flat = part.reshape(len(part), -1)
        columns = [flat]
        if name.endswith("by_level") and len(levels) > 1:
            columns = [np.sqrt(COMMON_SHARE) * flat, *(flat * column[:, None] for column in own.T)]
        columns.append(np.sqrt(LEVEL_SHARE) * own if len(levels) > 1 else own[:, :0])
        design = np.concatenate(columns, axis=1)
        free = np.zeros(design.shape[1], dtype=bool)
        free[np.flatnonzero(is_forced[kept]) * part.shape[2]] = True  # the line of each, common to all levels
        inside = design[train][:, ~free] if free.any() else design[train]
        unit = np.sqrt(share @ (inside**2).sum(axis=1)) or 1.0
        unit = np.where(free, 1.0 / np.sqrt(FORCED), unit)
        design = design / unit
        intercept, beta = about.fit(design[train], outcome, weights, asked.penalty)
        links.append(intercept + design @ beta)
        widths = np.cumsum([column.shape[1] for column in columns])[:-1]
        *curves, shift = np.split(beta / unit, widths)
        theta = []
        for one in curves:
            theta.append(np.zeros((len(names), part.shape[2])))
            theta[-1][kept] = one.reshape(part.shape[1:]) * root
        made.append(partial(_model, float(intercept), theta, shift, space, tuple(markers)))
    return CallFit(tuple(members), np.stack(links, axis=1), tuple(made))


def _model(
    intercept: float,
    theta: Sequence[Floats],
    shift: Floats,
    space: _Space,
    markers: tuple[str, ...],
) -> CallModel:
    """Return the additive model of fitted coefficients: `theta` of what is common and of each level."""
    levels = space.levels
    if len(theta) == 1:
        by_level = [theta[0]] * (len(levels) + 1)
    else:
        common = np.sqrt(COMMON_SHARE) * theta[0]
        by_level = [*(common + one for one in theta[1:]), common]
    risks = np.sqrt(LEVEL_SHARE) * shift if len(levels) > 1 else np.zeros(len(levels))
    return CallModel(
        intercept,
        dict(zip((*levels, COMMON), (*risks.tolist(), 0.0), strict=True)),
        _effects(space.names, space.grids, (*levels, COMMON), by_level, space.turn, space.centres),
        markers,
    )


def _filled(features: Floats, train: NDArray[np.int64], share: Floats) -> Floats:
    """Put the mean of the calls learned from where a call has no frame of a marker."""
    inside = features[train]
    known = ~np.isnan(inside)
    total = np.einsum("n,n...->...", share, np.where(known, inside, 0.0))
    mass = np.einsum("n,n...->...", share, known)
    return np.where(np.isnan(features), total / np.maximum(mass, np.finfo(float).tiny), features)


def _centres(inside: Floats, own: Floats, outcome: Floats, weights: Floats) -> Floats:
    """Return the means of each level, and of all, where the outcome is 0; shape (levels + 1, d).

    Regression of each column on outcome and level, the level's part drawn to 0 as by one further caller.
    """
    design = np.column_stack([np.ones(len(outcome)), outcome, own])
    gram = (design * weights[:, None]).T @ design
    gram += np.diag(np.r_[0.0, 1e-9, np.full(own.shape[1], LEVEL_SHRINKS)])
    found = np.linalg.solve(gram, (design * weights[:, None]).T @ inside)
    return np.concatenate([found[0] + found[2:], found[:1]])


def _standardised(features: Floats, train: NDArray[np.int64], share: Floats) -> tuple[Floats, Floats]:
    """Scale lines and bends; return what turns spline directions into them too, a square for each marker."""
    inside = features[train]
    line = inside[..., 0]
    spread = np.sqrt(share @ line**2)
    spread = np.where(spread > 1e-9, spread, np.inf)
    slope = np.einsum("n,nj,njk->jk", share, line, inside[..., 1:]) / spread[:, None] ** 2
    bends = inside[..., 1:] - line[..., None] * slope
    size = np.sqrt(np.einsum("n,njk->j", share, bends**2))
    size = np.where(size > 1e-9, size, np.inf)
    turn = np.zeros((features.shape[1], 1 + BENDS, 1 + BENDS))
    turn[:, 0, 0] = 1.0 / spread
    turn[:, 0, 1:] = -slope / size[:, None]
    turn[:, range(1, 1 + BENDS), range(1, 1 + BENDS)] = 1.0 / size[:, None]
    return turn, np.einsum("njk,jkm->njm", features, turn)


def _beyond_chance(lines: Floats, residual: Floats, weights: Floats, variance: float) -> Floats:
    """Return how far each line's score statistic exceeds 1, what chance gives, scaled to mean 1."""
    statistic = ((weights * residual) @ lines) ** 2 / (variance * (weights**2 @ lines**2) + 1e-300)
    excess = np.maximum(statistic - 1.0, 0.0)
    return excess / excess.mean() if excess.any() else np.ones(len(excess))


def _effects(
    names: Sequence[str],
    grids: Sequence[Grid],
    levels: Sequence[str],
    by_level: Sequence[Floats],
    turn: Floats,
    centres: Floats,
) -> tuple[CallEffect, ...]:
    effects = []
    for j, (marker, grid) in enumerate(zip(names, grids, strict=True)):
        for number, level in enumerate(levels):
            theta = by_level[number][j]
            along = turn[j][:, : len(theta)] @ theta
            # The basis sums to 1 everywhere, so that a constant is the same number on all coefficients.
            effects.append(CallEffect(marker, level, grid, directions() @ along - centres[number, j] @ along))
    return tuple(effects)
