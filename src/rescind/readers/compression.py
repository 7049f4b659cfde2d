"""Compressed bytes to plain ones, a bounded piece at a time. What a file is, its first bytes say, not its name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

from rescind.errors import InputTruncated, InvalidInput
from rescind.readers.reader import Source

GZIP = "gzip"

_GZIP_MAGIC = b"\x1f\x8b"
_READ_BYTES = 1024 * 1024


def detect(path: Path) -> str | None:
    """`gzip` or None."""
    with path.open("rb") as file:
        return GZIP if file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC else None


class PlainStream:
    """The bytes of a file that is not compressed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.consumed = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        piece = self._file.read(size)
        self.consumed += len(piece)
        return piece

    def close(self) -> None:
        self._file.close()


class GzipStream:
    """The plain bytes of a gzip file of one or more members; `consumed` are the compressed ones read.

    Output is made only as it is asked for, so a small file that expands to terabytes costs no memory.
    """

    def __init__(self, file: BinaryIO, max_expanded_bytes: int) -> None:
        self._file = file
        self._limit = max_expanded_bytes
        self._member: zlib._Decompress | None = None
        self._pending = b""
        self._expanded = 0
        self.consumed = 0

    def read(self, size: int) -> bytes:
        """1 to `size` bytes; none at the end. Raises InputTruncated, and InvalidInput for what is not gzip."""
        while True:
            if not self._pending and not self._refill() and not self._flushing():
                return b""
            piece = self._expand(size)
            if piece:
                self._expanded += len(piece)
                if self._expanded > self._limit:
                    raise InvalidInput(f"The file expands to more than the limit of {self._limit} bytes.")
                return piece

    def close(self) -> None:
        self._file.close()

    def _refill(self) -> bool:
        self._pending = self._file.read(_READ_BYTES)
        self.consumed += len(self._pending)
        return bool(self._pending)

    def _flushing(self) -> bool:
        """At the end of the file. Raises InputTruncated in the middle of a member."""
        if self._member is not None:
            raise InputTruncated(f"The gzip stream ends too early, after {self.consumed} bytes.")
        return False

    def _expand(self, size: int) -> bytes:
        if self._member is None:
            self._member = zlib.decompressobj(wbits=31)
        try:
            piece = self._member.decompress(self._pending, size)
        except zlib.error as error:
            place = self.consumed - len(self._pending)
            raise InvalidInput(f"The file is not valid gzip after byte {place}: {error}.") from error
        self._pending = self._member.unconsumed_tail
        if self._member.eof:
            self._pending = self._member.unused_data.lstrip(b"\0")  # gzip pads to a block of a tape with zeros
            self._member = None
        return piece


ByteSource = PlainStream | GzipStream


def expand(source: Source) -> ByteSource:
    """The plain bytes of a source."""
    file = source.path.open("rb")
    if detect(source.path) == GZIP:
        return GzipStream(file, source.max_expanded_bytes)
    return PlainStream(file)
