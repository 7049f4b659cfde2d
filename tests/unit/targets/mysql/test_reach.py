"""What no rollback takes back is refused before it is written, wherever a write would reach it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from tests.support.servers.mariadb import MariaDB
from tests.support.servers.server import USER
from tests.unit.targets.mysql.conftest import Sql, administrator, poor

from rescind.domain.branch import Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import RescindError, TargetRefused, UnknownTable
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.target import MySQLTarget
from rescind.testing.conformance.scene import new_branch
from rescind.urls import database_url

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
    "a trigger's view": (
        [SAFE, "CREATE TABLE log(a INT) ENGINE=MyISAM", "CREATE VIEW shown AS SELECT a FROM log",
         "CREATE TRIGGER w AFTER INSERT ON t FOR EACH ROW INSERT INTO shown VALUES (1)"], "log",
    ),
    "another table's trigger": (
        [SAFE, "CREATE TABLE log(a INT) ENGINE=MyISAM", "CREATE TABLE next(a INT) ENGINE=InnoDB",
         "CREATE TRIGGER x AFTER INSERT ON next FOR EACH ROW INSERT INTO log VALUES (1)",
         "CREATE TRIGGER w AFTER INSERT ON t FOR EACH ROW INSERT INTO next VALUES (1)"], "log",
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


NOTE = f"""CREATE {MINE} FUNCTION note(n INT) RETURNS INT MODIFIES SQL DATA
    BEGIN INSERT INTO log VALUES (n); RETURN n; END"""
QUOTED = NOTE.replace("note(", "`take a note`(")
CALLING = [
    "INSERT INTO t VALUES (note(1))", "SELECT note(1)", "SELECT `note` /* this */ (a) FROM t",
    "UPDATE t SET a = `take a note`(2)", "SELECT a FROM noted", "DELETE FROM t WHERE a = deeper(1)",
]  # fmt: skip


@pytest.fixture
def noting(sql: Sql) -> Sql:
    """A table `t`, and functions that write to a MyISAM table `log`, by themselves, by another, and in a view."""
    sql(SAFE)
    sql("CREATE TABLE log(a INT) ENGINE=MyISAM")
    for function in (
        NOTE,
        QUOTED,
        f"CREATE {MINE} FUNCTION deeper(n INT) RETURNS INT MODIFIES SQL DATA RETURN note(n)",
    ):
        sql(function)
    sql("CREATE VIEW noted AS SELECT note(1) AS a")
    return sql


@pytest.mark.parametrize("statement", CALLING)
def test_a_statement_whose_function_writes_what_no_rollback_takes_back_is_refused(
    begin: Begin, noting: Sql, target: MySQLTarget, statement: str
) -> None:
    with pytest.raises(TargetRefused, match=r"runs .*log, which no rollback takes back") as error:
        begin().connection().exec_driver_sql(statement)
    assert target.translate(error.value) is error.value
    assert noting("SELECT count(*) FROM log") == [(0,)]


def test_a_function_that_stays_in_innodb_is_allowed_and_a_column_of_its_name_too(begin: Begin, noting: Sql) -> None:
    noting(f"CREATE {MINE} FUNCTION one() RETURNS INT RETURN 1")
    noting("CREATE TABLE u(note INT) ENGINE=InnoDB")
    branch = begin()
    branch.connection().exec_driver_sql("INSERT INTO t VALUES (one())")
    branch.connection().exec_driver_sql("INSERT INTO u (note) SELECT a FROM t WHERE 'note' <> 'log'")
    branch.write_marker(2, "")
    branch.commit()
    assert noting("SELECT note FROM u") == [(1,)]


def test_a_function_whose_text_is_hidden_is_refused_by_name(begin: Begin, sql: Sql) -> None:
    sql("CREATE FUNCTION unseen() RETURNS INT RETURN 1")
    with pytest.raises(TargetRefused, match=r"unseen, whose text the user may not see. Cure: GRANT SHOW_ROUTINE"):
        begin().connection().exec_driver_sql("SELECT unseen()")


RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE"


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ("SELECT ON {0}.* TO {0}@'%'", True),
        ("TRIGGER ON {0}.other TO {0}@'%'", True),
        ("TRIGGER ON {0}x.* TO {0}@'%'", True),
        ("TRIGGER ON {0}.t TO {0}@'%'", False),
        ("TRIGGER ON `bare\\_%`.* TO {0}@'%'", False),
        ("ALL ON {0}.* TO {0}@'%'", False),
        ("TRIGGER ON *.* TO {0}@'%'", False),
    ],
)
def test_who_may_not_see_triggers_writes_nothing(mariadb: MariaDB, more: str, refused: bool) -> None:
    """MySQL shows him none, as if there were none; MariaDB may show one without its text."""
    target, branch = _of_the_poor(mariadb, f"GRANT {more}")
    if refused:
        with pytest.raises(TargetRefused, match=rf"Cure: GRANT TRIGGER ON {target._address.database}\.\*"):
            branch.clear_table("t")
    else:
        assert branch.clear_table("t") == 0
    branch.close()


def test_the_right_may_come_by_a_role(mariadb: MariaDB) -> None:
    grants = ["CREATE ROLE r_{0}", "GRANT TRIGGER ON {0}.* TO r_{0}", "GRANT r_{0} TO {0}@'%'",
              "SET DEFAULT ROLE r_{0} FOR {0}@'%'"]  # fmt: skip
    _, branch = _of_the_poor(mariadb, *grants)
    assert branch.clear_table("t") == 0
    branch.close()


def test_a_right_that_mysql_takes_away_from_one_schema_is_not_there(begin: Begin) -> None:
    reach = begin()._reach
    reach._grants = ["GRANT SELECT, TRIGGER ON *.* TO `u`@`%`", "REVOKE TRIGGER ON `shop`.* FROM `u`@`%`"]
    assert not reach._may_see_triggers(("shop", "t"))
    assert reach._may_see_triggers(("shop2", "t"))


def _of_the_poor(mariadb: MariaDB, *grants: str) -> tuple[MySQLTarget, MySQLBranch]:
    """A begun branch of a user with few rights, to whom more are given, in a database with a table `t`."""
    url = poor(mariadb, RIGHTS)
    run = administrator(mariadb, url)
    target = MySQLTarget("default", database_url(url))
    target.set_up()
    for statement in (SAFE, "CREATE TABLE other(a INT)", *grants):
        run(statement.format(target._address.database))
    branch = target.open_branch(new_branch(), Protocol.one_phase)
    branch.start()
    return target, branch


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
