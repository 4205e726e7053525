"""The one filled sheet of an .xlsx workbook, as text cells."""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voicerisk.errors import VoiceriskError

LARGEST = 2**31  # bytes unpacked
ZEROS = re.compile(r"0{2,}")


def workbook_records(path: Path, error: type[VoiceriskError]) -> Iterator[list[str]]:
    """Yield the rows of a workbook's only filled sheet as text, as Excel shows ids and stores numbers.

    Raises
    ------
    error
        If the file is no workbook, has several filled sheets, merged cells, or formulas without a value.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise error(f"{path} is too large as a workbook; save the sheet as CSV in UTF-8.")
        shown = openpyxl.load_workbook(path, data_only=True)
        written = openpyxl.load_workbook(path)
    except FileNotFoundError:
        raise error(f"There is no file {path}.") from None
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        OSError,
        KeyError,
        ValueError,
        TypeError,
        SyntaxError,
    ) as problem:
        raise error(
            f"{path} cannot be read as a workbook ({str(problem) or type(problem).__name__}); save the "
            f"sheet as "
            "CSV in UTF-8."
        ) from problem
    filled = [
        sheet for sheet in shown.worksheets if any(cell is not None for row in sheet.values for cell in row)
    ]
    if not filled:
        raise error(f"{path} holds no filled sheet.")
    if len(filled) > 1:
        names = ", ".join(repr(sheet.title) for sheet in filled)
        raise error(
            f"{path} has {len(filled)} filled sheets ({names}); keep the one to read, or save it as CSV."
        )
    sheet = filled[0]
    if sheet.merged_cells.ranges:
        raise error(
            f"{path}: the cells {next(iter(sheet.merged_cells.ranges))} are merged; unmerge and fill each."
        )
    for row, formulas in zip(sheet.iter_rows(), written[sheet.title].iter_rows(), strict=False):
        for cell, formula in zip(row, formulas, strict=False):
            if cell.value is None and formula.data_type == "f":
                raise error(
                    f"{path}, cell {formula.coordinate}: the formula has no stored value; open the workbook "
                    f"in "
                    "a spreadsheet and save it, or paste values."
                )
        yield [_text(cell) for cell in row]


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        if value == int(value) and ZEROS.fullmatch(str(cell.number_format)):
            return str(int(value)).zfill(len(cell.number_format))
        return (
            str(int(value))
            if isinstance(value, float) and value.is_integer() and abs(value) < 2**53
            else repr(value)
        )
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)
