"""Columns into R and back: one copy each way, by filling and reading R's own memory.

Import this only after `session.start`: it needs a running R. A column goes in by filling a fresh `numeric(n)`
through its memoryview and comes out as a copied array, so that no live view of R's memory ever leaves.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rpy2.rinterface as ri

from voicerisk.errors import RBridgeError
from voicerisk.rbridge.request import Kept, Rds

INT_NA = np.iinfo(np.int32).min


class Transport:
    """Conversions for one private environment that holds the functions of the R package."""

    def __init__(self, functions: Any) -> None:
        self._factor = functions["bridge_factor"]
        self._strings = functions["bridge_strings"]
        self._frame = functions["bridge_frame"]
        self._read_rds = functions["bridge_read_rds"]
        self._new = {kind: ri.baseenv[kind] for kind in ("numeric", "integer", "logical")}
        self.kept: dict[str, Any] = {}

    def to_r(self, value: Any) -> Any:
        """Return an R object for a Python one (see `RResult.value` for the mapping, read backwards)."""
        if value is None:
            return ri.NULL
        if isinstance(value, Kept):
            if value.name not in self.kept:
                raise RBridgeError(f"Nothing is kept in R under the name {value.name!r}.")
            return self.kept[value.name]
        if isinstance(value, Rds):
            return self._read_rds(ri.StrSexpVector([str(value.path)]))
        if isinstance(value, pd.DataFrame):
            columns = {str(name): self._column(value[name], str(name)) for name in value.columns}
            return self._frame(_named_list(columns), ri.IntSexpVector([len(value)]))
        if isinstance(value, pd.Series | pd.Categorical):
            return self._column(pd.Series(value), "vector")
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, Mapping):
            return _named_list({str(name): self.to_r(part) for name, part in value.items()})
        if isinstance(value, str | Path):
            return ri.StrSexpVector([str(value)])
        if isinstance(value, bool | np.bool_):
            return ri.BoolSexpVector([bool(value)])
        if isinstance(value, int | np.integer):
            return self._array(np.array([value]))
        if isinstance(value, float | np.floating):
            return ri.FloatSexpVector([float(value)])
        if isinstance(value, Sequence):
            return self._sequence(value)
        raise RBridgeError(f"A {type(value).__name__} cannot be sent to R.")

    def _sequence(self, value: Sequence[Any]) -> Any:
        if all(isinstance(part, str) for part in value):
            return ri.StrSexpVector(list(value))
        if all(isinstance(part, bool | int | float | np.number | np.bool_) for part in value):
            return self._array(np.array(value))
        return ri.ListSexpVector([self.to_r(part) for part in value])

    def _fresh(self, kind: str, values: np.ndarray) -> Any:
        vector = self._new[kind](ri.FloatSexpVector([float(len(values))]))
        if len(values):
            np.asarray(vector.memoryview())[:] = values
        return vector

    def _array(self, values: np.ndarray) -> Any:
        if values.ndim == 2:
            vector = self._array(values.ravel(order="F"))
            rows, columns = (ri.IntSexpVector([size]) for size in values.shape)
            return ri.baseenv["matrix"](vector, nrow=rows, ncol=columns)
        if values.ndim != 1:
            raise RBridgeError(f"An array of {values.ndim} dimensions cannot be sent to R.")
        if values.dtype.kind == "f":
            return self._fresh("numeric", values)
        if values.dtype.kind == "b":
            return self._fresh("logical", values.astype(np.int32))
        if values.dtype.kind in "iu":
            if len(values) and (values.min() <= INT_NA or values.max() > np.iinfo(np.int32).max):
                return self._fresh("numeric", values.astype(np.float64))
            return self._fresh("integer", values)
        return self._column(pd.Series(values), "array")

    def _column(self, column: pd.Series, name: str) -> Any:
        kind = column.dtype
        if isinstance(kind, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy()
            levels = [str(level) for level in column.cat.categories]
            return self._coded(self._factor, codes, levels)
        if pd.api.types.is_numeric_dtype(kind):
            if isinstance(kind, np.dtype):
                return self._array(column.to_numpy())
            if column.isna().any():
                return self._array(column.to_numpy(dtype=np.float64, na_value=np.nan))
            return self._array(column.to_numpy())
        present = column.dropna()
        if not all(isinstance(part, str) for part in present.unique()):
            raise RBridgeError(f"Column {name!r} holds neither numbers nor text and cannot be sent to R.")
        codes, distinct = pd.factorize(column)
        return self._coded(self._strings, codes, [str(part) for part in distinct])

    def _coded(self, build: Any, codes: np.ndarray, levels: list[str]) -> Any:
        shifted = codes.astype(np.int32) + np.int32(1)
        shifted[codes < 0] = INT_NA
        return build(self._fresh("integer", shifted), ri.StrSexpVector(levels))

    def from_r(self, value: Any) -> Any:
        """Return copies as Python objects; what is not a table, a list or a vector is refused."""
        if isinstance(value, type(ri.NULL)):
            return None
        classes = tuple(value.rclass)
        if isinstance(value, ri.ListSexpVector):
            names = _names(value)
            if "data.frame" in classes:
                return self._to_frame(value, names)
            parts = [self.from_r(part) for part in value]
            return dict(zip(names, parts, strict=True)) if names is not None else parts
        if "factor" in classes:
            codes = _copied(value, np.int32)
            levels = pd.Index([str(level) for level in value.do_slot("levels")], dtype="str")
            return pd.Categorical.from_codes(np.where(codes == INT_NA, -1, codes - 1), categories=levels)
        if isinstance(value, ri.StrSexpVector):
            return [None if part is ri.NA_Character else str(part) for part in value]
        if isinstance(value, ri.FloatSexpVector):
            return _copied(value, np.float64)
        if isinstance(value, ri.IntSexpVector | ri.BoolSexpVector):
            whole = _copied(value, np.int32)
            if (whole == INT_NA).any():
                return np.where(whole == INT_NA, np.nan, whole.astype(np.float64))
            return whole.astype(bool) if isinstance(value, ri.BoolSexpVector) else whole
        raise RBridgeError(f"R gave an object of class {'/'.join(classes)}, which is not a table of results.")

    def _to_frame(self, value: Any, names: list[str] | None) -> pd.DataFrame:
        columns = {}
        for name, part in zip(names or [], value, strict=True):
            converted = self.from_r(part)
            columns[name] = pd.array(converted, dtype="str") if isinstance(converted, list) else converted
        return pd.DataFrame(columns)


def _named_list(parts: Mapping[str, Any]) -> Any:
    vector = ri.ListSexpVector(list(parts.values()))
    vector.do_slot_assign("names", ri.StrSexpVector(list(parts)))
    return vector


def _names(value: Any) -> list[str] | None:
    names = value.names
    return None if isinstance(names, type(ri.NULL)) else [str(name) for name in names]


def _copied(value: Any, kind: type) -> np.ndarray:
    """Return R's numbers as a copy of the same shape."""
    if len(value):
        return np.array(value.memoryview(), dtype=kind, copy=True, order="F")
    # rpy2's compiled mode gives no view of nothing.
    dim = ri.baseenv["dim"](value)
    shape = (0,) if isinstance(dim, type(ri.NULL)) else tuple(int(size) for size in dim)
    return np.empty(shape, dtype=kind)
