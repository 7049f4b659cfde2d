"""What a task's own statements may do, by every road to the server, and that swallowing a refusal does not help."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql as composed
from tests.unit.targets.postgresql.conftest import Sql

from rescind.errors import StatementRefused, TargetRefused, TransactionBroken
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

REFUSED = [
    "COMMIT",
    "SELECT 1; COMMIT",
    "CREATE TABLE x(a int)",
    "SET synchronous_commit = off",
    "TABLE rescind_marker",
]
ENDS = ["commit", "rollback", "close", "begin", "begin_nested", "begin_twophase", "detach", "invalidate"]


def driver(branch: PostgreSQLBranch) -> Any:
    return branch.connection().connection.driver_connection


@pytest.mark.parametrize("statement", REFUSED)
def test_refused_and_the_attempt_fails_even_if_the_error_is_swallowed(branch: PostgreSQLBranch, statement: str) -> None:
    with pytest.raises(StatementRefused):
        branch.connection().exec_driver_sql(statement)
    with pytest.raises(StatementRefused):
        branch.write_marker(0, "")


@pytest.mark.parametrize("method", ENDS)
def test_methods_that_would_end_the_transaction_are_refused(branch: PostgreSQLBranch, method: str) -> None:
    connection = branch.connection()
    with pytest.raises(StatementRefused, match=method):
        getattr(connection, method)()
    with pytest.raises(StatementRefused, match=method):
        branch.write_marker(0, "")


def test_expressions_with_parameters_pass(branch: PostgreSQLBranch, sql: Sql) -> None:
    table = sa.table("t", sa.column("a", sa.Integer), sa.column("b", sa.Text))
    connection = branch.connection()
    connection.execute(sa.insert(table), [{"a": n, "b": f"{n} %"} for n in range(2, 300)])
    assert connection.execute(sa.update(table).where(table.c.a > 100).values(b=None)).rowcount == 199
    ending_in_percent = sa.text("SELECT count(*) FROM t WHERE b LIKE '%!%' ESCAPE '!' OR a < :x")
    assert connection.execute(ending_in_percent, {"x": 2}).scalar() == 100  # 2 to 100, and the first
    assert connection.execute(sa.delete(table).where(table.c.a.in_([1, 2]))).rowcount == 2
    with connection.execution_options(stream_results=True).execute(sa.select(table.c.a)) as rows:
        assert len(rows.fetchall()) == 297
    branch.write_marker(0, "")
    branch.commit()
    assert sql("SELECT count(*) FROM t") == [(297,)]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_drivers_own_cursors_are_guarded_too(branch: PostgreSQLBranch, statement: str) -> None:
    connection = driver(branch)
    named = connection.cursor("named")
    for road in (
        lambda: connection.execute(statement),
        lambda: connection.execute(statement.encode()),
        lambda: connection.cursor().execute(composed.SQL(statement)),
        lambda: connection.cursor().executemany(statement, [()]),
        lambda: list(connection.cursor().stream(statement)),
        lambda: named.execute(statement),
    ):
        with pytest.raises(StatementRefused):
            road()
    named.close()


@pytest.mark.parametrize("method", ["commit", "rollback", "transaction", "pipeline"])
def test_the_drivers_own_ends_are_refused(branch: PostgreSQLBranch, method: str) -> None:
    with pytest.raises(StatementRefused, match=method):
        getattr(driver(branch), method)()
    with pytest.raises(StatementRefused, match=method):
        branch.write_marker(0, "")


def test_the_drivers_copy_is_refused(branch: PostgreSQLBranch) -> None:
    with pytest.raises(StatementRefused, match="copy"), driver(branch).cursor().copy("COPY t FROM STDIN"):
        pass


def test_several_statements_are_refused_by_the_server_itself(branch: PostgreSQLBranch, monkeypatch: Any) -> None:
    """Where the parser is mistaken, PostgreSQL still takes one statement at a time."""
    connection = driver(branch)
    monkeypatch.setattr(connection, "look", lambda query, parameters: None)
    with pytest.raises(psycopg.errors.SyntaxError, match="multiple commands"):
        connection.execute("SELECT 1; COMMIT")


def test_a_transaction_that_was_ended_behind_the_guard_writes_and_commits_nothing_more(
    branch: PostgreSQLBranch, sql: Sql
) -> None:
    connection = branch.connection()
    connection.exec_driver_sql("INSERT INTO t VALUES (2, 'two')")
    psycopg.Cursor(driver(branch)).execute("ROLLBACK")
    with pytest.raises(TransactionBroken):
        connection.exec_driver_sql("INSERT INTO t VALUES (3, 'three')")
    with pytest.raises(TransactionBroken):
        branch.write_marker(1, "")
    with pytest.raises(TransactionBroken):
        branch.commit()
    assert sql("SELECT a FROM t") == [(1,)]


def test_another_transaction_behind_the_guard_is_not_taken_for_ours(branch: PostgreSQLBranch, sql: Sql) -> None:
    psycopg.Cursor(driver(branch)).execute("ROLLBACK; BEGIN; INSERT INTO t VALUES (2, 'two')")
    with pytest.raises(TransactionBroken, match="not the transaction that was begun"):
        branch.write_marker(1, "")
    branch.close()
    assert sql("SELECT a FROM t") == [(1,)]


def test_a_swallowed_error_of_the_database_fails_the_attempt(branch: PostgreSQLBranch, sql: Sql) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        branch.connection().exec_driver_sql("INSERT INTO t VALUES (1, 'uno')")
    with pytest.raises(TransactionBroken, match="25P02"):
        branch.write_marker(0, "")


def test_tables_of_a_tasks_own_statements_are_checked(branch: PostgreSQLBranch, sql: Sql) -> None:
    sql("CREATE VIEW v AS SELECT * FROM t; CREATE SCHEMA s; CREATE UNLOGGED TABLE s.u(a int)")
    assert branch.connection().exec_driver_sql("SELECT count(*) FROM v JOIN s.u USING (a)").scalar() == 0
    for statement in ("DELETE FROM v", "INSERT INTO S.U VALUES (1)", "WITH x AS (INSERT INTO s.u VALUES (1)) SELECT 1"):
        with pytest.raises(TargetRefused, match=r"public\.v is a view|s\.u is an unlogged"):
            branch.connection().exec_driver_sql(statement)


def test_a_statement_that_is_merely_wrong_is_the_functions_own_fault(
    target: PostgreSQLTarget, branch: PostgreSQLBranch
) -> None:
    with pytest.raises(sa.exc.ProgrammingError) as error:
        branch.connection().exec_driver_sql("SELECT * FROM nowhere")
    assert target.translate(error.value) is None
    assert target.translate(ValueError()) is None


def test_our_own_verbs_work_between_the_tasks_statements(branch: PostgreSQLBranch) -> None:
    connection = branch.connection()
    assert branch.clear_table("t") == 1
    with pytest.raises(StatementRefused):
        connection.exec_driver_sql("TRUNCATE t")
