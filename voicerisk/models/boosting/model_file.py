"""A fitted boosting model as a small readable file, and the additive scorer that needs neither R nor numba.

The file is JSON: format and version, SHA-256 of the content, the offset, and for each marker and sex the
effect as one piecewise cubic (all base-learners of the marker summed). A score is offset + sex + the effects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.files import PUBLIC, write_json
from voicerisk.models.boosting.engine.rows import is_level_learner
from voicerisk.models.boosting.engine.splines import Grid
from voicerisk.models.boosting.path import LanePath, level_values
from voicerisk.types import Floats

FORMAT = "voicerisk-gamboost"
VERSION = 1
_ROWS = 16384  # scored at a time, so that the work stays in the cache


@dataclass(frozen=True, eq=False, slots=True)
class Effect:
    """The effect of one marker in one level of the moderator.

    Attributes
    ----------
    marker : str
    sex : str
        The level, for example 'female'; 'all' where the model has no moderator.
    grid : Grid
        Boundary knots and intervals.
    polynomials : ndarray, shape (intervals + 3, 4)
        Powers 0..3 of t per cell, log-odds: the intervals, the empty cell, below, above.
    """

    marker: str
    sex: str
    grid: Grid
    polynomials: Floats


@dataclass(frozen=True, eq=False, slots=True)
class ScoringModel:
    """An additive model on the log-odds scale, ready to score frames.

    Attributes
    ----------
    offset : float
    sex_effect : mapping of level to float
        What `bols(sex)` and intercepts add; key 'all' where the model has no moderator.
    effects : tuple of Effect
    markers : tuple of str
        Markers that a row has, in the order of the fit; those never chosen too.
    needs_sex : bool
    outside : str
        'clamp' or 'extrapolate'.
    availability : frozenset of str
        Markers that may be missing in a row; they then contribute nothing.
    notes : mapping
        Free text of the fit (steps, settings); not used in scoring.
    moderated_by : str
        Name of the moderator; two crossed columns are named 'sex x service'.
    """

    offset: float
    sex_effect: Mapping[str, float]
    effects: tuple[Effect, ...]
    markers: tuple[str, ...]
    needs_sex: bool
    outside: str
    availability: frozenset[str]
    notes: Mapping[str, Any]
    moderated_by: str = "sex"

    @property
    def moderator(self) -> Moderator | None:
        """The moderator and its levels; None where the model has none."""
        return Moderator(self.moderated_by, tuple(self.sex_effect)) if self.needs_sex else None

    def contributions(
        self, columns: Mapping[str, Floats], sex: NDArray[np.int8] | None
    ) -> tuple[Floats, Floats]:
        """Return what each marker adds to each row.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)
            Markers; NaN = missing.
        sex : ndarray of int8, shape (n,), or None
            Each row's level, as its place in `moderator.levels` (0 female, 1 male).

        Returns
        -------
        parts : ndarray, shape (markers, n)
            Log-odds.
        base : ndarray, shape (n,)
            Offset and level.
        """
        n = self._checked(columns, sex)
        levels = () if self.moderator is None else self.moderator.levels
        parts = np.zeros((len(self.markers), n))
        base = np.full(n, self.offset + self.sex_effect.get("all", 0.0))
        if sex is not None and self.needs_sex:
            base += np.array([self.sex_effect[name] for name in levels])[sex]
        for marker in self.markers:
            self._check_values(marker, columns[marker])
        curves: dict[tuple[str, Grid], Floats] = {}
        for effect in self.effects:
            shape = (max(len(levels), 1), *effect.polynomials.shape)
            each = curves.setdefault((effect.marker, effect.grid), np.zeros(shape))
            each[slice(None) if effect.sex == "all" else levels.index(effect.sex)] += effect.polynomials
        for (marker, grid), each in curves.items():
            part, column = parts[self.markers.index(marker)], columns[marker]
            for start in range(0, n, _ROWS):
                rows = slice(start, start + _ROWS)
                own = None if sex is None or not levels else sex[rows]
                part[rows] += _evaluate(grid, each, column[rows], own, self.outside)
        return parts, base

    def link(self, columns: Mapping[str, Floats], sex: NDArray[np.int8] | None) -> Floats:
        """Return the log-odds of each row, shape (n,)."""
        parts, base = self.contributions(columns, sex)
        return base + parts.sum(0)

    def score(self, table: pd.DataFrame, moderator: str | None = None) -> pd.DataFrame:
        """Score a table of frames.

        Parameters
        ----------
        table : DataFrame
            One row a frame, with the markers and, where the model has one, the moderator (of sex
            female/male/F/M in any case).
        moderator : str, optional
            Column that holds it; by default the moderator's own name.

        Returns
        -------
        DataFrame
            In the order and with the index of `table`: p_raw, log_odds, base (offset and sex), one column
            ``<marker>`` with its contribution in log-odds, n_outside (number of markers outside the training
            range), and ``<marker>_outside`` (bool).
        """
        known = self.moderator
        column = moderator or self.moderated_by
        needed = [*self.markers, *([] if known is None else [column])]
        for name in needed:
            if name not in table.columns:
                raise ModelError(f"The table has no column {name}; the model needs {', '.join(needed)}.")
        sex = None if known is None else known.codes(table[column])
        for name in self.markers:
            if not pd.api.types.is_numeric_dtype(table[name]):
                raise ModelError(f"Column {name} is of type {table[name].dtype}; a marker must be numeric.")
        columns = {name: table[name].to_numpy(np.float64, na_value=np.nan) for name in self.markers}
        parts, base = self.contributions(columns, sex)
        link = base + parts.sum(0)
        outside = self.outside_range(columns)
        result: dict[str, Any] = {
            "p_raw": 1.0 / (1.0 + np.exp(-np.clip(link, -72.0, 72.0))),
            "log_odds": link,
            "base": base,
        }
        result |= dict(zip(self.markers, parts, strict=True))
        result["n_outside"] = np.sum(list(outside.values()), axis=0, dtype=np.int64) if outside else 0
        result |= {f"{name}_outside": flags for name, flags in outside.items()}
        return pd.DataFrame(result, index=table.index, copy=False)

    def outside_range(self, columns: Mapping[str, Floats]) -> dict[str, NDArray[np.bool_]]:
        """Return, by marker, which rows lie beyond the range of the training rows' knots."""
        ranges = {effect.marker: effect.grid for effect in self.effects}
        return {
            name: (columns[name] < grid.low) | (columns[name] > grid.high) for name, grid in ranges.items()
        }

    def _check_values(self, marker: str, values: Floats) -> None:
        """Refuse infinite values, and missing ones that the model has not seen."""
        if np.isfinite(values).all():
            return
        missing = np.isnan(values)
        if missing.any() and marker not in self.availability:
            raise ModelError(
                f"{marker} is missing in {missing.sum()} rows (first: row {np.flatnonzero(missing)[0]}), "
                "which this model did not see in its training; leave these rows out."
            )
        infinite = np.isinf(values)
        if infinite.any():
            raise ModelError(
                f"{marker} is infinite in row {np.flatnonzero(infinite)[0]}; use NaN for a missing value."
            )

    def _checked(self, columns: Mapping[str, Floats], sex: NDArray[np.int8] | None) -> int:
        for name in self.markers:
            if name not in columns:
                raise ModelError(
                    f"The rows have no marker {name}; the model needs {', '.join(self.markers)}."
                )
        if self.needs_sex and sex is None:
            raise ModelError(f"The model needs the {self.moderated_by} of every row; none was given.")
        if self.markers:
            return len(columns[self.markers[0]])
        return 0 if sex is None else len(sex)


