"""A request's body as an upload: the body itself, or the part `file` of a form."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from flask import request
from werkzeug.exceptions import BadRequest, ClientDisconnected, UnsupportedMediaType

from rescind.api.multipart import FilePart
from rescind.api.problems import Refusal
from rescind.api.services import services
from rescind.domain.upload import Upload
from rescind.errors import LedgerUnavailable, RescindError, UploadIncomplete
from rescind.readers import media
from rescind.readers.media import ANY_TYPES, MEDIA_TYPES, NAMES
from rescind.uploads.digest import Measure

MULTIPART = "multipart/form-data"
#: What a client may say of the bytes: the content decides in the end. An unnamed body is accepted as well.
TYPES = ("", *MEDIA_TYPES, *ANY_TYPES)
ENCODINGS = ("", "identity", "gzip", "x-gzip", "zstd", "bzip2", "x-bzip2", "xz", "x-xz")
LONGEST_TYPE = 255  #: characters of a client's media type that are kept

_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]+={0,2}):\s*(?=$|,|;)")


def receive(name: str | None = None) -> Upload:
    """Keep the request's bytes; the ledger is not told of them yet. `name` is the file's, where the address has it.

    Raises UploadIncomplete, UploadTooLarge, UploadStorageFull, and what answers 400, 411 and 415.
    """
    # The store has the limit of uploads, and names it. (None would mean the application's small one again.)
    request.max_content_length = sys.maxsize
    body = _Body(measure=request.mimetype == MULTIPART)
    if request.mimetype == MULTIPART:
        return _receive_part(body)
    _check_type(request.mimetype)
    digest = _declared_digest()
    encoding = _content_encoding()
    if request.content_length is None and digest is None:
        raise _length_required()
    return services().uploads.receive(
        body,
        declared=request.content_length,
        filename=name,
        content_type=request.headers.get("Content-Type", "")[:LONGEST_TYPE] or None,
        content_encoding=encoding,
        expected_sha256=digest,
    )


@contextmanager
def kept_if_submitted(upload: Upload) -> Iterator[None]:
    """Delete the bytes when the task was refused.

    Where the ledger did not answer the task may have been submitted, and needs them: if it was not, the
    sweeper finds them.
    """
    try:
        yield
    except LedgerUnavailable:
        raise
    except RescindError:
        services().uploads.discard(upload)
        raise


def _receive_part(body: _Body) -> Upload:
    """The form's last boundary says that it is whole, so no length is needed."""
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary or not boundary.isascii():
        raise BadRequest("The Content-Type of a form names its boundary.")
    part = FilePart(body, boundary)
    upload = services().uploads.receive(
        part,
        declared=None,
        filename=part.filename,
        content_type=part.content_type[:LONGEST_TYPE] if part.content_type else None,
        content_encoding=None,
    )
    with kept_if_submitted(upload):
        body.compare(_declared_digest())
    return upload


def _content_encoding() -> str | None:
    """What the client says of it; the content decides."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise UnsupportedMediaType(f"The Content-Encoding {encoding} cannot be read; gzip, zstd, bzip2 and xz can.")
    return encoding or None


def _check_type(media_type: str) -> None:
    if media_type not in TYPES:
        known = ", ".join(f"{name} ({media.media_type(format_)})" for format_, name in NAMES.items())
        raise UnsupportedMediaType(
            f"A file of type {media_type} cannot be loaded. These can: {known}. Say what it is as in "
            "curl -H 'Content-Type: text/csv'."
        )
    try:
        media.charset(request.headers.get("Content-Type"))
    except ValueError as error:
        raise UnsupportedMediaType(f"The charset of the Content-Type cannot be read: {error}.") from error


def _declared_digest() -> str | None:
    """SHA-256 (hex) of `Content-Digest: sha-256=:…:` (RFC 9530)."""
    header = request.headers.get("Content-Digest")
    if header is None:
        return None
    found = _SHA256.search(header)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise BadRequest("The header Content-Digest has no valid sha-256=:…: (RFC 9530).")
    return digest.hex()


def _length_required() -> Refusal:
    return Refusal(
        HTTPStatus.LENGTH_REQUIRED,
        "length-required",
        "A body without Content-Length can end anywhere unnoticed.",
        "Send a Content-Length, or the header Content-Digest: sha-256=:…: (RFC 9530).",
    )


class _Body:
    """The request's body. A client that goes away in the middle is UploadIncomplete, not a short file."""

    def __init__(self, *, measure: bool) -> None:
        self._measure = Measure() if measure else None

    def read(self, size: int, /) -> bytes:
        try:
            piece: bytes = request.stream.read(size)
        except ClientDisconnected:
            raise UploadIncomplete("The connection ended before the whole body had arrived.") from None
        if self._measure is not None:
            self._measure.add(piece)
        return piece

    def compare(self, digest: str | None) -> None:
        """Raise UploadIncomplete unless the whole body has that SHA-256 (hex)."""
        if digest is not None and self._measure is not None and self._measure.sha256 != digest:
            raise UploadIncomplete("The bytes that arrived do not have the declared Content-Digest.")
