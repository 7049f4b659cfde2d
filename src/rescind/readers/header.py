"""The first record of a delimited file: the names of its columns, or at least how many there are."""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections import Counter

from rescind.errors import InvalidEncoding, InvalidHeader, RecordTooLong
from rescind.readers.dialect import Dialect
from rescind.readers.encoding import bad_byte
from rescind.readers.options import COMMA, UTF_8
from rescind.readers.records import BLOCK_BYTES, Readable, first_record, well_quoted

#: What separates fields, in words. Another one in the name of an only column tells of another kind of file.
DELIMITERS = {COMMA: "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def read_header(stream: Readable, max_record_bytes: int, dialect: Dialect) -> tuple[tuple[str, ...], int]:
    """The names, and where in the text (in bytes of UTF-8) the first record after them begins.

    Raises InvalidHeader, InvalidEncoding, RecordTooLong.
    """
    record, offset = _first(stream, max_record_bytes, dialect)
    names = _fields(_decode(record, offset), dialect)
    check_names(names)
    return names, offset + len(record)


def number_columns(stream: Readable, max_record_bytes: int, dialect: Dialect) -> tuple[tuple[str, ...], int]:
    """The same of a file without a header: its columns are `column1` and so on, as many as the first record has."""
    record, offset = _first(stream, max_record_bytes, dialect)
    width = len(_fields(_decode(record, offset), dialect))
    return tuple(f"column{place}" for place in range(1, width + 1)), offset


def refuse_other_delimiter(names: tuple[str, ...], delimiter: str) -> None:
    """Raise InvalidHeader for an only name that looks like several, separated by something else."""
    found = next((mark for mark in DELIMITERS if mark != delimiter and mark in names[0]), None)
    if len(names) == 1 and found:
        said, looks = (DELIMITERS.get(mark, repr(mark)) for mark in (delimiter, found))
        raise InvalidHeader(
            f"The header has one column, {names[0]!r}: its fields seem to be separated by {looks}, not by {said}. "
            f"If so say delimiter={_spelled(found)}, if not delimiter={_spelled(delimiter)}."
        )


def check_names(names: tuple[str, ...]) -> None:
    """Raise InvalidHeader for names that are empty, doubled, or of an encoding that was not named."""
    if "\0" in "".join(names):
        raise InvalidHeader(
            "A name in the header has the character U+0000. If the file is in UTF-16 without a byte order mark, "
            "say encoding=utf-16-le or encoding=utf-16-be."
        )
    empty = [position for position, name in enumerate(names, 1) if not name.strip()]
    if empty:
        raise InvalidHeader(f"Column {empty[0]} of {len(names)} has no name in the header.")
    for name, times in Counter(names).items():
        if times > 1:
            places = [str(position) for position, other in enumerate(names, 1) if other == name]
            raise InvalidHeader(f"The header has {name!r} more than once, in columns {' and '.join(places)}.")


def _first(stream: Readable, limit: int, dialect: Dialect) -> tuple[bytes, int]:
    """The first record, line end included, and its offset: what a byte order mark takes."""
    data, final, end = b"", False, None
    while end is None:
        if len(data) > limit + len(BOM_UTF8):
            raise RecordTooLong(f"The header is longer than the limit of {limit} bytes.")
        fresh = stream.read(BLOCK_BYTES)
        data, final = data + fresh, not fresh
        offset = len(BOM_UTF8) if data.startswith(BOM_UTF8) else 0
        end = first_record(data, offset, dialect, final=final)
    if end == offset:
        raise InvalidHeader("The file is empty: its first record should tell which columns it has.")
    if end - offset > limit:
        raise RecordTooLong(f"The header is longer than the limit of {limit} bytes.")
    record = data[offset:end]
    if not well_quoted(record, dialect):
        _decode(record, offset)
        raise InvalidHeader("A quote in the header is not closed or stands in the wrong place.")
    return record, offset


def _decode(record: bytes, offset: int) -> str:
    try:
        return record.decode()
    except UnicodeDecodeError as error:
        raise InvalidEncoding(bad_byte(UTF_8, record, error.start, offset).told("in the header")) from error


def _fields(text: str, dialect: Dialect) -> tuple[str, ...]:
    line = text.rstrip("\r\n")
    if not line:
        return ("",)
    if not dialect.quote:
        return tuple(line.split(dialect.delimiter))
    lines = io.StringIO(line, newline="")
    try:
        return tuple(next(csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)))
    except csv.Error as error:
        raise InvalidHeader(f"The header cannot be read: {error}.") from error


def _spelled(mark: str) -> str:
    return "tab" if mark == "\t" else mark
