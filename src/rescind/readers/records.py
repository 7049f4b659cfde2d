"""Bytes of a delimited file to blocks of whole records, by the quoting rules of RFC 4180 and nothing more.

A quote opens a field only as its first byte, closes it only as its last, and stands for itself only doubled
inside a quoted field. Parsers that read more into it disagree with each other, so a record that breaks the
rule is handed on as a `Broken` piece. Records end with LF, CRLF or CR outside quotes, mixed as they like.
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

_QUOTE, _COMMA, _LF, _CR = (ord(c) for c in '",\n\r')
_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_FIELDS = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+")
_LINE_END = re.compile(rb"\r\n|\r|\n")

_Bytes = npt.NDArray[np.uint8]
_Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Whole records, well quoted. `offset` is where it stands in the file, in plain bytes."""

    data: bytes
    offset: int


@dataclass(frozen=True)
class Broken:
    """One record with a quote that is not closed or stands in the wrong place."""

    data: bytes
    offset: int


@dataclass(frozen=True)
class TooLong:
    """Here begins a record that is longer than the limit; nothing follows."""

    offset: int


Piece = Block | Broken | TooLong


class Readable(Protocol):
    def read(self, size: int) -> bytes: ...


def split(stream: Readable, offset: int, max_record_bytes: int) -> Iterator[Piece]:
    """The rest of `stream`, which stands at `offset`, in pieces and in order."""
    rest = b""
    fresh = stream.read(BLOCK_BYTES)
    while fresh or rest:
        data = rest + fresh
        used = 0
        for piece in _cut(data, offset, final=not fresh):
            yield from _within(piece, max_record_bytes)
            used += len(piece.data)
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
    return match is not None and record[match.end() :] in (b"", b"\n", b"\r\n", b"\r")


def _cut(data: bytes, offset: int, final: bool) -> Iterator[Block | Broken]:
    """The whole records in `data`, in as few pieces as possible; what may go on in the next bytes is left."""
    if _QUOTE in data and not _all_well_quoted(data, final):
        yield from _cut_record_by_record(data, offset, final)
        return
    end = len(data) if final else whole_records(data)
    if end:
        yield Block(data[:end], offset)


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


def _cut_record_by_record(data: bytes, offset: int, final: bool) -> Iterator[Block | Broken]:
    start = good = 0
    while start < len(data) and (end := first_record(data, start, final)) is not None:
        if not well_quoted(data[start:end]):
            if good < start:
                yield Block(data[good:start], offset + good)
            yield Broken(data[start:end], offset + start)
            good = end
        start = end
    if good < start:
        yield Block(data[good:start], offset + good)


def _within(piece: Block | Broken, limit: int) -> Iterator[Piece]:
    """The piece, or what comes before its first record that is longer than the limit."""
    if len(piece.data) <= limit:
        yield piece
        return
    ends = _ends(piece.data) + 1 if isinstance(piece, Block) else np.empty(0, np.int64)
    starts = np.insert(ends, 0, 0)
    long = np.flatnonzero(np.append(ends, len(piece.data)) - starts > limit)
    if not len(long):
        yield piece
        return
    start = int(starts[long[0]])
    if start:
        yield Block(piece.data[:start], piece.offset)
    yield TooLong(piece.offset + start)


def _open_quote(data: bytes, start: int, position: int) -> bool:
    """Whether a quote that opens a field stands at `position`, where no whole field was found."""
    return data[position] == _QUOTE and (position == start or data[position - 1] == _COMMA)
