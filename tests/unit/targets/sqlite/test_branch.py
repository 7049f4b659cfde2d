"""A branch is one transaction, proven to be the one that was begun."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import (
    TargetBusy,
    TargetConflict,
    TargetRefused,
    TransactionBroken,
    UnknownColumn,
    UnknownTable,
)
from rescind.targets.sqlite import branch as module
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.target import SQLiteTarget

Sql = Callable[..., list[tuple[Any, ...]]]


def driver(branch: SQLiteBranch) -> Any:
    """The driver's connection with the guard taken off, as by a function that means harm."""
    connection: Any = branch.connection().connection.driver_connection
    connection.set_authorizer(None)
    return connection


def test_nothing_is_seen_before_the_commit_and_all_of_it_after(branch: SQLiteBranch, sql: Sql) -> None:
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (2, 'two')")
    branch.write_marker(1, "sum")
    assert sql("SELECT count(*) FROM t") == [(1,)]
    branch.commit()
    assert sql("SELECT count(*) FROM t") == [(2,)]
    assert sql("SELECT kind, rows, checksum FROM rescind_marker") == [("marker", 1, "sum")]


def test_a_branch_is_durable(branch: SQLiteBranch) -> None:
    connection = branch.connection()
    assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


@pytest.mark.parametrize(
    "statements",
    [("COMMIT",), ("ROLLBACK",), ("COMMIT", "BEGIN IMMEDIATE"), ("ROLLBACK", "BEGIN"), ("COMMIT", "SAVEPOINT x")],
)
def test_a_transaction_that_was_ended_is_not_marked(
    branch: SQLiteBranch, sql: Sql, statements: tuple[str, ...]
) -> None:
    connection = driver(branch)
    for statement in statements:
        sqlite3.Cursor(connection).execute(statement)
    with pytest.raises(TransactionBroken):
        branch.write_marker(0, "")
    with pytest.raises(TransactionBroken):
        branch.commit()
    branch.close()
    assert sql("SELECT * FROM rescind_marker") == []


def test_without_the_savepoint_a_second_transaction_would_pass(branch: SQLiteBranch, sql: Sql) -> None:
    """The control of the test above: what is forged completely is taken for the transaction that was begun."""
    connection = driver(branch)
    for statement in ("COMMIT", "BEGIN IMMEDIATE", f"SAVEPOINT {branch._savepoint}"):
        sqlite3.Cursor(connection).execute(statement)
    branch.write_marker(0, "")
    branch.commit()
    assert sql("SELECT kind FROM rescind_marker") == [("marker",)]


def test_nothing_is_written_after_sqlite_rolled_back_by_itself(branch: SQLiteBranch, sql: Sql) -> None:
    connection = branch.connection()
    with suppress(sa.exc.IntegrityError):
        connection.exec_driver_sql("INSERT OR ROLLBACK INTO t VALUES (1, 'again')")
    with pytest.raises(TransactionBroken):
        connection.exec_driver_sql("INSERT INTO t VALUES (2, 'would be committed at once')")
    with pytest.raises(TransactionBroken):
        branch.write_marker(0, "")
    assert sql("SELECT a FROM t") == [(1,)]


def test_a_commit_needs_its_marker(branch: SQLiteBranch, sql: Sql) -> None:
    branch.clear_table("t")
    with pytest.raises(TransactionBroken):
        branch.commit()
    branch.close()
    assert sql("SELECT count(*) FROM t") == [(1,)]


def test_a_result_that_was_not_read_to_its_end_does_not_stand_in_the_way(branch: SQLiteBranch, sql: Sql) -> None:
    connection = branch.connection()
    changed = connection.exec_driver_sql("INSERT INTO t VALUES (2, 'two'), (3, 'three') RETURNING a")
    read = connection.exec_driver_sql("SELECT a FROM t")
    assert changed.fetchone()
    assert read.fetchone()
    branch.write_marker(2, "")
    branch.commit()
    assert sql("SELECT count(*) FROM t") == [(3,)]


def test_rolling_back_after_a_cancel_frees_the_file_at_once(branch: SQLiteBranch, sql: Sql) -> None:
    read = branch.connection().exec_driver_sql("UPDATE t SET b = 'eins' RETURNING a")
    branch.cancel()
    branch.rollback()
    sql("INSERT INTO t VALUES (2, 'two')")
    assert sql("SELECT b FROM t") == [("one",), ("two",)]
    del read


