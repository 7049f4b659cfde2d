"""Compressed bytes to plain ones, a bounded piece at a time. What a file is, its first bytes say, not its name."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from backports import zstd

from rescind.errors import InputTruncated, InvalidInput
from rescind.readers.reader import OpenFile, Source

_READ_BYTES = 1024 * 1024
_MAGIC_BYTES = 10
#: What an xz stream may ask for: its strongest usual setting takes 65 MiB.
_XZ_MEMORY_BYTES = 100 * 1024 * 1024
#: What a zstd frame may look back to: 128 MiB, which the format's own tool does not exceed unless told to.
_ZSTD_WINDOW_LOG = 27

#: Of bzip2 the first block is looked at too, since its own mark is letters that a header may begin with.
_MAGIC = re.compile(
    rb"(?P<gzip>\x1f\x8b)"
    rb"|(?P<zstd>\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)"
    rb"|(?P<bzip2>BZh[1-9](?:1AY&SY|\x17rE8P\x90|(?:1(?:A(?:Y(?:&S?)?)?)?|\x17(?:r(?:E(?:8P?)?)?)?)?\Z))"
    rb"|(?P<xz>\xfd7zXZ\0)",
    re.DOTALL,
)


class Compression(StrEnum):
    """The word in messages too."""

    gzip = "gzip"
    zstd = "zstd"
    bzip2 = "bzip2"
    xz = "xz"


class Decompressor(Protocol):
    """One member, frame or stream, as the decompressors of Python's library take it apart."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Gzip:
    """Python's gzip decompressor with the interface of the others, which keep what they have not yet used."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._member.decompress(self._member.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._member.unconsumed_tail and not self.eof

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data


def _xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


def _zstd() -> Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


class _Method(NamedTuple):
    begin: Callable[[], Decompressor]
    padding: bytes  #: what may stand between two members and after the last


_METHODS = {
    Compression.gzip: _Method(_Gzip, b"\0"),  # a tape's block is filled up with zeros
    Compression.zstd: _Method(_zstd, b""),
    Compression.bzip2: _Method(bz2.BZ2Decompressor, b""),
    Compression.xz: _Method(_xz, b"\0"),
}
_ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError)  # bz2 raises OSError for what is none


def detect(path: Path) -> Compression | None:
    """How a file is compressed."""
    with path.open("rb") as file:
        found = _MAGIC.match(file.read(_MAGIC_BYTES))
    return Compression(str(found.lastgroup)) if found else None


class PlainStream:
    """The bytes of a file that is not compressed."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self.consumed = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        piece = self._file.read(size)
        self.consumed += len(piece)
        return piece

    def close(self) -> None:
        self._file.close()


class ExpandedStream:
    """The plain bytes of a compressed file of one or more members; `consumed` are the compressed ones read.

    Output is made only as it is asked for, so a small file that expands to terabytes costs no memory.
    """

    def __init__(self, file: OpenFile, compression: Compression, max_expanded_bytes: int) -> None:
        self._file = file
        self._compression = compression
        self._method = _METHODS[compression]
        self._limit = max_expanded_bytes
        self._member: Decompressor | None = None
        self._pending = b""
        self._expanded = 0
        self.consumed = 0

    def read(self, size: int) -> bytes:
        """1 to `size` bytes; none at the end. Raises InputTruncated, and InvalidInput for what is not so compressed."""
        while self._filled():
            if piece := self._expand(size):
                self._expanded += len(piece)
                if self._expanded > self._limit:
                    raise InvalidInput(f"The file expands to more than the limit of {self._limit} bytes.")
                return piece
        return b""

    def close(self) -> None:
        self._file.close()

    def _filled(self) -> bool:
        """Whether there is something to expand. Raises InputTruncated at the file's end inside of a member."""
        if self._pending or (self._member is not None and not self._member.needs_input):
            return True
        self._pending = self._file.read(_READ_BYTES)
        self.consumed += len(self._pending)
        if not self._pending and self._member is not None:
            raise InputTruncated(f"The {self._compression} stream ends too early, after {self.consumed} bytes.")
        return bool(self._pending)

    def _expand(self, size: int) -> bytes:
        if self._member is None:
            self._pending = self._pending.lstrip(self._method.padding)
            if not self._pending:
                return b""
            self._member = self._method.begin()
        place = self.consumed - len(self._pending)
        try:
            piece = self._member.decompress(self._pending, size)
        except _ERRORS as error:
            raise InvalidInput(f"The file is not valid {self._compression} after byte {place}: {error}.") from error
        self._pending = b""
        if self._member.eof:
            self._pending = self._member.unused_data
            self._member = None
        return piece


ByteSource = PlainStream | ExpandedStream


def expand(source: Source) -> ByteSource:
    """The plain bytes of a source."""
    compression = detect(source.path)
    file = source.open(source.path)
    if compression is not None:
        return ExpandedStream(file, compression, source.max_expanded_bytes)
    return PlainStream(file)
