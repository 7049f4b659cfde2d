"""Decimals as text: their form and how many digits they have.

Almost all are plain (a sign, digits and perhaps a point), and are counted a column at a time; a column that has an
exponent or a word somewhere is looked at value by value.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import compute

from rescind.domain.arrow import octets

Values: TypeAlias = "pa.Array[Any]"
Mask: TypeAlias = Any  #: a BooleanArray; the kernels' type hints know no constants

pc: Any = compute

PLAIN = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"

_ANY = rf"{PLAIN}([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity"
_SIGN_AND_ZEROS = "+-0"
_LETTERS_FOLLOW = ord("9")
_DOUBLE_DIGITS = 15
_DOUBLE_POWERS = 290


def malformed(values: Values) -> Mask:
    """Where the text is no decimal. An exponent, NaN and Infinity are forms of one."""
    return pc.invert(pc.match_substring_regex(values, f"^({_ANY})$"))


def not_finite(values: Values) -> Mask | None:
    """Where it is NaN or an infinity."""
    return None if _plain(values) else _each(values, lambda number: not number.is_finite())


def all_doubles(values: Values) -> bool:
    """Whether none has a letter or more than 15 digits: the nearest double is shown with the digits of each."""
    longest = pc.max(pc.binary_length(values)).as_py()
    return longest is None or (longest <= _DOUBLE_DIGITS and _plain(values))


def altered_as_number(values: Values) -> Mask | None:
    """Where neither an integer of 64 bits nor a double is exactly it; a double is sure of 15 digits."""
    if all_doubles(values):
        return None
    return _each(values, lambda number: not (_is_int64(number) or _is_double(number)))


def longer_fraction(scale: int) -> Callable[[Values], Mask]:
    """Where more than `scale` digits stand after the point; 1.50 has two.

    Where `scale` is below 0 as many zeros must stand before the point.
    """

    def whole_column(values: Values) -> Mask:
        point = pc.find_substring(values, ".")
        digits = pc.subtract(pc.subtract(pc.binary_length(values), point), 1)
        return pc.and_(pc.greater_equal(point, 0), pc.greater(digits, scale))

    def broken(values: Values) -> Mask:
        if scale >= 0 and _plain(values):
            return whole_column(values)
        return _each(values, lambda number: number.is_finite() and bool(number) and _fraction(number, scale) > scale)

    return broken


def longer_whole(most: int) -> Callable[[Values], Mask]:
    """Where more than `most` digits stand before the point, leading zeros not counted.

    Where `most` is below 0 as many zeros must follow the point. NaN fits, and an infinity does not.
    """

    def whole_column(values: Values) -> Mask:
        bare = pc.ascii_ltrim(values, _SIGN_AND_ZEROS)
        point = pc.find_substring(bare, ".")
        return pc.greater(pc.if_else(pc.less(point, 0), pc.binary_length(bare), point), most)

    def too_long(number: Decimal) -> bool:
        return bool(number) and number.adjusted() + 1 > most if number.is_finite() else number.is_infinite()

    def broken(values: Values) -> Mask:
        return whole_column(values) if most >= 0 and _plain(values) else _each(values, too_long)

    return broken


def more_digits(most: int) -> Callable[[Values], Mask]:
    """Where it has more than `most` digits from the first that is not zero on."""

    def whole_column(values: Values) -> Mask:
        digits = pc.replace_substring(values, ".", "")
        return pc.greater(pc.binary_length(pc.ascii_ltrim(digits, _SIGN_AND_ZEROS)), most)

    def broken(values: Values) -> Mask:
        if _plain(values):
            return whole_column(values)
        return _each(values, lambda number: number.is_finite() and len(number.as_tuple().digits) > most)

    return broken


def _plain(values: Values) -> bool:
    """Whether no value has a letter; they are decimals all."""
    found = octets(values)
    return not len(found) or bool(found.max() <= _LETTERS_FOLLOW)


def _each(values: Values, broken: Callable[[Decimal], bool]) -> Mask:
    numbers = map(_number, values.to_pylist())
    return pa.array([number is not None and broken(number) for number in numbers], pa.bool_())


def _number(text: str | None) -> Decimal | None:
    """None for what `malformed` finds."""
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _is_int64(number: Decimal) -> bool:
    return number.is_finite() and number.as_tuple().exponent == 0 and -(2**63) <= number < 2**63


def _is_double(number: Decimal) -> bool:
    """Powers of ten near the ends of a double's range have fewer digits: they are left out."""
    if not number.is_finite():
        return False
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    return len(digits) <= _DOUBLE_DIGITS and (not number or abs(number.adjusted()) <= _DOUBLE_POWERS)


def _fraction(number: Decimal, scale: int) -> int:
    """Digits after the point, zeros at the end counted; below 0 for zeros before it, where `scale` asks for those."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # NaN and the infinities have a letter there
    zeros = len(digits) - max(place for place, digit in enumerate(digits, 1) if digit) if scale < 0 else 0
    return -exponent - zeros
