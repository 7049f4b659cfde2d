"""ON DUPLICATE KEY UPDATE changes whatever row is met: never one of another key; and what a deadlock leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pymysql
import pytest
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import running
from tests.support.waiting import until
from tests.unit.targets.mysql.conftest import Sql, administrator

from rescind.domain.branch import BranchId, Protocol
from rescind.errors import ConstraintViolated, TargetConflict, TransactionBroken
from rescind.targets.mysql import upsert as clauses
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.session import run
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

Begin = Callable[..., MySQLBranch]
Upsert = Callable[..., int]

CHECKSUM = "ab" * 32
USERS = "CREATE TABLE v(id BIGINT AUTO_INCREMENT PRIMARY KEY, mail VARCHAR(20) UNIQUE, x INT) ENGINE=InnoDB"


@pytest.fixture
def upsert(target: MySQLTarget) -> Upsert:
    """Write columns of values into table `v` by the key."""

    def write(branch: MySQLBranch, key: list[str], **columns: Any) -> int:
        table = target.catalog().table("v")
        return branch.writer(table, list(columns), key).write(pa.RecordBatch.from_pydict(columns))

    return write


def finish(branch: MySQLBranch) -> None:
    branch.write_marker(0, CHECKSUM)
    branch.commit()


@pytest.mark.parametrize(
    ("declared", "keys"),
    [
        ("b INT, a INT, c INT UNIQUE, PRIMARY KEY (b, a)", (("b", "a"), ("c",))),
        ("a INT, b INT, UNIQUE z (a), UNIQUE y (a), UNIQUE x (b, a)", (("b", "a"), ("a",))),
        ("a VARCHAR(50), b INT, UNIQUE (a(10)), UNIQUE (b, a(10)), KEY (b)", ()),
    ],
)
def test_keys_are_what_finds_one_row(target: MySQLTarget, sql: Sql, declared: str, keys: object) -> None:
    sql(f"CREATE TABLE v({declared}) ENGINE=InnoDB")
    assert target.catalog().table("v").unique == keys


@pytest.mark.parametrize(
    ("key", "columns", "row", "named"),
    [
        (["id"], {"id": [1, 50], "mail": ["c", "b"]}, 1, "'b' for key 'mail'"),
        (["id"], {"id": [3, 1], "mail": ["c", "b"]}, 1, "'b' for key 'mail'"),
        (["id"], {"id": [7, 8], "mail": ["new", "NEW"]}, 1, "'NEW' for key 'mail'"),
        (["mail"], {"mail": ["c", "d"], "id": [9, 1]}, 1, "'1' for key 'PRIMARY'"),
        (["mail"], {"mail": ["b"], "id": [1]}, 0, "'1' for key 'PRIMARY'"),
    ],
)
def test_a_row_met_under_another_key_is_left_alone_and_the_row_named(
    begin: Begin, upsert: Upsert, sql: Sql, key: list[str], columns: dict[str, Any], row: int, named: str
) -> None:
    sql(USERS)
    sql("INSERT INTO v VALUES (1, 'a', 10), (2, 'b', 20)")
    branch = begin()
    with pytest.raises(ConstraintViolated, match=named) as error:
        upsert(branch, key, **columns)
    assert error.value.row == row
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, "a", 10), (2, "b", 20)]


@pytest.mark.parametrize(
    "other",
    [
        "y INT NOT NULL DEFAULT 5, UNIQUE (y)",  # not written
        "y INT AS (x DIV 100) STORED, UNIQUE (y)",  # computed
        "y VARCHAR(99) AS (concat('longer than ten ', x)) STORED, UNIQUE (y(10))",  # of its beginning
    ],
)
def test_keys_that_are_not_written_are_watched_too(begin: Begin, upsert: Upsert, sql: Sql, other: str) -> None:
    sql(f"CREATE TABLE v(k INT PRIMARY KEY, x INT, {other}) ENGINE=InnoDB")
    sql("INSERT INTO v(k, x) VALUES (1, 1)")
    branch = begin()
    with pytest.raises(ConstraintViolated, match="for key 'y'") as error:
        upsert(branch, ["k"], k=[1, 2], x=[1, 2])
    assert error.value.row == 1
    finish(branch)
    assert sql("SELECT k, x FROM v") == [(1, 1)]


def test_a_trigger_that_changes_the_other_key_is_watched_too(begin: Begin, upsert: Upsert, sql: Sql) -> None:
    sql(USERS)
    sql("INSERT INTO v VALUES (1, 'a', 10)")
    sql("CREATE TRIGGER w BEFORE INSERT ON v FOR EACH ROW SET NEW.mail = 'a'")
    branch = begin()
    with pytest.raises(ConstraintViolated, match="'a' for key 'mail'"):
        upsert(branch, ["id"], id=[2], x=[1])
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, "a", 10)]


def test_without_the_guard_another_row_would_be_changed(
    begin: Begin, upsert: Upsert, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the guard is for: should a server stop to do this, it can go."""
    sql(USERS)
    sql("INSERT INTO v VALUES (1, 'a', 10)")
    monkeypatch.setattr(clauses, "_OVERFLOW", "{0} IS NOT NULL")
    branch = begin()
    upsert(branch, ["id"], id=[2], mail=["a"], x=[99])
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, "a", 99)]


