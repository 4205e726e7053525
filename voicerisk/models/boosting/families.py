"""Boosting of ordered grades (proportional odds) and of numbers (least squares), with the engine's learners.

The binary engine holds many folds side by side; here one fit at a time runs on plain arrays. Learners, knots,
penalties and the choice at each step are the same code and the same rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from voicerisk.errors import ModelError
from voicerisk.models.boosting.engine.groups import WIDTH
from voicerisk.models.boosting.engine.kernels import UNPENALISED
from voicerisk.models.boosting.engine.rows import RowOrders
from voicerisk.models.boosting.engine.setup import Fitted, prepare
from voicerisk.models.boosting.engine.single import moments, threshold_slopes
from voicerisk.models.boosting.learner_rows import masked_column
from voicerisk.models.boosting.path import LanePath, level_values
from voicerisk.models.boosting.spec import (
    BoostData,
    Lane,
    Learner,
    check_steps,
    rescaled_weights,
)
from voicerisk.models.splines import basis_weights, evaluate_cells
from voicerisk.proportional_odds import Objective, bounds, climb, loss
from voicerisk.types import Floats

_OFFSETS = (-5.0, 5.0)
LAST = 1e-6  # of the thresholds: what such a step leaves is about 1e-12


class Family(Protocol):
    """What a loss must tell the loop."""

    def offset(self) -> float:
        """Return the start of the score."""
        ...

    def update(self, link: Floats) -> tuple[Floats, float]:
        """Return negative gradient (n,) and weighted risk at a score, after learning what is besides."""
        ...


class ProportionalOdds:
    """logit P(y <= k) = threshold[k] - score, for grades 0 .. K - 1; a high score means a high grade.

    The thresholds are set to the optimum at every score, as R's ``PropOdds()`` does up to the tolerance of
    its optimiser.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
    weights : ndarray, shape (n,)
    """

    def __init__(self, y: NDArray[np.int64], weights: Floats) -> None:
        self.y, self.weights, self.grades = y, weights, int(y.max()) + 1
        # mboost's start: it decides on the offset, hence only on what thresholds and score share
        self.thresholds = _increasing(np.linspace(-0.5, -1.0, self.grades - 1))
        self.path: list[Floats] = []

    def offset(self) -> float:
        """Return the score that is best for the first thresholds."""

        def risk(score: float) -> float:
            return loss(self.thresholds, np.full(len(self.y), score), self.y, self.weights)

        return float(minimize_scalar(risk, bounds=_OFFSETS, method="bounded", options={"xatol": 1e-10}).x)

    def update(self, link: Floats) -> tuple[Floats, float]:
        """Return gradient and risk at the best thresholds for a score."""
        self.thresholds, risk = climb(self.thresholds, partial(self._objective, link), LAST)
        self.path.append(self.thresholds)
        low, high = bounds(self.thresholds, link, self.y)
        return high + low - 1.0, risk

    def _objective(self, link: Floats, thresholds: Floats) -> Objective:
        k = len(thresholds)
        gradient, curvature = np.zeros(k), np.zeros((k, k))
        edges = np.r_[-np.inf, thresholds, np.inf]
        value = threshold_slopes(edges, link, self.y, self.weights, gradient, curvature)
        return value, gradient, curvature


class LeastSquares:
    """Squared error of a number; R's ``Gaussian()``.

    Parameters
    ----------
    y : ndarray, shape (n,)
    weights : ndarray, shape (n,)
    """

    def __init__(self, y: Floats, weights: Floats) -> None:
        self.y, self.weights = y, weights

    def offset(self) -> float:
        """Return the weighted mean."""
        return float(np.average(self.y, weights=self.weights))

    def update(self, link: Floats) -> tuple[Floats, float]:
        """Return the residuals and their weighted sum of squares."""
        residual = self.y - link
        return residual, float((self.weights * residual**2).sum())


@dataclass(frozen=True, eq=False, slots=True)
class OrdinalPath:
    """A fit of ordered grades with every step kept.

    Attributes
    ----------
    path : LanePath
        Score (log-odds of a higher grade), learners and risk after each number of steps.
    thresholds : ndarray, shape (M + 1, K - 1)
        Where the score is cut: logit P(y <= k) = thresholds[step, k] - score.
    """

    path: LanePath
    thresholds: Floats

    def at_least(self, rows: BoostData | None = None, step: int | None = None) -> Floats:
        """Return P(y >= k) of each row for k = 1 .. K - 1 after `step` steps, shape (n, K - 1)."""
        score = self.path.link(rows, step)
        own = self.thresholds[-1 if step is None else step]
        return np.asarray(expit(score[:, None] - own[None, :]), np.float64)

    def probabilities(self, rows: BoostData | None = None, step: int | None = None) -> Floats:
        """Return the probability of each grade, shape (n, K); rows sum to 1."""
        above = self.at_least(rows, step)
        edges = np.column_stack([np.ones(len(above)), above, np.zeros(len(above))])
        return np.asarray(-np.diff(edges, axis=1), np.float64)


def fit_ordinal(
    data: BoostData,
    grades: ArrayLike,
    learners: Sequence[Learner],
    mstop: int = 100,
    nu: float = 0.1,
    weights: ArrayLike | None = None,
    *,
    boundary: str = "all",
    outside: str = "extrapolate",
) -> OrdinalPath:
    """Boost a proportional-odds model of ordered grades (R's mboost, ``PropOdds()``).

    Parameters
    ----------
    data : BoostData
        Rows; their 0/1 outcome, if any, is not looked at.
    grades : array of int, shape (n,)
        0 .. K - 1, K at least 2; every grade occurs among the rows with weight.
    learners : sequence of Learner
        As for `fit_lanes`; no `brandom`.
    mstop, nu
        Steps, and step length.
    weights : array, shape (n,), optional
        As in `Lane`; 0 = held out.
    boundary, outside
        As in `Lane`.

    Returns
    -------
    OrdinalPath

    Raises
    ------
    ModelError
        For grades that are not whole numbers from 0 on, or a grade without a row of weight.

    Examples
    --------
    >>> from voicerisk.models import BoostData, learners_for
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=300)
    >>> grades = np.digitize(x + rng.logistic(size=300), [-1, 0.5, 2])
    >>> data = BoostData({"x": x}, None, None, np.arange(300))
    >>> found = fit_ordinal(data, grades, learners_for(["x"], moderator=None), mstop=50)
    >>> found.probabilities().shape, bool(found.path.risk[50] < found.path.risk[0])
    ((300, 4), True)

    References
    ----------
    Schmid, Hothorn, Maloney, Weller, Potapov (2011), Environmental and Ecological Statistics 18:643 (boosting
    of proportional odds).
    """
    y = np.asarray(grades)
    if y.shape != (data.n,) or not np.isin(y, np.arange(data.n)).all():
        raise ModelError(f"Grades must be whole numbers from 0 on, one for each of the {data.n} rows.")
    y = y.astype(np.int64)
    own = _weights(weights, data.n)
    seen = np.bincount(y, own, int(y.max()) + 1)
    if len(seen) < 2 or not seen.all():
        empty = int(np.flatnonzero(seen == 0)[0]) if len(seen) > 1 else 1
        raise ModelError(f"Grade {empty} has no row with weight; join it with a neighbour.")
    family = ProportionalOdds(y, own)
    path = _boost(data, family, learners, mstop, nu, own, boundary, outside)
    return OrdinalPath(path, np.array(family.path))


def fit_numeric(
    data: BoostData,
    outcome: ArrayLike,
    learners: Sequence[Learner],
    mstop: int = 100,
    nu: float = 0.1,
    weights: ArrayLike | None = None,
    *,
    boundary: str = "all",
    outside: str = "extrapolate",
) -> LanePath:
    """Boost the mean of a number, such as a sum score, by least squares (R's mboost, ``Gaussian()``).

    Parameters
    ----------
    data, learners, mstop, nu, weights, boundary, outside
        As in `fit_ordinal`.
    outcome : array, shape (n,)
        Finite.

    Returns
    -------
    LanePath
        `link` is the predicted mean, in the outcome's unit; `risk` the weighted sum of squares.

    Raises
    ------
    ModelError
        For an outcome that is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from voicerisk.models import BoostData, learners_for
    >>> x = np.random.default_rng(1).normal(size=200)
    >>> data = BoostData({"x": x}, None, None, np.arange(200))
    >>> path = fit_numeric(data, 3.0 * x, learners_for(["x"], moderator=None), mstop=50)
    >>> bool(path.risk[50] < 0.01 * path.risk[0])
    True
    """
    y = np.asarray(outcome, np.float64)
    if y.shape != (data.n,) or not np.isfinite(y).all():
        raise ModelError(f"The outcome must hold a finite number for each of the {data.n} rows.")
    own = _weights(weights, data.n)
    return _boost(data, LeastSquares(y, own), learners, mstop, nu, own, boundary, outside)


def _boost(
    data: BoostData,
    family: Family,
    learners: Sequence[Learner],
    mstop: int,
    nu: float,
    weights: Floats,
    boundary: str,
    outside: str,
) -> LanePath:
    check_steps(mstop, nu)
    if any(learner.kind == "brandom" for learner in learners):
        raise ModelError("brandom is for two classes only; leave it out of a model of grades or numbers.")
    # The set-up asks for two classes, which decide on no learner: any will do.
    stand_in = np.zeros(data.n, np.int8)
    stand_in[np.flatnonzero(weights > 0)[::2]] = 1
    lane = Lane("fit", weights, tuple(learners), boundary, outside, y=stand_in)
    group = prepare(data, RowOrders(data).of(lane), [lane], WIDTH, "adaboost")
    parts = [_Part(one, data, outside) for one in group.learners[0]]
    size = max([part.fitted.fitted.size for part in parts] + [1])
    selected = np.full(mstop, -1, np.int32)
    steps, risk = np.zeros((mstop, size)), np.zeros(mstop + 1)
    offset = family.offset()
    link = np.full(data.n, offset)
    gradient, risk[0] = family.update(link)
    for m in range(mstop):
        best, most, step = -1, -np.inf, np.zeros(0)
        weighted = weights * gradient
        for j, part in enumerate(parts):
            coefficients, gain = part.fit(weighted)
            if gain > most:
                best, most, step = j, gain, coefficients
        if best >= 0:
            step = nu * step
            selected[m], steps[m, : len(step)] = best, step
            parts[best].add(step, link)
        gradient, risk[m + 1] = family.update(link)
    return LanePath(
        "fit",
        offset,
        outside,
        tuple(part.fitted.fitted for part in parts),
        tuple(group.left_out[0]),
        selected,
        steps,
        risk,
        data.n,
        data,
    )


class _Part:
    """A learner on its rows."""

    def __init__(self, fitted: Fitted, data: BoostData, outside: str) -> None:
        self.fitted = fitted
        learner, grid = fitted.fitted.learner, fitted.fitted.grid
        level = np.zeros(data.n, np.int64) if data.level is None else data.level.astype(np.int64)
        self.level, self.moderator = level, data.moderator
        self.rows = np.flatnonzero(fitted.blocks >> level & 1)
        if grid is not None:
            column = masked_column(data, learner)[self.rows]
            self.rows = self.rows[~np.isnan(column)]
            # Values beyond the knots belong to rows without weight; they are scored as everywhere.
            self.cell, self.t = grid.locate(column[~np.isnan(column)], outside)

    def fit(self, gradient: Floats) -> tuple[Floats, float]:
        """Return coefficients, and by how much they lower the weighted sum of squares."""
        b = self._right_side(gradient)
        c = self.fitted.inverse @ b
        gain = float(b @ c)
        if self.fitted.penalty_kind != UNPENALISED:
            learner = self.fitted.fitted.learner
            rough = np.diff(c, learner.differences) if learner.kind == "bbs" else c
            gain += self.fitted.fitted.penalty * float(rough @ rough)
        return c, gain

    def add(self, step: Floats, link: Floats) -> None:
        """Add the learner with some coefficients to the score."""
        fitted = self.fitted.fitted
        if fitted.grid is None:
            link += level_values(fitted.learner, step, self.moderator)[self.level]
        else:
            link[self.rows] += evaluate_cells(self.cell, self.t, fitted.polynomials(step))

    def _right_side(self, gradient: Floats) -> Floats:
        fitted = self.fitted.fitted
        learner, grid = fitted.learner, fitted.grid
        if grid is None:
            count = 1 if self.moderator is None else len(self.moderator.levels)
            sums: Floats = np.bincount(self.level, gradient, count).astype(np.float64)
            if learner.variable == "1":
                return np.array([sums[self.fitted.blocks >> np.arange(count) & 1 == 1].sum()])
            return np.r_[sums.sum(), sums[1:]] if learner.intercept else sums[1:]
        powers = learner.degree + 1 if learner.kind == "bbs" else 2
        found = moments(gradient, self.rows, self.cell, self.t, powers, grid.intervals)
        if learner.kind == "bbs":
            pieces = basis_weights(learner.degree)
            b = np.zeros(grid.intervals + learner.degree)
            for column in range(learner.degree + 1):
                b[column : column + grid.intervals] += sum(
                    pieces[power, column] * found[power] for power in range(learner.degree + 1)
                )
            return b
        start = grid.low + grid.width * np.arange(grid.intervals)
        slope = float(start @ found[0] + grid.width * found[1].sum())
        return np.array([found[0].sum(), slope]) if learner.intercept else np.array([slope])


def _weights(weights: ArrayLike | None, n: int) -> Floats:
    own = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    if own.shape != (n,) or not np.isfinite(own).all() or (own < 0).any() or not own.any():
        raise ModelError(f"There must be {n} finite weights >= 0, not all of them 0.")
    return rescaled_weights(own)


def _increasing(delta: Floats) -> Floats:
    """Return thresholds whose gaps are the exponentials of all but the first value."""
    return np.asarray(delta[0] + np.r_[0.0, np.cumsum(np.exp(delta[1:]))], np.float64)
