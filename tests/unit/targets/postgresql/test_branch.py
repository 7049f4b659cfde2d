"""What is PostgreSQL's own in a branch: command tags, deferred constraints, what cannot be prepared, locks."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from tests.support.waiting import until
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import (
    ConstraintViolated,
    TargetBusy,
    TargetConflict,
    TargetRefused,
    TransactionBroken,
    UnknownTable,
)
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

T = Table("t", (Column("a", Type.integer, "", key=1), Column("b", Type.text, "")))
TWO = Protocol.two_phase

DEFERRED = """
CREATE TABLE t(a integer PRIMARY KEY, b text UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.b = 'bad' THEN RAISE EXCEPTION 'bad is refused'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def rows(*pairs: tuple[int, str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]})


def raw(branch: PostgreSQLBranch) -> psycopg.Cursor[tuple[object, ...]]:
    """A cursor past the guard."""
    connection = branch.connection().connection.driver_connection
    assert connection is not None
    return psycopg.Cursor(connection)


@pytest.mark.parametrize(("bad", "reason"), [((2, "bad"), "bad is refused"), ((2, "one"), "23505")])
@pytest.mark.parametrize("verb", ["check_constraints", "write_marker"])
def test_what_is_deferred_fails_before_the_marker_is_written_and_takes_all_back(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, bad: tuple[int, str], reason: str, verb: str
) -> None:
    sql(DEFERRED)
    branch = begin(TWO)
    branch.writer(T, ["a", "b"]).write(rows((1, "one"), bad))
    with pytest.raises(ConstraintViolated, match=reason):
        branch.check_constraints() if verb == "check_constraints" else branch.write_marker(2, "")
    with pytest.raises(TransactionBroken, match="no marker"):
        branch.prepare()
    branch.rollback()
    branch.close()
    assert target.list_prepared(branch.id.ledger) == []
    assert sql("SELECT * FROM t") == []
    assert sql("SELECT * FROM rescind_marker") == []


def test_what_is_deferred_and_holds_passes(begin: Begin, sql: Sql) -> None:
    sql(DEFERRED)
    branch = begin(TWO)
    branch.writer(T, ["a", "b"]).write(rows((1, "one"), (2, "two")))
    branch.write_marker(2, "")
    branch.check_constraints()
    branch.prepare()
    branch.commit()
    assert sql("SELECT count(*) FROM t") == [(2,)]


@pytest.mark.parametrize("end", ["prepare", "commit"])
def test_a_failed_transaction_answers_rollback_without_an_error_and_is_not_taken_for_done(
    target: PostgreSQLTarget, begin: Begin, end: str
) -> None:
    branch = begin(TWO)
    branch.write_marker(0, "")
    with pytest.raises(psycopg.errors.DivisionByZero):
        raw(branch).execute("SELECT 1/0")
    with pytest.raises(TransactionBroken, match="ROLLBACK"):
        getattr(branch, end)()
    assert target.list_prepared(branch.id.ledger) == []
    assert target.markers(branch.id.ledger, branch.id.task) == []


@pytest.mark.parametrize("statement", ["CREATE TEMPORARY TABLE x(a int)", "LISTEN x", "SELECT pg_export_snapshot()"])
def test_what_cannot_be_prepared_is_a_clear_error(target: PostgreSQLTarget, begin: Begin, statement: str) -> None:
    branch = begin(TWO)
    raw(branch).execute(statement)
    branch.write_marker(0, "")
    with pytest.raises(TargetRefused, match="cannot PREPARE a transaction that has"):
        branch.prepare()
    branch.rollback()
    assert target.list_prepared(branch.id.ledger) == []


@pytest.mark.parametrize("verb", ["prepare", "commit"])
def test_nothing_ends_without_a_marker(begin: Begin, verb: str) -> None:
    branch = begin(TWO)
    with pytest.raises(TransactionBroken, match="no marker"):
        getattr(branch, verb)()


def test_nothing_is_written_after_a_rollback(begin: Begin, branch: PostgreSQLBranch, sql: Sql) -> None:
    """Outside of the transaction each statement would be committed by itself."""
    writer = branch.writer(T, ["a", "b"])
    connection = branch.connection()
    branch.rollback()
    for write in (
        lambda: writer.write(rows((2, "two"))),
        lambda: branch.clear_table("t"),
        lambda: branch.create_table(Table("x", T.columns)),
        lambda: connection.exec_driver_sql("DELETE FROM t"),
    ):
        with pytest.raises(TransactionBroken):
            write()
    assert sql("SELECT * FROM t") == [(1, "one")]
    assert sql("SELECT to_regclass('x')::text") == [(None,)]


