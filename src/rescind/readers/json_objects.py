"""JSON objects to typed rows: one object is a record, its names are the fields, and a name that is missing is NULL.

Which fields there are only the whole file tells, because writers of JSON leave names out whose value is missing. So
the file is read twice: first for the names alone, which is quick and costs no memory, then for the rows. (Were the
first record to decide, a file would be refused, or lose a column, for the sake of its first row.) Where a request
waits for an answer only the file's first bytes are looked at, and the header is not taken for the whole one.

Values keep their text: an integer of 30 digits is not a double here. Of a name that stands twice in one object the last
counts, as in most parsers.
"""

from __future__ import annotations

import base64
import binascii
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache, partial
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from rescind.domain.rejects import Reason, Reject, shorten
from rescind.domain.schema import Column, Type
from rescind.errors import InvalidEncoding, InvalidHeader, InvalidInput, RecordTooLong
from rescind.pipeline import Check, in_a_thread, in_order
from rescind.readers import compression
from rescind.readers.casts import Failure
from rescind.readers.fitting import Given, fit
from rescind.readers.header import check_names
from rescind.readers.inference import Holding, Inference
from rescind.readers.piecewise import PiecewiseReader
from rescind.readers.reader import InputField, Rows, Source
from rescind.readers.records import Readable
from rescind.readers.spelling import Spelling

pc: Any = compute  #: its type hints know no constants

MOST_NAMES = 16_384  #: more are no columns of any database: the names are data
#: Looked at together at most. What is wrong with a record takes some hundred bytes, and a file of lines of one letter
#: had half a million of them in a block of a MiB.
PIECE_RECORDS = 65_536
_UNUSUAL = re.compile(r'["\\\x00-\x1f]')
_NO_LINE_BETWEEN = re.compile(rb"\}[ \t\r]*\{")
#: What the decoder raises for bytes that are not what it is for. Of an object of a thousand levels it is the latter.
_MALFORMED = (msgspec.MsgspecError, RecursionError)
_NULL = msgspec.Raw(b"null")
_WORDS_OF_STRINGS = (Type.integer, Type.real, Type.boolean)


class Objects(NamedTuple):
    """Whole records: the bytes, where in the file (in plain bytes) they begin, and where in them a separator stands.

    The separator is one byte, and there is none after the last. Between the lines of NDJSON there may be empty ones.
    """

    data: bytes
    offset: int
    separators: npt.NDArray[np.int64]
    lines: bool

    def records(self) -> list[bytes]:
        """Each record by itself."""
        bounds = [-1, *self.separators.tolist(), len(self.data)]
        found = [self.data[start + 1 : end] for start, end in pairwise(bounds)]
        return [record for record in found if record.strip()] if self.lines else found


def record_too_long(offset: int, limit: int) -> RecordTooLong:
    """What is raised for one that begins at this byte of the file."""
    return RecordTooLong(
        f"The record that begins at byte {offset} of the file is longer than the limit of {limit} bytes."
    )


def bounded(found: Objects, limit: int) -> Iterator[Objects]:
    """The records, if there are any. Raises RecordTooLong at one of more bytes, after those before it."""
    data, offset, separators, lines = found
    starts = np.insert(separators + 1, 0, 0)
    longer = np.flatnonzero(np.append(separators, len(data)) - starts > limit)
    if not len(longer):
        yield from _in_parts(found)
        return
    start = int(starts[longer[0]])
    if start:
        yield from _in_parts(Objects(data[: start - 1], offset, separators[: longer[0] - 1], lines))
    raise record_too_long(offset + start, limit)


def _in_parts(found: Objects) -> Iterator[Objects]:
    """The same, PIECE_RECORDS at a time, without parts in which all lines are empty."""
    data, offset, separators, lines = found
    start = 0
    for first in range(0, len(separators) + 1, PIECE_RECORDS):
        last = first + PIECE_RECORDS - 1
        end = int(separators[last]) if last < len(separators) else len(data)
        part = data[start:end]
        if not lines or part.strip():
            yield Objects(part, offset + start, separators[first:last] - start, lines)
        start = end + 1


