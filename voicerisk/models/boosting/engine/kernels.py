# mypy: disable-error-code="no-untyped-def"
# The arguments of compiled functions are arrays whose shapes are in the docstrings; numba infers their types.
"""The inner loops of boosting: gradient, moments per knot interval, one learner's fit.

Lanes (fits on the same rows with other weights) are the fastest axis of every array, so that one pass over
the rows serves them all. Their number is the length of a tuple, which is known when the loops are compiled.
All sums run over the rows in one fixed order, so that a lane's numbers do not depend on the lanes beside it.

Whoever changes this file also saves boost_loop.py anew, or works on stale code: numba's cache looks at the
file of the calling function alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from voicerisk.models.boosting.engine.vectors import add_polynomial, add_polynomials, add_powers, set_gradient

# kinds of learner inside the kernels
# LEVELS: intercept and contrasts of the other levels to the first; CONTRASTS: these alone
SPLINE, LINE, SLOPE, CONSTANT, LEVELS, CONTRASTS, CALLER = range(7)
# kinds of penalty
UNPENALISED, DIFFERENCES, RIDGE = range(3)

_LN2 = 0.6931471805599453
FEW = 4  # up to so many lanes that chose the same marker are dealt with one by one


compiled: Any = njit(nogil=True, cache=True, fastmath={"contract"})


@compiled
def pass_block(
    tag, link, tile, block, order, t, ends, tile_row, tile_run, block_tile, run_start, run_sign, run_weight,
    run_shift, tile_active, scale, n_slots, slot_variant, slot_count, slot_lane, poly, cells, wanted,
    first_lane, moments, n_blocks, run_sum, risk,
):  # fmt: skip
    """Pass over one block of rows: add the chosen polynomials, renew gradient and risk, collect moments."""
    lanes = len(tag)
    factor = np.empty(lanes)
    sums = np.empty(3 * lanes)
    for q in range(len(order)):
        for row in range(cells * 4):
            at = ((q * n_blocks + block) * cells * 4 + row) * lanes + first_lane[q]
            moments[at : at + wanted[q]] = 0.0
    risk[:] = 0.0
    for b in range(block_tile[block], block_tile[block + 1]):
        if not tile_active[b]:
            continue
        base = tile_row[b]
        for d in range(n_slots):
            q = slot_variant[d]
            first = base
            for k in range(ends.shape[2]):
                last = ends[q, b, k]
                at = (d * cells + k) * 4 * lanes
                if last > first:
                    if slot_count[d] > FEW:
                        add_polynomials(tag, link, base, order[q], t[q], first, last, poly, at)
                    else:
                        for i in range(slot_count[d]):
                            add_polynomial(
                                tag, link, base, order[q], t[q], first, last, poly, at, slot_lane[d, i]
                            )
                first = last
        for r in range(tile_run[b], tile_run[b + 1]):
            for lane in range(lanes):
                factor[lane] = run_weight[r, lane] * run_sign[r, lane] * scale
            set_gradient(
                tag, link, run_start[r], run_start[r + 1], run_sign[r], factor, run_shift[r], tile, base, sums
            )
            for lane in range(lanes):
                run_sum[r, lane] = sums[lane]
                loss = np.log(sums[lanes + lane]) + _LN2 * sums[2 * lanes + lane]
                risk[lane] += run_weight[r, lane] * loss
        for q in range(len(order)):
            if wanted[q] == 0:
                continue
            first = base
            for k in range(ends.shape[2]):
                last = ends[q, b, k]
                if last > first:
                    at = ((q * n_blocks + block) * cells + k) * 4 * lanes + first_lane[q]
                    if wanted[q] == lanes:
                        add_powers(tag, tag, (0.0,) * 4, tile, order[q], t[q], first, last, moments, at)
                    elif wanted[q] == 8:
                        add_powers(
                            tag, (0.0,) * 8, (0.0,) * 4, tile, order[q], t[q], first, last, moments, at
                        )
                    else:
                        add_powers(
                            tag, (0.0,) * 4, (0.0,) * 4, tile, order[q], t[q], first, last, moments, at
                        )
                first = last


@compiled
def _right_side(kind, blocks, moments, lane, intervals, low, width, pieces, degree, block_sum, b):
    """Set b = X'Wu of one learner of one lane; return its length."""
    if kind == CONSTANT:
        b[0] = 0.0
        for block in range(len(block_sum)):
            if blocks >> block & 1:
                b[0] += block_sum[block, lane]
        return 1
    if kind == LEVELS:
        b[0] = block_sum[0, lane]
        for block in range(1, len(block_sum)):
            b[0] += block_sum[block, lane]
            b[block] = block_sum[block, lane]
        return len(block_sum)
    if kind == CONTRASTS:
        for block in range(1, len(block_sum)):
            b[block - 1] = block_sum[block, lane]
        return len(block_sum) - 1
    if kind == SPLINE:
        size = intervals + degree
        b[:size] = 0.0
        for block in range(len(block_sum)):
            if blocks >> block & 1:
                for k in range(intervals):
                    for c in range(degree + 1):
                        for q in range(degree + 1):
                            b[k + c] += pieces[degree, q, c] * moments[block, k, q, lane]
        return size
    total, slope = 0.0, 0.0
    for block in range(len(block_sum)):
        if blocks >> block & 1:
            for k in range(intervals):
                total += moments[block, k, 0, lane]
                slope += (low + width * k) * moments[block, k, 0, lane] + width * moments[block, k, 1, lane]
    if kind == SLOPE:
        b[0] = slope
        return 1
    b[0], b[1] = total, slope
    return 2


