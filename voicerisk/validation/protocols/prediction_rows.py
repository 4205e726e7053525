"""Rows of the predictions table, from the scores of one outer fold."""

from typing import Any

import numpy as np
import pandas as pd

from voicerisk.callers.folds import strata_columns
from voicerisk.callers.schema import COLUMNS, SCORE_DECIMALS
from voicerisk.errors import ValidationError
from voicerisk.validation.contract import FittedPath

SAME_MEAN = 1e-6


def frame_rows(
    path: FittedPath, step: int | np.ndarray, calls: pd.DataFrame, call_score: np.ndarray | None
) -> pd.DataFrame:
    """Return the frame scores of the held-out calls, rounded, with their caller, outcome and strata.

    Parameters
    ----------
    path : FittedPath
    step : int, or ndarray of float
        Step, or weights of members.
    calls : DataFrame
        The held-out calls.
    call_score : ndarray, shape (n_calls,), or None
        Mean frame probability of each call at this step; None for members, whose frames do not average to
        the call's score.

    Returns
    -------
    DataFrame
        Empty for a model without frames.

    Raises
    ------
    ValidationError
        Where a column is missing, a call is unknown or incomplete, or its frames do not average to its score.
    """
    frames = path.frame_scores(step)
    if frames.empty:
        return frames
    missing = [c for c in ("call_id", "segment", "frame", "time_s", "p_raw") if c not in frames.columns]
    if missing:
        raise ValidationError(f"The frame scores of {path.key!r} lack the column(s) {', '.join(missing)}.")
    position = pd.Index(calls["call_id"]).get_indexer(pd.Index(frames["call_id"].astype(str)))
    if (position < 0).any():
        raise ValidationError(
            f"The frame scores of {path.key!r} hold call "
            f"{frames['call_id'].iloc[int(np.argmin(position))]!r}, which it was not asked to assess."
        )
    p_raw = frames["p_raw"].to_numpy(dtype=np.float64)
    n_frames = np.bincount(position, minlength=len(calls))
    for row in np.flatnonzero(n_frames != calls["n_frames"].to_numpy()):
        raise ValidationError(
            f"The refit {path.key!r} scored {n_frames[row]} frames of call {calls['call_id'].iloc[row]!r}, "
            f"but the calls table says {calls['n_frames'].iloc[row]}."
        )
    if call_score is not None:
        means = np.bincount(position, weights=p_raw, minlength=len(calls)) / n_frames
        for row in np.flatnonzero(~(np.abs(means - call_score) < SAME_MEAN)):
            raise ValidationError(
                f"The refit {path.key!r} gave call {calls['call_id'].iloc[row]!r} the score "
                f"{call_score[row]}, but its frames average {means[row]}."
            )
    rows = calls.drop(columns="n_frames").iloc[position].reset_index(drop=True)
    return rows.assign(
        segment=frames["segment"].to_numpy(),
        frame=frames["frame"].to_numpy(),
        time_s=frames["time_s"].to_numpy(dtype=np.float64),
        p_raw=p_raw.round(SCORE_DECIMALS),
    )


def call_rows(
    place: dict[str, Any],
    rows: pd.DataFrame,
    score: np.ndarray | None,
    p: np.ndarray | None,
    threshold: float,
) -> pd.DataFrame:
    """Return predictions rows in the schema's order, strata last.

    Parameters
    ----------
    place : dict
        protocol, model, target, design, repeat, fold.
    rows : DataFrame
        Calls (with `score` and `p` given beside them) or the frames of `frame_rows`.
    score, p : ndarray or None
        None for frames, which bring their own p_raw and have no p.
    threshold : float
    """
    is_call = score is not None
    values: dict[str, Any] = {
        **place,
        "unit": "call" if is_call else "frame",
        "call_id": rows["call_id"].to_numpy(),
        "caller_id": rows["caller_id"].to_numpy(),
        "segment": None if is_call else rows["segment"].to_numpy(),
        "frame": None if is_call else rows["frame"].to_numpy(),
        "time_s": np.nan if is_call else rows["time_s"].to_numpy(),
        "y": rows["y"].to_numpy(),
        "p_raw": score if is_call else rows["p_raw"].to_numpy(),
        "p": p if is_call else np.nan,
        "threshold": threshold,
        "weight": 1.0,
    }
    known = {*COLUMNS, "n_frames"}
    values.update({c: rows[c].to_numpy() for c in strata_columns(rows) if c not in known})
    return pd.DataFrame(values, index=range(len(rows))).astype({"segment": "Int32", "frame": "Int32"})
