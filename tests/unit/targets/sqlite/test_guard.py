"""What a task's own statements may do, and that swallowing a refusal does not help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from rescind.domain.schema import Column, Table, Type
from rescind.errors import StatementRefused
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.target import SQLiteTarget

REFUSED = [
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "END",
    "SAVEPOINT x",
    "CREATE TABLE x(a)",
    "CREATE TEMP TABLE x(a)",
    "CREATE INDEX x ON t(b)",
    "CREATE VIEW x AS SELECT 1",
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN c",
    "REINDEX",
    "ANALYZE",
    "ATTACH ':memory:' AS x",
    "DETACH main",
    "PRAGMA synchronous=OFF",
    "PRAGMA user_version=3",
    "PRAGMA wal_checkpoint",
    "SELECT kind FROM rescind_marker",
    "SELECT 1 WHERE EXISTS (SELECT * FROM RESCIND_MARKER)",
    "INSERT INTO rescind_marker(ledger) VALUES ('x')",
    "DELETE FROM rescind_marker",
    "DELETE FROM sqlite_sequence",
]

ALLOWED = [
    "SELECT count(*) FROM t",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) SELECT sum(i) FROM n",
    "INSERT INTO t VALUES (2, upper('two'))",
    "UPDATE t SET b = 'eins' WHERE a = 1",
    "DELETE FROM t",
    "PRAGMA table_info(t)",
    "PRAGMA user_version",
    "SELECT name FROM sqlite_master",
]


@pytest.fixture(autouse=True)
def sequence(sql: Callable[..., Any]) -> None:
    """An AUTOINCREMENT table, so that sqlite_sequence exists."""
    sql("CREATE TABLE s(a INTEGER PRIMARY KEY AUTOINCREMENT)")


@pytest.mark.parametrize("statement", REFUSED)
def test_refused_and_the_attempt_fails_even_if_the_error_is_swallowed(
    target: SQLiteTarget, branch: SQLiteBranch, statement: str
) -> None:
    with pytest.raises(sa.exc.DatabaseError) as error:
        branch.connection().exec_driver_sql(statement)
    assert isinstance(target.translate(error.value), StatementRefused)
    with pytest.raises(StatementRefused):
        branch.write_marker(0, "")


@pytest.mark.parametrize("statement", ALLOWED)
def test_allowed(branch: SQLiteBranch, statement: str) -> None:
    branch.connection().exec_driver_sql(statement)
    branch.write_marker(0, "")


@pytest.mark.parametrize("method", ["commit", "rollback", "close", "begin", "begin_nested", "begin_twophase", "detach"])
def test_methods_that_would_end_the_transaction_are_refused(branch: SQLiteBranch, method: str) -> None:
    connection = branch.connection()
    connection.exec_driver_sql("UPDATE t SET b = 'eins'")
    with pytest.raises(StatementRefused, match=method):
        getattr(connection, method)()
    with pytest.raises(StatementRefused, match=method):
        branch.write_marker(0, "")


def test_an_error_before_the_first_statement_rolls_nothing_back(branch: SQLiteBranch) -> None:
    with pytest.raises(sa.exc.StatementError, match="bind parameter"):
        branch.connection().execute(sa.text("SELECT :x"))
    branch.write_marker(0, "")


def test_the_block_of_sqlalchemys_own_transaction_cannot_commit(target: SQLiteTarget, branch: SQLiteBranch) -> None:
    connection = branch.connection()
    transaction = connection.get_transaction()
    assert transaction is not None
    with pytest.raises(sa.exc.DatabaseError) as error:
        transaction.commit()
    assert isinstance(target.translate(error.value), StatementRefused)


def test_a_with_block_does_not_hide_the_error_that_ends_it(branch: SQLiteBranch) -> None:
    with pytest.raises(ZeroDivisionError), branch.connection():
        raise ZeroDivisionError


def test_the_drivers_own_road_is_guarded_too(target: SQLiteTarget, branch: SQLiteBranch) -> None:
    driver: Any = branch.connection().connection.driver_connection
    for end in (driver.commit, driver.rollback, lambda: driver.executescript("SELECT 1")):
        with pytest.raises(Exception, match="not authorized") as error:
            end()
        assert isinstance(target.translate(error.value), StatementRefused)


def test_our_own_verbs_work_between_the_tasks_statements(branch: SQLiteBranch) -> None:
    connection = branch.connection()
    halfway = connection.exec_driver_sql("SELECT a FROM t UNION ALL SELECT 2 UNION ALL SELECT 3")
    assert halfway.fetchone() == (1,)
    branch.create_table(Table("made", (Column("a", Type.integer, ""),)))
    assert branch.clear_table("t") == 1
    assert halfway.fetchone() == (2,)
    with pytest.raises(sa.exc.DatabaseError):
        connection.exec_driver_sql("DROP TABLE made")


def test_a_statement_that_is_merely_wrong_is_the_functions_own_fault(
    target: SQLiteTarget, branch: SQLiteBranch
) -> None:
    with pytest.raises(sa.exc.OperationalError) as error:
        branch.connection().exec_driver_sql("SELECT * FROM nowhere")
    assert target.translate(error.value) is None
    assert target.translate(ValueError()) is None
    branch.write_marker(0, "")
