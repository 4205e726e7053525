"""Writing files so that a crash leaves either the old one or the new one, and private ones private.

A file is written beside its place and renamed into it. Private outputs (frames, predictions, text) get mode
0600.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

PRIVATE = 0o600
PUBLIC = 0o644
SIGNIFICANT = 12  # digits of fractions in a CSV: beyond them processors differ; scores have 12 decimals
# Spreadsheets run such cells: any that begin with these signs (in their full width as well), and those after
# a plus or minus that call a function or another program.
_FORMULA = re.compile("'*(?:[=@\t\r\n\uff1d\uff20]|[+\\-\uff0b\uff0d].*(?:[|!]|[A-Za-z.]\\())", re.DOTALL)


@contextmanager
def replacing(path: Path, mode: int = PUBLIC) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success rename it into place, on failure remove it.

    Parameters
    ----------
    path : Path
        Final place of the file. Its folder is made when missing.
    mode : int
        File mode of the result, `PUBLIC` (0644) or `PRIVATE` (0600).

    Yields
    ------
    Path
        Where to write. It keeps the suffix of `path`, since writers choose formats by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, mode: int = PUBLIC) -> None:
    """Write `text` as UTF-8."""
    with replacing(path, mode) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, mode: int = PUBLIC) -> None:
    """Write `value` as indented JSON; NaN is refused, because JSON has none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", mode)


def read_json(path: Path, error: type[Exception]) -> dict[str, Any]:
    """Read a JSON file of a results folder, a table of names and values.

    Raises
    ------
    error
        Of this type, where the file is damaged or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise error(f"{path}: not readable as JSON ({problem}); run the study again.") from problem
    if not isinstance(content, dict):
        raise error(f"{path}: holds no table of names and values; run the study again.")
    return content


def is_formula(text: str) -> bool:
    """Say whether a spreadsheet would run a cell.

    Examples
    --------
    >>> [is_formula(text) for text in ("=1+1", "@SUM(A1)", "-2+cmd|' /C calc'!A0", "-5", "+49 30 12", "a=b")]
    [True, True, True, False, False, False]
    """
    return _FORMULA.match(text) is not None


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which cells and names that a spreadsheet would run stand behind an apostrophe."""

    def guard(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and is_formula(value) else value

    texts = [
        place
        for place, kind in enumerate(table.dtypes)
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind))
    ]
    safe = table
    for place in texts:
        column = table.iloc[:, place]
        if any(isinstance(one, str) and is_formula(one) for one in column.unique()):
            safe = table.copy() if safe is table else safe
            safe.isetitem(place, column.map(guard).to_numpy(dtype=object))
    names = [guard(name) for name in table.columns]
    return safe if names == list(table.columns) else safe.set_axis(names, axis="columns")


def write_csv(
    path: Path, table: pd.DataFrame, mode: int = PUBLIC, *, guarded: bool = False, exact: bool = False
) -> None:
    """Write a table as CSV, missing values empty, fractions with 12 significant digits.

    Cells that a spreadsheet would run as a formula stand behind an apostrophe. `guarded` says that they do
    already: a second apostrophe could not be told from one of the text's own. `exact` keeps every digit, for
    what a person brought: a number there can be a code.
    """
    with replacing(path, mode) as temporary:
        (table if guarded else without_formulas(table)).to_csv(
            temporary, index=False, float_format=None if exact else f"%.{SIGNIFICANT}g"
        )


def as_written(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its fractions as `write_csv` writes them, so that what is read back is the same."""
    found = table.copy()
    for position, dtype in enumerate(table.dtypes):
        if pd.api.types.is_float_dtype(dtype):
            column = table.iloc[:, position].to_numpy(dtype=float, na_value=float("nan"))
            found.isetitem(position, [float(f"{value:.{SIGNIFICANT}g}") for value in column])
    return found


def write_parquet(path: Path, table: pd.DataFrame, mode: int = PRIVATE) -> None:
    """Write a table as Parquet. Tables of frames and predictions are private by default."""
    with replacing(path, mode) as temporary:
        table.to_parquet(temporary, index=False)


def read_parquet(path: Path, **options: Any) -> pd.DataFrame:
    """Read a Parquet table; whatever a damaged file makes the reader raise becomes a ValueError.

    Parameters
    ----------
    path : Path
    **options
        As `pandas.read_parquet`.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no whole Parquet table.
    """
    import pyarrow as pa

    try:
        return pd.read_parquet(path, **options)
    except (KeyError, TypeError, AttributeError, NotImplementedError, pa.ArrowException) as problem:
        raise ValueError(str(problem) or type(problem).__name__) from problem


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
