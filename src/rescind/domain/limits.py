"""Which values a column cannot hold although they are of its type; and which are not of it, where the type travels
as text and so cannot be seen from Arrow's.

Whole columns are looked at, and nothing at all is done for a column without limits. Nothing is rounded, cut or
converted to make it fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import starmap
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import compute

from rescind.domain import decimals, forms
from rescind.domain.arrow import conform, octets
from rescind.domain.rejects import Reason, shorten
from rescind.domain.schema import Column, Type
from rescind.errors import ConstraintViolated

Values: TypeAlias = "pa.Array[Any]"
#: A BooleanArray, true where a value breaks the rule and null or false where it does not. The kernels' type hints know
#: neither constants nor types that are chosen at run time.
Mask: TypeAlias = Any

pc: Any = compute

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS = (Type.text, Type.json)
_TEMPORAL = (Type.time, Type.timestamp, Type.timestamptz)
_NUMBERS = {Type.unsigned: pa.uint64(), Type.date: pa.int32()}  #: what limits are compared as, where not 64 bits signed
_MICROSECOND_DIGITS = 6
_FIRST_FOUR_BYTES = 0xF0  #: the least first byte of a character that takes four bytes in UTF-8
_FIRST_NOT_ASCII = 0x80
_LISTED_CHARACTERS = 120  #: of an enumeration's labels in a reason
#: From here on a double rounds to the infinity of 32 bits: half a step beyond the greatest of them.
_SINGLE_OVERFLOW = float.fromhex("0x1.ffffffp127")
LOSES_SPACES = "the column cuts spaces off the end"
_GREATEST_WHOLE = 2.0**53  #: beyond it a double itself no longer tells one whole number from the next


@dataclass(frozen=True)
class Violation:
    """A value that a column cannot hold: its row in the batch, the value as text, and the reason in words."""

    row: int
    column: str
    value: str | None
    reason: str

    def __str__(self) -> str:
        value = "" if self.value is None else f" ({self.value!r})"
        return f"column {self.column}: {self.reason}{value}"


Look: TypeAlias = Callable[[Column, Values], Violation | None]  #: finds the first row that it has something against


@dataclass(frozen=True)
class Rule:
    """A mask of the values that break it, or None where it is plain that none does."""

    reason: str
    broken: Callable[[Values], Mask | None]


def _nothing(column: Column, values: Values) -> None:
    return None


def violation(column: Column, values: Values) -> Violation | None:
    """The first row, if any, that the column cannot hold, NULL included; it runs over every batch that is written.

    Values of another Arrow type than the column's are taken if they become the column's without loss.
    """
    if not column.nullable and values.null_count:
        row = pc.index(values.is_null(), True).as_py()
        earlier = violation(_nullable(column), values.slice(0, row))
        return earlier or Violation(row, column.name, None, Reason.null)
    try:
        values = conform(values, column.type)
    except pa.ArrowInvalid:
        return _misfit(column, values)
    found = _offences((*_forms(column.type), *_limits(column)), values)
    if not found:
        return None
    row = min(found)
    return Violation(row, column.name, shown(values, row), found[row])


def require(
    columns: Sequence[Column], arrays: Sequence[Values], known: Collection[Column] = (), altered: Look = _nothing
) -> None:
    """Raises ConstraintViolated for the first row that one of the columns cannot hold; the `known` are not looked at.

    `altered` finds, in the known columns too, what a database would store as another value without a word.
    """
    pairs = list(zip(columns, arrays, strict=True))
    found = [*starmap(altered, pairs), *(violation(*pair) for pair in pairs if pair[0] not in known)]
    first = min((v for v in found if v is not None), key=lambda v: v.row, default=None)
    if first is not None:
        raise ConstraintViolated(f"A value does not fit {first}.", first.row)


def first_altered(column: Column, altered: Mask, reason: str) -> Violation | None:
    """The first row, if any, of those that a database would store as another value without a word."""
    row = pc.index(altered, True).as_py()
    return None if row < 0 else Violation(row, column.name, None, reason)


def beyond(column: Column, values: Values) -> dict[int, str]:
    """Every row whose value is beyond the column's limits, with the reason. The values are of the column's type."""
    return _offences(_limits(column), values)


def shown(values: Values, row: int) -> str:
    """A value as a reject shows it; binary as hexadecimal digits."""
    value = values.slice(row, 1)
    if pa.types.is_binary(value.type):
        return shorten(value[0].as_py().hex())
    return shorten(str(value.cast(pa.string())[0].as_py()))


def limit_text(kind: Type, number: int) -> str:
    """The limit as a person reads it; a number where it is out of the calendar's years."""
    try:
        if kind is Type.date:
            return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
        if kind in (Type.timestamp, Type.timestamptz):
            return (_EPOCH + timedelta(microseconds=number)).replace(tzinfo=None).isoformat(" ")
    except OverflowError:
        pass
    return str(number)


