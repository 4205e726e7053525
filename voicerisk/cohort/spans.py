"""The spans of each call: the chosen labels of its track, or the whole file where it has none."""

import difflib
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from voicerisk.audio import sound_length
from voicerisk.cohort.flow import Flow
from voicerisk.cohort.labels import label_rows
from voicerisk.cohort.textgrid import Row
from voicerisk.errors import AudioError, CohortError
from voicerisk.types import Progress

# Audacity writes six decimals: a label drawn to the end of a file may exceed it by half of the last one.
ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands, for messages."""

    table: Path
    row: int
    call_id: str

    def __str__(self) -> str:
        return f"call {self.call_id!r}, row {self.row} of {self.table.name}"


def inside(root: Path, name: str, column: str, place: Place) -> Path:
    """Return the absolute path of a file named in calls.csv.

    Raises
    ------
    CohortError
        If the name is absolute or leads out of `root`, or there is no such file.
    """
    path = Path(os.path.normpath(root / name))
    if Path(name).is_absolute() or not path.is_relative_to(root):
        raise CohortError(
            f"{place}: the {column} {name!r} leads out of the folder {root}; name a folder that holds all "
            "files with root in [cohort]."
        )
    if not path.is_file():
        beside = place.table.parent / name
        if beside.is_file():
            hint = f"; there is one beside {place.table.name}: set root in [cohort] to its folder"
        elif "\\" in name:
            hint = "; write folders with / instead of \\"
        else:
            hint = ""
        raise CohortError(f"{place}: there is no {column} {name!r} in {root}{hint}.")
    return path


def duration(path: Path, place: Place) -> tuple[float, float]:
    """Return the duration of a recording to its real end and of one of its samples, in seconds."""
    try:
        length, rate = sound_length(path)
    except AudioError as error:
        raise CohortError(f"{place}: {error}") from error
    if length <= 0:
        raise CohortError(f"{place}: {path} holds no samples.")
    return length, 1.0 / rate


def read_spans(
    calls: pd.DataFrame,
    table: Path,
    root: Path,
    kept: tuple[str, ...] | None,
    tier: str | None,
    flow: Flow,
    progress: Progress | None,
) -> tuple[pd.DataFrame, list[str]]:
    """Read the spans of all calls; return them and notes.

    Parameters
    ----------
    calls : DataFrame
        With `call_id, row, file, path` and, where there are tracks, `labels`.
    table : Path
        calls.csv, for messages.
    root : Path
        Folder of the label tracks.
    kept : tuple of str, optional
        Label texts to keep.
    flow : Flow
        Where spans that leave are counted.

    Returns
    -------
    spans : DataFrame
        `call_id, segment, start_s, end_s, label`, in time order within calls.
    notes : list of str
    """
    pattern = None if kept is None else re.compile("|".join(_as_pattern(label) for label in kept))
    tracks = calls["labels"] if "labels" in calls.columns else pd.Series("", index=calls.index)
    spans: list[tuple[str, int, float, float, str]] = []
    unchosen: list[tuple[str, str, int, str]] = []
    points: list[tuple[str, str, int, str]] = []
    seen: set[str] = set()
    whole = 0
    for done, (call_id, row, path, track) in enumerate(
        zip(calls["call_id"], calls["row"], calls["path"], tracks, strict=True), 1
    ):
        place = Place(table, row, call_id)
        length, sample = duration(Path(path), place)
        if not track:
            if kept is not None:
                raise CohortError(
                    f"{place}: there is no label track, but labels in [cohort] keeps only "
                    f"{', '.join(map(repr, kept))}; add the track or leave the call out with where."
                )
            whole += 1
            chosen: list[Row] = [(0.0, length, "", 0)]
        else:
            track_path = inside(root, track, "labels", place)
            chosen = []
            for label in label_rows(track_path, tier):
                start, end, text, line = label
                seen.add(text)
                shown = (call_id, track, line, f"{start:g}-{end:g} s {text!r}")
                if pattern is not None and not pattern.fullmatch(text):
                    unchosen.append(shown)
                elif end == start:
                    points.append(shown)
                else:
                    chosen.append(label)
            chosen.sort(key=lambda label: label[:2])
            _check(chosen, track_path, Path(path), length, sample, place)
        spans.extend(
            (call_id, segment, max(start, 0.0), min(end, length), text)
            for segment, (start, end, text, _) in enumerate(chosen)
        )
        if progress is not None:
            progress(done, len(calls))
    _check_labels_occur(kept, seen)
    total = len(spans) + len(points) + len(unchosen)
    flow.stand_spans("labels", total)
    flow.leave_spans("labels", "label not among those kept", unchosen, total - len(unchosen))
    flow.leave_spans("labels", "zero length", points, len(spans))
    kinds = {"call_id": "str", "segment": "int32", "start_s": "f8", "end_s": "f8", "label": "str"}
    found = pd.DataFrame(spans, columns=list(kinds)).astype(kinds)
    _check_shared_files(calls, found, table)
    notes = []
    if whole:
        notes.append(
            f"{whole} of {len(calls)} calls have no label track: the whole file is taken as the caller's "
            "speech."
        )
    return found, notes


def _as_pattern(label: str) -> str:
    return ".*".join(re.escape(part) for part in label.strip().split("*"))


def _check(chosen: list[Row], track: Path, path: Path, length: float, sample: float, place: Place) -> None:
    """Refuse spans outside the file and spans that overlap."""
    slack = sample + ROUNDING_S
    for start, end, text, line in chosen:
        if start < -ROUNDING_S or end > length + slack or start >= length:
            raise CohortError(
                f"{track}, line {line}: the span {start:g}-{end:g} s ({text!r}) lies outside {path.name}, "
                f"which lasts {length:.6f} s ({place})."
            )
    for (start, end, text, line), (next_start, next_end, next_text, next_line) in pairwise(chosen):
        if next_start < end:
            raise CohortError(
                f"{track}, lines {line} and {next_line}: the spans {start:g}-{end:g} s ({text!r}) and "
                f"{next_start:g}-{next_end:g} s ({next_text!r}) overlap ({place})."
            )


def _check_shared_files(calls: pd.DataFrame, spans: pd.DataFrame, table: Path) -> None:
    """Refuse spans of two calls in one file that overlap: the same speech would count twice."""
    shared = calls[calls["path"].duplicated(keep=False)]
    joined = spans.merge(shared[["call_id", "path", "file", "row"]], on="call_id")
    joined = joined.sort_values(["path", "start_s", "end_s"], ignore_index=True)
    following = joined.shift(-1)
    overlaps = (following["path"] == joined["path"]) & (following["start_s"] < joined["end_s"])
    for one, other in zip(
        joined[overlaps].itertuples(), joined[overlaps.shift(1, fill_value=False)].itertuples(), strict=True
    ):
        raise CohortError(
            f"{table}, rows {one.row} and {other.row}: calls {one.call_id!r} and {other.call_id!r} share the "
            f"file {one.file!r}, and their spans {one.start_s:g}-{one.end_s:g} s and "
            f"{other.start_s:g}-{other.end_s:g} s overlap."
        )


def _check_labels_occur(kept: tuple[str, ...] | None, seen: set[str]) -> None:
    for label in kept or ():
        if not any(re.fullmatch(_as_pattern(label), text) for text in seen):
            near = difflib.get_close_matches(label, sorted(seen), n=1, cutoff=0.5)
            some = ", ".join(map(repr, sorted(seen)[:5]))
            hint = f"did you mean {near[0]!r}?" if near else f"labels found are {some or 'none'}."
            raise CohortError(f"[cohort] labels keeps {label!r}, which occurs in no label track; {hint}")