def without_mark(stream: Readable, size: int) -> tuple[bytes, int]:
    """The first bytes, and how long a byte order mark was before them."""
    first = stream.read(size)
    while 0 < len(first) < len(BOM_UTF8) and (more := stream.read(size)):
        first += more
    bare = first.removeprefix(BOM_UTF8)
    return bare, len(first) - len(bare)


class Cut(Protocol):
    """Takes a file apart. Raises RecordTooLong, and InvalidInput for what is not even in outline of the format."""

    def __call__(self, stream: Readable, max_record_bytes: int, /) -> Iterator[Objects]: ...


class JsonReader(PiecewiseReader[Objects]):
    """A file of JSON objects. With `check` its names are looked for in the whole file, else in its first bytes.

    Raises InvalidInput, InvalidHeader, InvalidEncoding, RecordTooLong.
    """

    def __init__(self, source: Source, cut: Cut, check: Check | None) -> None:
        super().__init__()
        self._source = source
        self._cut = cut
        self.header, self.header_is_whole = self._names(check)
        if not self.header:
            raise InvalidHeader("The file has no object with a name, and so no columns.")
        check_names(self.header)

    def infer(self, check: Check) -> tuple[Column, ...]:
        """See Reader. A string is never a number or a boolean; what is nested makes a column of JSON."""
        self._rows_read = self._bytes_read = 0
        columns = [_Seen() for _ in self.header]

        def look(piece: Objects) -> tuple[int, list[_Sight]]:
            found, records = _decoded(piece, self.header), 0
            records = len(found.numbers) + len(found.malformed)
            return records, [seen.sight(tokens) for seen, tokens in zip(columns, found.columns, strict=True)]

        for records, sights in in_order(self._pieces(self.header, check), look, check):
            self._rows_read += records
            for seen, sight in zip(columns, sights, strict=True):
                seen.take_in(sight)
        return tuple(Column(name, seen.type, "") for name, seen in zip(self.header, columns, strict=True))

    def _fit(self, piece: Objects, fields: Sequence[InputField], keep: int | None) -> tuple[int, Rows]:
        found = _decoded(piece, [field.name for field in fields])
        given = [_given(field.column, tokens) for field, tokens in zip(fields, found.columns, strict=True)]
        return len(found.numbers) + len(found.malformed), fit(given, found.numbers, keep, found.malformed)

    def _pieces(self, names: Sequence[str], check: Check) -> Iterator[Objects]:
        self.whole = True
        with closing(compression.expand(self._source)) as stream:
            for piece in self._cut(_Checked(stream, check), self._source.max_record_bytes):
                if self._source.sample_bytes is not None and piece.offset >= self._source.sample_bytes:
                    self.whole = False
                    return
                self._bytes_read = stream.consumed
                yield piece
            self._bytes_read = stream.consumed

    def _names(self, check: Check | None) -> tuple[tuple[str, ...], bool]:
        """The names of all objects in the order in which they appear, and whether those are the whole file's."""
        found: dict[str, None] = {}
        records = 0
        for piece in self._pieces((), check or _nothing):
            if check is None and records:
                return tuple(found), False
            _require_utf8(piece, records)
            # How deep an object may be nested depends on the calls that are under way: as few as where rows are made,
            # or a record would be one there whose names were not seen here.
            records += in_a_thread(partial(_add_names, piece, found), check or _nothing)
        return tuple(found), True


def _nothing() -> None:
    """Nobody wants to stop it."""


class _Checked:
    """A stream that calls `check` before each read: a long record is many reads and no piece yet."""

    def __init__(self, stream: Readable, check: Check) -> None:
        self._stream = stream
        self._check = check

    def read(self, size: int) -> bytes:
        self._check()
        return self._stream.read(size)


