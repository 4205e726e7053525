"""One reader for every table that a person brings: CSV of any spreadsheet, Excel workbook, Parquet."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from voicerisk.errors import VoiceriskError
from voicerisk.intake.cells import Numbers, clean, decimal_commas, is_excel_error, numbers_of
from voicerisk.intake.decoding import read_text
from voicerisk.intake.workbook import workbook_records

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab")
WORKBOOKS = (".xlsx", ".xlsm")
TABLES = (".csv", ".tsv", ".xlsx", ".parquet")
REFUSED = {
    ".xls": "an old Excel file; save it as .xlsx or CSV",
    ".xlsb": "a binary Excel file; save it as .xlsx or CSV",
    ".ods": "an OpenDocument sheet; save it as .xlsx or CSV",
    ".sav": "a file of SPSS; save it as CSV in UTF-8",
    ".dta": "a file of Stata; save it as CSV in UTF-8",
    ".rds": "a file of R's; write it with write.csv(..., row.names = FALSE)",
    ".rdata": "a file of R's; write it with write.csv(..., row.names = FALSE)",
    ".feather": "a Feather file; write it as Parquet",
}
FIELD_LIMIT = 2**27
BLOCK = 20_000  # rows turned into columns at once
SHOWN = 5  # cells that a message shows
MANY = 12  # columns that it shows
IDS = ("call_id", "caller_id", "session_id", "user_id")
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
# Names that R, readr and pandas give a column of row names that had none.
ROW_NAMES = re.compile(r"|Unnamed: ?\d+|\.\.\.1|__index_level_\d+__|rownames|row\.names")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as read.

    Attributes
    ----------
    path : Path
    cells : DataFrame
        Cleaned text, '' where empty; of a Parquet file numbers stay numbers.
    rows : ndarray of int64
        Row of a spreadsheet that each record stands in (the header is row 1).
    separated : str
        'commas', 'semicolons' or 'tabs'; empty for a workbook or Parquet.
    commas_known : str
        'proven', 'likely' or 'no': what the file says about decimal commas.
    error : type
        Class of the errors that concern this table.
    respelled : dict of str to ndarray of bool
        Cells that held invisible characters or letters in decomposed form, by column.
    """

    path: Path
    cells: pd.DataFrame
    rows: NDArray[np.int64]
    separated: str
    commas_known: str
    error: type[VoiceriskError]
    respelled: dict[str, NDArray[np.bool_]]

    def numbers(self, name: str) -> Numbers:
        """Return a column as numbers, with what is no number marked."""
        column = self.cells[name]
        if not is_text(column):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            missing = np.isnan(values)
            none = np.zeros(len(values), dtype=bool)
            whole = (
                not missing.any() and bool((values == np.floor(values)).all()) and column.dtype.kind in "iub"
            )
            return Numbers(values, missing, none, "", none, whole)
        return numbers_of(column, self.commas_known)

    def required_numbers(self, name: str) -> Numbers:
        """Return a column that must be numbers.

        Raises
        ------
        VoiceriskError
            Of the class `error`, with the rows and values that are no numbers.
        """
        if not (is_text(self.cells[name]) or pd.api.types.is_numeric_dtype(self.cells[name])):
            kind = type(self.cells[name].iloc[0]).__name__ if len(self.cells) else "nothing"
            raise self.error(f"{self.path.name}: the column {name!r} holds {kind}, not numbers.")
        found = self.numbers(name)
        if found.doubt:
            raise self.error(f"{self.path.name}, column {name!r}: {found.doubt}.")
        if found.other.any():
            raise self.error(
                f"{self.path.name}: the column {name!r} holds text where numbers belong "
                f"({self.shown(name, found.other)}); leave missing values empty or write NA."
            )
        return found

    def shown(self, name: str, where: NDArray[np.bool_]) -> str:
        """Return the first marked cells of a column in words: row and value."""
        places = np.flatnonzero(where)
        some = [f"row {self.rows[n]}: {str(self.cells[name].iloc[n])[:60]!r}" for n in places[:SHOWN]]
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        return ", ".join(some) + more

    def places(self, where: NDArray[np.bool_]) -> str:
        """Return the rows of the first marked cells in words; notes go into reports and quote no cell."""
        rows = [str(self.rows[n]) for n in np.flatnonzero(where)]
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return f"row{'s' if len(rows) > 1 else ''} {', '.join(rows[:SHOWN])}{more}"

    def as_text(self) -> "Sheet":
        """Return the table with every cell text, as far as Parquet holds something else."""
        columns = {
            name: column if is_text(column) else column.map(_written).astype("str")
            for name, column in self.cells.items()
        }
        return replace(self, cells=pd.DataFrame(columns))

    def with_points(self, name: str) -> pd.Series:
        """Return a column of text with decimal points where it holds numbers with decimal commas."""
        column = self.cells[name]
        commas = self.commas_known != "no" and self.numbers(name).are_numbers
        return column.str.replace(",", ".", regex=False) if commas else column

    def excel_errors(self) -> dict[str, NDArray[np.bool_]]:
        """Return for each column that holds errors of Excel's which cells do."""
        found = {}
        for name in self.cells:
            if is_text(self.cells[name]):
                marks = self.cells[name].str.startswith("#").to_numpy(dtype=bool, copy=True)
                if marks.any():
                    marks[marks] = [is_excel_error(cell) for cell in self.cells[name][marks]]
                if marks.any():
                    found[str(name)] = marks
        return found

    def notes(self) -> list[str]:
        """Say which cells hold errors of Excel's, and in which ids invisible characters were."""
        told = [
            f"{int(marks.sum())} cell(s) of the column {name!r} of {self.path.name} hold an error of "
            f"Excel's and "
            f"are read as missing ({self.shown(name, marks)})."
            for name, marks in self.excel_errors().items()
        ]
        for name in IDS:
            if name in self.respelled:
                marks = self.respelled[name]
                told.append(
                    f"{int(marks.sum())} cell(s) of the column {name!r} of {self.path.name} held invisible "
                    f"characters or letters in decomposed form, and are read without ({self.places(marks)})."
                )
        return told


