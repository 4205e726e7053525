"""From frames and segments to what the models take: in one order of rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.callers.moderator import SEX, Moderator, level_text, moderator_of, with_enough_callers
from voicerisk.cohort import CohortSettings
from voicerisk.errors import StudyError
from voicerisk.study.fitting.covariates import covariate_columns, is_line

# Columns of the frames table that are no markers.
FRAME_KEYS = ("call_id", "caller_id", "segment", "frame", "time_s")


@dataclass(frozen=True, slots=True)
class ModelTables:
    """Everything a model may see, on the rows that every fold and protocol shares.

    Attributes
    ----------
    calls : DataFrame
        One row a call: call_id, caller_id, sex, y (0/1), n_frames, and the strata.
    frames : DataFrame
        One row a non-silent frame: `FRAME_KEYS`, then one column a marker (float64, NaN = missing), in the
        order of `calls`.
    segments : DataFrame
        One row a segment with frames: call_id, caller_id, segment, n_frames, then the mean of each marker.
    markers : tuple of str
        The marker columns that enter the models, after `levels`.
    moderator : Moderator or None
        Whose levels have curves of their own; the column of its name in `calls` holds each call's level.
    covariates : tuple of str
        Columns of `frames` that compete with the markers for the score: a number a call, the same in all its
        frames.
    """

    calls: pd.DataFrame
    frames: pd.DataFrame
    segments: pd.DataFrame
    markers: tuple[str, ...]
    moderator: Moderator | None = SEX
    covariates: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the frames that a score may be learned from."""
        return (*self.markers, *self.covariates)

    def of_frames(self, column: str) -> NDArray[np.generic]:
        """Return a column of `calls` repeated for each frame."""
        lookup = self.calls.set_index("call_id")[column]
        return self.frames["call_id"].map(lookup).to_numpy()

    def of_segments(self, column: str) -> NDArray[np.generic]:
        """Return a column of `calls` repeated for each segment."""
        lookup = self.calls.set_index("call_id")[column]
        return self.segments["call_id"].map(lookup).to_numpy()


def study_moderator(calls: pd.DataFrame, settings: CohortSettings) -> tuple[Moderator | None, list[str]]:
    """Return the moderator of a study and what a reader must know of its levels.

    Parameters
    ----------
    calls : DataFrame
        caller_id and the moderator's columns, one row a call that is modelled.
    settings : CohortSettings
        Which columns moderate, and how many callers a level needs for a curve of its own.
    """
    name = settings.moderator_column
    if name is None:
        return None, ["No moderator: every caller shares the common curve."]
    found = moderator_of(name, calls[name])
    levels = calls[name].map(lambda cell: level_text(cell, name))
    callers = calls.groupby(levels)["caller_id"].nunique()
    return with_enough_callers(
        found, {str(level): int(n) for level, n in callers.items()}, settings.level_callers
    )


def candidate_df(tables: ModelTables, df: float) -> float:
    """Return the degrees of freedom on offer: a curve for each marker and level, and the levels' own."""
    moderator = tables.moderator
    present = [] if moderator is None else sorted(set(tables.calls[moderator.name].map(str)))
    own = [level for level in present if moderator is not None and level in moderator.own]
    curves = max(len(own), 1) + (moderator is not None and bool(moderator.shared))
    others = sum(1 if is_line(tables.frames[name]) else df for name in tables.covariates)
    return len(tables.markers) * curves * df + max(len(own) - 1, 0) + others


