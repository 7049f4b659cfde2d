"""NDJSON: a JSON object on each line. Lines end with LF or CRLF; empty ones are no records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rescind.readers.json_objects import Objects, bounded, record_too_long, without_mark
from rescind.readers.records import Readable

BLOCK_BYTES = 1024 * 1024
_LF = ord("\n")


def cut_lines(stream: Readable, max_record_bytes: int, /) -> Iterator[Objects]:
    """The file in pieces of whole lines. Raises RecordTooLong."""
    rest, offset = without_mark(stream, BLOCK_BYTES)
    fresh = b"\n"
    while fresh:
        fresh = stream.read(BLOCK_BYTES)
        data = rest + fresh
        end = data.rfind(b"\n") if fresh else len(data)
        if end >= 0:
            whole = data[:end]
            separators = np.flatnonzero(np.frombuffer(whole, np.uint8) == _LF)
            yield from bounded(Objects(whole, offset, separators, lines=True), max_record_bytes)
            rest, offset = data[end + 1 :], offset + end + 1
        else:
            rest = data
        if len(rest) > max_record_bytes:
            raise record_too_long(offset, max_record_bytes)
