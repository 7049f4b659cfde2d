"""How rows travel: the Arrow type of each type of column."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from rescind.domain.schema import Type

ARROW: dict[Type, pa.DataType] = {
    Type.integer: pa.int64(),
    Type.unsigned: pa.uint64(),
    Type.real: pa.float64(),
    Type.decimal: pa.string(),
    Type.boolean: pa.bool_(),
    Type.date: pa.date32(),
    Type.time: pa.time64("us"),
    Type.timestamp: pa.timestamp("us"),
    Type.timestamptz: pa.timestamp("us", tz="UTC"),
    Type.text: pa.string(),
    Type.binary: pa.binary(),
    Type.json: pa.string(),
    Type.uuid: pa.string(),
}

_compute: Any = compute  #: its type hints know no constants
_FIRST = pa.scalar("0001-01-01").cast(pa.timestamp("us"))
_LAST = pa.scalar("9999-12-31 23:59:59.999999").cast(pa.timestamp("us"))


def conform(values: pa.Array[Any], kind: Type) -> pa.Array[Any]:
    """The values as the type travels. Raises pa.ArrowInvalid where one would be altered or is none of the type."""
    try:
        return values if values.type == ARROW[kind] else values.cast(ARROW[kind])
    except pa.ArrowNotImplementedError as error:
        raise pa.ArrowInvalid(str(error)) from error


def times_of_day(text: pa.Array[Any]) -> pa.Array[Any]:
    """Text `HH:MM[:SS[.ffffff]]` as times, for which Arrow has no cast. Raises pa.ArrowInvalid."""
    instants: pa.Array[Any] = _compute.binary_join_element_wise("1970-01-01 ", text, "").cast(pa.timestamp("us"))
    return instants.view(pa.int64()).view(pa.time64("us"))


def in_calendar(values: pa.Array[Any]) -> bool:
    """Whether all dates or times are in the years 1 to 9999, which Python and most databases have."""
    first, last = _FIRST.cast(values.type), _LAST.cast(values.type, safe=False)
    within = _compute.and_(_compute.greater_equal(values, first), _compute.less_equal(values, last))
    return bool(_compute.all(within, min_count=0).as_py())


def octets(text: pa.Array[Any]) -> npt.NDArray[np.uint8]:
    """The bytes of all values of a string array, one after the other and without a copy."""
    _, offsets, data = text.buffers()
    if offsets is None or data is None or not len(text):
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(memoryview(offsets), np.int32)
    return np.frombuffer(memoryview(data), np.uint8)[bounds[text.offset] : bounds[text.offset + len(text)]]
