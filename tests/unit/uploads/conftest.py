from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rescind import failpoints
from rescind.domain.upload import Upload
from rescind.ledger import tables
from rescind.ledger.engine import Ledger
from rescind.uploads.digest import ByteStream
from rescind.uploads.store import UploadStore

LIMIT = 5 * 1024 * 1024

Receive = Callable[..., Upload]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    tables.metadata.create_all(ledger.engine)
    yield ledger
    ledger.close()


@pytest.fixture
def store(directory: Path, ledger: Ledger) -> Iterator[UploadStore]:
    yield UploadStore(directory, ledger, LIMIT)
    failpoints.disarm()


@pytest.fixture
def receive(store: UploadStore) -> Receive:
    """`store.receive` for a client that says nothing of the bytes but what a test says."""

    def call(stream: ByteStream, *, declared: int | None = None, expected_sha256: str | None = None) -> Upload:
        return store.receive(
            stream,
            declared=declared,
            filename="../a.csv",
            content_type="text/csv",
            content_encoding=None,
            expected_sha256=expected_sha256,
        )

    return call