def test_keys_are_the_same_whatever_their_case_where_the_collation_says_so(
    begin: Begin, upsert: Upsert, sql: Sql
) -> None:
    sql("CREATE TABLE v(k VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, x INT) ENGINE=InnoDB")
    sql("INSERT INTO v VALUES ('Anna', 0)")
    branch = begin()
    assert upsert(branch, ["k"], k=["ANNA", "anna ", "Bob", "BÖB"], x=[1, 2, 3, 4]) == 4
    finish(branch)
    assert sql("SELECT * FROM v ORDER BY k") == [("Anna", 2), ("Bob", 4)]


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("ENUM('a','b')", "b"), ("SET('a','b')", "a,b"), ("BIT(3)", 5), ("YEAR", 2024), ("FLOAT", 0.5),
        ("BINARY(2)", b"\x00a"), ("INET6", "::1"), ("UUID", "0192f0c0-0000-7000-8000-000000000001"),
        ("CHAR(3) CHARACTER SET latin1", "ä"), ("VARCHAR(3) COLLATE utf8mb4_nopad_bin", "a "),
        ("BIGINT UNSIGNED", Decimal(2**64 - 1)),
    ],
)  # fmt: skip
def test_keys_of_the_databases_own_types(begin: Begin, upsert: Upsert, sql: Sql, declared: str, value: object) -> None:
    sql(f"CREATE TABLE v(k {declared} UNIQUE, x INT) ENGINE=InnoDB")
    branch = begin()
    upsert(branch, ["k"], k=[value, value], x=[0, 1])
    stored = run(branch._connection, "SELECT HEX(k) FROM v")
    upsert(branch, ["k"], k=[value], x=[2])
    upsert(branch, ["k"], k=[value])
    finish(branch)
    assert sql("SELECT HEX(k), x FROM v") == [(stored[0][0], 2)]


def test_triggers_and_references_see_an_update_and_nothing_is_deleted(begin: Begin, upsert: Upsert, sql: Sql) -> None:
    sql("CREATE TABLE v(k INT PRIMARY KEY, x INT, y INT AS (x * 2) STORED, z INT DEFAULT 7) ENGINE=InnoDB")
    sql("CREATE TABLE log(n INT AUTO_INCREMENT PRIMARY KEY, what TEXT) ENGINE=InnoDB")
    sql("CREATE TABLE c(k INT, FOREIGN KEY (k) REFERENCES v(k) ON DELETE CASCADE) ENGINE=InnoDB")
    for what, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        sql(f"CREATE TRIGGER w{what} AFTER {what} ON v FOR EACH ROW "
            f"INSERT INTO log(what) VALUES (CONCAT('{what} ', {row}.k))")  # fmt: skip
    sql("INSERT INTO v(k, x, z) VALUES (1, 1, 1)")
    sql("INSERT INTO c VALUES (1)")
    branch = begin()
    assert upsert(branch, ["k"], k=[1, 2], x=[10, 20]) == 2
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, 10, 20, 1), (2, 20, 40, 7)]
    assert sql("SELECT what FROM log ORDER BY n") == [("INSERT 1",), ("UPDATE 1",), ("INSERT 2",)]
    assert sql("SELECT * FROM c") == [(1,)]


def test_a_row_that_only_a_check_or_a_parent_refuses_is_named(begin: Begin, upsert: Upsert, sql: Sql) -> None:
    sql("CREATE TABLE u(a INT PRIMARY KEY) ENGINE=InnoDB")
    sql("CREATE TABLE v(k INT PRIMARY KEY, x INT CHECK (x < 5), p INT REFERENCES u(a)) ENGINE=InnoDB")
    sql("INSERT INTO v VALUES (1, 1, NULL)")
    branch = begin()
    for columns, row in (({"x": [1, 2, 9]}, 2), ({"p": [None, 1, None]}, 1)):
        with pytest.raises(ConstraintViolated) as error:
            upsert(branch, ["k"], k=[2, 3, 1], **columns)
        assert error.value.row == row
        assert "PRIMARY" not in str(error.value)
    assert upsert(branch, ["k"], k=[1], x=[4]) == 1
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, 4, None)]


