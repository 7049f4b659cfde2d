"""MySQL's rows as Arrow batches, from the text that the server sends. No value is lost or fatal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pymysql.cursors import Cursor

from rescind.domain.arrow import ARROW, in_calendar, times_of_day
from rescind.domain.schema import Column, Table, Type
from rescind.targets.mysql.failures import translated
from rescind.targets.mysql.sql import quote
from rescind.targets.portions import portions


def selected(column: Column) -> str:
    """What to select of the column: FLOAT's own text has six digits, and BIT's is no number."""
    name = quote(column.name)
    if column.declared.startswith("bit"):
        return f"{name}+0"
    return f"{name}+0e0" if column.type is Type.real and column.limits.single else name


def batches(cursor: Cursor, table: Table) -> Iterator[pa.RecordBatch]:
    """The cursor's rows, a portion at a time.

    A column holds its type's values; in a batch where one of them is not of the type (a zero date, a TIME of more
    than a day) the column is text instead.
    """
    names = [column.name for column in table.columns]

    def fetch(most: int) -> Any:
        with translated():
            return cursor.fetchmany(most)

    for rows in portions(fetch, table):
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        yield pa.RecordBatch.from_arrays([array(column, values) for column, values in columns], names=names)


def array(column: Column, values: Sequence[str | bytes | None]) -> pa.Array[Any]:
    """One column's values as its type, or all as text where one of them does not fit."""
    if column.type is Type.binary:
        return pa.array(values, pa.binary())
    text: pa.Array[Any] = pa.array(values, pa.string())
    try:
        return _typed(column.type, text)
    except (pa.ArrowException, ValueError):
        return text


def _typed(kind: Type, text: pa.Array[Any]) -> pa.Array[Any]:
    match kind:
        case Type.boolean:
            numbers = text.cast(pa.int64())
            if pc.any(pc.not_equal(pc.bit_wise_and(numbers, 1), numbers)).as_py():
                raise ValueError("neither 0 nor 1")
            return numbers.cast(pa.bool_())
        case Type.time:
            if pc.any(pc.greater_equal(text, pa.scalar("24"))).as_py() or pc.any(pc.match_substring(text, "-")).as_py():
                raise ValueError("not a time of day")
            return times_of_day(text)
        case Type.timestamptz:
            instants: pa.Array[Any] = text.cast(pa.timestamp("us")).cast(ARROW[kind])
            return instants
        case Type.date | Type.timestamp:
            times: pa.Array[Any] = text.cast(ARROW[kind])
            if not in_calendar(times):
                raise ValueError("no year of the calendar")
            return times
        case _:
            return text.cast(ARROW[kind])
