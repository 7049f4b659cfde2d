"""PROTOCOL R11: what a write reaches is rolled back with it, or the table is refused by name."""

from __future__ import annotations

import psycopg
import pytest
from tests.support.servers.postgresql import PostgreSQL
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.schema import Column, Table, Type
from rescind.errors import NotATable, TargetRefused, UnknownTable
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

COLUMNS = (Column("a", Type.integer, ""),)

REFUSED = {
    "x is a view": "CREATE TABLE t(a int); CREATE VIEW x AS SELECT * FROM t",
    "x is a materialized view": "CREATE MATERIALIZED VIEW x AS SELECT 1 AS a",
    "x is an unlogged table": "CREATE UNLOGGED TABLE x(a int)",
    "x is a sequence": "CREATE SEQUENCE x",
    "x is a table with rules": "CREATE TABLE x(a int); CREATE RULE r AS ON DELETE TO x DO INSTEAD NOTHING",
    "p, which x reaches, is an unlogged": (
        "CREATE TABLE x(a int) PARTITION BY RANGE (a); CREATE UNLOGGED TABLE p PARTITION OF x DEFAULT"
    ),
    "p, which x reaches, is an unlogged table,": "CREATE TABLE x(a int); CREATE UNLOGGED TABLE p() INHERITS (x)",
    "c, which x reaches, is an unlogged": (
        "CREATE TABLE x(a int PRIMARY KEY); CREATE TABLE b(a int PRIMARY KEY REFERENCES x ON DELETE CASCADE);"
        "CREATE UNLOGGED TABLE c(a int REFERENCES b ON UPDATE SET NULL)"
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused_by_name_whichever_way_it_is_written_to(begin: Begin, sql: Sql, reason: str) -> None:
    sql(REFUSED[reason])
    branch = begin()
    for write in (
        lambda: branch.writer(Table("x", COLUMNS), ["a"]),
        lambda: branch.clear_table("x"),
        lambda: branch.connection().exec_driver_sql("DELETE FROM x"),
    ):
        with pytest.raises(TargetRefused, match=reason):
            write()
    branch.write_marker(0, "")
    branch.commit()


def test_a_foreign_table_is_refused(begin: Begin, sql: Sql, postgresql: PostgreSQL) -> None:
    (database,) = sql("SELECT current_database()")[0]
    with psycopg.connect(postgresql.admin_url(database)) as admin:
        admin.execute("CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER s FOREIGN DATA WRAPPER nothing")
        admin.execute("CREATE FOREIGN TABLE x(a int) SERVER s; GRANT ALL ON x TO PUBLIC")
    with pytest.raises(TargetRefused, match=r"public\.x is a foreign table"):
        begin().writer(Table("x", COLUMNS), ["a"])


def test_a_temporary_table_that_hides_the_real_one_is_refused(branch: PostgreSQLBranch) -> None:
    connection = branch.connection().connection.driver_connection
    assert connection is not None
    psycopg.Cursor(connection).execute("CREATE TEMPORARY TABLE t(a int)")
    with pytest.raises(TargetRefused, match=r"pg_temp_\d+\.t is a temporary table"):
        branch.clear_table("t")


def test_logged_partitions_and_cascades_are_fine(begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE x(a int PRIMARY KEY) PARTITION BY RANGE (a); CREATE TABLE p PARTITION OF x DEFAULT")
    sql("CREATE TABLE b(a int REFERENCES x ON DELETE CASCADE); INSERT INTO x VALUES (1), (2); INSERT INTO b VALUES (1)")
    branch = begin()
    assert branch.clear_table("x") == 2
    branch.write_marker(2, "")
    branch.commit()
    assert sql("SELECT count(*) FROM b") == [(0,)]


@pytest.mark.parametrize("name", ["pg_class", "tables", "rescind_marker", "T", "t ", 't"; DROP TABLE t --'])
def test_what_is_no_users_table_is_unknown(branch: PostgreSQLBranch, target: PostgreSQLTarget, name: str) -> None:
    for look in (branch.clear_table, target.catalog().table, target.catalog().count):
        with pytest.raises(UnknownTable):
            look(name)


def test_a_view_is_named_where_a_table_is_looked_for(target: PostgreSQLTarget, sql: Sql) -> None:
    sql("CREATE VIEW v AS SELECT 1 AS a")
    with pytest.raises(NotATable, match="'v' is a view"):
        target.catalog().table("v")
