"""Refitting gamboost for validation: what is learned where, many folds at once, finished folds kept."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.files import PRIVATE, write_json
from voicerisk.models import (
    BoostData,
    BoostSettings,
    JointLanes,
    Lane,
    LanePath,
    fit_jointly,
    fit_jointly_by_joblib,
    fit_lanes,
    fit_lanes_by_joblib,
    learners_for,
)
from voicerisk.screening import ScreeningSettings
from voicerisk.study.cluster import cluster_cores
from voicerisk.study.design import FRAME_KEYS, ModelTables
from voicerisk.study.screening import Selection, screen_training_sets, screening_rows
from voicerisk.validation import FittedPath, Progress, TrainingSet, training_weights

SEX_CODES = {"female": 0, "male": 1}
# Folds a thread that are fitted before they are written: enough to fill the engine's lanes, few enough for
# memory.
LANES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class LearnedWhere:
    """The switches between the published and the nested protocol that concern the model itself.

    Attributes
    ----------
    screening : tuple of str or None
        Markers chosen beforehand on all data (published); None screens inside every training set (nested).
    boundary : {'all', 'train'}
        Rows whose range sets the knots.
    outside : {'extrapolate', 'clamp'}
        What becomes of held-out values beyond the knots.
    fast : bool
        Screen the inner folds on the outer training set.
    """

    screening: tuple[str, ...] | None
    boundary: str
    outside: str
    fast: bool = False


@dataclass(frozen=True, slots=True)
class GamboostFitter:
    """Fits one gamboost a training set; an instance is the `FitPaths` that validation asks for.

    Attributes
    ----------
    tables : ModelTables
    boost : BoostSettings
    screening : ScreeningSettings
    inner_folds : int
        Largest number of caller-grouped folds of the Lasso.
    learned : LearnedWhere
    mstop : int
        Length of the path.
    checkpoints : Path
        Folder for finished fits; what is found there is not fitted again.
    seed : int
        Of the Lasso's folds.
    jobs : int
        Processes for the Lasso, threads for boosting; inside `on_cluster` both are the cluster's tasks. The
        result does not depend on it.
    patience : int, optional
        Steps after which the inner folds of an outer fold halt together, if their summed held-out deviance
        has found no new minimum; only for a protocol that takes its number of steps from that deviance.
    """

    tables: ModelTables
    boost: BoostSettings
    screening: ScreeningSettings
    inner_folds: int
    learned: LearnedWhere
    mstop: int
    checkpoints: Path
    seed: int
    jobs: int = 1
    patience: int | None = None

    def __call__(self, sets: Sequence[TrainingSet], progress: Progress | None = None) -> Iterator[FittedPath]:
        """Yield the fitted path of each training set, in order."""
        rows = FrameRows.of(self.tables)
        number = 0
        for batch in _batches(sets, LANES_AT_ONCE * max(self.jobs, 2 * cluster_cores())):
            missing = [family for family in batch if not all(self._file(asked).exists() for asked in family)]
            if self.patience is None:  # each fit stands alone
                missing = [
                    [asked] for family in missing for asked in family if not self._file(asked).exists()
                ]
            self._fit(missing, rows)
            for asked in (asked for family in batch for asked in family):
                yield self._assess(asked, rows)
                number += 1
                if progress:
                    progress(number, len(sets))

    def refit(self, asked: TrainingSet, selected: tuple[str, ...]) -> LanePath:
        """Return one training set's path again, on markers chosen before; nothing is read or written."""
        rows = FrameRows.of(self.tables)
        [path] = self._boost(rows.data, [self._lane(asked, Selection(selected, ()), rows)])
        return path

    def _file(self, asked: TrainingSet) -> Path:
        return self.checkpoints / f"{asked.key}.npz"

    def _fit(self, families: Sequence[Sequence[TrainingSet]], rows: "FrameRows") -> None:
        sets = [asked for family in families for asked in family]
        if not sets:
            return
        selections = self._select(sets)
        lanes = [self._lane(asked, chosen, rows) for asked, chosen in zip(sets, selections, strict=True)]
        joint = [self.patience is not None and _is_tuned(family) for family in families]
        if all(joint):
            paths = self._boost_jointly(rows, families, lanes)
        else:
            paths = self._boost(rows.data, lanes)
        for asked, chosen, lane, path in zip(sets, selections, lanes, paths, strict=True):
            notes = {
                "selected": chosen.markers,
                "screened_on": chosen.callers,
                # What the fit saw, read off its weights, not off what was asked for.
                "fitted_on": sorted(rows.callers[np.unique(rows.data.caller[lane.weights > 0])]),
            }
            write_json(self._file(asked).with_suffix(".json"), notes, PRIVATE)
            path.to_npz(self._file(asked))

    def _boost(self, data: BoostData, lanes: Sequence[Lane]) -> Iterator[LanePath]:
        if self.boost.engine == "mboost":
            from voicerisk.models.mboost_engine import fit_mboost

            return fit_mboost(data, lanes, self.mstop, self.boost.nu, self.jobs)
        if cluster_cores():
            return fit_lanes_by_joblib(data, lanes, self.mstop, self.boost.nu)
        return fit_lanes(data, lanes, mstop=self.mstop, nu=self.boost.nu, threads=self.jobs)

    def _boost_jointly(
        self, rows: "FrameRows", families: Sequence[Sequence[TrainingSet]], lanes: Sequence[Lane]
    ) -> Iterator[LanePath]:
        """Fit each outer fold's models until the deviance that tunes them has turned."""
        assert self.patience is not None
        left = iter(lanes)
        sets = []
        for family in families:
            *inner, outer = family
            train = rows.callers.isin(outer.train)[rows.data.caller]
            weight = np.zeros(rows.data.n)
            weight[train] = training_weights(rows.data.caller[train], rows.y[train], outer.class_prior or 0.5)
            held_out = tuple(
                np.flatnonzero(rows.callers.isin(asked.assess)[rows.data.caller]) for asked in inner
            )
            own = [next(left) for _ in family]
            sets.append(JointLanes(own[:-1], held_out, tuple(weight[part] for part in held_out), own[-1]))
        steps = (self.mstop, self.boost.nu, self.patience)
        if cluster_cores():
            fitted = fit_jointly_by_joblib(rows.data, sets, *steps)
        else:
            fitted = fit_jointly(rows.data, sets, *steps, threads=self.jobs)
        return (path for paths in fitted for path in paths)

    def _select(self, sets: Sequence[TrainingSet]) -> list[Selection]:
        if self.learned.screening is not None:
            everyone = tuple(self.tables.calls["caller_id"].unique())
            return [Selection(self.learned.screening, everyone) for _ in sets]
        if self.screening.unit == "none":
            return [Selection(self.tables.markers, ()) for _ in sets]
        rows = screening_rows(self.tables, self.screening.unit)
        return screen_training_sets(
            rows, sets, self.screening, self.inner_folds, self.seed, self.learned.fast, self.jobs
        )

    def _lane(self, asked: TrainingSet, chosen: Selection, rows: "FrameRows") -> Lane:
        train = rows.callers.isin(asked.train)[rows.data.caller]
        weights = train.astype(np.float64)
        if asked.class_prior is not None:
            weights[train] = training_weights(rows.data.caller[train], rows.y[train], asked.class_prior)
        learners = learners_for(
            chosen.markers,
            rows.has_missing,
            sexes=rows.sexes,
            by_sex=self.boost.by_sex,
            brandom=self.boost.brandom,
            df=self.boost.df,
            knots=self.boost.knots,
        )
        return Lane(
            asked.key, weights, learners, boundary=self.learned.boundary, outside=self.learned.outside
        )

    def _assess(self, asked: TrainingSet, rows: "FrameRows") -> FittedPath:
        path = LanePath.from_npz(self._file(asked), rows.data)
        kept = json.loads(self._file(asked).with_suffix(".json").read_text(encoding="utf-8"))
        assessed = set(asked.assess)
        calls = [call for call, caller in rows.caller_of_call.items() if caller in assessed]
        score, deviance = path.held_out_path([rows.rows_of_call[call] for call in calls])
        where = np.concatenate([rows.rows_of_call[call] for call in calls])

        def frame_scores(step: int) -> pd.DataFrame:
            keys = self.tables.frames.iloc[where][[key for key in FRAME_KEYS if key != "caller_id"]]
            return keys.assign(p_raw=1.0 / (1.0 + np.exp(-path.link(where, step)))).reset_index(drop=True)

        fitted_on = tuple(kept["fitted_on"])
        provenance = {"boost": fitted_on}
        if kept["screened_on"]:
            provenance["screening"] = tuple(kept["screened_on"])
        everyone = tuple(self.tables.calls["caller_id"].unique())
        provenance["knots"] = fitted_on if self.learned.boundary == "train" else everyone
        return FittedPath(
            key=asked.key,
            call_ids=tuple(calls),
            call_score=score,
            call_deviance=deviance,
            provenance=provenance,
            notes={
                "selected": tuple(kept["selected"]),
                "left_out": path.left_out,
                "clamped": path.shares_outside(rows.data.take(where)),
            },
            frame_scores=frame_scores,
        )


