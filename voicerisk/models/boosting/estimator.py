"""`GamBoost`: component-wise boosting of P-splines by level of a moderator, in scikit-learn's conventions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from voicerisk.callers.moderator import Moderator, moderator_of
from voicerisk.errors import ModelError
from voicerisk.models.boosting.additive import scoring_model
from voicerisk.models.boosting.effects import (
    availability_effects,
    importance,
    partial_effects,
    selection_frequencies,
)
from voicerisk.models.boosting.path import LanePath
from voicerisk.models.boosting.resampling import Stability, stability_selection
from voicerisk.models.boosting.spec import BoostData, BoostSettings, Lane, Learner, learners_for
from voicerisk.models.saved.additive import AdditiveModel
from voicerisk.models.saved.model_file import write_model
from voicerisk.types import Floats


class InputError(ModelError, ValueError):
    """Input that cannot be used, also a ValueError, as scikit-learn's tools expect."""


class MboostEngine(Protocol):
    """What `voicerisk.models.boosting.mboost.fit_mboost` has to do, so that engines can be exchanged.

    It takes what `fit_lanes` takes and yields, in the order of `lanes`, the same `LanePath` (in log-odds:
    twice mboost's values), with knots, lambda, selection, coefficient steps and risk read from R's object.
    Learners that are taken by availability get the marker's training median and a 0/1 `by`.
    """

    def __call__(
        self, data: BoostData, lanes: Sequence[Lane], mstop: int, nu: float, *, family: str = "adaboost"
    ) -> Iterator[LanePath]:
        """Fit every lane with R's mboost."""
        ...


