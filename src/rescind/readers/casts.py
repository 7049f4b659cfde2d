"""Columns of text to columns of values, strictly: nothing is rounded, trimmed, wrapped or guessed.

Most columns are proven right as a whole by a few vectorised checks; one that is not is read value by value.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain import decimals, forms, limits
from rescind.domain.arrow import ARROW, in_calendar, octets, times_of_day
from rescind.domain.rejects import Reason
from rescind.domain.schema import Column, Type

_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_WORD_SET = pa.array(list(_WORDS))
_WORD_VALUES = pa.array(list(_WORDS.values()))

_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ZERO = re.compile(r"[+-]?[0.]+([eE].*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_TIME = re.compile(_CLOCK)
_TIMESTAMP = re.compile(rf"{_DATE.pattern}[T ]{_CLOCK}Z?")
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-5][0-9])?)"
_INSTANT = re.compile(rf"{_DATE.pattern}[T ]{_CLOCK}{_ZONE}?")
_HEX_UUID = r"[0-9a-f]{32}"
_HEX_MARK = r"\x"
_HEXADECIMAL = re.compile(r"\\x([0-9a-fA-F]{2})*")
_UUID = re.compile(rf"(urn:uuid:)?{forms.UUID}|\{{{forms.UUID}\}}|{_HEX_UUID}", re.IGNORECASE | re.ASCII)

_DIGITS = b"0123456789"
_DATE_LENGTHS = pa.array([10], pa.int32())
#: Lengths of the timestamps that pyarrow reads and that are accepted here: no lone date, no lone hour.
_TIMESTAMP_LENGTHS = pa.array([16, 19, *range(21, 27)], pa.int32())
_TIME_LENGTHS = pa.array([5, 8, *range(10, 16)], pa.int32())
_HEX = _DIGITS + b"abcdef"
_UUID_CHARACTERS = 36
_UUID_LENGTHS = pa.array([_UUID_CHARACTERS], pa.int32())
_UUID_HYPHENS = (8, 13, 18, 23)  #: their places
_INTEGERS = {Type.integer: (-(2**63), 2**63), Type.unsigned: (0, 2**64)}
_INTEGER_DIGITS = 20
#: Below this a double keeps fewer digits the smaller a number is, and in the end none.
_LEAST_REAL = sys.float_info.min
_SURE_LENGTH = 300  #: so few characters without an exponent are no number below it but zero

Values: TypeAlias = "pa.Array[Any]"


class Failure(NamedTuple):
    """Values that do not fit: their rows in the array, ascending, and the reason in words.

    Of a file that is wrong throughout there are millions: an object for each took a gigabyte.
    """

    rows: npt.NDArray[np.int64]
    reason: str


def by_reason(wrong: Mapping[int, str]) -> tuple[Failure, ...]:
    """The rows that are wrong, each with its reason, as failures."""
    rows: dict[str, list[int]] = {}
    for row in sorted(wrong):
        rows.setdefault(wrong[row], []).append(row)
    return tuple(Failure(np.array(found, np.int64), reason) for reason, found in rows.items())


@dataclass(frozen=True)
class Cast:
    """Values as long as the text; null where the text is null or fails."""

    values: Values
    failures: tuple[Failure, ...] = ()


def cast(text: pa.StringArray, column: Column) -> Cast:
    """The values of one column, within its limits. A null stays null."""
    whole = cast_whole(text, column.type)
    read = Cast(whole) if whole is not None else _cast_each(text, column.type)
    values = read.values
    if column.type is Type.decimal and column.limits.scale is not None:
        values = _without_spare_zeros(values, column.limits.scale)
    return Cast(values, (*read.failures, *by_reason(limits.beyond(column, values))))


def cast_whole(text: pa.StringArray, type_: Type) -> Values | None:
    """The values of a column in which all are proven to fit; None where that takes a closer look."""
    try:
        return _WHOLE[type_](text)
    except pa.ArrowInvalid:
        return None


def has_only(text: pa.StringArray, alphabet: bytes) -> bool:
    """Whether all values are made of these bytes."""
    return not octets(text).tobytes().translate(None, alphabet)


def _whole_integer(text: pa.StringArray) -> Values | None:
    return pc.cast(text, pa.int64()) if has_only(text, _DIGITS + b"-") else None


def _whole_unsigned(text: pa.StringArray) -> Values | None:
    return pc.cast(text, pa.uint64()) if has_only(text, _DIGITS) else None


def _whole_real(text: pa.StringArray) -> Values | None:
    plain = has_only(text, _DIGITS + b"+-.")
    if not plain and not has_only(text, _DIGITS + b"+-.eE"):
        return None
    values = pc.cast(text, pa.float64())
    if not pc.all(pc.is_finite(values), min_count=0).as_py():
        return None
    sure = plain and not pc.any(pc.greater(pc.binary_length(text), pa.scalar(_SURE_LENGTH)), min_count=0).as_py()
    if sure:
        return values
    zero = pc.match_substring_regex(text, f"^{_ZERO.pattern}$")
    small = pc.and_(pc.less(pc.abs(values), pa.scalar(_LEAST_REAL)), pc.invert(zero))
    found: Any = text.filter(small).to_pylist()
    return None if any(map(_loses_digits, found)) else values


def _whole_boolean(text: pa.StringArray) -> Values | None:
    found = pc.index_in(pc.ascii_lower(text), _WORD_SET)
    return _WORD_VALUES.take(found) if found.null_count == text.null_count else None


def _whole_date(text: pa.StringArray) -> Values | None:
    if not _lengths_in(text, _DATE_LENGTHS):
        return None
    return _in_years(pc.cast(text, pa.date32()))


def _whole_timestamp(text: pa.StringArray) -> Values | None:
    bare = text if has_only(text, _DIGITS + b"-:. T") else pc.replace_substring_regex(text, "Z$", "")
    if not _lengths_in(bare, _TIMESTAMP_LENGTHS):
        return None
    return _in_years(pc.cast(bare, pa.timestamp("us")))


def _whole_time(text: pa.StringArray) -> Values | None:
    if not has_only(text, _DIGITS + b":.") or not _lengths_in(text, _TIME_LENGTHS):
        return None
    return times_of_day(text)


def _whole_instant(text: pa.StringArray) -> Values | None:
    """Those without a zone are given UTC's, which Arrow asks for."""
    if not pc.all(pc.match_substring_regex(text, f"^{_INSTANT.pattern}$"), min_count=0).as_py():
        return None
    zoned = pc.match_substring_regex(text, f"{_ZONE}$")
    if not pc.all(zoned, min_count=0).as_py():
        joined: Any = pc.binary_join_element_wise  # its type hints know no constants
        text = pc.if_else(zoned, text, joined(text, "Z", ""))
    return _in_years(pc.cast(text, ARROW[Type.timestamptz]))


