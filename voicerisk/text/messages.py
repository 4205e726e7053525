"""Reading tables of messages, sessions and ratings: CSV, Excel, JSON lines or Parquet.

No cell ever enters an error or a log, nor the name of a column that the study does not ask for: with a wrong
column name, or without a header, each of them may be what somebody wrote. Errors name file, row and column.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicerisk.errors import TextError
from voicerisk.intake import clean, read_sheet

READERS = (".csv", ".tsv", ".xlsx", ".jsonl", ".ndjson", ".parquet")
NESTED = "messages"
ROWS = "rows"
# Names that a message may repeat: they are what the study file calls these columns unless it says otherwise.
USUAL = (
    *("session_id", "user_id", "text", "time", "role", "label", "age", "complete", "rater", "word"),
    *("wish_dead", "active_thoughts", "method", "intent", "plan", "preparation", "attempt"),
)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table by the suffix of its name.

    Parameters
    ----------
    path : Path
        .csv, .tsv, .xlsx (as every table that is brought; cells as written), .jsonl or .ndjson (one object
        a line), .parquet. A JSON line that
        holds a list `messages` of objects becomes one row a message.

    Returns
    -------
    DataFrame
        Ids as text.

    Raises
    ------
    TextError
        If the file is missing, of another kind, or not readable; for JSON lines with the line's number.
    """
    if not path.is_file():
        raise TextError(f"There is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".xlsx"):
        sheet = read_sheet(path, TextError, verbatim=None, quote_names=False)
        # Empty rows were skipped: errors name the rows that a spreadsheet shows.
        sheet.cells.attrs[ROWS] = sheet.rows.tolist()
        return sheet.cells
    if suffix in (".jsonl", ".ndjson"):
        return _plain(_json_lines(path), path)
    if suffix == ".parquet":
        return _plain(_parquet(path), path)
    raise TextError(f"{path.name}: a table of messages must be one of {', '.join(READERS)}.")


def _json_lines(path: Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                json.dumps(record, ensure_ascii=False).encode()  # half a sign of UTF-16 is no Unicode
            except (ValueError, RecursionError):
                raise TextError(f"{path.name}, line {number} is not valid JSON in UTF-8.") from None
            if not isinstance(record, dict):
                raise TextError(f"{path.name}, line {number} is not a JSON object.")
            nested = record.pop(NESTED, None)
            if nested is None:
                rows.append(record)
                continue
            if not isinstance(nested, list) or not all(isinstance(one, dict) for one in nested):
                raise TextError(f"{path.name}, line {number}: `messages` must be a list of objects.")
            if not nested:
                raise TextError(f"{path.name}, line {number}: `messages` is empty; leave the session out.")
            rows += [{**record, **one} for one in nested]
    if not rows:
        raise TextError(f"{path.name} is empty.")
    return pd.DataFrame(rows)


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        table.validate(full=True)
        return table.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, TypeError, pa.ArrowException):
        raise TextError(f"{path.name} is not readable as Parquet.") from None


def _plain(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Refuse cells that are neither text nor a number nor a time, and columns of one name."""
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise TextError(
            f"{path.name} has two columns of one name (the later is column {_place(table, twice[0])})."
        )
    for number, name in enumerate(table.columns, start=1):
        for row, cell in enumerate(table[name] if table[name].dtype == object else ()):
            if isinstance(cell, list | dict | bytes | np.ndarray):
                raise TextError(
                    f"{row_of(path, row)}: column {number} holds a {type(cell).__name__}, no text."
                )
    return table


def _place(table: pd.DataFrame, name: str) -> int:
    return int(np.flatnonzero(table.columns == name)[-1]) + 1


def row_of(path: Path, number: int, table: pd.DataFrame | None = None) -> str:
    """Return how messages call a row, counted from 0 here: as a spreadsheet shows it, or as the record it is.

    Parameters
    ----------
    path : Path
    number : int
    table : DataFrame, optional
        As `read_table` gave it; without it no row is taken to be empty.

    Examples
    --------
    >>> row_of(Path("m.csv"), 0), row_of(Path("m.jsonl"), 0)
    ('m.csv, row 2', 'm.jsonl, record 1')
    """
    sheet = path.suffix.lower() in (".csv", ".tsv", ".xlsx")
    rows = None if table is None else table.attrs.get(ROWS)
    if rows is not None and number < len(rows):
        return f"{path.name}, row {rows[number]}"
    return f"{path.name}, row {number + 2}" if sheet else f"{path.name}, record {number + 1}"


def require(table: pd.DataFrame, columns: dict[str, str], path: Path) -> None:
    """Raise where columns are missing or an id is empty.

    Parameters
    ----------
    table : DataFrame
    columns : dict
        Key of the study file to the column's name.
    path : Path
    """
    for key, name in columns.items():
        if name not in table:
            known = [usual for usual in USUAL if usual in table and usual != name]
            has = (
                f"; among its {len(table.columns)} columns are {', '.join(known)}"
                if known
                else (f"; none of its {len(table.columns)} columns has a usual name: has it a header?")
            )
            raise TextError(f'{path.name} has no column {name} (set [text] {key} = "..."{has}).')


def as_id(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column of ids as text, cleaned as ids of calls are; raise where one is empty."""
    values = table[column].astype("string").map(clean, na_action="ignore").astype("string")
    empty = values.isna() | (values == "")
    if empty.any():
        raise TextError(f"{row_of(path, int(empty.to_numpy().argmax()), table)}: {column} is empty.")
    return values.astype(object)


def in_time_order(
    table: pd.DataFrame, column: str, path: Path, time_format: str | None = None
) -> pd.DataFrame:
    """Sort the messages of each session by time, keeping the file's order among equal times.

    Parameters
    ----------
    table : DataFrame
    column : str
        Times in ISO 8601, or numbers.
    path : Path
    time_format : str, optional
        How times are written instead, in the signs of `strftime`: "%d.%m.%Y %H:%M".

    Raises
    ------
    TextError
        If a time cannot be read.
    """
    raw = table[column]
    times = pd.to_numeric(raw, errors="coerce") if time_format is None else pd.Series([np.nan])
    if times.isna().any():
        # Without a format, day and month of 03.04.2022 could be told apart in two ways.
        parsed = pd.to_datetime(
            raw.astype("string"), errors="coerce", utc=True, format=time_format or "ISO8601"
        )
        bad = parsed.isna()
        if bad.any():
            place = row_of(path, int(bad.to_numpy().argmax()), table)
            if time_format is not None:
                raise TextError(f"{place}: {column} is not written as [text] time_format says.")
            raise TextError(
                f"{place}: {column} is no ISO 8601 time, nor a number; say how it is written, as "
                '[text] time_format = "%d.%m.%Y %H:%M".'
            )
        times = parsed.astype("int64")
    ordered = table.assign(_time=times).sort_values("_time", kind="stable").drop(columns="_time")
    ordered.attrs.pop(ROWS, None)  # positions are no rows of the file any more
    return ordered
