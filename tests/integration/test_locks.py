"""Somebody else's lock on the table: the load waits for it, says so, and can be stopped; it is not the end of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Connection, text
from tests.support.databases import engine, run
from tests.support.surface import ITEMS, Surface, real_surface
from tests.support.waiting import until

from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.ledger import tasks, transitions
from rescind.transaction.control import Control
from rescind.transaction.coordinator import Coordinator
from rescind.transaction.work import Work

TABLE = "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(20))"
#: As an ALTER TABLE holds it, or a backup, or an application that forgot its transaction.
LOCKS = {
    "postgresql": ("LOCK TABLE items IN ACCESS EXCLUSIVE MODE", "LOCK TABLE items IN SHARE MODE"),
    "mariadb": ("LOCK TABLES items WRITE", "LOCK TABLES items READ"),
}
CASES = [(name, lock) for name, locks in LOCKS.items() for lock in locks]
TASK = "0192f0c0-0000-7000-8000-000000000001"


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@contextmanager
def locked(url: str, lock: str) -> Iterator[Connection]:
    """Somebody holds the lock while the block runs."""
    with engine(url) as made, made.connect() as connection:
        connection.execute(text(lock))
        yield connection


def at_work(s: Surface) -> threading.Thread:
    thread = threading.Thread(target=s.work, daemon=True)
    thread.start()
    return thread


def waits(s: Surface, task_id: str) -> Any:
    s.sweep()
    return s.task(task_id).get("waiting_for")


@pytest.mark.parametrize(("name", "lock"), CASES)
@pytest.mark.parametrize("stopped", [False, True], ids=["until it is free", "until a stop"])
def test_a_load_waits_for_a_lock_and_says_so(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, lock: str, stopped: bool
) -> None:
    url = request.getfixturevalue(f"{name}_url")
    with real_surface(tmp_path / "home", default=url) as s:
        run(url, TABLE)
        task_id = s.accepted()
        with locked(url, lock):
            worker = at_work(s)
            until(lambda: waits(s, task_id), "the task says what it waits for")
            words = s.task(task_id)["waiting_for"]
            assert words.startswith("Target default: it waits for a ")
            assert ("server process" in words) is (name == "postgresql")
            if stopped:
                s.call("POST", f"/v1/tasks/{task_id}/stop")
                until(lambda: s.task(task_id)["done"], "the stop ends the wait")
        worker.join()
        task = s.task(task_id)
        assert (task["state"], task["attempt"]) == ("stopped" if stopped else "committed", 1)
        assert "waiting_for" not in task
        assert s.rows() == (0 if stopped else 3)


def same_key(work: Work) -> Draft:
    """Both branches write it: the second waits for the first, which ends no sooner than with it."""
    for number in (0, 1):
        branch = work.begun(number)
        work.written[number] += branch.writer(ITEMS, ["id"]).write(pa.RecordBatch.from_pydict({"id": [1]}))
    return Draft(rows_read=2, rows_written=2, checksum="")


def test_branches_of_one_task_that_block_each_other_come_to_an_end(tmp_path: Path, url: str) -> None:
    """As with `writers=2` and the same key for both. Each attempt counts, and the third is the last."""
    with real_surface(tmp_path / "home", 1, default=url) as s:
        run(url, TABLE)
        ledger, recovery = s.core.ledger, s.core.recovery()
        with ledger.write() as connection:
            tasks.insert_task(connection, TASK, "items", {}, ("default", "default"))
        for attempt in (1, 2, 3):
            with ledger.write() as connection:
                task = transitions.claim(connection, TASK, "worker")
            assert task is not None
            Coordinator(ledger, s.core.targets, recovery).run(task, same_key, Control())
            assert s.state(TASK) is (State.queued if attempt < 3 else State.failed)
        assert s.task(TASK)["error"]["code"] == "target-conflict"
        assert (s.rows(), s.prepared()) == (0, [])
