"""Writing files so that a crash leaves either the old one or the new one, and private ones private.

A file is written beside its place and renamed into it. Private outputs (frames, predictions, text) get mode
0600.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

PRIVATE = 0o600
PUBLIC = 0o644


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


def write_csv(path: Path, table: pd.DataFrame, mode: int = PUBLIC) -> None:
    """Write a table as CSV, missing values empty, floats with 17 significant digits at most."""
    with replacing(path, mode) as temporary:
        table.to_csv(temporary, index=False)


def write_parquet(path: Path, table: pd.DataFrame, mode: int = PRIVATE) -> None:
    """Write a table as Parquet. Tables of frames and predictions are private by default."""
    with replacing(path, mode) as temporary:
        table.to_parquet(temporary, index=False)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
