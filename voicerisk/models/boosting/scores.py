# mypy: disable-error-code="no-untyped-def"
"""Scores of held-out rows after every number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boosting.engine.kernels import compiled
from voicerisk.models.boosting.engine.vectors import set_gradient
from voicerisk.models.boosting.learner_rows import learner_blocks, mask_name, masked_column
from voicerisk.models.boosting.path import LanePath, level_values
from voicerisk.models.boosting.spec import BoostData
from voicerisk.models.splines import Grid
from voicerisk.types import Floats

_LN2 = 0.6931471805599453
VECTOR = 8  # rows of one group and outcome that are scored together
_TAG = (0.0,) * VECTOR
_NEVER = 1e6  # log-odds of the rows that fill a vector up: never wrong, whatever a step adds


@compiled
def _walk(
    selected,
    cell_of,
    blocks_of,
    step_poly,
    shift,
    cell,
    t,
    block,
    sign,
    caller,
    n_levels,
    part_start,
    link,
    wrong,
    loss,
):
    """Fill the sums of wrong probability and of loss (parts, M + 1), walking through the steps.

    A part is rows of one group and one outcome, filled up to whole vectors; `link` is (vectors, VECTOR).
    """
    ones, zeros, signs, sums = np.ones(VECTOR), np.zeros(VECTOR), np.empty(VECTOR), np.empty(3 * VECTOR)
    scratch = np.empty(link.shape)
    flat = link.reshape(link.size)
    for g in range(len(part_start) - 1):
        first, last = part_start[g], part_start[g + 1]
        present = 0
        for i in range(first, last):
            present |= 1 << block[i]
        for m in range(len(selected) + 1):
            if m > 0:
                j = selected[m - 1]
                if j < 0 or not blocks_of[j] & present:
                    wrong[g, m], loss[g, m] = wrong[g, m - 1], loss[g, m - 1]
                    continue
                q = cell_of[j]
                if q >= 0:
                    for i in range(first, last):
                        if blocks_of[j] >> block[i] & 1:
                            k, x = cell[q, i], t[q, i]
                            a, b = step_poly[m - 1, k, 3] * x + step_poly[m - 1, k, 2], step_poly[m - 1, k, 1]
                            flat[i] += (a * x + b) * x + step_poly[m - 1, k, 0]
                elif q == -1:
                    for i in range(first, last):
                        flat[i] += shift[m - 1, block[i]]
                else:
                    for i in range(first, last):
                        flat[i] += shift[m - 1, n_levels + caller[i]]
            signs[:] = sign[g]
            set_gradient(
                _TAG, link, first // VECTOR, last // VECTOR, signs, ones, zeros, scratch,
                first // VECTOR, sums,
            )  # fmt: skip
            total, lost = 0.0, 0.0
            for lane in range(VECTOR):
                total += sums[lane]
                lost += np.log(sums[VECTOR + lane]) + _LN2 * sums[2 * VECTOR + lane]
            wrong[g, m], loss[g, m] = total, lost


def held_out_path(
    path: LanePath, row_groups: Sequence[NDArray[Any]], data: BoostData | None = None
) -> tuple[Floats, Floats]:
    """Return mean probability and mean deviance of groups of rows (calls) after every number of steps.

    Parameters
    ----------
    path : LanePath
    row_groups : sequence of ndarray of int
        Row numbers of each group, in the data the lane was fitted on (or in `data`); none may be empty.
    data : BoostData, optional
        Needed for a path read from a file.

    Returns
    -------
    score : ndarray, shape (groups, M + 1)
        Mean over the group's rows of the probability of outcome 1.
    deviance : ndarray, shape (groups, M + 1)
        Mean over the group's rows of -2 log-likelihood.

    Examples
    --------
    >>> import numpy as np
    >>> from voicerisk.models import BoostData, Lane, fit_lanes, learners_for
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=200)
    >>> data = BoostData({"x": x}, None, (x > 0).astype(np.int8), np.repeat(np.arange(20), 10))
    >>> [path] = fit_lanes(data, [Lane("all", np.ones(200), learners_for(["x"], moderator=None))], mstop=20)
    >>> score, deviance = held_out_path(path, [np.arange(10), np.arange(10, 20)])
    >>> score.shape, bool(deviance[:, 20].sum() < deviance[:, 0].sum())
    ((2, 21), True)
    """
    data = path.own_data(data)
    groups = [np.asarray(group, np.int64) for group in row_groups]
    for number, group in enumerate(groups):
        if not len(group):
            raise ModelError(f"Group {number} of path {path.key} has no row; leave it out.")
    shape = (len(groups), path.mstop + 1)
    score, deviance = np.zeros(shape), np.zeros(shape)
    if not groups:
        return score, deviance
    if data.y is None:
        raise ModelError(f"The rows to assess path {path.key} on have no outcome.")
    parts = [(g, y, group[data.y[group] == y]) for g, group in enumerate(groups) for y in (0, 1)]
    parts = [part for part in parts if len(part[2])]
    rows = data.take(np.concatenate([part for _, _, part in parts]))
    length = np.array([-(-len(part) // VECTOR) * VECTOR for _, _, part in parts])
    part_start = np.r_[0, np.cumsum(length)].astype(np.int64)
    place = np.concatenate(
        [start + np.arange(len(part)) for start, (_, _, part) in zip(part_start[:-1], parts, strict=True)]
    )
    moderator = rows.moderator
    n_levels = 1 if moderator is None else len(moderator.levels)
    taking_part = sorted(set(path.selected[path.selected >= 0].tolist()))
    variants: dict[tuple[Any, ...], int] = {}
    cell_of = np.full(max(len(path.learners), 1), -1, np.int64)
    blocks_of = np.zeros(max(len(path.learners), 1), np.int64)
    located: list[tuple[Grid, NDArray[np.uint8], Floats]] = []
    cells = 1
    for j in taking_part:
        fitted = path.learners[j]
        blocks_of[j] = learner_blocks(fitted.learner, moderator)
        if fitted.learner.kind == "brandom":
            cell_of[j] = -2
        elif fitted.grid is not None:
            key = (fitted.learner.variable, mask_name(fitted.learner, moderator), fitted.grid)
            if key not in variants:
                variants[key] = len(located)
                column = masked_column(rows, fitted.learner)
                located.append((fitted.grid, *fitted.grid.locate(column, path.outside)))
                cells = max(cells, fitted.grid.intervals + 3)
            cell_of[j] = variants[key]
    callers = path.steps.shape[1] if (cell_of == -2).any() else 0
    known = int(rows.caller.max()) + 1
    step_poly = np.zeros((path.mstop, cells, 4))
    shift = np.zeros((path.mstop, n_levels + max(callers, known)))
    for j in taking_part:
        fitted, at = path.learners[j], np.flatnonzero(path.selected == j)
        if fitted.grid is not None:
            step_poly[at, : fitted.grid.intervals + 3] = fitted.polynomials(path.steps[at])
        elif fitted.learner.kind == "brandom":
            shift[at, n_levels : n_levels + fitted.size] = path.steps[at, : fitted.size]
        else:
            shift[at, :n_levels] = level_values(fitted.learner, path.steps[at], moderator)
    size = int(part_start[-1])
    cell, t = np.zeros((len(located), size), np.uint8), np.zeros((len(located), size))
    for q, (grid, own_cell, own_t) in enumerate(located):
        cell[q] = grid.intervals  # the empty cell
        cell[q, place], t[q, place] = own_cell, own_t
    sign = np.array([2.0 * y - 1.0 for _, y, _ in parts])
    link = np.repeat(sign * _NEVER, length)
    link[place] = path.offset
    block, caller = np.zeros(size, np.int8), np.zeros(size, np.int32)
    own_block = np.zeros(rows.n, np.int8) if rows.level is None else rows.level
    own_start = np.r_[0, np.cumsum([len(part) for _, _, part in parts])[:-1]]
    block[:], caller[:] = np.repeat(own_block[own_start], length), np.repeat(rows.caller[own_start], length)
    block[place], caller[place] = own_block, rows.caller
    wrong, loss = np.zeros((len(parts), path.mstop + 1)), np.zeros((len(parts), path.mstop + 1))
    _walk(
        path.selected, cell_of, blocks_of, step_poly, shift, cell, t, block, sign, caller, n_levels,
        part_start, link.reshape(-1, VECTOR), wrong, loss,
    )  # fmt: skip
    for (g, y, part), missed, lost in zip(parts, wrong, loss, strict=True):
        score[g] += (len(part) - missed if y else missed) / len(groups[g])
        deviance[g] += 2.0 * lost / len(groups[g])
    return score, deviance
