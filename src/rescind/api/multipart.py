"""The one file of a `multipart/form-data` body, read as it arrives: nothing of it is held or spooled.

Werkzeug's decoder is not used: where a piece of the body ends inside the last boundary, it takes the line break
before the boundary for a byte of the file.
"""

from __future__ import annotations

from werkzeug.exceptions import BadRequest, UnprocessableEntity
from werkzeug.http import parse_options_header

from rescind.errors import UploadIncomplete
from rescind.uploads.digest import PIECE_BYTES, ByteStream

PART = "file"  #: the name of the only part
MOST_HEADER_BYTES = 16 * 1024

_BREAK = b"\r\n"


class FilePart:
    """The bytes of the part `file`, and its name and type as the client gave them (RFC 7578).

    Raises UploadIncomplete where the body ends before its last boundary, UnprocessableEntity where there is
    another part or none, BadRequest where it is no form.
    """

    def __init__(self, body: ByteStream, boundary: str) -> None:
        self._body = body
        self._boundary = b"--" + boundary.encode("ascii")
        self._delimiter = _BREAK + self._boundary
        self._buffer = bytearray()
        self._ended = False
        self._open()
        self.filename, self.content_type = self._headers()

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes: as they come, whatever the size asked for; b"" when the whole body has been read."""
        while not self._ended:
            at = self._buffer.find(self._delimiter)
            # Until the delimiter has arrived in full, its first bytes may be the last ones here.
            certain = at if at >= 0 else len(self._buffer) - len(self._delimiter) + 1
            if certain > 0:
                return self._take(certain)
            if at == 0:
                self._close()
            else:
                self._fill()
        return b""

    def _open(self) -> None:
        self._need(len(self._boundary) + 2)
        opening = self._take(len(self._boundary) + 2)
        if opening == self._boundary + b"--":
            raise UnprocessableEntity(f"The form has no file; send it as the part {PART!r}.")
        if opening != self._boundary + _BREAK:
            raise BadRequest("The body does not begin with the boundary that its Content-Type names.")

    def _headers(self) -> tuple[str | None, str | None]:
        while (end := self._buffer.find(_BREAK * 2)) < 0:
            if len(self._buffer) > MOST_HEADER_BYTES:
                raise BadRequest("The headers of the form's part are too long.")
            self._fill()
        try:
            lines = self._take(end).decode().split("\r\n")
        except UnicodeDecodeError:
            raise BadRequest("The headers of the form's part are not UTF-8.") from None
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        _, options = parse_options_header(headers.get("content-disposition"))
        if options.get("name") != PART or "filename" not in options:
            raise _only_one_file()
        self._take(len(_BREAK * 2))
        return options["filename"], headers.get("content-type")

    def _close(self) -> None:
        """See that this was the last boundary, and read to the body's end."""
        self._need(len(self._delimiter) + 2)
        ending = self._take(len(self._delimiter) + 2)[-2:]
        if ending != b"--":
            raise _only_one_file() if ending == _BREAK else BadRequest("The form's boundary stands inside its file.")
        self._buffer.clear()
        while self._body.read(PIECE_BYTES):
            pass
        self._ended = True

    def _need(self, length: int) -> None:
        while len(self._buffer) < length:
            self._fill()

    def _fill(self) -> None:
        piece = self._body.read(PIECE_BYTES)
        if not piece:
            raise UploadIncomplete("The form ends before its last boundary.")
        self._buffer += piece

    def _take(self, length: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:length])
        del self._buffer[:length]
        return taken


def _only_one_file() -> UnprocessableEntity:
    return UnprocessableEntity(f"The form may have nothing but one file, as the part {PART!r}.")
