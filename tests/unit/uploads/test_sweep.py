"""Deleting what nobody needs any more, and nothing else."""

from __future__ import annotations

import io
import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.unit.uploads.conftest import Receive

from rescind.domain.states import State
from rescind.domain.upload import Upload
from rescind.errors import UnknownUpload
from rescind.ledger import tables, tasks, uploads
from rescind.ledger.engine import Ledger, now
from rescind.uploads.store import UploadStore

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def upload(receive: Receive, ledger: Ledger) -> Upload:
    """One that the ledger knows."""
    upload = receive(io.BytesIO(b"a\n1\n"))
    with ledger.write() as connection:
        uploads.insert_upload(connection, upload)
    return upload


def used(ledger: Ledger, upload: Upload, state: State) -> None:
    """A task in that state that was given the upload."""
    task = str(uuid.uuid4())
    with ledger.write() as connection:
        tasks.insert_task(connection, task, "load", {}, ("default",), upload=upload.id)
        connection.execute(update(tables.task).where(tables.task.c.id == task).values(state=state))


def write(path: Path, age: timedelta, at: datetime) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    seconds = (at - age).timestamp()
    os.utime(path, (seconds, seconds))
    return path


def test_a_young_upload_stays(store: UploadStore, upload: Upload) -> None:
    assert store.sweep(now() + 6 * DAY) == 0
    assert store.get(upload.id) == upload
    assert store.path(upload).exists()


def test_an_old_one_that_nobody_wants_goes(store: UploadStore, upload: Upload) -> None:
    assert store.sweep(now() + 8 * DAY) == 1
    assert not store.path(upload).exists()
    with pytest.raises(UnknownUpload):
        store.get(upload.id)


def test_a_committed_one_goes_at_once(store: UploadStore, ledger: Ledger, upload: Upload) -> None:
    used(ledger, upload, State.committed)
    assert store.sweep(now()) == 1
    assert not store.path(upload).exists()


@pytest.mark.parametrize("state", [State.queued, State.running, State.committing, State.aborting])
def test_one_that_a_task_still_wants_stays_whatever_its_age(
    store: UploadStore, ledger: Ledger, upload: Upload, state: State
) -> None:
    used(ledger, upload, State.committed)
    used(ledger, upload, state)
    assert store.sweep(now() + 30 * DAY) == 0
    assert store.path(upload).exists()


@pytest.mark.parametrize("state", [State.failed, State.stopped])
def test_one_of_a_task_that_can_be_retried_is_kept_for_a_while(
    store: UploadStore, ledger: Ledger, upload: Upload, state: State
) -> None:
    used(ledger, upload, state)
    assert store.sweep(now()) == 0
    assert store.sweep(now() + 8 * DAY) == 1


def test_bytes_that_a_crash_left_after_the_ledger_was_told_go_later(
    store: UploadStore, ledger: Ledger, upload: Upload
) -> None:
    with ledger.write() as connection:
        assert uploads.mark_deleted(connection, upload.id)
    assert store.sweep(now()) == 0
    assert store.sweep(now() + 2 * HOUR) == 1
    assert not store.path(upload).exists()


def test_orphans_go_after_an_hour_and_half_received_files_after_a_day(store: UploadStore, directory: Path) -> None:
    at = now()
    whole = [write(directory / str(uuid.uuid4()), age, at) for age in (0.9 * HOUR, 1.1 * HOUR)]
    parts = [write(directory / f"{uuid.uuid4()}.part", age, at) for age in (23 * HOUR, 25 * HOUR)]
    other = write(directory / "README", 30 * DAY, at)
    assert store.sweep(at) == 2
    assert [path.exists() for path in (*whole, *parts, other)] == [True, False, True, False, True]


def test_without_a_directory_there_is_nothing_to_do(store: UploadStore) -> None:
    assert store.sweep(now()) == 0
