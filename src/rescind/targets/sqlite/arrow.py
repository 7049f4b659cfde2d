"""SQLite's rows as Arrow batches. A column of SQLite may hold values of any type.

To be looked at, every value is shown somehow; to be kept, it is given exactly or refused by name.
"""

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
from rescind.errors import Unwritable
from rescind.targets.portions import portions
from rescind.targets.sqlite.failures import translated

#: Text that is not valid UTF-8 is shown with replacement characters, instead of ending the read.
text: Callable[[bytes], str] = partial(str, encoding="utf-8", errors="replace")
#: Or its bytes become halves of surrogate pairs, which no valid text has and Arrow does not take.
exact_text: Callable[[bytes], str] = partial(str, encoding="utf-8", errors="surrogateescape")


def batches(cursor: sqlite3.Cursor, table: Table, *, exact: bool = False) -> Iterator[pa.RecordBatch]:
    """The cursor's rows, a portion at a time.

    A column holds its type's values; in a batch where one of them is not of the type the column is text
    instead, with blobs as hexadecimal digits. With `exact`, and texts read as `exact_text`, Unwritable is raised for
    what is not there as it is stored: text that is not UTF-8, a blob as text, anything else as a blob.
    """
    names = [column.name for column in table.columns]
    seen = 0

    def fetch(most: int) -> list[Any]:
        with translated():
            return cursor.fetchmany(most)

    for rows in portions(fetch, table):
        columns = list(zip(table.columns, zip(*rows, strict=True), strict=True))
        if exact and any(_blobs_are_mixed(column, values) for column, values in columns):
            raise _altered(table, rows, seen)
        try:
            arrays = [array(column, values) for column, values in columns]
        except UnicodeEncodeError as error:  # with `exact` only
            raise _altered(table, rows, seen) from error
        yield pa.RecordBatch.from_arrays(arrays, names=names)
        seen += len(rows)


def array(column: Column, values: Sequence[Any]) -> pa.Array[Any]:
    """One column's values as its type, or all as text where one of them does not fit."""
    try:
        return _typed(column.type, values)
    except (pa.ArrowException, TypeError, OverflowError):
        return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _blobs_are_mixed(column: Column, values: Sequence[Any]) -> bool:
    """Whether there are blobs in a column of something else, or something else in one of blobs."""
    kinds = set(map(type, values)) - {type(None)}
    return bool(kinds - {bytes}) if column.type is Type.binary else bytes in kinds


def _altered(table: Table, rows: Sequence[Sequence[Any]], seen: int) -> Unwritable:
    """The error for the first row whose value cannot be given as it is, `seen` rows after the first; there is one."""
    row, column, what = next(
        (row, column, what)
        for row, values in enumerate(rows, start=seen + 1)
        for column, value in zip(table.columns, values, strict=True)
        if (what := _alteration(column, value))
    )
    return Unwritable(
        f"Row {row:,} of table {table.name!r}, in the order of its key or else its rowid, holds {what} in column "
        f"{column.name!r}, which is {column.type}: that cannot be given as it is stored, and no file was made."
    )


def _alteration(column: Column, value: Any) -> str | None:
    """What is there, where it would be given as something else."""
    if isinstance(value, bytes):
        return None if column.type is Type.binary else "a blob"
    if isinstance(value, str) and any("\udc80" <= character <= "\udcff" for character in value):
        return "a text that is not valid UTF-8"
    return None if value is None or column.type is not Type.binary else "a value that is no blob"


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
