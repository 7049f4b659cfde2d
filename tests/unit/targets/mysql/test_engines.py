"""What no rollback takes back is refused before it is written, wherever a write would reach it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from tests.support.servers.server import USER
from tests.unit.targets.mysql.conftest import Sql

from rescind.domain.schema import Column, Table, Type
from rescind.errors import RescindError, TargetRefused, UnknownTable
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.target import MySQLTarget

Begin = Callable[..., MySQLBranch]
T = Table("t", (Column("a", Type.integer, ""),))

MINE = f"DEFINER={USER}@'%'"
SAFE = "CREATE TABLE t(a INT PRIMARY KEY) ENGINE=InnoDB"

#: What makes a table `t` that must not be written to, and what the refusal names.
UNSAFE: dict[str, tuple[list[str], str]] = {
    "MyISAM": (["CREATE TABLE t(a INT) ENGINE=MyISAM"], "engine MyISAM"),
    "Aria": (["CREATE TABLE t(a INT) ENGINE=Aria"], "engine Aria"),
    "MEMORY": (["CREATE TABLE t(a INT) ENGINE=MEMORY"], "engine MEMORY"),
    "partitions": (["CREATE TABLE t(a INT) ENGINE=MyISAM PARTITION BY HASH(a) PARTITIONS 2"], "engine MyISAM"),
    "a view": ([SAFE.replace(" t(", " s("), "CREATE VIEW t AS SELECT a FROM s"], "is a view"),
    "a trigger": (
        [SAFE, "CREATE TABLE log(a INT) ENGINE=MyISAM",
         "CREATE TRIGGER w AFTER DELETE ON t FOR EACH ROW INSERT INTO log VALUES (1)"], "log",
    ),
    "a trigger's routine": (
        [SAFE, "CREATE TABLE log(a INT) ENGINE=MyISAM", f"CREATE {MINE} PROCEDURE deep() INSERT INTO `log` VALUES (1)",
         f"CREATE {MINE} PROCEDURE note() CALL deep()", "CREATE TRIGGER w AFTER INSERT ON t FOR EACH ROW CALL note()"],
        "log",
    ),
    "a routine that is hidden": (
        [SAFE, "CREATE PROCEDURE note() SELECT 1", "CREATE TRIGGER w AFTER INSERT ON t FOR EACH ROW CALL note()"],
        "note, whose text",
    ),
    "a child's trigger": (
        [SAFE, "CREATE TABLE log(a INT) ENGINE=MyISAM",
         "CREATE TABLE child(a INT, FOREIGN KEY (a) REFERENCES t(a) ON DELETE CASCADE) ENGINE=InnoDB",
         "CREATE TRIGGER w AFTER INSERT ON child FOR EACH ROW INSERT INTO log VALUES (1)"], "log",
    ),
}  # fmt: skip


@pytest.fixture(params=UNSAFE)
def unsafe(request: pytest.FixtureRequest, sql: Sql) -> str:
    """A table `t` that must not be written to; what the refusal names."""
    statements, named = UNSAFE[request.param]
    for statement in statements:
        sql(statement)
    return named


@pytest.mark.parametrize(
    "write",
    [
        lambda branch: branch.writer(T, ["a"]),
        lambda branch: branch.clear_table("t"),
        lambda branch: branch.connection().exec_driver_sql("INSERT INTO t VALUES (1)"),
        lambda branch: branch.connection().execute(sa.text("DELETE FROM t")),
        lambda branch: branch.connection().exec_driver_sql("UPDATE t SET a = %s", [(1,), (2,)]),
    ],
    ids=["writer", "clear", "insert", "delete", "many"],
)
def test_every_road_to_the_table_is_closed(
    begin: Begin, unsafe: str, write: Callable[[MySQLBranch], object], target: MySQLTarget, sql: Sql
) -> None:
    branch = begin()
    with pytest.raises(TargetRefused, match=unsafe) as error:
        write(branch)
    assert target.translate(error.value) is error.value
    branch.rollback()
    assert sql("SELECT count(*) FROM t") == [(0,)]


def test_reading_it_is_allowed(begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE t(a INT) ENGINE=MyISAM")
    assert begin().connection().exec_driver_sql("SELECT count(*) FROM t").scalar_one() == 0


def test_triggers_and_keys_that_stay_in_innodb_are_allowed(begin: Begin, sql: Sql) -> None:
    sql(SAFE)
    sql("CREATE TABLE t2(a INT, FOREIGN KEY (a) REFERENCES t(a) ON DELETE CASCADE) ENGINE=InnoDB")
    sql("CREATE TABLE log(a INT) ENGINE=MyISAM")
    sql("CREATE TRIGGER w AFTER INSERT ON t FOR EACH ROW INSERT INTO t2 VALUES (NEW.a)")
    branch = begin()
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (1), (2)")
    branch.write_marker(2, "")
    branch.commit()
    assert sql("SELECT count(*) FROM t2") == [(2,)]


@pytest.mark.parametrize("name", ["rescind_marker", "nowhere", "T"])
def test_a_table_that_is_not_there_or_not_for_tasks_is_unknown(begin: Begin, sql: Sql, name: str) -> None:
    sql(SAFE)
    branch = begin()
    with pytest.raises(UnknownTable):
        branch.clear_table(name)
    later = begin(1)
    with pytest.raises((UnknownTable, RescindError)):
        later.connection().exec_driver_sql(f"DELETE FROM {name}")
