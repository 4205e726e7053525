"""Ridge-penalised multinomial logistic models whose penalty is chosen on whole users left out."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import ModelError
from voicerisk.text.probabilities import balanced_log_loss

# Rows have length about 1 and hundreds or thousands of columns, so that weak penalties are the useful ones.
GRID = (0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
# With scikit-learn's 1e-4 the solver stops early where the penalty is weak, and none looks too weak.
TOLERANCE = 1e-7
ITERATIONS = 5000
FOLDS = 5
# Directions in which training rows differ by less than this share of the largest are rounding.
LEAST_DIRECTION = 1e-12
# Takes rows to learn from and rows to look at; returns both as matrices of one width.
Design = Callable[[np.ndarray, np.ndarray], tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Ridge:
    """A fitted multinomial model.

    Attributes
    ----------
    coefficients : ndarray, shape (k, d)
    intercepts : ndarray, shape (k,)
    converged : bool
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    converged: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A penalty, and what was seen on the way to it.

    Attributes
    ----------
    penalty_c : float
        Inverse strength.
    logits : ndarray, shape (n, k)
        Of the rows looked at, in their order, by models of this penalty that did not learn from them.
    tried : list of dict
        penalty_c, log_loss, accuracy and converged (0 or 1; 0 is never chosen) of each penalty.
    """

    penalty_c: float
    logits: np.ndarray
    tried: list[dict[str, float]]


def fit_path(x: Any, codes: np.ndarray, weights: np.ndarray, penalties: Sequence[float]) -> list[Ridge]:
    """Fit one model a penalty, each solved to its optimum.

    Parameters
    ----------
    x : ndarray or sparse matrix, shape (n, d)
    codes : ndarray of int, shape (n,)
        Class numbers 0 .. k - 1; every class occurs.
    weights : ndarray, shape (n,)
        How many times each row counts.
    penalties : sequence of float
        Inverse strengths C, rising.

    Returns
    -------
    list of Ridge

    Notes
    -----
    With more columns than rows the model is fitted in the space that the rows span (Hastie and Tibshirani
    2004): its optimum is the same one, since the penalty draws everything outside that space to 0.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, back = _spanned(x)
    solver = LogisticRegression(tol=TOLERANCE, max_iter=ITERATIONS, warm_start=True)
    found = []
    for penalty_c in penalties:
        solver.set_params(C=penalty_c)
        with warnings.catch_warnings():
            # Said in `converged` instead.
            warnings.simplefilter("ignore", ConvergenceWarning)
            solver.fit(rows, codes, sample_weight=weights)
        coefficients, intercepts = _all_classes(solver)
        found.append(Ridge(back(coefficients), intercepts, int(solver.n_iter_.max()) < ITERATIONS))
    return found


def _spanned(x: Any) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return rows in the space that they span, and the way of coefficients back from it."""
    n, d = x.shape
    dense = not hasattr(x, "tocsr")
    if d <= n:
        return (x if dense else x.toarray()), lambda coefficients: coefficients
    gram = np.asarray(x @ x.T if dense else (x @ x.T).toarray())
    values, vectors = np.linalg.eigh(gram)
    kept = values > LEAST_DIRECTION * values[-1]
    if not kept.any():
        return np.zeros((n, 1)), lambda coefficients: np.zeros((len(coefficients), d))
    size = np.sqrt(values[kept])
    return vectors[:, kept] * size, lambda coefficients: np.asarray(
        (x.T @ ((vectors[:, kept] / size) @ coefficients.T)).T
    )


def _all_classes(fitted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return one row of coefficients a class, also where there are but two."""
    if len(fitted.classes_) == 2:
        half = fitted.coef_[0] / 2.0
        return np.stack([-half, half]), np.array([-1.0, 1.0]) * fitted.intercept_[0] / 2.0
    return np.asarray(fitted.coef_), np.asarray(fitted.intercept_)


def class_weights(codes: np.ndarray) -> np.ndarray:
    """Return weights by which every class counts alike, with mean 1.

    Examples
    --------
    >>> class_weights(np.array([0, 0, 0, 1])).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    counts = np.bincount(codes)
    return len(codes) / (np.count_nonzero(counts) * counts[codes].astype(np.float64))


def user_folds(users: Sequence[str], codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deal whole users to at most 5 folds, each class spread evenly.

    Parameters
    ----------
    users : sequence of str, length n
    codes : ndarray of int, shape (n,)
        A user whose sessions differ counts with the most severe one.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of each row.

    Raises
    ------
    ModelError
        Where a class has fewer than 2 users.
    """
    worst = pd.Series(codes).groupby(np.asarray(users, dtype=str)).max().sort_index()
    fewest = int(worst.value_counts().min())
    if fewest < 2:
        raise ModelError("A class has one user to learn from; choosing a penalty needs at least 2.")
    k = min(FOLDS, fewest)
    fold = pd.Series(0, index=worst.index)
    for number, code in enumerate(sorted(worst.unique())):
        own = rng.permutation(worst.index[worst == code].to_numpy())
        # Each class begins at another fold, so that what is left over does not gather in the first.
        fold[own] = (np.arange(len(own)) + number) % k
    return fold[np.asarray(users, dtype=str)].to_numpy()


def choose_penalty(
    design: Design, codes: np.ndarray, rows: np.ndarray, users: Sequence[str], rng: np.random.Generator
) -> Choice:
    """Choose the penalty by leaving out whole users within the training rows.

    Parameters
    ----------
    design : callable
    codes : ndarray of int, shape (n,)
        Class numbers of all sessions; only those of `rows` are looked at.
    rows : ndarray of int
        Training rows, each once.
    users : sequence of str
        The user of each of `rows`.
    rng : numpy.random.Generator

    Returns
    -------
    Choice
        Least class-balanced log loss over all rows, each scored by a model that saw nothing of its user.
    """
    own = codes[rows]
    fold = user_folds(users, own, rng)
    logits = np.empty((len(GRID), len(rows), len(np.unique(own))))
    converged = np.ones(len(GRID), dtype=bool)
    for held in range(int(fold.max()) + 1):
        inside, outside = rows[fold != held], rows[fold == held]
        x, x_out = design(inside, outside)
        path = fit_path(x, codes[inside], class_weights(codes[inside]), GRID)
        for number, model in enumerate(path):
            logits[number, fold == held] = x_out @ model.coefficients.T + model.intercepts
            converged[number] &= model.converged
    return choice(logits, own, converged)


def choice(logits: np.ndarray, codes: np.ndarray, converged: np.ndarray, monitor: str = "log_loss") -> Choice:
    """Choose among the logits of every penalty, shape (penalties, n, k).

    Raises
    ------
    ModelError
        If the solver converged for no penalty.
    """
    tried: list[dict[str, float]] = []
    best: tuple[tuple[float, float], int] | None = None
    for number, one in enumerate(logits):
        loss, accuracy = balanced_log_loss(one, codes), float((one.argmax(axis=1) == codes).mean())
        tried.append(
            {
                "penalty_c": GRID[number], "log_loss": loss, "accuracy": accuracy,
                "converged": float(converged[number]),
            }
        )  # fmt: skip
        score = (-accuracy if monitor == "accuracy" else 0.0, loss)
        if converged[number] and (best is None or score < best[0]):
            best = score, number
    if best is None:
        raise ModelError(f"The logistic model converged for no penalty in {ITERATIONS} iterations.")
    return Choice(GRID[best[1]], logits[best[1]], tried)
