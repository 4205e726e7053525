"""From lanes to arrays: interval indices, penalties, and inverted normal equations of a group of lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from voicerisk.callers.moderator import Moderator
from voicerisk.errors import ModelError
from voicerisk.models import splines
from voicerisk.models.boosting.engine import kernels
from voicerisk.models.boosting.engine.penalty import penalty_for_df, ridge_penalty_for_df
from voicerisk.models.boosting.engine.rows import RowOrder, run_ranges
from voicerisk.models.boosting.engine.tiles import gram_powers, sort_tiles
from voicerisk.models.boosting.learner_rows import is_level_learner, learner_blocks, mask_name, masked_column
from voicerisk.models.boosting.path import FittedLearner
from voicerisk.models.boosting.spec import BoostData, Lane, Learner, rescaled_weights
from voicerisk.models.splines import Grid
from voicerisk.types import Floats

VariantKey = tuple[str, str | None, float, float, int]


@dataclass(frozen=True, eq=False, slots=True)
class Fitted:
    """A learner ready for the kernels: what it is, and the inverse of X'WX + lambda K."""

    fitted: FittedLearner
    variant: int
    blocks: int
    kind: int
    penalty_kind: int
    inverse: Floats


@dataclass(eq=False, slots=True)
class Group:
    """Lanes that are fitted together."""

    lanes: Sequence[Lane]
    rows: RowOrder
    weights: Floats  # (runs, width): rescaled, 0 in unused lanes
    outcomes: NDArray[np.int8]  # (runs, width)
    offsets: Floats
    grids: list[Grid]
    order: NDArray[np.uint16]  # (variants, n): rows of each tile, sorted by interval
    t: Floats  # (variants, n), sorted
    ends: NDArray[np.int64]  # (variants, tiles, intervals)
    learners: list[list[Fitted]]
    left_out: list[list[tuple[str, str]]]
    caller_weight: Floats
    block_weight: Floats  # (blocks, width)


def prepare(data: BoostData, rows: RowOrder, lanes: Sequence[Lane], width: int, family: str) -> Group:
    """Build the arrays of a group of at most `width` lanes, whose rows are all cut as `rows` says."""
    first = rows.order[rows.run_start[:-1]]  # a row of each run: its outcome and weight are the run's
    weights = aligned(len(first), width)
    outcomes = np.zeros((len(first), width), np.int8)
    for i, lane in enumerate(lanes):
        weights[:, i] = _checked_weights(lane, data)[first]
        outcomes[:, i] = _outcome(lane, data)[first]
    run_length = np.diff(rows.run_start)
    offsets = np.zeros(width)
    offsets[: len(lanes)] = [
        _offset(lane, weights[:, i], run_length, outcomes[:, i], family) for i, lane in enumerate(lanes)
    ]

    columns: dict[tuple[str, str | None, bool], Floats] = {}
    ranges: dict[str, tuple[Floats, Floats]] = {}
    variants: dict[VariantKey, int] = {}
    chosen = [
        _variants(data, rows, lane, weights[:, i] > 0, columns, ranges, variants)
        for i, lane in enumerate(lanes)
    ]
    grids = [Grid(low, high, intervals) for _, _, low, high, intervals in variants]
    cells = max([grid.intervals for grid in grids] + [1])
    tile_row, block_tile = rows.tile_row, rows.block_tile
    order = np.empty((len(variants), data.n), np.uint16)
    t = np.empty((len(variants), data.n))
    ends = np.empty((len(variants), len(tile_row) - 1, cells), np.int64)
    powers = []
    for q, ((name, by, *_), grid) in enumerate(zip(variants, grids, strict=True)):
        column = columns[name, by, True] if (name, by, True) in columns else columns[name, by, False]
        cell, place = grid.locate(column, "drop")
        cell[cell == grid.intervals] = cells  # behind all intervals
        sort_tiles(cell, place, tile_row, order[q], t[q], ends[q])
        out = aligned(rows.n_blocks * cells * 7 * width)
        gram_powers(
            (0.0,) * width,
            tile_row,
            rows.tile_run,
            block_tile,
            rows.run_start,
            weights,
            order[q],
            t[q],
            ends[q],
            out,
        )
        powers.append(out.reshape(rows.n_blocks, cells, 7, width)[:, : grid.intervals])

    callers = int(data.caller.max()) + 1
    caller_weight = np.zeros((width, 1))
    if any(learner.kind == "brandom" for lane in lanes for learner in lane.learners):
        caller_weight = np.stack(
            [np.bincount(rows.run_caller, weights[:, i] * run_length, callers) for i in range(width)]
        )
    block_weight = np.stack(
        [
            (weights[a:b] * run_length[a:b, None]).sum(0)
            for a, b in zip(rows.block_run[:-1], rows.block_run[1:], strict=True)
        ]
    )
    group = Group(
        lanes, rows, weights, outcomes, offsets, grids, order, t, ends, [], [], caller_weight, block_weight
    )
    _fit_learners(group, data, chosen, powers)
    return group


