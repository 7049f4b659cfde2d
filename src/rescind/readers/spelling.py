"""How numbers, dates and times are spelled in a file, where that is not as Rescind's own rules have it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from rescind.domain.schema import Type
from rescind.readers.date_format import DateFormat, date_format
from rescind.readers.options import Options

_FRACTIONS = (Type.real, Type.decimal)
#: A comma becomes a point, and a point what stands in no number: in such a file it would part thousands.
_COMMA_TO_POINT = bytes.maketrans(b",.", b".?")


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
            return self.dates.iso(text)
        return text


def _points(text: pa.StringArray) -> pa.StringArray:
    validity, offsets, data = text.buffers()
    if offsets is None or data is None:
        return text
    points = pa.py_buffer(data.to_pybytes().translate(_COMMA_TO_POINT))
    return pa.StringArray.from_buffers(len(text), offsets, points, validity, text.null_count, text.offset)
