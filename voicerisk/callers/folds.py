"""Folds of whole callers, balanced over outcome and strata."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.errors import ValidationError

CELL = "\x1f"
MERGED = "*"


@dataclass(frozen=True, slots=True)
class GroupedFolds:
    """An assignment of callers to folds.

    Parameters
    ----------
    fold : ndarray of int, shape (n_callers,)
        Fold 0..k-1 of each caller, in the order of the callers table.
    k : int
    merged : tuple of str
        One line a merger of stratum cells that had fewer than k callers.
    """

    fold: np.ndarray
    k: int
    merged: tuple[str, ...]


def caller_table(calls: pd.DataFrame, strata: Sequence[str] | None = None) -> pd.DataFrame:
    """Gather calls by caller.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, y, n_frames and the strata.
    strata : sequence of str or None
        Columns that stratify; None = every column beyond the first four names.

    Returns
    -------
    DataFrame
        caller_id, pattern ('0' | 'both' | '1': outcomes of the caller's calls), n_calls, n_frames, strata;
        sorted by caller_id. A caller whose calls differ in a stratum gets the values joined by '+'.
    """
    columns = strata_columns(calls) if strata is None else tuple(strata)
    grouped = calls.groupby("caller_id", sort=True)
    share = grouped["y"].mean()
    pattern = np.where(share == 0, "0", np.where(share == 1, "1", "both"))
    table = pd.DataFrame(
        {
            "caller_id": share.index.astype(str),
            "pattern": pattern,
            "n_calls": grouped.size().to_numpy(),
            "n_frames": grouped["n_frames"].sum().to_numpy(),
        }
    )
    for column in columns:
        table[column] = grouped[column].agg(lambda v: "+".join(sorted({str(x) for x in v}))).to_numpy()
    return table


def strata_columns(calls: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of a calls table that are strata: all beyond call_id, caller_id, y and n_frames."""
    return tuple(str(c) for c in calls.columns if c not in ("call_id", "caller_id", "y", "n_frames"))


def callers_in_classes(callers: pd.DataFrame) -> tuple[int, int]:
    """Count the callers with at least one call of class 0 and of class 1."""
    pattern = callers["pattern"].to_numpy(dtype=object)
    return int((pattern != "1").sum()), int((pattern != "0").sum())


def require_callers(callers: pd.DataFrame, least: int, protocol: str) -> None:
    """Raise where a class has fewer than `least` callers; checked before anything runs."""
    for label, n in enumerate(callers_in_classes(callers)):
        if n < least:
            raise ValidationError(
                f"The {protocol} protocol needs at least {least} callers in each class, but only {n} "
                f"caller{'s have' if n != 1 else ' has'} a call with outcome {label}."
            )


def number_of_folds(callers: pd.DataFrame, most: int = 10, least: int = 2) -> int:
    """Return min(`most`, callers in the smaller class), and raise where this is below `least`."""
    k = min(most, *callers_in_classes(callers))
    if k < least:
        raise ValidationError(
            f"The smaller class has {k} callers, too few for {least} folds of whole callers."
        )
    return k


def grouped_folds(
    callers: pd.DataFrame, k: int, rng: np.random.Generator, strata: Sequence[str] = ()
) -> GroupedFolds:
    """Deal callers to folds so that outcome patterns and strata are spread evenly.

    Cells are outcome pattern x strata. A cell with fewer than `k` callers is merged with its neighbours, the
    last stratum first (list sex before service and service is merged first); outcome patterns are never
    merged. Callers of each class differ by at most one between folds.

    Parameters
    ----------
    callers : DataFrame
        caller_id, pattern and the strata, one row a caller.
    k : int
        Number of folds, 2 or more and not more than there are callers in either class.
    rng : numpy.random.Generator
    strata : sequence of str

    Returns
    -------
    GroupedFolds

    Raises
    ------
    ValidationError
        Where a caller stands twice or `k` is not possible.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> callers = pd.DataFrame({"caller_id": list("abcdef"), "pattern": ["0", "1"] * 3})
    >>> sorted(grouped_folds(callers, 3, np.random.default_rng(0)).fold.tolist())
    [0, 0, 1, 1, 2, 2]
    """
    if callers["caller_id"].duplicated().any():
        caller = callers["caller_id"][callers["caller_id"].duplicated()].iloc[0]
        raise ValidationError(f"Caller {caller!r} stands in the callers table twice; one row a caller.")
    if not 2 <= k <= min(callers_in_classes(callers)):
        n0, n1 = callers_in_classes(callers)
        raise ValidationError(f"{k} folds are not possible with {n0} and {n1} callers in the two classes.")
    cells, merged = merge_small_cells(callers, k, strata)
    by_id = np.argsort(callers["caller_id"].to_numpy(dtype=str), kind="stable")
    shuffled = by_id[rng.permutation(len(by_id))]
    # '0', '1' and 'both' in the order 0, both, 1: whoever has a call of one class then stands in one stretch,
    # so that dealing in turn spreads each class evenly.
    pattern = callers["pattern"].map({"0": 0, "both": 1, "1": 2}).to_numpy()
    order = shuffled[np.lexsort((cells[shuffled], pattern[shuffled]))]
    fold = np.empty(len(callers), dtype=np.int64)
    fold[order] = rng.permutation(k)[np.arange(len(callers)) % k]
    return GroupedFolds(fold, k, merged)


def merge_small_cells(
    callers: pd.DataFrame, k: int, strata: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the cell of each caller, pattern first, after merging cells with fewer than `k` callers.

    Parameters
    ----------
    callers : DataFrame
    k : int
        Fewest callers a cell may have.
    strata : sequence of str
        Columns; the last is merged first.

    Returns
    -------
    cells : ndarray of str, shape (n_callers,)
    merged : tuple of str
        What was merged, in words.
    """
    missing = [s for s in strata if s not in callers.columns]
    if missing:
        raise ValidationError(f"The callers table lacks the stratum column(s) {', '.join(missing)}.")
    if strata:
        labels = callers[["pattern", *strata]].astype(str).to_numpy(dtype=object)
    else:
        labels = callers[["pattern"]].to_numpy(dtype=object)
    merged: list[str] = []
    for level in range(len(strata), 0, -1):
        parents = pd.Series([CELL.join(row[:level]) for row in labels])
        for parent in sorted(parents.unique()):
            inside = np.flatnonzero((parents == parent).to_numpy())
            values, counts = np.unique(labels[inside, level].astype(str), return_counts=True)
            small = list(values[counts < k])
            if not small or len(values) == 1:
                continue
            if counts[counts < k].sum() < k and len(small) < len(values):
                large = [(n, v) for n, v in zip(counts, values, strict=True) if n >= k]
                small.append(min(large)[1])
            if len(small) == 1:
                continue
            joined = MERGED if len(small) == len(values) else "|".join(sorted(small))
            touched = inside[np.isin(labels[inside, level].astype(str), small)]
            labels[touched, level] = joined
            labels[touched, level + 1 :] = MERGED
            merged.append(
                f"outcome pattern {parent.split(CELL)[0]}"
                + "".join(f", {s} = {v}" for s, v in zip(strata, parent.split(CELL)[1:], strict=False))
                + f": {strata[level - 1]} {', '.join(sorted(small))} merged ({len(touched)} callers)"
            )
    for pattern, n in callers["pattern"].value_counts().sort_index().items():
        if n < k:
            merged.append(f"outcome pattern {pattern}: {n} callers for {k} folds, so not in every fold")
    return np.array([CELL.join(row) for row in labels], dtype=str), tuple(merged)
