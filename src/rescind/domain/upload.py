"""An upload as a value."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_NAME = 255  #: characters of a file's name


@dataclass(frozen=True)
class Upload:
    """Bytes at rest, received in full. `length` in bytes; `sha256` in hex, of the bytes as they were sent.

    The rest is what the client said of them: it is shown, and decides nothing.
    """

    id: str
    length: int
    sha256: str
    filename: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
