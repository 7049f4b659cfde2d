"""Rows as Parquet: each type as it is, in row groups that are bounded."""

from __future__ import annotations

import gc
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Limits, Table, Type
from rescind.encoders import parquet
from rescind.encoders.parquet import ParquetEncoder, arrow_type
from rescind.errors import Unwritable

FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 -- as in the database
VALUES: dict[Type, list[Any]] = {
    Type.integer: [-(2**63), None, 2**63 - 1],
    Type.unsigned: [0, None, 2**64 - 1],
    Type.real: [float("inf"), None, 5e-324],
    Type.decimal: ["-1.50", None, "123456789012345678901234567890.5"],
    Type.boolean: [True, None, False],
    Type.date: [date.min, None, date.max],
    Type.time: [time.min, None, time.max],
    Type.timestamp: [FIRST, None, LAST],
    Type.timestamptz: [FIRST.replace(tzinfo=UTC), None, LAST.replace(tzinfo=UTC)],
    Type.text: ["", None, "\0é"],
    Type.binary: [b"", None, b"\x00\xff"],
    Type.json: ['{"a": 1.10}', None, "null"],
    Type.uuid: ["0192f0c0-0000-7000-8000-00000000abcd", None, None],
}


class Sink(io.BytesIO):
    """A file that is looked at after it was closed."""

    def close(self) -> None:
        pass


def written(columns: list[Column], *batches: pa.RecordBatch) -> pq.ParquetFile:
    sink = Sink()
    with ParquetEncoder(sink, Table("t", tuple(columns))) as encoder:  # type: ignore[arg-type]  # raw or buffered, it is written to
        for batch in batches:
            encoder.write(batch)
    return pq.ParquetFile(io.BytesIO(sink.getvalue()))


def column_of(values: list[Any], kind: pa.DataType) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values, kind)], names=["a"])


@pytest.mark.parametrize("kind", list(Type))
def test_a_value_of_any_type_comes_back_as_it_was(kind: Type) -> None:
    found = written([Column("a", kind, "")], column_of(VALUES[kind], ARROW[kind])).read()
    assert found.schema.field("a").type == ARROW[kind]
    assert found.column("a").to_pylist() == VALUES[kind]


@pytest.mark.parametrize(
    ("precision", "scale", "kind"),
    [
        (5, 2, pa.decimal128(5, 2)),
        (38, 38, pa.decimal128(38, 38)),
        (65, 30, pa.decimal256(65, 30)),
        (77, 0, pa.string()),
        (5, -2, pa.string()),
        (3, 5, pa.string()),
        (5, None, pa.string()),
        (None, None, pa.string()),
    ],
)
def test_a_decimal_with_bounds_is_one(precision: int | None, scale: int | None, kind: pa.DataType) -> None:
    assert arrow_type(Column("a", Type.decimal, "", limits=Limits(precision=precision, scale=scale))) == kind


def test_decimals_keep_their_digits() -> None:
    column = Column("a", Type.decimal, "", limits=Limits(precision=5, scale=2))
    found = written([column], column_of(["-1.50", "007", None], pa.string())).read().column("a").to_pylist()
    assert found == [Decimal("-1.50"), Decimal("7.00"), None]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (Column("a", Type.integer, ""), ["1", "abc"]),  # as a table of SQLite's may hold
        (Column("a", Type.timestamp, ""), ["0000-00-00 00:00:00"]),
        (Column("a", Type.decimal, "", limits=Limits(precision=5, scale=2)), ["NaN"]),
        (Column("a", Type.decimal, "", limits=Limits(precision=5, scale=2)), ["1.005"]),
    ],
)
def test_a_value_that_is_not_of_its_columns_type_is_named(column: Column, values: list[str]) -> None:
    place = f"Row {len(values)} of table 't', .* in column 'a', which is {column.type}: Parquet"
    with pytest.raises(Unwritable, match=place):
        written([column], column_of(values, pa.string()))
    gc.collect()  # nothing writes the end of the file


def test_rows_are_counted_over_batches_and_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 2)
    column = Column("a", Type.integer, "")
    sound = column_of([1, 2, 3], pa.int64())
    with pytest.raises(Unwritable, match=r"Row 8 .* holds 'x'"):
        written([column], sound, sound, column_of(["7", "x"], pa.string()))


def test_where_each_value_could_be_of_the_type_the_rows_are_named() -> None:
    with pytest.raises(Unwritable, match="One of the rows 1 to 2 "):
        written([Column("a", Type.date, "")], column_of(["2024-01-01", "0000-01-01"], pa.string()))


def test_a_column_of_nothing_has_its_type_all_the_same() -> None:
    found = written([Column("a", Type.date, "")], column_of([None, None], pa.null())).read()
    assert found.schema.field("a").type == pa.date32()


def test_row_groups_are_bounded_in_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 25)
    batches = [column_of(list(range(n, n + 10)), pa.int64()) for n in range(0, 70, 10)]
    found = written([Column("a", Type.integer, "")], *batches)
    assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [30, 30, 10]
    assert found.read().column("a").to_pylist() == list(range(70))


def test_row_groups_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 10_000)
    found = written([Column("a", Type.binary, "")], *[column_of([bytes(6_000)], pa.binary())] * 5)
    assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [2, 2, 1]


def test_no_rows_are_a_file_with_columns() -> None:
    found = written([Column("a", Type.integer, "")])
    assert (found.schema_arrow.names, found.metadata.num_rows) == (["a"], 0)
