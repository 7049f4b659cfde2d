"""CSV: a header, then records; plain or gzip, UTF-8.

The file is cut into blocks of whole records, and each block is parsed and cast as a whole. So memory is bounded
whatever the file's size, and every record's number and every byte's offset is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

from rescind.domain.schema import Column
from rescind.errors import InvalidEncoding, RecordTooLong
from rescind.readers import compression
from rescind.readers.fields import Undecodable, parse
from rescind.readers.header import read_header
from rescind.readers.inference import Holding, Inference
from rescind.readers.pipeline import in_order
from rescind.readers.reader import InputField, Rows, Source
from rescind.readers.records import Block, Piece, Readable, TooLong, split
from rescind.readers.rows import null_where_na, typed_rows

R = TypeVar("R")


class DelimitedReader:
    """A CSV file. Its header is read at once: raises InvalidHeader, InvalidEncoding, RecordTooLong."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rows_read = 0
        self._bytes_read = 0
        with closing(compression.expand(source)) as stream:
            self.header, self._begin = read_header(stream, source.max_record_bytes)

    def infer(self, check: Callable[[], None]) -> tuple[Column, ...]:
        """See Reader. Records that cannot be read do not count here; `batches` rejects them."""
        columns = [Inference() for _ in self.header]

        def look(block: Block) -> tuple[int, list[Holding]]:
            fields = parse(block, len(self.header))
            texts = map(null_where_na, fields.columns, fields.na)
            return fields.total, [column.holding(text) for column, text in zip(columns, texts, strict=True)]

        for total, holdings in self._results(look, check):
            self._rows_read += total
            for column, holding in zip(columns, holdings, strict=True):
                column.narrow(holding)
        return tuple(Column(name, column.type, "") for name, column in zip(self.header, columns, strict=True))

    def rows(
        self, fields: Sequence[InputField], check: Callable[[], None], *, keep: int | None = None
    ) -> Iterator[Rows]:
        """See Reader."""
        placed = [(column, self.header.index(name)) for name, column in fields]

        def look(block: Block) -> tuple[int, Rows]:
            read = parse(block, len(self.header))
            return read.total, typed_rows(read, placed, keep)

        for total, rows in self._results(look, check):
            before, self._rows_read = self._rows_read, self._rows_read + total
            rejects = tuple(replace(reject, record=reject.record + before) for reject in rows.rejects)
            yield Rows(rows.batch, rows.records + before, rejects, rows.rejected)

    @property
    def rows_read(self) -> int:
        """Records of this pass over the file so far, rejected ones included."""
        return self._rows_read

    @property
    def bytes_read(self) -> int:
        """Bytes of the file, as it is stored, that this pass has read; some of their rows may be still to come."""
        return self._bytes_read

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _results(self, work: Callable[[Block], R], check: Callable[[], None]) -> Iterator[R]:
        """What `work` makes of the file's blocks, in order.

        Raises InvalidEncoding, RecordTooLong and what `compression` raises.
        """
        self._rows_read = self._bytes_read = 0

        def handle(piece: Piece) -> R:
            if isinstance(piece, TooLong):
                raise _Overlong(piece.offset)
            return work(piece)

        try:
            yield from in_order(self._pieces(check), handle, check)
        except Undecodable as error:
            record = self._rows_read + error.records_before + 1
            raise InvalidEncoding(
                f"Byte {error.offset} of the file (0x{error.byte:02X}), in record {record}, is not UTF-8."
            ) from error
        except _Overlong as error:
            raise RecordTooLong(
                f"Record {self._rows_read + 1}, which begins at byte {error.offset} of the file, is longer than the "
                f"limit of {self._source.max_record_bytes} bytes; perhaps a quote in it is not closed."
            ) from error

    def _pieces(self, check: Callable[[], None]) -> Iterator[Piece]:
        with closing(compression.expand(self._source)) as stream:
            skipped = 0
            while skipped < self._begin:
                skipped += len(stream.read(self._begin - skipped))
            for piece in split(_Checked(stream, check), self._begin, self._source.max_record_bytes, len(self.header)):
                self._bytes_read = stream.consumed
                yield piece
            self._bytes_read = stream.consumed


class _Checked:
    """A stream that calls `check` before each read: a long record is many reads and no piece yet."""

    def __init__(self, stream: Readable, check: Callable[[], None]) -> None:
        self._stream = stream
        self._check = check

    def read(self, size: int) -> bytes:
        self._check()
        return self._stream.read(size)


class _Overlong(Exception):
    """A record is too long; its number is known only when all before it have been counted."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset
