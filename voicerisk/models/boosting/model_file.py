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

from voicerisk.errors import ModelError
from voicerisk.files import PUBLIC, write_json
from voicerisk.models.boosting.engine.rows import learner_blocks
from voicerisk.models.boosting.engine.splines import Grid
from voicerisk.models.boosting.path import LanePath
from voicerisk.models.boosting.spec import SEXES
from voicerisk.types import Floats

FORMAT = "voicerisk-gamboost"
VERSION = 1
_ROWS = 16384  # scored at a time, so that the work stays in the cache


@dataclass(frozen=True, eq=False, slots=True)
class Effect:
    """The effect of one marker in one sex.

    Attributes
    ----------
    marker : str
    sex : str
        'female', 'male' or 'all'.
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
    sex_effect : mapping of sex to float
        What `bols(sex)` and intercepts add; key 'all' where the model has no sex.
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
    """

    offset: float
    sex_effect: Mapping[str, float]
    effects: tuple[Effect, ...]
    markers: tuple[str, ...]
    needs_sex: bool
    outside: str
    availability: frozenset[str]
    notes: Mapping[str, Any]

    def contributions(
        self, columns: Mapping[str, Floats], sex: NDArray[np.int8] | None
    ) -> tuple[Floats, Floats]:
        """Return what each marker adds to each row.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)
            Markers; NaN = missing.
        sex : ndarray of int8, shape (n,), or None
            0 female, 1 male.

        Returns
        -------
        parts : ndarray, shape (markers, n)
            Log-odds.
        base : ndarray, shape (n,)
            Offset and sex.
        """
        n = self._checked(columns, sex)
        parts = np.zeros((len(self.markers), n))
        base = np.full(n, self.offset + self.sex_effect.get("all", 0.0))
        if sex is not None and self.needs_sex:
            base += np.array([self.sex_effect.get(name, 0.0) for name in SEXES])[sex]
        for marker in self.markers:
            self._check_values(marker, columns[marker])
        curves: dict[tuple[str, Grid], Floats] = {}
        for effect in self.effects:
            both = curves.setdefault((effect.marker, effect.grid), np.zeros((2, *effect.polynomials.shape)))
            both[slice(None) if effect.sex == "all" else SEXES.index(effect.sex)] += effect.polynomials
        for (marker, grid), both in curves.items():
            part, column = parts[self.markers.index(marker)], columns[marker]
            for start in range(0, n, _ROWS):
                rows = slice(start, start + _ROWS)
                part[rows] += _evaluate(
                    grid, both, column[rows], None if sex is None else sex[rows], self.outside
                )
        return parts, base

    def link(self, columns: Mapping[str, Floats], sex: NDArray[np.int8] | None) -> Floats:
        """Return the log-odds of each row, shape (n,)."""
        parts, base = self.contributions(columns, sex)
        return base + parts.sum(0)

    def score(self, table: pd.DataFrame, moderator: str = "sex") -> pd.DataFrame:
        """Score a table of frames.

        Parameters
        ----------
        table : DataFrame
            One row a frame, with the markers and, where the model has sex, the moderator (female/male/F/M).

        Returns
        -------
        DataFrame
            In the order and with the index of `table`: p_raw, log_odds, base (offset and sex), one column
            ``<marker>`` with its contribution in log-odds, n_outside (number of markers outside the training
            range), and ``<marker>_outside`` (bool).
        """
        from voicerisk.callers.sex import sex_codes

        needed = [*self.markers, *([moderator] if self.needs_sex else [])]
        for name in needed:
            if name not in table.columns:
                raise ModelError(f"The table has no column {name}; the model needs {', '.join(needed)}.")
        sex = sex_codes(table[moderator]) if self.needs_sex else None
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
            raise ModelError("The model needs the sex of every row; none was given.")
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
        For a learner by a 0/1 column, which a file of curves by sex cannot hold.
    """
    learners = [f.learner for f in path.learners]
    for learner in learners:
        if learner.by not in (None, *SEXES):
            raise ModelError(
                f"{learner.name} is not a learner by sex; such a model cannot be saved for scoring."
            )
    by_sex = any(learner.by in SEXES or learner.variable == "sex" for learner in learners)
    shift = dict.fromkeys(SEXES, 0.0) if by_sex else {"all": 0.0}
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
    effects = tuple(Effect(*key, polynomials) for key, polynomials in sums.items())
    taken = path.mstop if step is None else step
    details = {"steps": taken, "rows": path.n, **(notes or {})}
    return ScoringModel(path.offset, shift, effects, every, by_sex, path.outside, available, details)


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
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} lacks a part of a boosting model ({error}); save it again.") from error


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _evaluate(grid: Grid, both: Floats, x: Floats, sex: NDArray[np.int8] | None, outside: str) -> Floats:
    """Return a marker's effect on a stretch of rows; `both` (2, cells, 4) are the curves of both sexes."""
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
        cell += sex * np.int64(both.shape[1])
    powers = np.ascontiguousarray(both.reshape(-1, 4).T)
    value = powers[3].take(cell)
    for q in (2, 1, 0):
        value *= t
        value += powers[q].take(cell)
    if outside == "extrapolate":
        for beyond, edge, row in ((x < grid.low, grid.low, -2), (x > grid.high, grid.high, -1)):
            if beyond.any():
                line = both[0 if sex is None else sex[beyond], row]
                start, slope = line[..., 0], line[..., 1]
                value[beyond] = start + slope * ((x[beyond] - edge) / grid.width)
    if some_missing:
        value[missing] = 0.0
    return value
