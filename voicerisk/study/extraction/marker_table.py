"""Tables of markers that a person brings: checked cell by cell, each row placed in its span."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicerisk.audio import sound_length
from voicerisk.cohort import Cohort
from voicerisk.errors import StudyError
from voicerisk.files import is_formula
from voicerisk.intake import Sheet, near_key, read_sheet
from voicerisk.intake.sheet import is_text
from voicerisk.study.fitting.design import FRAME_KEYS

# Words that mean something else in the tables and models of a study.
RESERVED = {
    *("sex", "y", "outcome", "caller", "call", "file", "path", "start_s", "end_s", "label"),
    *("n_frames", "n_silent", "p", "p_raw", "threshold", "weight"),
}
YES = frozenset({"true", "t", "1", "1.0", "yes", "wahr", "ja", "vrai"})
NO = frozenset({"false", "f", "0", "0.0", "no", "falsch", "nein", "faux"})
LEAST_ROWS = 10  # fewer rows may be numbered by chance
# Seconds that the time of a frame (its start, middle or end) may lie beyond its span.
SLACK_S = 0.1
LATE_S = 0.5  # how far a last frame may reach beyond the end of its recording
SHOWN = 3
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class MarkerTable:
    """A table of markers as read.

    Attributes
    ----------
    sheet : Sheet
    frames : DataFrame
        call_id, those of segment, frame (whole numbers) and time_s that the table has, silent (bool), and the
        markers (float64, NaN where missing); one row a row of the table.
    markers : tuple of str
    """

    sheet: Sheet
    frames: pd.DataFrame
    markers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.sheet.path.name


def read_markers(path: Path, wanted: Sequence[str] | None = None) -> MarkerTable:
    """Read a table of markers.

    Parameters
    ----------
    path : Path
        Any table that `read_sheet` reads, with `call_id`; `segment`, `frame`, `time_s` and `silent` where
        known.
    wanted : sequence of str, optional
        Markers to take; other columns are not looked at. Default: every further column is a marker.

    Raises
    ------
    StudyError
        Names file, row and value of what is no marker.
    """
    sheet = read_sheet(path, StudyError, required=("call_id",), text=("call_id", "caller_id"))
    header = [str(name) for name in sheet.cells.columns]
    ids = sheet.cells["call_id"].astype("str")
    empty = (ids == "").to_numpy(dtype=bool)
    if empty.any():
        raise StudyError(f"{path.name}: call_id is empty ({sheet.shown('call_id', empty)}).")
    columns: dict[str, object] = {"call_id": ids}
    for name in ("segment", "frame"):
        if name in header:
            columns[name] = _whole(sheet, name)
    if "time_s" in header:
        columns["time_s"] = sheet.required_numbers("time_s").values
    columns["silent"] = _silent(sheet) if "silent" in header else np.zeros(len(ids), dtype=bool)
    if wanted is None:
        markers = tuple(name for name in header if name not in {*FRAME_KEYS, "silent"})
        _check_names(path, header, markers)
    else:
        markers = tuple(wanted)
        lacking = [name for name in markers if name not in header]
        if lacking:
            raise StudyError(f"{path.name} has no column {lacking[0]}, a marker of the model.")
    for marker in markers:
        columns[marker] = _values(sheet, marker)
    if wanted is None:
        _refuse_row_numbers(sheet, columns, markers)
    return MarkerTable(sheet, pd.DataFrame(columns), markers)


def _check_names(path: Path, header: list[str], markers: tuple[str, ...]) -> None:
    taken = [name for name in markers if name in RESERVED]
    if taken:
        raise StudyError(
            f"{path.name}: a marker cannot be called {taken[0]}; rename the column or leave it out."
        )
    odd = [name for name in markers if is_formula(name) or not name.isprintable()]
    if odd:
        raise StudyError(
            f"{path.name}: the marker {odd[0]!r} holds a control character, or a spreadsheet would run its "
            "name as a formula; rename the column."
        )
    if not markers:
        raise StudyError(f"{path.name} has no column of markers beside {', '.join(header)}.")


def _whole(sheet: Sheet, name: str) -> NDArray[np.int64]:
    found = sheet.required_numbers(name)
    bad = found.missing | (found.values != np.floor(found.values)) | (np.abs(found.values) > LARGEST)
    bad |= found.values < 0
    if bad.any():
        raise StudyError(
            f"{sheet.path.name}: {name} must be a whole number in every row ({sheet.shown(name, bad)}); "
            f"where it is "
            "not known, leave the column out."
        )
    return found.values.astype(np.int64)


def _values(sheet: Sheet, marker: str) -> NDArray[np.float64]:
    found = sheet.required_numbers(marker)
    infinite = np.isinf(found.values)
    if infinite.any():
        raise StudyError(
            f"{sheet.path.name}: {marker} is infinite ({sheet.shown(marker, infinite)}); leave such cells "
            f"empty."
        )
    return found.values


def _silent(sheet: Sheet) -> NDArray[np.bool_]:
    column = sheet.cells["silent"]
    words = (column if is_text(column) else column.astype("str")).str.lower()
    silent = words.isin(list(YES)).to_numpy(dtype=bool)
    bad = ~silent & ~words.isin(list(NO)).to_numpy(dtype=bool)
    if bad.any():
        raise StudyError(
            f"{sheet.path.name}: silent must be true or false in every row ({sheet.shown('silent', bad)})."
        )
    return silent


def _refuse_row_numbers(sheet: Sheet, columns: dict[str, object], markers: tuple[str, ...]) -> None:
    """Refuse a column that counts the rows: where calls are sorted by outcome it predicts without fail."""
    for marker in markers:
        values = np.asarray(columns[marker], dtype=np.float64)
        if len(values) >= LEAST_ROWS and values[0] in (0, 1) and (np.diff(values) == 1).all():
            raise StudyError(
                f"{sheet.path.name}: the column {marker!r} counts the rows ({values[0]:g}, {values[1]:g}, "
                f"{values[2]:g} ...) and is no marker; leave it out."
            )


def match_calls(
    table: MarkerTable, used: pd.Series, listed: Sequence[str]
) -> tuple[NDArray[np.bool_], list[str]]:
    """Say which rows belong to calls of the cohort.

    Parameters
    ----------
    table : MarkerTable
    used : Series
        call_id of the calls of the cohort.
    listed : sequence of str
        call_id of further calls that the table of calls lists, which the cohort left out.

    Returns
    -------
    ndarray of bool
    list of str
        Notes: ids that no table of calls lists.

    Raises
    ------
    StudyError
        If no id is listed, or one is spelled otherwise than in the table of calls.
    """
    known = {*used, *listed}
    given = list(dict.fromkeys(table.frames["call_id"]))
    unknown = [name for name in given if name not in known]
    spelled = {near_key(name): name for name in known}
    alike = [(name, spelled[near_key(name)]) for name in unknown if near_key(name) in spelled]
    without = {near_key(Path(name).stem): name for name in known}
    alike += [
        (name, without[near_key(Path(name).stem)])
        for name in unknown
        if near_key(name) not in spelled and near_key(Path(name).stem) in without
    ]
    if alike:
        shown = ", ".join(f"{own!r} for {other!r}" for own, other in alike[:SHOWN])
        more = f" and {len(alike) - SHOWN} more" if len(alike) > SHOWN else ""
        raise StudyError(
            f"{table.name}: {len(alike)} of {len(given)} call ids are spelled otherwise than in the table "
            f"of calls: "
            f"{shown}{more}; write them alike (a spreadsheet takes leading zeros away: read ids as text)."
        )
    if given and len(unknown) == len(given):
        raise StudyError(
            f"{table.name}: none of its {len(given)} call ids is in the table of calls; it has "
            f"{', '.join(map(repr, given[:SHOWN]))}, the table of calls "
            f"{', '.join(map(repr, sorted(known)[:SHOWN]))}."
        )
    notes = []
    if unknown:
        notes.append(
            f"{len(unknown)} call id(s) of {table.name} are not in the table of calls, and their rows are "
            "left out."
        )
    return table.frames["call_id"].isin(set(used)).to_numpy(dtype=bool), notes


def refuse_late_times(frames: pd.DataFrame, cohort: Cohort, name: str) -> None:
    """Refuse times beyond the end of their recording: they are milliseconds, or those of another file.

    Raises
    ------
    StudyError
        Names the first call whose rows end later than its recording.
    """
    if "time_s" not in frames:
        return
    last = frames.groupby("call_id", sort=False)["time_s"].max()
    labelled = cohort.spans.groupby("call_id", sort=False)["end_s"].max()
    paths = cohort.calls.set_index("call_id")["path"]
    for call in last.index[last > labelled.reindex(last.index)]:
        length, _ = sound_length(Path(paths[call]))
        if last[call] > length + LATE_S:
            raise StudyError(
                f"{name}: time_s of call {call!r} goes to {last[call]:g}, but its recording lasts "
                f"{length:g} s; "
                "write seconds from the start of that recording."
            )


def place_segments(
    frames: pd.DataFrame, spans: pd.DataFrame, name: str
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the segment of each row, counted from 0 as the spans are, from the table's own column.

    A call whose span is its whole file may have segments of its own; they are kept as they are.

    Parameters
    ----------
    frames : DataFrame
        call_id, segment, and time_s where known.
    spans : DataFrame
        Of the cohort.
    name : str
        Of the file, for messages.
    """
    segment = frames["segment"].to_numpy(np.int64)
    of_call = spans.groupby("call_id", sort=False).size()
    whole = spans.groupby("call_id", sort=False).agg(
        n=("segment", "size"), start=("start_s", "first"), label=("label", "first")
    )
    free = frames["call_id"].isin(
        whole.index[(whole["n"] == 1) & (whole["start"] == 0.0) & (whole["label"] == "")]
    )
    bound = ~free.to_numpy(dtype=bool)
    n = frames["call_id"].map(of_call).to_numpy(np.int64)
    notes: list[str] = []
    from_zero = not bound.any() or bool((segment[bound] < n[bound]).all())
    from_one = bool(bound.any()) and bool(((segment[bound] >= 1) & (segment[bound] <= n[bound])).all())
    if from_zero and from_one:
        from_zero, from_one = _by_time(frames, spans, segment, bound, name)
    if from_one:
        notes.append(
            f"The segments of {name} count from 1; they are read as the spans of the label tracks in order."
        )
        segment = segment - bound
    elif not from_zero:
        row = int(np.flatnonzero(bound & (segment >= n))[0])
        raise StudyError(
            f"{name}: call {frames['call_id'].iloc[row]!r} has a segment {segment[row]}, but {n[row]} "
            f"labelled span(s) "
            "in its track; number them as the spans from 0, or leave the column segment out to place rows "
            "by time_s."
        )
    strayed = bound & (_beyond(frames, spans, segment) > SLACK_S)
    if strayed.any():
        row = int(np.flatnonzero(strayed)[0])
        raise StudyError(
            f"{name}: call {frames['call_id'].iloc[row]!r}, segment {segment[row]} has a row at "
            f"{frames['time_s'].iloc[row]:g} s, outside the labelled span of that number (and "
            f"{int(strayed.sum()) - 1} "
            "rows more); take the markers of the same label tracks, or leave the column segment out to "
            "place rows by "
            "time_s."
        )
    return segment, notes


