"""Tables made of frames: which frames stay, segment summaries, counts of missing values."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.biomarkers.catalogue import markers as known_markers
from voicerisk.errors import BiomarkerError


def marker_columns(frames: pd.DataFrame) -> list[str]:
    """Return the markers among the columns of a table of frames, in the table's order."""
    return [name for name in frames.columns if name in known_markers()]


def keep_frames(
    frames: pd.DataFrame, missing: str = "masked", markers: Sequence[str] | None = None
) -> NDArray[np.bool_]:
    """Say which frames stay under a rule for missing values.

    Parameters
    ----------
    frames : DataFrame
        One row a frame; rows that are `silent` (where the column exists) never stay.
    missing : {'masked', 'named', 'complete'}
        ``masked``: every non-silent frame. ``named``: those with all of the 12 named markers that the table
        has. ``complete``: those with all `markers`, but for subRatio, which is missing wherever no
        subharmonic is found.
    markers : sequence of str, optional
        Default: all markers of the table.

    Returns
    -------
    ndarray of bool, shape (n_frames,)

    Raises
    ------
    BiomarkerError
        For an unknown rule, or ``named`` on a table that lacks a named marker.

    References
    ----------
    The paper's "listwise removal"; both replication rules are applied once, before the folds.
    """
    keep = ~frames["silent"].to_numpy(bool) if "silent" in frames else np.ones(len(frames), bool)
    if missing == "masked":
        return keep
    columns = list(markers) if markers is not None else marker_columns(frames)
    if missing == "named":
        tiers = known_markers()
        columns = [name for name in marker_columns(frames) if tiers[name].tier == 1]
        lacking = [
            n for n, m in tiers.items() if m.tier == 1 and n not in columns and n not in ("ampl", "rms_db")
        ]
        if lacking or not {"ampl", "rms_db"}.intersection(columns):
            lacking = lacking or ["rms_db"]
            raise BiomarkerError(
                f"[biomarkers] missing = 'named' needs the 12 named markers, but the table has no column "
                f"{lacking[0]!r}; extract set = 'named' or 'all'."
            )
    elif missing == "complete":
        columns = [name for name in columns if name != "subRatio"]
    else:
        raise BiomarkerError(f"[biomarkers] missing = {missing!r} is not one of masked, named, complete.")
    return keep & frames[columns].notna().to_numpy().all(axis=1)


def summarise_segments(
    frames: pd.DataFrame, spans: pd.DataFrame, markers: Sequence[str] | None = None
) -> pd.DataFrame:
    """Average markers over the frames of each segment.

    Parameters
    ----------
    frames : DataFrame
        With `segment` (and `call_id` where there are several calls) and markers; silent frames marked by
        `silent`, or already left out. `n_silent` is then the column of that name in `spans`, else missing.
    spans : DataFrame
        One row a segment: `segment`, `start_s`, `end_s`, and `call_id`, `caller_id`, `label` where there are
        any. The result has its rows, in its order, segments without a frame included.
    markers : sequence of str, optional
        Default: all markers of the table.

    Returns
    -------
    DataFrame
        call_id, caller_id, segment, start_s, end_s, label (those that exist), n_frames (not silent),
        n_silent, and for each marker its mean over the frames where it is available, and
        `<marker>_n_available`.

    Raises
    ------
    BiomarkerError
        Where the tables lack a column, a segment appears twice in `spans`, or frames name an unknown segment.
    """
    columns = list(markers) if markers is not None else marker_columns(frames)
    keys = [key for key in ("call_id", "segment") if key in spans and key in frames]
    if "segment" not in keys or not {"start_s", "end_s"} <= set(spans.columns):
        raise BiomarkerError(
            "Segments cannot be summarised; spans need segment, start_s and end_s, frames need segment."
        )
    lacking = [name for name in columns if name not in frames]
    if lacking:
        raise BiomarkerError(
            f"Segments cannot be summarised; the table of frames has no column {lacking[0]!r}."
        )
    if "call_id" in spans and "call_id" not in frames and spans["call_id"].nunique() > 1:
        raise BiomarkerError(
            "Segments cannot be summarised; spans hold several calls, but frames have no call_id."
        )
    index = pd.MultiIndex.from_frame(spans[keys])
    if index.has_duplicates:
        twice = index[index.duplicated()][0]
        raise BiomarkerError(
            f"Segments cannot be summarised; spans hold {dict(zip(keys, twice, strict=True))} twice."
        )
    place = index.get_indexer(pd.MultiIndex.from_frame(frames[keys]))
    if (place < 0).any():
        row = int(np.argmin(place))
        where = ", ".join(f"{key} {frames[key].iloc[row]}" for key in keys)
        raise BiomarkerError(
            f"Segments cannot be summarised; frames hold {where}, which is not among the spans."
        )

    head = [key for key in ("call_id", "caller_id", "segment", "start_s", "end_s", "label") if key in spans]
    out: dict[str, object] = {
        key: spans[key].to_numpy() if key == "segment" else spans[key].array for key in head
    }
    heard = keep_frames(frames)
    out["n_frames"] = np.bincount(place[heard], minlength=len(spans))
    if "silent" in frames:
        out["n_silent"] = np.bincount(place[~heard], minlength=len(spans))
    elif "n_silent" in spans:
        out["n_silent"] = spans["n_silent"].to_numpy()
    else:
        out["n_silent"] = np.full(len(spans), np.nan)
    for name in columns:
        values = frames[name].to_numpy(np.float64)
        use = heard & ~np.isnan(values)
        available = np.bincount(place[use], minlength=len(spans))
        total = np.bincount(place[use], weights=values[use], minlength=len(spans))
        out[name] = np.divide(total, available, out=np.full(len(spans), np.nan), where=available > 0)
        out[f"{name}_n_available"] = available
    return pd.DataFrame(out)


def missing_counts(
    frames: pd.DataFrame, by: Sequence[str] = (), markers: Sequence[str] | None = None
) -> pd.DataFrame:
    """Count missing values of each marker among non-silent frames.

    Missingness can carry information (the dominant frequency is missing on noisy frames), so that it is
    shown.

    Parameters
    ----------
    frames : DataFrame
    by : sequence of str
        Columns to count within, for example outcome, sex, service.
    markers : sequence of str, optional
        Default: all markers of the table.

    Returns
    -------
    DataFrame
        marker, the columns of `by`, n_frames, n_missing, share_missing (NaN where there is no frame).

    Raises
    ------
    BiomarkerError
        Where a column of `by` is not in the table.
    """
    lacking = [name for name in by if name not in frames]
    if lacking:
        raise BiomarkerError(
            f"Missing values cannot be counted by {lacking[0]!r}; the table of frames has no such column."
        )
    columns = list(markers) if markers is not None else marker_columns(frames)
    heard = frames.loc[keep_frames(frames)]
    parts = []
    groups = heard.groupby(list(by), sort=True, dropna=False) if by else [((), heard)]
    for key, part in groups:
        for name in columns:
            parts.append((name, *key, len(part), int(part[name].isna().sum())))
    long = pd.DataFrame(parts, columns=["marker", *by, "n_frames", "n_missing"])
    n_frames = long["n_frames"].to_numpy(np.float64)
    long["share_missing"] = np.divide(
        long["n_missing"].to_numpy(np.float64), n_frames, out=np.full(len(long), np.nan), where=n_frames > 0
    )
    order = {name: i for i, name in enumerate(columns)}
    long = long.iloc[np.argsort(long["marker"].map(order).to_numpy(), kind="stable")].reset_index(drop=True)
    return long[["marker", *by, "n_frames", "n_missing", "share_missing"]]
