"""Arrow's C data interface, read without any other package.

Whatever exports it (polars, pyarrow, pandas, DuckDB, nanoarrow and more) is read from where it
lies: each buffer is copied once as a whole, and no value becomes a Python object.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

__all__ = ["Column", "Piece", "columns", "has_arrow", "pieces"]

#: A piece of a column: the format of its values as Arrow names it, how many rows it has, the first
#: bit of the rows that are valid, those bits, the values (of lists their offsets), and what the
#: lists have. The core reads it.
Piece: TypeAlias = "tuple[str, int, int, bytes | None, bytes, Piece | None]"


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

#: How many bytes a value takes, by the first letter of its format.
_WIDTHS = {"c": 1, "C": 1, "s": 2, "S": 2, "i": 4, "I": 4, "l": 8, "L": 8, "e": 2, "f": 4, "g": 8}


class Column:
    """A column of a table that was read as a whole."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        """Begin without rows."""
        self.pieces: list[Piece] = []

    def __len__(self) -> int:
        return sum(piece[1] for piece in self.pieces)


def has_arrow(data: Any) -> bool:
    """Say whether something exports Arrow data."""
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def pieces(column: Any) -> list[Piece]:
    """Read a column."""
    return [_piece(schema, array) for schema, array in _arrays(column)]


def columns(table: Any) -> dict[str, Column]:
    """Read a table: its columns by their names."""
    read: dict[str, Column] = {}
    for schema, array in _arrays(table):
        if schema.format != b"+s":
            raise TypeError(f"`{type(table).__name__}` has no columns: it is a column itself")
        rows = slice(array.offset, array.offset + array.length)
        for index in range(schema.n_children):
            child = schema.children[index].contents
            name = (child.name or b"").decode()
            piece = _piece(child, array.children[index].contents, rows)
            read.setdefault(name, Column()).pieces.append(piece)
    return read


def _arrays(data: Any) -> Iterator[tuple[_Schema, _Array]]:
    """Give each array that something exports, with its schema, for as long as it is looked at."""
    if not hasattr(data, "__arrow_c_stream__"):
        # What is not taken over is released with the capsules.
        held = data.__arrow_c_array__()
        yield _of(held[0], "arrow_schema", _Schema), _of(held[1], "arrow_array", _Array)
        return
    capsule = data.__arrow_c_stream__()
    stream = _of(capsule, "arrow_array_stream", _Stream)
    schema = _Schema()
    _succeed(stream, stream.get_schema(ctypes.addressof(stream), ctypes.addressof(schema)))
    try:
        # Without rows there are columns all the same.
        yield schema, _empty(schema)
        while True:
            array = _Array()
            _succeed(stream, stream.get_next(ctypes.addressof(stream), ctypes.addressof(array)))
            if not array.release:
                break
            try:
                yield schema, array
            finally:
                _release(array)
    finally:
        _release(schema)
        del capsule


def _of(capsule: Any, name: str, kind: type[Any]) -> Any:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return kind.from_address(pointer(capsule, name.encode()))


def _succeed(stream: _Stream, code: int) -> None:
    if code:
        told = stream.get_last_error(ctypes.addressof(stream))
        said = told.decode(errors="replace") if told else f"error {code}"
        raise ValueError(f"the Arrow data can't be read: {said}")


def _release(exported: _Schema | _Array) -> None:
    if exported.release:
        _RELEASE(exported.release)(ctypes.addressof(exported))


def _empty(schema: _Schema) -> _Array:
    """Make an array of no rows."""
    empty = _Array()
    children = [_empty(schema.children[index].contents) for index in range(schema.n_children)]
    pointers = (ctypes.POINTER(_Array) * len(children))(*map(ctypes.pointer, children))
    empty.n_children = len(children)
    empty.children = ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Array)))
    return empty


def _piece(schema: _Schema, array: _Array, rows: slice | None = None) -> Piece:
    """Copy the buffers of some rows, counted from where the array begins."""
    rows = rows or slice(0, array.length)
    first, count = array.offset + rows.start, rows.stop - rows.start
    written = (schema.format or b"").decode()
    bits = None
    if array.null_count and array.n_buffers > 0 and array.buffers[0]:
        bits = _copied(array.buffers[0], first // 8, (first + count + 7) // 8)
    inner = None
    if schema.dictionary:
        # Words of a list of words; no metric has them.
        data, written = b"", "dictionary"
    elif written in ("+l", "+L"):
        width = 4 if written == "+l" else 8
        data = bytes(width)
        if count:
            data = _copied(array.buffers[1], first * width, (first + count + 1) * width)
        ends = (int.from_bytes(end, sys.byteorder) for end in (data[:width], data[-width:]))
        inner = _piece(schema.children[0].contents, array.children[0].contents, slice(*ends))
    elif written.startswith("+w:"):
        each = int(written[3:])
        within = slice(first * each, (first + count) * each)
        data = b""
        inner = _piece(schema.children[0].contents, array.children[0].contents, within)
    else:
        width = _width(written)
        data = b""
        if width and count:
            data = _copied(array.buffers[1], first * width, (first + count) * width)
    return (written, count, first % 8, bits, data, inner)


def _width(written: str) -> int:
    """Give the bytes that a value takes; 0 where it is no number."""
    if written.startswith("d:"):
        bits = written[2:].split(",")[2:]
        return int(bits[0]) // 8 if bits else 16
    if written.startswith(("ts", "tdm")):
        return 8
    if written == "tdD":
        return 4
    return _WIDTHS.get(written, 0)


def _copied(address: int, start: int, end: int) -> bytes:
    return bytes((ctypes.c_char * (end - start)).from_address(address + start))
