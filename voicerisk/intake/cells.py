"""What a cell of a table means: missing, a number, an error of Excel's, or text.

Text is brought to Unicode's composed form (NFC) without invisible characters, so that what looks alike is
alike.
"""

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# The last is Praat's.
MISSING = frozenset({"", "na", "nan", "n/a", "<na>", "null", "none", "--undefined--"})
# #N/A, #NV, #DIV/0!, #WERT!, #BEZUG!, #NAME?, #¡REF! ...: upper case, and an exclamation or question mark.
EXCEL_ERROR = r"#(?:N/?[ABDV]|GETTING_DATA|[^\sa-z#]{2,20}[!?])"
# No leading zeros (007 is a code, not seven), no thousands separators, no hexadecimal.
NUMBER = r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
COMMA_NUMBER = r"[+-]?(?:0|[1-9]\d*),\d+(?:[eE][+-]?\d+)?"
# One or more groups of three digits behind a mark that some language writes between thousands.
GROUPED = (
    r"[+-]?[1-9]\d{0,2}(?:(?:[ '\x{2019}]\d{3})+(?:[.,]\d+)?|(?:\.\d{3})+,\d+|(?:,\d{3})+\.\d+"
    r"|(?:\.\d{3}){2,}|(?:,\d{3}){2,})"
)
ONE_GROUP = {",": r"[+-]?[1-9]\d{0,2},\d{3}", ".": r"[+-]?[1-9]\d{0,2}\.\d{3}"}
# Fillers that take no room and are not of Unicode's category of format characters.
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_ERROR = re.compile(EXCEL_ERROR)


def clean(text: str) -> str:
    r"""Return text in composed form, without invisible characters, blanks of all kinds as one kind, trimmed.

    Examples
    --------
    >>> clean("Zoe\u0308 ") == "Zo\u00eb", clean("p02\u200b"), clean("A\u00a017")
    (True, 'p02', 'A 17')
    """
    if text.isascii():
        return text.strip()
    signs = []
    for sign in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(sign)
        if kind == "Zs":
            signs.append(" ")
        elif kind != "Cf" and sign not in FILLERS and not "\ufe00" <= sign <= "\ufe0f":
            signs.append(sign)
    return unicodedata.normalize("NFC", "".join(signs)).strip()


def is_excel_error(text: str) -> bool:
    """Tell whether a cell holds an error of Excel's (#N/A, #NV, #DIV/0!, #WERT! ...)."""
    return text.startswith("#") and _ERROR.fullmatch(text) is not None


def is_missing(text: str) -> bool:
    """Tell whether a cell stands for a missing value.

    Empty, NA, NaN, N/A, null, none in any case, --undefined-- of Praat's, and the errors of Excel.
    """
    text = text.strip()
    return text.lower() in MISSING or is_excel_error(text)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column read as numbers.

    Attributes
    ----------
    values : ndarray of float64
        NaN where missing or where there is no number.
    missing : ndarray of bool
    other : ndarray of bool
        Filled cells that are no numbers.
    doubt : str
        Why numbers of this column can be read in two ways; empty where they cannot.
    near : ndarray of bool
        Cells of `other` that look like numbers with thousands separators or a decimal comma.
    whole : bool
        Whether every filled cell is a whole number, none is missing and all are exact as float64.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    other: NDArray[np.bool_]
    doubt: str
    near: NDArray[np.bool_]
    whole: bool

    @property
    def are_numbers(self) -> bool:
        """Whether every filled cell is a number."""
        return not self.doubt and not self.other.any()

    @property
    def mostly(self) -> bool:
        """Whether at least half of the filled cells are numbers, or look like some."""
        filled = ~self.missing
        numeric = filled & (~self.other | self.near)
        return bool(filled.any()) and 2 * int(numeric.sum()) >= int(filled.sum())


