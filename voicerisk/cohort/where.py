"""Row filters: a small expression language over the columns of a table, parsed but never run as code.

Column names, texts, numbers, the comparisons ``== != < <= > >= in``, ``not in``, and ``and``, ``or``, ``not``
with brackets; a column whose name is not a plain word stands in backticks. A comparison with a missing value
is unknown, unknown combines as in SQL (``unknown or true`` is true), and a row for which the whole filter is
unknown is not kept.
"""

import ast
import difflib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicerisk.errors import CohortError
from voicerisk.types import Bools

Scalar = str | int | float

COMPARISONS: dict[type[ast.cmpop], Callable[..., object]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}
MAX_LENGTH = 10_000
LARGEST = sys.float_info.max
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`([^`]+)`""")
ALLOWED = "column names, numbers, texts, == != < <= > >=, in, not in, and, or, not, and brackets"


@dataclass(frozen=True, slots=True)
class Where:
    """A parsed row filter.

    Attributes
    ----------
    text : str
        As written.
    columns : tuple of str
        Names it uses, in order of appearance.
    """

    text: str
    columns: tuple[str, ...]
    _expression: ast.expr

    def __call__(self, frame: pd.DataFrame) -> Bools:
        """Return which rows of `frame` are kept, shape (n,)."""
        return self.evaluate(frame)[0]

    def evaluate(self, frame: pd.DataFrame) -> tuple[Bools, Bools]:
        """Return for each row whether the filter is true and whether it is unknown, each of shape (n,).

        Raises
        ------
        CohortError
            If a column does not exist (the nearest name is given), or texts are compared with numbers.
        """
        for name in self.columns:
            if name not in frame.columns:
                near = difflib.get_close_matches(name, [str(column) for column in frame.columns], n=1)
                hint = (
                    f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(frame.columns)}."
                )
                raise CohortError(
                    f"The filter {self.text!r} uses the column {name!r}, which is not there; {hint}"
                )
        true, unknown = _truth(self._expression, frame, self.text)
        return true & ~unknown, unknown


def parse_where(text: str) -> Where:
    """Parse a row filter.

    Parameters
    ----------
    text : str
        For example ``"age >= 18 and service in ('000', 'OTL')"``.

    Returns
    -------
    Where
        Call it with a DataFrame to get the mask of kept rows.

    Raises
    ------
    CohortError
        If the text is not of the small language; functions, attributes, arithmetic and the like are refused.

    Examples
    --------
    >>> import pandas as pd
    >>> keep = parse_where("age >= 18 and service != 'test'")
    >>> keep(pd.DataFrame({"age": [17.0, 40.0, None], "service": ["000", "OTL", "OTL"]}))
    array([False,  True, False])
    """
    if len(text) > MAX_LENGTH:
        raise CohortError(f"The filter has {len(text)} characters; at most {MAX_LENGTH} are read.")
    names: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        word = f"column{len(names)}"
        while word in text:
            word += "_"
        names[word] = match[1].strip()
        return word

    try:
        expression = ast.parse(QUOTED.sub(stand_in, text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CohortError(f"The filter {text!r} cannot be read: {getattr(error, 'msg', error)}.") from error
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    try:
        _check(expression, text)
        columns = tuple(dict.fromkeys(_names(expression)))
    except RecursionError as error:
        raise CohortError("The filter is nested too deeply to be read.") from error
    return Where(text, columns, expression)


def _refuse(text: str, part: ast.AST, why: str) -> CohortError:
    return CohortError(f"The filter {text!r} holds {ast.unparse(part)!r}: {why}.")


def _check(node: ast.expr, text: str) -> None:
    """Refuse whatever is not a comparison or a combination of comparisons."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check(value, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check(node.operand, text)
    elif isinstance(node, ast.Compare):
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In | ast.NotIn):
                if not isinstance(left, ast.Name):
                    raise _refuse(text, node, "a column name must stand left of `in`")
                if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
                    raise _refuse(text, right, "right of `in` must stand a list of values in brackets")
                for item in right.elts:
                    _literal(item, text)
            elif type(operator) in COMPARISONS:
                for side in (left, right):
                    if not isinstance(side, ast.Name):
                        _literal(side, text)
                if not (isinstance(left, ast.Name) or isinstance(right, ast.Name)):
                    raise _refuse(text, node, "a comparison needs a column name")
            else:
                raise _refuse(text, node, f"only these are allowed: {ALLOWED}")
            left = right
    elif isinstance(node, ast.Name):
        raise _refuse(text, node, "compare the column with a value, for example with == 1")
    else:
        raise _refuse(text, node, f"only these are allowed: {ALLOWED}")


def _literal(node: ast.expr, text: str) -> Scalar:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand, text)
        if not isinstance(value, str):
            return -value
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            raise _refuse(text, node, "write 1 or 0, or the text as it stands in the table")
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, int | float) and abs(node.value) <= LARGEST:
            return node.value
    raise _refuse(text, node, f"only these are allowed: {ALLOWED}")


def _names(node: ast.expr) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            yield child.id


def _truth(node: ast.expr, frame: pd.DataFrame, text: str) -> tuple[Bools, Bools]:
    """Return (true, unknown); where unknown, the first holds no meaning."""
    if isinstance(node, ast.UnaryOp):
        true, unknown = _truth(node.operand, frame, text)
        return ~true, unknown
    if isinstance(node, ast.BoolOp):
        parts = [_truth(value, frame, text) for value in node.values]
        deciding = isinstance(node.op, ast.Or)
        # One part that is surely true decides an `or`, one that is surely false an `and`.
        decided = np.any([(true == deciding) & ~unknown for true, unknown in parts], axis=0)
        unknown = np.any([unknown for _, unknown in parts], axis=0) & ~decided
        return np.where(decided, deciding, not deciding), unknown
    assert isinstance(node, ast.Compare)  # `_check` let nothing else through
    true = np.ones(len(frame), dtype=bool)
    missing = np.zeros(len(frame), dtype=bool)
    surely_false = np.zeros(len(frame), dtype=bool)
    left = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        part, gap = _compare(left, operator, right, frame, text)
        surely_false |= ~part & ~gap
        true &= part
        missing |= gap
        left = right
    return true, missing & ~surely_false


def _compare(
    left: ast.expr, operator: ast.cmpop, right: ast.expr, frame: pd.DataFrame, text: str
) -> tuple[Bools, Bools]:
    gap = np.zeros(len(frame), dtype=bool)
    for side in (left, right):
        if isinstance(side, ast.Name):
            gap |= frame[side.id].isna().to_numpy()
    if gap.all():
        # A column without any value is of no kind: it can be compared with texts and numbers alike.
        return ~gap, gap
    if isinstance(operator, ast.In | ast.NotIn):
        assert isinstance(left, ast.Name) and isinstance(right, ast.Tuple | ast.List | ast.Set)
        values = [_literal(item, text) for item in right.elts]
        for value in values:
            _same_kind(left, value, frame, text)
        inside = frame[left.id].isin(values).to_numpy()
        return (inside if isinstance(operator, ast.In) else ~inside), gap
    sides: list[pd.Series | Scalar] = [
        frame[side.id] if isinstance(side, ast.Name) else _literal(side, text) for side in (left, right)
    ]
    for name, other in ((left, sides[1]), (right, sides[0])):
        if isinstance(name, ast.Name):
            _same_kind(name, other, frame, text)
    result = COMPARISONS[type(operator)](*sides)
    return pd.Series(result, index=frame.index).fillna(False).to_numpy(dtype=bool), gap


def _same_kind(name: ast.Name, value: pd.Series | Scalar, frame: pd.DataFrame, text: str) -> None:
    numeric = pd.api.types.is_numeric_dtype(frame[name.id])
    other_numeric = (
        pd.api.types.is_numeric_dtype(value) if isinstance(value, pd.Series) else not isinstance(value, str)
    )
    if numeric != other_numeric:
        kind, other = ("numbers", "a text") if numeric else ("texts", "a number")
        shown = repr(value.name) if isinstance(value, pd.Series) else repr(value)
        raise CohortError(
            f"The filter {text!r} compares the column {name.id!r}, which holds {kind}, with {other} "
            f"({shown})."
        )
