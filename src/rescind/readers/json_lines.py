"""NDJSON: a JSON object on each line. Lines end with LF or CRLF; empty ones are no records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rescind.readers.json_objects import Objects, record_too_long, without_mark
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
            yield from _whole(data[:end], offset, max_record_bytes)
            rest, offset = data[end + 1 :], offset + end + 1
        else:
            rest = data
        if len(rest) > max_record_bytes:
            raise record_too_long(offset, max_record_bytes)


def _whole(data: bytes, offset: int, limit: int) -> Iterator[Objects]:
    separators = np.flatnonzero(np.frombuffer(data, np.uint8) == _LF)
    starts = np.insert(separators + 1, 0, 0)
    longer = np.flatnonzero(np.append(separators, len(data)) - starts > limit)
    if not len(longer):
        if data.strip():
            yield Objects(data, offset, separators, lines=True)
        return
    start = int(starts[longer[0]])
    if start:
        yield Objects(data[: start - 1], offset, separators[: longer[0] - 1], lines=True)
    raise record_too_long(offset + start, limit)
