"""Label tracks of other programs: ELAN, subtitles, diarisation. Who speaks is the label.

Formats: ELAN Annotation Format (EAF 3.0, The Language Archive), ELAN's tab-delimited export, SubRip, WebVTT
(W3C), Rich Transcription Time Marked (RTTM, NIST RT-09), and the JSON of WhisperX.
"""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from voicerisk.cohort.textgrid import Row
from voicerisk.errors import CohortError
from voicerisk.intake import clean

# These formats write milliseconds.
ROUNDING_S = 1e-3
CLOCK = re.compile(r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]?\d(?:[.,]\d{1,3})?)")
ARROW = "-->"
CUE = re.compile(r"\d:\d\d[.,]\d{1,3}[ \t]*-->")
VOICE = re.compile(r"<v(?:\.[^ >]*)?[ \t]+([^>]*)>")
NAMED = re.compile(r"\[?([^\]\[:\n]{1,60}?)\]?[ \t]*:(?=\s|$)")
TAG = re.compile(r"<[^<>]*>")
RTTM_KINDS = (
    *("SPEAKER", "SPKR-INFO", "SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH"),
    *("FILLER", "EDIT", "IP", "SU", "CB", "A/P"),
)

Reader = Callable[[Path, str, str | None], list[Row]]


def reader_of(text: str) -> Reader | None:
    """Return the reader of a track of another program, told by content; None for any other text."""
    start = text.lstrip()
    if start.startswith(("<?xml", "<ANNOTATION_DOCUMENT")):
        return _eaf
    if start.startswith("WEBVTT") or CUE.search(start[:400]):
        return _subtitles
    if start.startswith(("{", "[")):
        return _whisperx
    first = start.split("\n", 1)[0]
    if first.split(" ", 1)[0] in RTTM_KINDS or first.startswith(";;"):
        return _rttm
    fields = first.rstrip("\r").split("\t")
    if len(fields) > 3 and ("Begin Time" in first or any(CLOCK.fullmatch(field) for field in fields)):
        return _elan_export
    return None


def seconds_of(path: Path, line: int, text: str) -> float:
    """Return a time written as hh:mm:ss.mmm or mm:ss.mmm in seconds."""
    found = CLOCK.fullmatch(text.strip())
    if found is None:
        raise CohortError(f"{path}, line {line}: {text.strip()[:40]!r} is no time such as 00:01:02.345.")
    hours, minutes, seconds = found.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))


def _row(path: Path, line: int, start: float, end: float, label: str) -> Row:
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0:
        raise CohortError(
            f"{path}, line {line}: the label runs from {start} to {end} s, which is no stretch."
        )
    if end < start:
        raise CohortError(f"{path}, line {line}: the label ends at {end} s, before it starts at {start} s.")
    return start, end, label.strip(), line


def _eaf(path: Path, text: str, tier: str | None) -> list[Row]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise CohortError(f"{path} declares entities, which no file of ELAN does; it is not read.")
    try:
        root = ElementTree.fromstring(text.lstrip())
    except ElementTree.ParseError as problem:
        raise CohortError(f"{path} is no XML that ELAN writes ({problem}).") from problem
    if root.tag != "ANNOTATION_DOCUMENT":
        raise CohortError(f"{path} holds <{root.tag}>, not an ELAN file; labels are read from .eaf.")
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    tiers: dict[str, list[Row]] = {}
    for one in root.iter("TIER"):
        name = clean(one.get("TIER_ID", ""))
        rows = []
        for number, annotation in enumerate(one.iter("ALIGNABLE_ANNOTATION"), 1):
            times = [slots.get(annotation.get(f"TIME_SLOT_REF{end}")) for end in (1, 2)]
            if any(time is None or not time.isdecimal() for time in times):
                raise CohortError(
                    f"{path}, tier {name!r}: annotation {number} has no time of its own; align it in ELAN."
                )
            value = "".join(annotation.findtext("ANNOTATION_VALUE") or "")
            start, end = (int(str(time)) / 1000 for time in times)
            rows.append(_row(path, number, start, end, value))
        if rows and (one.get("PARENT_REF") is None or name == tier):
            tiers[name] = rows
    return _chosen_tiers(path, tiers, tier)


