# mypy: disable-error-code="no-untyped-def"
# The arguments of compiled functions are arrays whose shapes are in the docstrings; numba infers their types.
"""The inner loops of boosting: gradient, moments per knot interval, selection.

Lanes (fits on the same rows with other weights) are the fastest axis of every array, so that one pass over
the rows serves them all. Their number is the length of a tuple, which is known when the loops are compiled.

Rows are cut into blocks (one a sex). A learner touches the rows of its blocks only, so after a step only the
blocks of the chosen learner are passed over again; lanes whose turn is another block wait, and need not be at
the same step. All sums run over the rows in one fixed order, so that a lane's numbers do not depend on the
lanes beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from voicerisk.models.boost_vectors import add_polynomial, add_polynomials, add_powers, set_gradient

# kinds of learner inside the kernels
SPLINE, LINE, SLOPE, CONSTANT, SEX, MALE, CALLER = range(7)
# kinds of penalty
UNPENALISED, DIFFERENCES, RIDGE = range(3)

_LN2 = 0.6931471805599453
FEW = 4  # up to so many lanes that chose the same marker are dealt with one by one


compiled: Any = njit(nogil=True, cache=True, fastmath={"contract"})


@compiled
def _pass_block(
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
                factor[lane] = run_weight[r, lane] * run_sign[r] * scale
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
    if kind == SEX:
        b[0] = block_sum[0, lane] + block_sum[1, lane]
        b[1] = block_sum[1, lane]
        return 2
    if kind == MALE:
        b[0] = block_sum[1, lane]
        return 1
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
def _set_polynomials(kind, c, factor, intervals, low, width, pieces, degree, poly, lane):
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
def boost(
    tag, order_of, t, ends, tile_row, tile_run, block_tile, tile_active, run_start, run_sign, run_caller,
    run_weight, block_run, variant_blocks, variant_lanes, variant_intervals, variant_low, variant_width,
    pieces, n_learners, kind, variant, blocks, degree, penalty_kind, penalty, order, inverse, caller_weight,
    scale, step, link, tile, buffer, selected, steps, risk, stop,
):  # fmt: skip
    """Boost all lanes of a group.

    `link` holds the offsets on entry and the fitted log-odds on return; `selected` (lanes, M), `steps`
    (lanes, M, size) and `risk` (lanes, M + 1) are filled. Returns 0, or 1 + the lane whose gains are not
    finite, or -1 when `stop` was set from outside.
    """
    lanes = len(tag)
    used = len(n_learners)
    mstop = selected.shape[1]
    n_blocks = len(block_run) - 1
    n_variants = len(order_of)
    cells = ends.shape[2]
    n_runs = len(run_start) - 1
    flat_moments = buffer[: n_variants * n_blocks * cells * 4 * lanes]
    moments = flat_moments.reshape((n_variants, n_blocks, cells, 4, lanes))
    flat_poly = buffer[len(flat_moments) : len(flat_moments) + used * cells * 4 * lanes]
    poly = flat_poly.reshape((used, cells, 4, lanes))
    wanted = np.zeros(n_variants, np.int64)
    first_lane = np.zeros(n_variants, np.int64)
    slot_variant = np.zeros(used, np.int64)
    slot_count = np.zeros(used, np.int64)
    slot_lane = np.zeros((used, used), np.int64)
    run_shift = np.zeros((n_runs, lanes))
    run_sum = np.zeros((n_runs, lanes))
    block_sum = np.zeros((n_blocks, lanes))
    block_risk = np.zeros((n_blocks, lanes))
    size = steps.shape[2]
    caller_sum = np.zeros(caller_weight.shape[1])
    b, work = np.zeros(size), np.zeros(size)
    coefficient = np.zeros((used, inverse.shape[1], size))
    gain = np.full((used, inverse.shape[1]), -1.0)
    done = np.zeros(used, np.int64)  # steps taken
    pending = np.full(used, (1 << n_blocks) - 1)  # blocks that wait for a pass
    fresh = np.zeros(used, np.int64)  # blocks passed since the last choice
    chosen = np.full(used, -1)

    while True:
        # the block that most lanes wait for
        best_block, most = -1, 0
        for block in range(n_blocks):
            count = 0
            for lane in range(used):
                count += pending[lane] >> block & 1
            if count > most:
                best_block, most = block, count
        if best_block < 0:
            return 0
        if stop[0]:
            return -1
        block = best_block
        first, last = block_run[block], block_run[block + 1]

        n_slots = 0
        for r in range(first, last):
            for lane in range(lanes):
                run_shift[r, lane] = 0.0
        for lane in range(used):
            j = chosen[lane]
            if not pending[lane] >> block & 1 or j < 0:
                continue
            what = kind[lane, j]
            c = steps[lane, done[lane] - 1]
            if what == CALLER:
                for r in range(first, last):
                    run_shift[r, lane] = c[run_caller[r]]
            elif what in (CONSTANT, SEX, MALE):
                value = c[0]
                if what == SEX and block == 1:
                    value += c[1]
                for r in range(first, last):
                    run_shift[r, lane] = value
            else:
                q = variant[lane, j]
                d = 0
                while d < n_slots and slot_variant[d] != q:
                    d += 1
                if d == n_slots:
                    slot_variant[d] = q
                    slot_count[d] = 0
                    poly[d] = 0.0
                    n_slots += 1
                slot_lane[d, slot_count[d]] = lane
                slot_count[d] += 1
                _set_polynomials(
                    what, c, 1.0, variant_intervals[q], variant_low[q], variant_width[q], pieces,
                    degree[lane, j], poly[d], lane,
                )  # fmt: skip

        for q in range(n_variants):
            # the lanes to sum: none, an aligned quarter or half, or all
            low, high = lanes, -1
            if variant_blocks[q] >> block & 1:
                for lane in range(used):
                    if variant_lanes[q, lane] and pending[lane] >> block & 1 and done[lane] < mstop:
                        low, high = min(low, lane), lane
            wanted[q], first_lane[q] = 0, 0
            if high >= 0:
                wanted[q] = lanes
                for part in (8, 4):
                    if part < lanes and low // part == high // part:
                        wanted[q], first_lane[q] = part, low // part * part
        _pass_block(
            tag, link, tile, block, order_of, t, ends, tile_row, tile_run, block_tile, run_start, run_sign,
            run_weight, run_shift, tile_active, scale, n_slots, slot_variant, slot_count, slot_lane,
            flat_poly, cells, wanted, first_lane, flat_moments,
            n_blocks, run_sum, block_risk[block],
        )  # fmt: skip
        for lane in range(lanes):
            block_sum[block, lane] = 0.0
        for r in range(first, last):
            for lane in range(lanes):
                block_sum[block, lane] += run_sum[r, lane]

        for lane in range(used):
            if not pending[lane] >> block & 1:
                continue
            pending[lane] &= ~(1 << block)
            fresh[lane] |= 1 << block
            if pending[lane]:
                continue
            m = done[lane]
            for other in range(n_blocks):
                risk[lane, m] += block_risk[other, lane]
            if m == mstop:
                continue
            best = -1
            for j in range(n_learners[lane]):
                if blocks[lane, j] & fresh[lane]:
                    c = coefficient[lane, j]
                    if kind[lane, j] == CALLER:
                        caller_sum[:] = 0.0
                        for r in range(n_runs):
                            caller_sum[run_caller[r]] += run_sum[r, lane]
                        gain[lane, j] = 0.0
                        for g in range(len(caller_sum)):
                            c[g] = 0.0
                            if caller_sum[g] != 0.0:
                                c[g] = caller_sum[g] / (caller_weight[lane, g] + penalty[lane, j])
                                gain[lane, j] += c[g] * (2.0 * caller_sum[g] - caller_weight[lane, g] * c[g])
                    else:
                        q = max(variant[lane, j], 0)
                        length = _right_side(
                            kind[lane, j], blocks[lane, j], moments[q], lane, variant_intervals[q],
                            variant_low[q], variant_width[q], pieces, degree[lane, j], block_sum, b,
                        )  # fmt: skip
                        gain[lane, j] = _solve(
                            inverse[lane, j],
                            length,
                            b,
                            penalty_kind[lane, j],
                            penalty[lane, j],
                            order[lane, j],
                            c,
                            work,
                        )
                if not np.isfinite(gain[lane, j]):
                    return 1 + lane
                if best < 0 or gain[lane, j] > gain[lane, best]:
                    best = j
            fresh[lane] = 0
            if best < 0:  # no learner: the offset alone
                for later in range(m + 1, mstop + 1):
                    risk[lane, later] = risk[lane, m]
                continue
            chosen[lane] = best
            selected[lane, m] = best
            for i in range(steps.shape[2]):
                steps[lane, m, i] = step * coefficient[lane, best, i]
            pending[lane] = blocks[lane, best]
            done[lane] = m + 1
