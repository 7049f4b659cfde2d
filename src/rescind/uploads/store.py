"""The store of uploads: receiving, finding, checking, deleting."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import uuid_utils

from rescind import failpoints
from rescind.domain.upload import Upload
from rescind.errors import (
    InputChanged,
    UnknownUpload,
    UploadIncomplete,
    UploadInUse,
    UploadStorageFull,
    UploadTooLarge,
)
from rescind.ledger import uploads
from rescind.ledger.engine import Ledger, now
from rescind.pipeline import Check
from rescind.uploads import disk
from rescind.uploads.digest import ByteStream, Measure, pieces
from rescind.uploads.directory import UploadDirectory, checked

#: A whole file that the ledger does not know is somebody's request that is just being submitted, or was
#: left by a crash; after this time it is the latter.
ORPHAN_AGE = timedelta(hours=1)
#: The same for a file that is being received: it is written to as long as its client sends.
PART_AGE = timedelta(hours=24)
#: How long after an upload the same file is taken for the same request.
REPEATED_WITHIN = timedelta(hours=1)


class UploadStore:
    """Bytes on disk, and what the ledger knows of them. `max_bytes` bounds one upload.

    `keep_days` is how long an upload that no task committed is kept.
    """

    def __init__(self, directory: Path, ledger: Ledger, max_bytes: int, keep_days: float = 7.0) -> None:
        self._directory = UploadDirectory(directory)
        self._ledger = ledger
        self._max_bytes = max_bytes
        self._keep = timedelta(days=keep_days)

    def receive(
        self,
        stream: ByteStream,
        *,
        declared: int | None,
        filename: str | None,
        content_type: str | None,
        content_encoding: str | None,
        expected_sha256: str | None = None,
    ) -> Upload:
        """Keep all bytes of `stream` under a new id; the ledger is not told yet.

        `declared` is the length that the client announced, in bytes; `expected_sha256` the digest (hex). Raises
        UploadIncomplete, UploadTooLarge, UploadStorageFull; whatever is raised, nothing is kept.
        """
        if declared is not None:
            self._limit(declared)
        upload_id = str(uuid_utils.uuid7())
        measure = Measure()
        with disk.full_named(UploadStorageFull, "uploads"), self._directory.receive(upload_id) as file:
            for piece in _arriving(stream):
                measure.add(piece)
                self._limit(measure.length)
                failpoints.hit("upload.disk_full")
                file.write(piece)
            _compare(measure, declared, expected_sha256)
        return Upload(upload_id, measure.length, measure.sha256, filename, content_type, content_encoding)

    def keep(self, upload: Upload) -> tuple[Upload, bool]:
        """Tell the ledger of an upload that was just received; the upload, and whether it is a new one.

        Where a client has sent the same file twice, because it got no answer, the first is kept and no other.
        """
        with self._ledger.write() as connection:
            first = uploads.same(connection, upload, now() - REPEATED_WITHIN)
            if first is None:
                uploads.insert_upload(connection, upload)
                return upload, True
        self.discard(upload)
        return first, False

    def delete(self, upload_id: str) -> None:
        """Give up the bytes; again is no error. Raises UploadInUse while a task that has not ended needs them."""
        checked(upload_id)
        with self._ledger.write() as connection:
            given_up = uploads.mark_deleted(connection, upload_id)
            needed = not given_up and uploads.get(connection, upload_id) is not None
        if needed:
            raise UploadInUse(f"A task that has not ended needs upload {upload_id}.")
        self._directory.remove(upload_id)

    def discard(self, upload: Upload) -> None:
        """Delete the bytes of an upload that the ledger was not told of."""
        self._directory.remove(upload.id)

    def get(self, upload_id: str) -> Upload:
        """Raises UnknownUpload if there is none of that id, or its bytes were given up."""
        checked(upload_id)
        with self._ledger.read() as connection:
            found = uploads.get(connection, upload_id)
        if found is None:
            raise UnknownUpload(f"No upload has the id {upload_id}.")
        return found

    def path(self, upload: Upload) -> Path:
        """The file with its bytes."""
        return self._directory.path(upload.id)

    def verify(self, upload: Upload, check: Check, read: Measure | None = None) -> None:
        """Raise InputChanged unless length and digest of the bytes are those that were received.

        `read` is of bytes that were read already; without it they are read now, and `check`, which may raise, is
        called for every MiB.
        """
        try:
            failpoints.hit("upload.changed_file")
            length = self.path(upload).stat().st_size
            measure = read or self._measured(upload, check)
        except FileNotFoundError as error:
            raise InputChanged(f"The bytes of upload {upload.id} are gone.") from error
        except failpoints.Injected as error:
            raise InputChanged(f"The bytes of upload {upload.id} have changed: a failpoint says so.") from error
        for found in (length, measure.length):
            if found != upload.length:
                raise InputChanged(
                    f"Upload {upload.id} had {upload.length} bytes when it was received; now it has {found}."
                )
        if measure.sha256 != upload.sha256:
            raise InputChanged(f"The bytes of upload {upload.id} are not those that were received: SHA-256 differs.")

    def _measured(self, upload: Upload, check: Check) -> Measure:
        measure = Measure()
        with self.path(upload).open("rb") as file:
            for piece in pieces(file):
                check()
                measure.add(piece)
        return measure

    def sweep(self, now: datetime) -> int:
        """Delete what nobody needs any more; how many files that were.

        The ledger is told first. A crash before the deletion leaves bytes that the ledger does not know, and
        these go when they are old enough.
        """
        with self._ledger.read() as connection:
            disposable = uploads.disposable(connection, now - self._keep)
        removed = 0
        for upload_id in disposable:
            with self._ledger.write() as connection:
                given_up = uploads.mark_deleted(connection, upload_id)
            removed += given_up and self._directory.remove(upload_id)
        return removed + self._remove_orphans(now) + self._directory.remove_parts(now - PART_AGE)

    def _remove_orphans(self, now: datetime) -> int:
        old = self._directory.whole(now - ORPHAN_AGE)
        if not old:
            return 0
        with self._ledger.read() as connection:
            known = uploads.known(connection)
        return sum(self._directory.remove(upload_id) for upload_id in old if upload_id not in known)

    def _limit(self, length: int) -> None:
        if length > self._max_bytes:
            raise UploadTooLarge(f"The upload has {length} bytes or more; the limit is {self._max_bytes}.")


def _arriving(stream: ByteStream) -> Iterator[bytes]:
    """The pieces that a client sends. A connection that breaks with an error is UploadIncomplete."""
    source = pieces(stream)
    while True:
        try:
            failpoints.hit("upload.short_read")
            piece = next(source, None)
        except failpoints.Injected:
            return
        except OSError as error:
            raise UploadIncomplete(f"The connection broke before the whole upload had arrived: {error}.") from error
        if piece is None:
            return
        yield piece


def _compare(measure: Measure, declared: int | None, expected_sha256: str | None) -> None:
    """A client that goes away in mid-body may look like a normal end: only the length tells."""
    if declared is not None and measure.length != declared:
        raise UploadIncomplete(f"{measure.length} bytes arrived where {declared} were declared.")
    if expected_sha256 is not None and measure.sha256 != expected_sha256.lower():
        raise UploadIncomplete(f"The bytes that arrived have SHA-256 {measure.sha256}, not {expected_sha256}.")
