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
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

# kinds of learner inside the kernels
SPLINE, LINE, SLOPE, CONSTANT, SEX, MALE, CALLER = range(7)
# kinds of penalty
UNPENALISED, DIFFERENCES, RIDGE = range(3)

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to a whole number, left in the low bits
CLIP = 72.0  # log-odds; mboost clips its half log-odds at 36
CHUNK = 8  # rows whose 1 + exp(.) are multiplied before a logarithm is taken; (1 + e**72)**8 < 1e251


compiled: Any = njit(nogil=True, cache=True, fastmath={"contract"})
inlined: Any = njit(inline="always")
bits: Any = intrinsic


@bits
def _power_of_two(typingctx: Any, rounded: Any) -> Any:
    """Return 2**k, where `rounded` = k + _ROUND."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i64 = ir.IntType(64)
        word = builder.bitcast(arguments[0], i64)
        exponent = builder.shl(builder.add(word, ir.Constant(i64, 1023)), ir.Constant(i64, 52))
        return builder.bitcast(exponent, ir.DoubleType())

    return types.float64(types.float64), codegen


@inlined
def fast_exp(x: float) -> float:
    """Return exp(x) for |x| <= 700 to about one unit in the last place, in a form that vectorises."""
    rounded = x * _LOG2E + _ROUND
    k = rounded - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _power_of_two(rounded)


@compiled
def gram_powers(tag, cell, t, run_start, run_weight, block_run, out):
    """Add the sums of w t**q, q = 0..6, into out (blocks, cells + 1, 7, lanes) for one marker."""
    for block in range(len(block_run) - 1):
        for r in range(block_run[block], block_run[block + 1]):
            for i in range(run_start[r], run_start[r + 1]):
                k, x = cell[i], t[i]
                power = 1.0
                for q in range(7):
                    for lane in range(len(tag)):
                        out[block, k, q, lane] += run_weight[r, lane] * power
                    power *= x


@compiled
def _update(
    tag, link, gradient, cell, t, run_start, run_sign, run_weight, run_active, run_add, first, last, scale,
    n_slots, slot_variant, poly, run_sum, risk,
):  # fmt: skip
    """Add the chosen polynomials to the link of one block; renew gradient, its sums by run, and the risk."""
    lanes = len(tag)
    product = np.empty(lanes)
    factor = np.empty(lanes)
    for lane in range(lanes):
        risk[lane] = 0.0
    for r in range(first, last):
        if not run_active[r]:
            continue
        sign = run_sign[r]
        for lane in range(lanes):
            product[lane] = 1.0
            factor[lane] = run_weight[r, lane] * sign * scale
            run_sum[r, lane] = 0.0
        waiting = 0
        for i in range(run_start[r], run_start[r + 1]):
            for lane in range(lanes):
                link[i, lane] += run_add[r, lane]
            for d in range(n_slots):
                q = slot_variant[d]
                k, x = cell[q, i], t[q, i]
                for lane in range(lanes):
                    link[i, lane] += (
                        (poly[d, k, 3, lane] * x + poly[d, k, 2, lane]) * x + poly[d, k, 1, lane]
                    ) * x + poly[d, k, 0, lane]
            for lane in range(lanes):
                e = fast_exp(min(max(-sign * link[i, lane], -CLIP), CLIP))
                u = factor[lane] * (e / (1.0 + e))
                gradient[i, lane] = u
                run_sum[r, lane] += u
                product[lane] *= 1.0 + e
            waiting += 1
            if waiting == CHUNK:
                for lane in range(lanes):
                    risk[lane] += run_weight[r, lane] * np.log(product[lane])
                    product[lane] = 1.0
                waiting = 0
        for lane in range(lanes):
            risk[lane] += run_weight[r, lane] * np.log(product[lane])


@compiled
def _moments(tag, gradient, cell, t, segment, out):
    """Set out (cells + 1, 4, lanes) to the sums of u, ut, ut^2, ut^3 per interval, all lanes."""
    out[:] = 0.0
    for s in range(len(segment)):
        for i in range(segment[s, 0], segment[s, 1]):
            k, x = cell[i], t[i]
            x2 = x * x
            x3 = x2 * x
            for lane in range(len(tag)):
                u = gradient[i, lane]
                out[k, 0, lane] += u
                out[k, 1, lane] += u * x
                out[k, 2, lane] += u * x2
                out[k, 3, lane] += u * x3


@compiled
def _moments_one(gradient, lane, cell, t, segment, out):
    """As `_moments`, for a single lane."""
    out[:, :, lane] = 0.0
    for s in range(len(segment)):
        for i in range(segment[s, 0], segment[s, 1]):
            k, x, u = cell[i], t[i], gradient[i, lane]
            ux = u * x
            ux2 = ux * x
            out[k, 0, lane] += u
            out[k, 1, lane] += ux
            out[k, 2, lane] += ux2
            out[k, 3, lane] += ux2 * x


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
    tag, cell, t, run_start, run_sign, run_caller, run_weight, run_active, block_run, segment, block_segment,
    variant_blocks, variant_lanes, variant_intervals, variant_low, variant_width, pieces,
    n_learners, kind, variant, blocks, degree, penalty_kind, penalty, order, inverse, caller_weight,
    scale, step, link, selected, steps, risk, stop,
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
    n_variants = len(cell)
    cells = 1
    for q in range(n_variants):
        cells = max(cells, variant_intervals[q] + 1)
    n_runs = len(run_start) - 1
    gradient = np.zeros(link.shape)
    moments = np.zeros((n_variants, n_blocks, cells, 4, lanes))
    poly = np.zeros((used, cells, 4, lanes))
    slot_variant = np.zeros(used, np.int64)
    run_add = np.zeros((n_runs, lanes))
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
    narrow = max(lanes // 5, 1)

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
                run_add[r, lane] = 0.0
        for lane in range(used):
            j = chosen[lane]
            if not pending[lane] >> block & 1 or j < 0:
                continue
            what = kind[lane, j]
            c = steps[lane, done[lane] - 1]
            if what == CALLER:
                for r in range(first, last):
                    run_add[r, lane] = c[run_caller[r]]
            elif what in (CONSTANT, SEX, MALE):
                value = c[0]
                if what == SEX and block == 1:
                    value += c[1]
                for r in range(first, last):
                    run_add[r, lane] = value
            else:
                q = variant[lane, j]
                d = 0
                while d < n_slots and slot_variant[d] != q:
                    d += 1
                if d == n_slots:
                    slot_variant[d] = q
                    poly[d] = 0.0
                    n_slots += 1
                _set_polynomials(
                    what, c, 1.0, variant_intervals[q], variant_low[q], variant_width[q], pieces,
                    degree[lane, j], poly[d], lane,
                )  # fmt: skip

        _update(
            tag, link, gradient, cell, t, run_start, run_sign, run_weight, run_active, run_add, first, last,
            scale, n_slots, slot_variant, poly, run_sum, block_risk[block],
        )  # fmt: skip
        for lane in range(lanes):
            block_sum[block, lane] = 0.0
            for r in range(first, last):
                block_sum[block, lane] += run_sum[r, lane]
        rows = segment[block_segment[block] : block_segment[block + 1]]
        for q in range(n_variants):
            if not variant_blocks[q] >> block & 1:
                continue
            wanted = 0
            for lane in range(used):
                wanted += variant_lanes[q, lane] and pending[lane] >> block & 1
            if wanted > narrow:
                _moments(tag, gradient, cell[q], t[q], rows, moments[q, block])
            elif wanted > 0:
                for lane in range(used):
                    if variant_lanes[q, lane] and pending[lane] >> block & 1:
                        _moments_one(gradient, lane, cell[q], t[q], rows, moments[q, block])

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
