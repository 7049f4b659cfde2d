"""Rows as Parquet, in row groups that fit into memory."""

from __future__ import annotations

import io
from typing import IO, Any, Self, cast

import pyarrow as pa
from pyarrow import parquet

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Table, Type
from rescind.encoders.misfits import unwritable

#: What one row group holds at most, about: a reader must be able to hold it, and so must we.
GROUP_BYTES = 64 * 1024 * 1024
GROUP_ROWS = 1_000_000
MOST_DIGITS, MOST_DIGITS_OF_128_BITS = 76, 38  #: of Arrow's decimals


class ParquetEncoder:
    """A Parquet file of the table that is being written to `file`, in a `with`.

    Raises Unwritable for a value that is not of its column's type. In CSV such a value is there as the database spells
    it; here a column has one type.
    """

    def __init__(self, file: io.RawIOBase, table: Table) -> None:
        self._table = table
        self._schema = pa.schema([(column.name, arrow_type(column)) for column in table.columns])
        self._writer = parquet.ParquetWriter(cast("IO[bytes]", file), self._schema, compression="zstd")
        self._group: list[pa.RecordBatch] = []
        self._rows = self._bytes = self._flushed = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows, whose columns are those of the file in their order."""
        columns = zip(batch.columns, self._table.columns, strict=True)
        arrays = [self._fitting(values, column) for values, column in columns]
        self._group.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Write what is left, and the end of the file; after an error nothing more."""
        if kind is None:
            self._flush()
            self._writer.close()
        else:
            self._writer.is_open = False  # it would write the end of the file when it is collected

    def _flush(self) -> None:
        if self._group:
            self._writer.write_table(pa.Table.from_batches(self._group, self._schema), row_group_size=self._rows)
            self._flushed += self._rows
            self._group, self._rows, self._bytes = [], 0, 0

    def _fitting(self, values: pa.Array[Any], column: Column) -> pa.Array[Any]:
        wanted = arrow_type(column)
        if values.type == wanted:
            return values
        try:
            if values.type == ARROW[column.type] or pa.types.is_null(values.type):
                return values.cast(wanted)
        except pa.ArrowInvalid:
            pass  # NaN, and what a database takes although it has more digits
        raise unwritable(self._table, column, values, self._flushed + self._rows, "Parquet", wanted)


def arrow_type(column: Column) -> pa.DataType:
    """The column's type in the file. A decimal without bounds, or with too many digits, is text."""
    precision, scale = column.limits.precision, column.limits.scale
    if column.type is not Type.decimal or precision is None or scale is None:
        return ARROW[column.type]
    if not 0 <= scale <= precision <= MOST_DIGITS:
        return ARROW[column.type]
    return pa.decimal128(precision, scale) if precision <= MOST_DIGITS_OF_128_BITS else pa.decimal256(precision, scale)
