"""Parquet, a few thousand rows at a time, with memory that is known before it is taken.

A row group may be of any size, since pages are read as they are needed. What a page takes its header states (see
`parquet_pages`); what the values of a page take when they are spelled out is at most what follows from the page's size
or, where they are entries of a dictionary, from the longest entry. So many rows are read at a time as fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute

from rescind.domain.schema import Column
from rescind.errors import InvalidInput
from rescind.pipeline import Check
from rescind.readers.arrow_types import inferred
from rescind.readers.fitting import ArrowPiece, Given, fit, require_valid
from rescind.readers.header import check_names
from rescind.readers.parquet_pages import Page, pages
from rescind.readers.piecewise import PiecewiseReader
from rescind.readers.reader import InputField, Rows, Source

pc: Any = compute  #: its type hints know no types that are chosen at run time

MIB = 1024 * 1024
BATCH_ROWS = 65_536
_BATCH_BYTES = 16 * MIB
#: Of one page of each column that is read, with its dictionary, all at the same time in memory.
MAX_PAGES_BYTES = 128 * MIB
#: Of what tells where everything is in the file; in memory it takes a multiple.
MAX_FOOTER_BYTES = 16 * MIB

_FOOTER_END_BYTES = 8
_BUFFERS_BYTES = 32 * MIB  #: for reading ahead, of all columns together
_DELTA_BYTE_ARRAY = 7  #: an encoding in which a value repeats the beginning of the one before
_WIDTHS = {"BOOLEAN": 1, "INT32": 8, "INT64": 16, "INT96": 16, "FLOAT": 8, "DOUBLE": 8}
_CHECKED_PAGES = 1000


class ParquetReader(PiecewiseReader[ArrowPiece]):
    """A Parquet file. Only its footer is read at once. Raises InvalidInput, InvalidHeader."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        with source.path.open("rb") as file:
            _require_short_footer(file, source.path.stat().st_size)
        with self._opened() as opened:
            self._schema = opened.schema_arrow
            self.header = tuple(self._schema.names)  # raises where they are not UTF-8
        check_names(self.header)

    def infer(self, check: Check) -> tuple[Column, ...]:
        """The types that the file declares."""
        return tuple(map(inferred, self._schema))

    def _fit(self, piece: ArrowPiece, fields: Sequence[InputField], keep: int | None) -> tuple[int, Rows]:
        require_valid(piece.batch, piece.first)
        given = [Given(field.column, piece.batch.column(field.name)) for field in fields]
        return piece.batch.num_rows, fit(given, np.arange(piece.batch.num_rows) + 1, keep)

    def _pieces(self, names: Sequence[str], check: Check) -> Iterator[ArrowPiece]:
        for name in names:
            inferred(self._schema.field(name))  # refuses what is nested
        size = self._source.path.stat().st_size
        with self._opened(len(names)) as opened, self._source.path.open("rb") as file:
            metadata = opened.metadata
            self._require_expandable(sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)))
            done = expanded = 0
            for group in range(metadata.num_row_groups):
                rows = self._rows_at_a_time(opened, file, group, names, check)
                for batch in opened.iter_batches(rows, [group], list(names), use_threads=False):
                    yield ArrowPiece(batch, done + 1)
                    done += batch.num_rows
                    expanded += batch.nbytes
                    self._require_expandable(expanded)
                    self._bytes_read = size * done // max(metadata.num_rows, 1)
        self._bytes_read = size

    def _rows_at_a_time(
        self, opened: pq.ParquetFile, file: BinaryIO, group: int, names: Sequence[str], check: Check
    ) -> int:
        """Of one row group. Raises InvalidInput where its pages take more memory than the limit."""
        columns = [column for column in _columns(opened, group, file) if column.name in names]
        for place, column in enumerate(columns):
            if place % 100 == 0:
                check()
            column.look(check)
        total = sum(column.page_bytes for column in columns)
        if total > MAX_PAGES_BYTES:
            raise InvalidInput(
                f"Row group {group + 1} of the Parquet file takes {total} bytes of memory for a page of each column, "
                f"more than the limit of {MAX_PAGES_BYTES}: write the file with smaller pages."
            )
        longest = self._longest_entries(group, [column.name for column in columns if column.has_texts_by_number])
        width = sum(max(column.width, longest.get(column.name, 0)) for column in columns)
        return max(1, min(BATCH_ROWS, _BATCH_BYTES // max(width, 1)))

    def _longest_entries(self, group: int, names: list[str]) -> dict[str, int]:
        """Of the dictionaries of those columns in a row group, in bytes."""
        if not names:
            return {}
        with self._opened(len(names), names) as opened:
            batch = next(opened.iter_batches(1, [group], names, use_threads=False), None)
            if batch is None:
                return {}
            return {name: _longest(batch.column(name)) for name in names}

    def _require_expandable(self, size: int) -> None:
        if size > self._source.max_expanded_bytes:
            raise InvalidInput(f"The file expands to more than the limit of {self._source.max_expanded_bytes} bytes.")

    @contextmanager
    def _opened(self, columns: int = 1, by_number: list[str] | None = None) -> Iterator[pq.ParquetFile]:
        buffer = max(4096, min(MIB, _BUFFERS_BYTES // max(columns, 1)))
        try:
            opened = pq.ParquetFile(
                self._source.path, pre_buffer=False, buffer_size=buffer, read_dictionary=by_number or None
            )
            with closing(opened):
                yield opened
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InvalidInput(f"The file is not valid Parquet: {error}.") from error


class _ColumnPart:
    """One column of one row group."""

    def __init__(self, chunk: pq.ColumnChunkMetaData, fixed_length: int | None, file: BinaryIO) -> None:
        self.name = chunk.path_in_schema
        self._file = file
        starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
        self._start = min(start for start in starts if start)
        self._length = chunk.total_compressed_size
        self._texts = chunk.physical_type == "BYTE_ARRAY"
        self._dictionary_bytes = self._largest_bytes = 0
        #: The most bytes that a row takes, on average of a page.
        self.width = 2 * fixed_length if fixed_length else _WIDTHS.get(chunk.physical_type, 0)

    def look(self, check: Check) -> None:
        """At the headers of all pages."""
        for number, page in enumerate(pages(self._file, self._start, self._length)):
            if number % _CHECKED_PAGES == _CHECKED_PAGES - 1:
                check()
            if page.dictionary:
                self._dictionary_bytes = max(self._dictionary_bytes, page.bytes)
            else:
                self._largest_bytes = max(self._largest_bytes, page.bytes)
                self.width = max(self.width, self._width_in(page))

    @property
    def page_bytes(self) -> int:
        """The most that is in memory of the column's pages at the same time."""
        return self._dictionary_bytes + self._largest_bytes

    @property
    def has_texts_by_number(self) -> bool:
        """Whether there are values that only the dictionary spells out."""
        return self._texts and self._dictionary_bytes > 0

    def _width_in(self, page: Page) -> int:
        if not self._texts:
            return 0
        return page.bytes if page.encoding == _DELTA_BYTE_ARRAY else page.bytes // max(page.values, 1)


def _columns(opened: pq.ParquetFile, group: int, file: BinaryIO) -> Iterator[_ColumnPart]:
    metadata = opened.metadata.row_group(group)
    for place in range(metadata.num_columns):
        chunk = metadata.column(place)
        if chunk.num_values:
            yield _ColumnPart(chunk, opened.schema.column(place).length, file)


def _longest(values: Any) -> int:
    entries = values.dictionary if isinstance(values, pa.DictionaryArray) else values
    return pc.max(pc.binary_length(entries)).as_py() or 0


def _require_short_footer(file: BinaryIO, size: int) -> None:
    """Raise InvalidInput if it is too long, or cannot be there."""
    if size < 2 * _FOOTER_END_BYTES:
        raise InvalidInput("The file is not valid Parquet: it is too short.")
    file.seek(size - _FOOTER_END_BYTES)
    length = int.from_bytes(file.read(4), "little")
    if length > MAX_FOOTER_BYTES:
        raise InvalidInput(
            f"The footer of the Parquet file has {length} bytes, more than the limit of {MAX_FOOTER_BYTES}: "
            "write the file with larger row groups, or it is damaged."
        )