def _chosen_tiers(path: Path, tiers: dict[str, list[Row]], tier: str | None) -> list[Row]:
    """Return the texts of one tier, or, of several, all annotations with their tier as label."""
    if tier is not None:
        if tier not in tiers:
            names = ", ".join(map(repr, tiers)) or "none"
            raise CohortError(f"{path} has no tier {tier!r} with annotations; it has {names}.")
        return tiers[tier]
    if len(tiers) == 1:
        return next(iter(tiers.values()))
    return [(start, end, name, line) for name, rows in tiers.items() for start, end, _, line in rows]


def _elan_export(path: Path, text: str, tier: str | None) -> list[Row]:
    tiers: dict[str, list[Row]] = {}
    for line, content in enumerate(text.splitlines(), 1):
        if not content.strip() or "Begin Time" in content:
            continue
        fields = content.split("\t")
        times = [field for field in fields if CLOCK.fullmatch(field)]
        if len(times) < 2:
            raise CohortError(
                f"{path}, line {line}: there are no begin and end as hh:mm:ss.ms; export from ELAN with them."
            )
        start, end = (seconds_of(path, line, time) for time in times[:2])
        tiers.setdefault(clean(fields[0]), []).append(_row(path, line, start, end, fields[-1]))
    return _chosen_tiers(path, tiers, tier)


def _subtitles(path: Path, text: str, tier: str | None) -> list[Row]:
    """Read SubRip and WebVTT; the label of a cue is its speaker, or its text where none is named."""
    rows: list[Row] = []
    lines = text.splitlines()
    for number, content in enumerate(lines, 1):
        if ARROW not in content:
            continue
        start, _, rest = content.partition(ARROW)
        end = rest.split()[0] if rest.split() else ""
        said = []
        for below in lines[number:]:
            if not below.strip() or ARROW in below:
                break
            said.append(below)
        words = "\n".join(said)
        voice = VOICE.search(words)
        plain = TAG.sub("", words).strip()
        named = NAMED.match(plain)
        label = voice[1] if voice else named[1] if named else plain
        begin, stop = (seconds_of(path, number, time) for time in (start, end))
        rows.append(_row(path, number, begin, stop, label))
    return rows


def _rttm(path: Path, text: str, tier: str | None) -> list[Row]:
    found: dict[str, list[Row]] = {}
    for line, content in enumerate(text.splitlines(), 1):
        fields = content.split()
        if not fields or content.startswith(";;") or fields[0] != "SPEAKER":
            continue
        if len(fields) < 8:
            raise CohortError(
                f"{path}, line {line}: a SPEAKER line has at least 8 fields, this one {len(fields)}."
            )
        try:
            start, length = float(fields[3]), float(fields[4])
        except ValueError:
            raise CohortError(f"{path}, line {line}: start and length must be numbers of seconds.") from None
        found.setdefault(fields[1], []).append(_row(path, line, start, start + length, fields[7]))
    if len(found) > 1:
        own = [rows for name, rows in found.items() if name == path.stem]
        if not own:
            names = ", ".join(list(found)[:5])
            raise CohortError(
                f"{path} holds {len(found)} recordings ({names}), none of the name of the file; split it."
            )
        return own[0]
    return next(iter(found.values()), [])


def _whisperx(path: Path, text: str, tier: str | None) -> list[Row]:
    """Read the segments of WhisperX; the label is the speaker, or the text where nobody was told apart."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise CohortError(f"{path} is no JSON ({problem}).") from problem
    segments = content.get("segments") if isinstance(content, dict) else content
    if not isinstance(segments, list) or not all(isinstance(one, dict) for one in segments):
        raise CohortError(f"{path} has no list of segments, as WhisperX writes it.")
    label = "speaker" if any("speaker" in one for one in segments) else "text"
    rows = []
    for number, one in enumerate(segments, 1):
        times = [one.get("start"), one.get("end")]
        if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in times):
            raise CohortError(f"{path}, segment {number}: start and end must be numbers of seconds.")
        rows.append(_row(path, number, float(times[0]), float(times[1]), str(one.get(label, ""))))
    return rows
