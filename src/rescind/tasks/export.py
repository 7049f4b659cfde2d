"""`export`: the rows of a table into a file, from one snapshot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from rescind.domain.schema import Table
from rescind.encoders import json_text
from rescind.encoders.delimited import CRLF, csv_document
from rescind.encoders.misfits import fit_for_json
from rescind.encoders.parquet import ParquetEncoder
from rescind.errors import InvalidArguments
from rescind.tasks.transaction import Transaction
from rescind.tasks.transactional import transactional
from rescind.uploads.output_file import OutputFile

KIND = "export"
MOST_COLUMNS = 10_000
ROWS_PER_PIECE = 2_000  #: of a batch that is made into text at a time: a stop is heard between two
_LONGEST_NAME = 100  #: characters of a table's name in a file's

ColumnName = Annotated[str, Field(min_length=1, max_length=255)]
FormatName = Literal["csv", "ndjson", "parquet"]

Encode = Callable[[OutputFile, Table, Iterable[pa.RecordBatch]], None]


@dataclass(frozen=True)
class OutputFormat:
    """How a file of the format is called, and how it is written."""

    ending: str
    media_type: str
    encode: Encode


@transactional(name="export", anywhere=True)
def export(
    tx: Transaction,
    table: Annotated[str, Field(min_length=1, max_length=255)],
    columns: Annotated[list[ColumnName], Field(min_length=1, max_length=MOST_COLUMNS)] | None = None,
    limit: Annotated[int, Field(ge=1, lt=2**63)] | None = None,
    format: FormatName = "csv",
    spreadsheet: bool = False,
) -> dict[str, str]:
    """Put the rows of a table of one target into a file, which can be downloaded once the task has committed.

    The rows are those of one snapshot, in the order of the table's key: all of them, or the first `limit`; all columns,
    or `columns` in their order. `spreadsheet` puts a quote before texts that a spreadsheet would take for formulas.
    A value that cannot be written as it is, such as text that is not UTF-8 in SQLite, ends the task. Loaded again the
    rows are the same, but for two things: in NDJSON the null of a JSON value is no value, and CSV and
    NDJSON spell NaN and the infinities, which no text of a number is to `load`.
    """
    check(columns, format, spreadsheet, tx.targets)
    (target,) = tx.targets
    shown = tx.table(table, target).only(columns)
    how = FORMATS[format]
    encode = partial(_csv, spreadsheet=True) if spreadsheet else how.encode
    filename = file_name(table, how.ending, spreadsheet=spreadsheet)
    tx.progress(phase="reading")
    names = [column.name for column in shown.columns]
    rows = 0

    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in batches:
            yield batch
            rows += batch.num_rows
            tx.progress(rows=batch.num_rows, bytes=file.length, target=None)

    with (
        tx.output(KIND, filename=filename, media_type=how.media_type) as file,
        tx.rows(table, columns=names, limit=limit, target=target) as batches,
    ):
        encode(file, shown, counted(batches))
        tx.progress(phase="keeping", bytes=file.length)
    tx.rows_read(rows)
    return {"table": table, "file": filename}


def check(columns: Sequence[str] | None, format: str, spreadsheet: bool, targets: Sequence[str]) -> None:
    """Raise InvalidArguments for arguments that do not go together."""
    if len(targets) > 1:
        raise InvalidArguments.of("targets", "an export reads one database")
    if columns is not None and len(set(columns)) < len(columns):
        raise InvalidArguments.of("columns", "names a column twice")
    if spreadsheet and format != "csv":
        raise InvalidArguments.of(
            "spreadsheet", "is for format=csv only: in other formats no program takes a text for a formula"
        )


def file_name(table: str, ending: str, *, spreadsheet: bool) -> str:
    """What the file is to be saved as: no name of a table makes it another directory's, or hides it.

    A file with quotes before its formulas is called so: it is not what the table holds.
    """
    name = re.sub(r"[^\w.-]+", "_", table)[:_LONGEST_NAME].strip("._-") or "table"
    return f"{name}.{'spreadsheet.' if spreadsheet else ''}{ending}"


def _csv(file: OutputFile, table: Table, batches: Iterable[pa.RecordBatch], *, spreadsheet: bool = False) -> None:
    for piece in csv_document(table.columns, _pieces(batches), line_end=CRLF, spreadsheet=spreadsheet):
        file.write(piece)


def _ndjson(file: OutputFile, table: Table, batches: Iterable[pa.RecordBatch]) -> None:
    for piece in json_text.ndjson(table.columns, _pieces(fit_for_json(table, batches))):
        file.write(piece)


def _parquet(file: OutputFile, table: Table, batches: Iterable[pa.RecordBatch]) -> None:
    with ParquetEncoder(file, table) as encoder:
        for batch in batches:
            encoder.write(batch)


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield from (batch.slice(first, ROWS_PER_PIECE) for first in range(0, batch.num_rows, ROWS_PER_PIECE))


FORMATS: dict[str, OutputFormat] = {
    "csv": OutputFormat("csv", "text/csv; charset=utf-8; header=present", _csv),
    "ndjson": OutputFormat("ndjson", "application/x-ndjson", _ndjson),
    "parquet": OutputFormat("parquet", "application/vnd.apache.parquet", _parquet),
}
