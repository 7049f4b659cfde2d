"""Arrow's columns as the text of rows, a column at a time: for LOAD DATA's file, or for an INSERT's VALUES."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import compute

Values: TypeAlias = "pa.Array[Any]"
pc: Any = compute  #: its type hints know no types that are chosen at run time

_ESCAPED = ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"))


@dataclass(frozen=True)
class RowText:
    """The rows' text, one after the other in one buffer; row n is `bounds[n]` to `bounds[n + 1]`."""

    text: memoryview
    bounds: Any

    def pieces(self, size: int) -> Iterator[tuple[int, int]]:
        """Rows in pieces of at most so many bytes, as first and last + 1; a longer row is a piece of its own."""
        first, rows = 0, len(self.bounds) - 1
        while first < rows:
            last = int(np.searchsorted(self.bounds, self.bounds[first] + size, side="right")) - 1
            last = min(max(last, first + 1), rows)
            yield first, last
            first = last

    def piece(self, first: int, last: int) -> memoryview:
        start = self.bounds[0]
        return self.text[self.bounds[first] - start : self.bounds[last] - start]


def file(columns: Sequence[Values]) -> RowText:
    """Rows as a file for LOAD DATA: tabs between values, a line feed after each row, escapes where it needs them."""
    return _joined([_field(values) for values in columns], b"", b"\t", b"\n", b"\\N")


def values(columns: Sequence[Values]) -> RowText:
    """Rows as an INSERT's VALUES, each with a comma behind it."""
    return _joined([_literal(column) for column in columns], b"(", b",", b"),", b"NULL")


def _joined(fields: list[Values], before: bytes, between: bytes, after: bytes, null: bytes) -> RowText:
    """Each row's fields, with `between` between them.

    What stands around a row goes to its first and last field: to the join, which costs more than all casts together,
    a separator is cheap and a further part is not.
    """
    if before:
        fields[0] = _strung([_one(before), fields[0]], b"", null)
    fields[-1] = _strung([fields[-1], _one(after)], b"", null)
    rows = _strung(fields, between, null)
    _, offsets, data = rows.buffers()
    bounds = np.frombuffer(memoryview(offsets), np.int64)[rows.offset : rows.offset + len(rows) + 1]
    text = memoryview(data).cast("B") if data is not None else memoryview(b"")
    return RowText(text[int(bounds[0]) : int(bounds[-1])], bounds)


def _strung(parts: list[Any], between: bytes, null: bytes) -> Any:
    return pc.binary_join_element_wise(*parts, _one(between), null_handling="replace", null_replacement=null.decode())


def _one(value: bytes) -> Any:
    return pa.scalar(value, pa.large_binary())


def _field(values: Values) -> Values:
    found, plain = _octets(values)
    if plain:
        return found
    data = bytes(found.buffers()[2] or b"")
    for special, escape in _ESCAPED:
        if special in data:
            found = pc.replace_substring(found, special.decode(), escape.decode())
    return found


def _literal(values: Values) -> Values:
    kind = values.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array(
            [None if v is None else f"X'{v.hex()}'".encode() for v in values.to_pylist()], pa.large_binary()
        )
    found, plain = _octets(values)
    if plain and not pa.types.is_temporal(kind):
        return found
    for special, escape in ((b"\\", b"\\\\"), (b"'", b"''")):
        found = pc.replace_substring(found, special.decode(), escape.decode())
    quoted: Values = pc.binary_join_element_wise(_one(b"'"), found, _one(b"'"), _one(b""))
    return quoted


def _octets(values: Values) -> tuple[Values, bool]:
    """The values as the server reads them, and whether nothing in them can need an escape. Rows are long: 64 bits."""
    kind = values.type
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    if pa.types.is_binary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values.cast(pa.large_binary()), False
    return _text(values).cast(pa.large_string()).cast(pa.large_binary()), True


def _text(values: Values) -> Values:
    kind = values.type
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us", kind.tz)).cast(pa.timestamp("us"), safe=False).cast(pa.string())
    return values.cast(pa.string())
