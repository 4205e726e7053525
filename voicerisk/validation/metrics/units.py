"""The four units of measurement, taken from the predictions of one design."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from voicerisk.callers.schema import SCORE_DECIMALS

METRIC_UNITS = ("frame", "frame_by_call", "call", "caller")


@dataclass(frozen=True, slots=True)
class UnitRows:
    """Rows of one unit and repeat, as arrays.

    Parameters
    ----------
    groups : ndarray of int, shape (n,)
        Caller code.
    y : ndarray of object or int, shape (n,)
        Class.
    score, p : mapping of class to ndarray, shape (n,)
        p_raw and p; the binary class is '1'.
    threshold : ndarray, shape (n,)
        Cut applied by the fold; NaN where there was none.
    weight : ndarray, shape (n,)
    size : ndarray, shape (n,)
        How many rows each entry stands for (frames of a call in `frame_by_call`, else 1).
    strata : DataFrame
        Strata of each row.
    """

    groups: np.ndarray
    y: np.ndarray
    score: Mapping[str, np.ndarray]
    p: Mapping[str, np.ndarray]
    threshold: np.ndarray
    weight: np.ndarray
    size: np.ndarray
    strata: pd.DataFrame

    def where(self, keep: np.ndarray) -> "UnitRows":
        """Return the rows of a mask."""
        return UnitRows(
            self.groups[keep],
            self.y[keep],
            {c: v[keep] for c, v in self.score.items()},
            {c: v[keep] for c, v in self.p.items()},
            self.threshold[keep],
            self.weight[keep],
            self.size[keep],
            self.strata[keep],
        )


def rows_of(table: pd.DataFrame, callers: pd.Index, classes: tuple[str, ...], strata: list[str]) -> UnitRows:
    """Turn predictions rows of one unit into arrays.

    Parameters
    ----------
    table : DataFrame
    callers : Index
        Callers in the order of their codes.
    classes : tuple of str
        () for a binary table.
    strata : list of str
    """
    number = {c: (f"p_raw_{c}", f"p_{c}") for c in classes} or {"1": ("p_raw", "p")}
    n = len(table)
    return UnitRows(
        callers.get_indexer(pd.Index(table["caller_id"])),
        table["y"].to_numpy() if not classes else table["y"].astype(str).to_numpy(dtype=object),
        {c: table[raw].to_numpy(dtype=np.float64) for c, (raw, _) in number.items()},
        {c: table[p].to_numpy(dtype=np.float64, na_value=np.nan) for c, (_, p) in number.items()},
        table["threshold"].to_numpy(dtype=np.float64, na_value=np.nan),
        table["weight"].to_numpy(dtype=np.float64),
        np.ones(n),
        table[strata].reset_index(drop=True),
    )


def carried_by_frames(calls: UnitRows, n_frames: np.ndarray) -> UnitRows:
    """Let every call weigh as many frames as it has: the call's decision carried by its frames."""
    return replace(calls, weight=calls.weight * n_frames, size=n_frames.astype(np.float64))


def by_caller(calls: UnitRows) -> UnitRows | None:
    """Average the scores of each caller's calls; None where a caller has calls of more than one class.

    A caller's weight is the mean of their calls' weights. Strata that differ between calls are joined by '+'.
    """
    present, code = np.unique(calls.groups, return_inverse=True)
    _, first = np.unique(code, return_index=True)
    if not np.array_equal(calls.y[first][code], calls.y):
        return None
    n = np.bincount(code)

    def mean(values: np.ndarray) -> np.ndarray:
        # Rounded, so that means that are equal on paper are ties.
        return np.asarray((np.bincount(code, weights=values) / n).round(SCORE_DECIMALS))

    joined = {
        c: calls.strata[c].astype(str).groupby(code).agg(lambda v: "+".join(sorted(set(v)))).to_numpy()
        for c in calls.strata.columns
    }
    return UnitRows(
        present,
        calls.y[first],
        {c: mean(v) for c, v in calls.score.items()},
        {c: mean(v) for c, v in calls.p.items()},
        calls.threshold[first],
        mean(calls.weight),
        np.ones(len(present)),
        pd.DataFrame(joined, index=range(len(present))),
    )
