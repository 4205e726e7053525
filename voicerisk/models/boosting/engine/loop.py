# mypy: disable-error-code="no-untyped-def"
# The arguments of compiled functions are arrays whose shapes are in the docstrings; numba infers their types.
"""The loop of boosting: which rows are passed over next, which learner a lane takes, and when it stops.

Rows are cut into blocks (one a level of the moderator, say of sex). A learner touches the rows of its blocks
only, so after a step only the blocks of the chosen learner are passed over again. Within a block, a lane's
*states* are what it goes through as its steps there are added; at every state the best of the learners that
touch this block alone is known.
A step takes the best learner of all blocks' present states, so that the blocks' own sequences are merged by
gain, and a lane's numbers are those of going step by step.

Lanes of a group would wait for one another, as some want women's rows next and others men's. So a lane joins
a pass over a block even when its next step may be elsewhere, and walks ahead there by its own best learner:
only a learner of several blocks (bols(sex), an intercept) could make that wrong. When one wins after all, the
rows of that block and lane are set back by adding the true steps up again, in their order: the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from voicerisk.models.boosting.engine.kernels import (
    CALLER,
    CONSTANT,
    CONTRASTS,
    LEVELS,
    compiled,
    pass_block,
    set_gain,
    set_polynomials,
)
from voicerisk.models.boosting.engine.vectors import add_polynomial
from voicerisk.types import Floats, Ints

AHEAD = 8  # states that a lane may walk ahead in a block; more gains nothing (measured)
RING = AHEAD + 2  # states that are remembered


class State(NamedTuple):
    """Where the lanes of a group are; kept between calls, so that boosting can go on."""

    link: Floats  # (n, lanes): log-odds in every block's newest state
    known: Ints  # (used, blocks): states evaluated
    place: Ints  # (used, blocks): present state of the true path
    shared: Ints  # (used, blocks): step of a learner of several blocks that the next pass adds, or -1
    own_learner: Ints  # (used, blocks, RING): best learner of this block alone, or -1
    own_gain: Floats  # (used, blocks, RING)
    own_sum: Floats  # (used, blocks, RING): sum of the weighted gradient
    own_risk: Floats  # (used, blocks, RING)
    own_step: Floats  # (used, blocks, RING, size): step length * coefficients
    gain: Floats  # (used, learners)
    coefficient: Floats  # (used, learners, size)
    run_sum: Floats  # (runs, lanes)
    block_sum: Floats  # (blocks, lanes)
    done: Ints  # (used,): steps taken
    selected: NDArray[np.int32]  # (used, M)
    steps: Floats  # (used, M, size)
    risk: Floats  # (used, M + 1)

    @classmethod
    def start(
        cls, link: Floats, used: int, blocks: int, runs: int, learners: int, stored: int, mstop: int
    ) -> State:
        """Return the state before the first pass."""
        lanes = link.shape[1]
        ring = (used, blocks, RING)

        def whole(*shape: int, value: int = 0) -> Ints:
            return np.full(shape, value, np.int64)

        return cls(
            link, whole(used, blocks), whole(used, blocks), whole(used, blocks, value=-1),
            whole(*ring, value=-1), np.zeros(ring), np.zeros(ring), np.zeros(ring), np.zeros((*ring, stored)),
            np.full((used, learners), -1.0), np.zeros((used, learners, stored)),
            np.zeros((runs, lanes)), np.zeros((blocks, lanes)), whole(used),
            np.full((used, mstop), -1, np.int32), np.zeros((used, mstop, stored)),
            np.zeros((used, mstop + 1)),
        )  # fmt: skip


@compiled
def boost(
    tag, order_of, t, ends, tile_row, tile_run, block_tile, tile_active, run_start, run_sign, run_caller,
    run_weight, block_run, variant_blocks, variant_lanes, variant_intervals, variant_low, variant_width,
    pieces, n_learners, kind, variant, blocks, degree, penalty_kind, penalty, order, inverse, caller_weight,
    offset, block_weight, scale, step, tile, buffer, limit, state, stop,
):  # fmt: skip
    """Boost each lane of a group up to its `limit` of steps.

    `state` is changed in place; calling again with higher limits goes on as if there had been no halt.
    Returns 0, or 1 + the lane whose gains are not finite, or -1 when `stop` was set from outside.
    """
    lanes = len(tag)
    used = len(n_learners)
    n_blocks = len(block_run) - 1
    n_variants = len(order_of)
    cells = ends.shape[2]
    n_runs = len(run_start) - 1
    flat_moments = buffer[: n_variants * n_blocks * cells * 4 * lanes]
    moments = flat_moments.reshape((n_variants, n_blocks, cells, 4, lanes))
    flat_poly = buffer[len(flat_moments) : len(flat_moments) + used * cells * 4 * lanes]
    poly = flat_poly.reshape((used, cells, 4, lanes))
    known, place, done = state.known, state.place, state.done
    wanted = np.zeros(n_variants, np.int64)
    first_lane = np.zeros(n_variants, np.int64)
    slot_variant = np.zeros(used, np.int64)
    slot_count = np.zeros(used, np.int64)
    slot_lane = np.zeros((used, used), np.int64)
    run_shift = np.zeros((n_runs, lanes))
    block_risk = np.zeros(lanes)
    caller_sum = np.zeros(caller_weight.shape[1])
    size = state.steps.shape[2]
    b, work = np.zeros(size), np.zeros(size)
    joins = np.zeros(used, np.bool_)
    ahead = np.zeros(used, np.int64)  # how far a lane may walk ahead
    for lane in range(used):
        ahead[lane] = AHEAD if n_blocks > 1 else 0
        for j in range(n_learners[lane]):
            if _of_several(blocks[lane, j]) and kind[lane, j] not in (CONSTANT, LEVELS):
                ahead[lane] = 0  # its gain needs both blocks' moments at one time

    while True:
        # merge what is known of the blocks into steps
        for lane in range(used):
            while True:
                m = done[lane]
                current = True
                for block in range(n_blocks):
                    current = current and known[lane, block] > place[lane, block]
                if not current:
                    break
                state.risk[lane, m] = 0.0
                for block in range(n_blocks):
                    state.risk[lane, m] += state.own_risk[lane, block, place[lane, block] % RING]
                if m >= limit[lane]:
                    break
                best, most, home = -1, 0.0, -1
                for block in range(n_blocks):
                    at = place[lane, block] % RING
                    j, gain = state.own_learner[lane, block, at], state.own_gain[lane, block, at]
                    if j >= 0 and (best < 0 or gain > most or (gain == most and j < best)):
                        best, most, home = j, gain, block
                for j in range(n_learners[lane]):
                    if not _of_several(blocks[lane, j]):
                        continue
                    if ahead[lane]:  # the sums that belong to the present states
                        for block in range(n_blocks):
                            at = place[lane, block] % RING
                            state.block_sum[block, lane] = state.own_sum[lane, block, at]
                    gain = set_gain(
                        j, lane, kind, blocks, variant, degree, penalty_kind, penalty, order, inverse,
                        caller_weight, moments, state.block_sum, state.run_sum, run_caller, variant_intervals,
                        variant_low, variant_width, pieces, caller_sum, b, work, state.coefficient[lane, j],
                    )  # fmt: skip
                    if not np.isfinite(gain):
                        return 1 + lane
                    if best < 0 or gain > most or (gain == most and j < best):
                        best, most, home = j, gain, -1
                if best < 0:  # no learner: the offset alone
                    for later in range(m + 1, limit[lane] + 1):
                        state.risk[lane, later] = state.risk[lane, m]
                    done[lane] = limit[lane]
                    break
                state.selected[lane, m] = best
                if home >= 0:
                    state.steps[lane, m] = state.own_step[lane, home, place[lane, home] % RING]
                    place[lane, home] += 1
                else:
                    for i in range(size):
                        state.steps[lane, m, i] = step * state.coefficient[lane, best, i]
                    for block in range(n_blocks):
                        if blocks[lane, best] >> block & 1:
                            if known[lane, block] > place[lane, block] + 1:
                                _set_back(
                                    lane, block, state, tile_row, block_tile, tile_active, order_of, t, ends,
                                    offset[lane], blocks, kind, variant, degree, variant_intervals,
                                    variant_low, variant_width, pieces, flat_poly, tag,
                                )  # fmt: skip
                                known[lane, block] = place[lane, block] + 1
                            place[lane, block] += 1
                            state.shared[lane, block] = m
                done[lane] = m + 1

        # the block that the lane furthest behind waits for; the other, if more lanes are as far behind there
        block, behind, count = -1, 0, 0
        for candidate in range(n_blocks):
            least, waiting = -1, 0
            for lane in range(used):
                if known[lane, candidate] == place[lane, candidate]:
                    waiting += 1
                    if least < 0 or done[lane] < least:
                        least = done[lane]
            if waiting and (block < 0 or least < behind or (least == behind and waiting > count)):
                block, behind, count = candidate, least, waiting
        if block < 0:
            return 0
        if stop[0]:
            return -1
        first, last = block_run[block], block_run[block + 1]

        for r in range(first, last):
            for lane in range(lanes):
                run_shift[r, lane] = 0.0
        n_slots = 0
        for lane in range(used):
            joins[lane] = known[lane, block] == place[lane, block]
            newest = (known[lane, block] - 1) % RING
            if not joins[lane]:
                lead = known[lane, block] - place[lane, block]
                joins[lane] = (
                    lead <= ahead[lane]
                    and lead <= state.selected.shape[1] - done[lane]
                    and state.own_learner[lane, block, newest] >= 0
                    # a learner of both blocks is unlikely to win: most of this block's gain is not its level
                    and 2.0 * state.own_sum[lane, block, newest] ** 2
                    <= state.own_gain[lane, block, newest] * block_weight[block, lane]
                )
            if not joins[lane] or known[lane, block] == 0:
                continue
            j = state.own_learner[lane, block, newest]
            c = state.own_step[lane, block, newest]
            if state.shared[lane, block] >= 0:
                j = state.selected[lane, state.shared[lane, block]]
                c = state.steps[lane, state.shared[lane, block]]
                state.shared[lane, block] = -1
            what = kind[lane, j]
            if what == CALLER:
                for r in range(first, last):
                    run_shift[r, lane] = c[run_caller[r]]
            elif what in (CONSTANT, LEVELS, CONTRASTS):
                for r in range(first, last):
                    run_shift[r, lane] = _level(what, c, block)
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
                set_polynomials(
                    what, c, 1.0, variant_intervals[q], variant_low[q], variant_width[q], pieces,
                    degree[lane, j], poly[d], lane,
                )  # fmt: skip

        for q in range(n_variants):
            # the lanes to sum: none, an aligned quarter or half, or all
            low, high = lanes, -1
            if variant_blocks[q] >> block & 1:
                for lane in range(used):
                    if variant_lanes[q, lane] and joins[lane]:
                        low, high = min(low, lane), lane
            wanted[q], first_lane[q] = 0, 0
            if high >= 0:
                wanted[q] = lanes
                for part in (8, 4):
                    if part < lanes and low // part == high // part:
                        wanted[q], first_lane[q] = part, low // part * part
        pass_block(
            tag, state.link, tile, block, order_of, t, ends, tile_row, tile_run, block_tile, run_start,
            run_sign, run_weight, run_shift, tile_active, scale, n_slots, slot_variant, slot_count, slot_lane,
            flat_poly, cells, wanted, first_lane, flat_moments, n_blocks, state.run_sum, block_risk,
        )  # fmt: skip

        # the new state of the block, in the lanes that joined
        for lane in range(lanes):
            state.block_sum[block, lane] = 0.0
        for r in range(first, last):
            for lane in range(lanes):
                state.block_sum[block, lane] += state.run_sum[r, lane]
        for lane in range(used):
            if not joins[lane]:
                continue
            at = known[lane, block] % RING
            best, most = -1, 0.0
            for j in range(n_learners[lane]):
                if blocks[lane, j] != 1 << block:
                    continue
                gain = set_gain(
                    j, lane, kind, blocks, variant, degree, penalty_kind, penalty, order, inverse,
                    caller_weight, moments, state.block_sum, state.run_sum, run_caller, variant_intervals,
                    variant_low, variant_width, pieces, caller_sum, b, work, state.coefficient[lane, j],
                )  # fmt: skip
                if not np.isfinite(gain):
                    return 1 + lane
                if best < 0 or gain > most:
                    best, most = j, gain
            state.own_learner[lane, block, at] = best
            state.own_gain[lane, block, at] = most
            state.own_sum[lane, block, at] = state.block_sum[block, lane]
            state.own_risk[lane, block, at] = block_risk[lane]
            if best >= 0:
                for i in range(size):
                    state.own_step[lane, block, at, i] = step * state.coefficient[lane, best, i]
            known[lane, block] += 1


@compiled
def _of_several(blocks):
    """Return whether these bits name more than one block."""
    return blocks & (blocks - 1) != 0


@compiled
def _level(kind, c, block):
    """Return what a learner without a marker adds to the rows of a block."""
    if kind == LEVELS and block > 0:
        return c[0] + c[block]
    if kind == CONTRASTS:
        return c[block - 1]
    return c[0]


@compiled
def _set_back(
    lane, block, state, tile_row, block_tile, tile_active, order_of, t, ends, offset, blocks, kind, variant,
    degree, variant_intervals, variant_low, variant_width, pieces, poly, tag,
):  # fmt: skip
    """Set the rows of a block and lane to the present state of the true path, by adding its steps again."""
    lanes = len(tag)
    cells = ends.shape[2]
    cubic = poly[: cells * 4 * lanes].reshape((cells, 4, lanes))
    link = state.link
    for row in range(tile_row[block_tile[block]], tile_row[block_tile[block + 1]]):
        link[row, lane] = offset
    for m in range(state.done[lane]):
        j = state.selected[lane, m]
        if not blocks[lane, j] >> block & 1:
            continue
        c = state.steps[lane, m]
        if kind[lane, j] in (CONSTANT, LEVELS, CONTRASTS):
            level = _level(kind[lane, j], c, block)
            for row in range(tile_row[block_tile[block]], tile_row[block_tile[block + 1]]):
                link[row, lane] += level
            continue
        q = variant[lane, j]
        cubic[:] = 0.0
        set_polynomials(
            kind[lane, j], c, 1.0, variant_intervals[q], variant_low[q], variant_width[q], pieces,
            degree[lane, j], cubic, lane,
        )  # fmt: skip
        for b in range(block_tile[block], block_tile[block + 1]):
            if not tile_active[b]:
                continue
            base = tile_row[b]
            start = base
            for k in range(cells):
                last = ends[q, b, k]
                if last > start:
                    add_polynomial(tag, link, base, order_of[q], t[q], start, last, poly, k * 4 * lanes, lane)
                start = last
