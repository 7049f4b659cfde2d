"""Values that are not of their column's type, which some databases hold, in files whose columns have one type.

In a batch with such a value the whole column comes as text. CSV says that as it is; another file would have two types
in a column, or numbers that became texts for the sake of another row's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from rescind.domain import forms
from rescind.domain.arrow import ARROW
from rescind.domain.rejects import shorten
from rescind.domain.schema import Column, Table, Type
from rescind.errors import Unwritable

#: What JSON has as something else than text, or in a spelling of its own.
_NOT_TEXT = (Type.integer, Type.unsigned, Type.real, Type.boolean, Type.binary)


def fit_for_json(table: Table, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches as they are. Raises Unwritable for one that would make a column's values something else in JSON."""
    seen = 0
    for batch in batches:
        for column, values in zip(table.columns, batch.columns, strict=True):
            wanted = ARROW[column.type]
            if column.type in _NOT_TEXT and values.type != wanted and not pa.types.is_null(values.type):
                raise unwritable(table, column, values, seen, "NDJSON", wanted)
            if column.type is Type.json and (broken := forms.not_json(values)).true_count:
                raise _at(table, column, values, broken.index(True).as_py(), seen, "NDJSON")
        yield batch
        seen += batch.num_rows


def unwritable(
    table: Table, column: Column, values: pa.Array[Any], seen: int, format: str, wanted: pa.DataType
) -> Unwritable:
    """The error for a column's values that are not all `wanted`, in a batch that `seen` rows came before."""
    for row in range(len(values)):
        try:
            values.slice(row, 1).cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return _at(table, column, values, row, seen, format)
    return _error(table, column, format, f"One of the rows {seen + 1:,} to {seen + len(values):,}", "a value")


def _at(table: Table, column: Column, values: pa.Array[Any], row: int, seen: int, format: str) -> Unwritable:
    return _error(table, column, format, f"Row {seen + row + 1:,}", repr(shorten(str(values[row].as_py()))))


def _error(table: Table, column: Column, format: str, rows: str, value: str) -> Unwritable:
    return Unwritable(
        f"{rows} of table {table.name!r}, in the order of the export, holds {value} in column {column.name!r}, which "
        f"is {column.type}: {format} has one type for a column, and no file was made."
    )
