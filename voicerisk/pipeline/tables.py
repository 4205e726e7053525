"""The tables of a results folder: one schema each, and one way to read them.

`tables.toml` says of every column what it is called, what kind it is, its unit and what it holds. Text is
read as text, so that an id such as `001` or `NA` stays what it is.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from voicerisk.errors import StudyError
from voicerisk.files import read_parquet

# Written as a number and no other way: 001, 1_000 and nan are text.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_FLAGS = {"True": True, "False": False}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
    kind : {'text', 'whole', 'number', 'flag', 'any'}
        'any' is a number only where every value is written as one.
    unit : str
    holds : str
    """

    name: str
    kind: str
    unit: str
    holds: str


@dataclass(frozen=True, slots=True)
class Schema:
    """One table of a results folder.

    Attributes
    ----------
    name : str
    file : str
        Below the results folder.
    doc : str
    columns : tuple of Column
    others : tuple of str, optional
        Kind and meaning of further columns; None: there are none.
    """

    name: str
    file: str
    doc: str
    columns: tuple[Column, ...]
    others: tuple[str, str] | None


@cache
def schemas() -> dict[str, Schema]:
    """Return the schema of every table of a results folder, by name.

    Returns
    -------
    dict of str to Schema

    Examples
    --------
    >>> schemas()["segments"].file
    'segments.parquet'
    """
    text = files("voicerisk.pipeline").joinpath("tables.toml").read_text(encoding="utf-8")
    raw: dict[str, dict[str, Any]] = tomllib.loads(text)
    found = {}
    for name, one in raw.items():
        source = raw[one["same_as"]] if "same_as" in one else one
        columns = tuple(Column(key, *value) for key, value in source["columns"].items())
        others = tuple(source["others"]) if "others" in source else None
        found[name] = Schema(name, one["file"], one["doc"], columns, others)
    return found


def read_table(
    results: Path | str,
    name: str,
    *,
    columns: Sequence[str] | None = None,
    filters: Sequence[tuple[str, str, Any]] | None = None,
) -> pd.DataFrame:
    """Read one table of a results folder.

    Parameters
    ----------
    results : Path or str
        Results folder of a study.
    name : str
        'segments', 'metrics', 'gamm/curves' and so on, as `schemas` has them.
    columns : sequence of str, optional
        Only these.
    filters : sequence of (column, operator, value), optional
        Only rows that meet all of them; of Parquet tables alone.

    Returns
    -------
    DataFrame
        Ids and names are text, whole numbers are int64 (Int64 where some are missing), other numbers float64,
        flags bool. A table that was written without rows has the columns of its schema.

    Raises
    ------
    StudyError
        For an unknown name, a missing file, a column that is not there, or a value that is not of its kind:
        the file, the row and the value are named.

    Examples
    --------
    >>> read_table("results", "segments")  # doctest: +SKIP
    """
    schema = _schema(name)
    path = Path(results) / schema.file
    if not path.is_file():
        raise StudyError(
            f"{path} is missing; run the study first (`voicerisk run`), or name the folder of its results."
        )
    table = _read_parquet(path, columns, filters) if path.suffix == ".parquet" else _read_csv(path)
    if not len(table.columns):
        table = pd.DataFrame(columns=[column.name for column in schema.columns])
    absent = [column for column in columns or () if column not in table]
    if absent:
        raise StudyError(f"{path} has no column {absent[0]!r}; it has {', '.join(map(str, table.columns))}.")
    kinds = {column.name: column.kind for column in schema.columns}
    rest = schema.others[0] if schema.others else "any"
    wanted = list(table.columns) if columns is None else list(columns)
    return _typed(table, {key: kinds.get(key, rest) for key in wanted}, path)


def read_as_written(path: Path) -> pd.DataFrame:
    """Read a CSV file that has no schema: a column is numbers only where every value is written as one.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame
        Columns that end in `_id` are text.

    Raises
    ------
    StudyError
        Where it cannot be read.
    """
    table = _read_csv(path)
    return _typed(table, {str(key): "text" if str(key).endswith("_id") else "any" for key in table}, path)


def has_table(results: Path | str, name: str) -> bool:
    """Say whether a results folder has a table."""
    return (Path(results) / _schema(name).file).is_file()


