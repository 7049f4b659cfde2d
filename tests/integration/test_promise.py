"""Ways in which the promise was once broken: each is kept closed by a test."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import text
from tests.support.inprocess import InProcess, in_process

from rescind import bootstrap, failpoints
from rescind.domain.schema import Column, Table, Type
from rescind.domain.states import State
from rescind.errors import ConstraintViolated, TargetBusy, TargetUnavailable
from rescind.ledger import transitions
from rescind.targets.sqlite import branch as sqlite_branch
from rescind.tasks import Transaction, transactional
from rescind.worker.lease import Unchanged

INSERT = text("INSERT INTO t VALUES (:n)")
NUMBERS = Table("t", (Column("n", Type.integer, "INTEGER", nullable=False, key=1),))


@transactional(name="insert-one")
def insert_one(tx: Transaction) -> None:
    tx.connection().execute(INSERT, {"n": 1})


@transactional(name="insists")
def insists(tx: Transaction) -> None:
    """Try again when the database is busy, as a careful person might."""
    for n in range(3):
        with suppress(TargetBusy):
            tx.connection().execute(INSERT, {"n": n})
    raise ValueError("and then it fails")


@transactional(name="exits")
def exits(tx: Transaction) -> None:
    tx.connection().execute(INSERT, {"n": 1})
    sys.exit(2)


@transactional(name="counts")
def counts(tx: Transaction, kind: str) -> None:
    """Tell progress in a type that is not Python's own."""
    tx.connection().execute(INSERT, {"n": 1})
    total: Any = {"numpy": np.int64(5), "float": 1.5, "huge": 2**63, "negative": -1}[kind]
    tx.progress(rows_total=total)


@transactional(name="skips")
def skips(tx: Transaction) -> int:
    """Write batches, and leave out those that do not fit."""
    with tx.writer(NUMBERS, ["n"]) as writer:
        for numbers in ([1, 2, 3], [4, 5, 1, 6], [7, 8]):
            with suppress(ConstraintViolated):
                writer.write(pa.record_batch({"n": numbers}))
    return 0


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[InProcess]:
    with in_process(tmp_path / "home", tasks=("tests.integration.test_promise",), lease_seconds=0.5) as running:
        running.sql("CREATE TABLE t (n INTEGER PRIMARY KEY)")
        yield running
    failpoints.disarm()


def rows(shop: InProcess) -> list[int]:
    return [row[0] for row in shop.sql("SELECT n FROM t ORDER BY n")]


def test_a_file_that_is_not_there_proves_nothing_and_none_is_made_in_its_place(shop: InProcess) -> None:
    """The worker dies after the COMMIT; the machine comes back before the disk does."""
    task_id = shop.submit("insert-one")
    failpoints.arm("commit1p.after", failpoints.Action.fail)
    failpoints.arm("recover.before_scan", failpoints.Action.fail)
    with suppress(failpoints.Injected):
        shop.drain()
    home = shop.core.settings.home
    files = list(home.glob("data.db*"))
    away = home / "away"
    away.mkdir()
    for file in files:
        shutil.move(file, away / file.name)
    bootstrap.migrate(shop.core.settings)
    assert bootstrap.checks(shop.core.settings)["target:default"] is not None
    with pytest.raises(TargetUnavailable):
        shop.core.recovery().commit(shop.get(task_id))
    assert not (home / "data.db").exists()
    for file in away.iterdir():
        shutil.move(file, home / file.name)
    assert shop.core.recovery().commit(shop.get(task_id)) is State.committed
    assert rows(shop) == [1]


