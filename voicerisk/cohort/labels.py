"""Label tracks: who speaks when, as Audacity exports it, or a Praat TextGrid."""

import math
from pathlib import Path

import pandas as pd

from voicerisk.cohort.calls_table import read_text
from voicerisk.cohort.textgrid import Row, is_textgrid, textgrid_rows
from voicerisk.errors import CohortError


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
    """
    rows, ranges = _audacity(path, read_text(path))
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


def label_rows(path: Path, tier: str | None = None) -> list[Row]:
    """Read a label track of either kind, told apart by content (or the suffix .TextGrid).

    Parameters
    ----------
    path : Path
        Audacity label track or Praat TextGrid.
    tier : str, optional
        Tier of a TextGrid.

    Returns
    -------
    list of (start_s, end_s, label, line)
        In the order of the file. Intervals of a TextGrid without text are gaps, not labels, and are left out;
        an Audacity label without text is a label.
    """
    text = read_text(path)
    if is_textgrid(text) or path.suffix.lower() == ".textgrid":
        return [row for row in textgrid_rows(path, text, tier) if row[2]]
    return _audacity(path, text)[0]


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
