"""The narrowest type that holds every value of a column and alters none.

A number is one only if a database would print it again as it stands: `007`, `+1`, a code like `1E5`, and what is
beyond 64 bits or a double's 17 digits are text. So is what would be put in another form (an instant with an offset, a
UUID in capitals), and therefore times with a zone, UUIDs and JSON always: whoever wants them as such makes the table.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import compute

from rescind.domain.schema import Type
from rescind.readers.casts import cast_whole, has_only
from rescind.readers.spelling import Spelling

pc: Any = compute  # its type hints know no constants

NARROWEST_FIRST = (Type.integer, Type.real, Type.boolean, Type.date, Type.timestamp)

#: How a real begins that would come out without its sign or its zeros.
_ALTERED_START = r"^([+]|-?0[0-9])"
#: What a program prints has a point or a sign in its exponent: 1e-05, 1.0E5, 1e+21. Without both it is a code.
_CODE = r"^[^.]*[eE][0-9]"
#: A double keeps 15 digits of any number, and 17 of those that were printed from one; an integer of 16 digits
#: or more was not.
_INEXACT_REAL = r"^-?[0-9]{16,}$|[1-9](\.?[0-9]){17,}"
_SURE_CHARACTERS = 15
_PRINTED_DIGITS = 17


#: Types that hold some values; None where there were none.
Holding: TypeAlias = tuple[Type, ...] | None


class Inference:
    """What one column may still be, after the values seen so far. `codes`: whether one may look like a number."""

    def __init__(self, spelling: Spelling, *, codes: bool = True) -> None:
        self._spelling = spelling
        self._codes = codes
        self._possible: tuple[Type, ...] = NARROWEST_FIRST
        self._seen = False

    def holding(self, text: pa.StringArray) -> Holding:
        """Which of the types still possible hold these values; None if all are null, which tells nothing.

        Changes nothing, so that several threads may ask at once.
        """
        values = text.drop_null() if text.null_count else text
        if not len(values):
            return None
        held: list[Type] = []
        for type_ in self._possible:
            # Short integers, which most columns of numbers are, are reals without a look at each.
            short = type_ is Type.real and Type.integer in held and _short(values)
            if short or holds(type_, values, self._spelling, codes=self._codes):
                held.append(type_)
        return tuple(held)

    def narrow(self, holding: Holding) -> None:
        """Take in what some values turned out to be."""
        if holding is not None:
            self._seen = True
            self._possible = tuple(type_ for type_ in self._possible if type_ in holding)

    @property
    def type(self) -> Type:
        return self._possible[0] if self._seen and self._possible else Type.text


def holds(type_: Type, values: pa.StringArray, spelling: Spelling, *, codes: bool = True) -> bool:
    """Whether all values, of which none is null, are of the type and come out as they stand; see Inference."""
    values = spelling.usual(values, type_)
    if type_ is Type.boolean and pc.min(pc.binary_length(values)).as_py() < len("true"):
        return False  # t and f are letters, 1 and 0 numbers
    typed = cast_whole(values, type_)
    if typed is None:
        return False
    match type_:
        case Type.integer:
            return bool(pc.cast(typed, pa.string()).equals(values))
        case Type.real:
            return _keeps_real(values) and not (codes and _any_code(values))
        case _:
            return True


def _keeps_real(values: pa.StringArray) -> bool:
    if pc.any(pc.match_substring_regex(values, _ALTERED_START)).as_py():
        return False
    if _short(values):
        return True
    # The pattern is slow, so it is for the few that it may be about.
    long = values.filter(pc.greater(pc.binary_length(values), _SURE_CHARACTERS))
    many = pc.greater(pc.binary_length(pc.ascii_ltrim(long, "-0.")), _PRINTED_DIGITS)
    doubtful = long.filter(pc.or_(many, pc.less(pc.find_substring(long, "."), 0)))
    return not pc.any(pc.match_substring_regex(doubtful, _INEXACT_REAL), min_count=0).as_py()


def _any_code(values: pa.StringArray) -> bool:
    if has_only(values, b"0123456789.+-"):  # far faster to see
        return False
    return bool(pc.any(pc.match_substring_regex(values, _CODE)).as_py())


def _short(values: pa.StringArray) -> bool:
    return bool(pc.max(pc.binary_length(values)).as_py() <= _SURE_CHARACTERS)
