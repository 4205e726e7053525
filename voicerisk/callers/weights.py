"""Class factor and caller weights: the one training weight of the nested protocol."""

import numpy as np
import numpy.typing as npt

from voicerisk.errors import ValidationError

MOST_CODES = 1_000_000  # callers named by smaller whole numbers are counted as they are, without sorting


def caller_shares(callers: npt.ArrayLike, rows: npt.ArrayLike | None = None) -> np.ndarray:
    """Return each row's share of its caller, so that every caller sums to 1.

    Parameters
    ----------
    callers : array_like, shape (n,)
        Caller of each row.
    rows : array_like of float, shape (n,), optional
        How many rows each entry stands for (for example frames of a call); 1 when left out.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    code = np.asarray(callers)
    if not (
        np.issubdtype(code.dtype, np.integer) and code.size and 0 <= code.min() <= code.max() < MOST_CODES
    ):
        _, code = np.unique(code, return_inverse=True)
    size = np.ones(len(code)) if rows is None else np.asarray(rows, dtype=np.float64)
    return size / np.bincount(code, weights=size)[code]


def training_weights(
    callers: npt.ArrayLike, y: npt.ArrayLike, prior: float | None, rows: npt.ArrayLike | None = None
) -> np.ndarray:
    """Return class factor x 1/(rows of the caller), with positives weighing `prior` of the whole.

    Parameters
    ----------
    callers : array_like, shape (n,)
    y : array_like of 0/1, shape (n,)
    prior : float or None
        pi0, the share of the weight that positives carry, the same number in every fold. Without it a model
        that learned nothing scores a held-out caller against their own outcome. None leaves the class factor
        out: every caller weighs 1.
    rows : array_like of float, shape (n,), optional
        How many rows each entry stands for.

    Returns
    -------
    ndarray of float, shape (n,)
        They sum to the number of callers.

    Raises
    ------
    ValidationError
        Where one class is absent or `prior` is not between 0 and 1.

    Examples
    --------
    >>> training_weights(["a", "a", "b", "c"], [1, 1, 0, 0], prior=0.5).round(2).tolist()
    [0.75, 0.75, 0.75, 0.75]
    """
    if prior is not None and not 0.0 < prior < 1.0:
        raise ValidationError(f"The class prior must lie strictly between 0 and 1, not {prior!r}.")
    outcome = np.asarray(y)
    share = caller_shares(callers, rows)
    positive = share[outcome == 1].sum()
    negative = share[outcome == 0].sum()
    if positive == 0 or negative == 0:
        raise ValidationError("Training weights need rows of both classes, but one class is absent.")
    if prior is None:
        return share
    total = positive + negative
    return share * np.where(outcome == 1, prior * total / positive, (1.0 - prior) * total / negative)
