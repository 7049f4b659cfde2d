"""A branch keeps its transaction to itself, with XA and without; a function can neither end it nor hide what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from tests.unit.targets.mysql.conftest import Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import (
    RescindError,
    StatementRefused,
    TargetConflict,
    TargetRefused,
    TransactionBroken,
)
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.session import run
from rescind.targets.mysql.target import MySQLTarget

Begin = Callable[..., MySQLBranch]

ENDS = [
    "COMMIT", "ROLLBACK", "BEGIN", "START TRANSACTION", "SAVEPOINT x", "XA START 'x'", "XA ROLLBACK 'x'",
    "SET autocommit = 1", "SET @@SESSION.sql_mode = ''", "LOCK TABLES t WRITE", "UNLOCK TABLES", "FLUSH TABLES",
    "CREATE TABLE x(a INT)", "CREATE TEMPORARY TABLE x(a INT)", "TRUNCATE t", "ALTER TABLE t ADD c INT", "DROP TABLE t",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t", "CALL anything()", "KILL 1", "GRANT ALL ON *.* TO x",
    "SELECT 1; COMMIT", "SELECT GET_LOCK('x', 1)", "SELECT 1 INTO OUTFILE '/tmp/x'", "DELETE FROM rescind_marker",
    "PREPARE x FROM 'COMMIT'", "HANDLER t OPEN", "ANALYZE TABLE t", "/*! COMMIT */",
]  # fmt: skip


@pytest.fixture(params=["XA", "plain"])
def one(request: pytest.FixtureRequest, target: MySQLTarget, identity: BranchId, sql: Sql) -> Iterator[MySQLBranch]:
    """A begun one-phase branch beside `t(a BIGINT PRIMARY KEY)` with the row 1; with XA, and as without it."""
    sql("CREATE TABLE t(a BIGINT PRIMARY KEY) ENGINE=InnoDB")
    sql("INSERT INTO t VALUES (1)")
    server = target._known()
    if request.param == "plain":
        server = replace(server, variables={**server.variables, "aurora_version": "3"})
    branch = MySQLBranch(identity, Protocol.one_phase, target._address.arguments, target._address.database, server)
    branch.start()
    yield branch
    branch.rollback()
    branch.close()


def test_all_is_committed_together(one: MySQLBranch, sql: Sql) -> None:
    one.connection().exec_driver_sql("INSERT INTO t VALUES (2)")
    assert sql("SELECT count(*) FROM t") == [(1,)]
    one.write_marker(1, "")
    one.commit()
    assert sql("SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    assert sql("SELECT count(*) FROM rescind_marker") == [(1,)]


def test_all_is_taken_back_and_no_lock_is_left(one: MySQLBranch, sql: Sql) -> None:
    one.connection().exec_driver_sql("UPDATE t SET a = 5")
    one.write_marker(1, "")
    one.rollback()
    sql("SET STATEMENT lock_wait_timeout = 1 FOR ALTER TABLE t ADD c INT")
    assert sql("SELECT a FROM t") == [(1,)]
    assert sql("SELECT count(*) FROM rescind_marker") == [(0,)]
    with pytest.raises(TransactionBroken):
        one.write_marker(1, "")


@pytest.mark.parametrize("statement", ENDS)
def test_a_statement_that_is_not_for_tasks_is_refused_for_good(branch: MySQLBranch, sql: Sql, statement: str) -> None:
    with pytest.raises(StatementRefused):
        branch.connection().exec_driver_sql(statement)
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (2, 'two')")
    with pytest.raises(StatementRefused):
        branch.write_marker(1, "")
    branch.rollback()
    assert sql("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize(
    "road",
    [
        lambda connection: connection.connection.cursor().execute("COMMIT"),
        lambda connection: connection.connection.cursor().executemany("COMMIT", [()]),
        lambda connection: connection.connection.cursor().callproc("anything"),
        lambda connection: connection.connection.cursor()._query("COMMIT"),
        lambda connection: connection.execution_options(stream_results=True).exec_driver_sql("COMMIT"),
        lambda connection: connection.get_transaction().commit(),
        lambda connection: connection.get_transaction().rollback(),
        lambda connection: _commit_another(connection.engine),
        lambda connection: connection.connection.commit(),
        lambda connection: connection.connection.rollback(),
        lambda connection: connection.connection.begin(),
        lambda connection: connection.connection.autocommit(True),
        lambda connection: connection.connection.query("COMMIT"),
        lambda connection: connection.connection.query(b"COMMIT"),
        lambda connection: connection.connection.set_character_set("latin1"),
        lambda connection: connection.connection.select_db("mysql"),
        lambda connection: connection.connection.ping(),
        lambda connection: connection.connection.kill(1),
        lambda connection: connection.connection.connect(),
    ],
)
def test_no_road_leads_around_the_guard(
    one: MySQLBranch, road: Callable[[Any], object], target: MySQLTarget, sql: Sql
) -> None:
    """Neither one of SQLAlchemy's nor one of the driver's connection that it hands out."""
    one.connection().exec_driver_sql("INSERT INTO t VALUES (2)")
    with pytest.raises((StatementRefused, sa.exc.StatementError)) as error:
        road(one.connection())
    assert isinstance(target.translate(error.value), StatementRefused)
    with pytest.raises(StatementRefused):
        one.write_marker(1, "")
    one.close()
    assert sql("SELECT a FROM t") == [(1,)]


def _commit_another(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (3)")


def test_a_session_that_was_closed_is_not_opened_again(one: MySQLBranch, sql: Sql) -> None:
    """In another session nothing would belong to the branch, and everything would be committed by itself."""
    driver = one.connection().connection.driver_connection
    assert driver is not None
    driver.close()
    with pytest.raises(StatementRefused):
        driver.connect()
    with pytest.raises(Exception, match=r"Already closed|^\(0,"):
        driver.cursor().execute("INSERT INTO t VALUES (2)")
    assert sql("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_transaction_that_ended_behind_our_back_is_found_out(one: MySQLBranch, sql: Sql, ending: str) -> None:
    """With XA the server itself refuses to end it; without, the savepoint is gone."""
    one.connection().exec_driver_sql("INSERT INTO t VALUES (2)")
    if one._xid is not None:
        with pytest.raises(Exception, match="1399"):
            run(one._connection, ending)
        return
    run(one._connection, ending)
    one.connection().exec_driver_sql("INSERT INTO t VALUES (3)")
    with pytest.raises(TransactionBroken):
        one.write_marker(1, "")
    with pytest.raises(TransactionBroken):
        one.commit()
    one.rollback()
    assert (3,) not in sql("SELECT a FROM t")
    assert sql("SELECT count(*) FROM rescind_marker") == [(0,)]


def test_what_was_streamed_half_way_does_not_hinder_the_marker(one: MySQLBranch, sql: Sql) -> None:
    sql("INSERT INTO t SELECT seq FROM seq_2_to_5000")
    streamed = one.connection().execution_options(stream_results=True).exec_driver_sql("SELECT a FROM t")
    assert streamed.fetchone() is not None
    one.write_marker(0, "")
    one.commit()


def test_an_interrupt_in_a_write_breaks_the_branch(one: MySQLBranch) -> None:
    with pytest.raises(KeyboardInterrupt), one._own_write():
        raise KeyboardInterrupt
    with pytest.raises(TransactionBroken):
        one.write_marker(1, "")


def test_a_session_that_is_lost_commits_nothing(one: MySQLBranch, sql: Sql) -> None:
    one.connection().exec_driver_sql("INSERT INTO t VALUES (2)")
    one.write_marker(1, "")
    one._connection.cut()
    with pytest.raises(RescindError):
        one.commit()
    one.rollback()
    assert sql("SELECT count(*) FROM rescind_marker") == [(0,)]


def test_what_is_to_be_prepared_is_not_committed_before(begin: Begin, sql: Sql) -> None:
    branch = begin(protocol=Protocol.two_phase)
    with pytest.raises(TransactionBroken):
        branch.prepare()
    branch.write_marker(0, "")
    with pytest.raises(TransactionBroken):
        branch.commit()
    branch.rollback()
    assert sql("SELECT count(*) FROM rescind_marker") == [(0,)]


def test_a_prepared_branch_is_unknown_to_others_while_its_owner_lives(begin: Begin, target: MySQLTarget) -> None:
    branch = begin(protocol=Protocol.two_phase)
    branch.write_marker(0, "")
    branch.prepare()
    with pytest.raises(TransactionBroken, match="1397"):
        target.commit_prepared(branch.id)
    assert target.list_prepared(branch.id.ledger) == [branch.id]
    assert target.newest_incarnation(branch.id.ledger) == branch.id.incarnation


def test_foreign_branches_are_not_listed(target: MySQLTarget, identity: BranchId, sql: Sql) -> None:
    sql("XA START 'rescind:1:abcdefabcdef','1.0'")
    assert target.list_prepared(identity.ledger) == []


def test_locks_are_told_in_words(branch: MySQLBranch, target: MySQLTarget, sql: Sql) -> None:
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (2, 'two')")
    assert branch.locks().startswith("No ALTER")  # the user may not see more
    branch.check_constraints()
    branch.write_marker(1, "")


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (Table("rescind_x", (Column("a", Type.integer, ""),)), "rescind_x"),
        (Table("x" * 65, (Column("a", Type.integer, ""),)), "x" * 65),
        (Table("x", (Column("a ", Type.integer, ""),)), "'a '"),
        (Table("x", (Column("a", Type.integer, "INT) ENGINE=MyISAM --"),)), "MyISAM"),
        (Table("x", (Column("a", Type.text, "NO SUCH TYPE"),)), "4161"),
    ],
)
def test_a_table_that_cannot_be_had_is_refused_by_name(
    target: MySQLTarget, identity: BranchId, table: Table, named: str
) -> None:
    branch = target.open_branch(identity, Protocol.one_phase)
    with pytest.raises(TargetRefused, match=named):
        branch.create_table(table)
    branch.close()
    assert target.catalog().tables() == []


def test_a_made_table_has_the_types_that_were_asked_for(target: MySQLTarget, identity: BranchId) -> None:
    key = (Column("k", Type.text, "", nullable=False, key=2), Column("b", Type.binary, "", nullable=False, key=1))
    asked = Table("x`y", (*key, *(Column(f"a_{kind}", kind, "") for kind in Type)))
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.create_table(asked)
    with pytest.raises(TargetConflict):
        branch.create_table(asked)
    branch.close()
    made = target.catalog().table("x`y")
    assert [(c.name, c.type, c.key, c.nullable) for c in made.columns] == [
        (c.name, c.type, c.key, c.nullable) for c in asked.columns
    ]


def test_a_table_that_a_foreign_key_needs_is_left(target: MySQLTarget, identity: BranchId, sql: Sql) -> None:
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.create_table(Table("x", (Column("a", Type.integer, "", nullable=False, key=1),)))
    branch.close()
    sql("CREATE TABLE y(a BIGINT, FOREIGN KEY (a) REFERENCES x(a)) ENGINE=InnoDB")
    target.undo_table("x", identity)
    assert target.catalog().tables() == ["x", "y"]


def test_rows_are_written_where_sql_wrote_before(one: MySQLBranch, target: MySQLTarget, sql: Sql) -> None:
    one.connection().exec_driver_sql("INSERT INTO t VALUES (%s)", [(2,), (3,)])
    one.writer(target.catalog().table("t"), ["a"]).write(pa.RecordBatch.from_pydict({"a": [4]}))
    one.write_marker(3, "")
    one.commit()
    assert sql("SELECT a FROM t ORDER BY a") == [(1,), (2,), (3,), (4,)]
