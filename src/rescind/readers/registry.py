"""Which parser reads which file."""

from __future__ import annotations

from collections.abc import Callable

from rescind.errors import InputChanged
from rescind.pipeline import Check
from rescind.readers.arrow import ArrowReader
from rescind.readers.delimited import DelimitedReader
from rescind.readers.detection import detect
from rescind.readers.json_array import cut_elements
from rescind.readers.json_lines import cut_lines
from rescind.readers.json_objects import JsonReader
from rescind.readers.options import Format
from rescind.readers.parquet import ParquetReader
from rescind.readers.reader import Reader, Source
from rescind.readers.spreadsheet import SpreadsheetReader


def open_reader(source: Source, check: Check | None = None) -> Reader:
    """A reader of the source, header checked.

    With `check`, which is called at least every 250 ms and may raise, as much of the file is read as the header
    takes. Without it an answer is waited for: of JSON only the first bytes are read.

    Raises InvalidInput in one of its kinds; InputChanged if the file is not there; InvalidArguments for options that
    the format does not have.
    """
    try:
        format_ = detect(source)
        source.options.refuse_foreign(format_)
        return _READERS[format_](source, format_, check)
    except FileNotFoundError as error:
        raise InputChanged("The bytes of the upload are gone.") from error


def _delimited(source: Source, format_: Format, check: Check | None) -> Reader:
    return DelimitedReader(source, format_)


def _lines(source: Source, format_: Format, check: Check | None) -> Reader:
    return JsonReader(source, cut_lines, check)


def _array(source: Source, format_: Format, check: Check | None) -> Reader:
    return JsonReader(source, cut_elements, check)


def _parquet(source: Source, format_: Format, check: Check | None) -> Reader:
    return ParquetReader(source)


def _arrow(source: Source, format_: Format, check: Check | None) -> Reader:
    return ArrowReader(source)


def _spreadsheet(source: Source, format_: Format, check: Check | None) -> Reader:
    return SpreadsheetReader(source, format_, check)


_READERS: dict[Format, Callable[[Source, Format, Check | None], Reader]] = {
    Format.csv: _delimited,
    Format.tsv: _delimited,
    Format.ndjson: _lines,
    Format.json: _array,
    Format.parquet: _parquet,
    Format.arrow: _arrow,
    Format.xlsx: _spreadsheet,
    Format.ods: _spreadsheet,
}
