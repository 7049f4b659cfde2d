"""Text of a named encoding to UTF-8, strictly.

Which encoding a file has is never guessed: what others would make of a bad byte is only shown.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from rescind.errors import InvalidEncoding
from rescind.readers.options import UTF_8

_PIECE_BYTES = 1024 * 1024
_AROUND_BYTES = 20
#: The commonest of Western Europe, of Cyrillic, Japanese and Chinese.
_CANDIDATES = (UTF_8, "windows-1252", "windows-1251", "shift_jis", "gb18030")
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: What ends the text that is shown on either side of a bad byte.
_BOUND = re.compile(rb'[,;|"\0\t\r\n]')


@dataclass(frozen=True)
class BadByte:
    """A byte that is not of the encoding: its offset in the file (in plain bytes) and the bytes around it."""

    encoding: str
    offset: int
    byte: int
    around: bytes

    def told(self, where: str = "") -> str:
        """What is wrong, and what other encodings would make of it; `where` is the place in words."""
        place = f", {where}," if where else ""
        named = "UTF-8" if self.encoding == UTF_8 else self.encoding
        wrong = f"Byte {self.offset} of the file (0x{self.byte:02X}){place} is not {named}."
        if self.offset <= 1 and self.around.startswith(_UTF_16_MARKS):
            return f"{wrong} The file begins with the byte order mark of UTF-16: name it with encoding=utf-16."
        if readings := [f"{text!r} with encoding={encoding}" for encoding, text in self._readings()]:
            return f"{wrong} The place reads {', '.join(readings)}."
        return wrong

    def _readings(self) -> Iterator[tuple[str, str]]:
        own = codecs.lookup(self.encoding)
        for encoding in _CANDIDATES:
            try:
                text = self.around.decode(encoding)
            except UnicodeDecodeError:
                continue
            if text.isprintable() and codecs.lookup(encoding) != own:
                yield encoding, text


def bad_byte(encoding: str, data: bytes, position: int, offset: int) -> BadByte:
    """The byte at `position` of `data`, which begins at `offset` of the file."""
    before, after = data[max(position - _AROUND_BYTES, 0) : position], data[position : position + _AROUND_BYTES]
    around = _BOUND.split(before)[-1] + after[:1] + _BOUND.split(after[1:])[0]
    return BadByte(encoding, offset + position, data[position], around)


class Stream(Protocol):
    """The bytes of a file; `consumed` are those read so far, as it is stored."""

    @property
    def consumed(self) -> int: ...

    def read(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class Decoded:
    """A stream's text as UTF-8, whatever encoding it has; in memory is one piece of it."""

    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._offset = 0
        self._ready = b""

    @property
    def consumed(self) -> int:
        """See Stream; some of what was read is still to come."""
        return self._stream.consumed

    def read(self, size: int) -> bytes:
        """1 to `size` bytes of UTF-8; none at the end. Raises InvalidEncoding."""
        piece = b"more"
        while piece and not self._ready:
            piece = self._stream.read(_PIECE_BYTES)
            self._ready = self._decode(piece).encode()
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def close(self) -> None:
        """Of the stream too."""
        self._stream.close()

    def _decode(self, piece: bytes) -> str:
        pending = self._decoder.getstate()[0]
        try:
            text = self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            bad = bad_byte(self._encoding, error.object, error.start, self._offset - len(pending))
            raise InvalidEncoding(bad.told()) from error
        self._offset += len(piece)
        return text


def as_utf8(stream: Stream, encoding: str) -> Stream:
    """The stream as it is if it is said to be UTF-8, else decoded."""
    return stream if encoding == UTF_8 else Decoded(stream, encoding)
