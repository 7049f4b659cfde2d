"""The contract of a format's parser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rescind.domain.rejects import Reject
from rescind.domain.schema import Column
from rescind.pipeline import Check
from rescind.readers.options import NOTHING_SAID, Options


class OpenFile(Protocol):
    """A file's bytes, from the first to the last."""

    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


Opener: TypeAlias = Callable[[Path], OpenFile]


def usual_opener(path: Path) -> OpenFile:
    return path.open("rb")


@dataclass(frozen=True)
class Source:
    """Bytes at rest to read; lengths in bytes."""

    path: Path
    max_record_bytes: int
    max_expanded_bytes: int
    options: Options = NOTHING_SAID
    name: str | None = None  #: of the file, as its sender called it
    media_type: str | None = None  #: as its sender gave it
    #: Of text only the records that begin in about so many bytes are read, where a part is enough; None for all.
    sample_bytes: int | None = None
    #: For passes over the whole file, byte after byte; a format that is read here and there opens `path` itself.
    open: Opener = usual_opener


class InputField(NamedTuple):
    """A field of the file, by its name there, and the column that its values are for."""

    name: str
    column: Column


@dataclass(frozen=True)
class Rows:
    """Some records of a file, one after the other: the rows that fit, and what is wrong with the others.

    `records` are the numbers of the batch's rows in the file, from 1. Of the rejects, one for each record, only the
    first may be there; `rejected` counts them all. `columns` are the batch's: its values are proven to fit them.
    """

    batch: pa.RecordBatch
    records: npt.NDArray[np.int64]
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    columns: tuple[Column, ...] = ()

    def after(self, records: int) -> Rows:
        """The same, where so many records come before what was taken for the file's first one."""
        rejects = tuple(replace(reject, record=reject.record + records) for reject in self.rejects)
        return replace(self, records=self.records + records, rejects=rejects)

    def slice(self, start: int, rows: int) -> Rows:
        """So many of the rows that fit, without the rejects."""
        return Rows(self.batch.slice(start, rows), self.records[start : start + rows], columns=self.columns)


class Reader(Protocol):
    """One input file."""

    header: tuple[str, ...]  #: names of the fields as they stand in the file, checked (not empty, not doubled)
    #: Whether those are all names. Of JSON only the whole file tells, which is not read where an answer is waited for.
    header_is_whole: bool
    whole: bool  #: whether the last pass came to the file's end; it does not where a sample is enough

    def infer(self, check: Check) -> tuple[Column, ...]:
        """The header's columns with the narrowest type that holds every value of the whole file."""

    def rows(self, fields: Sequence[InputField], check: Check, *, keep: int | None = None) -> Iterator[Rows]:
        """All records in the file's order, as those fields, whose columns name and type the batch's.

        A field of the header that is not asked for is left out. `keep` is how many rejects are wanted at most of
        each of the Rows, None for all of them. Raises InvalidInput in one of its kinds where the rest of the file
        cannot be read. `check` is called at least every 250 ms and may raise.
        """

    @property
    def rows_read(self) -> int:
        """Records read so far, rejected ones included."""

    @property
    def bytes_read(self) -> int:
        """Bytes of the file (compressed as it is) read so far, about."""

    def close(self) -> None: ...