def _require_utf8(piece: Objects, before: int) -> None:
    try:
        piece.data.decode()
    except UnicodeDecodeError as error:
        record = before + len(
            Objects(piece.data[: error.start], 0, _until(piece.separators, error.start), piece.lines).records()
        )
        raise InvalidEncoding(
            f"Byte {piece.offset + error.start} of the file (0x{piece.data[error.start]:02X}), in record "
            f"{record}, is not UTF-8, which JSON is."
        ) from error


def _until(separators: npt.NDArray[np.int64], end: int) -> npt.NDArray[np.int64]:
    return separators[separators < end]


def _add_names(piece: Objects, names: dict[str, None]) -> int:
    """Put the names that are new to the others; how many records there are. What is malformed is left to the rows."""
    if not _unusual(names) and (known := _at_once(piece, names, strict=True)) is not None:
        return len(known)
    records = piece.records()
    anything = msgspec.json.Decoder(dict[str, msgspec.Raw])
    for record in records:
        try:
            names.update(dict.fromkeys(anything.decode(record)))
        except _MALFORMED:
            continue
        if len(names) > MOST_NAMES:
            raise InvalidInput(
                f"The objects have more than {MOST_NAMES} different names; so many columns no table has."
            )
    return len(records)


@lru_cache(maxsize=16)
def _decoder(names: tuple[str, ...], *, strict: bool = False, one: bool = False) -> msgspec.json.Decoder[Any]:
    """Of objects with these names, each value as it stands in the text.

    `strict`: with no other names, if they are usual ones.
    """
    if _unusual(names):
        return msgspec.json.Decoder(dict[str, msgspec.Raw] if one else list[dict[str, msgspec.Raw]])
    fields = [(f"f{place}", msgspec.Raw, msgspec.field(default=_NULL, name=name)) for place, name in enumerate(names)]
    record = msgspec.defstruct("Record", fields, forbid_unknown_fields=strict, gc=False)
    return msgspec.json.Decoder(record if one else list[record])  # type: ignore[valid-type]


def _unusual(names: Iterable[str]) -> bool:
    """Whether the library does not take them as names of fields."""
    return _UNUSUAL.search("".join(names)) is not None


def _at_once(piece: Objects, names: Iterable[str], *, strict: bool = False) -> list[Any] | None:
    """All records by one call; None where they might be others than each is by itself.

    Of an array they are as many and the same, or it is no JSON: the commas at which it was cut are in JSON those
    between its elements. (An empty element and nothing else is no JSON either, but a bracket's two halves are.)

    Of lines the library makes objects with nothing but white space between them, and to it a line end is white space
    too. But if no line has `}`, white space and `{` one after the other, no two objects begin in a line, since the
    first would end in it. If there are as many as lines then, one begins in each; and it ends there, since it ends
    before the next one begins, with white space between. So each line is one object, and white space around it.
    """
    decoder = _decoder(tuple(names), strict=strict, one=piece.lines)
    try:
        found = decoder.decode_lines(piece.data) if piece.lines else decoder.decode(b"[" + piece.data + b"]")
    except _MALFORMED:
        return None
    by_line = not piece.lines or not _NO_LINE_BETWEEN.search(piece.data)
    return found if by_line and len(found) == len(piece.separators) + 1 else None


class _Decoded(NamedTuple):
    """The values of some records as they stand in the text, a column for each name; null where there is none.

    `numbers` are those of the records, counted from 1 within these; `malformed` are records that are no objects.
    """

    columns: list[pa.BinaryArray]
    numbers: npt.NDArray[np.int64]
    malformed: dict[int, Reject]


def _decoded(piece: Objects, names: Sequence[str]) -> _Decoded:
    found, malformed = _at_once(piece, names), dict[int, Reject]()
    if found is None:
        found, malformed = _one_by_one(piece.records(), _decoder(tuple(names), one=True))
    numbers = np.delete(np.arange(len(found) + len(malformed)), [number - 1 for number in malformed]) + 1
    return _Decoded([_tokens(found, place, name) for place, name in enumerate(names)], numbers, malformed)


