"""The contract of a format's parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from rescind.domain.schema import Column


@dataclass(frozen=True)
class Source:
    """Bytes at rest to read; lengths in bytes.

    `encoding` is `gzip`, or None to have it found out by content.
    """

    path: Path
    encoding: str | None
    max_record_bytes: int
    max_expanded_bytes: int


class Reader(Protocol):
    """One input file."""

    header: tuple[str, ...]  #: column names as they stand in the file, checked (not empty, not doubled)

    def infer(self, check: Callable[[], None]) -> tuple[Column, ...]:
        """The header's columns with the narrowest type that holds every value of the whole file."""

    def batches(self, columns: Sequence[Column], check: Callable[[], None]) -> Iterator[pa.RecordBatch]:
        """All rows, typed as `columns` (the header's names, in any order), in the file's order.

        Once a row is found that does not fit, nothing more is yielded; the rest is read for its rejects, and
        RowsRejected is raised at the end with the first `rejects.KEPT` of them. `check` is called at least
        every 250 ms and may raise.
        """

    @property
    def rows_read(self) -> int:
        """Records read so far, rejected ones included."""

    @property
    def bytes_read(self) -> int:
        """Bytes of the file (compressed as it is) read so far, about."""

    def close(self) -> None: ...
