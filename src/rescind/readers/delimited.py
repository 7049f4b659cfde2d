"""CSV, TSV and their kin: a header, if there is one, then records.

The file is cut into blocks of whole records, and each block is parsed and cast as a whole. So memory is bounded
whatever the file's size, and every record's number and every byte's offset is known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rescind.domain.rejects import Reject
from rescind.domain.schema import Column
from rescind.errors import InvalidArguments, InvalidEncoding, RecordTooLong
from rescind.pipeline import Check, in_order
from rescind.readers import compression
from rescind.readers.dialect import Dialect
from rescind.readers.encoding import Stream, as_utf8
from rescind.readers.fields import Parser, Undecodable
from rescind.readers.header import number_columns, read_header, refuse_other_delimiter
from rescind.readers.inference import Holding, Inference
from rescind.readers.options import COMMA, QUOTE, Format, Options
from rescind.readers.reader import InputField, Rows, Source
from rescind.readers.records import Block, Piece, Readable, TooLong, split
from rescind.readers.rows import misshapen, null_where_na, typed_rows
from rescind.readers.spelling import Spelling

#: What separates the fields where nothing is said.
USUAL_DELIMITER = {Format.csv: COMMA, Format.tsv: "\t"}

R = TypeVar("R")


class Texts(NamedTuple):
    """Some records' numbers in the file, from 1, their fields, and what is wrong with the first of those beside them.

    Of `columns` a field is null where it is NULL in a column of text, of `bare` where it is in any other.
    """

    records: npt.NDArray[np.int64]
    columns: tuple[pa.StringArray, ...]
    bare: tuple[pa.StringArray, ...]
    rejects: tuple[Reject, ...]
    rejected: int


class DelimitedReader:
    """A CSV file, or a TSV file. Its header is read at once.

    Raises InvalidHeader, InvalidEncoding, RecordTooLong, and InvalidArguments for options that it does not have.
    """

    header_is_whole = True

    def __init__(self, source: Source, format_: Format = Format.csv) -> None:
        options = source.options
        options.refuse_foreign(format_)
        self._source = source
        self.dialect = dialect_of(options, format_)
        self.spelling = Spelling.of(options)
        self.whole = True
        self._rows_read = 0
        self._bytes_read = 0
        first = read_header if options.header else number_columns
        with closing(self._open()) as stream:
            self.header, self._begin = first(stream, source.max_record_bytes, self.dialect)
        if options.header and options.delimiter is None:
            refuse_other_delimiter(self.header, self.dialect.delimiter)
        self._parser = Parser(len(self.header), self.dialect, options.null)

    def infer(self, check: Check) -> tuple[Column, ...]:
        """See Reader. Records that cannot be read do not count here; `rows` rejects them."""
        columns = [Inference(self.spelling) for _ in self.header]

        def look(block: Block) -> tuple[int, list[Holding]]:
            fields = self._parser.parse(block)
            holdings = []
            for column, text, na in zip(columns, fields.columns, fields.na, strict=True):
                check()
                holdings.append(column.holding(null_where_na(text, na)))
            return fields.total, holdings

        for total, holdings in self._results(look, check):
            self._rows_read += total
            for column, holding in zip(columns, holdings, strict=True):
                column.narrow(holding)
        return tuple(Column(name, column.type, "") for name, column in zip(self.header, columns, strict=True))

    def rows(self, fields: Sequence[InputField], check: Check, *, keep: int | None = None) -> Iterator[Rows]:
        """See Reader."""
        placed = [(column, self.header.index(name)) for name, column in fields]

        def look(block: Block) -> tuple[int, Rows]:
            read = self._parser.parse(block)
            return read.total, typed_rows(read, placed, self.spelling, keep, check)

        for total, rows in self._results(look, check):
            before, self._rows_read = self._rows_read, self._rows_read + total
            yield rows.after(before)

    def texts(self, check: Check, keep: int) -> Iterator[Texts]:
        """All records in the file's order, as text, with at most `keep` rejects in each of the Texts."""

        def look(block: Block) -> tuple[int, Texts]:
            read = self._parser.parse(block)
            bare = tuple(map(null_where_na, read.columns, read.na))
            return read.total, Texts(read.records + 1, read.columns, bare, misshapen(read, keep), len(read.malformed))

        for total, texts in self._results(look, check):
            before, self._rows_read = self._rows_read, self._rows_read + total
            rejects = tuple(replace(reject, record=reject.record + before) for reject in texts.rejects)
            yield texts._replace(records=texts.records + before, rejects=rejects)

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

    def _results(self, work: Callable[[Block], R], check: Check) -> Iterator[R]:
        """What `work` makes of the file's blocks, in order.

        Raises InvalidEncoding, RecordTooLong and what `compression` raises.
        """
        self._rows_read = self._bytes_read = 0
        self.whole = True

        def handle(piece: Piece) -> R:
            if isinstance(piece, TooLong):
                raise _Overlong(piece.offset)
            return work(piece)

        try:
            yield from in_order(self._pieces(check), handle, check)
        except Undecodable as error:
            record = self._rows_read + error.records_before + 1
            raise InvalidEncoding(error.bad.told(f"in record {record}")) from error
        except _Overlong as error:
            raise RecordTooLong(
                f"Record {self._rows_read + 1}, which begins at byte {error.offset} of the file, is longer than the "
                f"limit of {self._source.max_record_bytes} bytes; perhaps a quote in it is not closed."
            ) from error

    def _open(self) -> Stream:
        """The file's text in UTF-8."""
        return as_utf8(compression.expand(self._source), self._source.options.text_encoding)

    def _pieces(self, check: Check) -> Iterator[Piece]:
        with closing(self._open()) as stream:
            skipped = 0
            while skipped < self._begin:
                skipped += len(stream.read(self._begin - skipped))
            limit, width = self._source.max_record_bytes, len(self.header)
            most = self._source.sample_bytes or sys.maxsize
            for piece in split(_Checked(stream, check), self._begin, limit, width, self.dialect):
                if piece.offset >= most:
                    self.whole = False
                    return
                self._bytes_read = stream.consumed
                yield piece
            self._bytes_read = stream.consumed


def dialect_of(options: Options, format_: Format) -> Dialect:
    """What was said of the dialect, or else the format's usual one. Raises InvalidArguments."""
    delimiter = options.delimiter or USUAL_DELIMITER[format_]
    quote = QUOTE if options.quote is None else options.quote
    if delimiter == quote:
        message = "the delimiter and the quote are the same character"
        raise InvalidArguments.of("delimiter" if options.delimiter else "quote", message)
    return Dialect(delimiter, quote)


class _Checked:
    """A stream that calls `check` before each read: a long record is many reads and no piece yet."""

    def __init__(self, stream: Readable, check: Check) -> None:
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
