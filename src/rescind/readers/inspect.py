"""What a file holds, from as much of it as can be read while a person waits: nothing is loaded, nothing is changed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import pyarrow as pa

from rescind.domain.arrow import ARROW
from rescind.domain.rejects import Reject
from rescind.domain.schema import Column, Type, hidden
from rescind.errors import InputChanged, InvalidInput
from rescind.pipeline import Check
from rescind.readers import compression, delimited_sample
from rescind.readers.delimited import USUAL_DELIMITER
from rescind.readers.detection import detect
from rescind.readers.dialect import Dialect
from rescind.readers.evidence import Evidence
from rescind.readers.options import Format, Options
from rescind.readers.reader import InputField, Reader, Source
from rescind.readers.registry import open_reader
from rescind.readers.sniffing import Proposal

#: Of text so much is read, in plain bytes: with it an inspection takes a fraction of a second.
SAMPLE_BYTES = 4 * 1024 * 1024
SAMPLE_RECORDS = 50_000  #: about so many are read of files whose types need no look at the values
ROWS = 50
REJECTS = 10
#: Of somebody's waiting. The thread's own work tells nothing: it waits for others, which may work for minutes.
LONGEST_SECONDS = 5.0

_concat: Any = pa.concat_batches  # type: ignore[attr-defined]  # the type hints do not know it
_NO_NAME = "upload"
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Inspected:
    """A column of the file; `nulls` are those of the records that were read, `evidence` rules out narrower types."""

    name: str
    type: Type
    nulls: int
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What was found. `options` are those that were said, and those of the proposals; `rows` are the first ROWS.

    `records` were read, rejected ones included; `whole` says whether they are all that the file has.
    """

    format: Format
    compression: str | None
    options: Options
    dialect: Dialect | None
    proposals: tuple[Proposal, ...]
    columns: tuple[Inspected, ...]
    rows: pa.RecordBatch
    rejects: tuple[Reject, ...]
    rejected: int
    records: int
    whole: bool
    table: str


def inspect(source: Source) -> Inspection:
    """Look at the file. Raises InvalidInput in one of its kinds, InvalidArguments for options it does not have."""
    check = _deadline()
    source = replace(source, sample_bytes=SAMPLE_BYTES)
    try:
        format_ = detect(source)
        look = _text if format_ in USUAL_DELIMITER else _typed
        return look(source, format_, check)
    except FileNotFoundError as error:
        raise InputChanged("The bytes of the upload are gone.") from error


def table_name(file_name: str | None) -> str:
    """A name for a table, made of the file's."""
    stem = PurePath(file_name or "").name.split(".")[0]
    name = re.sub(r"\W+", "_", stem).strip("_").lower()[:_LONGEST_NAME]
    if not name or hidden(name):
        return _NO_NAME
    return f"_{name}" if name[0].isdecimal() else name


def _text(source: Source, format_: Format, check: Check) -> Inspection:
    """Of a delimited file, whose types only its values tell."""
    sample = delimited_sample.look(source, format_, check, REJECTS)
    return Inspection(
        format=format_,
        compression=compression.detect(source.path),
        options=sample.options,
        dialect=sample.dialect,
        proposals=sample.proposals,
        columns=tuple(Inspected(c.name, c.type, c.shown.null_count, c.evidence) for c in sample.columns),
        rows=pa.RecordBatch.from_arrays(sample.rows(ROWS), [column.name for column in sample.columns]),
        rejects=sample.rejects,
        rejected=sample.rejected,
        records=sample.total,
        whole=sample.whole,
        table=table_name(source.name),
    )


def _typed(source: Source, format_: Format, check: Check) -> Inspection:
    """Of a file whose values have types."""
    with closing(open_reader(source, check)) as reader:
        columns = reader.infer(check)
        sample = _sample(reader, columns, check)
        return Inspection(
            format=format_,
            compression=compression.detect(source.path),
            options=source.options,
            dialect=None,
            proposals=(),
            columns=tuple(Inspected(c.name, c.type, n) for c, n in zip(columns, sample.nulls, strict=True)),
            rows=sample.first,
            rejects=sample.rejects,
            rejected=sample.rejected,
            records=sample.records,
            whole=sample.whole,
            table=table_name(source.name),
        )


@dataclass
class _Sample:
    first: pa.RecordBatch
    nulls: list[int]
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    records: int = 0
    whole: bool = True


def _sample(reader: Reader, columns: Sequence[Column], check: Check) -> _Sample:
    """The first records as rows of those columns."""
    schema = pa.schema([(column.name, ARROW[column.type]) for column in columns])
    sample = _Sample(pa.RecordBatch.from_pylist([], schema), [0] * len(columns))
    fields = [InputField(column.name, column) for column in columns]
    for rows in reader.rows(fields, check, keep=REJECTS):
        if sample.records >= SAMPLE_RECORDS:
            return replace(sample, whole=False)
        sample.first = _concat([sample.first, rows.batch.slice(0, ROWS - sample.first.num_rows)])
        sample.nulls = [n + values.null_count for n, values in zip(sample.nulls, rows.batch.columns, strict=True)]
        sample.rejects = (*sample.rejects, *rows.rejects)[:REJECTS]
        sample.rejected += rows.rejected
        sample.records += rows.batch.num_rows + rows.rejected
    return replace(sample, whole=reader.whole)


def _deadline() -> Callable[[], None]:
    end = time.monotonic() + LONGEST_SECONDS

    def check() -> None:
        if time.monotonic() > end:
            raise InvalidInput(
                "The file takes too long to be looked through while somebody waits; a load with dry_run=true reads it "
                "all, and takes everything back."
            )

    return check
