"""What separates the fields of a delimited file, and what may stand around one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from rescind.readers.options import COMMA, QUOTE


@dataclass(frozen=True)
class Dialect:
    """One ASCII character each; `quote` is empty where nothing stands around fields."""

    delimiter: str = COMMA
    quote: str = QUOTE

    @cached_property
    def fields(self) -> re.Pattern[bytes]:
        """All fields of a record, without its line end, as far as they are well quoted."""
        separator, mark = (re.escape(character).encode() for character in (self.delimiter, self.quote))
        quoted = rb"%b[^%b]*+(?:%b%b[^%b]*+)*+%b|" % ((mark,) * 6) if mark else b""
        field = rb"(?:%b[^%b%b\r\n]*+)" % (quoted, mark, separator)
        return re.compile(rb"%b(?:%b%b)*+" % (field, separator, field))
