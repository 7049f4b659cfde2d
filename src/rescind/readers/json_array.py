"""A JSON array of objects, taken apart as it streams by: nobody holds the file.

Only strings and brackets are looked at here, in whole blocks; whether a record is JSON is seen where it is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rescind.errors import InputTruncated, InvalidInput
from rescind.readers.json_objects import Objects, bounded, record_too_long, without_mark
from rescind.readers.records import Readable

BLOCK_BYTES = 1024 * 1024
_SPACE = b" \t\r\n"
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_QUOTE, _COMMA, _BRACKET = (ord(character) for character in '",]')
#: How the depth changes with each byte outside of strings.
_DEPTHS = np.zeros(256, np.int64)
_DEPTHS[[ord("["), ord("{")]] = 1
_DEPTHS[[ord("]"), ord("}")]] = -1
_MARKS = _DEPTHS != 0
_MARKS[_COMMA] = True

_Positions = npt.NDArray[np.int64]


def cut_elements(stream: Readable, max_record_bytes: int, /) -> Iterator[Objects]:
    """The array in pieces of whole elements. Raises RecordTooLong, InputTruncated, InvalidInput (it is no array)."""
    rest, offset = _opened(stream)
    first = True
    while True:
        found = _look(rest)
        end = found.end if found.end is not None else (int(found.separators[-1]) if len(found.separators) else None)
        if end is not None and not (found.end is not None and first and not rest[:end].strip(_SPACE)):
            inside = found.separators[found.separators < end]
            yield from bounded(Objects(rest[:end], offset, inside, lines=False), max_record_bytes)
            first = False
        if found.end is not None:
            _closed(rest, found.end, offset, stream)
            return
        if end is not None:
            rest, offset = rest[end + 1 :], offset + end + 1
        if len(rest) > max_record_bytes:
            raise record_too_long(offset, max_record_bytes)
        fresh = stream.read(BLOCK_BYTES)
        if not fresh:
            raise InputTruncated(
                f"The JSON array is not closed: the file ends too early, after {offset + len(rest)} bytes."
            )
        rest += fresh


class _Found(NamedTuple):
    """Where commas stand between elements, and where the array is closed, if it is."""

    separators: _Positions
    end: int | None


def _look(data: bytes) -> _Found:
    """`data` begins with an element."""
    raw = np.frombuffer(_ESCAPE.sub(b"__", data) if b"\\" in data else data, np.uint8)
    marks = np.flatnonzero(_MARKS[raw])
    quotes = np.flatnonzero(raw == _QUOTE)
    marks = marks[np.searchsorted(quotes, marks) % 2 == 0]
    depths = np.cumsum(_DEPTHS[raw[marks]])
    closing = np.flatnonzero(depths < 0)
    end = int(marks[closing[0]]) if len(closing) else None
    separators = marks[(depths == 0) & (raw[marks] == _COMMA)]
    return _Found(separators if end is None else separators[separators < end], end)


def _opened(stream: Readable) -> tuple[bytes, int]:
    """What follows the bracket, and how many bytes that is from the file's start."""
    data, offset = without_mark(stream, BLOCK_BYTES)
    while not (text := data.lstrip(_SPACE)) and (fresh := stream.read(BLOCK_BYTES)):
        offset += len(data)
        data = fresh
    if not text.startswith(b"["):
        raise InvalidInput("The file does not begin with a bracket: it is no JSON array.")
    return text[1:], offset + len(data) - len(text) + 1


def _closed(data: bytes, end: int, offset: int, stream: Readable) -> None:
    """Raise InvalidInput unless it is a bracket that closes the array, and nothing follows."""
    if data[end] != _BRACKET:
        raise InvalidInput(f"Byte {offset + end} of the file is a brace where the array's closing bracket should be.")
    place, after = offset + end + 1, data[end + 1 :]
    while after or (after := stream.read(BLOCK_BYTES)):
        if more := after.lstrip(_SPACE):
            raise InvalidInput(
                f"Something follows the end of the JSON array, at byte {place + len(after) - len(more)}."
            )
        place, after = place + len(after), b""