def _offences(rules: tuple[Rule, ...], values: Values) -> dict[int, str]:
    """Per row the first rule that it breaks."""
    found: dict[int, str] = {}
    for rule in rules:
        mask = rule.broken(values)
        if mask is not None and mask.true_count:
            for row in np.flatnonzero(mask.fill_null(False).to_numpy(zero_copy_only=False)):
                found.setdefault(int(row), rule.reason)
    return found


def _nullable(column: Column) -> Column:
    return Column(column.name, column.type, column.declared, limits=column.limits)


def _misfit(column: Column, values: Values) -> Violation:
    """The first value that is none of the column's type; there is one."""
    for row in range(len(values)):
        try:
            conform(values.slice(row, 1), column.type)
        except pa.ArrowInvalid:
            value = shorten(str(values[row].as_py()))
            return Violation(row, column.name, value, Reason.not_of_type.format(type=column.type))
    raise AssertionError("every value by itself is of the type")


@lru_cache(maxsize=4096)
def _limits(column: Column) -> tuple[Rule, ...]:
    """The rules that the column's limits make; none for most columns."""
    match column.type:
        case Type.integer | Type.unsigned | Type.date | Type.timestamp | Type.timestamptz | Type.time:
            return (*_range(column), *_seconds(column))
        case Type.real:
            return tuple(_real(column))
        case Type.decimal:
            return tuple(_decimal(column))
        case Type.text | Type.json | Type.binary | Type.uuid:
            return (*_lengths(column), *_characters(column))
        case Type.boolean:
            return ()


@lru_cache
def _forms(kind: Type) -> tuple[Rule, ...]:
    """Of a type that travels as text: what such a text looks like."""
    broken = {Type.decimal: decimals.malformed, Type.json: forms.not_json, Type.uuid: forms.not_uuid}.get(kind)
    return () if broken is None else (Rule(Reason.not_of_type.format(type=kind), broken),)


def _range(column: Column) -> Iterator[Rule]:
    kind, low, high = column.type, column.limits.low, column.limits.high
    if low is not None and (least := _bound(kind, low)) is not None:
        yield Rule(
            Reason.too_small.format(limit=limit_text(kind, low)), lambda values: pc.less(_numbers(values), least)
        )
    if high is not None and (greatest := _bound(kind, high)) is not None:
        reason = Reason.too_great.format(limit=limit_text(kind, high))
        yield Rule(reason, lambda values: pc.greater(_numbers(values), greatest))


def _bound(kind: Type, limit: int) -> pa.Scalar[Any] | None:
    """The limit as `_numbers` are; None also for one that no value of the type reaches."""
    try:
        return pa.scalar(limit, _NUMBERS.get(kind, pa.int64()))
    except (OverflowError, pa.ArrowInvalid):
        return None


def _numbers(values: Values) -> Values:
    """Days or microseconds of dates and times; integers as they are."""
    if pa.types.is_integer(values.type):
        return values
    return values.view(pa.int32() if pa.types.is_date(values.type) else pa.int64())


def _seconds(column: Column) -> Iterator[Rule]:
    """A database rounds what it cannot keep of a second, without a word."""
    kept = column.limits.scale
    if column.type in _TEMPORAL and kept is not None and kept < _MICROSECOND_DIGITS:
        step = 10 ** (_MICROSECOND_DIGITS - kept)

        def rounded(values: Values) -> Mask:
            numbers = _numbers(values)
            return pc.not_equal(pc.multiply(pc.divide(numbers, step), step), numbers)

        yield Rule(Reason.scale.format(limit=kept), rounded)


