"""Refitting the family of call models for validation, alone or with gamboost beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.callers.moderator import Moderator
from voicerisk.callers.weights import training_weights
from voicerisk.errors import StudyError
from voicerisk.models.calls.features import CallFrames, DrawnCalls, spread_of, with_spreads
from voicerisk.models.calls.model import COMMON, MEMBERS, CallFit, CallModel, Family, fit_calls, mixed
from voicerisk.study.fitting.design import FRAME_KEYS, ModelTables
from voicerisk.study.fitting.fitters import GamboostFitter
from voicerisk.types import Floats, Progress
from voicerisk.validation import FittedPath, TrainingSet
from voicerisk.validation.contract import Member
from voicerisk.validation.protocols.choice import BOOSTED, Choice

TINY = 1e-12
_LAST: dict[str, tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...], CallFrames]] = {}


def call_frames(tables: ModelTables) -> CallFrames:
    """Return the frames by call; those of the last table asked for are kept, with the features made of them.

    Outcomes do not enter, so that permutations of them share the features.
    """
    calls = tuple(tables.calls["call_id"])
    kept = _LAST.get("frames")
    if kept is not None and kept[0] is tables.frames and kept[1:3] == (calls, tables.inputs):
        return kept[3]
    code = pd.Index(calls).get_indexer(pd.Index(tables.frames["call_id"])).astype(np.int64)
    columns = {name: tables.frames[name].to_numpy(np.float64) for name in tables.inputs}
    made = CallFrames(with_spreads(columns, code, len(calls)), code, len(calls))
    _LAST["frames"] = (tables.frames, calls, tables.inputs, made)
    return made


def level_of_calls(tables: ModelTables) -> NDArray[np.object_]:
    """Return the moderator's level of each call; `COMMON` where levels share a curve or there are none."""
    moderator = tables.moderator
    if moderator is None:
        return np.full(len(tables.calls), COMMON, dtype=object)
    if COMMON in moderator.own:
        raise StudyError(
            f"A level of {moderator.name} is named {COMMON!r}, which stands for what all levels share; "
            "rename it."
        )
    codes = moderator.codes(tables.calls[moderator.name])
    own = [name if name in moderator.own else COMMON for name in moderator.levels]
    return np.array(own, dtype=object)[codes]