def _lengths_in(text: pa.StringArray, lengths: pa.Int32Array) -> bool:
    """Whether all values have one of these lengths. pyarrow is slow to find that nothing in a column is a date."""
    return bool(pc.all(pc.is_in(pc.binary_length(text.drop_null()), lengths), min_count=0).as_py())


def _in_years(values: Values) -> Values | None:
    """Year 0 is no year of any database here, nor of Python's; an offset may lead there, or beyond 9999."""
    return values if in_calendar(values) else None


def _whole_decimal(text: pa.StringArray) -> Values | None:
    if not has_only(text, _DIGITS + b"+-."):
        return None
    pc.cast(text, pa.float64())  # without an exponent that is the same form, and found far faster than by a pattern
    return text


def _without_spare_zeros(values: Values, scale: int) -> Values:
    """1.5000 for two digits after the point is 1.50: the number is the same, and a database would say so too."""
    if scale < 0 or not decimals.longer_fraction(scale)(values).true_count:
        return values
    kept = rf"\.[0-9]{{{scale}}}" if scale else ""
    return pc.replace_substring_regex(values, rf"^([^.]*{kept}){'' if scale else '[.]'}0+$", r"\1")


def _whole_json(text: pa.StringArray) -> Values | None:
    return None if forms.not_json(text).true_count else text