def _real(column: Column) -> Iterator[Rule]:
    if column.limits.finite:
        yield Rule(Reason.not_finite, lambda values: pc.invert(pc.is_finite(values)))
    if column.limits.single:
        yield Rule(Reason.out_of_range.format(type="real of 32 bits"), _not_single)
        yield Rule(Reason.number, _another_whole)


def _not_single(values: Values) -> Mask:
    """Too great becomes an infinity, too small zero."""
    size = pc.abs(values)
    too_great = pc.and_(pc.greater_equal(size, _SINGLE_OVERFLOW), pc.is_finite(size))
    lost = pc.and_(pc.greater(size, 0.0), pc.equal(values.cast(pa.float32(), safe=False), pa.scalar(0.0, pa.float32())))
    return pc.or_(too_great, lost)


def _another_whole(values: Values) -> Mask | None:
    """Fractions are rounded, as everybody expects of a real; 16777217, perhaps a number of something, is not."""
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less_equal(pc.abs(values), _GREATEST_WHOLE))
    return pc.and_(whole, pc.not_equal(values.cast(pa.float32(), safe=False).cast(pa.float64()), values))


def _decimal(column: Column) -> Iterator[Rule]:
    limits = column.limits
    if limits.number:
        yield Rule(Reason.number, decimals.altered_as_number)
    if limits.finite:
        yield Rule(Reason.not_finite, decimals.not_finite)
    if limits.scale is not None:
        yield Rule(Reason.scale.format(limit=max(limits.scale, 0)), decimals.longer_fraction(limits.scale))
    if limits.precision is not None and limits.scale is not None:
        whole = limits.precision - limits.scale
        yield Rule(Reason.whole_digits.format(limit=max(whole, 0)), decimals.longer_whole(whole))
    elif limits.precision is not None:
        yield Rule(Reason.digits.format(limit=limits.precision), decimals.more_digits(limits.precision))


def _lengths(column: Column) -> Iterator[Rule]:
    characters, size = column.limits.characters, column.limits.bytes
    if characters is not None:

        def longer(values: Values) -> Mask | None:
            most = pc.max(pc.binary_length(values)).as_py()  # far cheaper to see than characters, and never fewer
            return None if most is None or most <= characters else pc.greater(pc.utf8_length(values), characters)

        yield Rule(Reason.characters.format(limit=characters), longer)
    if size is not None:
        yield Rule(Reason.bytes.format(limit=size), lambda values: pc.greater(pc.binary_length(values), size))


def _characters(column: Column) -> Iterator[Rule]:
    limits, kind = column.limits, column.type
    if kind not in _TEXTS:
        return
    if not limits.nul:
        yield Rule(Reason.nul, _holds_nul if kind is Type.text else forms.json_holds_nul)
    if limits.codec is not None:
        yield Rule(Reason.codec.format(codec=limits.codec), _unencodable(limits.codec))
    if limits.number:
        yield Rule(Reason.number, forms.altered_as_number)
    if limits.values is not None:
        labels = pa.array(limits.values, pa.string())
        listed = ", ".join(map(repr, limits.values))
        listed = listed if len(listed) <= _LISTED_CHARACTERS else listed[: _LISTED_CHARACTERS - 1] + "…"
        yield Rule(
            Reason.not_listed.format(values=listed),
            lambda values: pc.and_(values.is_valid(), pc.invert(pc.is_in(values, labels))),
        )


def _holds_nul(values: Values) -> Mask | None:
    return pc.match_substring(values, "\0") if 0 in octets(values) else None


def _unencodable(codec: str) -> Callable[[Values], Mask | None]:
    if codec == "utf8mb3":  # MySQL's name for UTF-8 cut off at three bytes, which Python does not have
        return _beyond_u_ffff

    def broken(values: Values) -> Mask | None:
        if not len(found := octets(values)) or found.max() < _FIRST_NOT_ASCII:
            return None  # every encoding of a database's text has ASCII
        if _encodes(found.tobytes().decode(), codec):
            return None
        return pa.array([value is not None and not _encodes(value, codec) for value in values.to_pylist()], pa.bool_())

    return broken


def _beyond_u_ffff(values: Values) -> Mask | None:
    if not len(found := octets(values)) or found.max() < _FIRST_FOUR_BYTES:
        return None
    return pc.match_substring_regex(values, r"[\x{10000}-\x{10FFFF}]")


def _encodes(value: str, codec: str) -> bool:
    try:
        value.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
