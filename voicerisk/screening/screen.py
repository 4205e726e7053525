"""Screening: which markers the Lasso keeps at a lambda chosen by caller-grouped cross-validation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from voicerisk.errors import ScreeningError
from voicerisk.screening.cross_validation import choose_lambdas, fold_deviance, summarise_folds
from voicerisk.screening.design import Columns, columns_for, marker_values
from voicerisk.screening.lasso import LassoPath, fit_path, optimality_gap
from voicerisk.screening.settings import RULES
from voicerisk.types import Floats

MIN_FOLDS = 3
# Share of lambda by which the conditions of optimality may be missed before it is said.
LARGEST_GAP = 0.01


@dataclass(frozen=True, slots=True)
class Screening:
    """What the Lasso chose, and the path it chose from.

    Attributes
    ----------
    selected : tuple of str
        Markers whose mean or missing indicator is in the model at the chosen lambda, in the order given.
        Empty is legal: nothing then predicts better than the prevalence.
    coefficients : DataFrame
        One row a term, covariates first: `marker`, `term` (it or `<marker>_missing`), `coefficient_min`,
        `coefficient_1se` (log-odds per unit of the term), `selected` (the marker is), `sd` (weighted standard
        deviation of the term in the training rows, 0 = constant), `fill` (training median that stands for
        missing values, NaN where nothing is missing).
    path : DataFrame
        One row a lambda: `lambda`, `deviance` (cross-validated mean -2 log-likelihood), `se`, `n_nonzero`,
        and the standardised model, whose coefficients can be compared: `intercept` (log-odds at the mean of
        all terms) and under each term's name its log-odds per `sd`.
    lambda_min, lambda_1se : float
        On glmnet's scale, for standardised columns.
    rule : str
        'min' or '1se': which of the two chose.
    n_rows : int
        Rows with positive weight.
    notes : tuple of str
        What a reader should know: constant or identical columns, paths that ended early.
    """

    selected: tuple[str, ...]
    coefficients: pd.DataFrame
    path: pd.DataFrame
    lambda_min: float
    lambda_1se: float
    rule: str
    n_rows: int
    notes: tuple[str, ...]


def screen(
    table: pd.DataFrame,
    markers: Sequence[str],
    y: ArrayLike,
    folds: ArrayLike,
    weights: ArrayLike | None = None,
    rule: str = "min",
    n_lambda: int = 100,
    *,
    callers: ArrayLike | None = None,
    prior: float | None = None,
    min_ratio: float | None = None,
    tol: float = 1e-10,
    fold_tol: float = 1e-7,
    covariates: Sequence[str] = (),
) -> Screening:
    """Choose markers by a binomial Lasso whose lambda comes from caller-grouped cross-validation.

    The path of lambdas is fixed by all rows given; every fold refits it after standardising, and filling
    gaps, from its own training rows.

    Parameters
    ----------
    table : DataFrame, n rows
        One row a segment (or frame) with the markers as columns; NaN = missing.
    markers : sequence of str
        Columns of `table` to screen.
    y : array of 0 and 1, shape (n,)
        Outcome of the row's call.
    folds : array of int, shape (n,)
        Fold in which the row is held out; all rows of a caller share one.
    weights : array, shape (n,), optional
        Training weights, not negative; rows of weight 0 are left out entirely. The same weights enter the
        path and the cross-validated deviance.
    rule : {'min', '1se'}
        Which lambda chooses.
    n_lambda : int
        Length of the path.
    callers : array, shape (n,), optional
        Caller of each row; when given, folds that split a caller are refused.
    prior : float, optional
        Share of the weight that rows of outcome 1 carry, the same on all rows and on the training rows of
        every fold (the weights are scaled within each outcome). Without it a fold that holds out many
        positives is scored by a model that believes in few.
    min_ratio : float, optional
        Smallest lambda as a share of the largest (default as in R: 1e-4, or 0.01 where n < p).
    tol, fold_tol : float
        glmnet's convergence threshold for the path that chooses markers and for the fold paths, which only
        enter through their deviance. R uses 1e-7 for both.
    covariates : sequence of str
        Columns of `table` that enter without a penalty (glmnet's `penalty.factor` 0), so that markers are
        kept for what they say beyond them. They are never among `selected`.

    Returns
    -------
    Screening

    Raises
    ------
    ScreeningError
        If lengths differ, a value is infinite, an outcome is not 0 or 1, a weight is negative, there are
        fewer than three folds, or the training rows of some fold hold one outcome only.

    Notes
    -----
    Friedman, Hastie & Tibshirani (2010), J Stat Softw 33(1); agrees with `cv.glmnet` of the R package glmnet
    4.1 called with the same lambdas and folds.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame(rng.normal(size=(300, 4)), columns=["dom", "entropy", "loudness", "roughness"])
    >>> y = (rng.random(300) < 1 / (1 + np.exp(-1.5 * table["entropy"]))).astype(int)
    >>> callers = np.repeat(np.arange(30), 10)
    >>> screen(table, list(table), y, folds=callers % 10, callers=callers, rule="1se").selected
    ('entropy',)
    """
    if rule not in RULES:
        raise ScreeningError(f"The rule {rule!r} is not known; it is one of {', '.join(map(repr, RULES))}.")
    if not markers:
        raise ScreeningError("There is no marker to screen: the list of markers is empty.")
    named = (*covariates, *markers)
    values = marker_values(table, named)
    y, folds, weights = _rows(len(values), y, folds, weights, callers)
    if prior is not None and not 0.0 < prior < 1.0:
        raise ScreeningError(f"The class prior is {prior!r}; it must lie strictly between 0 and 1.")
    kept = weights > 0
    values, y, folds, weights = values[kept], y[kept], folds[kept], weights[kept]

    columns = columns_for(named, values, len(covariates))
    medians = columns.medians(values)
    X = columns.fill(values, medians)
    weights = _at_prior(weights, y, prior)
    path = fit_path(X, y, weights, n_lambda=n_lambda, min_ratio=min_ratio, tol=tol, free=columns.free)
    deviance, se, short = _cross_validate(columns, values, y, folds, weights, prior, path.lambdas, fold_tol)
    at_min, at_1se = choose_lambdas(deviance, se)
    judged = _Judged(deviance, se, short, at_min, at_1se)
    result = _result(columns, values, medians, path, judged, rule, n_lambda)
    gap = optimality_gap(path, at_min if rule == "min" else at_1se, X, y, weights, columns.free)
    if gap > LARGEST_GAP:
        note = f"The solver stopped short of the solution: optimality is missed by {gap:.1%} of lambda."
        return replace(result, notes=(*result.notes, note))
    return result


def _rows(
    n: int, y: ArrayLike, folds: ArrayLike, weights: ArrayLike | None, callers: ArrayLike | None
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Check outcome, folds, weights and callers against each other and return them as arrays."""
    outcome = np.asarray(y, dtype=np.float64)
    fold = np.asarray(folds)
    weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    for name, array in (("outcome", outcome), ("folds", fold), ("weights", weight)):
        if array.shape != (n,):
            raise ScreeningError(
                f"The {name} have shape {array.shape}, but the table to screen has {n} rows."
            )
    wrong = np.flatnonzero(~np.isin(outcome, (0.0, 1.0)))
    if wrong.size:
        raise ScreeningError(f"The outcome in row {wrong[0]} is {outcome[wrong[0]]}, but must be 0 or 1.")
    if not np.issubdtype(fold.dtype, np.integer) or (fold.size and fold.min() < 0):
        raise ScreeningError("Folds must be whole numbers, not negative, one for each row.")
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if bad.size:
        raise ScreeningError(
            f"The weight in row {bad[0]} is {weight[bad[0]]}; it must be finite and not negative."
        )
    if not (weight > 0).any():
        raise ScreeningError("There is no row to screen: the table is empty or all weights are 0.")
    if callers is not None:
        held = pd.DataFrame({"caller": np.asarray(callers), "fold": fold}).groupby("caller")["fold"].nunique()
        if (held > 1).any():
            raise ScreeningError(
                f"Caller '{held.index[held > 1][0]}' is split over {held[held > 1].iloc[0]} folds; "
                "all rows of a caller must be in one."
            )
    return outcome, fold.astype(np.int64), weight


def _cross_validate(
    columns: Columns,
    values: Floats,
    y: Floats,
    folds: NDArray[np.int64],
    weights: Floats,
    prior: float | None,
    lambdas: Floats,
    tol: float,
) -> tuple[Floats, Floats, dict[int, str]]:
    """Return deviance and standard error along `lambdas`, and why the paths of some folds ended early."""
    labels = np.unique(folds)
    if len(labels) < MIN_FOLDS:
        raise ScreeningError(
            f"Cross-validation of the Lasso needs at least {MIN_FOLDS} folds with rows of positive weight, "
            f"but there are {len(labels)}."
        )
    deviances = np.empty((len(labels), len(lambdas)))
    fold_weights = np.empty(len(labels))
    short: dict[int, str] = {}
    for position, label in enumerate(labels):
        out = folds == label
        train = ~out
        if len(np.unique(y[train])) < 2:
            raise ScreeningError(
                f"Without fold {label} all {train.sum()} rows have outcome {y[train][0]:.0f}; "
                "use fewer folds or folds stratified by outcome."
            )
        medians = columns.medians(values[train])
        own = _at_prior(weights[train], y[train], prior)
        path = fit_path(
            columns.fill(values[train], medians), y[train], own, lambdas, tol=tol, free=columns.free
        )
        if path.stopped:
            short[int(label)] = path.stopped
        deviances[position] = fold_deviance(
            path.link(columns.fill(values[out], medians)), y[out], weights[out]
        )
        fold_weights[position] = weights[out].sum()
    return *summarise_folds(deviances, fold_weights), short


def _at_prior(weights: Floats, y: Floats, prior: float | None) -> Floats:
    """Scale the weights within each outcome so that outcome 1 carries `prior` of their sum."""
    positive, negative = weights[y == 1].sum(), weights[y == 0].sum()
    if prior is None or positive == 0.0 or negative == 0.0:  # one outcome only is refused where it is fitted
        return weights
    total = positive + negative
    return weights * np.where(y == 1, prior * total / positive, (1.0 - prior) * total / negative)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What cross-validation says of a path: deviance, its error, folds cut short, and both choices."""

    deviance: Floats
    se: Floats
    short: dict[int, str]
    at_min: int
    at_1se: int


def _result(
    columns: Columns,
    values: Floats,
    medians: Floats,
    path: LassoPath,
    judged: _Judged,
    rule: str,
    n_lambda: int,
) -> Screening:
    """Arrange the tables."""
    at_min, at_1se = judged.at_min, judged.at_1se
    chosen = path.coefficients[at_min if rule == "min" else at_1se]
    beside = columns.markers[: columns.covariates]
    active = {name for name, value in zip(columns.term_markers, chosen, strict=True) if value != 0.0}
    active -= set(beside)
    fill = np.full(len(columns.markers), np.nan)
    fill[columns.gaps] = medians
    coefficients = pd.DataFrame(
        {
            "marker": columns.term_markers,
            "term": columns.terms,
            "coefficient_min": path.coefficients[at_min],
            "coefficient_1se": path.coefficients[at_1se],
            "selected": [name in active for name in columns.term_markers],
            "sd": path.scale,
            "fill": np.concatenate([fill, np.full(len(columns.gaps), np.nan)]),
        }
    )
    steps = {
        "lambda": path.lambdas,
        "deviance": judged.deviance,
        "se": judged.se,
        "n_nonzero": np.count_nonzero(path.coefficients, axis=1),
        "intercept": path.intercepts + path.coefficients @ path.centre,
    }
    clash = [name for name in columns.terms if name in steps]
    if clash:
        raise ScreeningError(f"A marker may not be named {clash[0]!r}, a column of the table of the path.")
    steps |= dict(zip(columns.terms, (path.coefficients * path.scale).T, strict=True))
    return Screening(
        selected=tuple(name for name in columns.markers if name in active),
        coefficients=coefficients,
        path=pd.DataFrame(steps),
        lambda_min=float(path.lambdas[at_min]),
        lambda_1se=float(path.lambdas[at_1se]),
        rule=rule,
        n_rows=len(values),
        notes=_notes(columns, values, path, at_min, n_lambda, judged.short),
    )


def _notes(
    columns: Columns, values: Floats, path: LassoPath, at_min: int, n_lambda: int, short: dict[int, str]
) -> tuple[str, ...]:
    notes = []
    empty = [name for name, column in zip(columns.markers, values.T, strict=True) if np.isnan(column).all()]
    if empty:
        notes.append(f"Never available, so never selected: {', '.join(empty)}.")
    constant = [
        name
        for name, marker, sd in zip(columns.terms, columns.term_markers, path.scale, strict=True)
        if sd == 0.0 and marker not in empty
    ]
    if constant:
        notes.append(f"Constant in the rows given, so never selected: {', '.join(constant)}.")
    for name, twin in zip(columns.terms, path.twin_of, strict=True):
        if twin >= 0:
            notes.append(
                f"{name} is identical to {columns.terms[twin]}, which stands for both: "
                "the Lasso cannot tell them apart."
            )
    if len(path.lambdas) < n_lambda:
        notes.append(f"{len(path.lambdas)} of {n_lambda} lambdas were fitted: {path.stopped}.")
    if at_min == len(path.lambdas) - 1 and len(path.lambdas) > 1:
        notes.append(
            "The smallest deviance is at the end of the path: a smaller lambda might fit better still."
        )
    for reason in sorted(set(short.values())):
        labels = ", ".join(str(label) for label, why in short.items() if why == reason)
        notes.append(f"The last solution was repeated to the end of the path in fold {labels}: {reason}.")
    return tuple(notes)
