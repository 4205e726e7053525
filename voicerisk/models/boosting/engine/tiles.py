# mypy: disable-error-code="no-untyped-def"
"""Rows of a tile sorted by knot interval, and the weighted power sums of which Gram matrices are made."""

from __future__ import annotations

import numpy as np

from voicerisk.models.boosting.engine.kernels import compiled
from voicerisk.models.boosting.engine.vectors import add_powers
from voicerisk.models.boosting.spec import TILE


@compiled
def sort_tiles(cell, t, tile_row, order, sorted_t, ends):
    """Sort the rows of each tile by cell.

    Fills `order` (row within the tile), `sorted_t`, and `ends` (tiles, intervals): the place behind the last
    row of each interval. Rows of the empty cell come last and are never visited.
    """
    intervals = ends.shape[1]
    count = np.zeros(intervals + 4, np.int64)
    for tile in range(len(tile_row) - 1):
        first, last = tile_row[tile], tile_row[tile + 1]
        count[:] = 0
        for i in range(first, last):
            count[cell[i] + 1] += 1
        count[0] = first
        for k in range(1, len(count)):
            count[k] += count[k - 1]
        for k in range(intervals):
            ends[tile, k] = count[k + 1]
        for i in range(first, last):
            place = count[cell[i]]
            count[cell[i]] += 1
            order[place] = i - first
            sorted_t[place] = t[i]


@compiled
def gram_powers(tag, tile_row, tile_run, block_tile, run_start, run_weight, order, t, ends, out):
    """Set flat `out` (blocks, intervals, 7, lanes) to the sums of w t**q, q = 0..6, for one marker."""
    lanes = len(tag)
    intervals = ends.shape[1]
    tile = np.empty((TILE, lanes))
    out[:] = 0.0
    for block in range(len(block_tile) - 1):
        for b in range(block_tile[block], block_tile[block + 1]):
            base = tile_row[b]
            for r in range(tile_run[b], tile_run[b + 1]):
                for i in range(run_start[r], run_start[r + 1]):
                    for lane in range(lanes):
                        tile[i - base, lane] = run_weight[r, lane]
            first = base
            for k in range(intervals):
                last = ends[b, k]
                if last > first:
                    at = (block * intervals + k) * 7 * lanes
                    add_powers(tag, tag, (0.0,) * 7, tile, order, t, first, last, out, at)
                first = last
