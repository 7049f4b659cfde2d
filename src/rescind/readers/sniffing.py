"""What a delimited file looks like, told with the reason; a load takes none of it unless it is said so."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
from pyarrow import compute

from rescind.domain.schema import Type
from rescind.readers.date_format import date_format
from rescind.readers.dialect import Dialect
from rescind.readers.header import DELIMITERS
from rescind.readers.inference import holds
from rescind.readers.spelling import Spelling

LINES = 100  #: looked at for the delimiter
_ALIKE = 0.9  #: share of lines that have as many fields as the first, where a character separates them

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
#: A comma that may well part thousands tells nothing of fractions.
_THOUSANDS = r"^-?[0-9]{1,3}(,[0-9]{3})+$"
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f")


class Proposal(NamedTuple):
    """An option that the file seems to need, and why."""

    option: str
    value: str
    reason: str


def encoding(head: bytes) -> Proposal | None:
    """By a byte order mark, which is no guess."""
    if head.startswith(_UTF_32_MARKS):
        return Proposal("encoding", "utf-32", "The file begins with the byte order mark of UTF-32.")
    if head.startswith(_UTF_16_MARKS):
        return Proposal("encoding", "utf-16", "The file begins with the byte order mark of UTF-16.")
    return None


def delimiter(head: bytes, usual: Dialect, *, whole: bool) -> Proposal | None:
    """Another one than usual, by its number in each of the first lines. `whole`: `head` is all of the file."""
    mark = re.escape(usual.quote.encode())
    bare = re.sub(mark + b"[^" + mark + b"]*" + mark, b"", head) if mark else head
    lines = [line for line in bare.splitlines()[: None if whole else -1] if line][:LINES]
    widths = {other: [line.count(other.encode()) + 1 for line in lines] for other in {*DELIMITERS, usual.delimiter}}
    plausible = [other for other, counts in widths.items() if _alike(counts)]
    if not plausible or usual.delimiter in plausible:
        return None
    best = max(plausible, key=lambda other: (widths[other][0], other))
    width = widths[best][0]
    reason = f"{widths[best].count(width)} of the first {len(lines)} lines have {width} fields if {{}} separates them."
    return Proposal("delimiter", "tab" if best == "\t" else best, reason.format(DELIMITERS[best]))


def decimal(name: str, text: pa.StringArray) -> Proposal | None:
    """A comma before fractions, if all values of a column of text are numbers then."""
    pc = compute
    commas = text.filter(pc.match_substring(text, ","))
    if not len(commas) or pc.all(pc.match_substring_regex(commas, _THOUSANDS)).as_py():
        return None
    if not holds(Type.real, text, Spelling(comma=True)):
        return None
    return Proposal("decimal", ",", f"All values of {name!r} are numbers if a comma stands before the fraction.")


def dates(name: str, text: pa.StringArray) -> Proposal | None:
    """The one form in which all values of a column of text are dates or times; none if there are several."""
    first = text[0].as_py()
    forms = [day + clock for day in _DAYS for clock in _CLOCKS if re.fullmatch(date_format(day + clock).pattern, first)]
    fitting = [form for form in forms if _in_form(form, text)]
    if len(fitting) != 1:
        return None
    return Proposal("date_format", fitting[0], f"All values of {name!r} are dates in this form, and in no other.")


def _alike(counts: Sequence[int]) -> bool:
    return bool(counts) and counts[0] > 1 and counts.count(counts[0]) >= _ALIKE * len(counts)


def _in_form(form: str, text: pa.StringArray) -> bool:
    spelling = Spelling(dates=date_format(form))
    return any(holds(type_, text, spelling) for type_ in date_format(form).types)