def _by_time(
    frames: pd.DataFrame, spans: pd.DataFrame, segment: NDArray[np.int64], bound: NDArray[np.bool_], name: str
) -> tuple[bool, bool]:
    """Tell whether segments count from 0 or from 1 by the times of their rows, where numbers do not tell."""
    zero = _beyond(frames, spans, segment)
    one = _beyond(frames, spans, segment - bound)
    if np.isfinite(zero[bound]).any():
        fits = bool((zero[bound] <= SLACK_S).all()), bool((one[bound] <= SLACK_S).all())
        if fits != (True, True):
            return fits
    raise StudyError(
        f"{name}: no call has a segment 0 and none has one beyond its spans, so that nothing tells whether "
        f"segments "
        "count from 0 or from 1; add time_s, the seconds in the file."
    )


def _beyond(frames: pd.DataFrame, spans: pd.DataFrame, segment: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many seconds each row lies outside its span; NaN where its time is not known."""
    if "time_s" not in frames:
        return np.full(len(frames), np.nan)
    keys = pd.MultiIndex.from_arrays([frames["call_id"], segment])
    place = pd.MultiIndex.from_frame(spans[["call_id", "segment"]]).get_indexer(keys)
    time = frames["time_s"].to_numpy(np.float64)
    start, end = (spans[key].to_numpy(np.float64)[place] for key in ("start_s", "end_s"))
    return np.where(place < 0, np.nan, np.maximum(start - time, time - end))


def place_by_time(frames: pd.DataFrame, spans: pd.DataFrame, table: MarkerTable) -> NDArray[np.int64]:
    """Return the span that the time of each row lies in, -1 where it lies in none."""
    if "time_s" not in frames:
        raise StudyError(
            f"{table.name} has neither a column segment nor time_s; one of them must say where a row belongs."
        )
    time = frames["time_s"].to_numpy(np.float64)
    if np.isnan(time).any():
        row = int(frames.index[np.isnan(time)][0])
        raise StudyError(
            f"{table.name}, row {table.sheet.rows[row]}: time_s is missing, but without a column segment it "
            f"must say "
            "where the row belongs."
        )
    segment = np.full(len(frames), -1, dtype=np.int64)
    of_call = {str(call): own for call, own in spans.groupby("call_id", sort=False)}
    for call, rows in frames.groupby("call_id", sort=False).indices.items():
        own = of_call.get(str(call))
        if own is None:
            continue
        starts, ends = own["start_s"].to_numpy(np.float64), own["end_s"].to_numpy(np.float64)
        place = np.searchsorted(starts, time[rows], side="right") - 1
        inside = (place >= 0) & (time[rows] < ends[place])
        segment[rows[inside]] = own["segment"].to_numpy(np.int64)[place[inside]]
    return segment
