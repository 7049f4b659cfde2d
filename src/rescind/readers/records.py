"""Bytes of a delimited file to blocks of whole records, by the quoting rules of RFC 4180 and nothing more.

The delimiter and the quote may be others than there. A quote opens a field only as its first byte, closes it only as
its last, and stands for itself only doubled inside a quoted field. Parsers that read more into it disagree with each
other, so a record that breaks the rule is marked as `Broken`. Records end with LF, CRLF or CR outside quotes, mixed as
they like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rescind.readers.dialect import Dialect

#: Bytes read at a time, and with them the usual size of a block: about 40,000 rows of 100 bytes. Of half the size a
#: database waited oftener for the next statement to begin: a tenth of the time on PostgreSQL.
BLOCK_BYTES = 4 * 1024 * 1024
#: Records of a block at most: what is wrong with a record takes some hundred bytes and some microseconds, and there
#: were two million in a block of lines with a letter each. Of half as many, narrow rows are read a sixth slower.
BLOCK_RECORDS = 131_072
#: A block's size where records are looked at one by one: a stop would wait seconds for the usual size.
_SLOW_BLOCK_BYTES = 128 * 1024

#: Where the last record of a block ends is looked for in its last bytes first.
_TAIL_BYTES = 64 * 1024

_LF, _CR = ord("\n"), ord("\r")
_EMPTY_LINES = (b"\n", b"\r\n", b"\r")
_LINE_END = re.compile(rb"\r\n|\r|\n")

_Bytes = npt.NDArray[np.uint8]
_Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Broken:
    """A record with a quote that is not closed or stands in the wrong place.

    It is the bytes from `start` to `end` of its block, and the block's record of that number, counted from 0.
    """

    start: int
    end: int
    record: int


@dataclass(frozen=True)
class Block:
    """Whole records, well quoted but for the `broken` ones. `offset` is where it stands in the file, in plain bytes."""

    data: bytes
    offset: int
    broken: tuple[Broken, ...] = ()


@dataclass(frozen=True)
class TooLong:
    """Here begins a record that is longer than the limit; nothing follows."""

    offset: int


Piece = Block | TooLong


class Readable(Protocol):
    def read(self, size: int) -> bytes: ...


def split(stream: Readable, offset: int, max_record_bytes: int, width: int, dialect: Dialect) -> Iterator[Piece]:
    """The rest of `stream`, which stands at `offset`, in pieces and in order. Records have `width` fields."""
    splitter = _Splitter(max_record_bytes, width, dialect)
    rest = b""
    fresh = stream.read(BLOCK_BYTES)
    while fresh or rest:
        data = rest + fresh
        used = 0
        for piece in splitter.cut(data, offset, final=not fresh):
            yield piece
            used += len(piece.data) if isinstance(piece, Block) else 0
        rest = data[used:]
        offset += used
        if len(rest) > max_record_bytes:
            yield TooLong(offset)
            return
        fresh = fresh and stream.read(BLOCK_BYTES)


def first_record(data: bytes, start: int, dialect: Dialect, *, final: bool) -> int | None:
    """Where the record at `start` ends, line end included; None if it may go on. `final`: nothing follows `data`."""
    match = dialect.fields.match(data, start)
    assert match is not None  # the pattern matches nothing at all, too
    end = match.end()
    if end < len(data) and not _open_quote(data, start, end, dialect):
        # Where the record is broken, it ends with the line: in all that follows, quotes count anew.
        line_end = _LINE_END.search(data, end)
        if line_end and (final or line_end.end() < len(data) or data[-1] != _CR):
            return line_end.end()
    return len(data) if final else None


def whole_records(data: bytes, dialect: Dialect) -> int:
    """Length of the whole records at the start of well quoted `data`."""
    return _last_end(data, _positions(data, dialect.quote))


def well_quoted(record: bytes, dialect: Dialect) -> bool:
    """Whether one record, with or without its line end, keeps the rule."""
    match = dialect.fields.match(record)
    return match is not None and record[match.end() :] in (b"", *_EMPTY_LINES)


@dataclass(frozen=True)
class _Splitter:
    """Cuts the whole records off what was read. `limit` is how many bytes a record may have."""

    limit: int
    width: int
    dialect: Dialect

    def cut(self, data: bytes, offset: int, *, final: bool) -> Iterator[Piece]:
        """The whole records in `data`, and what follows if it is too long; what may go on is left."""
        quotes = _positions(data, self.dialect.quote)
        if len(quotes) and not _all_well_quoted(data, quotes, self.dialect.delimiter, final=final):
            yield from self._record_by_record(data, offset, final=final)
            return
        end = len(data) if final else _last_end(data, quotes)
        long = None if end <= self.limit else _first_longer(data[:end], quotes[quotes < end], self.limit)
        if long is not None:
            end = long
        for start, stop in pairwise(_bounds(data[:end], quotes)):
            yield Block(data[start:stop], offset + start)
        if long is not None:
            yield TooLong(offset + end)

    def _record_by_record(self, data: bytes, offset: int, *, final: bool) -> Iterator[Piece]:
        """The same, slowly and so in smaller blocks."""
        begin = start = count = 0
        broken: list[Broken] = []
        end: int | None = 0
        while start < len(data):
            end = first_record(data, start, self.dialect, final=final)
            if end is None or end - start > self.limit:
                break
            record = data[start:end]
            if not well_quoted(record, self.dialect):
                broken.append(Broken(start - begin, end - begin, count))
            count += self.width == 1 or record not in _EMPTY_LINES
            start = end
            if start - begin >= _SLOW_BLOCK_BYTES:
                yield Block(data[begin:start], offset + begin, tuple(broken))
                begin, count, broken = start, 0, []
        if begin < start:
            yield Block(data[begin:start], offset + begin, tuple(broken))
        if start < len(data) and end is not None:
            yield TooLong(offset + start)


def _positions(data: bytes, mark: str) -> _Positions:
    """Where a character stands; nowhere if there is none."""
    if not mark or mark.encode() not in data:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.frombuffer(data, np.uint8) == ord(mark))


def _all_well_quoted(data: bytes, quotes: _Positions, delimiter: str, *, final: bool) -> bool:
    """Whether every quote in `data` stands where the rule allows it, taking the quotes as open, close, open, …

    A doubled quote is then a close and an open side by side.
    """
    if final and len(quotes) % 2:
        return False
    raw = np.frombuffer(data, np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    opens = (opening == 0) | _ends_field(raw[np.maximum(opening - 1, 0)], delimiter)
    opens[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    closes = (closing == len(raw) - 1) | _ends_field(raw[np.minimum(closing + 1, len(raw) - 1)], delimiter)
    closes[: len(opening) - 1] |= closing[: len(opening) - 1] + 1 == opening[1:]
    return bool(opens.all() and closes.all())


def _ends_field(values: _Bytes, delimiter: str) -> npt.NDArray[np.bool_]:
    ends: npt.NDArray[np.bool_] = (values == ord(delimiter)) | (values == _LF) | (values == _CR)
    return ends


def _last_end(data: bytes, quotes: _Positions) -> int:
    """Where the last whole record ends."""
    for tail in (max(len(data) - _TAIL_BYTES, 0), 0):
        if len(ends := _ends(data, quotes, tail)):
            return int(ends[-1]) + 1
    return 0


def _ends(data: bytes, quotes: _Positions, start: int = 0) -> _Positions:
    """Positions from `start` on of the line ends outside quotes: of LF, or of CR where there is no LF."""
    raw = np.frombuffer(data, np.uint8)[start:]
    # Of a CR, the last byte may be the first half of CRLF.
    ends = np.flatnonzero(raw == _LF if b"\n" in data else raw[:-1] == _CR) + start
    return ends[np.searchsorted(quotes, ends) % 2 == 0] if len(quotes) else ends


def _bounds(data: bytes, quotes: _Positions) -> list[int]:
    """Where blocks of BLOCK_RECORDS at most begin in whole records, and where the last of them ends."""
    raw = np.frombuffer(data, np.uint8)
    ends = raw == _LF
    if b"\r" in data:  # CRLF is one line end
        ends[:-1] |= (raw[:-1] == _CR) & ~ends[1:]
    bounds = {0, len(data)}
    if np.count_nonzero(ends) >= BLOCK_RECORDS:
        found = np.flatnonzero(ends)
        last = found[BLOCK_RECORDS - 1 :: BLOCK_RECORDS]
        if (np.searchsorted(quotes, last) % 2).any():  # rare, and a look at each takes as long as the parser
            last = found[np.searchsorted(quotes, found) % 2 == 0][BLOCK_RECORDS - 1 :: BLOCK_RECORDS]
        bounds.update((last + 1).tolist())
    return sorted(bounds)


def _first_longer(data: bytes, quotes: _Positions, limit: int) -> int | None:
    """Where the first record begins that is longer than the limit, line end included."""
    ends = _ends(data, quotes) + 1
    starts = np.insert(ends, 0, 0)
    longer = starts[np.append(ends, len(data)) - starts > limit]
    return int(longer[0]) if len(longer) else None


def _open_quote(data: bytes, start: int, position: int, dialect: Dialect) -> bool:
    """Whether a quote that opens a field stands at `position`, where no whole field was found."""
    if data[position : position + 1] != dialect.quote.encode():
        return False
    return position == start or data[position - 1] == ord(dialect.delimiter)
