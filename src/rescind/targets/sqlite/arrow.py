"""SQLite's rows as Arrow batches. A column of SQLite may hold values of any type; no value is lost or fatal."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain.arrow import ARROW, in_calendar, times_of_day
from rescind.domain.schema import Column, Table, Type
from rescind.targets.portions import portions
from rescind.targets.sqlite.failures import translated

#: Text that is not valid UTF-8 is shown with replacement characters, instead of ending the read.
text: Callable[[bytes], str] = partial(str, encoding="utf-8", errors="replace")


def batches(cursor: sqlite3.Cursor, table: Table) -> Iterator[pa.RecordBatch]:
    """The cursor's rows, a portion at a time.

    A column holds its type's values; in a batch where one of them is not of the type the column is text
    instead, with blobs as hexadecimal digits.
    """
    names = [column.name for column in table.columns]

    def fetch(most: int) -> list[Any]:
        with translated():
            return cursor.fetchmany(most)

    for rows in portions(fetch, table):
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        yield pa.RecordBatch.from_arrays([array(column, values) for column, values in columns], names=names)


def array(column: Column, values: Sequence[Any]) -> pa.Array[Any]:
    """One column's values as its type, or all as text where one of them does not fit."""
    try:
        return _typed(column.type, values)
    except (pa.ArrowException, TypeError, OverflowError):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _typed(kind: Type, values: Sequence[Any]) -> pa.Array[Any]:
    match kind:
        case Type.integer:
            return _integers(values)
        case Type.boolean:
            numbers = _integers(values)
            if pc.any(pc.not_equal(pc.bit_wise_and(numbers, 1), numbers)).as_py():
                raise TypeError("neither 0 nor 1")
            return numbers.cast(pa.bool_())
        case Type.unsigned:
            return _integers(values).cast(ARROW[kind])
        case Type.date | Type.timestamp | Type.timestamptz:
            return _in_calendar(pa.array(values, pa.string()).cast(ARROW[kind]))
        case Type.time:
            return times_of_day(pa.array(values, pa.string()))
        case Type.decimal:
            return pa.array([None if value is None else _decimal(value) for value in values], pa.string())
        case Type.binary:
            return pa.array([v.encode() if isinstance(v, str) else v for v in values], pa.binary())
        case _:
            return pa.array(values, ARROW[kind])


def _in_calendar(values: pa.Array[Any]) -> pa.Array[Any]:
    if not in_calendar(values):
        raise TypeError("a year that Python does not have")
    return values


def _integers(values: Sequence[Any]) -> pa.Array[Any]:
    # Asked for integers, Arrow cuts the fraction off a float without a word: let it say what it finds instead.
    found: pa.Array[Any] = pa.array(values)
    if found.type not in (pa.int64(), pa.null()):
        raise TypeError("not integers")
    integers: pa.Array[Any] = found.cast(pa.int64())
    return integers


def _decimal(value: Any) -> str:
    """Without an exponent, which no decimal is read with."""
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) and isfinite(value) else _text(value)


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
