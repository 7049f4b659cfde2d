"""Bytes in pieces, measured on the way: length and SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Protocol

#: 64 KiB pieces make receiving five times slower; larger ones gain nothing.
PIECE_BYTES = 1024 * 1024


class ByteStream(Protocol):
    """What bytes can be read from: a request's body, a file."""

    def read(self, size: int, /) -> bytes: ...


class Measure:
    """Length (bytes) and SHA-256 (hex) of all pieces added so far."""

    def __init__(self) -> None:
        self.length = 0
        self._sha256 = hashlib.sha256()

    def add(self, piece: bytes | memoryview) -> None:
        self.length += len(piece)
        self._sha256.update(piece)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


def pieces(stream: ByteStream) -> Iterator[bytes]:
    """All bytes of the stream; each piece is 1 to PIECE_BYTES long."""
    while piece := stream.read(PIECE_BYTES):
        yield piece
