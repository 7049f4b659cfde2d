"""Arrow batches into a table of the memory database."""

from __future__ import annotations

import pyarrow as pa

from rescind.domain.schema import Table
from rescind.testing.memory.wire import Link


class MemoryWriter:
    """Sends each batch as one statement."""

    def __init__(self, link: Link, table: Table) -> None:
        self._link = link
        self._table = table

    def write(self, batch: pa.RecordBatch) -> int:
        values = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        written: int = self._link.call("write", self._table.name, list(batch.schema.names), values)
        return written

    def close(self) -> None:
        """Nothing is held back: every batch was sent by `write`."""