def test_the_session_waits_for_the_disk_whatever_the_database_says(begin: Begin, sql: Sql) -> None:
    (database,) = sql("SELECT current_database()")[0]
    sql(f"ALTER DATABASE {database} SET synchronous_commit = off")
    sql(f"ALTER DATABASE {database} SET lock_timeout = 1")
    sql(f"ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'")
    cursor = raw(begin())
    for name, value in (("synchronous_commit", "on"), ("lock_timeout", "1min"), ("TimeZone", "UTC")):
        assert cursor.execute(f"SHOW {name}").fetchall() == [(value,)]


def test_its_statements_wait_for_a_lock_as_long_as_the_setting_says(postgresql_url: str, identity: BranchId) -> None:
    """From the beginning and after the marker, which gives the session its settings anew; a read waits less."""
    with closing(PostgreSQLTarget("default", make_url(postgresql_url), lock_seconds=7)) as target:
        target.set_up()
        with closing(target.open_branch(identity, Protocol.one_phase)) as branch:
            branch.start()
            assert raw(branch).execute("SHOW lock_timeout").fetchall() == [("7s",)]
            branch.write_marker(0, "")
            assert raw(branch).execute("SHOW lock_timeout").fetchall() == [("7s",)]


def test_whose_lock_a_statement_waits_for(
    target: PostgreSQLTarget, begin: Begin, branch: PostgreSQLBranch, sql: Sql
) -> None:
    branch.clear_table("t")
    second = begin()
    assert target.blocked(second.session) is None
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(second.clear_table, "t")
        until(lambda: target.blocked(second.session), "it waits")
        assert target.blocked(second.session) == f"a lock that server process {branch.session.split('@')[0]} holds"
        assert target.blocked(second.session.replace("@", "@1", 1)) is None  # another session with the same number
        branch.rollback()
        waits.result(30)
    assert target.blocked(second.session) is None


def test_errors_of_our_own_verbs_leave_the_transaction_usable(branch: PostgreSQLBranch, sql: Sql) -> None:
    with pytest.raises(TargetConflict, match="is there already"):
        branch.create_table(T)
    with pytest.raises(UnknownTable):
        branch.clear_table("nowhere")
    with pytest.raises(ConstraintViolated):
        branch.writer(T, ["a", "b"]).write(rows((2, "two"), (3, "one")))
    branch.writer(T, ["a", "b"]).write(rows((2, "zwei")))
    branch.write_marker(1, "")
    branch.commit()
    assert sql("SELECT * FROM t ORDER BY a") == [(1, "one"), (2, "zwei")]


def test_two_that_make_one_table_at_the_same_time(begin: Begin, sql: Sql) -> None:
    first, second = begin(), begin()
    first.create_table(T)
    waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND pid = %s"
    pid = int(second.session.split("@")[0])
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(second.create_table, T)
        while not sql(waiting, pid):
            assert not made.done()
            time.sleep(0.01)
        first.write_marker(0, "")
        first.commit()
        with pytest.raises(TargetConflict, match="is there already"):
            made.result(20)