def test_after_a_cancel_every_verb_is_refused_and_rollback_and_close_are_quiet(
    target: SQLiteTarget, branch: SQLiteBranch
) -> None:
    table = Table("made", (Column("a", Type.integer, ""),))
    connection = branch.connection()
    branch.cancel()
    branch.cancel()
    with pytest.raises(sa.exc.StatementError) as error:
        connection.exec_driver_sql("SELECT 1")
    assert isinstance(target.translate(error.value), TargetConflict)
    refused: list[Callable[[], object]] = [
        lambda: branch.create_table(table),
        lambda: branch.clear_table("t"),
        lambda: branch.writer(table, ["a"]),
        lambda: branch.write_marker(0, ""),
    ]
    for verb in refused:
        with pytest.raises(TargetConflict):
            verb()
    for quiet in (branch.rollback, branch.cancel, branch.close, branch.close, branch.rollback, branch.cancel):
        quiet()


def test_a_cancel_ends_a_running_statement(target: SQLiteTarget, branch: SQLiteBranch) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    timer = threading.Timer(0.05, branch.cancel)
    timer.start()
    with pytest.raises(sa.exc.OperationalError) as error:
        branch.connection().exec_driver_sql(endless)
    timer.join()
    assert isinstance(target.translate(error.value), TargetConflict)


def test_a_second_writer_waits_and_then_says_busy(
    target: SQLiteTarget, branch: SQLiteBranch, identity: BranchId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.2)
    second = target.open_branch(replace(identity, branch=1), Protocol.one_phase)
    with pytest.raises(TargetBusy):
        second.start()
    branch.rollback()
    second.close()
    third = target.open_branch(replace(identity, branch=1), Protocol.one_phase)
    third.start()
    third.close()


def test_a_cancel_ends_the_wait_for_another_writer(
    target: SQLiteTarget, branch: SQLiteBranch, identity: BranchId
) -> None:
    second = target.open_branch(replace(identity, branch=1), Protocol.one_phase)
    timer = threading.Timer(0.05, second.cancel)
    timer.start()
    before = time.monotonic()
    with pytest.raises(TargetConflict):
        second.start()
    assert time.monotonic() - before < module.BUSY_SECONDS
    timer.join()
    second.close()


def test_tables_are_made_and_cleared_inside_the_transaction(branch: SQLiteBranch, sql: Sql) -> None:
    branch.create_table(Table('a";drop table t--', (Column('x"', Type.decimal, "", nullable=False),)))
    assert branch.clear_table("t") == 1
    branch.rollback()
    assert sql("SELECT count(*) FROM t") == [(1,)]
    assert sql("SELECT count(*) FROM sqlite_master WHERE name LIKE 'a%'") == [(0,)]


@pytest.mark.parametrize("name", ["nowhere", "T", "rescind_marker", "sqlite_master", 'a";drop table t--', ""])
def test_unknown_and_hidden_tables(branch: SQLiteBranch, name: str) -> None:
    with pytest.raises(UnknownTable):
        branch.clear_table(name)
    with pytest.raises(UnknownTable):
        branch.writer(Table(name, (Column("a", Type.integer, ""),)), ["a"])


def test_a_column_that_the_table_lacks(branch: SQLiteBranch) -> None:
    with pytest.raises(UnknownColumn):
        branch.writer(Table("t", (Column("a", Type.integer, ""),)), ["z"])


@pytest.mark.parametrize(
    "table",
    [
        Table("rescind_x", (Column("a", Type.integer, ""),)),
        Table("sqlite_x", (Column("a", Type.integer, ""),)),
        Table("T", (Column("a", Type.integer, ""),)),  # the same name as `t` to SQLite
        Table("x", (Column("a", Type.integer, "INTEGER); DROP TABLE t; --"),)),
        Table("x", (Column("a", Type.integer, ""), Column("A", Type.integer, ""))),
    ],
)
def test_tables_that_cannot_be_made(branch: SQLiteBranch, table: Table) -> None:
    with pytest.raises(TargetRefused):
        branch.create_table(table)


def test_a_table_that_somebody_has_just_made_is_worth_another_attempt(branch: SQLiteBranch) -> None:
    with pytest.raises(TargetConflict):
        branch.create_table(Table("t", (Column("a", Type.integer, ""),)))


def test_there_is_no_first_phase(target: SQLiteTarget, branch: SQLiteBranch) -> None:
    with pytest.raises(TargetRefused, match="one phase"):
        branch.prepare()
    with pytest.raises(TargetRefused):
        target.open_branch(branch.id, Protocol.two_phase)


def test_a_stopped_writer_leaves_a_file_that_others_can_write(path: Path, branch: SQLiteBranch) -> None:
    branch.clear_table("t")
    branch.close()
    with closing(sqlite3.connect(path, timeout=0)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (2, 'two')")
