"""How rows travel: the Arrow type of each type of column."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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


def octets(text: pa.Array[Any]) -> npt.NDArray[np.uint8]:
    """The bytes of all values of a string array, one after the other and without a copy."""
    _, offsets, data = text.buffers()
    if offsets is None or data is None or not len(text):
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(memoryview(offsets), np.int32)
    return np.frombuffer(memoryview(data), np.uint8)[bounds[text.offset] : bounds[text.offset + len(text)]]
