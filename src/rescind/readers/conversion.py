"""Values of Arrow's types to values of a column's type, strictly: nothing is rounded, cut, wrapped or guessed.

What both sides have in common is converted as it is. For all else the value's text counts, by the same rules as a
field of a CSV file: an integer is a decimal, and 0 and 1 are booleans.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute, types

from rescind.domain import limits
from rescind.domain.arrow import ARROW
from rescind.domain.rejects import Reason
from rescind.domain.schema import CALENDAR_DAYS, CALENDAR_MICROSECONDS, Column, Type
from rescind.readers import casts
from rescind.readers.casts import Cast, Values

pc: Any = compute  #: its type hints know no constants

_DAY_MICROSECONDS = 86_400_000_000
_PER_MICROSECOND = {"s": 1_000_000, "ms": 1_000, "us": 1}
_NANOSECONDS = 1_000
_MICROSECOND_DIGITS = 6
_GREATEST_INTEGER = 2**63 - 1
_EXACT_INTEGER = 2**53  #: up to here every integer is a double
_DOUBLE_DIGITS = 15  #: a double keeps so many digits of any number
_UTC = ("UTC", "Etc/UTC", "Z", "+00:00", "-00:00")

_Mask = npt.NDArray[np.bool_]
_Integers = npt.NDArray[np.int64]


class _Rule(NamedTuple):
    """Where values are wrong, and why."""

    broken: _Mask
    reason: str


class _Converted(NamedTuple):
    """Values of the column's Arrow type; those that break a rule mean nothing."""

    values: Values
    rules: tuple[_Rule, ...] = ()


def convert(values: Values, column: Column) -> Cast:
    """The `flat` values as those of one column, within its limits. A null stays null."""
    kind = values.type
    if types.is_null(kind):
        return Cast(values.cast(ARROW[column.type]))
    found = None if types.is_string(kind) else _converted(values, column.type)
    if found is None:
        return casts.cast(_text(values), column)
    wrong: dict[int, str] = {}
    for broken, reason in found.rules:
        for row in np.flatnonzero(broken):
            wrong.setdefault(int(row), reason)
    fit = found.values if not wrong else _null_at(found.values, list(wrong))
    wrong |= limits.beyond(column, fit)
    return Cast(fit, casts.by_reason(wrong))


def _converted(values: Values, type_: Type) -> _Converted | None:
    """The values as they are, if they have something in common with the type; None where their text counts."""
    for takes, convert_, wanted in _WAYS:
        if type_ in wanted and takes(values.type):
            return convert_(values, type_)
    return None


def _same(values: Values, type_: Type) -> _Converted:
    return _Converted(values.cast(ARROW[type_]))


def _integers(values: Values, type_: Type) -> _Converted:
    numbers = values.fill_null(0).to_numpy()
    broken = numbers < 0 if type_ is Type.unsigned else numbers > _GREATEST_INTEGER
    return _Converted(values.cast(ARROW[type_], safe=False), (_Rule(broken, Reason.out_of_range.format(type=type_)),))


def _whole_numbers(values: Values, type_: Type) -> _Converted:
    """Integers that were kept as floating point numbers, which libraries do where one of them is missing."""
    numbers = values.cast(pa.float64()).fill_null(0.0).to_numpy()
    low, high = (0.0, 2.0**64) if type_ is Type.unsigned else (-(2.0**63), 2.0**63)
    fraction = ~np.isfinite(numbers) | (np.floor(numbers) != numbers)
    beyond = (numbers < low) | (numbers >= high)
    held = np.where(fraction | beyond, 0.0, numbers).astype(np.uint64 if type_ is Type.unsigned else np.int64)
    return _Converted(
        pa.array(held, ARROW[type_], mask=_nulls(values)),
        (
            _Rule(fraction, Reason.not_of_type.format(type=type_)),
            _Rule(beyond, Reason.out_of_range.format(type=type_)),
        ),
    )


def _integer_reals(values: Values, type_: Type) -> _Converted:
    numbers = values.fill_null(0).to_numpy()
    broken = (numbers > _EXACT_INTEGER) | (numbers < -_EXACT_INTEGER)
    return _Converted(values.cast(pa.float64(), safe=False), (_Rule(broken, Reason.number),))


def _decimal_reals(values: Values, type_: Type) -> _Converted:
    """As many digits as a double keeps, zeros at the ends apart, whatever the decimal's own scale."""
    text = _text(values)
    digits = pc.replace_substring_regex(pc.utf8_trim(pc.replace_substring(text, ".", ""), "-0"), r"[^0-9]", "")
    broken = pc.greater(pc.binary_length(digits), _DOUBLE_DIGITS)
    rule = _Rule(broken.fill_null(False).to_numpy(zero_copy_only=False), Reason.number)
    return _Converted(text.cast(pa.float64()), (rule,))


def _dates(values: Values, type_: Type) -> _Converted:
    days = _numbers(values.cast(pa.date32(), safe=False).cast(pa.int32()))
    rules = [_beyond(days, *CALENDAR_DAYS, type_)]
    if types.is_date64(values.type):
        rules.append(_Rule(_numbers(values) % 86_400_000 != 0, Reason.not_of_type.format(type=type_)))
    held = days if type_ is Type.date else np.clip(days, *CALENDAR_DAYS) * _DAY_MICROSECONDS
    return _Converted(_temporal(held, values, type_), tuple(rules))


