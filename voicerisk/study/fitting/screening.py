"""The Lasso on all data (published) and inside every training set (nested)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.errors import StudyError
from voicerisk.screening import Screening, ScreeningSettings, caller_folds, screen
from voicerisk.study.fitting.covariates import covariate_columns
from voicerisk.study.fitting.design import ModelTables
from voicerisk.validation import TrainingSet, training_weights

LEAST_FOLDS = 3
SOURCE_CALLER = "source_caller_id"


@dataclass(frozen=True, slots=True)
class Selection:
    """Markers that a training set's Lasso kept, and the callers it saw."""

    markers: tuple[str, ...]
    callers: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ScreeningRows:
    """Rows of the Lasso: segments (or frames), as arrays that travel cheaply to worker processes.

    Attributes
    ----------
    values : ndarray, shape (n, covariates + markers)
        NaN = missing.
    markers : tuple of str
    caller : ndarray of str, shape (n,)
        Whose weight the row shares: in a bootstrap each copy of a caller is a caller of its own.
    person : ndarray of str, shape (n,)
        Who the caller is: copies of one caller share it, and folds never part them.
    y : ndarray of int, shape (n,)
    covariates : tuple of str
        Columns that are not penalised.
    """

    values: NDArray[np.float64]
    markers: tuple[str, ...]
    caller: NDArray[np.object_]
    person: NDArray[np.object_]
    y: NDArray[np.int64]
    covariates: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The values as a table."""
        return pd.DataFrame(self.values, columns=[*self.covariates, *self.markers])

    def take(self, kept: NDArray[np.bool_]) -> "ScreeningRows":
        """Return some of the rows."""
        return ScreeningRows(
            self.values[kept], self.markers, self.caller[kept], self.person[kept], self.y[kept],
            self.covariates,
        )  # fmt: skip


def screening_rows(tables: ModelTables, settings: ScreeningSettings) -> ScreeningRows:
    """Take the rows to screen on from the model tables, segments or frames, with the covariates named."""
    unit = settings.unit
    if unit == "segment":
        lacking = [marker for marker in tables.markers if marker not in tables.segments]
        if lacking:
            raise StudyError(
                f'[screening] unit = "segment" cannot screen {lacking[0]}: a segment\'s deviations average '
                "to zero; "
                'with [biomarkers] levels = "both" set [screening] unit = "frame" or "none".'
            )
        table, of_rows = tables.segments, tables.of_segments
    else:
        table, of_rows = tables.frames, tables.of_frames
    caller = table["caller_id"].to_numpy(object)
    copied = SOURCE_CALLER in tables.calls
    beside = covariate_columns(tables.calls, settings.covariates, "[screening]", contrasts=True)
    doubled = [name for name in beside if name in tables.markers]
    if doubled:
        raise StudyError(
            f"[screening] covariates: {doubled[0]!r} is the name of a marker too; rename the covariate."
        )
    place = pd.Index(tables.calls["call_id"]).get_indexer(pd.Index(table["call_id"]))
    return ScreeningRows(
        np.hstack([beside.to_numpy(np.float64)[place], table[list(tables.markers)].to_numpy(np.float64)]),
        tables.markers,
        caller,
        of_rows(SOURCE_CALLER).astype(object) if copied else caller,
        of_rows("y").astype(np.int64),
        tuple(map(str, beside)),
    )


def screen_all(
    rows: ScreeningRows,
    settings: ScreeningSettings,
    most_folds: int,
    class_prior: float | None,
    seed: int,
    weighted: bool = False,
) -> Screening:
    """Run the Lasso on rows, all of which may be seen; its folds keep each person together.

    Callers weigh alike where a class prior is given, and where `weighted` says so without one.
    """
    k = lasso_folds(rows.person, rows.y, most_folds)
    weighted = weighted or class_prior is not None
    weights = training_weights(rows.caller, rows.y, class_prior) if weighted else None
    return screen(
        rows.table,
        rows.markers,
        rows.y,
        caller_folds(rows.person, rows.y, k=k, seed=seed),
        weights=weights,
        rule=settings.rule,
        callers=rows.person,
        prior=class_prior,
        covariates=rows.covariates,
    )


def lasso_folds(caller: NDArray[np.object_], y: NDArray[np.int64], most: int) -> int:
    """Return the number of folds: at most the callers in the smaller class, so that each can hold both."""
    smaller = min(len(set(caller[y == outcome])) for outcome in (0, 1))
    return max(LEAST_FOLDS, min(most, smaller))


def screen_training_sets(
    rows: ScreeningRows,
    sets: Sequence[TrainingSet],
    settings: ScreeningSettings,
    most_folds: int,
    seed: int,
    fast: bool,
    jobs: int,
) -> list[Selection]:
    """Run the Lasso inside each training set, the same whatever `jobs` and however sets are batched.

    The folds of the Lasso follow from `seed` and from which callers may be seen, so that training sets with
    the same callers (they occur across outer folds) share one Lasso. With `fast`, a training set of the inner
    loop is screened on its outer training set (its own callers and those it assesses), and the provenance
    says so.
    """
    from joblib import Parallel, delayed

    seen = [
        tuple(
            sorted({*asked.train, *asked.assess} if fast and not asked.key.endswith("outer") else asked.train)
        )
        for asked in sets
    ]
    tasks = [(callers, asked.class_prior, asked.weighted) for callers, asked in zip(seen, sets, strict=True)]
    ordered = sorted(set(tasks), key=lambda task: (task[0], task[1] or 0.0, task[2]))
    found = Parallel(n_jobs=max(1, min(jobs, len(ordered))))(
        delayed(_screen_one)(rows, callers, prior, weighted, _seed_of(callers, seed), settings, most_folds)
        for callers, prior, weighted in ordered
    )
    selections = dict(zip(ordered, found, strict=True))
    return [Selection(selections[task], task[0]) for task in tasks]


def _seed_of(callers: tuple[str, ...], seed: int) -> int:
    """Return a seed that depends on the study's seed and on the set of callers alone."""
    digest = hashlib.sha256("\0".join((str(seed), *callers)).encode()).digest()
    return int.from_bytes(digest[:8], "little")


def _screen_one(
    rows: ScreeningRows,
    callers: tuple[str, ...],
    class_prior: float | None,
    weighted: bool,
    seed: int,
    settings: ScreeningSettings,
    most_folds: int,
) -> tuple[str, ...]:
    kept = np.isin(rows.caller.astype(str), np.array(callers, dtype=str))
    return screen_all(rows.take(kept), settings, most_folds, class_prior, seed, weighted).selected