class GamBoost(ClassifierMixin, BaseEstimator):
    """Moderated boosting of P-splines (R's `gamboost(..., family = Binomial())`).

    Parameters
    ----------
    markers : sequence of str, optional
        Columns to use; None = all but the moderator.
    moderator : str or None
        Column of a table whose levels have curves of their own (two or more; of `sex`, female/male/F/M in any
        case are spelt out); an array has none; None = one curve for everyone.
    engine : {'native', 'mboost'}
        Own engine, or R's mboost where installed.
    brandom : bool
        Add ridge-penalised caller intercepts (needs `groups`); predictions leave them out.
    by_sex : bool
        mboost's own `by = sex`: smooths for the second of two levels only.
    mstop : int
        Boosting steps. Every smaller number can be asked for after the fit.
    nu : float
        Step length.
    df : float
        Degrees of freedom of every smooth.
    knots : int
        Inner knots.
    boundary_knots : {'all', 'train'}
        Range of the knots: all rows given, or those with weight.
    outside : {'extrapolate', 'clamp'}
        Values beyond the knots: linear continuation (mboost), or moved to the boundary.
    family : {'adaboost', 'glm'}
        mboost's ``Binomial()`` or ``Binomial(type = "glm")``.
    linear : sequence of str
        Markers that enter linearly.
    learners : sequence of Learner, optional
        Base-learners of one's own instead of the moderated set.
    shared : sequence of str
        Levels that get no curve of their own and share the common curve.
    common : bool
        A common curve a marker besides those of the levels, which are then deviations from it.
    covariates : mapping of str to bool, optional
        Columns among `markers` whose effect is the same for every level, and whether each enters linearly.

    Attributes
    ----------
    classes_ : ndarray, shape (2,)
    path_ : LanePath
        The fit with every step.
    learners_ : tuple of Learner
        Base-learners asked for; those that could not be fitted are in ``path_.left_out``.
    callers_ : ndarray
        Callers in the order of their codes; only where `groups` were given.
    markers_ : tuple of str
    levels_ : Moderator or None
        The moderator with the levels seen in the fit.

    Notes
    -----
    `decision_function`, `partial_effects` and all coefficients are in log-odds; mboost's are half log-odds.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from voicerisk.models import GamBoost
    >>> rng = np.random.default_rng(1)
    >>> X = pd.DataFrame({"dom": rng.normal(size=400), "sex": np.repeat(["female", "male"], 200)})
    >>> y = (X["dom"] + rng.normal(size=400) > 0).astype(int)
    >>> model = GamBoost(mstop=50).fit(X, y)
    >>> model.predict_proba(X).shape
    (400, 2)
    """

    def __init__(
        self,
        markers: Sequence[str] | None = None,
        moderator: str | None = "sex",
        engine: str = "native",
        brandom: bool = False,
        by_sex: bool = False,
        mstop: int = 100,
        nu: float = 0.1,
        df: float = 4.0,
        knots: int = 20,
        boundary_knots: str = "all",
        outside: str = "extrapolate",
        family: str = "adaboost",
        linear: Sequence[str] = ("voiced",),
        learners: Sequence[Learner] | None = None,
        shared: Sequence[str] = (),
        common: bool = False,
        covariates: Mapping[str, bool] | None = None,
    ) -> None:
        self.markers = markers
        self.moderator = moderator
        self.engine = engine
        self.brandom = brandom
        self.by_sex = by_sex
        self.mstop = mstop
        self.nu = nu
        self.df = df
        self.knots = knots
        self.boundary_knots = boundary_knots
        self.outside = outside
        self.family = family
        self.linear = linear
        self.learners = learners
        self.shared = shared
        self.common = common
        self.covariates = covariates

    levels_: Moderator | None
    feature_names_in_: NDArray[Any]
    callers_: NDArray[Any]

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> GamBoost:
        """Boost `mstop` steps.

        Parameters
        ----------
        X : DataFrame or array, shape (n, markers)
            Markers (NaN = missing) and, in a table, the moderator.
        y : array, shape (n,)
            Two classes; the second in sorted order is the event.
        sample_weight : array, shape (n,), optional
            Case weights >= 0; not all integer = rescaled to the number of rows with weight, as mboost does.
        groups : array, shape (n,), optional
            Caller of each row.

        Returns
        -------
        GamBoost
        """
        BoostSettings(
            self.engine,
            self.brandom,
            self.by_sex,
            self.mstop,
            self.nu,
            self.df,
            self.knots,
            common=self.common,
        )
        columns, level = self._columns(X, fitting=True)
        if y is None:
            raise ValueError("GamBoost requires y to be passed, but the target y is None.")
        target = column_or_1d(y, warn=True)
        check_consistent_length(X, target)
        check_classification_targets(target)
        self.classes_, codes = np.unique(target, return_inverse=True)
        if len(self.classes_) > 2:
            raise InputError(
                "Only binary classification is supported. "
                f"The type of the target is {type_of_target(target)}."
            )
        if len(self.classes_) < 2:
            raise InputError(
                f"The outcome has {len(self.classes_)} class(es); GamBoost needs two, as a binary classifier."
            )
        n = len(target)
        caller: NDArray[Any]
        if groups is None:
            if self.brandom:
                raise ModelError("brandom = true needs the caller of every row; pass groups to fit.")
            caller = np.zeros(n, np.int32)
            if hasattr(self, "callers_"):  # of an earlier fit
                del self.callers_
        else:
            check_consistent_length(X, groups)
            self.callers_, caller = np.unique(np.asarray(groups), return_inverse=True)
        weights = np.ones(n) if sample_weight is None else _case_weights(sample_weight, codes)
        if len(weights) != n:
            raise InputError(f"sample_weight has {len(weights)} values for {n} rows.")
        data = BoostData(columns, level, codes.astype(np.int8), caller.astype(np.int32), self.levels_)
        if self.learners is None:
            missing = [name for name, column in columns.items() if np.isnan(column).any()]
            others = dict(self.covariates or {})
            absent = [name for name in others if name not in columns]
            if absent:
                raise ModelError(f"covariates names {absent[0]!r}, which is not among the markers.")
            chosen = learners_for(
                [name for name in columns if name not in others],
                missing,
                self.levels_,
                self.by_sex,
                self.brandom,
                common=self.common,
                covariates=others,
                df=self.df,
                knots=self.knots,
                linear=self.linear,
            )
        else:
            chosen = tuple(self.learners)
        self.learners_ = chosen
        lane = Lane("fit", weights, chosen, self.boundary_knots, self.outside)
        (self.path_,) = self._fit(data, [lane])
        return self

    def _fit(self, data: BoostData, lanes: Sequence[Lane]) -> Iterator[LanePath]:
        if self.engine == "mboost":
            # by name: rpy2 and R load only where this engine is asked for
            engine: MboostEngine = import_module("voicerisk.models.boosting.mboost").fit_mboost
            return engine(data, lanes, self.mstop, self.nu, family=self.family)
        from voicerisk.models.boosting.engine.lanes import fit_lanes

        return fit_lanes(data, lanes, self.mstop, self.nu, family=self.family)

    def decision_function(self, X: Any, step: int | None = None) -> Floats:
        """Return the log-odds of the event after `step` steps (default: all), without caller effects.

        Returns
        -------
        ndarray, shape (n,)
        """
        check_is_fitted(self, "path_")
        return self.path_.link(self._data(X), step)

    def predict_proba(self, X: Any, step: int | None = None) -> Floats:
        """Return the probabilities of both classes after `step` steps, shape (n, 2)."""
        event = expit(np.clip(self.decision_function(X, step), -72.0, 72.0))
        return np.column_stack([1.0 - event, event])

    def predict(self, X: Any, step: int | None = None) -> NDArray[Any]:
        """Return the class whose log-odds are above 0, as mboost's `type = "class"`."""
        check_is_fitted(self, "path_")
        return self.classes_[(self.decision_function(X, step) > 0).astype(int)]

    @property
    def risk_path(self) -> Floats:
        """Weighted negative log-likelihood after 0..mstop steps, shape (mstop + 1,)."""
        check_is_fitted(self, "path_")
        return self.path_.risk

    def selection_frequencies(self, step: int | None = None) -> pd.DataFrame:
        """Return how often each base-learner was chosen: learner, marker, sex, n_selected, share."""
        check_is_fitted(self, "path_")
        return selection_frequencies(self.path_, step)

    def importance(self, step: int | None = None) -> pd.DataFrame:
        """Return each base-learner's share in the fall of the risk (mboost's `varimp`)."""
        check_is_fitted(self, "path_")
        return importance(self.path_, step)

    def partial_effects(self, step: int | None = None, points: int = 100) -> pd.DataFrame:
        """Return each marker's effect: marker, sex, x, estimate (log-odds, centred over available rows)."""
        check_is_fitted(self, "path_")
        return partial_effects(self.path_, step, points)

    def availability_effects(self, step: int | None = None) -> pd.DataFrame:
        """Return the level that centring took out: marker, sex, estimate (log-odds), share_available."""
        check_is_fitted(self, "path_")
        return availability_effects(self.path_, step)

    def stability_selection(
        self,
        q: int,
        seed: int = 1,
        cutoff: float = 0.75,
        pairs: int = 50,
        *,
        assumption: str = "unimodal",
        threads: int = 1,
    ) -> Stability:
        """Count which base-learners enter first on halves of the callers given to `fit` as `groups`.

        See `voicerisk.models.stability_selection`, whose parameters these are; steps and step length are the
        estimator's.
        """
        check_is_fitted(self, "path_")
        if not hasattr(self, "callers_"):
            raise ModelError("Stability selection halves the callers; pass groups to fit.")
        data = self.path_.data
        assert data is not None  # a path that was just fitted has its rows
        return stability_selection(
            data,
            self.learners_,
            q,
            seed,
            cutoff,
            pairs,
            self.mstop,
            self.nu,
            assumption=assumption,
            threads=threads,
        )

    def scoring_model(self, step: int | None = None) -> AdditiveModel:
        """Return the model as curves by marker and level, which scores frames without numba or R."""
        check_is_fitted(self, "path_")
        settings = {
            "nu": self.nu,
            "df": self.df,
            "knots": self.knots,
            "family": self.family,
            "engine": self.engine,
        }
        classes = [str(label) for label in self.classes_]
        return scoring_model(self.path_, step, {"settings": settings, "classes": classes})

    def save(self, path: Path | str, step: int | None = None) -> None:
        """Write the model after `step` steps as JSON (see `read_model`)."""
        write_model(Path(path), self.scoring_model(step))

    def _data(self, X: Any) -> BoostData:
        check_is_fitted(self, "path_")
        columns, level = self._columns(X, fitting=False)
        # No code of a known caller: the caller's effect is 0
        unknown = max([f.size for f in self.path_.learners if f.learner.kind == "brandom"], default=0)
        n = len(next(iter(columns.values()))) if columns else len(level)  # type: ignore[arg-type]
        return BoostData(columns, level, None, np.full(n, unknown, np.int32), self.levels_)

    def _columns(self, X: Any, fitting: bool) -> tuple[dict[str, Floats], NDArray[np.int8] | None]:
        """Return the markers and the codes of the levels of a table or an array."""
        if not isinstance(X, pd.DataFrame):
            values = check_array(X, ensure_all_finite="allow-nan", dtype=np.float64, estimator=self)
            if fitting:
                self.n_features_in_ = values.shape[1]
                if hasattr(self, "feature_names_in_"):
                    del self.feature_names_in_
            elif values.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"X has {values.shape[1]} features, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features as input."
                )
            if not fitting and hasattr(self, "feature_names_in_"):
                X = pd.DataFrame(values, columns=self.feature_names_in_)
            else:
                self.levels_ = None
                return {f"x{i}": values[:, i] for i in range(values.shape[1])}, None
        if fitting:
            self.feature_names_in_ = np.array([str(name) for name in X.columns], object)
            self.n_features_in_ = X.shape[1]
            markers = self.markers
            if markers is None:
                markers = [name for name in X.columns if name != self.moderator]
            self.markers_ = tuple(markers)
        else:
            markers = self.markers_
        wanted = [*markers, *([] if self.moderator is None else [self.moderator])]
        absent = [name for name in wanted if name not in X.columns]
        if absent:
            raise ModelError(f"The table has no column {absent[0]}; it has {', '.join(map(str, X.columns))}.")
        columns = {}
        for name in markers:
            if not pd.api.types.is_numeric_dtype(X[name]):
                raise ModelError(f"Column {name} is of type {X[name].dtype}; a marker must be numeric.")
            columns[name if isinstance(name, str) else f"x{name}"] = X[name].to_numpy(
                dtype=np.float64, na_value=np.nan
            )
        if fitting:
            self.levels_ = None
            if self.moderator is not None:
                found = moderator_of(str(self.moderator), X[self.moderator])
                self.levels_ = Moderator(found.name, found.levels, tuple(self.shared))
        if self.moderator is None or self.levels_ is None:
            return columns, None
        return columns, self.levels_.codes(X[self.moderator])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _case_weights(sample_weight: ArrayLike, codes: NDArray[np.intp]) -> Floats:
    """Return the weights as floats; both classes must have some."""
    given = np.asarray(sample_weight)
    if given.ndim != 1:
        raise InputError(f"Sample weights must be 1D; they have shape {given.shape}.")
    weights = given.astype(float)
    if len(weights) == len(codes) and len(set(codes[weights > 0].tolist())) == 1:
        raise InputError("Only one class has rows with a weight above 0; GamBoost needs two.")
    if len(weights) == len(codes) and not weights.any():
        raise InputError(
            "All sample weights are zero; a fit needs rows of both classes with a weight above 0."
        )
    return weights
