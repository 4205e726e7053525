"""Rows in the order of the kernels: sorted by level, caller and outcome, and cut into runs and blocks.

How rows are cut decides in which order sums are taken, hence the last bits. So it follows from a lane alone,
and lanes share a group only where their rows are cut alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boosting.spec import TILE, BoostData, Lane
from voicerisk.types import Floats, Ints

LEAST_RUN = 16  # rows a run on average; where weights change more often, every row is a run


@dataclass(frozen=True, eq=False, slots=True)
class RowOrder:
    """Sorted rows.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Row of the data at each sorted place.
    run_start : ndarray of int64, shape (runs + 1,)
        Runs of rows with the same level, caller, outcome and weight, in sorted places.
    run_caller : ndarray of int32, shape (runs,)
    block_run : ndarray of int64, shape (blocks + 1,)
        First run of each level (one block where the data have no moderator).
    tile_run : ndarray of int64, shape (tiles + 1,)
        First run of each tile, `TILE` rows within a block; no run crosses a tile's edge.
    """

    order: Ints
    run_start: Ints
    run_caller: NDArray[np.int32]
    block_run: Ints
    tile_run: Ints

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.block_run) - 1

    @property
    def tile_row(self) -> Ints:
        """First row of each tile, shape (tiles + 1,)."""
        return self.run_start[self.tile_run]

    @property
    def block_tile(self) -> Ints:
        """First tile of each block, shape (blocks + 1,)."""
        return np.searchsorted(self.tile_run, self.block_run)


class RowOrders:
    """Finds the order of each lane's rows; lanes whose rows are cut alike get the same object.

    Parameters
    ----------
    data : BoostData
    """

    def __init__(self, data: BoostData) -> None:
        self._data = data
        self._of_outcome: dict[bytes, RowOrder] = {}
        self._known: dict[bytes, RowOrder] = {}

    def of(self, lane: Lane) -> RowOrder:
        """Return the order of a lane's rows; its weights are looked at, not checked."""
        outcome = b"" if lane.y is None else np.asarray(lane.y).tobytes()
        if outcome not in self._of_outcome:
            rows = sort_rows(self._data.of_lane(lane))
            digest = sha256(rows.order.tobytes() + rows.run_start.tobytes()).digest()
            self._of_outcome[outcome] = self._known.setdefault(digest, rows)
        rows = self._of_outcome[outcome]
        weights = np.asarray(lane.weights)
        if weights.shape != (self._data.n,) or (cut := cut_rows(rows, weights[rows.order])) is rows:
            return rows
        digest = sha256(cut.order.tobytes() + cut.run_start.tobytes()).digest()
        return self._known.setdefault(digest, cut)


def sort_rows(data: BoostData) -> RowOrder:
    """Sort the rows by level, caller and outcome, keeping their order within."""
    if data.y is None:
        raise ModelError("Boosting needs an outcome for every row; none was given.")
    level = np.zeros(data.n, np.int8) if data.level is None else data.level
    order = np.lexsort((data.y, data.caller, level))
    keys = np.stack([level[order], data.caller[order], data.y[order]])
    blocks = 1 if data.moderator is None else len(data.moderator.levels)
    block_row = np.r_[np.searchsorted(keys[0], np.arange(blocks)), data.n]
    tile_row = np.concatenate([np.arange(a, b, TILE) for a, b in pairwise(block_row)])
    changes = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(0)) + 1
    starts = np.union1d(tile_row, changes)
    return RowOrder(
        order,
        np.r_[starts, data.n].astype(np.int64),
        keys[1, starts].astype(np.int32),
        np.r_[np.searchsorted(starts, block_row[:-1]), len(starts)].astype(np.int64),
        np.r_[np.searchsorted(starts, tile_row), len(starts)].astype(np.int64),
    )


def cut_rows(rows: RowOrder, sorted_weights: Floats) -> RowOrder:
    """Cut runs further where the weight (n,) changes within one; into single rows where it does so often."""
    change = sorted_weights[1:] != sorted_weights[:-1]
    change[rows.run_start[1:-1] - 1] = False
    if not change.any():
        return rows
    starts = np.union1d(rows.run_start[:-1], np.flatnonzero(change) + 1)
    if len(change) < LEAST_RUN * len(starts):
        starts = np.arange(len(sorted_weights))
    old = np.searchsorted(rows.run_start, starts, side="right") - 1
    run_start = np.r_[starts, rows.run_start[-1]].astype(np.int64)
    return RowOrder(
        rows.order,
        run_start,
        rows.run_caller[old],
        np.searchsorted(run_start, rows.run_start[rows.block_run]).astype(np.int64),
        np.searchsorted(run_start, rows.tile_row).astype(np.int64),
    )


def run_ranges(rows: RowOrder, sorted_column: Floats) -> tuple[Floats, Floats]:
    """Return the smallest and largest available value of each run; inf and -inf where there is none."""
    missing = np.isnan(sorted_column)
    starts = rows.run_start[:-1]
    low = np.minimum.reduceat(np.where(missing, np.inf, sorted_column), starts)
    high = np.maximum.reduceat(np.where(missing, -np.inf, sorted_column), starts)
    return low, high
