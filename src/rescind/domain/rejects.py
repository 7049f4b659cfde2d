"""Rows that do not fit, and the catalogue of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KEPT = 1_000  #: rejects kept per attempt; all are counted
VALUE_CHARACTERS = 200  #: a longer value is cut in the reject


class Reason(StrEnum):
    """Why a row was rejected; `{…}` is filled in."""

    not_of_type = "not a valid {type}"
    out_of_range = "out of range for {type}"
    null = "no value, but the column does not allow NULL"
    too_few_fields = "{found} fields where {expected} are expected"
    too_many_fields = "more than the expected {expected} fields"
    quotes = "a quote is not closed or stands in the wrong place"
    encoding = "not valid UTF-8 at byte {byte} of the file"
    too_long = "longer than the limit of {limit} bytes"
    constraint = "breaks a constraint: {message}"


@dataclass(frozen=True)
class Reject:
    """One bad row. `record` counts from 1, the first after the header."""

    record: int
    column: str | None
    value: str | None
    reason: str

    def __str__(self) -> str:
        where = f"record {self.record}" + (f", column {self.column}" if self.column else "")
        value = "" if self.value is None else f" ({self.value!r})"
        return f"{where}: {self.reason}{value}"


def shorten(value: str) -> str:
    """The value as a reject shows it: at most VALUE_CHARACTERS characters."""
    return value if len(value) <= VALUE_CHARACTERS else value[: VALUE_CHARACTERS - 1] + "…"
