"""The messages of an Arrow IPC stream: how much memory each will take, and whether the stream is whole.

A file is the stream between two marks. Arrow's library gets memory as a message's metadata ask for it, and takes a
stream that was cut off between two messages for a whole one. The metadata are a FlatBuffer (Message.fbs), of which a
few numbers are wanted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from mmap import mmap
from typing import NamedTuple

from rescind.errors import InputTruncated, InvalidInput

FILE_MAGIC = b"ARROW1"
FILE_HEAD_BYTES = 8  #: the mark, filled up
_CONTINUES = b"\xff\xff\xff\xff"
_ALIGNMENT = 8
_MOST_METADATA_BYTES = 64 * 1024 * 1024


class Kind(IntEnum):
    """Of a message."""

    schema = 1
    dictionary = 2
    records = 3


class Message(NamedTuple):
    """A message that ends at that place of the file.

    `expanded` is what its compressed buffers take in memory, and 0 where they are not compressed. A dictionary
    replaces the one of the same id before, unless it is a `delta` to that.
    """

    kind: int
    end: int
    expanded: int = 0
    dictionary: int = 0
    delta: bool = False


def messages(file: mmap) -> Iterator[Message]:
    """All messages. Raises InputTruncated where the end is missing, InvalidInput where there is no message."""
    data = memoryview(file)
    is_file = data[: len(FILE_MAGIC)] == FILE_MAGIC
    if is_file and data[-len(FILE_MAGIC) :] != FILE_MAGIC:
        raise _truncated(len(data))
    place = FILE_HEAD_BYTES if is_file else 0
    while (message := _message(data, place)) is not None:
        yield message
        place = message.end


def _message(data: memoryview, place: int) -> Message | None:
    """The message at a place; None for the end of the stream."""
    start = place + 2 * len(_CONTINUES)
    if start > len(data):
        raise _truncated(len(data))
    length = int.from_bytes(data[place + len(_CONTINUES) : start], "little")
    if data[place : place + len(_CONTINUES)] != _CONTINUES or length > _MOST_METADATA_BYTES:
        raise _damaged(place)
    if not length:
        return None
    if start + length > len(data):
        raise _truncated(len(data))
    try:
        return _parsed(data, start, length)
    except (IndexError, ValueError) as error:
        raise _damaged(place) from error


def _parsed(data: memoryview, start: int, length: int) -> Message:
    metadata = _Table.root(data[start : start + length])
    kind, body_length, header = metadata.number(1, 1), metadata.number(3, 8), metadata.table(2)
    body, end = start + length, start + length + body_length + -body_length % _ALIGNMENT
    if end > len(data):
        raise _truncated(len(data))
    if header is None:
        raise ValueError("no header")
    content = data[body:end]
    if kind == Kind.dictionary:
        records = header.table(1)
        size = 0 if records is None else _expanded(records, content)
        return Message(kind, end, size or body_length, header.number(0, 8), bool(header.number(2, 1)))
    return Message(kind, end, _expanded(header, content) if kind == Kind.records else 0)


def _expanded(records: _Table, body: memoryview) -> int:
    """What the buffers of a RecordBatch take when expanded; each begins with its length then, or -1 if it is plain."""
    if records.table(3) is None:
        return 0
    total = 0
    for offset, length in records.pairs(2):
        if length:
            size = int.from_bytes(body[offset : offset + 8], "little", signed=True)
            total += max(size, length)
    return total


def _truncated(length: int) -> InputTruncated:
    return InputTruncated(
        f"The Arrow file ends too early, after {length} bytes: the mark is missing that says that it is whole."
    )


def _damaged(place: int) -> InvalidInput:
    return InvalidInput(f"The Arrow file is damaged: no message begins at its byte {place}, where one should.")


class _Table:
    """A table of a FlatBuffer. Raises IndexError and ValueError where it is none."""

    def __init__(self, data: memoryview, place: int) -> None:
        self._data = data
        self._place = place
        self._fields = place - self._read(place, 4, signed=True)

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, int.from_bytes(data[:4], "little"))

    def number(self, field: int, size: int) -> int:
        """A number that cannot be negative, of so many bytes; 0 where it is left out."""
        place = self._at(field)
        found = 0 if place is None else self._read(place, size, signed=True)
        if found < 0:
            raise ValueError("negative")
        return found

    def table(self, field: int) -> _Table | None:
        place = self._at(field)
        return None if place is None else _Table(self._data, place + self._read(place, 4))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """A vector of structs of two numbers of 8 bytes."""
        place = self._at(field)
        if place is None:
            return
        start = place + self._read(place, 4)
        for number in range(self._read(start, 4)):
            at = start + 4 + 16 * number
            yield self._read(at, 8), self._read(at + 8, 8)

    def _at(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry >= self._read(self._fields, 2):
            return None
        offset = self._read(self._fields + entry, 2)
        return self._place + offset if offset else None

    def _read(self, place: int, size: int, *, signed: bool = False) -> int:
        if not 0 <= place <= len(self._data) - size:
            raise IndexError
        return int.from_bytes(self._data[place : place + size], "little", signed=signed)
