"""Tables out: pandas, polars and Arrow, each imported where it is asked for."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from trimtab.errors import MissingDependencyError

__all__ = ["Tabular", "decisions_as", "require", "to_frame"]

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


def to_frame(columns: Mapping[str, Any], package: str, what: str) -> Any:
    """Make a DataFrame or table of columns."""
    if package == "pandas":
        return require("pandas", what).DataFrame(dict(columns))
    if package == "polars":
        return require("polars", what).DataFrame(dict(columns))
    return require("pyarrow", what).table(dict(columns))


class Tabular(ABC):
    """What has a table: a row per trial, run, simulation or decision."""

    @abstractmethod
    def _columns(self) -> Mapping[str, Any]:
        """Give the table, in columns."""

    def to_pandas(self) -> Any:
        """Give the table as a DataFrame of pandas."""
        return to_frame(self._columns(), "pandas", "`to_pandas`")

    def to_polars(self) -> Any:
        """Give the table as a DataFrame of polars."""
        return to_frame(self._columns(), "polars", "`to_polars`")

    def to_arrow(self) -> Any:
        """Give the table as a table of Arrow."""
        return to_frame(self._columns(), "pyarrow", "`to_arrow`")


def decisions_as(decisions: Any, package: str) -> Any:
    """Give `Decisions` as arrays of numpy, or as a table of another package."""
    what = "a table of decisions"
    raw = decisions._raw()
    if package == "pyarrow":
        return _arrow_table(require("pyarrow", what), raw)
    numpy = require("numpy", what)
    columns = {
        name: numpy.frombuffer(raw[name], dtype="int32")
        for name in ("current_replicas", "desired_replicas")
    }
    columns["changed"] = numpy.frombuffer(raw["changed"], dtype="bool")
    codes = {
        name: (numpy.frombuffer(raw[name], dtype=dtype), [*raw[f"{name}s"], None])
        for name, dtype in (("outcome", "uint8"), ("reason", "uint8"), ("metric", "int32"))
    }
    if package == "numpy":
        words = {name: numpy.array(told, dtype=object) for name, (_, told) in codes.items()}
        return columns | {name: words[name][code] for name, (code, _) in codes.items()}
    if package == "pandas":
        pandas = require("pandas", what)
        frame = pandas.DataFrame(columns)
        scale_to = pandas.array(columns["desired_replicas"], dtype="Int32")
        scale_to[~columns["changed"]] = pandas.NA
        frame.insert(2, "scale_to", scale_to)
        for name, (code, told) in codes.items():
            words = pandas.Categorical.from_codes(code.astype("int32"), categories=told[:-1])
            frame[name] = words.remove_unused_categories()
        return frame
    polars = require("polars", what)
    frame = polars.DataFrame(columns)
    scale_to = polars.when("changed").then("desired_replicas").alias("scale_to")
    # Of no metric is the last word, which is none.
    return frame.select("current_replicas", "desired_replicas", scale_to, "changed").with_columns(
        polars.Series(name, told, dtype=polars.String).gather(polars.Series(code % len(told)))
        for name, (code, told) in codes.items()
    )


def _arrow_table(pyarrow: Any, raw: Mapping[str, Any]) -> Any:
    """Make a table of the buffers as they are."""

    def numbers(name: str, kind: Any) -> Any:
        buffer = pyarrow.py_buffer(raw[name])
        return pyarrow.Array.from_buffers(
            kind, buffer.size // (kind.bit_width // 8), [None, buffer]
        )

    compute = require("pyarrow.compute", "a table of decisions")
    desired = numbers("desired_replicas", pyarrow.int32())
    changed = numbers("changed", pyarrow.uint8()).cast(pyarrow.bool_())
    metric = numbers("metric", pyarrow.int32())
    known = compute.if_else(compute.less(metric, 0), None, metric)
    columns = {
        "current_replicas": numbers("current_replicas", pyarrow.int32()),
        "desired_replicas": desired,
        "scale_to": compute.if_else(changed, desired, None),
        "changed": changed,
    }
    for name, codes in (
        ("outcome", numbers("outcome", pyarrow.uint8()).cast(pyarrow.int32())),
        ("reason", numbers("reason", pyarrow.uint8()).cast(pyarrow.int32())),
        ("metric", known),
    ):
        words = pyarrow.array(raw[f"{name}s"], pyarrow.string())
        columns[name] = pyarrow.DictionaryArray.from_arrays(codes, words)
    return pyarrow.table(columns)
