"""Refits of the audit: the nested pipeline, and its departures from honesty, one switch at a time."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from voicerisk.callers.streams import Stream, generator
from voicerisk.models import Lane, Learner, fit_lanes, held_out_path
from voicerisk.models.calls.features import DrawnCalls
from voicerisk.pipeline.results_folder import fingerprint
from voicerisk.screening import screen
from voicerisk.study.fitting.boost_rows import FrameRows
from voicerisk.study.fitting.design import ModelTables
from voicerisk.study.fitting.family import FamilyFitter, call_frames, members_of, takes_gamboost
from voicerisk.study.fitting.fitters import GamboostFitter, fit_together
from voicerisk.study.fitting.screening import (
    SOURCE_CALLER,
    Selection,
    lasso_folds,
    screen_all,
    screening_rows,
)
from voicerisk.study.protocols import family_of, fitter_of
from voicerisk.study.settings import Study
from voicerisk.types import Progress
from voicerisk.validation import FitPaths, FitSwitches, FittedPath, TrainingSet, training_weights

CALLER_EFFECT = "caller_effect"
ROW_FOLDS = 10
NEWTON_STEPS = 50


class CallerEffectFitter(GamboostFitter):
    """Adds a linear learner of each caller's effect, which was estimated with everyone's outcome."""

    __slots__ = ()

    @property
    def markers(self) -> tuple[str, ...]:
        """The study's own markers: the caller effect is no marker, which would give it splines as well."""
        return tuple(marker for marker in self.tables.markers if marker != CALLER_EFFECT)

    def lane(self, asked: TrainingSet, chosen: Selection, rows: FrameRows) -> Lane:
        """Return one training set's fit, with the caller effect."""
        lane = super().lane(asked, chosen, rows)
        return replace(lane, learners=(*lane.learners, Learner("bols", CALLER_EFFECT)))