@compiled
def _solve(inverse, size, b, penalty_kind, penalty, order, c, work):
    """Set c = inverse b and return 2 b'c - c'Gc = b'c + lambda c'Kc."""
    for i in range(size):
        c[i] = 0.0
    for j in range(size):
        for i in range(size):
            c[i] += inverse[j, i] * b[j]
    gain = 0.0
    for i in range(size):
        gain += b[i] * c[i]
    if penalty_kind == UNPENALISED:
        return gain
    length = size
    for i in range(size):
        work[i] = c[i]
    if penalty_kind == DIFFERENCES:
        for _ in range(order):
            length -= 1
            for i in range(length):
                work[i] = work[i + 1] - work[i]
    rough = 0.0
    for i in range(length):
        rough += work[i] * work[i]
    return gain + penalty * rough


@compiled
def set_polynomials(kind, c, factor, intervals, low, width, pieces, degree, poly, lane):
    """Write factor * the chosen learner as polynomials in t into poly (cells + 1, 4, lanes)."""
    for k in range(intervals):
        if kind == SPLINE:
            for q in range(degree + 1):
                value = 0.0
                for s in range(degree + 1):
                    value += pieces[degree, q, s] * c[k + s]
                poly[k, q, lane] = factor * value
        else:
            slope = c[0] if kind == SLOPE else c[1]
            start = 0.0 if kind == SLOPE else c[0]
            poly[k, 0, lane] = factor * (start + slope * (low + width * k))
            poly[k, 1, lane] = factor * slope * width


@compiled
def set_gain(
    j, lane, kind, blocks, variant, degree, penalty_kind, penalty, order, inverse, caller_weight, moments,
    block_sum, run_sum, run_caller, variant_intervals, variant_low, variant_width, pieces, caller_sum, b,
    work, c,
):  # fmt: skip
    """Fit learner j of a lane to the gradient: set its coefficients c and return 2 b'c - c'Gc."""
    if kind[lane, j] != CALLER:
        q = max(variant[lane, j], 0)
        length = _right_side(
            kind[lane, j],
            blocks[lane, j],
            moments[q],
            lane,
            variant_intervals[q],
            variant_low[q],
            variant_width[q],
            pieces,
            degree[lane, j],
            block_sum,
            b,
        )
        return _solve(
            inverse[lane, j], length, b, penalty_kind[lane, j], penalty[lane, j], order[lane, j], c, work
        )
    caller_sum[:] = 0.0
    for r in range(len(run_caller)):
        caller_sum[run_caller[r]] += run_sum[r, lane]
    gain = 0.0
    for g in range(len(caller_sum)):
        c[g] = 0.0
        if caller_sum[g] != 0.0:
            c[g] = caller_sum[g] / (caller_weight[lane, g] + penalty[lane, j])
            gain += c[g] * (2.0 * caller_sum[g] - caller_weight[lane, g] * c[g])
    return gain
