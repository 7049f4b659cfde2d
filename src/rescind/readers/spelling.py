"""How numbers, dates and times are spelled in a file, where that is not as Rescind's own rules have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import compute

from rescind.domain.schema import Type
from rescind.readers.date_format import DateFormat, date_format
from rescind.readers.options import Options

pc: Any = compute  # its type hints know no constants

_FRACTIONS = (Type.real, Type.decimal)
#: A comma becomes a point, and a point what stands in no number: in such a file it would part thousands.
_COMMA_TO_POINT = bytes.maketrans(b",.", b".?")
_LAST_OF_2000S = "68"
#: What a value becomes that is not in the form: nothing takes it.
_OF_NO_TYPE = "?"


@dataclass(frozen=True)
class Spelling:
    """`comma` stands before a number's fraction, if true; `dates` are as described, or ISO 8601 if None."""

    comma: bool = False
    dates: DateFormat | None = None

    @classmethod
    def of(cls, options: Options) -> Spelling:
        """As the options have it."""
        dates = None if options.date_format is None else date_format(options.date_format)
        return cls(options.decimal == ",", dates)

    def usual(self, text: pa.StringArray, type_: Type) -> pa.StringArray:
        """The values of a column of that type in the usual spelling, those that are wrongly spelled of no type."""
        if self.comma and type_ in _FRACTIONS:
            return _points(text)
        if self.dates is not None and type_ in self.dates.types:
            return _iso(text, self.dates)
        return text


def _points(text: pa.StringArray) -> pa.StringArray:
    validity, offsets, data = text.buffers()
    if offsets is None or data is None:
        return text
    points = pa.py_buffer(data.to_pybytes().translate(_COMMA_TO_POINT))
    return pa.StringArray.from_buffers(len(text), offsets, points, validity, text.null_count, text.offset)


def _iso(text: pa.StringArray, form: DateFormat) -> pa.StringArray:
    """The values in ISO 8601; one that is not in the form becomes one of no type."""
    found = pc.extract_regex(text, f"^{form.pattern}$")
    part = {field.name: pc.utf8_lpad(pc.struct_field(found, field.name), 2, "0") for field in found.type}
    if "f" in part:
        part["f"] = pc.struct_field(found, "f")
    if "y" in part:
        century = pc.if_else(pc.less_equal(part["y"], _LAST_OF_2000S), "20", "19")
        part["Y"] = _joined(century, part["y"], "")
    iso: Any = None
    for letter, before in (("Y", ""), ("m", "-"), ("d", "-"), ("H", " "), ("M", ":"), ("S", ":"), ("f", ".")):
        if letter in part:
            iso = part[letter] if iso is None else _joined(iso, part[letter], before)
    values: pa.StringArray = pc.if_else(pc.and_(text.is_valid(), found.is_null()), _OF_NO_TYPE, iso)
    return values


def _joined(first: Any, second: Any, between: str) -> Any:
    return pc.binary_join_element_wise(first, second, between)
