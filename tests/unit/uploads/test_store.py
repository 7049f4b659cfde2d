"""Finding, checking and discarding an upload."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from tests.unit.uploads.conftest import Receive

from rescind import failpoints
from rescind.domain.upload import Upload
from rescind.errors import InputChanged, Stopped, UnknownUpload
from rescind.failpoints import Action
from rescind.ledger import tables, uploads
from rescind.ledger.engine import Ledger, now
from rescind.uploads.store import UploadStore

DATA = b"0123456789" * 300_000


def no_check() -> None:
    pass


@pytest.fixture
def upload(receive: Receive, ledger: Ledger) -> Upload:
    """One that the ledger knows."""
    upload = receive(io.BytesIO(DATA))
    with ledger.write() as connection:
        uploads.insert_upload(connection, upload)
    return upload


def test_an_upload_is_found_as_it_was_received(store: UploadStore, upload: Upload) -> None:
    assert store.get(upload.id) == upload


def test_one_that_the_ledger_was_not_told_of_is_unknown(store: UploadStore, receive: Receive) -> None:
    with pytest.raises(UnknownUpload):
        store.get(receive(io.BytesIO(DATA)).id)


BAD_IDS = ["", ".", "..", "../ledger.db", "/etc/passwd", "x", "a\0b", "{01a20bb6-6e79-71eb-bcb2-8bd748a9575a}"]


@pytest.mark.parametrize("upload_id", [*BAD_IDS, "01A20BB6-6E79-71EB-BCB2-8BD748A9575A", "é" * 36])
def test_an_id_that_is_no_uuid_touches_no_file(store: UploadStore, upload_id: str) -> None:
    with pytest.raises(UnknownUpload):
        store.get(upload_id)
    forged = Upload(upload_id, 0, "")
    for call in (store.path, store.discard, lambda upload: store.verify(upload, no_check)):
        with pytest.raises(UnknownUpload):
            call(forged)


def test_a_discarded_upload_is_gone_and_may_be_discarded_again(store: UploadStore, receive: Receive) -> None:
    upload = receive(io.BytesIO(DATA))
    for _ in range(2):
        store.discard(upload)
        assert not store.path(upload).exists()


def test_unchanged_bytes_pass(store: UploadStore, upload: Upload) -> None:
    store.verify(upload, no_check)


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "gone"), (DATA[:-1], "now it has"), (DATA + b"x", "now it has"), (b"x" + DATA[1:], "SHA")],
)
def test_changed_bytes_are_found(store: UploadStore, upload: Upload, data: bytes | None, message: str) -> None:
    if data is None:
        store.path(upload).unlink()
    else:
        store.path(upload).write_bytes(data)
    with pytest.raises(InputChanged, match=message):
        store.verify(upload, no_check)


def test_the_failpoint_says_that_they_changed(store: UploadStore, upload: Upload) -> None:
    failpoints.arm("upload.changed_file", Action.fail)
    with pytest.raises(InputChanged):
        store.verify(upload, no_check)


def test_checking_can_be_stopped_at_each_mib(store: UploadStore, upload: Upload) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Stopped("A stop was asked for.")

    with pytest.raises(Stopped):
        store.verify(upload, check)
    assert calls == 3


def test_the_same_upload_again_is_kept_once(store: UploadStore, receive: Receive) -> None:
    first, new = store.keep(receive(io.BytesIO(DATA)))
    assert new
    again = receive(io.BytesIO(DATA))
    assert store.keep(again) == (first, False)
    assert not store.path(again).exists()
    assert store.path(first).exists()


def test_after_an_hour_it_is_another_one(store: UploadStore, receive: Receive, ledger: Ledger) -> None:
    """The first may be about to be swept."""
    first, _ = store.keep(receive(io.BytesIO(DATA)))
    with ledger.write() as connection:
        connection.execute(tables.upload.update().values(created_at=now() - timedelta(hours=1, seconds=1)))
    second, new = store.keep(receive(io.BytesIO(DATA)))
    assert (new, second.id != first.id) == (True, True)


def test_a_deleted_upload_is_gone_and_deleting_it_again_is_no_error(store: UploadStore, upload: Upload) -> None:
    for _ in range(2):
        store.delete(upload.id)
    assert not store.path(upload).exists()
    with pytest.raises(UnknownUpload):
        store.get(upload.id)
