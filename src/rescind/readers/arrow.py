"""Arrow IPC: the file format, which is Feather's second version too, and the stream format.

The file is mapped into memory and its rows are taken where they are, so that its batches may be of any size; only
compressed ones are bounded, because each has to be expanded as a whole.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute, types

from rescind.domain.schema import Column
from rescind.errors import InputTruncated, InvalidInput
from rescind.pipeline import Check
from rescind.readers.arrow_messages import FILE_HEAD_BYTES, FILE_MAGIC, Kind, Message, messages
from rescind.readers.arrow_types import inferred
from rescind.readers.fitting import ArrowPiece, Given, fit, require_valid
from rescind.readers.header import check_names
from rescind.readers.piecewise import PiecewiseReader
from rescind.readers.reader import InputField, Rows, Source

pc: Any = compute  #: its type hints know no types that are chosen at run time

MIB = 1024 * 1024
#: Of one compressed batch, expanded; and of all dictionaries.
MAX_BATCH_BYTES = 128 * MIB
_PIECE_ROWS = 65_536
_PIECE_BYTES = 16 * MIB
_FORGET_BYTES = 64 * MIB  #: so much of the file is kept in memory at most, once it was read


class ArrowReader(PiecewiseReader[ArrowPiece]):
    """An Arrow IPC file. Only its schema is read at once. Raises InvalidInput, InputTruncated, InvalidHeader."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        with self._mapped() as file:
            _require_schema(file)
            self._schema = _stream(file).schema
            self.header = tuple(self._schema.names)  # raises where they are not UTF-8
        check_names(self.header)

    def infer(self, check: Check) -> tuple[Column, ...]:
        """The types that the file declares."""
        return tuple(map(inferred, self._schema))

    def _fit(self, piece: ArrowPiece, fields: Sequence[InputField], keep: int | None) -> tuple[int, Rows]:
        require_valid(piece.batch, piece.first)
        given = [Given(field.column, piece.batch.column(field.name)) for field in fields]
        return piece.batch.num_rows, fit(given, np.arange(piece.batch.num_rows) + 1, keep)

    def _pieces(self, names: Sequence[str], check: Check) -> Iterator[ArrowPiece]:
        for name in names:
            inferred(self._schema.field(name))  # refuses what is nested
        with self._mapped() as file:
            done = forgotten = 0
            for batch, end in self._batches(file, check):
                begin = self._bytes_read
                wanted = batch.select(list(names))
                for rows in _bounded(wanted):
                    yield ArrowPiece(rows, done + 1)
                    done += rows.num_rows
                    self._bytes_read += (end - begin) * rows.num_rows // batch.num_rows
                    if self._bytes_read - forgotten > _FORGET_BYTES:
                        file.madvise(mmap.MADV_DONTNEED)
                        forgotten = self._bytes_read
                self._bytes_read = end
            self._bytes_read = len(file)

    def _batches(self, file: mmap.mmap, check: Check) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Each batch that has rows, and where in the file it ends."""
        stream = _stream(file)
        dictionaries: dict[int, int] = {}
        expanded = 0
        for message in messages(file):
            check()
            if message.kind == Kind.dictionary:
                before = dictionaries.get(message.dictionary, 0) if message.delta else 0
                dictionaries[message.dictionary] = before + message.expanded
            _require_small(message, sum(dictionaries.values()))
            if message.kind == Kind.records:
                batch = stream.read_next_batch()
                expanded += message.expanded
                if expanded > self._source.max_expanded_bytes:
                    limit = self._source.max_expanded_bytes
                    raise InvalidInput(f"The file expands to more than the limit of {limit} bytes.")
                if batch.num_rows:
                    yield batch, message.end

    @contextmanager
    def _mapped(self) -> Iterator[mmap.mmap]:
        try:
            with self._source.path.open("rb") as opened:
                # It is closed when the last batch that points into it is gone.
                yield mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
            raise InvalidInput(f"The file is not valid Arrow IPC: {error}.") from error


def _stream(file: mmap.mmap) -> pa.RecordBatchStreamReader:
    data = pa.py_buffer(file)
    return pa.ipc.open_stream(data.slice(FILE_HEAD_BYTES) if file[: len(FILE_MAGIC)] == FILE_MAGIC else data)


def _require_schema(file: mmap.mmap) -> None:
    first = next(messages(file), None)
    if first is None or first.kind != Kind.schema:
        raise InputTruncated("The Arrow file ends before its schema.")


def _require_small(message: Message, dictionaries: int) -> None:
    if dictionaries > MAX_BATCH_BYTES:
        what = "dictionaries of the Arrow file take"
    elif message.expanded > MAX_BATCH_BYTES:
        what = f"compressed batch that ends at byte {message.end} of the Arrow file takes"
    else:
        return
    raise InvalidInput(
        f"The {what} {max(dictionaries, message.expanded)} bytes of memory, more than the limit of "
        f"{MAX_BATCH_BYTES}: write it with smaller batches, or without compression."
    )


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces that take a bounded memory even where dictionaries and views are spelled out."""
    for start in range(0, batch.num_rows, _PIECE_ROWS):
        yield from _halved(batch.slice(start, _PIECE_ROWS))


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    half = batch.num_rows // 2
    if not half or sum(map(_spelled_out, batch.columns)) <= _PIECE_BYTES:
        yield batch
    else:
        yield from _halved(batch.slice(0, half))
        yield from _halved(batch.slice(half))


def _spelled_out(values: Any) -> int:
    """How many bytes the values take without dictionary and views."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _spelled_out(values.storage)
    if types.is_dictionary(kind):
        return int(pc.sum(_lengths(values.dictionary).take(values.indices)).as_py() or 0)
    return int(pc.sum(_lengths(values)).as_py() or 0)


def _lengths(values: Any) -> Any:
    kind = values.type
    if types.is_string_view(kind) or types.is_binary_view(kind):
        # Each view is 16 bytes and begins with the value's length.
        lengths = np.frombuffer(values.buffers()[1], np.int32)[::4]
        return pa.array(lengths[values.offset : values.offset + len(values)])
    if types.is_string(kind) or types.is_binary(kind) or types.is_large_string(kind) or types.is_large_binary(kind):
        return pc.binary_length(values)
    width = 0 if types.is_null(kind) else kind.bit_width // 8 + 1
    return pa.array(np.full(len(values), width, np.int32))
