"""Reads of the memory database outside any task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Table, hidden, no_table
from rescind.targets.target import Cancellable
from rescind.testing.memory.storage import key_of
from rescind.testing.memory.wire import ask

BATCH_ROWS = 1000


class MemoryCatalog:
    """See `rescind.targets.target.Catalog`."""

    def __init__(self, address: str) -> None:
        self._address = address

    def tables(self) -> list[str]:
        return [name for name in ask(self._address, "table_names") if not hidden(name)]

    def table(self, name: str) -> Table:
        if hidden(name):
            raise no_table(name)
        table: Table = ask(self._address, "table", name)
        key = tuple(column.name for column in table.key)
        return replace(table, unique=(key,) if key else ())

    def count(self, name: str) -> int:
        return len(self._rows(name))

    @contextmanager
    def rows(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        after: Sequence[object] | None = None,
        cancellable: Cancellable | None = None,
        exact: bool = False,
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        table = self.table(name)
        shown = table.only(columns)
        rows = self._rows(name)
        if after is not None:
            rows = [row for row in rows if key_of(table, row) > tuple(after)]
        if cancellable is not None:
            cancellable(lambda: None)  # all rows are here already
        yield _batches(table, shown, rows[:limit])

    def _rows(self, name: str) -> list[tuple[Any, ...]]:
        self.table(name)
        return list(ask(self._address, "rows", name))


def _batches(table: Table, shown: Table, rows: list[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([(column.name, ARROW[column.type]) for column in shown.columns])
    names = [column.name for column in table.columns]
    for start in range(0, len(rows), BATCH_ROWS):
        values = [dict(zip(names, row, strict=True)) for row in rows[start : start + BATCH_ROWS]]
        yield pa.RecordBatch.from_pylist(values, schema=schema)
