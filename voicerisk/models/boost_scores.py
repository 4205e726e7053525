# mypy: disable-error-code="no-untyped-def"
"""Scores of held-out rows after every number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voicerisk.errors import ModelError
from voicerisk.models.boost_kernels import compiled, fast_exp
from voicerisk.models.boost_rows import learner_blocks, masked_column
from voicerisk.models.boost_spec import BoostData
from voicerisk.models.boost_vectors import CHUNK, CLIP
from voicerisk.models.splines import Floats

if TYPE_CHECKING:
    from voicerisk.models.boost_path import LanePath


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
    group_start,
    link,
    score,
    deviance,
):
    """Fill score and deviance (groups, M + 1), walking through the steps."""
    n_groups = len(group_start) - 1
    p = np.empty(len(link))
    for g in range(n_groups):
        present = 0
        for i in range(group_start[g], group_start[g + 1]):
            present |= 1 << block[i]
        for m in range(len(selected) + 1):
            if m > 0:
                j = selected[m - 1]
                if j < 0 or not blocks_of[j] & present:
                    score[g, m], deviance[g, m] = score[g, m - 1], deviance[g, m - 1]
                    continue
                q = cell_of[j]
                for i in range(group_start[g], group_start[g + 1]):
                    if q >= 0:
                        if blocks_of[j] >> block[i] & 1:
                            k, x = cell[q, i], t[q, i]
                            a = step_poly[m - 1, k]
                            link[i] += ((a[3] * x + a[2]) * x + a[1]) * x + a[0]
                    elif q == -1:
                        link[i] += shift[m - 1, block[i]]
                    else:
                        link[i] += shift[m - 1, 2 + caller[i]]
            total, loss, product, waiting = 0.0, 0.0, 1.0, 0
            for i in range(group_start[g], group_start[g + 1]):
                e = fast_exp(min(max(-sign[i] * link[i], -CLIP), CLIP))
                q_wrong = e / (1.0 + e)
                p[i] = 1.0 - q_wrong if sign[i] > 0 else q_wrong
                total += p[i]
                product *= 1.0 + e
                waiting += 1
                if waiting == CHUNK:
                    loss += np.log(product)
                    product, waiting = 1.0, 0
            loss += np.log(product)
            size = group_start[g + 1] - group_start[g]
            score[g, m], deviance[g, m] = total / size, 2.0 * loss / size


def group_paths(path: LanePath, row_groups: Sequence[NDArray[Any]], data: BoostData) -> tuple[Floats, Floats]:
    """See `LanePath.held_out_path`."""
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
    rows = data.take(np.concatenate(groups))
    has_sex = rows.sex is not None
    taking_part = sorted(set(path.selected[path.selected >= 0].tolist()))
    variants: dict[tuple[Any, ...], int] = {}
    cell_of = np.full(max(len(path.learners), 1), -1, np.int64)
    blocks_of = np.zeros(max(len(path.learners), 1), np.int64)
    located: list[tuple[NDArray[np.uint8], Floats]] = []
    cells = 1
    for j in taking_part:
        fitted = path.learners[j]
        blocks_of[j] = learner_blocks(fitted.learner, has_sex)
        if fitted.learner.kind == "brandom":
            cell_of[j] = -2
        elif fitted.grid is not None:
            by = fitted.learner.by if fitted.learner.by not in ("female", "male") else None
            key = (fitted.learner.variable, by, fitted.grid)
            if key not in variants:
                variants[key] = len(located)
                located.append(fitted.grid.locate(masked_column(rows, fitted.learner), path.outside))
                cells = max(cells, fitted.grid.intervals + 3)
            cell_of[j] = variants[key]
    callers = path.steps.shape[1] if (cell_of == -2).any() else 0
    known = int(rows.caller.max()) + 1
    step_poly = np.zeros((path.mstop, cells, 4))
    shift = np.zeros((path.mstop, 2 + max(callers, known)))
    for j in taking_part:
        fitted, at = path.learners[j], np.flatnonzero(path.selected == j)
        if fitted.grid is not None:
            step_poly[at, : fitted.grid.intervals + 3] = fitted.polynomials(path.steps[at])
        elif fitted.learner.kind == "brandom":
            shift[at, 2 : 2 + fitted.size] = path.steps[at, : fitted.size]
        elif fitted.learner.variable == "1":
            for b in range(2):
                shift[at, b] = path.steps[at, 0] * (blocks_of[j] >> b & 1)
        elif fitted.learner.intercept:
            shift[at, 0], shift[at, 1] = path.steps[at, 0], path.steps[at, 0] + path.steps[at, 1]
        else:
            shift[at, 1] = path.steps[at, 0]
    cell = np.stack([c for c, _ in located]) if located else np.zeros((0, rows.n), np.uint8)
    t = np.stack([v for _, v in located]) if located else np.zeros((0, rows.n))
    block = np.zeros(rows.n, np.int8) if rows.sex is None else rows.sex
    starts = np.r_[0, np.cumsum([len(group) for group in groups])].astype(np.int64)
    sign = 2.0 * np.asarray(rows.y) - 1.0
    link = np.full(rows.n, path.offset)
    _walk(
        path.selected, cell_of, blocks_of, step_poly, shift, cell, t, block, sign, rows.caller, starts, link,
        score, deviance,
    )  # fmt: skip
    return score, deviance
