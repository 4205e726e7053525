"""Label tracks: who speaks when, as Audacity exports it, a Praat TextGrid, or a track of another program."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voicerisk.cohort import speaker_tracks
from voicerisk.cohort.speaker_tracks import reader_of
from voicerisk.cohort.textgrid import Row, is_textgrid, textgrid_rows
from voicerisk.errors import CohortError
from voicerisk.intake import clean, read_text

# Audacity writes six decimals: a label drawn to the end of a file may exceed it by half of the last one.
ROUNDING_S = 1e-6


def read_audacity(path: Path) -> pd.DataFrame:
    r"""Read a label track exported by Audacity.

    One line a label, ``start<TAB>end<TAB>text``, in seconds; a label with a frequency range has a second line
    ``\<TAB>low<TAB>high`` in Hz (-1 = unset).

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame
        In the order of the file: `start_s`, `end_s`, `label` (text as written, without surrounding blanks),
        `line` (of the file, from 1), `low_hz`, `high_hz` (NaN where the label has none). A point label has
        end_s equal to start_s.

    Raises
    ------
    CohortError
        If a line is not of this form, a time is not a finite number, or a label ends before it starts.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> track = Path(tempfile.mkdtemp()) / "call.txt"
    >>> _ = track.write_text("0.5\t2.0\tcaller\n2.0\t3.1\tcounsellor\n")
    >>> read_audacity(track)[["start_s", "end_s", "label"]].values.tolist()
    [[0.5, 2.0, 'caller'], [2.0, 3.1, 'counsellor']]
    """
    rows, ranges = _audacity(path, read_text(path, CohortError))
    return pd.DataFrame(
        {
            "start_s": pd.Series([row[0] for row in rows], dtype="f8"),
            "end_s": pd.Series([row[1] for row in rows], dtype="f8"),
            "label": pd.Series([row[2] for row in rows], dtype="str"),
            "line": pd.Series([row[3] for row in rows], dtype="i8"),
            "low_hz": pd.Series([low for low, _ in ranges], dtype="f8"),
            "high_hz": pd.Series([high for _, high in ranges], dtype="f8"),
        }
    )


@dataclass(frozen=True, slots=True)
class Track:
    """The labels of a track.

    Attributes
    ----------
    rows : list of (start_s, end_s, label, line)
        In the order of the file, texts cleaned as cells of a table are.
    rounding_s : float
        Seconds by which a time may be off, since the format writes so many decimals.
    """

    rows: list[Row]
    rounding_s: float


def read_track(path: Path, tier: str | None = None) -> Track:
    """Read a label track, its kind told by content (or the suffix .TextGrid).

    Parameters
    ----------
    path : Path
        Audacity label track, Praat TextGrid, ELAN (.eaf or tab-delimited export), subtitles (SubRip, WebVTT),
        RTTM, or JSON of WhisperX.
    tier : str, optional
        Tier of a TextGrid or of ELAN.

    Returns
    -------
    Track
        Intervals of a TextGrid without text are gaps, not labels, and are left out; an Audacity label without
        text is a label. In the other formats the label is the speaker; see `speaker_tracks`.
    """
    text = read_text(path, CohortError)
    other = reader_of(text)
    if other is not None:
        try:
            rows = other(path, text, None if tier is None else clean(tier))
        except (OverflowError, ValueError) as problem:
            raise CohortError(f"{path} holds a number that is no time ({problem}).") from problem
        return Track([(a, b, clean(label), line) for a, b, label, line in rows], speaker_tracks.ROUNDING_S)
    if is_textgrid(text) or path.suffix.lower() == ".textgrid":
        rows = [row for row in textgrid_rows(path, text, tier) if row[2]]
    else:
        rows = _audacity(path, text)[0]
    return Track([(start, end, clean(label), line) for start, end, label, line in rows], ROUNDING_S)


def label_matches(pattern: str, text: str) -> bool:
    r"""Tell whether `pattern` keeps a label; `*` stands for any run of characters, line breaks too.

    The time grows with the length of the text times the number of stars, whatever they hold.

    Examples
    --------
    >>> label_matches("caller*", "caller: calm\nslow"), label_matches("*a*b", "ba"), label_matches("a", "a ")
    (True, False, False)
    """
    first, *rest = pattern.strip().split("*")
    if not rest:
        return text == first
    *middle, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


def _audacity(path: Path, text: str) -> tuple[list[Row], list[tuple[float, float]]]:
    rows: list[Row] = []
    ranges: list[tuple[float, float]] = []
    for line, content in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if not content.strip():
            continue
        fields = content.split("\t")
        if fields[0].strip() == "\\":
            if not rows or len(fields) != 3 or not math.isnan(ranges[-1][0]):
                raise CohortError(
                    f"{path}, line {line}: a line that starts with a backslash gives the lowest and highest "
                    f"frequency of the label above it, but this one reads {content!r}."
                )
            ranges[-1] = (
                _number(path, line, fields[1], "frequency"),
                _number(path, line, fields[2], "frequency"),
            )
            continue
        if len(fields) < 2:
            raise CohortError(
                f"{path}, line {line}: {content[:60]!r} is not a label; a line holds start, end and text "
                "separated by tabs."
            )
        start, end = (_number(path, line, field, "time") for field in fields[:2])
        if end < start:
            raise CohortError(
                f"{path}, line {line}: the label ends at {end} s, before it starts at {start} s."
            )
        rows.append((start, end, "\t".join(fields[2:]).strip(), line))
        ranges.append((math.nan, math.nan))
    return rows, ranges


def _number(path: Path, line: int, text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        hint = "; write decimals with a point" if "," in text else ""
        raise CohortError(
            f"{path}, line {line}: the {what} {text.strip()!r} is not a number{hint}."
        ) from None
    if not math.isfinite(number) or "_" in text:
        raise CohortError(f"{path}, line {line}: the {what} {text.strip()!r} is not a finite number.")
    return number
