"""Reading tables of messages, sessions and ratings: CSV, JSON lines or Parquet.

No message text ever enters an error or a log; errors name file, row and column.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.errors import TextError

READERS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
NESTED = "messages"


def read_table(path: Path) -> pd.DataFrame:
    """Read a table by the suffix of its name.

    Parameters
    ----------
    path : Path
        .csv, .tsv (UTF-8, all cells text), .jsonl or .ndjson (one object a line), .parquet. A JSON line that
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
    if suffix in (".csv", ".tsv"):
        try:
            return pd.read_csv(
                path,
                dtype=str,
                keep_default_na=False,
                sep="\t" if suffix == ".tsv" else ",",
                encoding="utf-8-sig",
            )
        except UnicodeDecodeError as problem:
            raise TextError(f"{path.name} is not UTF-8 (byte {problem.start}); save it as UTF-8.") from None
        except pd.errors.EmptyDataError:
            raise TextError(f"{path.name} is empty.") from None
        except pd.errors.ParserError:
            raise TextError(
                f"{path.name} is not a well-formed CSV table: a row has more cells than there are "
                f"columns, or a "
                "quote is not closed."
            ) from None
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path)
    if suffix == ".parquet":
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError):
            raise TextError(f"{path.name} is not readable as Parquet.") from None
    raise TextError(f"{path.name}: a table of messages must be one of {', '.join(READERS)}.")


def _json_lines(path: Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError):
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
            known = ", ".join(map(str, table.columns[:12]))
            raise TextError(f'{path.name} has no column {name} (set [text] {key} = "..."; it has {known}).')


def as_id(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """Return a column of ids as text; raise where one is empty."""
    values = table[column].astype("string").str.strip()
    empty = values.isna() | (values == "")
    if empty.any():
        raise TextError(f"{path.name}, row {int(empty.to_numpy().argmax())}: {column} is empty.")
    return values.astype(object)


def in_time_order(table: pd.DataFrame, column: str, path: Path) -> pd.DataFrame:
    """Sort the messages of each session by time, keeping the file's order among equal times.

    Times may be ISO 8601, or numbers.

    Raises
    ------
    TextError
        If a time cannot be read.
    """
    raw = table[column]
    times = pd.to_numeric(raw, errors="coerce")
    if times.isna().any():
        parsed = pd.to_datetime(raw.astype("string"), errors="coerce", utc=True, format="ISO8601")
        bad = parsed.isna()
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise TextError(f"{path.name}, row {row}: {column} {str(raw.iloc[row])!r} is no ISO 8601 time.")
        times = parsed.astype("int64")
    return table.assign(_time=times).sort_values("_time", kind="stable").drop(columns="_time")