def aligned(*shape: int) -> Floats:
    """Return zeros that start on a cache line, so that no vector of lanes straddles two."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 8)
    skip = (-raw.ctypes.data % 64) // 8
    return raw[skip : skip + size].reshape(shape)


def _checked_weights(lane: Lane, data: BoostData) -> Floats:
    weights = np.asarray(lane.weights, np.float64)
    if weights.shape != (data.n,):
        raise ModelError(
            f"Lane {lane.key} has weights of shape {weights.shape}; they must be ({data.n},) as the rows."
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        row = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))[0]
        raise ModelError(
            f"Lane {lane.key} has weight {weights[row]} in row {row}; weights must be finite and >= 0."
        )
    if not weights.any():
        raise ModelError(f"Lane {lane.key} has no row with a weight above 0.")
    return rescaled_weights(weights)


def _outcome(lane: Lane, data: BoostData) -> NDArray[np.int8]:
    y = data.y if lane.y is None else np.asarray(lane.y)
    assert y is not None  # sorting the rows has asked for it
    return y


def _offset(
    lane: Lane, weights: Floats, run_length: NDArray[np.int64], y: NDArray[np.int8], family: str
) -> float:
    """Return the offset in log-odds."""
    total = weights * run_length
    positive = total[y == 1].sum() / total.sum()
    if not 0 < positive < 1:
        raise ModelError(
            f"Lane {lane.key} has rows of outcome {int(positive)} only; a fit needs both outcomes."
        )
    if lane.offset is not None:
        return float(lane.offset)
    if (
        family == "glm"
    ):  # unweighted and shrunk to the middle; of the rows with weight, so that no held-out y is seen
        seen = weights > 0
        mean = (run_length[seen & (y == 1)].sum() / run_length[seen].sum() + 0.5) / 2
        return float(np.log(mean / (1 - mean)))
    return float(np.log(positive / (1 - positive)))


def _variants(
    data: BoostData,
    rows: RowOrder,
    lane: Lane,
    seen: NDArray[np.bool_],
    columns: dict[tuple[str, str | None, bool], Floats],
    ranges: dict[str, tuple[Floats, Floats]],
    variants: dict[VariantKey, int],
) -> list[int | str | None]:
    """Return the number of each learner's grid (None: it has no marker; text: why it is left out)."""
    knots: dict[tuple[str, str | None], int] = {}
    for learner in lane.learners:
        if learner.kind == "bbs":
            knots.setdefault((learner.variable, mask_name(learner, data.moderator)), learner.knots + 1)
    found: list[int | str | None] = []
    for learner in lane.learners:
        learner_blocks(learner, data.moderator)
        if learner.kind == "brandom" or learner.variable == "1" or is_level_learner(learner, data.moderator):
            found.append(None)
            continue
        key = (learner.variable, mask_name(learner, data.moderator))
        if (*key, learner.available) not in columns:  # looked at once, since it refuses missing values
            columns[*key, learner.available] = masked_column(data, learner)[rows.order]
        if learner.variable not in ranges:
            ranges[learner.variable] = run_ranges(rows, data.columns[learner.variable][rows.order])
        low, high = ranges[learner.variable]
        inside = seen if lane.boundary == "train" else slice(None)
        bottom, top = float(low[inside].min(initial=np.inf)), float(high[inside].max(initial=-np.inf))
        if not bottom < top:
            found.append("no available row" if bottom > top else f"constant ({bottom:g})")
            continue
        intervals = learner.knots + 1 if learner.kind == "bbs" else knots.get(key, 1)
        found.append(variants.setdefault((*key, bottom, top, intervals), len(variants)))
    return found