@dataclass(frozen=True)
class AuditFits:
    """Makes the refits of an audit; an instance is the `MakeFitter` that the ladder asks for.

    Attributes
    ----------
    study : Study
    tables : ModelTables
    place : Path
        Folder for finished fits. Rungs that share their models find them there.
    jobs : int
    tick : callable
        Called once for each model that was fitted or found.
    """

    study: Study
    tables: ModelTables
    place: Path
    jobs: int
    tick: Callable[[], None]
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _made: dict[str, tuple[GamboostFitter, dict[str, tuple[str, ...]]]] = field(default_factory=dict)

    def __call__(self, switches: FitSwitches, calls: pd.DataFrame) -> FitPaths:
        """Return the refit function of the switches on a table of calls, which may be a subset or permuted.

        Parameters
        ----------
        switches : FitSwitches
        calls : DataFrame
            call_id, caller_id, y; where a call is a copy of another, `source_call_id` names the recording and
            `source_caller_id` the person, whose copies no fold parts.
        """
        light = self._calls_only(switches)
        tables = self._calls_of(calls) if light else self._tables_of(calls)

        def fit(sets: Sequence[TrainingSet], progress: Progress | None) -> Iterator[FittedPath]:
            if light:
                mark, asked = self._mark(switches, tables, sets), _shared(sets)
                seen: dict[str, tuple[str, ...]] = {}
                fitter: FitPaths = self._family(tables, calls)
            else:
                mark, boosted, seen, asked = self._plan(switches, tables, sets)
                alone = self._is_boosted(switches)
                fitter = boosted if alone else family_of(self.study, tables, boosted)
            paths = fitter(asked, self._ticks([(mark, one) for one in asked]))
            for one, path in zip(sets, paths, strict=True):
                yield replace(path, key=one.key, provenance={**path.provenance, **seen})

        return fit

    def _is_boosted(self, switches: FitSwitches) -> bool:
        """Whether these switches ask for gamboost alone: liberties with the model are liberties with it."""
        own = FitSwitches(row_weights=switches.row_weights)
        return switches != own or not self._members

    def _calls_only(self, switches: FitSwitches) -> bool:
        """Whether these switches ask for call models with no gamboost beside them."""
        return not self._is_boosted(switches) and not takes_gamboost(self.study.validation.family)

    @property
    def _members(self) -> tuple[str, ...]:
        return members_of(self.study.validation.family, self.tables.moderator)

    def _family(self, tables: ModelTables, calls: pd.DataFrame) -> FamilyFitter:
        forced = tables.covariates if self.study.boost.forced else ()
        drawn = None
        if "source_call_id" in calls:
            place = pd.Index(self.tables.calls["call_id"]).get_indexer(pd.Index(calls["source_call_id"]))
            drawn = DrawnCalls(call_frames(self.tables), place.astype(np.int64))
        return FamilyFitter(tables, self._members, forced=forced, drawn=drawn)

    def honest(self, calls: pd.DataFrame) -> FitPaths:
        """Return the refit function of the honest pipeline."""
        return self(FitSwitches(), calls)

    def ahead(self, wanted: Sequence[tuple[FitSwitches, pd.DataFrame, Sequence[TrainingSet]]]) -> None:
        """Fit models of several tables of calls side by side; their refit functions will find them.

        Finished fits of other tables are removed.

        Parameters
        ----------
        wanted : sequence of (FitSwitches, DataFrame, sequence of TrainingSet)
        """
        alike: dict[tuple[object, ...], list[tuple[str, GamboostFitter, list[TrainingSet]]]] = {}
        marks = set()
        for switches, calls, sets in wanted:
            tables = self._tables_of(calls)
            if self._calls_only(switches):  # they take next to no time
                continue
            # A column of its own, or another engine: these are fitted when they are asked for.
            if switches.caller_effect == "all_data" or self.study.boost.engine != "native":
                marks.add(self._mark(switches, tables, sets))
                continue
            mark, fitter, _, asked = self._plan(switches, tables, sets)
            marks.add(mark)
            key = (id(fitter.tables.frames), fitter.mstop)
            alike.setdefault(key, []).append((mark, fitter, asked))
        for folder in self.place.glob("*"):
            if folder.name not in marks:
                shutil.rmtree(folder, ignore_errors=True)
                self._made.pop(folder.name, None)
        for group in alike.values():
            models = [(mark, one) for mark, _, sets in group for one in sets]
            fit_together([(fitter, sets) for _, fitter, sets in group], self._ticks(models))

    def forget(self) -> None:
        """Remove finished fits, once what was made of them is kept."""
        shutil.rmtree(self.place, ignore_errors=True)
        self._seen.clear()
        self._made.clear()

    def _mark(self, switches: FitSwitches, tables: ModelTables, sets: Sequence[TrainingSet]) -> str:
        who = tables.calls[["call_id", "caller_id", "y"]].to_csv(index=False)
        first = sets[0]  # all sets of one protocol are weighted alike
        weights = first.class_prior, first.weighted
        return fingerprint(who=who, switches=switches, weights=weights)[:16]

    def _plan(
        self, switches: FitSwitches, tables: ModelTables, sets: Sequence[TrainingSet]
    ) -> tuple[str, GamboostFitter, dict[str, tuple[str, ...]], list[TrainingSet]]:
        """Return the name of the models' folder, their fitter, what it saw, and the sets as it knows them."""
        mark = self._mark(switches, tables, sets)
        made = self._made.get(mark)
        if made is None:
            made = self._fitter(switches, tables, sets[0], self.place / mark)
            if switches.caller_effect != "all_data":  # it has frames of its own, which are not kept in memory
                self._made[mark] = made
        fitter, seen = made
        return mark, fitter, seen, _shared(sets)

    def _ticks(self, asked: Sequence[tuple[str, TrainingSet]]) -> Progress:
        """Return what counts models as they are fitted or found, those that were counted before left out."""
        models = {(mark, one.key) for mark, one in asked} - self._seen
        self._seen.update(models)
        before = len(asked) - len(models)
        told = [before]

        def progress(done: int, total: int) -> None:
            while told[0] < done:
                told[0] += 1
                self.tick()

        return progress

    @cached_property
    def _rows(self) -> dict[str, dict[str, NDArray[np.int64]]]:
        """Row numbers of each call in the frames and the segments."""
        return {
            name: {str(call): np.asarray(rows) for call, rows in table.groupby("call_id").indices.items()}
            for name, table in (("frames", self.tables.frames), ("segments", self.tables.segments))
        }

    def _tables_of(self, calls: pd.DataFrame) -> ModelTables:
        source = calls["source_call_id"] if "source_call_id" in calls else calls["call_id"]
        own = self.tables.calls
        if "source_call_id" not in calls and _callers(calls) == _callers(own):
            return replace(self.tables, calls=own.assign(y=own["call_id"].map(_outcomes(calls))))
        names = {key: calls[key].to_numpy(dtype=object) for key in ("call_id", "caller_id")}
        parts = {}
        for name, table in (("frames", self.tables.frames), ("segments", self.tables.segments)):
            rows = [self._rows[name][call] for call in source]
            size = [len(one) for one in rows]
            copied = {key: np.repeat(values, size) for key, values in names.items()}
            parts[name] = table.iloc[np.concatenate(rows)].assign(**copied).reset_index(drop=True)
        return replace(
            self.tables, calls=self._drawn(calls), frames=parts["frames"], segments=parts["segments"]
        )

    def _calls_of(self, calls: pd.DataFrame) -> ModelTables:
        """Return the tables for models of calls, which need no copy of the frames of drawn calls."""
        if "source_call_id" not in calls:
            return self._tables_of(calls)
        return replace(self.tables, calls=self._drawn(calls))

    def _drawn(self, calls: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of `tables.calls` that calls, or their sources, stand for, under own names."""
        source = calls["source_call_id"] if "source_call_id" in calls else calls["call_id"]
        drawn = self.tables.calls.set_index("call_id").loc[source].reset_index(drop=True)
        names = {key: calls[key].to_numpy(dtype=object) for key in ("call_id", "caller_id")}
        drawn = drawn.assign(**names, y=calls["y"].to_numpy())
        if SOURCE_CALLER in calls:
            drawn[SOURCE_CALLER] = calls[SOURCE_CALLER].to_numpy(dtype=object)
        return drawn

    def _fitter(
        self, switches: FitSwitches, tables: ModelTables, asked: TrainingSet, place: Path
    ) -> tuple[GamboostFitter, dict[str, tuple[str, ...]]]:
        """Return the fitter, and what was learned from everyone beside what it says itself.

        What is learned from everyone weighs rows as `asked` does.
        """
        everyone = tuple(tables.calls["caller_id"].unique())
        seen: dict[str, tuple[str, ...]] = {}
        fitter = fitter_of(self.study, "nested", tables, (), place, self.jobs)
        learned = fitter.learned
        if switches.global_scaling:
            learned = replace(learned, boundary="all")
        # Where nothing is screened nobody's outcome enters through it.
        if switches.global_screening and self.study.screening.unit != "none":
            chosen = self._screened(tables, asked, switches.row_lambda)
            learned = replace(learned, screening=chosen)
        fitter = replace(fitter, learned=learned)
        if switches.row_steps:
            chosen = tables.markers if learned.screening is None else learned.screening
            fitter = replace(fitter, mstop=steps_by_row_folds(fitter, chosen, asked))
            seen["mstop"] = everyone
        if switches.caller_effect == "brandom":
            fitter = replace(fitter, boost=replace(fitter.boost, brandom=True))
        if switches.caller_effect == "all_data":
            effect = tables.frames["caller_id"].map(caller_effects(tables)).to_numpy()
            tables = replace(
                tables,
                frames=tables.frames.assign(**{CALLER_EFFECT: effect}),
                markers=(*tables.markers, CALLER_EFFECT),
            )
            values = {name: getattr(fitter, name) for name in GamboostFitter.__dataclass_fields__}
            fitter = CallerEffectFitter(**{**values, "tables": tables})
            seen[CALLER_EFFECT] = everyone
        return fitter, seen

    def _screened(self, tables: ModelTables, asked: TrainingSet, row_lambda: bool) -> tuple[str, ...]:
        """Run the Lasso on everyone; with `row_lambda` its lambda comes from folds that callers straddle."""
        settings, most = self.study.screening, self.study.validation.inner_folds
        seed, prior = self.study.validation.seed, asked.class_prior
        rows = screening_rows(tables, settings)
        if not row_lambda:
            return screen_all(rows, settings, most, prior, seed, asked.weighted).selected
        weights = training_weights(rows.caller, rows.y, prior) if asked.weighted else None
        folds = _row_folds(len(rows.y), lasso_folds(rows.caller, rows.y, most), seed)
        # The prior held in every fold, as in `screen_all`: only who sits in which fold differs.
        chosen = screen(
            rows.table, rows.markers, rows.y, folds, weights=weights, rule=settings.rule, prior=prior,
            covariates=rows.covariates,
        )  # fmt: skip
        return chosen.selected


def _shared(sets: Sequence[TrainingSet]) -> list[TrainingSet]:
    """Return the sets without the rung's name, so that rungs that ask for the same model share it."""
    return [replace(one, key=one.key.partition("/")[2]) for one in sets]


def _callers(calls: pd.DataFrame) -> dict[str, str]:
    return dict(zip(calls["call_id"], calls["caller_id"], strict=True))


def _outcomes(calls: pd.DataFrame) -> dict[str, int]:
    return dict(zip(calls["call_id"], calls["y"], strict=True))


def _row_folds(n: int, k: int, seed: int) -> NDArray[np.int64]:
    rng = generator(Stream.ROW_FOLDS, seed)
    return np.asarray(rng.permutation(n) % k)


def steps_by_row_folds(fitter: GamboostFitter, chosen: tuple[str, ...], asked: TrainingSet) -> int:
    """Choose the number of boosting steps on folds over rows of everyone, as row-wise `cvrisk` does.

    Parameters
    ----------
    fitter : GamboostFitter
    chosen : tuple of str
        Markers of the model.
    asked : TrainingSet
        How rows are weighted.

    Returns
    -------
    int
        Steps with the smallest weighted deviance of held-out rows.
    """
    rows = FrameRows.of(fitter.tables)
    everyone = tuple(rows.callers)
    whole = fitter.lane(
        replace(asked, key="rows", train=everyone, assess=()), Selection(chosen, everyone), rows
    )
    fold = _row_folds(rows.data.n, ROW_FOLDS, fitter.seed)
    lanes = [replace(whole, key=f"rows {k}", weights=whole.weights * (fold != k)) for k in range(ROW_FOLDS)]
    total: NDArray[np.float64] = np.zeros(fitter.mstop + 1)
    paths = fit_lanes(rows.data, lanes, mstop=fitter.mstop, nu=fitter.boost.nu, threads=fitter.jobs)
    for k, path in enumerate(paths):
        # Rows of one caller weigh alike, so that a group is a caller's held-out rows.
        held = np.flatnonzero(fold == k)
        order = held[np.argsort(rows.data.caller[held], kind="stable")]
        starts = np.flatnonzero(np.diff(rows.data.caller[order], prepend=-1))
        groups = np.split(order, starts[1:])
        _, deviance = held_out_path(path, groups)
        total += np.array([whole.weights[group].sum() for group in groups]) @ deviance
    return int(np.argmin(total))


def caller_effects(tables: ModelTables) -> dict[str, float]:
    """Estimate each caller's effect with everyone's outcome: a logistic random intercept of variance 1.

    It is what a GAMM's random intercept adds where the markers explain nothing: the posterior mode of u in
    logit P(y) = b + u over the caller's segments. A caller of one outcome gets the sign of this outcome.

    Parameters
    ----------
    tables : ModelTables

    Returns
    -------
    dict
        caller_id -> effect in log-odds.
    """
    y = pd.Series(tables.of_segments("y").astype(float))
    by_caller = y.groupby(tables.segments["caller_id"].to_numpy())
    n, positive = by_caller.size().to_numpy(float), by_caller.sum().to_numpy()
    share = positive.sum() / n.sum()
    base = np.log(share / (1.0 - share))
    effect = np.zeros(len(n))
    for _ in range(NEWTON_STEPS):
        p = expit(base + effect)
        step = (positive - n * p - effect) / (n * p * (1.0 - p) + 1.0)
        effect += np.clip(step, -1.0, 1.0)
    return dict(zip(by_caller.size().index.astype(str), effect, strict=True))


def thinned(tables: ModelTables, frames_per_caller: int) -> ModelTables:
    """Keep at most so many frames a caller, evenly spaced over the caller's frames in time.

    Segment means, on which the screening runs, stay those of all frames.
    """
    frames = tables.frames
    place = frames.groupby("caller_id", sort=False).cumcount().to_numpy()
    size = frames.groupby("caller_id", sort=False)["call_id"].transform("size").to_numpy()
    wanted = np.minimum(size, frames_per_caller)
    # Row i of n is kept where i * wanted / n enters a new whole number.
    kept = (place * wanted) // size != ((place - 1) * wanted) // size
    # A call that would lose all its frames keeps its first.
    kept |= ~frames["call_id"].duplicated().to_numpy() & ~(
        pd.Series(kept).groupby(frames["call_id"].to_numpy()).transform("any").to_numpy()
    )
    frames = frames[kept].reset_index(drop=True)
    n_frames = tables.calls["call_id"].map(frames.groupby("call_id").size()).astype(int)
    return replace(tables, frames=frames, calls=tables.calls.assign(n_frames=n_frames))


def by_segment(tables: ModelTables) -> ModelTables:
    """Make a call of every segment that has frames; `of_call` names the call it belongs to.

    Segments that thinning left without frames are left out.
    """
    frames = tables.frames.assign(call_id=_segment_ids(tables.frames))
    n_frames = frames.groupby("call_id", sort=False).size()
    segments = tables.segments.assign(
        of_call=tables.segments["call_id"], call_id=_segment_ids(tables.segments)
    )
    segments = segments[segments["call_id"].isin(n_frames.index)].reset_index(drop=True)
    own = tables.calls.drop(columns="n_frames").rename(columns={"call_id": "of_call"})
    calls = segments[["call_id", "of_call"]].merge(own, on="of_call", how="left", validate="many_to_one")
    calls = calls.assign(n_frames=calls["call_id"].map(n_frames).astype(int))
    return replace(tables, calls=calls, frames=frames, segments=segments.drop(columns="of_call"))


def _segment_ids(table: pd.DataFrame) -> pd.Series:
    return table["call_id"].astype(str) + "/" + table["segment"].astype(int).astype(str)
