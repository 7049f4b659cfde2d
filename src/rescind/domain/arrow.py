"""How rows travel: the Arrow type of each type of column."""

from __future__ import annotations

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