def test_a_batch_of_several_statements_is_taken_back_as_one(
    begin: Begin, target: MySQLTarget, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rescind.targets.mysql.writer.ROWS_PER_STATEMENT", 3)
    sql(USERS)
    branch = begin()
    writer = branch.writer(target.catalog().table("v"), ["id", "x"])
    for ids, row in (([1, 2, 3, 4, 5, 6, 7, 2], 7), ([1, 2, 3, 4, 4], 4)):
        with pytest.raises(ConstraintViolated, match="PRIMARY") as error:
            writer.write(pa.RecordBatch.from_pydict({"id": ids, "x": ids}))
        assert error.value.row == row
    writer.write(pa.RecordBatch.from_pydict({"id": [1, 2, 3, 4], "x": [0, 0, 0, 0]}))
    finish(branch)
    assert sql("SELECT count(*) FROM v") == [(4,)]


@pytest.mark.parametrize("key", [[], ["id"]])
def test_a_deadlock_is_never_taken_for_a_batch_that_was_taken_back(
    begin: Begin, upsert: Upsert, sql: Sql, mariadb: MariaDB, mariadb_url: str, key: list[str]
) -> None:
    """InnoDB takes back the whole of the smaller transaction: what the branch wrote before is gone too."""
    sql(USERS)
    sql("CREATE TABLE other(a INT PRIMARY KEY, b INT) ENGINE=InnoDB")
    sql("INSERT INTO other SELECT seq, 0 FROM seq_1_to_1000")
    branch = begin()
    upsert(branch, key, id=[1], x=[1])
    place = pymysql.connect(
        host="127.0.0.1", port=mariadb.port, user="root", database=database_url(mariadb_url).database
    )
    with place, place.cursor() as rival, ThreadPoolExecutor(1) as pool:
        rival.execute("UPDATE other SET b = 1")
        rival.execute("INSERT INTO v VALUES (2, 'b', 2)")
        waiting = pool.submit(rival.execute, "SELECT * FROM v WHERE id = 1 FOR UPDATE")
        until(lambda: sql("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"), "it waits")
        with pytest.raises(TargetConflict, match="1213"):
            upsert(branch, key, id=[2], x=[2])
        waiting.result()
        place.rollback()
    with pytest.raises(TransactionBroken):
        upsert(branch, key, id=[3], x=[3])
    with pytest.raises(TransactionBroken):
        branch.write_marker(1, CHECKSUM)
    with pytest.raises(TransactionBroken):
        branch.commit()
    branch.rollback()
    assert sql("SELECT count(*) FROM v") == [(0,)]


@pytest.mark.parametrize("key", [[], ["id"]])
def test_a_savepoint_that_is_lost_is_the_end_of_the_branch(
    begin: Begin, target: MySQLTarget, sql: Sql, monkeypatch: pytest.MonkeyPatch, key: list[str]
) -> None:
    sql(USERS)
    branch = begin()
    writer = branch.writer(target.catalog().table("v"), ["id", "mail"], key)
    put = writer._put

    def losing(*rows: Any) -> ConstraintViolated | None:
        refused = put(*rows)
        if refused is not None:
            run(branch._connection, "RELEASE SAVEPOINT rescind_batch")
        return refused

    monkeypatch.setattr(writer, "_put", losing)
    with pytest.raises(Exception, match="1305"):
        writer.write(pa.RecordBatch.from_pydict({"id": [1, 2], "mail": ["x", "x"]}))
    with pytest.raises(TransactionBroken):
        branch.write_marker(1, CHECKSUM)
    branch.rollback()
    assert sql("SELECT count(*) FROM v") == [(0,)]


@pytest.fixture(scope="module")
def replicated() -> Iterator[MariaDB]:
    """A server whose binary log holds statements, and which warns of those that another server may take otherwise."""
    with running(MariaDB(log_bin="binlog", binlog_format="STATEMENT", sync_binlog=1, server_id=1)) as server:
        yield server


def test_a_server_that_logs_statements_takes_rows_by_their_key(
    mariadb: MariaDB, replicated: MariaDB, identity: BranchId
) -> None:
    url = replicated.make_database()
    sql = administrator(replicated, url)
    sql(USERS)
    sql("INSERT INTO v VALUES (1, 'a', 1)")
    target = MySQLTarget("default", database_url(url))
    target.set_up()
    branch = target.open_branch(identity, Protocol.one_phase)
    branch.start()
    writer = branch.writer(target.catalog().table("v"), ["id", "mail"], ["id"])
    assert writer.write(pa.RecordBatch.from_pydict({"id": [1, 2], "mail": ["b", "c"]})) == 2
    finish(branch)
    branch.close()
    assert sql("SELECT id, mail FROM v") == [(1, "b"), (2, "c")]


def test_mysql_is_given_a_name_for_the_new_row() -> None:
    assert clauses.clause("t", ["k", "a"], ["k"], alias=True) == (
        " AS `rescind_new` ON DUPLICATE KEY UPDATE `k` = IF((`t`.`k` <=> `rescind_new`.`k`) OR "
        "18446744073709551615 + (1 + ISNULL(`rescind_new`.`k`)), `t`.`k`, NULL), `a` = `rescind_new`.`a`"
    )
