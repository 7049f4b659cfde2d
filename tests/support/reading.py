"""A CSV file from bytes, and what a reader makes of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.rejects import Reject
from rescind.domain.schema import Column, Type
from rescind.errors import InvalidInput, RowsRejected
from rescind.readers.options import Options
from rescind.readers.reader import InputField, Reader, Source
from rescind.readers.registry import open_reader
from rescind.tasks.rejecting import all_or_none

MIB = 1024 * 1024


def never() -> None:
    """A check that finds nothing."""


class Files:
    """Makes files in a directory of a test's, and opens readers on them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(
        self,
        data: bytes,
        *,
        max_record_bytes: int = 16 * MIB,
        max_expanded_bytes: int = 1024 * MIB,
        name: str = "x",
        **said: Any,
    ) -> Reader:
        """`said` are options of the file."""
        path = self._directory / name
        path.write_bytes(data)
        return open_reader(Source(path, max_record_bytes, max_expanded_bytes, Options(**said)), never)

    def rows(self, data: bytes, *types: Type, **said: Any) -> list[tuple[Any, ...]]:
        """All rows; columns are text where no types are given."""
        reader = self.open(data, **said)
        return rows(reader, columns(reader, *types))

    def rejected(self, data: bytes, *types: Type, nullable: bool = True, **said: Any) -> list[Reject]:
        """The rejects, of which there must be some."""
        reader = self.open(data, **said)
        with pytest.raises(RowsRejected) as caught:
            rows(reader, columns(reader, *types, nullable=nullable))
        assert caught.value.total == len(caught.value.rejects)
        return list(caught.value.rejects)

    def expect_told(self, data: bytes, places: Iterable[int]) -> None:
        """Read the file with each of those bytes changed.

        Not every change can be seen; but none may end the process, or raise what is not told to a person.
        """
        for place in places:
            changed = bytearray(data)
            changed[place] ^= 0xFF
            with suppress(InvalidInput):
                self.rows(bytes(changed))

    def inferred(self, *values: str, **said: Any) -> Type:
        """The type of a column with these fields, as they stand in the file, beside another column."""
        lines = "".join(f"{value},x\n" for value in values)
        return self.open(f"a,b\n{lines}".encode(), **said).infer(never)[0].type


def columns(reader: Reader, *types: Type, nullable: bool = True) -> list[Column]:
    """The header's columns as these types, or all as text."""
    given = types or (Type.text,) * len(reader.header)
    return [Column(name, type_, "", nullable) for name, type_ in zip(reader.header, given, strict=True)]


def batches(
    reader: Reader, wanted: Sequence[Column], check: Callable[[], None] = never
) -> Generator[pa.RecordBatch, None, None]:
    """The rows as they are to be written; the columns are named as the file's fields."""
    for found in all_or_none(reader, [InputField(column.name, column) for column in wanted], check):
        yield found.batch


def rows(reader: Reader, wanted: Sequence[Column], check: Callable[[], None] = never) -> list[tuple[Any, ...]]:
    """All rows of all batches."""
    found: list[tuple[Any, ...]] = []
    for batch in batches(reader, wanted, check):
        found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
    return found


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