def test_a_deadlock_and_a_lock_that_is_not_to_be_had_are_conflicts(begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE t(a integer PRIMARY KEY, b text); INSERT INTO t VALUES (1, ''), (2, '')")
    first, second = begin(), begin()
    first.connection().exec_driver_sql("UPDATE t SET b = 'x' WHERE a = 1")
    second.connection().exec_driver_sql("UPDATE t SET b = 'x' WHERE a = 2")
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(first.connection().exec_driver_sql, "UPDATE t SET b = 'y' WHERE a = 2")
        errors = []
        try:
            second.connection().exec_driver_sql("UPDATE t SET b = 'y' WHERE a = 1")
        except sa.exc.DBAPIError as error:
            errors.append(error)
            second.rollback()
        errors += [error for error in [waits.exception(30)] if isinstance(error, sa.exc.DBAPIError)]
    (deadlock,) = errors
    assert isinstance(deadlock.orig, psycopg.errors.DeadlockDetected)


def test_a_lock_that_is_not_to_be_had_for_a_row_is_a_conflict(begin: Begin, branch: PostgreSQLBranch) -> None:
    branch.connection().exec_driver_sql("SELECT * FROM t FOR UPDATE")
    second = begin()
    raw(second).execute("SET lock_timeout = '50ms'")
    with pytest.raises(TargetConflict, match="55P03"):
        second.clear_table("t")


@pytest.mark.parametrize("holds", ["clear_table", "create_table", "writer"])
def test_a_table_that_is_not_to_be_had_costs_no_attempt(begin: Begin, branch: PostgreSQLBranch, holds: str) -> None:
    """Whoever clears it keeps other writers out, and is kept out by them; whoever makes it, others who make it."""
    second = begin()
    raw(second).execute("SET lock_timeout = '50ms'")
    new = Table("new", T.columns)
    if holds == "create_table":
        branch.create_table(new)
    elif holds == "writer":
        branch.writer(T, ["a", "b"]).write(rows((2, "two")))
    else:
        branch.clear_table("t")
    with pytest.raises(TargetBusy):
        second.create_table(new) if holds == "create_table" else second.clear_table("t")
    branch.write_marker(0, "")
    branch.commit()
    assert second.clear_table("new" if holds == "create_table" else "t") == (2 if holds == "writer" else 0)


@pytest.mark.parametrize("filled", [False, True], ids=["before it is filled", "when it is filled"])
def test_of_two_that_replace_the_rows_the_later_ones_stay_alone(
    target: PostgreSQLTarget, begin: Begin, branch: PostgreSQLBranch, filled: bool
) -> None:
    branch.clear_table("t")
    if filled:
        branch.writer(T, ["a", "b"]).write(rows((2, "two")))
    second = begin()
    with ThreadPoolExecutor(1) as pool:
        cleared = pool.submit(second.clear_table, "t")
        until(lambda: cleared.done() or target.blocked(second.session), "it waits")
        if not filled:
            branch.writer(T, ["a", "b"]).write(rows((2, "two")))
        branch.write_marker(1, "")
        branch.commit()
        assert cleared.result(30) == 1
    second.writer(T, ["a", "b"]).write(rows((3, "three")))
    assert raw(second).execute("SELECT * FROM t").fetchall() == [(3, "three")]


@pytest.mark.parametrize("key", [[], ["a"]], ids=["append", "upsert"])
def test_nobody_else_writes_to_a_table_that_is_cleared(
    target: PostgreSQLTarget, begin: Begin, branch: PostgreSQLBranch, sql: Sql, key: list[str]
) -> None:
    branch.clear_table("t")
    second = begin()
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(lambda: second.writer(T, ["a", "b"], key).write(rows((2, "two"))))
        until(lambda: target.blocked(second.session), "it waits")
        assert sql("SELECT * FROM t") == [(1, "one")]
        branch.write_marker(0, "")
        branch.commit()
        assert written.result(30) == 1


def test_a_table_altered_meanwhile_is_a_conflict(begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE t(a integer PRIMARY KEY, b text)")
    branch = begin()
    writer = branch.writer(T, ["a", "b"])
    sql("ALTER TABLE t DROP COLUMN b")
    with pytest.raises(TargetConflict, match="42703"):
        writer.write(rows((1, "one")))
    sql("DROP TABLE t")
    with pytest.raises(TargetConflict, match="42P01"):
        writer.write(rows((1, "one")))


def test_locks_in_words(branch: PostgreSQLBranch) -> None:
    assert branch.locks() == ""
    branch.clear_table("t")
    assert branch.locks() == "t: RowExclusiveLock, ShareRowExclusiveLock and its written rows"


@pytest.mark.parametrize(
    ("verb", "arguments"), [("write_marker", (0, "")), ("commit", ()), ("check_constraints", ()), ("locks", ())]
)
def test_nothing_is_done_after_a_cancel(
    branch: PostgreSQLBranch, sql: Sql, verb: str, arguments: tuple[object, ...]
) -> None:
    branch.write_marker(0, "")
    branch.cancel()
    with pytest.raises(TargetConflict, match="cancelled"):
        getattr(branch, verb)(*arguments)
    branch.rollback()
    assert sql("SELECT * FROM rescind_marker") == []


@pytest.mark.parametrize("name", ["", "a" * 64, "a\0b", "rescind_x"])
def test_names_that_cannot_be_are_refused(branch: PostgreSQLBranch, name: str) -> None:
    with pytest.raises(TargetRefused):
        branch.create_table(Table(name, T.columns))


@pytest.mark.parametrize("declared", ["integer); DROP TABLE t --", "integer DEFAULT now()", "nosuchtype"])
def test_declarations_that_cannot_be_are_refused(branch: PostgreSQLBranch, declared: str) -> None:
    with pytest.raises(TargetRefused):
        branch.create_table(Table("x", (Column("a", Type.integer, declared),)))
