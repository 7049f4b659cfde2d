"""What a person may say of a file; what is not said is found out, or is the format's usual."""

from __future__ import annotations

import codecs
import io
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from rescind.errors import InvalidArguments
from rescind.readers.date_format import date_format

MOST_NULLS = 20
COMMA = ","
QUOTE = '"'
UTF_8 = "utf-8"

_TAB_WORDS = ("tab", r"\t")  #: a tab is hard to type
#: Codecs of Python's that are no encodings of files: they would take text for escapes, or text without a state.
_NO_ENCODINGS = ("idna", "punycode", "raw_unicode_escape", "unicode_escape", "utf-7", "undefined", "mbcs", "oem")


class Format(StrEnum):
    """A file's format; the word in the API too."""

    csv = "csv"
    tsv = "tsv"
    ndjson = "ndjson"
    json = "json"  #: one array of objects
    parquet = "parquet"
    arrow = "arrow"  #: IPC, file or stream
    xlsx = "xlsx"
    ods = "ods"


_OF_TEXT = frozenset({"header", "quote", "decimal", "date_format", "encoding", "null"})
_OF_SHEETS = frozenset({"header", "sheet"})

#: The options that each format has; a format that is not here has none.
OPTIONS_OF: dict[Format, frozenset[str]] = {
    Format.csv: _OF_TEXT | {"delimiter"},
    Format.tsv: _OF_TEXT,
    Format.xlsx: _OF_SHEETS,
    Format.ods: _OF_SHEETS,
}


def _tab(value: object) -> object:
    return "\t" if value in _TAB_WORDS else value


def _mark(value: str) -> str:
    if len(value) != 1 or not value.isascii() or value in ("\r", "\n", "\0"):
        raise ValueError("one ASCII character that ends no line is expected")
    return value


def _mark_or_none(value: str) -> str:
    return value and _mark(value)


def _date_format(text: str) -> str:
    date_format(text)
    return text


def known_encoding(name: str) -> str:
    """The name as it was given; UTF-8 has one, whether a byte order mark is spoken of or not. Raises ValueError."""
    try:
        io.TextIOWrapper(io.BytesIO(), name)  # refuses the codecs that make bytes of bytes
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = None
    if found is None or found in _NO_ENCODINGS:
        raise ValueError(f"there is no encoding {name!r}; there are utf-8, utf-16, windows-1252, iso-8859-1 and others")
    return UTF_8 if found in (UTF_8, "utf-8-sig") else name


def _listed(value: object) -> object:
    return value.split(COMMA) if isinstance(value, str) else value


#: A list, or in a query string and on the command line its members separated by commas.
Nulls = Annotated[
    tuple[Annotated[str, Field(max_length=100)], ...],
    BeforeValidator(_listed),
    Field(max_length=MOST_NULLS, strict=False),
]


class Options(BaseModel):
    """How to read. A choice that the file's format does not have is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format | None = Field(None, description="What the file is; otherwise its content tells, then its name.")
    header: bool = Field(
        True,
        description="Whether the first record of a CSV, TSV or spreadsheet names the columns; if not they are "
        "column1, column2 and so on.",
    )
    delimiter: Annotated[str, BeforeValidator(_tab), AfterValidator(_mark)] | None = Field(
        None,
        description="What separates the fields of a CSV: one ASCII character, or the word tab; a comma if nothing is "
        "said.",
    )
    quote: Annotated[str, AfterValidator(_mark_or_none)] | None = Field(
        None,
        description="What stands around a field of a CSV that holds delimiters: one ASCII character; empty for "
        "nothing.",
    )
    decimal: Literal[".", ","] = Field(".", description="What stands before a number's fraction in text.")
    date_format: Annotated[str, Field(max_length=50), AfterValidator(_date_format)] | None = Field(
        None,
        description="How dates and times stand in text, as %d.%m.%Y or %m/%d/%y %H:%M:%S; ISO 8601 if nothing is said.",
    )
    encoding: Annotated[str, Field(max_length=40), AfterValidator(known_encoding)] | None = Field(
        None,
        description="The encoding of text, as windows-1252; it is never guessed. If nothing is said it is the charset "
        "of the file's Content-Type, or UTF-8.",
    )
    null: Nulls | None = Field(None, description="Unquoted spellings of NULL in text, instead of nothing and NA.")
    sheet: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="Which sheet of a spreadsheet; otherwise the first."
    )

    @property
    def text_encoding(self) -> str:
        return self.encoding or UTF_8

    @property
    def chosen(self) -> frozenset[str]:
        """Names of the options, `format` apart, that are not left as they are if nothing is said."""
        fields = type(self).model_fields
        return frozenset(n for n, field in fields.items() if n != "format" and getattr(self, n) != field.default)

    def refuse_foreign(self, format_: Format) -> None:
        """Raise InvalidArguments for a choice that files of this format do not have."""
        # All text is UTF-8 in the formats that have no such option: to say so is no mistake.
        as_usual = frozenset({"encoding"} if self.encoding == UTF_8 else ())
        if foreign := sorted(self.chosen - as_usual - OPTIONS_OF.get(format_, frozenset())):
            listed = " and ".join(foreign)
            raise InvalidArguments(
                f"A file in the format {format_} has no option {listed}.",
                [{"name": name, "message": f"not an option of {format_}"} for name in foreign],
            )


NOTHING_SAID = Options()
