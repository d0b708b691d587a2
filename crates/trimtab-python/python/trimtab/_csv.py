"""Columns as the CSV that recordings come in."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Container
from typing import Any

from trimtab import _arrow, _core
from trimtab._columns import columns_of, is_null, pieces_of

__all__ = ["csv_of", "recorded"]

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def recorded(data: Any) -> dict[str, Any]:
    """Give the columns of a recording; an index of times is one of them."""
    columns = columns_of(data)
    index: Any = getattr(data, "index", None)
    if getattr(getattr(index, "dtype", None), "kind", "") == "M":
        columns = {str(index.name or "time"): index, **columns}
    return columns


def csv_of(data: Any, *, relative: bool = False, wanted: Container[str] | None = None) -> str:
    """Write columns as CSV with a header; floats by their shortest text, nulls as nothing.

    Dates and times are as RFC 3339 has them, or ``relative``: in seconds since the first of their
    column. Columns of words are left out, unless they are ``wanted``.
    """
    columns = recorded(data)
    cells = {name: _cells(column, name, relative) for name, column in columns.items()}
    kept = {
        name: values
        for name, values in cells.items()
        if values is not None and (wanted is None or name in wanted or not _is_words(values))
    }
    lengths = {len(values) for values in kept.values()}
    if len(lengths) > 1:
        told = ", ".join(f"`{name}` {len(values)}" for name, values in kept.items())
        raise ValueError(f"the columns are of different lengths: {told}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(kept)
    writer.writerows(zip(*kept.values(), strict=True))
    return text.getvalue()


def _cells(column: Any, name: str, relative: bool) -> list[Any] | None:
    """Give a column's values as CSV has them; nothing for what only Arrow tells, such as text."""
    times = _times(column, name)
    if times is not None:
        if relative:
            return [repr((time - times[0]) / 1000) for time in times]
        return [_in_utc(time) for time in times]
    if isinstance(column, _arrow.Column):
        return _numbers(column, name)
    if isinstance(column, (str, bytes)):
        raise TypeError(f"column `{name}` is a `{type(column).__name__}`, and no list of values")
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, method):
            return [_cell(value) for value in getattr(column, method)()]
    try:
        return [_cell(value) for value in column]
    except TypeError as error:
        kind = type(column).__name__
        raise TypeError(f"column `{name}` is a `{kind}`, and no list of values") from error


def _is_words(cells: list[Any]) -> bool:
    """Say whether a column is of text that is neither a number nor a time."""
    texts = (cell for cell in cells if cell != "")
    first = next(texts, None)
    return isinstance(first, str) and not first.strip()[:2].lstrip("+-.")[:1].isdigit()


def _times(column: Any, name: str) -> list[int] | None:
    """Give dates and times in milliseconds since 1970; nothing for what is none."""
    try:
        pieces = pieces_of(column, name)
    except (TypeError, ValueError):
        return None
    if any(piece[0].startswith(("ts", "td")) for piece in pieces):
        return _core._times(pieces, name)
    return None


def _in_utc(time: int) -> str:
    text = (EPOCH + datetime.timedelta(milliseconds=time)).isoformat()
    return text.replace("+00:00", "Z")


def _numbers(column: _arrow.Column, name: str) -> list[Any] | None:
    try:
        return list(_core._integers(column.pieces, name))
    except ValueError:
        return [_cell(value) for value in _core._floats(column.pieces, name)]
    except TypeError:
        return None


def _cell(value: Any) -> Any:
    if is_null(value):
        return ""
    if not isinstance(value, float):
        return value
    # A whole number stays one where its column has nulls, and so has floats. Of others, repr is
    # the shortest text that reads back as it is.
    return int(value) if value.is_integer() and abs(value) < 2**53 else repr(value)
