"""Deferred foreign keys, looked at before the commit would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rescind.errors import ConstraintViolated
from rescind.targets.sqlite.branch import SQLiteBranch

Sql = Callable[..., Any]
Reopen = Callable[[], SQLiteBranch]

DEFERRED = "REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED"


@pytest.fixture(autouse=True)
def family(sql: Sql) -> None:
    """Two parents and a child of one of them; and one child that never had a parent."""
    sql("CREATE TABLE parent(id INTEGER PRIMARY KEY)")
    sql(f"CREATE TABLE child(id INTEGER PRIMARY KEY, parent INTEGER {DEFERRED})")
    sql(f"CREATE TABLE bare(id INTEGER PRIMARY KEY, parent INTEGER {DEFERRED}) WITHOUT ROWID")
    sql("INSERT INTO parent VALUES (1), (2)")
    sql("INSERT INTO child VALUES (1, 1), (2, 99)")  # keys are not enforced on this connection
    sql("INSERT INTO bare VALUES (1, 99)")


def test_what_was_broken_before_is_not_the_tasks_fault(reopen: Reopen, sql: Sql) -> None:
    branch = reopen()
    branch.connection().exec_driver_sql("INSERT INTO child VALUES (3, 2)")
    branch.check_constraints()
    branch.write_marker(1, "ab")
    branch.commit()
    assert sql("SELECT count(*) FROM child") == [(3,)]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("INSERT INTO child VALUES (3, 3)", r"1 foreign keys .* child \(rowid 3\), whose row in parent is missing"),
        ("INSERT INTO bare VALUES (2, 99)", r"1 foreign keys .* bare, whose row in parent"),
        ("DELETE FROM parent WHERE id = 1", r"child \(rowid 1\)"),
    ],
)
def test_what_the_task_broke_is_named_and_the_commit_agrees(
    reopen: Reopen, sql: Sql, statement: str, named: str
) -> None:
    branch = reopen()
    branch.connection().exec_driver_sql(statement)
    with pytest.raises(ConstraintViolated, match=named):
        branch.check_constraints()
    branch.write_marker(1, "ab")
    with pytest.raises(ConstraintViolated):
        branch.commit()
    branch.rollback()
    assert sql("SELECT count(*) FROM child, parent") == [(4,)]


def test_what_was_mended_before_the_end_is_fine(reopen: Reopen) -> None:
    branch = reopen()
    branch.connection().exec_driver_sql("INSERT INTO child VALUES (3, 3)")
    branch.connection().exec_driver_sql("INSERT INTO parent VALUES (3)")
    branch.check_constraints()


def test_the_guard_stands_again_after_the_check(reopen: Reopen) -> None:
    branch = reopen()
    connection = branch.connection()
    branch.check_constraints()
    with pytest.raises(Exception, match="not authorized"):
        connection.exec_driver_sql("DROP TABLE child")
    assert "whole file" in branch.locks()
