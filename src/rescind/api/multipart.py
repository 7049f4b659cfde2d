"""The one file of a `multipart/form-data` body, read as it arrives: nothing of it is held or spooled."""

from __future__ import annotations

from werkzeug.exceptions import BadRequest, UnprocessableEntity
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from rescind.errors import UploadIncomplete
from rescind.uploads.digest import PIECE_BYTES, ByteStream

PART = "file"  #: the name of the only part


class FilePart:
    """The bytes of the part `file`, and its name and type as the client gave them.

    Raises UploadIncomplete where the body ends before its last boundary, UnprocessableEntity where there is
    another part or none.
    """

    def __init__(self, body: ByteStream, boundary: str) -> None:
        self._body = body
        self._decoder = MultipartDecoder(boundary.encode("ascii"), max_form_memory_size=4 * PIECE_BYTES)
        self._ended = False
        start = self._next()
        if isinstance(start, Epilogue):
            raise UnprocessableEntity(f"The form has no file; send it as the part {PART!r}.")
        if not isinstance(start, File) or start.name != PART:
            raise _only_one_file()
        self.filename = start.filename
        self.content_type = start.headers.get("Content-Type")

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes: as they come, whatever the size asked for; b"" when the whole body has been read."""
        while not self._ended:
            event = self._next()
            if isinstance(event, Epilogue):
                self._ended = True
            elif not isinstance(event, Data):
                raise _only_one_file()
            elif event.data:
                return bytes(event.data)
        return b""

    def _next(self) -> Event:
        while True:
            try:
                event = self._decoder.next_event()
            except ValueError as error:
                if self._decoder.complete:
                    raise UploadIncomplete("The form ends before its last boundary.") from None
                raise BadRequest(f"The form is malformed: {error}.") from None
            if isinstance(event, Field | File | Data | Epilogue):
                return event
            if isinstance(event, NeedData):
                self._decoder.receive_data(self._body.read(PIECE_BYTES) or None)


def _only_one_file() -> UnprocessableEntity:
    return UnprocessableEntity(f"The form may have nothing but one file, as the part {PART!r}.")
