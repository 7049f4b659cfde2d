"""Arrow batches in the binary form of COPY, which PostgreSQL reads at half the cost of text.

A value is sent as its column's own type has it: the server checks the length, and little else. So a table goes this
way only if every column's type is known here; and a batch only if each of its values has the form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder
from pyarrow import compute

from rescind.domain.arrow import conform, octets
from rescind.domain.schema import Column

#: Values that are encoded at a time: the server parses one piece while the next is made.
VALUES_PER_PIECE = 50_000

pc: Any = compute  #: its type hints know no constants
Values: TypeAlias = "pa.Array[Any]"
Encode: TypeAlias = Callable[[Values], Values]

_DECIMAL_DIGITS = 38  #: of Arrow's 128 bits
_UUID_CHARACTERS, _UUID_BYTES = 36, 16
_JSONB_VERSION = pa.scalar(b"\x01")
_HYPHENS = (8, 13, 18, 23)


class Encoder:
    """Makes COPY's binary form of batches of one table; `roads` are one for each column."""

    def __init__(self, columns: Sequence[Column], roads: Sequence[Encode]) -> None:
        self._columns = columns
        self._roads = roads

    def pieces(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The batch, some rows at a time; its columns are the encoder's.

        Raises pa.ArrowInvalid, before the first piece, for a value that has no such form: NaN among decimals.
        """
        arrays = [
            road(conform(values, column.type))
            for column, road, values in zip(self._columns, self._roads, batch.columns, strict=True)
        ]
        names = [str(n) for n in range(len(arrays))]  # two columns' names may not differ for Arrow
        return _encoded(pa.RecordBatch.from_arrays(arrays, names=names))


def encoder(columns: Sequence[Column], bases: Mapping[str, str]) -> Encoder | None:
    """An encoder for these columns, `bases` being their types' names; None where one has no binary form here."""
    roads = [_road(column, bases.get(column.name, "")) for column in columns]
    known = [road for road in roads if road is not None]
    return Encoder(columns, known) if len(known) == len(roads) else None


def _encoded(batch: pa.RecordBatch) -> Iterator[bytes]:
    encode = ArrowToPostgresBinaryEncoder(batch.schema)
    begun = encode.write_header()
    step = max(1, VALUES_PER_PIECE // batch.num_columns)
    for start in range(0, batch.num_rows, step):
        yield begun + encode.write_batch(batch.slice(start, step))
        begun = b""
    yield begun + encode.finish()


def _road(column: Column, base: str) -> Encode | None:
    if base == "pg_catalog.numeric":
        return _numeric(column)
    if column.limits.values is not None:
        return _as_it_is  # an enumeration's value is its label
    return _ROADS.get(base)


def _numeric(column: Column) -> Encode | None:
    """Only where the server puts the digits after the point right: a plain `numeric` shows as many as it was sent."""
    precision, scale = column.limits.precision, column.limits.scale
    if precision is None or scale is None or precision > _DECIMAL_DIGITS or not 0 <= scale <= precision:
        return None
    return _to(pa.decimal128(precision, scale))


def _as_it_is(values: Values) -> Values:
    return values


def _to(kind: pa.DataType) -> Encode:
    return lambda values: values.cast(kind)


def _single(values: Values) -> Values:
    """The nearest of 32 bits; what would become another number's was refused before."""
    return values.cast(pa.float32(), safe=False)


def _oid(values: Values) -> Values:
    """Four bytes without a sign, which the encoder has only with one."""
    return values.cast(pa.uint32()).view(pa.int32())


def _jsonb(values: Values) -> Values:
    sent: Values = pc.binary_join_element_wise(_JSONB_VERSION, values.cast(pa.binary()), pa.scalar(b""))
    return sent


def _uuid(values: Values) -> Values:
    """Sixteen bytes of each text in lower case with hyphens."""
    there = values.is_valid()
    letters = octets(values.drop_null()).reshape(-1, _UUID_CHARACTERS)
    digits = np.delete(letters, _HYPHENS, axis=1)
    nibbles = digits - np.where(digits < ord("a"), ord("0"), ord("a") - 10).astype(np.uint8)
    data = np.zeros((len(values), _UUID_BYTES), np.uint8)
    data[there.to_numpy(zero_copy_only=False)] = nibbles[:, 0::2] << 4 | nibbles[:, 1::2]
    whole = pa.Array.from_buffers(pa.binary(_UUID_BYTES), len(values), [None, pa.py_buffer(data.tobytes())])
    sent: Values = pc.if_else(there, whole, None)
    return sent


_ROADS: dict[str, Encode] = {
    f"pg_catalog.{name}": road
    for name, road in {
        "int2": _to(pa.int16()),
        "int4": _to(pa.int32()),
        "int8": _as_it_is,
        "oid": _oid,
        "float4": _single,
        "float8": _as_it_is,
        "bool": _as_it_is,
        "date": _as_it_is,
        "time": _as_it_is,
        "timestamp": _as_it_is,
        "timestamptz": _as_it_is,
        "text": _as_it_is,
        "varchar": _as_it_is,
        "bpchar": _as_it_is,
        "name": _as_it_is,
        "bytea": _as_it_is,
        "json": _as_it_is,
        "jsonb": _jsonb,
        "uuid": _uuid,
    }.items()
}