def _written(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else str(int(value)) if float(value).is_integer() else repr(float(value))
    return "" if pd.isna(value) else str(value)


def is_text(column: pd.Series) -> bool:
    """Tell whether a column holds text."""
    return isinstance(column.dtype, pd.StringDtype)


def read_sheet(
    path: Path,
    error: type[VoiceriskError],
    required: Sequence[str] = (),
    verbatim: Sequence[str] | None = (),
    text: Sequence[str] = ("call_id",),
    quote_names: bool = True,
) -> Sheet:
    r"""Read a table that a person brings.

    Parameters
    ----------
    path : Path
        Told by its suffix, in any case: `.parquet`, `.xlsx`, and text: `.csv`, `.tsv` and anything else. Text
        is UTF-8 or UTF-16, separated by commas, semicolons or tabs, with a header; a first line `sep=;` is
        understood. Empty rows, and empty columns at the right, are skipped.
    error : type
        Class of the errors to raise.
    required : sequence of str
        Columns that must be there.
    verbatim : sequence of str
        Columns whose cells stay as they are written, such as messages; None for all.
    text : sequence of str
        Columns that are text whatever they look like (ids); numbers of Parquet become text there.
    quote_names : bool
        Whether an error may quote the name of a column; without a header it may be what somebody wrote.

    Returns
    -------
    Sheet

    Raises
    ------
    error
        If the file is of another kind, a column is missing, has no name or occurs twice, or a row has
        another number of
        cells than the header; with file and row.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from voicerisk.errors import CohortError
    >>> file = Path(tempfile.mkdtemp()) / "calls.csv"
    >>> _ = file.write_text("call_id;age\n001;31,5\n")
    >>> read_sheet(file, CohortError, required=["call_id"]).cells["call_id"].tolist()
    ['001']
    """
    suffix = path.suffix.lower()
    if suffix in REFUSED:
        raise error(f"{path} is {REFUSED[suffix]}.")
    if suffix == ".parquet":
        return _complete(_parquet(path, error, verbatim, text), required)
    if suffix in WORKBOOKS:
        records = workbook_records(path, error)
        return _complete(_gathered(path, records, "", error, verbatim, quote_names), required)
    content = read_text(path, error)
    if content.lstrip()[:1] == "<":
        raise error(f"{path} is a web page or XML, not a table of text; save the table as CSV in UTF-8.")
    separator, content = _separator(content, suffix)
    records = _records(path, content, separator, error)
    return _complete(_gathered(path, records, separator, error, verbatim, quote_names), required)


def _complete(sheet: Sheet, required: Sequence[str]) -> Sheet:
    header = [str(name) for name in sheet.cells.columns]
    for name in required:
        if name not in header:
            near = [column for column in header if column.lower().replace(" ", "_") == name]
            hint = f"rename the column {near[0]!r}" if near else f"it has {_some(header)}"
            read_as = f"; columns are read as separated by {sheet.separated}" if sheet.separated else ""
            raise sheet.error(f"{sheet.path}, row 1: there is no column {name!r} ({hint}{read_as}).")
    if sheet.cells.empty:
        raise sheet.error(f"{sheet.path} has a header but no rows.")
    return sheet


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(map(repr, names[:MANY])) + more


def _separator(text: str, suffix: str) -> tuple[str, str]:
    """Return the separator and the text without a line that names it."""
    named = re.match(r'"?sep=([,;\t])"?[,;\t]*\r?\n?', text)
    if named:
        return named[1], text[named.end() :]
    sample = re.sub(r'"[^"]*"', "", text[:65536])
    first = next((line for line in sample.splitlines() if line.strip()), "")
    order = "\t,;" if suffix in (".tsv", ".tab") else ",;\t"
    return max(order, key=first.count), text


def _records(path: Path, text: str, separator: str, error: type[VoiceriskError]) -> Iterator[list[str]]:
    csv.field_size_limit(FIELD_LIMIT)
    row = 0
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            row += 1
            yield record
    except csv.Error as problem:
        raise error(f"{path}, after row {row}: {problem}.") from problem


def _gathered(
    path: Path,
    records: Iterable[list[str]],
    separator: str,
    error: type[VoiceriskError],
    verbatim: Sequence[str] | None,
    quote_names: bool,
) -> Sheet:
    header: list[str] | None = None
    parts: list[list[pa.Array]] = []
    block: list[list[str]] = []
    rows: list[int] = []
    for row, record in enumerate(records, 1):
        if not any(record) or not (record[0].strip() or "".join(record).strip()):
            continue
        if header is None:
            header = [clean(cell) for cell in record]
            while header and not header[-1]:  # a spreadsheet leaves empty columns at the right
                header.pop()
            _check_header(path, header, error, quote_names)
            n = len(header)
            continue
        if len(record) != n:
            extra = record[n:]
            if len(record) < n or any(cell.strip() for cell in extra):
                raise error(_ragged(path, row, record, n, separator, first=not rows))
            record = record[:n]
        block.append(record)
        rows.append(row)
        if len(block) == BLOCK:
            parts.append(_columns(block))
            block = []
    if header is None:
        raise error(f"{path} is empty; it needs a header line.")
    if block:
        parts.append(_columns(block))
    if not parts:
        parts = [[pa.array([], pa.large_string()) for _ in header]]
    respelled: dict[str, NDArray[np.bool_]] = {}
    columns = {
        name: _cleaned(pa.chunked_array([part[k] for part in parts]), name, verbatim, respelled)
        for k, name in enumerate(header)
    }
    cells = pd.DataFrame(columns)
    separated = SEPARATORS.get(separator, "")
    commas = decimal_commas([cells[name] for name in header], separator) if separated else "no"
    return Sheet(path, cells, np.array(rows, dtype=np.int64), separated, commas, error, respelled)


def _columns(block: list[list[str]]) -> list[pa.Array]:
    return [pa.array(column, pa.large_string()) for column in zip(*block, strict=True)]


def _cleaned(
    column: pa.ChunkedArray,
    name: str,
    verbatim: Sequence[str] | None,
    respelled: dict[str, NDArray[np.bool_]],
) -> pd.Series:
    if verbatim is None or name in verbatim:
        return _text_series(column)
    if pc.all(pc.string_is_ascii(column)).as_py():
        return _text_series(pc.utf8_trim_whitespace(column))
    written = [cell.strip() for cell in column.to_pylist()]
    cells = [clean(cell) for cell in written]
    changed = np.array([one != other for one, other in zip(cells, written, strict=True)])
    if changed.any():
        respelled[name] = changed
    return pd.Series(cells, dtype="str")


def _text_series(column: pa.ChunkedArray) -> pd.Series:
    return pd.Series(pd.array(column.combine_chunks(), dtype="str"))


def _ragged(path: Path, row: int, record: list[str], n: int, separator: str, first: bool) -> str:
    if first and len(record) == n + 1:
        hint = "if the first holds R's row names, use write.csv(..., row.names = FALSE); otherwise a field"
    else:
        hint = "a field"
    return (
        f"{path}, row {row}: {len(record)} fields, but the header has {n}; {hint} that holds "
        f"{SEPARATORS.get(separator, 'line breaks')} must stand in quotes."
    )


def _check_header(path: Path, header: list[str], error: type[VoiceriskError], quote_names: bool) -> None:
    for number, name in enumerate(header, 1):
        if number == 1 and ROW_NAMES.fullmatch(name):
            raise error(
                f"{path}, row 1: column 1 {'has no name' if not name else f'is called {name!r}'}: it holds "
                f"row "
                "names; write the table without them (R: write.csv(..., row.names = FALSE); pandas: "
                "to_csv(..., index=False))."
            )
        if not name or ROW_NAMES.fullmatch(name):
            what = (
                f"is called {name!r}, which a program gave it for want of a name" if name else "has no name"
            )
            raise error(f"{path}, row 1: column {number} {what}; name it or delete it.")
    doubled = [name for name in header if header.count(name) > 1]
    if doubled:
        places = [number for number, name in enumerate(header, 1) if name == doubled[0]]
        what = repr(doubled[0]) if quote_names else f"in places {' and '.join(map(str, places))}"
        raise error(f"{path}, row 1: the column {what} occurs more than once.")


def _parquet(
    path: Path, error: type[VoiceriskError], verbatim: Sequence[str] | None, text: Sequence[str]
) -> Sheet:
    import pyarrow.parquet as pq

    if not path.is_file():
        raise error(f"There is no file {path}.")
    try:
        columns = pq.ParquetFile(path).read()
        columns.validate(full=True)
        # What pandas noted beside the columns may be damaged, and makes an index of columns that have names.
        table = columns.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as problem:
        said = str(problem).split("\n")[0][:200].rstrip(".")
        raise error(f"{path} cannot be read as Parquet ({said}); write it again.") from problem
    table = table.loc[:, [not UNNAMED_INDEX.fullmatch(str(name)) for name in table.columns]]
    header = [clean(str(name)) for name in table.columns]
    _check_header(path, header, error, True)
    table.columns = pd.Index(header)
    respelled: dict[str, NDArray[np.bool_]] = {}
    for name in header:
        column = table[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(column.cat.categories.dtype)
        if name in text:
            column = _ids(path, column, error)
        if pd.api.types.is_datetime64_any_dtype(column):
            column = column.map(lambda stamp: "" if pd.isna(stamp) else stamp.isoformat()).astype("str")
        elif column.dtype == object or is_text(column):
            column = _parquet_text(path, name, column, error)
            column = _cleaned(
                pa.chunked_array([pa.array(column, pa.large_string())]), name, verbatim, respelled
            )
        table[name] = column
    return Sheet(path, table, np.arange(2, len(table) + 2, dtype=np.int64), "", "no", error, respelled)


def _parquet_text(path: Path, name: str, column: pd.Series, error: type[VoiceriskError]) -> pd.Series:
    if is_text(column):
        return column.fillna("")
    for row, cell in enumerate(column, 2):
        if not (isinstance(cell, str) or pd.api.types.is_scalar(cell)):
            raise error(f"{path}, row {row}: the column {name!r} holds a {type(cell).__name__}, not a cell.")
    return (
        column.where(column.notna(), "")
        .map(lambda cell: cell if isinstance(cell, str) else str(cell))
        .astype("str")
    )


def _ids(path: Path, column: pd.Series, error: type[VoiceriskError]) -> pd.Series:
    if column.dtype.kind == "f":
        if not np.isfinite(column).all() or (column != np.floor(column)).any():
            raise error(f"{path}: {column.name} holds numbers that are no ids; write ids as text.")
        column = column.astype(np.int64)
    return column.astype("str") if column.dtype.kind in "iu" else column