def schemas_markdown() -> str:
    """Return all schemas as Markdown, for the documentation.

    Returns
    -------
    str
    """
    parts = []
    for schema in schemas().values():
        rows = [f"| `{c.name}` | {c.kind} | {c.unit} | {c.holds} |" for c in schema.columns]
        if schema.others:
            rows.append(f"| others | {schema.others[0]} | | {schema.others[1]} |")
        head = f"## {schema.name}\n\n`{schema.file}`. {schema.doc}\n\n"
        parts.append(
            head + "| column | kind | unit | what it holds |\n| --- | --- | --- | --- |\n" + "\n".join(rows)
        )
    return "\n\n".join(parts) + "\n"


def schemas_in_r() -> str:
    """Return the kinds of all columns of CSV files as R code, for `r/R/schema.R`.

    Returns
    -------
    str
    """
    files = {one.file: one for one in schemas().values() if one.file.endswith(".csv")}
    tables = []
    for schema in files.values():
        kinds = {column.name: column.kind for column in schema.columns}
        kinds["*"] = schema.others[0] if schema.others else "any"
        pairs = ", ".join(f'"{name}" = "{kind}"' for name, kind in kinds.items())
        tables.append(f'  "{schema.file}" = c({pairs})')
    head = (
        "# The kind of each column of a results folder's CSV files, as the Python package knows it:\n"
        "# its `schemas_in_r` writes this file. study.R says what a kind means.\n\nstudy_kinds <- list(\n"
    )
    return head + ",\n".join(tables) + "\n)\n"


def _schema(name: str) -> Schema:
    if name not in schemas():
        raise StudyError(f"There is no table {name!r} in a results folder; there are {', '.join(schemas())}.")
    return schemas()[name]


def _read_parquet(
    path: Path, columns: Sequence[str] | None, filters: Sequence[tuple[str, str, Any]] | None
) -> pd.DataFrame:
    try:
        return read_parquet(
            path, columns=None if columns is None else list(columns), filters=filters and list(filters)
        )
    except (OSError, ValueError) as problem:
        raise StudyError(f"{path} cannot be read as Parquet ({problem}); run the study again.") from None


def _read_csv(path: Path) -> pd.DataFrame:
    """Read every value as it is written."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (UnicodeDecodeError, pd.errors.ParserError) as problem:
        raise StudyError(f"{path} cannot be read as CSV ({problem}); run the study again.") from None


def _typed(table: pd.DataFrame, kinds: dict[str, str], path: Path) -> pd.DataFrame:
    return pd.DataFrame({key: _as_kind(table[key], kind, path) for key, kind in kinds.items()}, table.index)


def _as_kind(values: pd.Series, kind: str, path: Path) -> pd.Series:
    """Return a column as its kind; of Parquet, where types are kept, only ids are made text."""
    if path.suffix == ".parquet":
        is_text = kind == "text" and not pd.api.types.is_string_dtype(values.dtype)
        return values.map(str, na_action="ignore") if is_text else values
    given = values != ""
    if kind == "any" and len(values) and values.isin(list(_FLAGS)).all():
        kind = "flag"
    if kind == "any":
        kind = "number" if given.any() and values[given].map(_NUMBER.fullmatch).notna().all() else "text"
        if kind == "number" and given.all() and not values.str.contains(r"[.eE]").any():
            kind = "whole"
    if kind == "text":
        return values.where(given)
    if kind == "flag":
        if not values.isin(list(_FLAGS)).all():
            raise _not_of_kind(values, ~values.isin(list(_FLAGS)), kind, path)
        return values.map(_FLAGS).astype(bool)
    if kind == "whole":
        numbers = pd.to_numeric(values.where(given), errors="coerce")
        broken = given & ~(numbers % 1 == 0)
        if broken.any():
            raise _not_of_kind(values, broken, kind, path)
        return numbers.astype("int64" if given.all() else "Int64")
    numbers = pd.Series([_float(value) for value in values], index=values.index, dtype="float64")
    broken = given & numbers.isna() & ~values.str.lower().isin(["nan"])
    if broken.any():
        raise _not_of_kind(values, broken, kind, path)
    return numbers


def _float(text: str) -> float:
    """Return the number nearest to what is written, NaN where none is."""
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def _not_of_kind(values: pd.Series, broken: pd.Series, kind: str, path: Path) -> StudyError:
    row = int(broken.to_numpy().argmax())
    expected = {"flag": "True or False", "whole": "a whole number", "number": "a number"}[kind]
    return StudyError(
        f"{path}, row {row + 2}: {values.name} is {values.iloc[row]!r}, not {expected}; the file was "
        "changed, run the study again."
    )
