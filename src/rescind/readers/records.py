"""Bytes of a delimited file to blocks of whole records, by the quoting rules of RFC 4180 and nothing more.

A quote opens a field only as its first byte, closes it only as its last, and stands for itself only doubled
inside a quoted field. Parsers that read more into it disagree with each other, so a record that breaks the
rule is marked as `Broken`. Records end with LF, CRLF or CR outside quotes, mixed as they like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

#: Bytes read at a time, and with them the usual size of a block: about 20,000 rows of 100 bytes.
BLOCK_BYTES = 2 * 1024 * 1024
#: A block's size where records are looked at one by one: a stop would wait seconds for the usual size.
_SLOW_BLOCK_BYTES = 128 * 1024

_QUOTE, _COMMA, _LF, _CR = (ord(c) for c in '",\n\r')
_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_FIELDS = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+")
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


def split(stream: Readable, offset: int, max_record_bytes: int, width: int) -> Iterator[Piece]:
    """The rest of `stream`, which stands at `offset`, in pieces and in order. Records have `width` fields."""
    rest = b""
    fresh = stream.read(BLOCK_BYTES)
    while fresh or rest:
        data = rest + fresh
        used = 0
        for piece in _cut(data, offset, max_record_bytes, width, final=not fresh):
            yield piece
            used += len(piece.data) if isinstance(piece, Block) else 0
        rest = data[used:]
        offset += used
        if len(rest) > max_record_bytes:
            yield TooLong(offset)
            return
        fresh = fresh and stream.read(BLOCK_BYTES)


def first_record(data: bytes, start: int, final: bool) -> int | None:
    """Where the record at `start` ends, line end included; None if it may go on. `final`: nothing follows `data`."""
    match = _FIELDS.match(data, start)
    assert match is not None  # the pattern matches nothing at all, too
    end = match.end()
    if end < len(data) and not _open_quote(data, start, end):
        # Where the record is broken, it ends with the line: in all that follows, quotes count anew.
        line_end = _LINE_END.search(data, end)
        if line_end and (final or line_end.end() < len(data) or data[-1] != _CR):
            return line_end.end()
    return len(data) if final else None


def whole_records(data: bytes) -> int:
    """Length of the whole records at the start of well quoted `data`."""
    ends = _ends(data)
    return int(ends[-1]) + 1 if len(ends) else 0


def well_quoted(record: bytes) -> bool:
    """Whether one record, with or without its line end, keeps the rule."""
    match = _FIELDS.match(record)
    return match is not None and record[match.end() :] in (b"", *_EMPTY_LINES)


def _cut(data: bytes, offset: int, limit: int, width: int, final: bool) -> Iterator[Piece]:
    """The whole records in `data`, as one block, and what follows if it is too long; what may go on is left."""
    if _QUOTE in data and not _all_well_quoted(data, final):
        yield from _cut_record_by_record(data, offset, limit, width, final)
        return
    end = len(data) if final else whole_records(data)
    if end <= limit:
        long = None
    else:
        long = _first_longer(data[:end], limit)
        end = end if long is None else long
    if end:
        yield Block(data[:end], offset)
    if long is not None:
        yield TooLong(offset + end)


def _all_well_quoted(data: bytes, final: bool) -> bool:
    """Whether every quote in `data` stands where the rule allows it, taking the quotes as open, close, open, …

    A doubled quote is then a close and an open side by side.
    """
    raw = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(raw == _QUOTE)
    if final and len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = raw[np.maximum(opening - 1, 0)]
    opens = (opening == 0) | _ends_field(before)
    opens[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    after = raw[np.minimum(closing + 1, len(raw) - 1)]
    closes = (closing == len(raw) - 1) | _ends_field(after)
    closes[: len(opening) - 1] |= closing[: len(opening) - 1] + 1 == opening[1:]
    return bool(opens.all() and closes.all())


def _ends_field(values: _Bytes) -> npt.NDArray[np.bool_]:
    ends: npt.NDArray[np.bool_] = (values == _COMMA) | (values == _LF) | (values == _CR)
    return ends


def _ends(data: bytes) -> _Positions:
    """Positions of the line ends outside quotes: of LF, or of CR where there is no LF."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw == _LF)
    if not len(ends):
        ends = np.flatnonzero(raw[:-1] == _CR)  # the last byte may be the first half of CRLF
    if _QUOTE in data:
        quotes = np.flatnonzero(raw == _QUOTE)
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return ends


def _cut_record_by_record(data: bytes, offset: int, limit: int, width: int, final: bool) -> Iterator[Piece]:
    """As `_cut`, slowly and so in smaller blocks."""
    begin = start = count = 0
    broken: list[Broken] = []
    end: int | None = 0
    while start < len(data) and (end := first_record(data, start, final)) is not None and end - start <= limit:
        record = data[start:end]
        if not well_quoted(record):
            broken.append(Broken(start - begin, end - begin, count))
        count += width == 1 or record not in _EMPTY_LINES
        start = end
        if start - begin >= _SLOW_BLOCK_BYTES:
            yield Block(data[begin:start], offset + begin, tuple(broken))
            begin, count, broken = start, 0, []
    if begin < start:
        yield Block(data[begin:start], offset + begin, tuple(broken))
    if start < len(data) and end is not None:
        yield TooLong(offset + start)


def _first_longer(data: bytes, limit: int) -> int | None:
    """Where the first record begins that is longer than the limit, line end included."""
    ends = _ends(data) + 1
    starts = np.insert(ends, 0, 0)
    longer = starts[np.append(ends, len(data)) - starts > limit]
    return int(longer[0]) if len(longer) else None


def _open_quote(data: bytes, start: int, position: int) -> bool:
    """Whether a quote that opens a field stands at `position`, where no whole field was found."""
    return data[position] == _QUOTE and (position == start or data[position - 1] == _COMMA)
