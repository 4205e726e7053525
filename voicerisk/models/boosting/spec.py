"""What is to be boosted: settings, base-learners, rows, and lanes (one lane = one fit on weighted rows)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boosting.engine.splines import MAX_DEGREE
from voicerisk.types import Floats

SEXES = ("female", "male")
MAX_KNOTS = 200  # cells are stored in one byte
TILE = 512  # rows that are sorted by interval together, so that their gradients stay in the cache

Boundary = Literal["all", "train"]
Outside = Literal["clamp", "extrapolate"]


@dataclass(frozen=True, slots=True)
class BoostSettings:
    """The `[boost]` table of the study file.

    Attributes
    ----------
    engine : {'native', 'mboost'}
        Own engine, or R's mboost where installed.
    brandom : bool
        Add a ridge-penalised caller effect. It explains training frames and is 0 for a new caller.
    by_sex : bool
        mboost's own `by = sex` (treatment contrast: fits men only) instead of one learner per sex.
    mstop : int
        Number of boosting steps, >= 0.
    nu : float
        Step length, 0 < nu <= 1.
    df : float
        Degrees of freedom of each smooth base-learner, > 2.
    knots : int
        Inner knots, 1 to 200.
    boundary_knots : {'all', 'train'}, optional
        Rows whose range sets the knots; None = 'all' in `published`, 'train' in `nested`.
    outside : {'extrapolate', 'clamp'}, optional
        Values beyond the knots; None = 'extrapolate' in `published`, 'clamp' in `nested`.
    patience : int, optional
        `nested` alone: the folds that tune an outer fold halt once their summed held-out deviance has found
        no new minimum for so many steps (looked at every 50). None = never: all steps are taken.
    """

    engine: str = "native"
    brandom: bool = False
    by_sex: bool = False
    mstop: int = 100
    nu: float = 0.1
    df: float = 4.0
    knots: int = 20
    boundary_knots: str | None = None
    outside: str | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        _choice("boost.engine", self.engine, ("native", "mboost"))
        for key in ("brandom", "by_sex"):
            if not isinstance(getattr(self, key), bool):
                raise ModelError(f"boost.{key} is {getattr(self, key)!r}; it must be true or false.")
        check_steps(self.mstop, self.nu, prefix="boost.")
        if not _number(self.df) or not 2 < self.df < np.inf:
            raise ModelError(f"boost.df is {self.df!r}; it must be a number above 2.")
        if not _whole(self.knots) or not 1 <= self.knots <= MAX_KNOTS:
            raise ModelError(
                f"boost.knots is {self.knots!r}; it must be a whole number from 1 to {MAX_KNOTS}."
            )
        if self.boundary_knots is not None:
            _choice("boost.boundary_knots", self.boundary_knots, ("all", "train"))
        if self.outside is not None:
            _choice("boost.outside", self.outside, ("extrapolate", "clamp"))
        if self.patience is not None:
            if not _whole(self.patience) or self.patience < 1:
                raise ModelError(f"boost.patience is {self.patience!r}; it must be a whole number above 0.")
            if self.engine == "mboost":
                raise ModelError("boost.patience needs boost.engine = 'native'; leave it out for mboost.")


@dataclass(frozen=True, slots=True)
class Learner:
    """One base-learner, in mboost's terms.

    Attributes
    ----------
    kind : {'bbs', 'bols', 'brandom'}
        P-spline, linear (least squares), or ridge-penalised caller intercepts.
    variable : str
        Name of a marker; for `bols` also 'sex' or '1' (intercept alone); for `brandom` 'caller'.
    by : str, optional
        'female' or 'male' (rows of that sex), or the name of a 0/1 column. mboost's `by = sex` is 'male'.
    available : bool
        Rows where the variable is missing contribute nothing (by = available).
    df : float, optional
        Degrees of freedom; None = 4 for bbs and brandom, unpenalised for bols.
    penalty : float, optional
        lambda; overrides `df`.
    knots, degree, differences : int
        Inner knots, degree (1..3) and order of the difference penalty of a P-spline.
    center : bool
        P-spline without its polynomial null space (mboost's `center = TRUE`).
    intercept : bool
        Whether `bols` has an intercept column.
    """

    kind: str
    variable: str
    by: str | None = None
    available: bool = False
    df: float | None = None
    penalty: float | None = None
    knots: int = 20
    degree: int = 3
    differences: int = 2
    center: bool = False
    intercept: bool = True

    def __post_init__(self) -> None:
        _choice("a learner's kind", self.kind, ("bbs", "bols", "brandom"))
        if self.kind == "brandom" and (self.variable != "caller" or self.by is not None):
            raise ModelError(f"{self.name} is not supported; brandom takes the caller alone.")
        if self.kind == "bbs" and self.variable in ("sex", "1", "caller"):
            raise ModelError(f"{self.name} is not supported; a P-spline needs a numeric marker.")
        if self.df is not None and not (_number(self.df) and self.df > 0):
            raise ModelError(f"{self.name} has df = {self.df!r}; it must be a positive number.")
        if self.penalty is not None and not (_number(self.penalty) and 0 <= self.penalty < np.inf):
            raise ModelError(f"{self.name} has lambda = {self.penalty!r}; it must be a number >= 0.")
        if self.kind == "bbs":
            if not _whole(self.knots) or not 1 <= self.knots <= MAX_KNOTS:
                raise ModelError(f"{self.name} has knots = {self.knots!r}; it must be from 1 to {MAX_KNOTS}.")
            if self.degree not in range(1, MAX_DEGREE + 1):
                raise ModelError(f"{self.name} has degree = {self.degree!r}; it must be 1, 2 or 3.")
            if not _whole(self.differences) or not 1 <= self.differences < self.knots + self.degree:
                raise ModelError(
                    f"{self.name} has differences = {self.differences!r}; it must be at least 1."
                )
            null_space = 0 if self.center else self.differences
            if self.penalty is None and self.wanted_df is not None and self.wanted_df <= null_space:
                raise ModelError(
                    f"{self.name} has df = {self.wanted_df:g}; it must be above {null_space}, "
                    "the dimension that its penalty leaves free."
                )

    @property
    def wanted_df(self) -> float | None:
        """Degrees of freedom that set lambda; None = no penalty asked for."""
        if self.df is not None:
            return self.df
        return None if self.kind == "bols" else 4.0

    @property
    def name(self) -> str:
        """The learner as a call, for example ``bbs(entropy, by = female)``."""
        parts = [self.variable]
        if self.by is not None:
            parts.append(f"by = {self.by}")
        if self.available:
            parts.append("available")
        if not self.intercept:
            parts.append("intercept = FALSE")
        if self.center:
            parts.append("center = TRUE")
        return f"{self.kind}({', '.join(parts)})"


def learners_for(
    markers: Iterable[str],
    has_missing: Collection[str] | Mapping[str, bool] = (),
    sexes: Collection[int] = (0, 1),
    by_sex: bool = False,
    brandom: bool = False,
    *,
    df: float = 4.0,
    knots: int = 20,
    linear: Collection[str] = ("voiced",),
) -> tuple[Learner, ...]:
    """Return the base-learners of the sex-moderated model.

    Parameters
    ----------
    markers : iterable of str
        Markers in the order of the formula (ties go to the first).
    has_missing : collection of str, or mapping marker -> bool
        Markers with missing values: their learners are taken by availability too.
    sexes : collection of int
        Sex codes present (0 female, 1 male). One sex only: no `bols(sex)`, one learner a marker.
    by_sex : bool
        mboost's own `by = sex`: one learner a marker, for men only.
    brandom : bool
        Add caller intercepts.
    df, knots : float, int
        Of every P-spline.
    linear : collection of str
        Markers that enter linearly (0/1 markers).

    Returns
    -------
    tuple of Learner
        bols(sex), then every marker for women, then every marker for men, then brandom(caller).

    Examples
    --------
    >>> [learner.name for learner in learners_for(["dom"], has_missing=["dom"])]
    ['bols(sex)', 'bbs(dom, by = female, available)', 'bbs(dom, by = male, available)']
    """
    markers = tuple(markers)
    if isinstance(has_missing, Mapping):
        has_missing = {marker for marker, missing in has_missing.items() if missing}
    unknown = set(sexes) - {0, 1}
    if unknown or not sexes:
        raise ModelError(f"Sex codes are {sorted(sexes)}; they must be 0 (female), 1 (male) or both.")
    two = len(set(sexes)) == 2
    groups: tuple[str | None, ...] = (None,) if not two else (("male",) if by_sex else SEXES)
    learners: list[Learner] = [Learner("bols", "sex")] if two else []
    for group in groups:
        for marker in markers:
            available = marker in has_missing
            if marker in linear:
                learners.append(Learner("bols", marker, by=group, available=available))
            else:
                learners.append(Learner("bbs", marker, by=group, available=available, df=df, knots=knots))
    if brandom:
        learners.append(Learner("brandom", "caller"))
    return tuple(learners)


@dataclass(frozen=True, eq=False)
class BoostData:
    """Rows to boost on, as arrays.

    Attributes
    ----------
    columns : mapping of str to ndarray of float64, shape (n,)
        Markers; NaN = missing, infinite values are refused.
    sex : ndarray of int8, shape (n,), or None
        0 female, 1 male; None where the model has no sex.
    y : ndarray of int8, shape (n,), or None
        Outcome 0/1; None where rows are only scored.
    caller : ndarray of int32, shape (n,)
        Caller codes, >= 0.
    """

    columns: Mapping[str, Floats]
    sex: NDArray[np.int8] | None
    y: NDArray[np.int8] | None
    caller: NDArray[np.int32]
    n: int = field(init=False)

    def __post_init__(self) -> None:
        caller = np.asarray(self.caller)
        n = len(caller)
        if n and (not np.issubdtype(caller.dtype, np.integer) or caller.min() < 0):
            raise ModelError("Caller codes must be whole numbers from 0 on.")
        object.__setattr__(self, "caller", np.ascontiguousarray(caller, np.int32))
        object.__setattr__(self, "n", n)
        for key in ("sex", "y"):
            given = getattr(self, key)
            if given is not None:
                object.__setattr__(self, key, _codes(key, given, n))
        columns = {}
        for name, values in self.columns.items():
            column = np.ascontiguousarray(values, np.float64)
            if column.shape != (n,):
                raise ModelError(f"Column {name} has shape {column.shape}; it must be ({n},) as the callers.")
            infinite = np.isinf(column)
            if infinite.any():
                raise ModelError(
                    f"Column {name} is infinite in row {np.flatnonzero(infinite)[0]}; "
                    "use NaN for a missing value."
                )
            columns[name] = column
        object.__setattr__(self, "columns", columns)

    def of_lane(self, lane: Lane) -> BoostData:
        """Return the rows with the outcome of a lane; the data themselves where it has none of its own."""
        if lane.y is None:
            return self
        other = copy(self)  # what else there is has been checked
        object.__setattr__(other, "y", _codes(f"The outcome of lane {lane.key}", lane.y, self.n))
        return other

    def take(self, rows: NDArray[Any]) -> BoostData:
        """Return the named rows, in that order."""
        return BoostData(
            {name: column[rows] for name, column in self.columns.items()},
            None if self.sex is None else self.sex[rows],
            None if self.y is None else self.y[rows],
            self.caller[rows],
        )


@dataclass(frozen=True, eq=False, slots=True)
class Lane:
    """One fit: weights, learners and what the knots may see.

    Attributes
    ----------
    key : str
        Name of the fit, unique among the lanes given together.
    weights : ndarray of float64, shape (n,)
        Row weights >= 0; 0 = held out. All-integer weights stay as they are, others are rescaled to sum to
        the number of rows with weight, as mboost does.
    learners : tuple of Learner
        In the order of the formula. May be empty: the model is then its offset.
    boundary : {'all', 'train'}
        Rows whose range sets the knots: all rows (mboost's zero-weight folds) or those with weight.
    outside : {'extrapolate', 'clamp'}
        What becomes of scored values beyond the knots.
    offset : float, optional
        Offset in log-odds; None = the family's own.
    y : ndarray of int8, shape (n,), optional
        Outcome 0/1 of this fit, for example a permuted one; None = that of the data. Its paths carry the data
        with this outcome.
    """

    key: str
    weights: Floats
    learners: tuple[Learner, ...]
    boundary: str = "all"
    outside: str = "extrapolate"
    offset: float | None = None
    y: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        _choice(f"boundary of lane {self.key}", self.boundary, ("all", "train"))
        _choice(f"outside of lane {self.key}", self.outside, ("extrapolate", "clamp"))
        if self.offset is not None and not np.isfinite(self.offset):
            raise ModelError(f"The offset of lane {self.key} is {self.offset!r}; it must be finite.")


def _codes(name: str, given: Any, n: int) -> NDArray[np.int8]:
    """Return 0/1 codes as int8; refuse anything else."""
    codes = np.asarray(given)
    wrong = ~np.isin(codes, (0, 1))
    if codes.shape != (n,) or wrong.any():
        found = f"{codes[wrong][0]!r} in row {np.flatnonzero(wrong)[0]}" if wrong.any() else codes.shape
        raise ModelError(f"{name} must hold 0 or 1 for each of the {n} rows; found {found}.")
    return np.ascontiguousarray(codes, np.int8)


def check_steps(mstop: Any, nu: Any, prefix: str = "") -> None:
    """Refuse a number of steps or a step length that cannot be meant."""
    if not _whole(mstop) or mstop < 0:
        raise ModelError(f"{prefix}mstop is {mstop!r}; it must be a whole number >= 0.")
    if not _number(nu) or not 0 < nu <= 1:
        raise ModelError(f"{prefix}nu is {nu!r}; it must be above 0 and at most 1.")


def rescaled_weights(weights: Floats) -> Floats:
    """Return the weights as mboost uses them: integers as they are, others summing to the number above 0."""
    if np.array_equal(weights, np.rint(weights)):
        return weights
    return weights / weights.sum() * np.count_nonzero(weights)


def _choice(key: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ModelError(f"{key} is {value!r}; it must be one of {', '.join(allowed)}.")


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and not np.isnan(value)
