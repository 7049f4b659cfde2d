r"""Rows as CSV. NULL is an empty field and an empty text is `""`, as `load` reads them.

Bytes are `\x` and hexadecimal digits; a column of JSON is its text.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import compute, csv

from rescind.domain import decimals
from rescind.domain.schema import Column, Type

CRLF = "\r\n"  #: the line end of RFC 4180

pc: Any = compute  #: its type hints know no constants
_write_options: Any = csv.WriteOptions  #: nor the line end

#: A field that begins so is a formula to a spreadsheet, or may become one when the program has cut off what is before.
_FORMULA = "^[=+\\-@\t\r]"
_PLAIN = "'"  #: what a spreadsheet takes for "this is text"


def csv_document(
    columns: Sequence[Column], batches: Iterable[pa.RecordBatch], *, line_end: str = "\n", spreadsheet: bool = False
) -> Iterator[bytes]:
    """A header and all rows. With `spreadsheet` a text that would be a formula to such a program has a quote before it.

    Then it is not what the table holds any more, and whoever loads it loads the quotes too.
    """
    names = pa.array([column.name for column in columns], pa.string())
    yield _head((_escaped(names) if spreadsheet else names).to_pylist(), line_end)
    options = _write_options(include_header=False, eol=line_end)  # text in quotes, NULL without: they stay apart
    for batch in batches:
        text = io.BytesIO()
        arrays = [_printable(values) for values in batch.columns]
        if spreadsheet:
            arrays = [_harmless(values, column) for values, column in zip(arrays, columns, strict=True)]
        # Two columns' names may not differ for Arrow, and nobody sees them.
        csv.write_csv(pa.RecordBatch.from_arrays(arrays, names=list(map(str, range(len(arrays))))), text, options)
        yield text.getvalue()


def _head(names: Sequence[str | None], line_end: str) -> bytes:
    quoted = ('"' + (name or "").replace('"', '""') + '"' for name in names)
    return (",".join(quoted) + line_end).encode()


def _printable(values: pa.Array[Any]) -> pa.Array[Any]:
    if not pa.types.is_binary(values.type):
        return values
    return pa.array([None if value is None else rf"\x{value.hex()}" for value in values.to_pylist()], pa.string())


def _harmless(values: pa.Array[Any], column: Column) -> pa.Array[Any]:
    """Numbers, times and truths are no text, and stay; a decimal travels as text and is a number all the same."""
    if not pa.types.is_string(values.type):
        return values
    if column.type is Type.decimal:
        number = pc.match_substring_regex(values, f"^{decimals.PLAIN}$")
        return pc.if_else(number, values, _escaped(values))  # type: ignore[no-any-return]
    return _escaped(values)


def _escaped(values: pa.Array[Any]) -> pa.Array[Any]:
    formula = pc.match_substring_regex(values, _FORMULA)
    escaped: pa.Array[Any] = pc.if_else(formula, pc.binary_join_element_wise(_PLAIN, values, ""), values)
    return escaped
