"""The binomial Lasso path on arrays: python-glmnet's `LogitNet` finds it, everything around it is here.

Standardisation, the largest lambda and the return to the markers' own units follow glmnet's definitions
(Friedman, Hastie & Tibshirani 2010, J Stat Softw 33(1); R package glmnet 4.1), so that R's glmnet given the
same lambdas gives the same coefficients.
"""

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ScreeningError
from voicerisk.types import Floats

# A column whose spread is this small beside its size holds rounding noise, not information.
CONSTANT = 1e-12
MAX_PASSES = 1_000_000
NEWTON_STEPS = 50
SEPARATED = 25.0  # log-odds that unpenalised columns reach only where they tell the outcomes apart


@dataclass(frozen=True, slots=True)
class LassoPath:
    """Coefficients along a decreasing sequence of lambdas, in the units of the columns.

    Attributes
    ----------
    lambdas : ndarray, shape (L,)
        Penalties, decreasing, on glmnet's scale (loss = weighted mean of the negative log-likelihood).
    intercepts : ndarray, shape (L,)
        Log-odds.
    coefficients : ndarray, shape (L, p)
        Log-odds per unit of the column; exactly 0 for columns not in the model, constant columns, and
        columns identical to an earlier one (the Lasso cannot tell them apart: the first stands for all).
    centre : ndarray, shape (p,)
        Weighted mean of each column.
    scale : ndarray, shape (p,)
        Weighted population standard deviation of each column; 0 marks a constant column.
    twin_of : ndarray of int, shape (p,)
        Position of the earlier identical column, -1 where there is none.
    stopped : str
        Why fewer lambdas were fitted than asked for, or ''.
    """

    lambdas: Floats
    intercepts: Floats
    coefficients: Floats
    centre: Floats
    scale: Floats
    twin_of: NDArray[np.intp]
    stopped: str = ""

    def link(self, X: Floats) -> Floats:
        """Return the log-odds of the rows of `X`, shape (n, L)."""
        return self.intercepts + X @ self.coefficients.T


