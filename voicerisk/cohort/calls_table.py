"""Reading calls.csv: every cell as text first, so that call 001 stays 001 and messages can name the row."""

import csv
import io
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.cohort.coding import is_missing
from voicerisk.errors import CohortError

REQUIRED = ("call_id", "caller_id", "sex", "file")
# Identifiers and file names are never numbers, whatever they look like.
TEXT_COLUMNS = frozenset({"call_id", "caller_id", "sex", "file", "labels"})
RESERVED_COLUMNS = frozenset({"path", "row", "outcome_listed"})
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# No leading zeros (007 is a code, not seven), no thousands separators, no hexadecimal.
NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
FIELD_LIMIT = 2**27


def read_text(path: Path) -> str:
    """Return a text file decoded as UTF-8, or UTF-16 where it starts with a byte order mark.

    Raises
    ------
    CohortError
        If there is no such file or it is in another encoding.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CohortError(f"There is no file {path}.") from None
    except OSError as error:
        raise CohortError(f"{path} cannot be read: {error.strerror}.") from error
    if raw.startswith(b"ooBinaryFile"):
        raise CohortError(f"{path} is a binary file of Praat's; save it with 'Save as text file'.")
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise CohortError(
            f"{path}, line {line}: the byte 0x{raw[error.start]:02x} is not "
            f"{encoding.removesuffix('-sig').upper()}; save the file as UTF-8."
        ) from error


def read_calls(path: Path) -> pd.DataFrame:
    """Read calls.csv as text.

    Parameters
    ----------
    path : Path
        Comma, semicolon or tab separated, with a header line; UTF-8 with or without a byte order mark.

    Returns
    -------
    DataFrame
        All columns as text without surrounding blanks, '' where empty, and `row`, the row of a spreadsheet
        (the header is row 1). Blank lines are skipped but keep their number.

    Raises
    ------
    CohortError
        If a column is missing or doubled, or a row has another number of fields than the header.
    """
    text = read_text(path)
    if "\0" in text:
        raise CohortError(f"{path} holds null bytes; it is not a table of text.")
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise CohortError(
            f"{path} is empty; it needs a header line with {', '.join(REQUIRED)} and an outcome."
        )
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(FIELD_LIMIT)
    records: list[list[str]] = []
    rows: list[int] = []
    try:
        for row, record in enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1
        ):
            cells = [cell.strip() for cell in record]
            if any(cells):
                records.append(cells)
                rows.append(row)
    except csv.Error as error:
        raise CohortError(f"{path}, after row {rows[-1] if rows else 0}: {error}.") from error
    header, *body = records
    # A spreadsheet leaves empty columns at the right.
    while header and not header[-1] and all(len(record) < len(header) or not record[-1] for record in body):
        header = header[:-1]
        body = [record[: len(header)] for record in body]
    _check_header(path, header, delimiter)
    for row, record in zip(rows[1:], body, strict=True):
        if len(record) != len(header):
            raise CohortError(
                f"{path}, row {row}: {len(record)} fields, but the header has {len(header)}; a field that "
                f"holds {DELIMITERS[delimiter]} must stand in quotes."
            )
    if not body:
        raise CohortError(f"{path} has a header but no calls.")
    table = pd.DataFrame(body, columns=header, dtype="str")
    if delimiter == ";":
        table = table.apply(_decimal_points)
    table["row"] = np.array(rows[1:], dtype=np.int64)
    return table


def _check_header(path: Path, header: list[str], delimiter: str) -> None:
    for name in REQUIRED:
        if name not in header:
            near = [column for column in header if column.lower().replace(" ", "_") == name]
            hint = f"rename the column {near[0]!r}" if near else f"it has {', '.join(map(repr, header))}"
            raise CohortError(
                f"{path}, row 1: there is no column {name!r} ({hint}; columns are read as separated by "
                f"{DELIMITERS[delimiter]})."
            )
    if "" in header:
        raise CohortError(f"{path}, row 1: column {header.index('') + 1} has no name.")
    doubled = [name for name in header if header.count(name) > 1]
    if doubled:
        raise CohortError(f"{path}, row 1: the column {doubled[0]!r} occurs more than once.")
    taken = sorted(RESERVED_COLUMNS & set(header))
    if taken:
        raise CohortError(
            f"{path}, row 1: the column name {taken[0]!r} is used by voicerisk; rename the column."
        )


def _decimal_points(column: pd.Series) -> pd.Series:
    """Turn the decimal commas of a semicolon-separated file into points, where all cells are such numbers."""
    if column.name in TEXT_COLUMNS:
        return column
    filled = column[~column.map(is_missing)]
    if filled.str.fullmatch(r"[+-]?\d+(?:,\d+)?").all() and filled.str.contains(",").any():
        return column.str.replace(",", ".", regex=False)
    return column


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with numeric columns as numbers and missing cells as NaN; ids and files stay text.

    A column is numeric if every filled cell is a plain number (an empty column thus is); one cell that is not
    makes it text.
    """
    columns: dict[str, pd.Series] = {}
    for name in table.columns:
        column = table[name]
        if name in TEXT_COLUMNS or name == "row":
            columns[name] = column
            continue
        missing = column.map(is_missing).to_numpy(dtype=bool)
        filled = column[~missing]
        if filled.map(_is_number).all():
            numbers = column.mask(missing).astype(np.float64)
            whole = (
                not missing.any()
                and not filled.str.contains(r"[.eE]").any()
                and (numbers.abs() < 2**53).all()
            )
            columns[name] = numbers.astype(np.int64) if whole else numbers
        else:
            columns[name] = column.mask(missing)
    return pd.DataFrame(columns)


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))
