"""Rows in portions that are bounded both in their number and in their bytes, as they are read from a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rescind.domain.schema import Table, Type

ROWS_PER_BATCH = 10_000
#: About as much of a portion is text and bytes: ten thousand rows of a megabyte each would not fit into memory.
BYTES_PER_BATCH = 16 * 1024 * 1024
_ROWS_PER_LOOK = 250  #: what is read before the bytes are counted again

_LONG = (Type.text, Type.binary, Type.json)

Fetched = Sequence[tuple[Any, ...]]


def portions(fetch: Callable[[int], Fetched], table: Table) -> Iterator[Fetched]:
    """The rows of `table` that `fetch` gives, so many at a time."""
    long = [place for place, column in enumerate(table.columns) if column.type in _LONG]
    gathered: list[tuple[Any, ...]] = []
    size = 0
    while rows := fetch(_ROWS_PER_LOOK):
        gathered += rows
        size += sum(_length(row[place]) for place in long for row in rows)
        if len(gathered) >= ROWS_PER_BATCH or size >= BYTES_PER_BATCH:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | bytes) else 0