def _batches(sets: Sequence[TrainingSet], size: int) -> Iterator[list[list[TrainingSet]]]:
    """Yield batches of about `size` sets; those of one outer fold, which follow each other, stay together."""
    batch: list[list[TrainingSet]] = []
    for _, family in groupby(sets, key=lambda asked: asked.key.rpartition("/")[0]):
        own = list(family)
        if batch and sum(map(len, batch)) + len(own) > size:
            yield batch
            batch = []
        batch.append(own)
    if batch:
        yield batch


def _is_tuned(family: Sequence[TrainingSet]) -> bool:
    """Return whether these are the inner folds of an outer fold, and its own model last."""
    return (
        len(family) > 1
        and family[-1].class_prior is not None
        and family[-1].key.endswith("/outer")
        and not any(asked.key.endswith("/outer") for asked in family[:-1])
    )


@dataclass(frozen=True, slots=True, eq=False)
class FrameRows:
    """The frames as the boosting engine takes them, and where each call's rows are.

    Attributes
    ----------
    data : BoostData
    y : ndarray of int, shape (n,)
    callers : Index
        Callers in the order of their codes in `data`.
    caller_of_call : dict
        Call -> caller, in the order of the calls table.
    rows_of_call : dict
        Call -> row numbers.
    has_missing : tuple of str
        Markers with missing values.
    sexes : tuple of int
        Sex codes that occur.
    """

    data: BoostData
    y: NDArray[np.int64]
    callers: pd.Index
    caller_of_call: dict[str, str]
    rows_of_call: dict[str, NDArray[np.int64]]
    has_missing: tuple[str, ...]
    sexes: tuple[int, ...]

    @classmethod
    def of(cls, tables: ModelTables) -> "FrameRows":
        """Arrange the frames of the model tables."""
        frames, calls = tables.frames, tables.calls
        callers = pd.Index(calls["caller_id"].unique())
        sex = np.array([SEX_CODES[value] for value in tables.of_frames("sex")], dtype=np.int8)
        y = tables.of_frames("y").astype(np.int64)
        data = BoostData(
            columns={marker: frames[marker].to_numpy(np.float64) for marker in tables.markers},
            sex=sex,
            y=y.astype(np.int8),
            caller=callers.get_indexer(pd.Index(frames["caller_id"])).astype(np.int32),
        )
        groups = frames.groupby("call_id", sort=False).indices
        return cls(
            data=data,
            y=y,
            callers=callers,
            caller_of_call=dict(zip(calls["call_id"], calls["caller_id"], strict=True)),
            rows_of_call={call: np.asarray(groups[call], np.int64) for call in calls["call_id"]},
            has_missing=tuple(marker for marker in tables.markers if frames[marker].isna().any()),
            sexes=tuple(sorted({int(code) for code in np.unique(sex)})),
        )
