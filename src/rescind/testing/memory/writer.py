"""Arrow batches into a table of the memory database."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from rescind.domain.schema import Column, Table
from rescind.targets import keys
from rescind.testing.memory.wire import Link


class MemoryWriter:
    """Sends each batch as one statement."""

    def __init__(self, link: Link, table: Table, key: Sequence[str]) -> None:
        self._link = link
        self._table = table
        self._key = key

    def write(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> int:
        keys.check_values(batch, self._key)
        values = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        written: int = self._link.call("write", self._table.name, list(batch.schema.names), values, bool(self._key))
        return written

    def close(self) -> None:
        """Nothing is held back: every batch was sent by `write`."""
