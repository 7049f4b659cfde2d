"""Case 24: no space left for uploads, for the target, for the ledger."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.inprocess import InProcess, in_process
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import until

from rescind import failpoints
from rescind.domain.states import State
from rescind.errors import LedgerUnavailable, UploadStorageFull

ROWS = 200_000  #: more than a disk of 4 MiB holds


def drained(running: InProcess, task_id: str) -> State:
    """Drain until the task has ended: attempts that follow an error wait a little."""

    def ended() -> State | None:
        running.drain()
        state = running.get(task_id).state
        return state if state.done else None

    return until(ended, "the task to end") or State.queued


def receive(running: InProcess, content: bytes) -> str:
    stream = io.BytesIO(content)
    return running.core.uploads.receive(
        stream, declared=len(content), filename=None, content_type=None, content_encoding=None
    ).id


def test_case_24_an_upload_that_fills_the_disk_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk, in_process(tmp_path / "home", uploads=disk / "u") as running:
        with pytest.raises(UploadStorageFull):
            receive(running, bytes(2 << 20))
        assert [path for path in disk.rglob("*") if path.is_file()] == []
        receive(running, bytes(1 << 18))


def test_case_24_an_export_that_fills_the_disk_fails_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk, in_process(tmp_path / "home", outputs=disk / "o") as running:
        running.run("generate", rows=ROWS)
        task_id = running.submit("export", table="data")
        assert drained(running, task_id) is State.failed
        task = running.get(task_id)
        assert task.problem is not None
        assert (task.problem.code, task.attempt) == ("output-storage-full", 3)
        assert [path for path in disk.rglob("*") if path.is_file()] == []
        assert running.run("export", table="data", limit=100).state is State.committed


def test_case_24_a_target_that_is_full_fails_the_task_and_nothing_is_partial(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 4) as disk:
        url = f"sqlite:///{disk}/data.db"
        with in_process(tmp_path / "home", database_url=url) as running:
            running.run("generate", rows=10)
            task_id = running.submit("generate", rows=ROWS)
            assert drained(running, task_id) is State.failed
            task = running.get(task_id)
            assert task.problem is not None
            assert task.problem.code == "target-full"
            assert task.attempt == 3
            assert running.sql("SELECT count(*) FROM data") == [(10,)]
            smaller = running.submit("generate", rows=10)
            assert drained(running, smaller) is State.committed
            assert running.sql("SELECT count(*) FROM data") == [(20,)]


def test_case_24_a_ledger_that_is_full_accepts_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with ledger_on_a_small_disk(tmp_path) as (disk, running):
        filler = fill(disk)
        accepts_nothing_more(running)
        filler.unlink()
        assert drained(running, running.submit("generate", rows=10)) is State.committed


def test_case_24_a_ledger_that_fills_up_during_a_task_holds_the_decision_until_there_is_room(tmp_path: Path) -> None:
    full = threading.Event()
    with ledger_on_a_small_disk(tmp_path) as (disk, running):

        def fill_up() -> None:
            fill(disk)
            full.set()

        task_id = running.submit("generate", rows=ROWS)
        failpoints.arm("decide.before", fill_up)
        worker = threading.Thread(target=running.drain, daemon=True)
        worker.start()
        assert full.wait(60)
        accepts_nothing_more(running)
        assert running.get(task_id).state is State.running
        (disk / "filler").unlink()
        assert drained(running, task_id) is State.committed
        worker.join()
        assert running.sql("SELECT count(*) FROM data")[0][0] >= ROWS


@contextmanager
def ledger_on_a_small_disk(tmp_path: Path) -> Iterator[tuple[Path, InProcess]]:
    with (
        small_disk(tmp_path / "small", 4) as disk,
        in_process(tmp_path / "home", ledger_url=f"sqlite:///{disk}/ledger.db") as running,
    ):
        yield disk, running


def accepts_nothing_more(running: InProcess) -> None:
    """What the file still has room for is accepted; then there is an outage, and no error of another kind."""

    def submit_until_full() -> None:
        for _ in range(1000):
            running.submit("generate", rows=10)

    with pytest.raises(LedgerUnavailable):
        submit_until_full()


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()
