"""Praat TextGrids, long and short text format.

Praat reads a text file as a stream of numbers, quoted texts and flags in angle brackets, and takes everything
else for comment (Praat manual, "TextGrid file formats"); so does this reader, which makes both formats one.
"""

import bisect
import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from voicerisk.errors import CohortError
from voicerisk.intake import clean, read_text

# No part can match the same signs in two ways: a damaged file is refused as fast as a good one is read.
TOKEN = re.compile(r'"(?:[^"]|"")*"|"|<[^>\s"]*>|![^\n]*|[^\s"]+')
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
# Start and end in seconds, text, line of the file.
Row = tuple[float, float, str, int]
INTERVALS, POINTS = "IntervalTier", "TextTier"


@dataclass(slots=True)
class Tokens:
    """The numbers, texts and flags of a file, with the line each stands in."""

    path: Path
    values: list[float | str]
    lines: list[int]
    place: int = 0

    def take(self, kind: type, what: str) -> float | str:
        """Return the next value, which must be of this kind."""
        if self.place >= len(self.values):
            raise CohortError(f"{self.path} ends before {what}; the TextGrid is cut off.")
        value = self.values[self.place]
        if not isinstance(value, kind):
            raise CohortError(f"{self.path}, line {self.line}: {value!r} stands where {what} should be.")
        self.place += 1
        return value

    @property
    def line(self) -> int:
        """Line of the next value."""
        return self.lines[min(self.place, len(self.lines) - 1)]

    def number(self, what: str) -> float:
        """Return the next value, a finite number."""
        value = self.take(float, what)
        assert isinstance(value, float)
        if not math.isfinite(value):
            raise CohortError(f"{self.path}, line {self.lines[self.place - 1]}: {what} is not finite.")
        return value

    def text(self, what: str) -> str:
        """Return the next value, a quoted text."""
        return str(self.take(str, what))

    def count(self, what: str) -> int:
        """Return the next value, a whole number that is not negative."""
        value = self.number(what)
        if value != int(value) or value < 0:
            raise CohortError(
                f"{self.path}, line {self.lines[self.place - 1]}: {what} is {value}, not a count."
            )
        return int(value)


def is_textgrid(text: str) -> bool:
    """Tell whether this is the content of a Praat text file."""
    return text.lstrip()[:100].startswith(("File type", '"ooTextFile'))


def read_textgrid(path: Path, tier: str | None = None) -> pd.DataFrame:
    """Read one tier of a Praat TextGrid.

    Parameters
    ----------
    path : Path
        Long or short text format; UTF-8, or UTF-16 with a byte order mark.
    tier : str, optional
        Name of the tier. Without it the file must have exactly one interval tier. A point tier must be named;
        its points have zero length.

    Returns
    -------
    DataFrame
        In the order of the file: `start_s`, `end_s`, `label` (without surrounding blanks, '' for an interval
        without text), `line` (of the file, where the interval starts).

    Raises
    ------
    CohortError
        If the file is not a TextGrid, is cut off, has no such tier, or an interval ends before it starts.

    Examples
    --------
    >>> read_textgrid("call.TextGrid", tier="caller")  # doctest: +SKIP
    """
    rows = textgrid_rows(path, read_text(path, CohortError), tier)
    return pd.DataFrame(
        {
            "start_s": pd.Series([row[0] for row in rows], dtype="f8"),
            "end_s": pd.Series([row[1] for row in rows], dtype="f8"),
            "label": pd.Series([row[2] for row in rows], dtype="str"),
            "line": pd.Series([row[3] for row in rows], dtype="i8"),
        }
    )


def textgrid_rows(path: Path, text: str, tier: str | None = None) -> list[Row]:
    """Return the rows of one tier from the content of a TextGrid, as `read_textgrid` does from its path."""
    if not is_textgrid(text):
        raise CohortError(
            f"{path} is not a TextGrid in Praat's text format; save it with 'Save as text file'."
        )
    tiers = _tiers(_tokens(path, text))
    names = [name for _, name, _ in tiers]
    if tier is None:
        chosen = [entry for entry in tiers if entry[0] == INTERVALS]
        if len(chosen) != 1:
            raise CohortError(
                f"{path} has {len(chosen)} interval tiers ({', '.join(map(repr, names)) or 'none'}); "
                "name the one to use with tier."
            )
    else:
        chosen = [entry for entry in tiers if clean(entry[1]) == clean(tier)]
        if not chosen:
            near = difflib.get_close_matches(tier, names, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, names)) or 'none'}."
            )
            raise CohortError(f"{path} has no tier {tier!r}; {hint}")
        if len(chosen) > 1:
            raise CohortError(f"{path} has {len(chosen)} tiers named {tier!r}; rename all but one.")
    return chosen[0][2]


def _tokens(path: Path, text: str) -> Tokens:
    breaks = [place for place, sign in enumerate(text) if sign == "\n"]
    values: list[float | str] = []
    lines: list[int] = []
    for match in TOKEN.finditer(text):
        token = match.group()
        value: float | str
        if token == '"':
            line = bisect.bisect_left(breaks, match.start()) + 1
            raise CohortError(f"{path}, line {line}: a quoted text begins here and never ends.")
        if token[0] == '"':
            value = token[1:-1].replace('""', '"')
        elif token[0] != "<" and NUMBER.fullmatch(token):
            value = float(token)
        elif token == "--undefined--":
            value = math.nan
        else:
            continue
        values.append(value)
        lines.append(bisect.bisect_left(breaks, match.start()) + 1)
    return Tokens(path, values, lines)


def _tiers(tokens: Tokens) -> list[tuple[str, str, list[Row]]]:
    """Return the class, name and rows (start, end, text, line) of every tier."""
    kind = tokens.text("the file type")
    name = tokens.text("the object class")
    if kind != "ooTextFile" or name.split(" ")[0] != "TextGrid":
        raise CohortError(f"{tokens.path} holds a Praat {name!r}, not a TextGrid.")
    tokens.number("the start of the TextGrid")
    tokens.number("the end of the TextGrid")
    tiers = []
    for _ in range(tokens.count("the number of tiers") if tokens.place < len(tokens.values) else 0):
        line = tokens.line
        kind, name = tokens.text("the class of a tier"), tokens.text("the name of a tier")
        if kind not in (INTERVALS, POINTS):
            raise CohortError(f"{tokens.path}, line {line}: {kind!r} is neither {INTERVALS} nor {POINTS}.")
        tokens.number("the start of a tier")
        tokens.number("the end of a tier")
        rows: list[Row] = []
        for _ in range(tokens.count("the number of intervals of a tier")):
            line = tokens.line
            start = tokens.number("the start of an interval")
            end = tokens.number("the end of an interval") if kind == INTERVALS else start
            if end < start:
                raise CohortError(
                    f"{tokens.path}, line {line}: the interval ends at {end} s, before it starts at "
                    f"{start} s."
                )
            rows.append((start, end, tokens.text("the text of an interval").strip(), line))
        tiers.append((kind, name, rows))
    return tiers