def scoring_model(
    path: LanePath, step: int | None = None, notes: Mapping[str, Any] | None = None
) -> ScoringModel:
    """Return the additive model after `step` steps, without caller effects.

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
    shift = dict.fromkeys(levels or ("all",), 0.0)
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
    effects = tuple(Effect(*key, polynomials) for key, polynomials in sums.items())
    taken = path.mstop if step is None else step
    details = {"steps": taken, "rows": path.n, **(notes or {})}
    needs, name = (False, "sex") if moderator is None else (True, moderator.name)
    return ScoringModel(path.offset, shift, effects, every, needs, path.outside, available, details, name)


def write_model(path: Path, model: ScoringModel) -> None:
    """Write a model as JSON; numbers keep all their digits."""
    content = {
        "offset": model.offset,
        "sex_effect": dict(model.sex_effect),
        "markers": list(model.markers),
        "may_be_missing": sorted(model.availability),
        "needs_sex": model.needs_sex,
        "outside": model.outside,
        "effects": [
            {
                "marker": effect.marker,
                "sex": effect.sex,
                "low": effect.grid.low,
                "high": effect.grid.high,
                "intervals": effect.grid.intervals,
                "polynomials": effect.polynomials.tolist(),
            }
            for effect in model.effects
        ],
        "notes": dict(model.notes),
        **({"moderated_by": model.moderated_by} if model.moderated_by != "sex" else {}),
    }
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "scale": "log-odds; each row of polynomials: powers 0..3 of the position within a knot interval; "
            "the last three rows: missing, below and above the knots",
            "sha256": _digest(content),
            "model": content,
        },
        PUBLIC,
    )


def read_model(path: Path) -> ScoringModel:
    """Read a model written by `write_model`.

    Raises
    ------
    ModelError
        If the file is not such a model, of a newer version, or damaged.
    """
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"There is no model file {path}.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} is not a readable model file ({error}).") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise ModelError(f"{path} is not a voicerisk boosting model; it does not say format {FORMAT!r}.")
    if stored.get("version") != VERSION:
        raise ModelError(
            f"{path} has version {stored.get('version')!r}; this voicerisk reads version {VERSION}."
        )
    content = stored.get("model")
    if not isinstance(content, dict) or stored.get("sha256") != _digest(content):
        raise ModelError(
            f"{path} is damaged or was edited: its content does not match its SHA-256; save it again."
        )
    try:
        effects = []
        for entry in content["effects"]:
            grid = Grid(float(entry["low"]), float(entry["high"]), int(entry["intervals"]))
            polynomials = np.array(entry["polynomials"], np.float64)
            if polynomials.shape != (grid.intervals + 3, 4) or not grid.low < grid.high:
                raise ModelError(f"{path}: the curve of {entry['marker']} does not fit its knots.")
            effects.append(Effect(str(entry["marker"]), str(entry["sex"]), grid, polynomials))
        return ScoringModel(
            float(content["offset"]),
            {str(name): float(value) for name, value in content["sex_effect"].items()},
            tuple(effects),
            tuple(content["markers"]),
            bool(content["needs_sex"]),
            str(content["outside"]),
            frozenset(content["may_be_missing"]),
            content["notes"],
            str(content.get("moderated_by", "sex")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} lacks a part of a boosting model ({error}); save it again.") from error


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _evaluate(grid: Grid, each: Floats, x: Floats, sex: NDArray[np.int8] | None, outside: str) -> Floats:
    """Return a marker's effect on a stretch of rows; `each` (levels, cells, 4) are the levels' curves."""
    t = np.clip(x, grid.low, grid.high)
    t -= grid.low
    t *= grid.intervals / (grid.high - grid.low)
    missing = np.isnan(t)
    some_missing = missing.any()
    if some_missing:
        t[missing] = 0.0
    cell = t.astype(np.int64)
    np.minimum(cell, grid.intervals - 1, out=cell)
    t -= cell
    if sex is not None:
        cell += sex * np.int64(each.shape[1])
    powers = np.ascontiguousarray(each.reshape(-1, 4).T)
    value = powers[3].take(cell)
    for q in (2, 1, 0):
        value *= t
        value += powers[q].take(cell)
    if outside == "extrapolate":
        for beyond, edge, row in ((x < grid.low, grid.low, -2), (x > grid.high, grid.high, -1)):
            if beyond.any():
                line = each[0 if sex is None else sex[beyond], row]
                start, slope = line[..., 0], line[..., 1]
                value[beyond] = start + slope * ((x[beyond] - edge) / grid.width)
    if some_missing:
        value[missing] = 0.0
    return value
