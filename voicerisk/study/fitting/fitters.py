"""Refitting gamboost for validation: what is learned where, many folds at once, finished folds kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from voicerisk.models import (
    BoostData,
    BoostSettings,
    JointLanes,
    Lane,
    LanePath,
    LazyLanes,
    fit_jointly,
    fit_jointly_by_joblib,
    fit_lanes,
    fit_lanes_by_joblib,
    held_out_path,
    learners_for,
)
from voicerisk.pipeline.cluster import cluster_cores
from voicerisk.pipeline.kept_steps import keep_step, kept_step
from voicerisk.screening import ScreeningSettings
from voicerisk.study.fitting.boost_rows import FrameRows
from voicerisk.study.fitting.design import FRAME_KEYS, ModelTables
from voicerisk.study.fitting.fit_queue import Counted, Wanted, fit_wanted
from voicerisk.study.fitting.screening import Selection, screen_training_sets, screening_rows
from voicerisk.types import Progress
from voicerisk.validation import FittedPath, TrainingSet, training_weights

LANES_AT_ONCE = 4096  # folds that are laid side by side: the more there are, the more alike are neighbours
FEW_AT_ONCE = 32  # a process: Lassos before they are written, folds that may halt early


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
        counted = Counted(len(sets), self.screens, True, progress)
        size = FEW_AT_ONCE * max(self.jobs, 2 * cluster_cores())
        if self.patience is None:
            size = max(size, LANES_AT_ONCE)
        for batch in _batches(sets, size):
            missing = [family for family in batch if not all(self.has(asked) for asked in family)]
            if self.patience is None:  # each fit stands alone
                missing = [[asked] for family in missing for asked in family if not self.has(asked)]
            counted.found(sum(map(len, batch)) - sum(map(len, missing)))
            self._fit(missing, rows, counted)
            for asked in (asked for family in batch for asked in family):
                path = self._assess(asked, rows)
                counted.assessed()
                yield path

    def refit(self, asked: TrainingSet, selected: tuple[str, ...]) -> LanePath:
        """Return one training set's path again, on markers chosen before; nothing is read or written."""
        rows = FrameRows.of(self.tables)
        [path] = self.boosted(rows.data, [self.lane(asked, Selection(selected, ()), rows)])
        return path

    def wanted(self, sets: Sequence[TrainingSet], rows: FrameRows, counted: Counted) -> list[Wanted]:
        """Return what is to be fitted of the training sets, after their Lassos."""
        return [Wanted(self, rows, asked, chosen) for asked, chosen in self._selections(sets, counted)]

    def fitted(self, asked: TrainingSet) -> LanePath:
        """Return the kept path of a training set, with the rows of all frames."""
        return LanePath.from_npz(self.file(asked), FrameRows.of(self.tables).data)

    def file(self, asked: TrainingSet) -> Path:
        """Return where the path of a training set is kept."""
        return self.checkpoints / f"{asked.key}.npz"

    def has(self, asked: TrainingSet) -> bool:
        """Say whether a training set's path is kept."""
        return kept_step(self.file(asked).with_suffix(".json")) is not None

    def _fit(self, families: Sequence[Sequence[TrainingSet]], rows: FrameRows, counted: Counted) -> None:
        wanted = self.wanted([asked for family in families for asked in family], rows, counted)
        if not wanted:
            return
        if self.patience is None or not all(_is_tuned(family) for family in families):
            fit_wanted(wanted, rows.data, counted.fitted)
            return
        left = iter(wanted)
        own = [[next(left) for _ in family] for family in families]
        for family, paths in zip(own, self._boost_jointly(own, rows), strict=True):
            for one, path in zip(family, paths, strict=True):
                one.keep(path)
                counted.fitted()

    def boosted(self, data: BoostData, lanes: Sequence[Lane]) -> Iterator[LanePath]:
        """Fit lanes, in order, where the study says."""
        if self.boost.engine == "mboost":
            from voicerisk.models.boosting.mboost import fit_mboost

            return fit_mboost(data, lanes, self.mstop, self.boost.nu, self.jobs)
        if cluster_cores():
            return fit_lanes_by_joblib(data, lanes, self.mstop, self.boost.nu)
        return fit_lanes(data, lanes, mstop=self.mstop, nu=self.boost.nu, threads=self.jobs)

    def _boost_jointly(
        self, families: Sequence[Sequence[Wanted]], rows: FrameRows
    ) -> Iterator[list[LanePath]]:
        """Fit each outer fold's models until the deviance that tunes them has turned."""
        assert self.patience is not None

        def joined(family: Sequence[Wanted]) -> JointLanes:
            *inner, outer = family
            train = rows.callers.isin(outer.asked.train)[rows.data.caller]
            weight = np.zeros(rows.data.n)
            prior = outer.asked.class_prior or 0.5
            weight[train] = training_weights(rows.data.caller[train], rows.y[train], prior)
            held_out = tuple(
                np.flatnonzero(rows.callers.isin(one.asked.assess)[rows.data.caller]) for one in inner
            )
            lanes = LazyLanes(lambda number: inner[number].lane(rows.data), len(inner))
            return JointLanes(
                lanes, held_out, tuple(weight[part] for part in held_out), outer.lane(rows.data)
            )

        sets = [joined(family) for family in families]
        steps = (self.mstop, self.boost.nu, self.patience)
        if cluster_cores():
            return fit_jointly_by_joblib(rows.data, sets, *steps)
        return fit_jointly(rows.data, sets, *steps, threads=self.jobs)

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers that are screened, or that are all in the model where nothing is."""
        return self.tables.markers

    @property
    def screens(self) -> bool:
        """Whether a Lasso runs inside every training set."""
        return self.learned.screening is None and self.screening.unit != "none"

    def _selections(
        self, sets: Sequence[TrainingSet], counted: Counted
    ) -> Iterator[tuple[TrainingSet, Selection]]:
        """Yield each training set with its markers; a Lasso's are kept, so that a killed run finds them."""
        if not self.screens:
            counted.screened(len(sets))
            yield from zip(sets, self._select(sets), strict=True)
            return
        files = {asked: self.file(asked).with_suffix(".lasso.json") for asked in sets}
        found = {asked: kept for asked, file in files.items() if (kept := kept_step(file)) is not None}
        todo = [asked for asked in sets if asked not in found]
        counted.screened(len(sets) - len(todo))
        size = FEW_AT_ONCE * max(self.jobs, 2 * cluster_cores())
        for start in range(0, len(todo), size):
            some = todo[start : start + size]
            for asked, chosen in zip(some, self._select(some), strict=True):
                found[asked] = {"markers": chosen.markers, "callers": chosen.callers}
                keep_step(files[asked], found[asked])
                counted.screened()
        for asked in sets:
            yield asked, Selection(tuple(found[asked]["markers"]), tuple(found[asked]["callers"]))

    def _select(self, sets: Sequence[TrainingSet]) -> list[Selection]:
        if self.learned.screening is not None:
            everyone = tuple(self.tables.calls["caller_id"].unique())
            return [Selection(self.learned.screening, everyone) for _ in sets]
        if self.screening.unit == "none":
            return [Selection(self.markers, ()) for _ in sets]
        rows = screening_rows(replace(self.tables, markers=self.markers), self.screening)
        return screen_training_sets(
            rows, sets, self.screening, self.inner_folds, self.seed, self.learned.fast, self.jobs
        )

    def lane(self, asked: TrainingSet, chosen: Selection, rows: FrameRows) -> Lane:
        """Return one training set's fit, with the markers chosen for it."""
        learned = rows.callers.isin(asked.train)
        train = learned[rows.data.caller]
        weights = train.astype(np.float64)
        if asked.weighted:
            weights[train] = training_weights(rows.data.caller[train], rows.y[train], asked.class_prior)
        learners = learners_for(
            chosen.markers,
            rows.has_missing,
            rows.moderator_of(learned),
            by_sex=self.boost.by_sex,
            brandom=self.boost.brandom,
            common=self.boost.common,
            covariates=rows.covariates,
            df=self.boost.df,
            knots=self.boost.knots,
        )
        return Lane(
            asked.key, weights, learners, boundary=self.learned.boundary, outside=self.learned.outside
        )

    def _assess(self, asked: TrainingSet, rows: FrameRows) -> FittedPath:
        path = LanePath.from_npz(self.file(asked), rows.data)
        kept = kept_step(self.file(asked).with_suffix(".json"))
        assert kept is not None  # fitted or found before it is assessed
        assessed = set(asked.assess)
        calls = [call for call, caller in rows.caller_of_call.items() if caller in assessed]
        score, deviance = held_out_path(path, [rows.rows_of_call[call] for call in calls])
        where = np.concatenate([rows.rows_of_call[call] for call in calls])

        def frame_scores(step: int) -> pd.DataFrame:
            keys = self.tables.frames.iloc[where][[key for key in FRAME_KEYS if key != "caller_id"]]
            return keys.assign(p_raw=expit(path.link(where, step))).reset_index(drop=True)

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


def fit_together(
    asked: Sequence[tuple[GamboostFitter, Sequence[TrainingSet]]], progress: Progress | None = None
) -> None:
    """Fit and keep the models of several fitters side by side; each will find its own.

    Parameters
    ----------
    asked : sequence of (GamboostFitter, sequence of TrainingSet)
        Fitters of the native engine that share frames and steps; outcomes, learners and folders may differ.
    progress : callable, optional
        Called as progress(models fitted or found, all models).
    """
    first = asked[0][0]
    rows = FrameRows.of(first.tables)
    total = sum(len(sets) for _, sets in asked)
    counted = Counted(total, any(fitter.screens for fitter, _ in asked), False, progress)
    wanted: list[Wanted] = []
    for fitter, sets in asked:
        own = rows if fitter is first else rows.with_outcomes(fitter.tables)
        missing = [one for one in sets if not fitter.has(one)]
        counted.found(len(sets) - len(missing))
        wanted += fitter.wanted(missing, own, counted)
    if wanted:
        fit_wanted(wanted, rows.data, counted.fitted)


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
