"""Tables of markers as Parquet, with their catalogue inside.

A file of numbers outlives the code that made it: the definitions and their version travel in its metadata.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from voicerisk.biomarkers.catalogue import DEFINITION_VERSION, catalogue
from voicerisk.biomarkers.segments import marker_columns
from voicerisk.errors import BiomarkerError
from voicerisk.files import PRIVATE, replacing

if TYPE_CHECKING:
    import pyarrow as pa

VERSION_KEY = b"voicerisk.definition_version"
ROWS = 1 << 14  # that are encoded at a time
CATALOGUE_KEY = b"voicerisk.catalogue"


def write_marker_table(path: Path, table: pd.DataFrame, mode: int = PRIVATE) -> None:
    """Write a table of frames or segments as Parquet, with the catalogue of its markers in the metadata.

    Parameters
    ----------
    path : Path
        The old file stays until the new one is complete.
    table : DataFrame
    mode : int
        File mode; private by default.
    """
    write_marker_tables(path, [table], mode)


def write_marker_tables(path: Path, tables: Iterable[pd.DataFrame], mode: int = PRIVATE) -> None:
    """Write tables of the same columns one below the other, in one file with the catalogue of the markers.

    Parameters
    ----------
    path : Path
        The old file stays until the new one is complete.
    tables : iterable of DataFrame
        One at least; taken one at a time, so that they need not be in memory together.
    mode : int
        File mode; private by default.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    coming = iter(tables)
    first = [next(coming)]
    # A table without rows does not tell the types of its columns.
    while first[-1].empty and (following := next(coming, None)) is not None:
        first.append(following)
    schema = _schema(first[-1])
    # Nearly every value of a marker is another: a dictionary of them would only take memory and time.
    few = [name for name, kind in first[-1].dtypes.items() if kind != np.float64]
    with (
        replacing(path, mode) as temporary,
        pq.ParquetWriter(temporary, schema, use_dictionary=few) as writer,
    ):
        for table in chain(first, coming):
            for row in range(0, max(len(table), 1), ROWS):
                part = table.iloc[row : row + ROWS]
                writer.write_table(pa.Table.from_pandas(part, schema=schema, preserve_index=False))


def _schema(table: pd.DataFrame) -> "pa.Schema":
    import pyarrow as pa

    rows = catalogue().set_index("name").loc[marker_columns(table)].reset_index()
    # JSON has no infinity: contexts without a bound are null
    records = json.loads(rows.to_json(orient="records"))
    schema = pa.Schema.from_pandas(table, preserve_index=False)
    metadata = dict(schema.metadata or {})
    metadata[VERSION_KEY] = DEFINITION_VERSION.encode()
    metadata[CATALOGUE_KEY] = json.dumps(records, ensure_ascii=False).encode()
    return schema.with_metadata(metadata)


def read_marker_table_in_pieces(path: Path) -> Iterator[pd.DataFrame]:
    """Read a table of markers some thousand rows at a time, so that a long one is never held whole.

    Parameters
    ----------
    path : Path
        As `write_marker_table` writes it.

    Yields
    ------
    DataFrame
        The rows in order; one table without rows where there are none.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if not file.metadata.num_rows:
            yield file.read().to_pandas()
        for batch in file.iter_batches(ROWS):
            yield batch.to_pandas()


def read_definitions(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """Return the definition version and the catalogue rows that a marker table was written with.

    Raises
    ------
    BiomarkerError
        Where the file carries none.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    if VERSION_KEY not in metadata or CATALOGUE_KEY not in metadata:
        raise BiomarkerError(
            f"{path} carries no definitions of markers; it was not written by write_marker_table."
        )
    return metadata[VERSION_KEY].decode(), json.loads(metadata[CATALOGUE_KEY])
