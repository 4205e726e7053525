"""The table of calls: every cell as text first, so that call 001 stays 001 and messages can name the row."""

from pathlib import Path

import numpy as np
import pandas as pd

from voicerisk.errors import CohortError
from voicerisk.intake import Sheet, read_sheet
from voicerisk.intake.ids import is_damaged

REQUIRED = ("call_id", "caller_id", "sex", "file")
# Identifiers and file names are never numbers, whatever they look like.
TEXT_COLUMNS = ("call_id", "caller_id", "sex", "file", "labels")
FEW_VALUES = 6  # up to here, numbers and text may be the names of groups
RESERVED_COLUMNS = frozenset({"path", "row", "outcome_listed"})


def read_calls(path: Path) -> Sheet:
    """Read the table of calls.

    Parameters
    ----------
    path : Path
        Any table that `read_sheet` reads.

    Returns
    -------
    Sheet
        Its `cells` are all text, '' where empty.

    Raises
    ------
    CohortError
        If a column is missing or doubled, a row has another number of fields than the header, or a
        spreadsheet has damaged an id.
    """
    sheet = read_sheet(path, CohortError, required=REQUIRED, text=TEXT_COLUMNS)
    header = {str(name) for name in sheet.cells.columns}
    taken = sorted(RESERVED_COLUMNS & header)
    if taken:
        raise CohortError(
            f"{path}, row 1: the column name {taken[0]!r} is used by voicerisk; rename the column."
        )
    for name in ("call_id", "caller_id"):
        damaged = sheet.cells[name].map(is_damaged).to_numpy(dtype=bool)
        if damaged.any():
            raise CohortError(
                f"{path}: a spreadsheet or a wrong encoding has damaged the ids of {name} "
                f"({sheet.shown(name, damaged)}); take them from their source, as text."
            )
    return sheet.as_text()


def with_rows(sheet: Sheet) -> pd.DataFrame:
    """Return the cells with `row`, the row of a spreadsheet (the header is row 1)."""
    return sheet.cells.assign(row=sheet.rows)


def typed(sheet: Sheet) -> pd.DataFrame:
    """Return the table with numeric columns as numbers and missing cells as NaN; ids and files stay text.

    A column is numeric if every filled cell is a plain number (an empty column thus is); one cell that is not
    makes it text. `row` is added.
    """
    columns: dict[str, pd.Series] = {}
    for name, column in sheet.cells.items():
        if name in TEXT_COLUMNS:
            columns[str(name)] = column
            continue
        found = sheet.numbers(str(name))
        if found.are_numbers:
            columns[str(name)] = pd.Series(found.values.astype(np.int64) if found.whole else found.values)
        else:
            columns[str(name)] = column.mask(found.missing)
    return pd.DataFrame(columns).assign(row=sheet.rows)


def check_numbers(sheet: Sheet, names: tuple[str, ...], key: str) -> list[str]:
    """Refuse used columns whose numbers can be read in two ways; say where text stands among numbers.

    Parameters
    ----------
    sheet : Sheet
    names : tuple of str
        Columns that `key` in `[cohort]` names.
    key : str

    Returns
    -------
    list of str
        Notes.
    """
    notes = []
    for name in names:
        if name in TEXT_COLUMNS:
            continue
        found = sheet.numbers(name)
        if found.doubt:
            raise CohortError(f"{sheet.path}, column {name!r}: {found.doubt}.")
        if key not in ("covariates", "strata") or not (found.other.any() and found.mostly):
            continue  # elsewhere text among numbers is refused where it is read
        shown = sheet.shown(name, found.other)
        if key == "covariates" and len(np.unique(found.values[~found.other & ~found.missing])) > FEW_VALUES:
            raise CohortError(
                f"{sheet.path}: the covariate {name!r} holds numbers, but text in {shown}; leave such cells "
                f"empty "
                "or write NA."
            )
        notes.append(
            f"The column {name!r}, which {key} in [cohort] names, is text although most of its cells are "
            f"numbers ({sheet.places(found.other)}). Every value is a group of its own."
        )
    return notes
