"""Arrow batches as JSON, NDJSON or CSV, one batch at a time."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import csv

from rescind.domain.schema import Type

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def json_rows(batch: pa.RecordBatch) -> str:
    """The rows as JSON objects, separated by commas."""
    return _encode(objects(batch))[1:-1]


def ndjson_rows(batch: pa.RecordBatch) -> bytes:
    """The rows as JSON objects, a line each."""
    return "".join(_encode(row) + "\n" for row in objects(batch)).encode()


def json_array(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """What stands between the brackets of an array of all rows."""
    separator = ""
    for batch in batches:
        if batch.num_rows:
            yield (separator + json_rows(batch)).encode()
            separator = ","


def csv_document(names: Sequence[str], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A header and all rows; NULL is an empty field and an empty text is `""`, as `load` reads them."""
    yield ",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names).encode() + b"\n"
    for batch in batches:
        text = io.BytesIO()
        csv.write_csv(pa.table(_printable(batch)), text, csv.WriteOptions(include_header=False))
        yield text.getvalue()


def objects(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows by column name, as JSON values."""
    names = batch.schema.names
    columns = [_values(batch.column(n)) for n in range(batch.num_columns)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """The value as JSON can say it: times as RFC 3339, decimals as text, bytes as base64, NaN as null."""
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    return value


def from_plain(value: Any, kind: Type) -> Any:
    """The inverse of `plain` for a column of that type. Raises TypeError, ValueError."""
    if kind is Type.date:
        return date.fromisoformat(value)
    if kind is Type.timestamp:
        return datetime.fromisoformat(value)
    if kind is Type.binary:
        return base64.b64decode(value, validate=True)
    return value


def _values(column: pa.Array[Any]) -> list[Any]:
    values: list[Any] = column.to_pylist()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values
    return [None if value is None else plain(value) for value in values]


def _printable(batch: pa.RecordBatch) -> dict[str, pa.Array[Any]]:
    """Columns that CSV can hold: bytes as base64."""
    columns: dict[str, pa.Array[Any]] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
        columns[name] = pa.array(_values(column), pa.string()) if binary else column
    return columns


_CONVERSIONS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (float, lambda value: value if math.isfinite(value) else None),
    (Decimal, str),
    (datetime, lambda value: value.isoformat()),
    (date, lambda value: value.isoformat()),
    (bytes, lambda value: base64.b64encode(value).decode()),
)
