"""Arrow batches as JSON or NDJSON, one batch at a time.

An integer is a number whatever its size, and a column of JSON is there as the value that it is, letter by
letter: long numbers and repeated names are not lost on the way. A decimal is text, because many parsers would make a
double of it; bytes are base64. NaN and the infinities, which JSON has not, are the words of protobuf's JSON.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain import decimals, forms
from rescind.domain.schema import Column, Type

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

#: What may not stand in a JSON text as it is.
_SPECIAL = r'["\\\x00-\x1f]'


def json_array(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """What stands between the brackets of an array of all rows. Of `columns` those of JSON matter."""
    json_columns = _of_json(columns)
    separator = b""
    for batch in batches:
        if batch.num_rows:
            yield separator + _joined(batch, ",", json_columns)
            separator = b","


def ndjson(columns: Sequence[Column], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The rows as JSON objects, a line each. Of `columns` those of JSON matter."""
    json_columns = _of_json(columns)
    for batch in batches:
        if batch.num_rows:
            yield _joined(batch, "\n", json_columns) + b"\n"


def objects(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows by column name, as JSON values."""
    rows: list[dict[str, Any]] = json.loads(b"[" + b"".join(json_array((), [batch])) + b"]")
    return rows


def plain(value: Any) -> Any:
    """The value as JSON can say it: times as RFC 3339, decimals as text, bytes as base64, NaN as a word."""
    for kind, convert in _CONVERSIONS:
        if isinstance(value, kind):
            return convert(value)
    return value


def from_plain(value: Any, kind: Type) -> Any:
    """The inverse of `plain` for a column of that type. Raises TypeError, ValueError."""
    match kind:
        case Type.date:
            return date.fromisoformat(value)
        case Type.time:
            return time.fromisoformat(value)
        case Type.timestamp | Type.timestamptz:
            return _moment(value, with_zone=kind is Type.timestamptz)
        case Type.binary:
            return base64.b64decode(value, validate=True)
        case Type.decimal:
            return _plain_decimal(value)
        case Type.uuid:
            return str(UUID(value))
        case _:
            return value


def _moment(value: str, *, with_zone: bool) -> datetime:
    moment = datetime.fromisoformat(value)
    if (moment.tzinfo is not None) is not with_zone:
        raise ValueError("a zone is there, or is not, against the column's type")
    return moment


def _plain_decimal(value: str) -> str:
    if not re.fullmatch(decimals.PLAIN, value):
        raise ValueError("not a decimal as it travels")
    return value


def _of_json(columns: Sequence[Column]) -> set[str]:
    return {column.name for column in columns if column.type is Type.json}


def _joined(batch: pa.RecordBatch, separator: str, json_columns: Container[str]) -> bytes:
    """The rows as JSON objects. Whole columns are put together at once: no Python object is made for a row."""
    parts: list[Any] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        texts = _json_values(column) if name in json_columns else _texts(column)
        parts += [f"{',' if parts else '{'}{_encode(name)}:", texts]
    rows = pc.binary_join_element_wise(*parts, "}", "")
    whole = pa.ListArray.from_arrays([0, len(rows)], rows)
    joined: Any = pc.binary_join(whole, separator)
    return bytes(joined[0].as_buffer())


def _json_values(column: pa.Array[Any]) -> pa.Array[Any]:
    """The texts as they stand; as strings where one of them is not JSON, which SQLite does not mind."""
    if not pa.types.is_string(column.type) or forms.not_json(column).true_count:
        return _texts(column)
    # A line end in valid JSON stands between two tokens, and would end a line of NDJSON.
    one_line: Any = pc.replace_substring_regex(cast(pa.StringArray, column), r"[\r\n]", " ")
    null: Any = "null"
    filled: pa.Array[Any] = pc.fill_null(one_line, null)
    return filled


def _texts(column: pa.Array[Any]) -> pa.Array[Any]:
    """Each value as JSON."""
    kind = column.type
    texts: Any  # the kernels take constants for arrays, and their type hints do not know it
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        texts = column.cast(pa.string())
    elif pa.types.is_string(kind) and not pc.any(pc.match_substring_regex(column, _SPECIAL)).as_py():
        quote: Any = '"'
        texts = pc.binary_join_element_wise(quote, column, quote, "")
    else:
        texts = pa.array([_encode(plain(value)) for value in column.to_pylist()], pa.string())
    null: Any = "null"
    filled: pa.Array[Any] = pc.fill_null(texts, null)
    return filled


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

_CONVERSIONS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (float, lambda value: value if math.isfinite(value) else _NOT_FINITE[str(value)]),
    (Decimal, str),
    (datetime, lambda value: value.isoformat().replace("+00:00", "Z")),
    (date, lambda value: value.isoformat()),
    (time, lambda value: value.isoformat()),
    (bytes, lambda value: base64.b64encode(value).decode()),
)