def _fit_learners(
    group: Group,
    data: BoostData,
    chosen: list[list[int | str | None]],
    powers: list[Floats],
) -> None:
    """Fill the learners of every lane: penalties from df, inverses, and what is left out."""
    moderator = data.moderator
    present = np.bincount(data.caller) > 0
    ready: dict[tuple[int, int], Fitted | str] = {}
    alike: dict[Learner, list[tuple[int, int]]] = {}
    for i, lane in enumerate(group.lanes):
        for j, learner in enumerate(lane.learners):
            number = chosen[i][j]
            if isinstance(number, str):
                ready[i, j] = number
            elif learner.kind == "brandom":
                counts = group.caller_weight[i]
                # as the levels of R's factor: callers held out are among them, codes that no row has are not
                levels = counts > 0 if lane.boundary == "train" else present
                ready[i, j] = _caller_learner(learner, counts, levels, learner_blocks(learner, moderator))
            else:
                name = "" if learner.kind == "bbs" else learner.variable
                alike.setdefault(replace(learner, variable=name, by=None, available=False), []).append((i, j))
    for places in alike.values():
        learner = group.lanes[places[0][0]].learners[places[0][1]]
        sums, grams = [], []
        for i, j in places:
            own, number = group.lanes[i].learners[j], chosen[i][j]
            blocks = learner_blocks(own, moderator)
            if not isinstance(number, int):
                grams.append(_block_gram(own, group.block_weight[:, i], blocks))
            else:
                taken = [powers[number][b, :, :, i] for b in range(group.rows.n_blocks) if blocks >> b & 1]
                part = reduce(np.add, taken)
                sums.append(part)
                if learner.kind == "bols":
                    line = splines.line_gram(part, group.grids[number])
                    grams.append(line if learner.intercept else line[1:, 1:])
        stacked = (
            splines.spline_gram(np.stack(sums), learner.degree) if learner.kind == "bbs" else np.stack(grams)
        )
        usable = np.ones(len(places), bool)
        if learner.kind == "bbs" and learner.penalty is None:  # a given lambda asks for no rank
            df = learner.wanted_df or 0.0
            usable[:] = [splines.rank_above(part, learner.degree, df) for part in sums]
            for place in np.flatnonzero(~usable).tolist():
                ready[places[place]] = f"its rows have rank <= df = {df:g}"
        if not usable.any():
            continue
        penalties, penalty_kind, inverses = _solve_batch(learner, stacked[usable])
        places = [place for place, good in zip(places, usable, strict=True) if good]
        for (i, j), penalty, inverse in zip(places, penalties, inverses, strict=True):
            if not np.isfinite(inverse).all():
                ready[i, j] = "its normal equations are singular"
                continue
            own, grid = group.lanes[i].learners[j], chosen[i][j]
            variant = grid if isinstance(grid, int) else -1
            fitted = FittedLearner(
                own, group.grids[variant] if variant >= 0 else None, float(penalty), len(inverse)
            )
            kind = penalty_kind if penalty > 0 else kernels.UNPENALISED
            ready[i, j] = Fitted(
                fitted, variant, learner_blocks(own, moderator), _kind(own, moderator), kind, inverse
            )
    for i, lane in enumerate(group.lanes):
        results = [(learner.name, ready[i, j]) for j, learner in enumerate(lane.learners)]
        group.learners.append([result for _, result in results if isinstance(result, Fitted)])
        group.left_out.append([(name, reason) for name, reason in results if isinstance(reason, str)])


