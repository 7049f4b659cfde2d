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
    not_object = "not a JSON object: {message}"
    nested = "an object or an array, which only a column of JSON can hold"
    base64 = "not base64, which bytes are in JSON"
    sheet_error = "the cell shows the error {error}"
    too_small = "less than {limit}, the least that the column holds"
    too_great = "more than {limit}, the greatest that the column holds"
    digits = "more than the {limit} digits that the column holds"
    whole_digits = "more than the {limit} digits before the point that the column holds"
    scale = "more than the {limit} digits after the point that the column holds"
    characters = "longer than the {limit} characters that the column holds"
    bytes = "longer than the {limit} bytes that the column holds"
    nul = "holds U+0000, which the database cannot store"
    codec = "holds a character that is not in {codec}, the column's encoding"
    number = "a number that the column would keep as another"
    not_listed = "not one of the column's values: {values}"
    not_finite = "neither NaN nor an infinity can be stored"
    constraint = "breaks a constraint: {message}"


@dataclass(frozen=True, slots=True)
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
