"""Columns in: numpy, pandas, Arrow data of any package, buffers and plain lists.

Nothing is imported before it is needed, so that none of those packages has to be there.
"""

from __future__ import annotations

import array
import datetime
import importlib
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from trimtab import _arrow, _core

__all__ = ["columns_of", "is_null", "pieces_of"]

#: Numbers of numpy as Arrow names them.
_WRITTEN = {"i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L"}
_WRITTEN |= {"f2": "e", "f4": "f", "f8": "g"}


def columns_of(data: Any) -> dict[str, Any]:
    """Give the columns of a mapping, of a DataFrame, or of anything that exports Arrow data."""
    if isinstance(data, Mapping):
        return {str(name): column for name, column in data.items()}
    names = getattr(data, "column_names", None)
    if names is None:
        names = getattr(data, "columns", None)
    if isinstance(names, Iterable) and hasattr(data, "__getitem__"):
        try:
            return {str(name): data[name] for name in names}
        except (TypeError, KeyError, ValueError):
            if not _arrow.has_arrow(data):
                raise
    if _arrow.has_arrow(data):
        return dict(_arrow.columns(data))
    raise TypeError(
        f"no columns in `{type(data).__name__}`: give a mapping of names to columns, or a DataFrame"
    )


def pieces_of(column: Any, name: str, *, times: bool = False) -> list[_arrow.Piece]:
    """Give the buffers of a column, whatever package it is of; ``times`` may be text."""
    if isinstance(column, _arrow.Column):
        return column.pieces
    is_column = isinstance(column, (Iterable, memoryview)) or _arrow.has_arrow(column)
    if isinstance(column, (str, bytes)) or not is_column:
        raise TypeError(f"column `{name}` is a `{type(column).__name__}`, and no list of values")
    numbers = _numpy_array(column)
    if numbers is not None and numbers.dtype.kind != "O":
        return [_piece_of_array(numbers, name)]
    if numbers is None and _arrow.has_arrow(column):
        return _arrow.pieces(column)
    if isinstance(column, array.array) and column.typecode in "fd":
        written = "f" if column.typecode == "f" else "g"
        return [(written, len(column), 0, None, column.tobytes(), None)]
    values = list(column)
    kinds = (str, datetime.date) if times else datetime.date
    if any(isinstance(value, kinds) for value in values):
        milliseconds = array.array("q", (_core._milliseconds(value) for value in values))
        return [("tsm:", len(values), 0, None, milliseconds.tobytes(), None)]
    return [_piece_of_list(values, name)]


def _piece_of_array(numbers: Any, name: str) -> _arrow.Piece:
    """Give an array of numpy as Arrow would have it; the rows of two dimensions are lists."""
    if numbers.dtype.kind == "M" and numbers.dtype.str[4:6] not in ("s]", "us", "ns"):
        numbers = numbers.astype("datetime64[ms]")
    written = _written(numbers.dtype)
    if written is None:
        raise TypeError(f"column `{name}` has values that are no numbers: {numbers.dtype}")
    if numbers.ndim == 2:
        rows, each = numbers.shape
        inner = (written, rows * each, 0, None, numbers.tobytes(), None)
        return (f"+w:{each}", rows, 0, None, b"", inner)
    if numbers.ndim != 1:
        raise ValueError(f"column `{name}` has {numbers.ndim} dimensions: 1 or 2 it may have")
    return (written, len(numbers), 0, None, numbers.tobytes(), None)


def _written(dtype: Any) -> str | None:
    if dtype.kind == "M":
        unit = dtype.str.partition("[")[2].rstrip("]")
        return {"s": "tss:", "ms": "tsm:", "us": "tsu:", "ns": "tsn:"}.get(unit)
    return _WRITTEN.get(f"{dtype.kind}{dtype.itemsize}")


def _piece_of_list(values: list[Any], name: str) -> _arrow.Piece:
    """Give values one by one: whole numbers, others, or lists of numbers."""
    try:
        if all(type(value) is int for value in values):
            return ("l", len(values), 0, None, array.array("q", values).tobytes(), None)
    except OverflowError:
        pass
    if any(_is_list(value) for value in values):
        return _piece_of_lists(values, name)
    return ("g", len(values), 0, None, _floats(values, name).tobytes(), None)


def _piece_of_lists(rows: list[Any], name: str) -> _arrow.Piece:
    inner, ends, there = array.array("d"), array.array("q", [0]), bytearray(len(rows) // 8 + 1)
    for index, row in enumerate(rows):
        if _is_list(row):
            there[index // 8] |= 1 << index % 8
            inner.extend(_floats(list(row), name))
        elif not is_null(row):
            raise TypeError(f"column `{name}` has lists and numbers: give a list in every row")
        ends.append(len(inner))
    values = ("g", len(inner), 0, None, inner.tobytes(), None)
    return ("+L", len(rows), 0, bytes(there), ends.tobytes(), values)


def _floats(values: list[Any], name: str) -> array.array[float]:
    """Give numbers as floats; what is null is NaN."""
    try:
        return array.array("d", map(_float, values))
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"column `{name}` has values that are no numbers: {error}") from error


def _float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    if is_null(value):
        return math.nan
    if isinstance(value, (str, bytes)) or type(value).__name__ in ("bool", "bool_"):
        raise TypeError(f"`{value!r}`")
    return float(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (
        getattr(value, "ndim", 0) == 1 and hasattr(value, "__iter__")
    )


def is_null(value: Any) -> bool:
    """Say whether a value stands for none."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def _numpy_array(column: Any) -> Any:
    """Give a column of numpy or pandas, or a buffer, as an array; nothing for others."""
    is_pandas = isinstance(column, _pandas_kinds())
    if not is_pandas and not isinstance(column, memoryview) and not hasattr(column, "__array__"):
        return None
    if not is_pandas and _arrow.has_arrow(column):
        return None
    try:
        numpy: Any = importlib.import_module("numpy")
    except ImportError:
        return None
    if is_pandas:
        numbers = _of_pandas(column, numpy)
    elif isinstance(column, numpy.ma.MaskedArray):
        # What is masked is not there.
        numbers = numpy.ma.filled(numpy.ma.asarray(column, "float64"), math.nan)
    else:
        numbers = numpy.asarray(column)
    # Of another byte order, and of another precision.
    if numbers.dtype.kind == "f" and numbers.dtype.itemsize > 8:
        return numbers.astype("float64")
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=False)


def _pandas_kinds() -> tuple[type[Any], ...]:
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return ()
    return (pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)


def _of_pandas(column: Any, numpy: Any) -> Any:
    """Give a column of pandas as an array: nulls as NaN, times in UTC."""
    kinds = sys.modules["pandas"].api.types
    dtype = column.dtype
    if isinstance(dtype, numpy.dtype):
        return numpy.asarray(column)
    if kinds.is_datetime64_any_dtype(dtype):
        return column.to_numpy(dtype="datetime64[ns]")
    if kinds.is_numeric_dtype(dtype) and not kinds.is_bool_dtype(dtype):
        plain = numpy.asarray(column)
        return plain if plain.dtype.kind != "O" else column.to_numpy("float64", na_value=math.nan)
    return numpy.asarray(column, dtype=object)