def _times(values: Values, type_: Type) -> _Converted:
    numbers, rules = _microseconds(values)
    rules.append(_beyond(numbers, 0, _DAY_MICROSECONDS - 1, type_))
    return _Converted(_temporal(numbers, values, type_), tuple(rules))


def _moments(values: Values, type_: Type) -> _Converted:
    """Instants without a zone are UTC's; such of another zone than UTC are no moments without one."""
    numbers, rules = _microseconds(values)
    rules.append(_beyond(numbers, *CALENDAR_MICROSECONDS, type_))
    zone = getattr(values.type, "tz", None)
    if type_ is not Type.timestamptz and zone is not None and zone not in _UTC:
        rules.append(_Rule(~_nulls(values), Reason.not_of_type.format(type=type_)))
    if type_ is Type.date:
        rules.append(_Rule(numbers % _DAY_MICROSECONDS != 0, Reason.not_of_type.format(type=type_)))
        numbers = numbers // _DAY_MICROSECONDS
    return _Converted(_temporal(numbers, values, type_), tuple(rules))


def _microseconds(values: Values) -> tuple[_Integers, list[_Rule]]:
    numbers, unit = _numbers(values), values.type.unit
    if unit == "ns":
        finer = numbers % _NANOSECONDS != 0
        return numbers // _NANOSECONDS, [_Rule(finer, Reason.scale.format(limit=_MICROSECOND_DIGITS))]
    factor = _PER_MICROSECOND[unit]
    # What would wrap is kept out of the calendar's years.
    most = np.iinfo(np.int64).max // factor
    return np.clip(numbers, -most, most) * factor, []


def _numbers(values: Values) -> _Integers:
    """What dates and times are kept as; 0 for null."""
    width = values.type.bit_width
    integers = values if types.is_integer(values.type) else values.view(pa.int32() if width == 32 else pa.int64())
    found: _Integers = integers.cast(pa.int64()).fill_null(0).to_numpy()
    return found


def _temporal(numbers: _Integers, values: Values, type_: Type) -> Values:
    width = pa.int32() if type_ is Type.date else pa.int64()
    return pa.array(numbers.astype(width.to_pandas_dtype()), width, mask=_nulls(values)).view(ARROW[type_])


def _beyond(numbers: _Integers, low: int, high: int, type_: Type) -> _Rule:
    return _Rule((numbers < low) | (numbers > high), Reason.out_of_range.format(type=type_))


def _nulls(values: Values) -> _Mask:
    found: _Mask = values.is_null().to_numpy(zero_copy_only=False)
    return found


def _decoded(values: Values, type_: Type) -> _Converted:
    """Bytes that are text: writers of old Parquet files do not say so."""
    try:
        return _Converted(values.cast(pa.string()))
    except pa.ArrowInvalid:
        texts = [None if value is None else _letters(value) for value in values.to_pylist()]
        broken = [
            value is not None and value.encode() != byte for value, byte in zip(texts, values.to_pylist(), strict=True)
        ]
        return _Converted(
            pa.array(texts, pa.string()), (_Rule(np.array(broken), Reason.not_of_type.format(type=type_)),)
        )


def _null_at(values: Values, rows: list[int]) -> Values:
    mask = np.zeros(len(values), np.bool_)
    mask[rows] = True
    kept: Values = pc.if_else(pa.array(mask), pa.scalar(None, values.type), values)
    return kept


_NUMBERS = (Type.integer, Type.unsigned)
_PLAIN_TIMES = (Type.timestamp, Type.timestamptz)
_WAYS: tuple[tuple[Callable[[Any], bool], Callable[[Values, Type], _Converted], tuple[Type, ...]], ...] = (
    (types.is_integer, _integers, _NUMBERS),
    (types.is_floating, _whole_numbers, _NUMBERS),
    (types.is_integer, _integer_reals, (Type.real,)),
    (types.is_floating, _same, (Type.real,)),
    (types.is_decimal, _decimal_reals, (Type.real,)),
    (types.is_boolean, _same, (Type.boolean,)),
    (types.is_date, _dates, (Type.date, Type.timestamp)),
    (types.is_time, _times, (Type.time,)),
    (types.is_timestamp, _moments, (Type.date, *_PLAIN_TIMES)),
    (types.is_binary, _same, (Type.binary,)),
    (types.is_binary, _decoded, (Type.text,)),
)


def _text(values: Values) -> pa.StringArray:
    """As the values are written without an exponent; bytes as the text that they are in UTF-8, or as hexadecimal."""
    kind = values.type
    if types.is_binary(kind):
        return pa.array([None if value is None else _letters(value) for value in values.to_pylist()], pa.string())
    text: Any = values.cast(pa.string())
    number = types.is_floating(kind) or types.is_decimal(kind)
    if number and pc.any(pc.match_substring_regex(text, "[eE]"), min_count=0).as_py():
        text = [_without_exponent(value) for value in text.to_pylist()]
    return pa.array(text, pa.string())


def _without_exponent(text: str | None) -> str | None:
    return text if text is None or "e" not in text.lower() else f"{Decimal(text):f}"


def _letters(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return rf"\x{value.hex()}"