def test_a_transaction_that_could_not_begin_is_not_written_to(shop: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_branch, "BUSY_SECONDS", 0.1)
    task_id = shop.submit("insists")
    begin = sqlite_branch.SQLiteBranch._begin
    with closing(sqlite3.connect(shop.core.settings.home / "data.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def begin_once(branch: sqlite_branch.SQLiteBranch) -> None:
            try:
                begin(branch)
            finally:
                if other.in_transaction:
                    other.execute("ROLLBACK")  # the other writer is done when the function tries again

        monkeypatch.setattr(sqlite_branch.SQLiteBranch, "_begin", begin_once)
        shop.drain()
    assert not shop.get(task_id).state.done or shop.get(task_id).state is State.failed
    assert rows(shop) == []


def test_a_function_that_exits_fails_and_holds_up_nobody(shop: InProcess) -> None:
    exits_id, next_id = shop.submit("exits"), shop.submit("insert-one")
    shop.drain()
    task = shop.get(exits_id)
    assert task.problem is not None
    assert (task.state, task.attempt, task.problem.code) == (State.failed, 1, "task-raised")
    assert shop.get(next_id).state is State.committed


def test_a_ledger_restored_from_before_the_claim_is_a_hazard(shop: InProcess, tmp_path: Path) -> None:
    task_id = shop.submit("insert-one")
    ledger = shop.core.settings.home / "ledger.db"
    shop.core.ledger.close()  # the last connection writes the log back into the file
    backup = tmp_path / "backup.db"
    shutil.copy(ledger, backup)
    shop.drain()
    assert shop.get(task_id).state is State.committed
    shop.core.ledger.close()
    shutil.copy(backup, ledger)
    shop.drain()
    assert shop.get(task_id).state is State.hazard
    assert rows(shop) == [1]


def test_a_worker_that_beats_after_all_is_not_taken_for_dead(shop: InProcess) -> None:
    task_id = shop.submit("insert-one")
    with shop.core.ledger.write() as connection:
        task = transitions.claim(connection, task_id, "elsewhere|x|x|1|1")
        assert task is not None
        assert transitions.beat(connection, task, task.progress)
    assert shop.core.recovery().take_over(task, lost=True) is None
    assert shop.get(task_id).state is State.running


def test_a_dead_task_of_a_target_that_is_not_configured_any_more_says_what_it_waits_for(shop: InProcess) -> None:
    task_id = shop.submit("insert-one")
    with shop.core.ledger.write() as connection:
        connection.execute(text("UPDATE task_target SET target = 'gone'"))
        task = transitions.claim(connection, task_id, "here|earlier boot|x|1|1")
        assert task is not None
        connection.execute(
            text(
                "INSERT INTO branch (task, attempt, branch, target, protocol, session, registered_at) "
                "VALUES (:id, 1, 0, 'gone', 'one-phase', 's', '2026-01-01 00:00:00.000000')"
            ),
            {"id": task_id},
        )
    sweeper = bootstrap.open_sweeper(shop.core)
    sweeper.lease_seconds = 0.0
    for _ in range(2):
        sweeper.sweep_tasks(lambda task: task.targets[0] not in shop.core.targets, Unchanged(), Unchanged())
    found = shop.get(task_id)
    assert found.state is State.aborting
    assert "gone is not configured" in (found.waiting_for or "")


@pytest.mark.parametrize(
    ("kind", "state"),
    [("numpy", State.committed), ("float", State.failed), ("huge", State.failed), ("negative", State.failed)],
)
def test_progress_of_any_type_is_kept_or_refused_at_once(shop: InProcess, kind: str, state: State) -> None:
    task = shop.run("counts", kind=kind)
    assert (task.state, task.attempt) == (state, 1)
    assert rows(shop) == ([1] if state is State.committed else [])


def test_a_batch_that_does_not_fit_leaves_no_row_and_the_count_is_right(shop: InProcess) -> None:
    task = shop.run("skips")
    assert task.state is State.committed
    assert rows(shop) == [1, 2, 3, 7, 8]
    assert task.receipt is not None
    assert task.receipt["rows_written"] == 5
    assert shop.sql("SELECT rows FROM rescind_marker WHERE kind = 'marker'") == [(5,)]
