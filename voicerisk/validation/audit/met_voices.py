"""Control (c): does the model know a segment by its voice, or by what it holds of the outcome."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.callers.draws import caller_draws, percentile_interval
from voicerisk.callers.schema import require_columns, require_one_row
from voicerisk.callers.streams import Stream, generator
from voicerisk.validation.metrics.ranking import rank_statistics
from voicerisk.validation.protocols.kfold_scores import MakeFitPaths, pipeline_scores
from voicerisk.validation.protocols.switches import Switches
from voicerisk.validation.settings import ValidationSettings

BOOTSTRAPS = 1000
# Given the scores an interval is too short by about a third, since the models were learned as well; on noise
# this one covers about 95%.
LEVEL = 0.99


@dataclass(frozen=True, slots=True)
class MetVoices:
    """AUROC of the same segments under two models: one that never met their voice, and one that did.

    Parameters
    ----------
    unmet : float
        Each segment is scored by a model that left out its caller.
    met : float
        Callers were made of segments dealt at random within an outcome; each segment is scored by a model
        that left out the caller it was dealt to, and so learned from other segments of its own voice.
    change, lower, upper : float
        met - unmet with its interval, both under the same draws of (real) callers, given the scores.
    met_lower, met_upper : float
        Interval of `met`.
    n_segments : int
    share_met : float
        Share of segments of whose voice another segment was dealt to another caller.
    """

    unmet: float
    met: float
    change: float
    lower: float
    upper: float
    met_lower: float
    met_upper: float
    n_segments: int
    share_met: float


def met_voices(
    segments: pd.DataFrame,
    make_fit_paths: MakeFitPaths,
    settings: ValidationSettings,
    switches: Switches,
    within: Sequence[str] = (),
    level: float = LEVEL,
) -> MetVoices:
    """Score segments by models that left out their caller, and by models that left out a made-up one.

    Averaging over many frames of many voices raises the AUROC of a call by itself, so that calls of dealt
    segments cannot be compared with calls. Here the unit is the segment both times; the folds hold the same
    number of callers, segments a caller and seeds, and only who counts as a caller differs.

    Parameters
    ----------
    segments : DataFrame
        segment_id, call_id, caller_id, y, n_frames and the strata of the call, one row a segment.
    make_fit_paths : callable
        A calls table whose `call_id` is a segment_id -> refit function that takes `caller_id` for the caller.
    settings : ValidationSettings
    switches : Switches
    within : sequence of str
        Deal only among calls that agree in these strata (for example sex).
    level : float
        Of the intervals given the scores; they leave out the variance of learning.

    Returns
    -------
    MetVoices

    Raises
    ------
    ValidationError
        Where a column is missing, a segment stands twice, or a row is broken (it is named).
    """
    require_columns(segments, ("segment_id", "call_id", "caller_id", "y", "n_frames", *within), "segments")
    require_one_row(segments, "segment_id", "segments")
    rows = segments.sort_values("segment_id", ignore_index=True)
    rng = generator(Stream.MET_VOICES, settings.seed)
    kept = [c for c in rows.columns if c not in ("segment_id", "call_id")]
    real = rows[kept].assign(call_id=rows["segment_id"])
    dealt = _dealt(rows, rng, within)
    scores = [_scores(table, make_fit_paths, settings, switches) for table in (real, dealt)]
    draws = caller_draws(rows[["caller_id", "y"]], BOOTSTRAPS, rng)
    groups = np.unique(rows["caller_id"].to_numpy(dtype=str), return_inverse=True)[1]
    unmet, met = (
        rank_statistics(score, rows["y"].to_numpy(), groups, draws.counts).auroc for score in scores
    )
    lower, upper = percentile_interval(met - unmet, draws, level)
    met_lower, met_upper = percentile_interval(met, draws, level)
    return MetVoices(
        float(unmet[0]),
        float(met[0]),
        float(met[0] - unmet[0]),
        lower,
        upper,
        met_lower,
        met_upper,
        len(rows),
        share_met(rows["caller_id"], dealt["caller_id"]),
    )


def share_met(own: pd.Series, dealt: pd.Series) -> float:
    """Return the share of rows of whose own caller another row was dealt to another caller."""
    places = pd.DataFrame({"own": own.to_numpy(), "dealt": dealt.to_numpy()})
    return float((places.groupby("own")["dealt"].transform("nunique") > 1).mean())


def _dealt(rows: pd.DataFrame, rng: np.random.Generator, within: Sequence[str]) -> pd.DataFrame:
    """Deal the places of segments (their call, caller and strata) anew among segments of one outcome."""
    cell = rows.groupby(["y", *within], sort=True).ngroup().to_numpy()
    source = np.arange(len(rows))
    for value in np.unique(cell):
        inside = np.flatnonzero(cell == value)
        source[inside] = rng.permutation(inside)
    place = [c for c in rows.columns if c not in ("segment_id", "call_id", "y", "n_frames")]
    moved = {column: rows[column].to_numpy()[source] for column in place}
    return rows[["y", "n_frames"]].assign(call_id=rows["segment_id"], **moved)


def _scores(
    table: pd.DataFrame, make_fit_paths: MakeFitPaths, settings: ValidationSettings, switches: Switches
) -> np.ndarray:
    """Return the score of every segment, in the order of segment_id."""
    score = pipeline_scores(table, make_fit_paths(table), settings, switches)
    order = table.sort_values(["caller_id", "call_id"])["call_id"]
    return pd.Series(score, index=order).loc[table["call_id"]].to_numpy()