def _whole_uuid(text: pa.StringArray) -> Values | None:
    lower = pc.ascii_lower(text)
    if not has_only(lower, _HEX + b"-") or not _lengths_in(lower, _UUID_LENGTHS):
        return None
    rows = octets(lower).reshape(-1, _UUID_CHARACTERS)
    hyphens = all((rows[:, place] == ord("-")).all() for place in _UUID_HYPHENS)
    return lower if hyphens and rows.tobytes().count(b"-") == len(_UUID_HYPHENS) * len(rows) else None


def _whole_binary(text: pa.StringArray) -> Values | None:
    return None if pc.any(pc.starts_with(text, _HEX_MARK)).as_py() else text.cast(pa.binary())


_WHOLE: dict[Type, Callable[[pa.StringArray], Values | None]] = {
    Type.integer: _whole_integer,
    Type.unsigned: _whole_unsigned,
    Type.real: _whole_real,
    Type.decimal: _whole_decimal,
    Type.boolean: _whole_boolean,
    Type.date: _whole_date,
    Type.time: _whole_time,
    Type.timestamp: _whole_timestamp,
    Type.timestamptz: _whole_instant,
    Type.text: lambda text: text,
    Type.binary: _whole_binary,
    Type.json: _whole_json,
    Type.uuid: _whole_uuid,
}


def _cast_each(text: pa.StringArray, type_: Type) -> Cast:
    read = _EACH[type_]
    not_of_type, out_of_range = Reason.not_of_type.format(type=type_), Reason.out_of_range.format(type=type_)
    values: list[object] = [None] * len(text)
    wrong = {}
    for row, value in enumerate(text.to_pylist()):
        if value is not None:
            try:
                values[row] = read(value)
            except ValueError:
                wrong[row] = not_of_type
            except OverflowError:
                wrong[row] = out_of_range
    return Cast(pa.array(values, ARROW[type_]), by_reason(wrong))


def _integer(kind: Type) -> Callable[[str], int]:
    low, high = _INTEGERS[kind]

    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError
        if len(text.lstrip("+-0")) > _INTEGER_DIGITS or not low <= (value := int(text)) < high:
            raise OverflowError
        return value

    return read


def _real(text: str) -> float:
    if not _REAL.fullmatch(text):
        raise ValueError
    value = float(text)
    if math.isinf(value) or (abs(value) < _LEAST_REAL and not _ZERO.fullmatch(text) and _loses_digits(text)):
        raise OverflowError
    return value


def _loses_digits(text: str) -> bool:
    """Whether a number too small for all its digits would come out as another; one as exported from there does not."""
    value = float(text)
    return not value or Decimal(text) != Decimal(repr(value))


def _boolean(text: str) -> bool:
    if (value := _WORDS.get(text.lower())) is None:
        raise ValueError
    return value


def _decimal(text: str) -> str:
    if not re.fullmatch(decimals.PLAIN, text):
        raise ValueError
    return text


def _date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError
    return date.fromisoformat(text)


def _timestamp(text: str) -> datetime:
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError
    return datetime.fromisoformat(text.removesuffix("Z"))


def _time(text: str) -> time:
    if not _TIME.fullmatch(text):
        raise ValueError
    return time.fromisoformat(text)


def _instant(text: str) -> datetime:
    if not _INSTANT.fullmatch(text):
        raise ValueError
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _binary(text: str) -> bytes:
    r"""The text's own bytes; after \x they are hexadecimal digits, as PostgreSQL has them: most bytes are no text."""
    if not text.startswith(_HEX_MARK):
        return text.encode()
    if not _HEXADECIMAL.fullmatch(text):
        raise ValueError
    return bytes.fromhex(text[len(_HEX_MARK) :])


def _json(text: str) -> str:
    if not forms.is_json(text):
        raise ValueError
    return text


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError
    return str(UUID(text))


_EACH: dict[Type, Callable[[str], object]] = {
    Type.integer: _integer(Type.integer),
    Type.unsigned: _integer(Type.unsigned),
    Type.real: _real,
    Type.decimal: _decimal,
    Type.boolean: _boolean,
    Type.date: _date,
    Type.time: _time,
    Type.timestamp: _timestamp,
    Type.timestamptz: _instant,
    Type.binary: _binary,
    Type.json: _json,
    Type.uuid: _uuid,
}