def _kind(learner: Learner, moderator: Moderator | None) -> int:
    if learner.kind == "bbs":
        return kernels.SPLINE
    if is_level_learner(learner, moderator):
        return kernels.LEVELS if learner.intercept else kernels.CONTRASTS
    if learner.variable == "1":
        return kernels.CONSTANT
    return kernels.LINE if learner.intercept else kernels.SLOPE


def _block_gram(learner: Learner, weight: Floats, blocks: int) -> Floats:
    if learner.variable == "1":
        return np.array([[sum(w for b, w in enumerate(weight) if blocks >> b & 1)]])
    gram = np.diag(weight)
    gram[0, :] = gram[:, 0] = weight
    gram[0, 0] = weight.sum()
    return gram if learner.intercept else gram[1:, 1:]


def _caller_learner(learner: Learner, counts: Floats, levels: NDArray[np.bool_], blocks: int) -> Fitted | str:
    df = learner.wanted_df or 0.0
    if learner.penalty is None and np.count_nonzero(counts) <= df:
        return f"there are no more than {df:g} callers"
    penalty = ridge_penalty_for_df(counts[levels], df) if learner.penalty is None else learner.penalty
    fitted = FittedLearner(learner, None, penalty, len(counts))
    return Fitted(fitted, -1, blocks, kernels.CALLER, kernels.RIDGE, np.zeros((1, 1)))


def _solve_batch(learner: Learner, grams: Floats) -> tuple[Floats, int, Floats]:
    """Return lambda, kind of penalty, and inverse (not finite where singular) of like learners."""
    size = grams.shape[-1]
    df = learner.wanted_df
    if learner.kind == "bbs":
        differences = splines.difference_matrix(size, learner.differences)
        root, penalty_kind = differences, kernels.DIFFERENCES
    else:
        root, penalty_kind = np.eye(size), kernels.RIDGE
    back = None
    if learner.center:
        back = differences.T @ np.linalg.inv(differences @ differences.T)
        grams = back.T @ grams @ back
        root = np.eye(len(differences))
    if learner.penalty is not None:
        penalties = np.full(len(grams), float(learner.penalty))
    elif df is None or (learner.kind == "bols" and df >= size):
        penalties = np.zeros(len(grams))
    else:
        penalties = penalty_for_df(grams, root, df)
    inverses = _inverses(grams + penalties[:, None, None] * (root.T @ root))
    if back is not None:
        inverses = back @ inverses @ back.T
    return penalties, penalty_kind, inverses


def _inverses(matrices: Floats) -> Floats:
    """Return the inverses of symmetric matrices; NaN where one is not positive definite."""
    scale = np.sqrt(np.maximum(np.diagonal(matrices, axis1=1, axis2=2), 0.0))
    usable = (scale > 0).all(axis=1)
    outer = scale[:, :, None] * scale[:, None, :]
    inverses = np.full_like(matrices, np.nan)
    for start in (slice(None),) if usable.all() else (slice(i, i + 1) for i in np.flatnonzero(usable)):
        unit = matrices[start] / outer[start]
        try:
            root = np.linalg.inv(np.linalg.cholesky(unit))
        except np.linalg.LinAlgError:
            if len(unit) > 1:  # one by one, so that a singular one does not spoil the others
                return np.concatenate([_inverses(matrix[None]) for matrix in matrices])
            continue
        inverses[start] = root.swapaxes(-1, -2) @ root / outer[start]
    return inverses