def missing_cells(cells: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return which cells of a column of text are missing, as `is_missing` tells of one."""
    named = pc.is_in(pc.utf8_lower(cells), value_set=pa.array(sorted(MISSING), cells.type))
    missing = _bools(named)
    return missing | _match(cells, EXCEL_ERROR) if _contains(cells, "#").any() else missing


def numbers_of(cells: pd.Series, commas_known: str = "no") -> Numbers:
    """Read a column of cleaned text as numbers.

    Parameters
    ----------
    cells : Series of text
    commas_known : {'proven', 'likely', 'no'}
        From `decimal_commas`: what the file as a whole says about decimal commas.
    """
    column = pc.replace_substring(_arrow(cells), "\u2212", "-")  # the typographic minus
    missing = missing_cells(column)
    plain = _match(column, NUMBER)
    doubt = ""
    commas = np.zeros(len(cells), dtype=bool)
    near = np.zeros(len(cells), dtype=bool)
    if not (plain | missing).all():
        commas = _match(column, COMMA_NUMBER)
        near = commas | _match(column, GROUPED)
    filled = ~missing
    numeric = plain | near
    if near.any() and 2 * int(numeric.sum()) >= int(filled.sum()):
        grouped = near & ~commas
        dotted = plain & _contains(column, ".")
        if grouped.any():
            doubt = f"{_first(cells, grouped)!r} has thousands separators; write it without"
        elif dotted.any():
            doubt = (
                f"{_first(cells, commas)!r} has a decimal comma and {_first(cells, dotted)!r} a decimal point"
                "; write one of them throughout"
            )
        elif commas_known == "no" and _match(column, ONE_GROUP[","])[commas].all():
            doubt = (
                f"{_first(cells, commas)!r} can be a decimal comma or a thousands separator; write decimals "
                "with a point and thousands without separator"
            )
        else:
            column = pc.replace_substring(column, ",", ".")
            plain = plain | commas
            near = near & ~commas
    elif commas_known == "proven" and plain.any():
        dotted = plain & _contains(column, ".")
        if dotted.any() and _match(column, ONE_GROUP["."])[dotted].all():
            doubt = (
                f"{_first(cells, dotted)!r} can be a thousands separator, since other columns have decimal "
                "commas; write thousands without separator"
            )
    if plain.all():
        values = _bare(pc.cast(column, pa.float64()))
    else:
        kept = pc.if_else(pa.array(plain), column, pa.scalar(None, column.type))
        values = _bare(pc.cast(kept, pa.float64()))
    plain = plain & np.isfinite(values)
    other = filled & ~plain
    values = np.where(plain, values, np.nan)
    whole = (
        not missing.any()
        and not other.any()
        and not any(_contains(column, sign).any() for sign in ".eE")
        and bool((np.abs(values) < 2**53).all())
    )
    return Numbers(values, missing, other, doubt, near, whole)


def decimal_commas(columns: list[pd.Series], separator: str) -> str:
    """Tell what a file says about decimal commas: 'proven', 'likely' or 'no'.

    One column of numbers whose commas cannot part thousands proves them. A file that is separated by
    semicolons comes from a language with decimal commas.
    """
    for cells in columns:
        column = _arrow(cells)
        if not _contains(column, ",").any():
            continue
        commas = _match(column, COMMA_NUMBER)
        rest = commas | missing_cells(column) | _match(column, r"[+-]?(?:0|[1-9]\d*)")
        if commas.any() and rest.all() and not _match(column, ONE_GROUP[","])[commas].all():
            return "proven"
    return "likely" if separator == ";" else "no"


def _contains(column: pa.ChunkedArray, sign: str) -> NDArray[np.bool_]:
    return _bools(pc.match_substring(column, sign))


def _arrow(cells: pd.Series) -> pa.ChunkedArray:
    array = pa.array(cells, from_pandas=True)
    return pc.fill_null(pc.cast(array, pa.large_string()), "")


def _match(column: pa.ChunkedArray, pattern: str) -> NDArray[np.bool_]:
    return _bools(pc.match_substring_regex(column, f"^(?:{pattern})$"))


def _bools(array: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=bool)


def _bare(array: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)


def _first(cells: pd.Series, where: NDArray[np.bool_]) -> str:
    return str(cells.iloc[int(np.flatnonzero(where)[0])])
