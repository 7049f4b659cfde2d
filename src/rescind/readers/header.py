"""The first record of a delimited file: the names of its columns."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections import Counter

from rescind.errors import InvalidEncoding, InvalidHeader, RecordTooLong
from rescind.readers.records import BLOCK_BYTES, Readable, first_record, well_quoted


def read_header(stream: Readable, max_record_bytes: int) -> tuple[tuple[str, ...], int]:
    """The names, and where in the file (in plain bytes) the first record after them begins.

    Raises InvalidHeader, InvalidEncoding, RecordTooLong.
    """
    record, offset = _header_record(stream, max_record_bytes)
    text = _decode(record, offset)
    if not well_quoted(record):
        raise InvalidHeader("A quote in the header is not closed or stands in the wrong place.")
    names = _names(text)
    _check(names)
    return names, offset + len(record)


def _header_record(stream: Readable, limit: int) -> tuple[bytes, int]:
    """The record, line end included, and its offset: what a byte order mark takes."""
    data, final, end = b"", False, None
    while end is None:
        if len(data) > limit + len(BOM_UTF8):
            raise RecordTooLong(f"The header is longer than the limit of {limit} bytes.")
        fresh = stream.read(BLOCK_BYTES)
        data, final = data + fresh, not fresh
        offset = len(BOM_UTF8) if data.startswith(BOM_UTF8) else 0
        end = first_record(data, offset, final)
    if end == offset:
        raise InvalidHeader("The file is empty: it needs a header with the names of the columns.")
    if end - offset > limit:
        raise RecordTooLong(f"The header is longer than the limit of {limit} bytes.")
    return data[offset:end], offset


def _decode(record: bytes, offset: int) -> str:
    try:
        return record.decode()
    except UnicodeDecodeError as error:
        byte = record[error.start]
        raise InvalidEncoding(
            f"Byte {offset + error.start} of the file (0x{byte:02X}), in the header, is not UTF-8."
        ) from error


def _names(text: str) -> tuple[str, ...]:
    line = text.rstrip("\r\n")
    if not line:
        return ("",)
    try:
        return tuple(next(csv.reader(io.StringIO(line, newline=""), strict=True)))
    except csv.Error as error:
        raise InvalidHeader(f"The header cannot be read: {error}.") from error


def _check(names: tuple[str, ...]) -> None:
    empty = [position for position, name in enumerate(names, 1) if not name.strip()]
    if empty:
        raise InvalidHeader(f"Column {empty[0]} of {len(names)} has no name in the header.")
    for name, times in Counter(names).items():
        if times > 1:
            places = [str(position) for position, other in enumerate(names, 1) if other == name]
            raise InvalidHeader(f"The header has {name!r} more than once, in columns {' and '.join(places)}.")