def model_tables(
    calls: pd.DataFrame,
    frames: pd.DataFrame,
    segments: pd.DataFrame,
    markers: tuple[str, ...],
    levels: str,
    cohort: CohortSettings | None = None,
    covariates: Sequence[str] = (),
) -> ModelTables:
    """Arrange frames and segments for the models.

    Parameters
    ----------
    calls : DataFrame
        call_id, caller_id, sex, outcome and strata, one row a call; calls without frames are left out here
        and are counted by the caller of this function.
    frames, segments : DataFrame
        As in `frames.parquet` and `segments.parquet`.
    markers : tuple of str
        Columns of both tables.
    levels : {'frame', 'segment', 'both', 'caller'}
        'segment' gives every frame its segment's mean; 'both' gives each marker two columns,
        `<marker>_segment` (segment mean) and `<marker>_deviation` (the frame's deviation from it); 'caller'
        gives `<marker>_caller` (mean over the caller's calls, each alike) and `<marker>_within` (deviation).
    cohort : CohortSettings, optional
        Says which column moderates; by default sex, whatever the number of callers.
    covariates : sequence of str
        Columns of `calls` that compete with the markers for the score.

    Returns
    -------
    ModelTables
    """
    made = _arranged(calls, frames, segments, markers, levels, cohort)
    if not covariates:
        return made
    columns = covariate_columns(made.calls, covariates)
    taken = [name for name in columns if name in made.frames]
    if taken:
        raise StudyError(
            f"[boost] covariates: {taken[0]!r} is the name of a marker too; rename the covariate."
        )
    place = pd.Index(made.calls["call_id"]).get_indexer(made.frames["call_id"])
    own = columns.iloc[place].reset_index(drop=True)
    return replace(made, frames=pd.concat([made.frames, own], axis=1), covariates=tuple(map(str, columns)))


def _arranged(
    calls: pd.DataFrame,
    frames: pd.DataFrame,
    segments: pd.DataFrame,
    markers: tuple[str, ...],
    levels: str,
    cohort: CohortSettings | None,
) -> ModelTables:
    n_frames = frames.groupby("call_id", sort=False).size()
    kept = calls[calls["call_id"].isin(n_frames.index)].reset_index(drop=True)
    kept = kept.rename(columns={"outcome": "y"}).drop(columns=["path"], errors="ignore")
    kept["n_frames"] = kept["call_id"].map(n_frames).astype(int)

    moderator = SEX if cohort is None else study_moderator(kept, cohort)[0]

    order = pd.Series(np.arange(len(kept)), index=kept["call_id"])
    frames = _in_order(frames[[*FRAME_KEYS, *markers]], order, ["segment", "frame"])
    segments = segments[segments["n_frames"] > 0]
    segments = _in_order(
        segments[["call_id", "caller_id", "segment", "n_frames", *markers]], order, ["segment"]
    )
    if levels == "frame":
        return ModelTables(kept, frames, segments, markers, moderator)

    if levels == "caller":
        return _parted_by_caller(ModelTables(kept, frames, segments, markers, moderator))

    means = frames.groupby(["call_id", "segment"], sort=False)[list(markers)].transform("mean")
    if levels == "segment":
        return ModelTables(
            kept, frames.assign(**{m: means[m] for m in markers}), segments, markers, moderator
        )

    deviation = {f"{m}_deviation": frames[m] - means[m] for m in markers}
    level_two = {f"{m}_segment": means[m] for m in markers}
    frames = pd.concat(
        [frames[list(FRAME_KEYS)], pd.DataFrame({**level_two, **deviation}, index=frames.index)], axis=1
    )
    segments = segments.rename(columns={m: f"{m}_segment" for m in markers})
    return ModelTables(kept, frames, segments, (*level_two, *deviation), moderator)


def _parted_by_caller(made: ModelTables) -> ModelTables:
    """Part each marker into the mean over its caller's calls and the deviation from it."""
    if not made.calls["caller_id"].duplicated().any():
        raise StudyError(
            '[biomarkers] levels = "caller" asks what differs between calls of one caller, but every '
            'caller has a single call; set levels = "frame".'
        )
    markers = list(made.markers)
    of_calls = made.frames.groupby(["caller_id", "call_id"])[markers].mean()
    of_callers = of_calls.groupby("caller_id").mean()

    def parted(table: pd.DataFrame) -> pd.DataFrame:
        mean = of_callers.loc[table["caller_id"]].set_axis(table.index)
        rest = table[markers] - mean
        keys = table.drop(columns=markers)
        return pd.concat([keys, mean.add_suffix("_caller"), rest.add_suffix("_within")], axis=1)

    names = (*(f"{m}_caller" for m in markers), *(f"{m}_within" for m in markers))
    return replace(made, frames=parted(made.frames), segments=parted(made.segments), markers=names)


def _in_order(table: pd.DataFrame, order: pd.Series, then: list[str]) -> pd.DataFrame:
    place = table["call_id"].map(order)
    return (
        table.assign(_place=place)
        .dropna(subset=["_place"])
        .sort_values(["_place", *then], kind="stable")
        .drop(columns="_place")
        .reset_index(drop=True)
    )
