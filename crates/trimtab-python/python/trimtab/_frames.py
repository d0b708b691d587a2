"""Columns in and out: numpy, pandas, polars, Arrow and plain lists, by what they can do.

Nothing is imported before it is needed, so that none of those packages has to be there.
"""

from __future__ import annotations

import array
import csv
import importlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trimtab.errors import MissingDependencyError

__all__ = ["columns_of", "csv_of", "floats_of", "integers_of", "require", "to_frame"]

INSTALL = {"matplotlib": "plot", "numpy": "numpy", "pandas": "pandas"}
INSTALL |= {"polars": "polars", "pyarrow": "arrow"}


def require(package: str, what: str) -> Any:
    """Import a package, or say what it is needed for and how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        top = package.partition(".")[0]
        raise MissingDependencyError(
            f"{what} needs {top}: `pip install trimtab[{INSTALL.get(top, top)}]`"
        ) from error


def columns_of(data: Any) -> dict[str, Any]:
    """Give the columns of a mapping, of a DataFrame, or of anything that speaks Arrow."""
    if isinstance(data, Mapping):
        return {str(name): column for name, column in data.items()}
    names = getattr(data, "column_names", None)
    if names is None:
        names = getattr(data, "columns", None)
    if names is not None and not callable(names) and hasattr(data, "__getitem__"):
        return {str(name): data[name] for name in names}
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        pyarrow = require("pyarrow", "reading Arrow data of another package")
        table = pyarrow.table(data)
        return {name: table.column(name) for name in table.column_names}
    raise TypeError(
        f"no columns in `{type(data).__name__}`: give a mapping of names to columns, or a DataFrame"
    )


def floats_of(column: Any, name: str) -> bytes:
    """Give a column as 64-bit floats; what is null is NaN."""
    numbers = _numpy_array(column)
    if numbers is not None:
        try:
            return _bytes_of(numbers.astype("float64", copy=False), name)
        except (TypeError, ValueError) as error:
            raise TypeError(f"column `{name}` has values that are no numbers: {error}") from error
    try:
        given = [math.nan if value is None else value for value in _one_by_one(column, name)]
        return array.array("d", given).tobytes()
    except (TypeError, OverflowError) as error:
        raise TypeError(f"column `{name}` has values that are no numbers: {error}") from error


def integers_of(column: Any, name: str) -> bytes:
    """Give a column as 64-bit integers; every one has to be whole."""
    numbers = _numpy_array(column)
    if numbers is not None:
        kind = numbers.dtype.kind
        if kind == "f" and not (numbers == numbers.round()).all():
            raise ValueError(f"column `{name}` has values that are no whole numbers")
        if kind not in "iuf" or (kind == "f" and (abs(numbers) > 2**53).any()):
            raise TypeError(f"column `{name}` has values that are no whole numbers")
        if kind == "u" and (numbers > 2**63 - 1).any():
            raise OverflowError(f"column `{name}` has values beyond 64 bits")
        return _bytes_of(numbers.astype("int64", copy=False), name)
    try:
        return array.array("q", [_whole(value) for value in _one_by_one(column, name)]).tobytes()
    except TypeError as error:
        raise TypeError(f"column `{name}`: {error}") from error
    except OverflowError as error:
        raise OverflowError(f"column `{name}` has values beyond 64 bits") from error


def milliseconds_of(column: Any, name: str) -> bytes:
    """Give times as milliseconds since 1970: seconds, or dates and times."""
    numbers = _numpy_array(column)
    if numbers is not None and numbers.dtype.kind == "M":
        return _bytes_of(numbers.astype("datetime64[ms]").astype("int64"), name)
    if numbers is not None and numbers.dtype.kind in "iu":
        return _bytes_of(numbers.astype("int64") * 1000, name)
    seconds = array.array("d", floats_of(column, name))
    if any(not math.isfinite(value) for value in seconds):
        raise ValueError(f"column `{name}` has times that are none")
    return array.array("q", [round(value * 1000) for value in seconds]).tobytes()


def csv_of(data: Any, optional: Iterable[str] = ()) -> str:
    """Write columns as CSV with a header; floats by their shortest text, nulls as nothing."""
    columns = columns_of(data)
    lists = {name: _values_of(column, name) for name, column in columns.items()}
    lengths = {len(values) for values in lists.values()}
    if len(lengths) > 1:
        told = ", ".join(f"`{name}` {len(values)}" for name, values in lists.items())
        raise ValueError(f"the columns are of different lengths: {told}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(lists)
    writer.writerows(zip(*lists.values(), strict=True))
    return text.getvalue()


def to_frame(columns: Mapping[str, Any], package: str, what: str) -> Any:
    """Make a DataFrame or table of columns."""
    if package == "pandas":
        return require("pandas", what).DataFrame(dict(columns))
    if package == "polars":
        return require("polars", what).DataFrame(dict(columns))
    return require("pyarrow", what).table(dict(columns))


def decisions_as(decisions: Any, package: str) -> Any:
    """Give `Decisions` as arrays of numpy, or as a table of another package."""
    what = "a table of decisions"
    numpy = require("numpy", what)
    raw = decisions._raw()
    columns = {
        name: numpy.frombuffer(raw[name], dtype="int32")
        for name in ("current_replicas", "desired_replicas")
    }
    columns["changed"] = numpy.frombuffer(raw["changed"], dtype="bool")
    for name, dtype, words in (
        ("outcome", "uint8", raw["outcomes"]),
        ("reason", "uint8", raw["reasons"]),
        ("metric", "int32", [*raw["metrics"], None]),
    ):
        codes = numpy.frombuffer(raw[name], dtype=dtype)
        columns[name] = numpy.array(words, dtype=object)[codes]
    return columns if package == "numpy" else to_frame(columns, package, what)


def _values_of(column: Any, name: str) -> list[Any]:
    """List a column's values as CSV has them."""
    if hasattr(column, "to_pylist"):
        values = column.to_pylist()
    elif hasattr(column, "to_list"):
        values = column.to_list()
    elif hasattr(column, "tolist"):
        values = column.tolist()
    else:
        values = list(_one_by_one(column, name))
    return [_cell(value) for value in values]


def _cell(value: Any) -> Any:
    if value is None or value != value:
        return ""
    # repr of a float is the shortest text that reads back as it is.
    return repr(value) if isinstance(value, float) else value


def _one_by_one(column: Any, name: str) -> Sequence[Any]:
    if isinstance(column, (str, bytes)) or not isinstance(column, Iterable):
        raise TypeError(f"column `{name}` is a `{type(column).__name__}`, and no list of values")
    return list(column)


def _whole(value: Any) -> int:
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
        raise TypeError(f"`{value!r}` is no whole number")
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"`{value!r}` is no whole number")
    return int(value.__index__())


def _numpy_array(column: Any) -> Any:
    """Give a column of numpy, pandas, polars or pyarrow as an array; nothing for others."""
    is_buffer = isinstance(column, (array.array, memoryview))
    if not is_buffer and not hasattr(column, "to_numpy") and not hasattr(column, "__array__"):
        return None
    try:
        numpy = importlib.import_module("numpy")
    except ImportError:
        return None
    if not is_buffer and hasattr(column, "to_numpy"):
        try:
            column = column.to_numpy(zero_copy_only=False)
        except TypeError:
            column = column.to_numpy()
    return numpy.asarray(column)


def _bytes_of(numbers: Any, name: str) -> bytes:
    if numbers.ndim != 1:
        raise ValueError(f"column `{name}` has {numbers.ndim} dimensions, and has to have one")
    return bytes(numbers.tobytes())
