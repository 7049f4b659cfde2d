"""Receiving: whole, or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import uuid
from pathlib import Path

import pytest
from tests.unit.uploads.conftest import LIMIT, Receive

from rescind import failpoints
from rescind.errors import UploadIncomplete, UploadStorageFull, UploadTooLarge
from rescind.failpoints import Action
from rescind.uploads.store import UploadStore

DATA = bytes(range(256)) * 10_000


class Broken(io.BytesIO):
    """A connection that breaks after some bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        return piece


class Full(io.BytesIO):
    """A stream at whose second piece the disk is full."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            failpoints.arm("upload.disk_full", _no_space)
        return super().read(size)


def _no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def left(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()] if directory.exists() else []


def test_an_upload_is_its_bytes_with_length_and_digest(receive: Receive, store: UploadStore, directory: Path) -> None:
    upload = receive(io.BytesIO(DATA), declared=len(DATA), expected_sha256=hashlib.sha256(DATA).hexdigest().upper())
    assert store.path(upload).read_bytes() == DATA
    assert (upload.length, upload.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert (upload.filename, upload.content_type, upload.content_encoding) == ("../a.csv", "text/csv", None)
    assert uuid.UUID(upload.id).version == 7
    assert left(directory) == [upload.id]


def test_nothing_is_an_upload_too(receive: Receive, store: UploadStore) -> None:
    assert store.path(receive(io.BytesIO(), declared=0)).read_bytes() == b""


def test_the_length_need_not_be_declared(receive: Receive) -> None:
    assert receive(io.BytesIO(DATA)).length == len(DATA)


@pytest.mark.parametrize("declared", [len(DATA) + 1, len(DATA) - 1, 0])
def test_another_length_than_declared_is_refused(receive: Receive, directory: Path, declared: int) -> None:
    """A client that goes away may look like a normal end of the body."""
    with pytest.raises(UploadIncomplete, match=f"{len(DATA)} bytes arrived where {declared} were declared"):
        receive(io.BytesIO(DATA), declared=declared)
    assert left(directory) == []


def test_another_digest_than_expected_is_refused(receive: Receive, directory: Path) -> None:
    with pytest.raises(UploadIncomplete, match="SHA-256"):
        receive(io.BytesIO(DATA), expected_sha256="0" * 64)
    assert left(directory) == []


def test_a_connection_that_breaks_leaves_nothing(receive: Receive, directory: Path) -> None:
    with pytest.raises(UploadIncomplete, match="Connection reset"):
        receive(Broken(DATA))
    assert left(directory) == []


def test_an_upload_of_the_limit_is_kept_and_a_longer_one_is_not(receive: Receive, directory: Path) -> None:
    kept = receive(io.BytesIO(bytes(LIMIT)))
    with pytest.raises(UploadTooLarge, match=f"the limit is {LIMIT}"):
        receive(io.BytesIO(bytes(LIMIT + 1)))
    assert left(directory) == [kept.id]


def test_one_that_is_declared_too_long_is_not_even_read(receive: Receive) -> None:
    stream = io.BytesIO(DATA)
    with pytest.raises(UploadTooLarge):
        receive(stream, declared=LIMIT + 1)
    assert stream.tell() == 0


def test_a_full_disk_is_named_and_leaves_nothing(receive: Receive, directory: Path) -> None:
    with pytest.raises(UploadStorageFull, match="No space left"):
        receive(Full(DATA))
    assert left(directory) == []


@pytest.mark.parametrize(
    ("name", "error"), [("upload.short_read", UploadIncomplete), ("upload.disk_full", UploadStorageFull)]
)
@pytest.mark.parametrize("at", [1, 2])
def test_failpoints_have_the_effect_of_their_names(
    receive: Receive, directory: Path, name: str, error: type[Exception], at: int
) -> None:
    failpoints.arm(name, Action.fail, at)
    with pytest.raises(error):
        receive(io.BytesIO(DATA), declared=len(DATA))
    assert left(directory) == []


def test_whatever_is_raised_nothing_is_left(receive: Receive, directory: Path) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    failpoints.arm("upload.short_read", interrupted, at=2)
    with pytest.raises(KeyboardInterrupt):
        receive(io.BytesIO(DATA))
    assert left(directory) == []
