"""The spans of each call: the chosen labels of its track, or the whole file where it has none."""

import difflib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voicerisk.audio import sound_length
from voicerisk.cohort.flow import Flow
from voicerisk.cohort.labels import ROUNDING_S, Track, label_matches, read_track
from voicerisk.cohort.textgrid import Row
from voicerisk.errors import AudioError, CohortError
from voicerisk.intake import find_file, is_there, leads_out, same_but_for_case
from voicerisk.types import Progress


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
    if leads_out(root, name):
        if Path(name).is_relative_to(root.absolute()) and ".." not in Path(name).parts:
            raise CohortError(
                f"{place}: the {column} {name!r} is a whole path; write it from the folder {root} on: "
                f"{Path(name).relative_to(root.absolute()).as_posix()!r}."
            )
        raise CohortError(
            f"{place}: the {column} {name!r} leads out of the folder {root}; name a folder that holds all "
            "files with root in [cohort]."
        )
    path = find_file(root, name)
    if not is_there(path) or not path.is_file():
        beside = place.table.parent / name
        if is_there(beside):
            hint = f"; there is one beside {place.table.name}: set root in [cohort] to its folder"
        elif "\\" in name:
            hint = "; write folders with / instead of \\"
        elif alike := same_but_for_case(path):
            hint = f"; there is {alike!r}: upper and lower case count"
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
            labels = read_track(track_path, tier)
            seen.update(text for _, _, text, _ in labels.rows)
            chosen, others, empty = sort_labels(labels, kept)
            unchosen += [(call_id, track, line, f"{a:g}-{b:g} s {text!r}") for a, b, text, line in others]
            points += [(call_id, track, line, f"{a:g}-{b:g} s {text!r}") for a, b, text, line in empty]
            chosen = apart(chosen, track_path, labels.rounding_s, str(place))
            _check_inside(chosen, track_path, Path(path), length, sample + labels.rounding_s, place)
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


def sort_labels(track: Track, kept: tuple[str, ...] | None) -> tuple[list[Row], list[Row], list[Row]]:
    """Return the labels to analyse in time order, those not chosen, and those of zero length."""
    chosen: list[Row] = []
    unchosen: list[Row] = []
    points: list[Row] = []
    for label in track.rows:
        start, end, text, _ = label
        if kept is not None and not any(label_matches(pattern, text) for pattern in kept):
            unchosen.append(label)
        elif end == start:
            points.append(label)
        else:
            chosen.append(label)
    return sorted(chosen, key=lambda label: label[:2]), unchosen, points


def apart(chosen: list[Row], track: Path, rounding_s: float, where: str) -> list[Row]:
    """Refuse spans that overlap; spans that overlap by the rounding of their track touch.

    Parameters
    ----------
    chosen : list of Row
        In time order.
    track : Path
    rounding_s : float
        Seconds by which a time of this track may be off.
    where : str
        The call, for the message.
    """
    found = chosen[:1]
    for start, end, text, line in chosen[1:]:
        before = found[-1]
        if start < before[1] - 1.5 * rounding_s:
            raise CohortError(
                f"{track}, lines {before[3]} and {line}: the spans {before[0]:g}-{before[1]:g} s "
                f"({before[2]!r}) and "
                f"{start:g}-{end:g} s ({text!r}) overlap ({where})."
            )
        found.append((max(start, before[1]), end, text, line))
    return [label for label in found if label[1] > label[0]]


def _check_inside(
    chosen: list[Row], track: Path, path: Path, length: float, slack: float, place: Place
) -> None:
    for start, end, text, line in chosen:
        if start < -ROUNDING_S or end > length + slack or start >= length:
            raise CohortError(
                f"{track}, line {line}: the span {start:g}-{end:g} s ({text!r}) lies outside {path.name}, "
                f"which lasts {length:.6f} s ({place})."
            )


def _check_shared_files(calls: pd.DataFrame, spans: pd.DataFrame, table: Path) -> None:
    """Refuse spans of two calls in one file that overlap: the same speech would count twice."""
    shared = calls[calls["path"].duplicated(keep=False)]
    joined = spans.merge(shared[["call_id", "path", "file", "row"]], on="call_id")
    joined = joined.sort_values(["path", "start_s", "end_s"], ignore_index=True)
    following = joined.shift(-1)
    overlaps = (following["path"] == joined["path"]) & (
        following["start_s"] < joined["end_s"] - 1.5 * ROUNDING_S
    )
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
        if not any(label_matches(label, text) for text in seen):
            near = difflib.get_close_matches(label, sorted(seen), n=1, cutoff=0.5)
            some = ", ".join(map(repr, sorted(seen)[:5]))
            hint = f"did you mean {near[0]!r}?" if near else f"labels found are {some or 'none'}."
            raise CohortError(f"[cohort] labels keeps {label!r}, which occurs in no label track; {hint}")