def _one_by_one(records: list[bytes], decoder: msgspec.json.Decoder[Any]) -> tuple[list[Any], dict[int, Reject]]:
    found, malformed = [], {}
    for number, record in enumerate(records, 1):
        try:
            found.append(decoder.decode(record))
        except _MALFORMED as error:
            message = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            reason = Reason.not_object.format(message=message)
            malformed[number] = Reject(number, None, shorten(record.decode().strip()), reason)
    return found, malformed


def _tokens(records: list[Any], place: int, name: str) -> pa.BinaryArray:
    if records and isinstance(records[0], dict):
        raw = [record.get(name, _NULL) for record in records]
    else:
        raw = list(map(attrgetter(f"f{place}"), records))
    tokens: pa.BinaryArray = pa.array(list(map(bytes, raw)), pa.binary())
    return pc.if_else(pc.equal(tokens, b"null"), pa.scalar(None, pa.binary()), tokens)  # type: ignore[no-any-return]


def _given(column: Column, tokens: pa.BinaryArray) -> Given:
    """The values as text: strings without quotes and escapes, all else as it stands."""
    if column.type is Type.json:
        return Given(column, tokens.cast(pa.string()))
    text = _unquoted(tokens)
    nested = np.flatnonzero(_nested(tokens).fill_null(False).to_numpy(zero_copy_only=False))
    failure = Failure(nested, Reason.nested)
    if column.type is Type.binary:
        return _from_base64(column, text, failure)
    return Given(column, text, (failure,))


def _nested(tokens: pa.BinaryArray) -> Any:
    return pc.or_(pc.starts_with(tokens, pattern=b"{"), pc.starts_with(tokens, pattern=b"["))


def _unquoted(tokens: pa.BinaryArray) -> pa.StringArray:
    quoted = pc.starts_with(tokens, pattern=b'"')
    text: Any = tokens.cast(pa.string())
    if quoted.true_count:
        text = pc.if_else(quoted, pc.binary_slice(tokens, 1, -1), tokens).cast(pa.string())
    escaped = pc.and_(quoted, pc.match_substring(tokens, pattern=b"\\"))
    if escaped.true_count:
        found: Any = tokens.filter(escaped).to_pylist()
        plain = [msgspec.json.decode(token, type=str) for token in found]
        text = pc.replace_with_mask(text, escaped, pa.array(plain, pa.string()))
    unquoted: pa.StringArray = text
    return unquoted


def _from_base64(column: Column, text: pa.StringArray, nested: Failure) -> Given:
    values: list[bytes | None] = []
    other: list[int] = []
    for row, value in enumerate(text.to_pylist()):
        try:
            values.append(None if value is None else base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            values.append(None)
            other.append(row)
    failures = nested, Failure(np.array(other, np.int64), Reason.base64)
    return Given(column, pa.array(values, pa.binary()), failures)


class _Sight(NamedTuple):
    """What some values of one column turned out to be."""

    holding: Holding
    strings: bool
    nested: bool


class _Seen:
    """What one column may still be, after the values seen so far."""

    def __init__(self) -> None:
        self._inference = Inference(Spelling(), codes=False)
        self._strings = self._nested = False

    def sight(self, tokens: pa.BinaryArray) -> _Sight:
        """Changes nothing, so that several threads may ask at once."""
        nested = _nested(tokens)
        flat: pa.BinaryArray = pc.if_else(nested, pa.scalar(None, pa.binary()), tokens)
        strings = pc.starts_with(flat, pattern=b'"').true_count
        return _Sight(self._inference.holding(_unquoted(flat)), bool(strings), bool(nested.true_count))

    def take_in(self, sight: _Sight) -> None:
        self._inference.narrow(sight.holding)
        self._strings |= sight.strings
        self._nested |= sight.nested

    @property
    def type(self) -> Type:
        if self._nested:
            return Type.json
        found = self._inference.type
        return Type.text if self._strings and found in _WORDS_OF_STRINGS else found
