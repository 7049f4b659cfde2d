"""Columns of text to columns of values, strictly: nothing is rounded, trimmed, wrapped or guessed.

Most columns are proven right as a whole by a few vectorised checks; one that is not is read value by value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain.arrow import ARROW
from rescind.domain.rejects import Reason
from rescind.domain.schema import Type

_WORDS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_WORD_SET = pa.array(list(_WORDS))
_WORD_VALUES = pa.array(list(_WORDS.values()))

_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?Z?")

_DIGITS = b"0123456789"
_DATE_LENGTHS = pa.array([10], pa.int32())
#: Lengths of the timestamps that pyarrow reads and that are accepted here: no lone date, no lone hour.
_TIMESTAMP_LENGTHS = pa.array([16, 19, *range(21, 27)], pa.int32())
_INT64_DIGITS = 19
_YEAR_1 = pa.scalar(date.min)

Values: TypeAlias = "pa.Array[Any]"


class Failure(NamedTuple):
    """A value that does not fit: its row in the array, and the reason in words."""

    row: int
    reason: str


@dataclass(frozen=True)
class Cast:
    """Values as long as the text; null where the text is null or fails."""

    values: Values
    failures: tuple[Failure, ...] = ()


def cast(text: pa.StringArray, type_: Type) -> Cast:
    """The values of one column. A null stays null."""
    whole = cast_whole(text, type_)
    return Cast(whole) if whole is not None else _cast_each(text, type_)


def cast_whole(text: pa.StringArray, type_: Type) -> Values | None:
    """The values of a column in which all are proven to fit; None where that takes a closer look."""
    try:
        return _WHOLE[type_](text)
    except pa.ArrowInvalid:
        return None


def has_only(text: pa.StringArray, alphabet: bytes) -> bool:
    """Whether all values are made of these bytes."""
    _, offsets, data = text.buffers()
    if offsets is None or data is None:
        return True  # there are none
    bounds = np.frombuffer(offsets.to_pybytes(), np.int32)
    values = data[int(bounds[text.offset]) : int(bounds[text.offset + len(text)])]
    return not values.to_pybytes().translate(None, alphabet)


def _whole_integer(text: pa.StringArray) -> Values | None:
    return pc.cast(text, pa.int64()) if has_only(text, _DIGITS + b"-") else None


def _whole_real(text: pa.StringArray) -> Values | None:
    if not has_only(text, _DIGITS + b"+-.eE"):
        return None
    values = pc.cast(text, pa.float64())
    return values if pc.all(pc.is_finite(values), min_count=0).as_py() else None


def _whole_boolean(text: pa.StringArray) -> Values | None:
    found = pc.index_in(pc.ascii_lower(text), _WORD_SET)
    return _WORD_VALUES.take(found) if found.null_count == text.null_count else None


def _whole_date(text: pa.StringArray) -> Values | None:
    if not _lengths_in(text, _DATE_LENGTHS):
        return None
    return _after_year_0(pc.cast(text, pa.date32()))


def _whole_timestamp(text: pa.StringArray) -> Values | None:
    bare = text if has_only(text, _DIGITS + b"-:. T") else pc.replace_substring_regex(text, "Z$", "")
    if not _lengths_in(bare, _TIMESTAMP_LENGTHS):
        return None
    return _after_year_0(pc.cast(bare, pa.timestamp("us")))


def _lengths_in(text: pa.StringArray, lengths: pa.Int32Array) -> bool:
    """Whether all values have one of these lengths. pyarrow is slow to find that nothing in a column is a date."""
    return bool(pc.all(pc.is_in(pc.binary_length(text.drop_null()), lengths), min_count=0).as_py())


def _after_year_0(values: Values) -> Values | None:
    """Year 0 is no year of any database here, nor of Python's."""
    in_range = pc.greater_equal(values, _YEAR_1.cast(values.type))
    return values if pc.all(in_range, min_count=0).as_py() else None


def _whole_decimal(text: pa.StringArray) -> Values | None:
    fits = pc.match_substring_regex(text, f"^{_DECIMAL}$") if has_only(text, _DIGITS + b"+-.") else None
    return text if fits is not None and pc.all(fits, min_count=0).as_py() else None


_WHOLE: dict[Type, Callable[[pa.StringArray], Values | None]] = {
    Type.integer: _whole_integer,
    Type.real: _whole_real,
    Type.decimal: _whole_decimal,
    Type.boolean: _whole_boolean,
    Type.date: _whole_date,
    Type.timestamp: _whole_timestamp,
    Type.text: lambda text: text,
    Type.binary: lambda text: text.cast(pa.binary()),
}


def _cast_each(text: pa.StringArray, type_: Type) -> Cast:
    read = _EACH[type_]
    not_of_type, out_of_range = Reason.not_of_type.format(type=type_), Reason.out_of_range.format(type=type_)
    values: list[object] = [None] * len(text)
    failures = []
    for row, value in enumerate(text.to_pylist()):
        if value is not None:
            try:
                values[row] = read(value)
            except ValueError:
                failures.append(Failure(row, not_of_type))
            except OverflowError:
                failures.append(Failure(row, out_of_range))
    return Cast(pa.array(values, ARROW[type_]), tuple(failures))


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError
    if len(text.lstrip("+-0")) > _INT64_DIGITS or not -(2**63) <= (value := int(text)) < 2**63:
        raise OverflowError
    return value


def _real(text: str) -> float:
    if not _REAL.fullmatch(text):
        raise ValueError
    if math.isinf(value := float(text)):
        raise OverflowError
    return value


def _boolean(text: str) -> bool:
    if (value := _WORDS.get(text.lower())) is None:
        raise ValueError
    return value


def _decimal(text: str) -> str:
    if not re.fullmatch(_DECIMAL, text):
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


_EACH: dict[Type, Callable[[str], object]] = {
    Type.integer: _integer,
    Type.real: _real,
    Type.decimal: _decimal,
    Type.boolean: _boolean,
    Type.date: _date,
    Type.timestamp: _timestamp,
}
