"""What is to be boosted: settings, base-learners, rows, and lanes (one lane = one fit on weighted rows)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from voicerisk.callers.moderator import SEX, Moderator
from voicerisk.errors import ModelError
from voicerisk.models.splines import MAX_DEGREE
from voicerisk.pipeline.setting import is_number, is_whole, require_choice, require_columns
from voicerisk.types import Floats

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
        mboost's own `by = sex` (treatment contrast: fits men only) instead of one learner a level; needs a
        moderator of two levels.
    common : bool
        Besides one learner a marker and level a common one for everyone, so that the levels' own are
        deviations from it.
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
    covariates : tuple of str
        Columns of [cohort] covariates that compete with the markers, the same for every level: a number as a
        smooth (a line where it has fewer than 6 values), a text as one 0/1 learner a value.
    forced : bool
        In models of calls: the covariates' lines are not penalised, so that they are in the score whatever
        the markers say, which then add what they know beyond.

    Examples
    --------
    >>> BoostSettings(mstop=200).nu
    0.1
    >>> BoostSettings(engine="xgboost")
    Traceback (most recent call last):
    voicerisk.errors.ModelError: boost.engine must be one of native, mboost, not 'xgboost'.
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
    common: bool = False
    covariates: tuple[str, ...] = ()
    forced: bool = False

    def __post_init__(self) -> None:
        require_choice("boost.engine", self.engine, ("native", "mboost"), ModelError)
        for key in ("brandom", "by_sex", "common", "forced"):
            if not isinstance(getattr(self, key), bool):
                raise ModelError(f"boost.{key} is {getattr(self, key)!r}; it must be true or false.")
        named = require_columns("boost.covariates", self.covariates, ModelError)
        object.__setattr__(self, "covariates", named)
        if self.forced and not named:
            raise ModelError("boost.forced is true, but boost.covariates names none that could be forced.")
        if self.by_sex and self.common:
            raise ModelError("boost.by_sex and boost.common are both true; a model has one of them.")
        check_steps(self.mstop, self.nu, prefix="boost.")
        if not is_number(self.df) or not 2 < self.df < np.inf:
            raise ModelError(f"boost.df is {self.df!r}; it must be a number above 2.")
        if not is_whole(self.knots) or not 1 <= self.knots <= MAX_KNOTS:
            raise ModelError(
                f"boost.knots is {self.knots!r}; it must be a whole number from 1 to {MAX_KNOTS}."
            )
        if self.boundary_knots is not None:
            require_choice("boost.boundary_knots", self.boundary_knots, ("all", "train"), ModelError)
        if self.outside is not None:
            require_choice("boost.outside", self.outside, ("extrapolate", "clamp"), ModelError)
        if self.patience is not None:
            if not is_whole(self.patience) or self.patience < 1:
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
        Name of a marker; for `bols` also the moderator's name ('sex') or '1' (intercept alone); for `brandom`
        'caller'.
    by : str, optional
        A level of the moderator ('female': rows of that level), or the name of a 0/1 column. mboost's
        `by = sex` is 'male'.
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
        require_choice("a learner's kind", self.kind, ("bbs", "bols", "brandom"), ModelError)
        if self.kind == "brandom" and (self.variable != "caller" or self.by is not None):
            raise ModelError(f"{self.name} is not supported; brandom takes the caller alone.")
        if self.kind == "bbs" and self.variable in ("sex", "1", "caller"):
            raise ModelError(f"{self.name} is not supported; a P-spline needs a numeric marker.")
        if self.df is not None and not (is_number(self.df) and self.df > 0):
            raise ModelError(f"{self.name} has df = {self.df!r}; it must be a positive number.")
        if self.penalty is not None and not (is_number(self.penalty) and 0 <= self.penalty < np.inf):
            raise ModelError(f"{self.name} has lambda = {self.penalty!r}; it must be a number >= 0.")
        if self.kind == "bbs":
            if not is_whole(self.knots) or not 1 <= self.knots <= MAX_KNOTS:
                raise ModelError(f"{self.name} has knots = {self.knots!r}; it must be from 1 to {MAX_KNOTS}.")
            if self.degree not in range(1, MAX_DEGREE + 1):
                raise ModelError(f"{self.name} has degree = {self.degree!r}; it must be 1, 2 or 3.")
            if not is_whole(self.differences) or not 1 <= self.differences < self.knots + self.degree:
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
    moderator: Moderator | None = SEX,
    by_sex: bool = False,
    brandom: bool = False,
    *,
    common: bool = False,
    df: float = 4.0,
    knots: int = 20,
    linear: Collection[str] = ("voiced",),
    covariates: Mapping[str, bool] | None = None,
) -> tuple[Learner, ...]:
    """Return the base-learners of the moderated model.

    Parameters
    ----------
    markers : iterable of str
        Markers in the order of the formula (ties go to the first).
    has_missing : collection of str, or mapping marker -> bool
        Markers with missing values: their learners are taken by availability too.
    moderator : Moderator, optional
        Its levels have learners of their own. None, or a single level = one learner a marker.
    by_sex : bool
        mboost's own `by = sex`: one learner a marker, for the second of two levels only.
    brandom : bool
        Add caller intercepts.
    common : bool
        Add a common learner a marker, from which the levels' own are deviations. It is there without being
        asked for where the moderator has shared levels, whose callers have nothing else.
    df, knots : float, int
        Of every P-spline.
    linear : collection of str
        Markers that enter linearly (0/1 markers).
    covariates : mapping of str to bool, optional
        Columns that compete with the markers, the same for every level, and whether each enters linearly.

    Returns
    -------
    tuple of Learner
        Without shared levels: bols(moderator), then every marker for the first level, then for the second,
        and so on, then brandom(caller). With shared levels there is an intercept for each level with a curve
        of its own instead of bols(moderator); the common learners come next.

    Raises
    ------
    ModelError
        For `by_sex` where the moderator has not two levels.

    Examples
    --------
    >>> [learner.name for learner in learners_for(["dom"], has_missing=["dom"])]
    ['bols(sex)', 'bbs(dom, by = female, available)', 'bbs(dom, by = male, available)']
    >>> few = Moderator("sex", ("X", "female", "male"), shared=("X",))
    >>> [learner.name for learner in learners_for(["dom"], moderator=few)]  # doctest: +NORMALIZE_WHITESPACE
    ['bols(1, by = female)', 'bols(1, by = male)', 'bbs(dom)', 'bbs(dom, by = female)', 'bbs(dom, by = male)']
    """
    markers = tuple(markers)
    if isinstance(has_missing, Mapping):
        has_missing = {marker for marker, missing in has_missing.items() if missing}
    learners: list[Learner] = []
    groups: tuple[str | None, ...] = (None,)
    if moderator is not None and len(moderator.own) > 1:
        common = common or bool(moderator.shared)
        if by_sex and (len(moderator.own) != 2 or common):
            raise ModelError(
                f"boost.by_sex needs a moderator of two levels that share no curve; {moderator.name} has "
                f"{', '.join(moderator.levels)}."
            )
        if moderator.shared:
            learners += [Learner("bols", "1", by=level) for level in moderator.own]
        else:
            learners.append(Learner("bols", moderator.name))
        groups = moderator.own[1:] if by_sex else moderator.own
        if common:
            groups = (None, *groups)
    for group in groups:
        for marker in markers:
            available = marker in has_missing
            if marker in linear:
                learners.append(Learner("bols", marker, by=group, available=available))
            else:
                learners.append(Learner("bbs", marker, by=group, available=available, df=df, knots=knots))
    for name, line in (covariates or {}).items():
        available = name in has_missing
        if line:
            learners.append(Learner("bols", name, available=available))
        else:
            learners.append(Learner("bbs", name, available=available, df=df, knots=knots))
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
    level : ndarray of int8, shape (n,), or None
        Each row's level of the moderator as its place in `moderator.levels` (by default 0 female, 1 male);
        None where the model has no moderator.
    y : ndarray of int8, shape (n,), or None
        Outcome 0/1; None where rows are only scored.
    caller : ndarray of int32, shape (n,)
        Caller codes, >= 0.
    moderator : Moderator, optional
        What the levels are; None, by itself, where `level` is.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([0.1, -0.4, 0.8, 0.3])
    >>> BoostData({"dom": x}, None, np.array([0, 0, 1, 1]), np.arange(4)).n
    4
    """

    columns: Mapping[str, Floats]
    level: NDArray[np.int8] | None
    y: NDArray[np.int8] | None
    caller: NDArray[np.int32]
    moderator: Moderator | None = SEX
    n: int = field(init=False)

    def __post_init__(self) -> None:
        caller = np.asarray(self.caller)
        n = len(caller)
        if n and (not np.issubdtype(caller.dtype, np.integer) or caller.min() < 0):
            raise ModelError("Caller codes must be whole numbers from 0 on.")
        object.__setattr__(self, "caller", np.ascontiguousarray(caller, np.int32))
        object.__setattr__(self, "n", n)
        if self.y is not None:
            object.__setattr__(self, "y", _codes("y", self.y, n))
        if self.level is None:
            object.__setattr__(self, "moderator", None)
        else:
            if self.moderator is None:
                raise ModelError("The rows have levels, but nothing says of what; give their moderator.")
            levels = len(self.moderator.levels)
            object.__setattr__(self, "level", _codes(self.moderator.name, self.level, n, levels))
            _check_names(self.moderator, self.columns)
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
            None if self.level is None else self.level[rows],
            None if self.y is None else self.y[rows],
            self.caller[rows],
            self.moderator,
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

    Examples
    --------
    >>> import numpy as np
    >>> Lane("all callers", np.ones(4), learners_for(["dom"], moderator=None)).key
    'all callers'
    """

    key: str
    weights: Floats
    learners: tuple[Learner, ...]
    boundary: str = "all"
    outside: str = "extrapolate"
    offset: float | None = None
    y: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        require_choice(f"boundary of lane {self.key}", self.boundary, ("all", "train"), ModelError)
        require_choice(f"outside of lane {self.key}", self.outside, ("extrapolate", "clamp"), ModelError)
        if self.offset is not None and not np.isfinite(self.offset):
            raise ModelError(f"The offset of lane {self.key} is {self.offset!r}; it must be finite.")


class LazyLanes(Sequence[Lane]):
    """Lanes that are made when they are asked for, so that their weights need no memory before.

    Parameters
    ----------
    make : callable
        Number of a lane -> Lane; must give the same lane each time.
    count : int
        Number of lanes.
    """

    def __init__(self, make: Callable[[int], Lane], count: int) -> None:
        self._make, self._count = make, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Lane:  # type: ignore[override]
        if not 0 <= number < self._count:
            raise IndexError(number)
        return self._make(number)


def _codes(name: str, given: Any, n: int, count: int = 2) -> NDArray[np.int8]:
    """Return codes 0 .. count - 1 as int8; refuse anything else."""
    codes = np.asarray(given)
    wrong = ~np.isin(codes, np.arange(count))
    if codes.shape != (n,) or wrong.any():
        found = (
            f"{codes[wrong][0].item()!r} in row {np.flatnonzero(wrong)[0]}" if wrong.any() else codes.shape
        )
        allowed = "0 or 1" if count == 2 else f"a code from 0 to {count - 1}"
        raise ModelError(f"{name} must hold {allowed} for each of the {n} rows; found {found}.")
    return np.ascontiguousarray(codes, np.int8)


def _check_names(moderator: Moderator, columns: Mapping[str, Any]) -> None:
    """Refuse names that could be read in two ways: of a column, a level, the moderator, or a caller."""
    taken = [name for name in (moderator.name, *moderator.levels) if name in columns]
    if moderator.name in ("1", "caller"):
        taken.append(moderator.name)
    if taken:
        raise ModelError(
            f"The name {taken[0]!r} of the moderator or of one of its levels is that of a column too; "
            "rename one of them."
        )


def check_steps(mstop: Any, nu: Any, prefix: str = "") -> None:
    """Refuse a number of steps or a step length that cannot be meant."""
    if not is_whole(mstop) or mstop < 0:
        raise ModelError(f"{prefix}mstop is {mstop!r}; it must be a whole number >= 0.")
    if not is_number(nu) or not 0 < nu <= 1:
        raise ModelError(f"{prefix}nu is {nu!r}; it must be above 0 and at most 1.")


def rescaled_weights(weights: Floats) -> Floats:
    """Return the weights as mboost uses them: integers as they are, others summing to the number above 0."""
    if np.array_equal(weights, np.rint(weights)):
        return weights
    return weights / weights.sum() * np.count_nonzero(weights)
