"""Arrow batches as the text that COPY takes, for what has no binary form here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from pyarrow import compute

from rescind.domain.arrow import conform
from rescind.domain.schema import Column
from rescind.targets.postgresql.binary import VALUES_PER_PIECE

pc: Any = compute  #: its type hints know no constants
Values: TypeAlias = "pa.Array[Any]"

_AS_TEXT = pacsv.WriteOptions(include_header=False)  # text in quotes, NULL without: the two stay apart
_HEX = np.frombuffer(b"".join(b"%02x" % n for n in range(256)), np.uint16)
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'


def pieces(batch: pa.RecordBatch, columns: Sequence[Column]) -> Iterator[bytes]:
    """The batch as CSV, some rows at a time; its columns are those."""
    step = max(1, VALUES_PER_PIECE // len(columns))
    for start in range(0, batch.num_rows, step):
        part = batch.slice(start, step)
        arrays = [_sendable(conform(values, c.type)) for values, c in zip(part.columns, columns, strict=True)]
        sink = pa.BufferOutputStream()
        pacsv.write_csv(pa.RecordBatch.from_arrays(arrays, names=part.schema.names), sink, _AS_TEXT)
        yield sink.getvalue().to_pybytes()


def row_of_line(csv: Iterable[bytes], line: int) -> int:
    """The row, from 0, that COPY means by a line, from 1: a line of the text, and text in quotes may have several.

    In the first row it takes carriage returns for the ends of lines, not knowing yet which of them is one.
    """
    first_row, lines = 0, 0
    for piece in csv:
        octets = np.frombuffer(piece, np.uint8)
        quoted = np.cumsum(octets == _QUOTE) % 2 == 1
        ends = np.flatnonzero((octets == _NEWLINE) & ~quoted)
        inner = np.cumsum((octets == _NEWLINE) & quoted)[ends]
        if not first_row and len(ends):
            inner = inner - inner[0] + np.count_nonzero(octets[: ends[0]] == _RETURN)
        last_lines = lines + inner + np.arange(1, len(ends) + 1)
        if len(ends) and line <= last_lines[-1]:
            return first_row + int(np.searchsorted(last_lines, line))
        first_row, lines = first_row + len(ends), int(last_lines[-1]) if len(ends) else lines
    return first_row


def _sendable(values: Values) -> Values:
    return _hexadecimal(values) if pa.types.is_binary(values.type) else values


def _hexadecimal(values: Values) -> Values:
    """Binary as a backslash, an x and hexadecimal digits, the form that is read back too."""
    _, offsets, data = values.buffers()
    assert offsets is not None
    bounds = np.frombuffer(memoryview(offsets), np.int32)[values.offset : values.offset + len(values) + 1]
    octets = np.frombuffer(memoryview(data or b""), np.uint8)[bounds[0] : bounds[-1]]
    digits = pa.LargeStringArray.from_buffers(
        len(values), pa.py_buffer((bounds.astype(np.int64) - bounds[0]) * 2), pa.py_buffer(_HEX[octets].tobytes())
    )
    sent: Values = pc.binary_join_element_wise(
        pa.scalar("\\x", pa.large_string()), digits, pa.scalar("", pa.large_string())
    )
    if values.null_count:
        sent = pc.if_else(values.is_valid(), sent, None)
    return sent
