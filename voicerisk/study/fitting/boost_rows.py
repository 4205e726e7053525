"""The frames of a study as the boosting engine takes them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.callers.moderator import Moderator
from voicerisk.models import BoostData
from voicerisk.study.fitting.covariates import is_line
from voicerisk.study.fitting.design import ModelTables


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
    has_level : ndarray of bool, shape (callers, levels)
        Which levels of the moderator each caller's rows have.
    covariates : dict
        Columns that compete with the markers, and whether each enters linearly.
    """

    data: BoostData
    y: NDArray[np.int64]
    callers: pd.Index
    caller_of_call: dict[str, str]
    rows_of_call: dict[str, NDArray[np.int64]]
    has_missing: tuple[str, ...]
    has_level: NDArray[np.bool_]
    covariates: dict[str, bool]

    def moderator_of(self, train: NDArray[np.bool_]) -> Moderator | None:
        """Return the moderator of a fit on some callers, shape (callers,); see `Moderator.among`."""
        moderator = self.data.moderator
        if moderator is None:
            return None
        levels = np.array(moderator.levels)
        return moderator.among(levels[self.has_level.any(axis=0)], levels[self.has_level[train].any(axis=0)])

    def with_outcomes(self, tables: ModelTables) -> "FrameRows":
        """Return the same rows with the outcomes of other tables that share their frames."""
        y = tables.of_frames("y").astype(np.int64)
        return replace(self, y=y, data=replace(self.data, y=y.astype(np.int8)))

    @classmethod
    def of(cls, tables: ModelTables) -> "FrameRows":
        """Arrange the frames of the model tables."""
        frames, calls = tables.frames, tables.calls
        callers = pd.Index(calls["caller_id"].unique())
        moderator = tables.moderator
        level = None
        if moderator is not None:
            level = moderator.codes(pd.Series(tables.of_frames(moderator.name), name=moderator.name))
        y = tables.of_frames("y").astype(np.int64)
        data = BoostData(
            columns={marker: frames[marker].to_numpy(np.float64) for marker in tables.inputs},
            level=level,
            y=y.astype(np.int8),
            caller=callers.get_indexer(pd.Index(frames["caller_id"])).astype(np.int32),
            moderator=moderator,
        )
        has_level = np.zeros((len(callers), 1 if moderator is None else len(moderator.levels)), bool)
        has_level[data.caller, 0 if data.level is None else data.level] = True
        groups = frames.groupby("call_id", sort=False).indices
        return cls(
            data=data,
            y=y,
            callers=callers,
            caller_of_call=dict(zip(calls["call_id"], calls["caller_id"], strict=True)),
            rows_of_call={call: np.asarray(groups[call], np.int64) for call in calls["call_id"]},
            has_missing=tuple(marker for marker in tables.inputs if frames[marker].isna().any()),
            covariates={name: is_line(frames[name]) for name in tables.covariates},
            has_level=has_level,
        )