def standardise(X: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weighted mean and population standard deviation of each column, the latter 0 if constant."""
    share = weights / weights.sum()
    centre = share @ X
    scale = np.sqrt(np.maximum(share @ (X - centre) ** 2, 0.0))
    scale[scale <= CONSTANT * np.abs(X).max(axis=0, initial=0.0)] = 0.0
    return centre, scale


def earlier_duplicates(Z: Floats) -> NDArray[np.intp]:
    """Return for each column the position of the first column with the same values, -1 if it is itself."""
    first: dict[bytes, int] = {}
    # Adding 0.0 turns -0.0 into 0.0, so that equal columns have equal bytes.
    prints = [hashlib.blake2b((column + 0.0).tobytes()).digest() for column in Z.T]
    places = [first.setdefault(one, j) for j, one in enumerate(prints)]
    return np.array([-1 if place == j else place for j, place in enumerate(places)], dtype=np.intp)


def largest_lambda(Z: Floats, y: Floats, weights: Floats, link: Floats | None = None) -> float:
    """Return the smallest lambda at which no column of the standardised `Z` enters.

    max_j |sum_i w_i z_ij (y_i - p_i)| / sum_i w_i, the gradient at the model before the first column: p is
    the weighted mean of y, or that of the log-odds `link`.
    """
    from scipy.special import expit

    share = weights / weights.sum()
    p = share @ y if link is None else expit(link)
    return float(np.abs((share * (y - p)) @ Z).max(initial=0.0))


def unpenalised_fit(Z: Floats, y: Floats, weights: Floats) -> Floats:
    """Return intercept and coefficients (k + 1,) of a logistic regression on some columns.

    Columns that depend on each other share the smallest coefficients that fit.

    Raises
    ------
    ScreeningError
        Where the columns tell the outcomes apart, so that no estimate exists.
    """
    from scipy.special import expit

    share = weights / weights.sum()
    X = np.column_stack([np.ones(len(y)), Z])
    found = np.zeros(X.shape[1])
    for _ in range(NEWTON_STEPS):
        p = expit(X @ found)
        curvature = X.T @ (X * (share * p * (1.0 - p))[:, None])
        move = np.linalg.lstsq(curvature, X.T @ (share * (y - p)), rcond=1e-12)[0]
        found = found + move
        if np.abs(X @ found).max() > SEPARATED:
            break
        if np.abs(move).max() < 1e-10:
            return found
    raise ScreeningError(
        "The covariates of [screening] alone tell the outcomes apart, so that they cannot enter the Lasso "
        "unpenalised; leave out the one that does."
    )


def fit_path(
    X: Floats,
    y: Floats,
    weights: Floats | None = None,
    lambdas: Floats | None = None,
    n_lambda: int = 100,
    min_ratio: float | None = None,
    tol: float = 1e-10,
    free: NDArray[np.bool_] | None = None,
) -> LassoPath:
    """Fit the binomial Lasso along a path of lambdas.

    Parameters
    ----------
    X : ndarray, shape (n, p), finite
        Columns in their own units; they are standardised inside with the weights.
    y : ndarray of 0 and 1, shape (n,)
        Both classes must occur.
    weights : ndarray, shape (n,), positive, optional
        Row weights; only their ratios matter.
    lambdas : ndarray, decreasing, optional
        Penalties to fit. Without them the path starts at the largest useful lambda, has `n_lambda` steps
        equidistant in log lambda, and ends early by glmnet's rule (deviance explained no longer rises by
        1e-5 of itself over five steps, or exceeds 0.999, as under separation).
    n_lambda : int
        Length of the path when `lambdas` is not given.
    min_ratio : float, optional
        Smallest lambda as a share of the largest: by default 1e-4, or 0.01 where n < p (as in R).
    tol : float
        glmnet's convergence threshold (`thresh`); R's default is 1e-7.
    free : ndarray of bool, shape (p,), optional
        Columns that are not penalised (glmnet's `penalty.factor` 0): they are in the model at every lambda,
        which is the penalty of the others. R rescales: its lambda is this one times the share of columns
        that are penalised.

    Returns
    -------
    LassoPath
        Given `lambdas`, always of their length: where the solver stops early (separation), the last
        solution is repeated, as `cv.glmnet` does.

    Raises
    ------
    ScreeningError
        If one class is missing, the free columns tell the outcomes apart, or the solver finds no solution.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(200, 3))
    >>> y = (rng.random(200) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    >>> path = fit_path(X, y)
    >>> bool(path.coefficients[0].any()), bool(path.coefficients[10, 0] > 0)
    (False, True)
    """
    weights = np.ones(len(y)) if weights is None else weights
    prevalence = float(weights @ y / weights.sum())
    if not 0.0 < prevalence < 1.0:
        raise ScreeningError(f"The Lasso needs both outcomes, but all {len(y)} rows have outcome {y[0]:.0f}.")
    centre, scale = standardise(X, weights)
    twin_of = np.where(scale > 0.0, earlier_duplicates(X), -1)
    used = np.flatnonzero((scale > 0.0) & (twin_of < 0))
    Z = (X[:, used] - centre[used]) / scale[used]
    loose = np.zeros(len(used), bool) if free is None else free[used]
    null = np.zeros(len(used) + 1)
    null[0] = np.log(prevalence / (1.0 - prevalence))
    if loose.any():
        null[np.r_[True, loose]] = unpenalised_fit(Z[:, loose], y, weights)
    at_null = null[0] + Z @ null[1:] if loose.any() else None
    start = largest_lambda(Z[:, ~loose], y, weights, at_null)
    if start == 0.0:
        found = np.zeros(1) if lambdas is None else lambdas
        intercepts, standardised = np.full(len(found), null[0]), np.tile(null[1:], (len(found), 1))
        stopped, asked = "no column varies with the outcome", len(found)
    else:
        solved = _logitnet(Z, y, weights, lambdas, n_lambda, min_ratio, tol, loose)
        found, intercepts, standardised, stopped = solved
        if lambdas is None:
            # glmnet fits the first point at an infinite penalty; its lambda is the largest useful one.
            found[0] = start
            asked = n_lambda
        else:
            asked, fitted = len(lambdas), len(found)
            repeat = np.minimum(np.arange(asked), fitted - 1)
            found, intercepts, standardised = lambdas, intercepts[repeat], standardised[repeat]
            stopped = stopped if fitted < asked else ""
        # Nothing has entered yet at such a lambda: what the solver leaves there is rounding.
        before = found >= start * (1.0 - 1e-12)
        standardised[before] = null[1:]
        intercepts[before] = null[0]
    coefficients = np.zeros((len(found), X.shape[1]))
    coefficients[:, used] = standardised / scale[used]
    if len(found) < asked and not stopped:
        stopped = "the deviance explained no longer rises or is above 0.999 (glmnet's stopping rule)"
    return LassoPath(found, intercepts - coefficients @ centre, coefficients, centre, scale, twin_of, stopped)


def optimality_gap(
    path: LassoPath,
    at: int,
    X: Floats,
    y: Floats,
    weights: Floats,
    unpenalised: NDArray[np.bool_] | None = None,
) -> float:
    """Return how far the solution at one lambda is from the conditions a Lasso solution obeys.

    With g_j the gradient of the log-likelihood along the standardised column j (Karush, Kuhn & Tucker):
    g_j = lambda sign(b_j) where b_j is not 0, |g_j| <= lambda elsewhere, and g_j = 0 in `unpenalised`
    columns. Constant columns and twins of an earlier column are left out.

    Returns
    -------
    float
        Largest violation as a share of lambda; 0 for an exact solution.
    """
    from scipy.special import expit

    share = weights / weights.sum()
    free = (path.scale > 0.0) & (path.twin_of < 0)
    link = path.intercepts[at] + X @ path.coefficients[at]
    residual = share * (y - expit(link))
    # sum_i r_i (x_ij - mean_j) / sd_j without another copy of X.
    gradient = (residual @ X - residual.sum() * path.centre)[free] / path.scale[free]
    b = path.coefficients[at, free]
    lam = path.lambdas[at]
    gap = np.where(b != 0.0, np.abs(gradient - lam * np.sign(b)), np.maximum(np.abs(gradient) - lam, 0.0))
    if unpenalised is not None:
        gap = np.where(unpenalised[free], np.abs(gradient), gap)
    return float(max(gap.max(initial=0.0), abs(residual.sum())) / lam) if lam > 0.0 else 0.0


def _logitnet(
    Z: Floats,
    y: Floats,
    weights: Floats,
    lambdas: Floats | None,
    n_lambda: int,
    min_ratio: float | None,
    tol: float,
    free: NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats, str]:
    """Fit `LogitNet` without its folds and scaling: lambdas, intercepts, coefficients, why it ended."""
    from glmnet import LogitNet

    n, p = Z.shape
    # glmnet scales relative penalties to a mean of 1; here lambda is what the penalised columns pay.
    paid = 1.0 - free.mean()
    net = LogitNet(
        n_lambda=n_lambda,
        min_lambda_ratio=min_ratio or (1e-2 if n < p else 1e-4),
        lambda_path=None if lambdas is None else lambdas * paid,
        standardize=False,
        n_splits=0,
        tol=tol,
        max_iter=MAX_PASSES,
    )
    with warnings.catch_warnings():
        # The solver's own warnings say that it ended early; that is returned in words instead.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            # Weights of mean 1: the tolerance then means the same whatever their scale.
            net.fit(
                Z, y, sample_weight=weights * (n / weights.sum()), relative_penalties=(~free).astype(float)
            )
        except (ValueError, RuntimeError) as error:
            raise ScreeningError(
                f"glmnet found no Lasso solution on {n} rows and {p} columns: {error}"
            ) from error
    if net.n_lambda_ == 0:
        raise ScreeningError(
            f"glmnet did not converge at its first lambda ({n} rows, {p} columns, error {net.jerr_})."
        )
    if net.jerr_ < -10000:
        stopped = "fitted probabilities came too close to 0 or 1 (separation)"
    elif net.jerr_ < 0:
        stopped = f"the solver did not converge within {MAX_PASSES} passes"
    else:
        stopped = ""
    coefficients = np.ascontiguousarray(net.coef_path_[0].T)
    return np.array(net.lambda_path_) / paid, np.array(net.intercept_path_[0]), coefficients, stopped
