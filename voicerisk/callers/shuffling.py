"""Shuffling outcomes among callers, and how much of them can be shuffled at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True)
class Permutable:
    """How much a permutation can move.

    Parameters
    ----------
    callers : int
        Callers whose outcome can become another: those of one outcome who share their stratum with callers of
        the other, and those with calls of both outcomes, whose calls are shuffled within them.
    all_callers : int
    log_arrangements : float
        Natural logarithm of the number of distinct arrangements of the outcomes; 0 where nothing moves. The
        smallest P that can be reached is about one divided by this number.
    """

    callers: int
    all_callers: int
    log_arrangements: float

    @property
    def smallest_p(self) -> float:
        """The smallest P that any number of permutations can reach."""
        return float(np.exp(-self.log_arrangements))


def permutable(calls: pd.DataFrame, strata: Sequence[str] = ()) -> Permutable:
    """Count the callers whose outcome `permute_outcomes` can change.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y and the strata.
    strata : sequence of str

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"call_id": list("abcd"), "caller_id": list("ABCD"), "y": [0, 1, 1, 1],
    ...                       "service": ["line", "line", "line", "000"]})
    >>> permutable(calls).callers, permutable(calls, ["service"]).callers
    (4, 3)
    """
    table = calls.sort_values(["caller_id", "call_id"], ignore_index=True)
    y, code, share, cell = _cells(table, strata)
    constant = (share == 0) | (share == 1)
    among = [share[constant & (cell == value)] for value in np.unique(cell)]
    within = [y[code == mixed] for mixed in np.flatnonzero(~constant)]
    moving = sum(len(part) for part in among if 0 < part.sum() < len(part)) + len(within)
    arrangements = sum(_log_choose(len(part), float(part.sum())) for part in (*among, *within))
    return Permutable(moving, len(share), arrangements)


def _log_choose(n: int, k: float) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def permute_outcomes(
    calls: pd.DataFrame, rng: np.random.Generator, strata: Sequence[str] = ()
) -> pd.DataFrame:
    """Shuffle outcomes among callers, and within callers who have both outcomes.

    Shuffling frames or calls freely would destroy the correlation within callers and give too small p values.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y and the strata.
    rng : numpy.random.Generator
    strata : sequence of str
        Shuffle among the callers of each combination of these only.

    Returns
    -------
    DataFrame
        The same table with y permuted.
    """
    table = calls.sort_values(["caller_id", "call_id"], ignore_index=True)
    y, code, share, cell = _cells(table, strata)
    constant = (share == 0) | (share == 1)
    new = share.copy()
    for value in np.unique(cell):
        inside = np.flatnonzero(constant & (cell == value))
        new[inside] = rng.permutation(share[inside])
    shuffled = new[code].astype(np.int64)
    for mixed in np.flatnonzero(~constant):
        own = code == mixed
        shuffled[own] = rng.permutation(y[own])
    return table.assign(y=shuffled)


def _cells(
    table: pd.DataFrame, strata: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return outcome and caller of each row, share of positives and stratum of each caller."""
    caller, code = np.unique(table["caller_id"].to_numpy(dtype=str), return_inverse=True)
    y = table["y"].to_numpy()
    cell: np.ndarray = np.zeros(len(caller), dtype=np.int64)
    if strata:
        first = table.groupby("caller_id", sort=True)[list(strata)].first().astype(str)
        cell = first.groupby(list(strata), sort=True).ngroup().to_numpy()
    return y, code, np.bincount(code, y) / np.bincount(code), cell