@dataclass(frozen=True, slots=True)
class FamilyFitter:
    """Fits the members of the family on each training set; an instance is the `FitPaths` of validation.

    Attributes
    ----------
    tables : ModelTables
    members : tuple of str
        Of `MEMBERS`.
    boosted : GamboostFitter, optional
        gamboost as a further member.
    forced : tuple of str
        Covariates that are not penalised.
    drawn : DrawnCalls, optional
        Features of `tables.calls` where these were drawn from other calls; the frames of `tables` are then
        not looked at, and paths have no scores of frames.
    """

    tables: ModelTables
    members: tuple[str, ...]
    boosted: GamboostFitter | None = None
    forced: tuple[str, ...] = ()
    drawn: DrawnCalls | None = None

    def __call__(self, sets: Sequence[TrainingSet], progress: Progress | None = None) -> Iterator[FittedPath]:
        """Yield the fits of each training set, in order."""
        frames = self._features()
        beside = None if self.boosted is None else self.boosted(sets, progress)
        for done, asked in enumerate(sets):
            path = self._path(asked, frames, None if beside is None else next(beside))
            if progress is not None and beside is None:
                progress(done + 1, len(sets))
            yield path

    def fit(self, asked: TrainingSet) -> CallFit:
        """Fit the members on a training set."""
        return self._fitted(asked, self._features())

    def saved(self, asked: TrainingSet, choice: Choice) -> CallModel | None:
        """Return the additive model that a fold takes; None where it takes gamboost's step.

        Parameters
        ----------
        asked : TrainingSet
        choice : Choice
            Of the fold, whose model is fitted again.
        """
        return None if choice.step is not None else mixed(self.fit(asked).models, choice.weights.tolist())

    @property
    def level(self) -> NDArray[np.object_]:
        """Level of the moderator of each call; see `level_of_calls`."""
        return level_of_calls(self.tables)

    def _features(self) -> CallFrames | DrawnCalls:
        return call_frames(self.tables) if self.drawn is None else self.drawn

    def _rows_of(self, callers: Sequence[str]) -> NDArray[np.int64]:
        return np.flatnonzero(self.tables.calls["caller_id"].isin(callers))

    def _fitted(self, asked: TrainingSet, frames: CallFrames | DrawnCalls) -> CallFit:
        calls = self.tables.calls
        train = self._rows_of(asked.train)
        caller = calls["caller_id"].to_numpy(dtype=object)[train]
        y = calls["y"].to_numpy(np.int64)
        n_frames = calls["n_frames"].to_numpy(np.float64)[train]
        weights = n_frames
        if asked.weighted:
            weights = training_weights(caller.astype(str), y[train], asked.class_prior, n_frames)
        weights = weights * (len(asked.train) / weights.sum())
        return fit_calls(
            frames,
            frames.names,
            self.level,
            y,
            train,
            weights,
            Family(self.members, [spread_of(name) for name in self.tables.inputs], self.forced),
        )

    def _path(
        self, asked: TrainingSet, frames: CallFrames | DrawnCalls, beside: FittedPath | None
    ) -> FittedPath:
        fit = self._fitted(asked, frames)
        rows = self._rows_of(asked.assess)
        calls = self.tables.calls.iloc[rows]
        ids = tuple(calls["call_id"])
        p = 0.5 * (1.0 + np.tanh(0.5 * fit.link[rows]))
        right = np.where(calls["y"].to_numpy()[:, None] == 1, p, 1.0 - p)
        deviance = -2.0 * np.log(np.clip(right, TINY, 1.0))
        provenance = {"knots": asked.train, "members": asked.train}
        notes: dict[str, object] = {}
        if beside is not None:
            order = pd.Index(beside.call_ids).get_indexer(pd.Index(ids))
            p = np.hstack([p, beside.call_score[order]])
            deviance = np.hstack([deviance, beside.call_deviance[order]])
            provenance |= beside.provenance
            notes |= beside.notes

        def frame_scores(taken: int | Floats) -> pd.DataFrame:
            if beside is not None and np.ndim(taken) == 0:
                return beside.frame_scores(taken)
            if isinstance(frames, DrawnCalls):
                raise StudyError("Calls that were drawn from others have no frames to score.")
            return frames_scored(mean_of(taken), self.tables, frames, self.level, rows)

        def mean_of(taken: int | Floats) -> CallModel:
            return mixed(fit.models, np.asarray(taken).tolist())

        members = tuple(Member(name, MEMBERS[name]) for name in self.members)
        return FittedPath(asked.key, ids, p, deviance, provenance, notes, frame_scores, members, mean_of)


def frames_scored(
    model: CallModel,
    tables: ModelTables,
    frames: CallFrames,
    level: NDArray[np.object_],
    calls: NDArray[np.int64],
) -> pd.DataFrame:
    """Return the frames of some calls with the score that a call would have if all its frames were like it.

    Returns
    -------
    DataFrame
        The frames' keys without the caller, and p_raw.
    """
    order = np.argsort(frames.call, kind="stable")
    ends = np.cumsum(np.bincount(frames.call, minlength=frames.n_calls))
    parts = np.split(order, ends[:-1])
    where = np.concatenate([parts[call] for call in calls])
    columns = {marker: frames.columns[marker][where] for marker in model.markers}
    link = model.frame_link(columns, level[frames.call[where]])
    keys = tables.frames.iloc[where][[key for key in FRAME_KEYS if key != "caller_id"]]
    return keys.assign(p_raw=0.5 * (1.0 + np.tanh(0.5 * link))).reset_index(drop=True)


def members_of(family: Sequence[str], moderator: Moderator | None) -> tuple[str, ...]:
    """Return the call models of a family, simplest first; those by level only where there is a moderator."""
    return tuple(
        name
        for name in MEMBERS
        if name in family and (moderator is not None or not name.endswith("by_level"))
    )


def takes_gamboost(family: Sequence[str]) -> bool:
    """Return whether gamboost is in the family."""
    return BOOSTED in family
