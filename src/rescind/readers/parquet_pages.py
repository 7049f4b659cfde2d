"""The headers of a Parquet file's pages: how much memory each page will take, before anything is read of it.

Parquet readers get that memory from the size that the header states, and a page of a few bytes may state two
gigabytes. The library that reads the pages does not show their headers; they are Thrift structs in its compact
protocol, of which only numbers are wanted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, BinaryIO, NamedTuple

from rescind.errors import InvalidInput

_MOST_HEADER_BYTES = 16 * 1024 * 1024
_HEADER_BYTES = 8 * 1024
_MOST_DEPTH = 8

#: Fields of the struct PageHeader, and of the structs in it (the format's parquet.thrift).
_UNCOMPRESSED, _COMPRESSED, _DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_2 = 2, 3, 5, 7, 8
_VALUES = 1
_ENCODING_1, _ENCODING_2 = 2, 4


class _Wire(IntEnum):
    """Types of Thrift's compact protocol."""

    true, false, byte, i16, i32, i64, double, binary, list, set, map, struct = range(1, 13)


class Page(NamedTuple):
    """What a page's header states: its size when expanded, in bytes, and how many values it has, nulls among them."""

    bytes: int
    values: int
    encoding: int
    dictionary: bool


def pages(file: BinaryIO, start: int, length: int) -> Iterator[Page]:
    """The pages of one column in one row group, which takes these bytes of the file. Raises InvalidInput."""
    place, end = start, start + length
    while place < end:
        header, size = _header(file, place, end)
        yield _page(header, place)
        place += size + _natural(header, _COMPRESSED, place)


def _page(header: dict[int, Any], place: int) -> Page:
    size = _natural(header, _UNCOMPRESSED, place)
    for field, encoding in ((_DATA_PAGE, _ENCODING_1), (_DICTIONARY_PAGE, _ENCODING_1), (_DATA_PAGE_2, _ENCODING_2)):
        if isinstance(found := header.get(field), dict):
            values = _natural(found, _VALUES, place)
            return Page(size, values, _natural(found, encoding, place), field == _DICTIONARY_PAGE)
    return Page(size, 0, 0, dictionary=False)  # an index page, which nobody reads


def _natural(header: dict[int, Any], field: int, place: int) -> int:
    found = header.get(field)
    if not isinstance(found, int) or found < 0:
        raise _damaged(place)
    return found


def _header(file: BinaryIO, place: int, end: int) -> tuple[dict[int, Any], int]:
    """The header at a place of the file, and how long it is."""
    length = _HEADER_BYTES
    while True:
        file.seek(place)
        data = file.read(min(length, end - place))
        try:
            cursor = _Cursor(data)
            return cursor.struct(0), cursor.place
        except IndexError as error:  # it goes on: statistics in it may be long
            if len(data) < length or length >= _MOST_HEADER_BYTES:
                raise _damaged(place) from error
            length *= 8
        except ValueError as error:
            raise _damaged(place) from error


def _damaged(place: int) -> InvalidInput:
    return InvalidInput(f"The Parquet file is damaged: no page begins at its byte {place}, where one should.")


class _Cursor:
    """Reads values one after the other. Raises IndexError at the end of the data, ValueError for what is no struct."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int) -> dict[int, Any]:
        """The numbers and structs in a struct by the fields' numbers; all else is passed over."""
        if depth > _MOST_DEPTH:
            raise ValueError("nested too deep")
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            found[field] = self._value(_Wire(head & 15), depth)
        return found

    def _value(self, wire: _Wire, depth: int) -> Any:
        match wire:
            case _Wire.true | _Wire.false:
                return None
            case _Wire.byte:
                return self._skip(1)
            case _Wire.i16 | _Wire.i32 | _Wire.i64:
                return self._integer()
            case _Wire.double:
                return self._skip(8)
            case _Wire.binary:
                return self._skip(self._varint())
            case _Wire.struct:
                return self.struct(depth + 1)
            case _:
                raise ValueError("no page header has lists")

    def _skip(self, length: int) -> None:
        self.place += length
        if self.place > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return found
            if shift > 63:
                raise ValueError("too long a number")

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
