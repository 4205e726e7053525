"""The path of one boosted fit: what was chosen at each step, and the model after any number of steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.models.boosting.learner_rows import is_level_learner, learner_blocks, masked_column
from voicerisk.models.boosting.spec import BoostData, Learner
from voicerisk.models.splines import (
    Grid,
    evaluate_cells,
    line_polynomials,
    spline_polynomials,
)
from voicerisk.types import Floats

FORMAT = "voicerisk-boost-path-1"


@dataclass(frozen=True, slots=True)
class FittedLearner:
    """A base-learner with its knots' range and penalty.

    Attributes
    ----------
    learner : Learner
    grid : Grid or None
        Boundary knots and intervals; None where the learner has no marker.
    penalty : float
        lambda.
    size : int
        Number of coefficients.
    """

    learner: Learner
    grid: Grid | None
    penalty: float
    size: int

    def polynomials(self, coefficients: Floats) -> Floats:
        """Return the learner as polynomials in t per cell of its grid, shape (..., intervals + 3, 4)."""
        if self.grid is None:
            raise ModelError(f"{self.learner.name} is not a function of a marker.")
        if self.learner.kind == "bbs":
            return spline_polynomials(coefficients[..., : self.size], self.learner.degree)
        if self.learner.intercept:
            return line_polynomials(coefficients[..., 0], coefficients[..., 1], self.grid)
        return line_polynomials(np.zeros_like(coefficients[..., 0]), coefficients[..., 0], self.grid)


@dataclass(frozen=True, eq=False, slots=True)
class LanePath:
    """A boosted fit with every step kept. All values are in log-odds (twice mboost's half log-odds).

    Attributes
    ----------
    key : str
        Name of the lane.
    offset : float
        Log-odds before the first step.
    outside : str
        'extrapolate' or 'clamp': what becomes of values beyond the knots.
    learners : tuple of FittedLearner
        Base-learners that took part.
    left_out : tuple of (str, str)
        Name and reason of learners that could not be fitted on this lane's rows.
    selected : ndarray of int32, shape (M,)
        Index into `learners` chosen at each step; -1 where there is no learner at all.
    steps : ndarray, shape (M, size)
        What each step added to the chosen learner's coefficients (nu * c), padded with 0.
    risk : ndarray, shape (M + 1,)
        Weighted sum of the negative log-likelihood after 0..M steps (mboost's `risk`).
    n : int
        Number of rows given (also those without weight).
    data : BoostData or None
        The rows it was fitted on; not saved.
    """

    key: str
    offset: float
    outside: str
    learners: tuple[FittedLearner, ...]
    left_out: tuple[tuple[str, str], ...]
    selected: NDArray[np.int32]
    steps: Floats
    risk: Floats
    n: int
    data: BoostData | None = field(default=None, repr=False)

    @property
    def mstop(self) -> int:
        """Number of steps taken."""
        return len(self.selected)

    def coefficients(self, step: int | None = None) -> tuple[Floats, ...]:
        """Return the coefficients of every learner after `step` steps (default: all), in log-odds."""
        step = self._step(step)
        sums = np.zeros((len(self.learners), self.steps.shape[1]))
        used = self.selected[:step] >= 0
        np.add.at(sums, self.selected[:step][used], self.steps[:step][used])
        return tuple(row[: fitted.size] for row, fitted in zip(sums, self.learners, strict=True))

    def contributions(self, data: BoostData, step: int | None = None) -> Floats:
        """Return each learner's part of the log-odds, shape (learners, n); 0 where it does not apply."""
        parts = np.zeros((len(self.learners), data.n))
        for part, fitted, c in zip(parts, self.learners, self.coefficients(step), strict=True):
            if c.any():
                part[:] = learner_values(fitted, c, data, self.outside)
        return parts

    def link(self, rows: BoostData | NDArray[Any] | None = None, step: int | None = None) -> Floats:
        """Return the log-odds of rows after `step` steps.

        Parameters
        ----------
        rows : BoostData, or ndarray of row numbers of the data fitted on, or None
            None = all rows fitted on.
        step : int, optional
            0 .. M; None = M.

        Returns
        -------
        ndarray, shape (n,)
        """
        if not isinstance(rows, BoostData):
            own = self.own_data(None)
            rows = own if rows is None else own.take(np.asarray(rows))
        link = np.full(rows.n, self.offset)
        for fitted, c in zip(self.learners, self.coefficients(step), strict=True):
            if c.any():
                link += learner_values(fitted, c, rows, self.outside)
        return link

    def shares_outside(self, rows: BoostData) -> dict[str, float]:
        """Return, by marker, the share of available values that lie beyond the knots."""
        shares = {}
        for fitted in self.learners:
            name = fitted.learner.variable
            if fitted.grid is not None and name not in shares:
                x = rows.columns[name]
                beyond = (x < fitted.grid.low) | (x > fitted.grid.high)
                shares[name] = float(beyond.sum() / max(np.count_nonzero(~np.isnan(x)), 1))
        return shares

    def to_npz(self, path: Path) -> None:
        """Write the path (not the data) as an uncompressed npz file, without pickle."""
        from voicerisk.files import PRIVATE, replacing

        header = {
            "format": FORMAT,
            "key": self.key,
            "outside": self.outside,
            "n": self.n,
            "left_out": [list(pair) for pair in self.left_out],
            "learners": [
                {
                    "learner": asdict(f.learner),
                    "grid": None if f.grid is None else f.grid.intervals,
                    "size": f.size,
                }
                for f in self.learners
            ],
        }
        ranges = [(np.nan, np.nan) if f.grid is None else (f.grid.low, f.grid.high) for f in self.learners]
        with replacing(path, PRIVATE) as temporary, temporary.open("wb") as stream:
            np.savez(
                stream,
                header=np.frombuffer(json.dumps(header).encode(), np.uint8),
                offset=np.float64(self.offset),
                ranges=np.array(ranges, np.float64).reshape(-1, 2),
                penalties=np.array([f.penalty for f in self.learners], np.float64),
                selected=self.selected,
                steps=self.steps,
                risk=self.risk,
            )

    @classmethod
    def from_npz(cls, path: Path, data: BoostData | None = None) -> LanePath:
        """Read a path written by `to_npz`; `data` are the rows it was fitted on, where wanted.

        Raises
        ------
        ModelError
            If the file is damaged or is not such a file.
        """
        import zipfile

        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays: Mapping[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
            header = json.loads(arrays["header"].tobytes())
            if header["format"] != FORMAT:
                raise ModelError(f"{path} has format {header['format']!r}; this version reads {FORMAT!r}.")
            learners = tuple(
                FittedLearner(
                    Learner(**entry["learner"]),
                    None if entry["grid"] is None else Grid(float(low), float(high), entry["grid"]),
                    float(penalty),
                    entry["size"],
                )
                for entry, (low, high), penalty in zip(
                    header["learners"], arrays["ranges"], arrays["penalties"], strict=True
                )
            )
            return cls(
                header["key"],
                float(arrays["offset"]),
                header["outside"],
                learners,
                tuple((name, reason) for name, reason in header["left_out"]),
                arrays["selected"],
                arrays["steps"],
                arrays["risk"],
                header["n"],
                data,
            )
        except (KeyError, TypeError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"{path} is not a readable boosting path ({error}); delete it and fit again."
            ) from error

    def replace(self, **changes: Any) -> LanePath:
        """Return a copy with other values."""
        return LanePath(**{f.name: changes.get(f.name, getattr(self, f.name)) for f in fields(self)})

    def own_data(self, data: BoostData | None = None) -> BoostData:
        """Return the rows fitted on, or those given; refuse where neither are there."""
        found = self.data if data is None else data
        if found is None:
            raise ModelError(f"Path {self.key} was read from a file; give the data whose rows are meant.")
        return found

    def _step(self, step: int | None) -> int:
        if step is None:
            return self.mstop
        if not 0 <= step <= self.mstop:
            raise ModelError(f"Step {step} was asked for; path {self.key} has steps 0 to {self.mstop}.")
        return int(step)


def learner_values(fitted: FittedLearner, coefficients: Floats, data: BoostData, outside: str) -> Floats:
    """Return a learner's contribution to every row, shape (n,)."""
    learner = fitted.learner
    if learner.kind == "brandom":
        known = data.caller < len(coefficients)
        values = np.zeros(data.n)
        values[known] = coefficients[data.caller[known]]
        return values
    blocks = learner_blocks(learner, data.moderator)
    level = np.zeros(data.n, np.int64) if data.level is None else data.level.astype(np.int64)
    touched = (blocks >> level & 1).astype(bool)
    if fitted.grid is None:
        return level_values(learner, coefficients, data.moderator)[level]
    column = masked_column(data, learner)
    values = np.zeros(data.n)
    cell, t = fitted.grid.locate(column[touched], outside)
    values[touched] = evaluate_cells(cell, t, fitted.polynomials(coefficients))
    return values


def level_values(learner: Learner, coefficients: Floats, moderator: Moderator | None) -> Floats:
    """Return what a learner without a marker adds to the rows of each level, shape (..., levels).

    Parameters
    ----------
    learner : Learner
        An intercept, or a learner of the moderator itself.
    coefficients : ndarray, shape (..., size)
    moderator : Moderator, optional
        None = one level.
    """
    count = 1 if moderator is None else len(moderator.levels)
    values = np.repeat(coefficients[..., :1], count, axis=-1)
    if is_level_learner(learner, moderator):
        if learner.intercept:
            values[..., 1:] += coefficients[..., 1:count]
        else:
            values[..., 0], values[..., 1:] = 0.0, coefficients[..., : count - 1]
        return values
    blocks = learner_blocks(learner, moderator)
    return np.where(blocks >> np.arange(count) & 1, values, 0.0)
