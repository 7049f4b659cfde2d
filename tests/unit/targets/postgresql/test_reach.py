"""PROTOCOL R11 for what triggers, functions and defaults write to."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url
from tests.support.servers.postgresql import PostgreSQL
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import TargetRefused
from rescind.targets.postgresql.target import PostgreSQLTarget

T = Table("x", (Column("a", Type.integer, ""),))

BASE = """
CREATE TABLE x(a int PRIMARY KEY);
CREATE UNLOGGED TABLE seen(a int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO {table} VALUES (NEW.a); RETURN NEW; END $$;
"""
TRIGGER = "CREATE TRIGGER n AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {function}();"

REFUSED = {
    "a trigger": BASE.format(table="seen") + TRIGGER.format(table="x", function="note"),
    "a name in another case": (
        BASE.format(table="seen")
        + 'ALTER FUNCTION note RENAME TO "Note";'
        + TRIGGER.format(table="x", function='"Note"')
    ),
    "a name of several words": (
        BASE.format(table='"seen by"')
        + 'ALTER TABLE seen RENAME TO "seen by";'
        + TRIGGER.format(table="x", function="note")
    ),
    "a trigger's argument": (
        BASE.format(table="other") + "CREATE TRIGGER n AFTER INSERT ON x FOR EACH ROW EXECUTE FUNCTION note('seen');"
    ),
    "a function that the trigger calls": (
        BASE.format(table="f")
        + "CREATE FUNCTION f(a int) RETURNS void LANGUAGE sql AS 'INSERT INTO seen VALUES (a)';"
        + TRIGGER.format(table="x", function="note")
    ),
    "a trigger of a table that the trigger writes to": (
        BASE.format(table="b")
        + "CREATE TABLE b(a int); CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS "
        + "'BEGIN INSERT INTO seen VALUES (NEW.a); RETURN NEW; END';"
        + TRIGGER.format(table="x", function="note")
        + TRIGGER.format(table="b", function="more")
    ),
    "a cascade of a table that the trigger writes to": (
        BASE.format(table="b")
        + "CREATE TABLE b(a int PRIMARY KEY); ALTER TABLE seen ADD FOREIGN KEY (a) REFERENCES b ON DELETE CASCADE;"
        + TRIGGER.format(table="x", function="note")
    ),
    "a view through which it writes": (
        BASE.format(table="v") + "CREATE VIEW v AS SELECT a FROM seen;" + TRIGGER.format(table="x", function="note")
    ),
    "a default": (
        BASE.format(table="seen")
        + "CREATE FUNCTION d() RETURNS int LANGUAGE sql AS 'INSERT INTO seen VALUES (1) RETURNING a';"
        + "ALTER TABLE x ALTER a SET DEFAULT d()"
    ),
    "a trigger of a partition": (
        BASE.format(table="seen").replace("PRIMARY KEY)", ") PARTITION BY RANGE (a)")
        + "CREATE TABLE p PARTITION OF x DEFAULT;"
        + TRIGGER.format(table="p", function="note")
    ),
}


@pytest.mark.parametrize("story", REFUSED)
def test_a_table_is_refused_by_the_name_of_what_it_reaches(begin: Begin, sql: Sql, story: str) -> None:
    sql(REFUSED[story])
    branch = begin()
    for write in (
        lambda: branch.writer(T, ["a"]),
        lambda: branch.clear_table("x"),
        lambda: branch.connection().exec_driver_sql("INSERT INTO x VALUES (1)"),
    ):
        with pytest.raises(TargetRefused, match=r"of x reach public\.seen.*, an unlogged table"):
            write()


def test_a_foreign_table_is_reached_too(begin: Begin, sql: Sql, postgresql: PostgreSQL) -> None:
    sql(REFUSED["a trigger"] + "; DROP TABLE seen")
    (database,) = sql("SELECT current_database()")[0]
    with psycopg.connect(postgresql.admin_url(database)) as admin:
        admin.execute("CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER s FOREIGN DATA WRAPPER nothing")
        admin.execute("CREATE FOREIGN TABLE seen(a int) SERVER s")
    with pytest.raises(TargetRefused, match=r"public\.seen, a foreign table"):
        begin().writer(T, ["a"])


@pytest.mark.parametrize("statement", ["SELECT f(1)", "INSERT INTO x VALUES (s.F(1))", "UPDATE x SET a = g()"])
def test_a_function_that_is_called_is_refused_by_the_name_of_what_it_reaches(
    begin: Begin, sql: Sql, statement: str
) -> None:
    sql(BASE.format(table="x") + "CREATE SCHEMA s")
    for name in ("f", "s.f"):
        sql(f"CREATE FUNCTION {name}(a int) RETURNS int LANGUAGE sql AS 'INSERT INTO seen VALUES (a) RETURNING a'")
    sql("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT f(2)'")
    branch = begin()
    with pytest.raises(TargetRefused, match=r"A function that is called here reaches public\.seen, an unlogged table"):
        branch.connection().exec_driver_sql(statement)


def test_what_reaches_logged_tables_only_is_written_to_and_unlogged_ones_are_read(begin: Begin, sql: Sql) -> None:
    sql(BASE.format(table="log") + TRIGGER.format(table="x", function="note"))
    sql("CREATE TABLE log(a int); INSERT INTO seen VALUES (7); CREATE VIEW v AS SELECT a FROM seen")
    sql("CREATE FUNCTION unused() RETURNS int LANGUAGE sql AS 'INSERT INTO seen VALUES (1) RETURNING a'")
    sql("CREATE TRIGGER off BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION note('seen')")
    sql("ALTER TABLE x DISABLE TRIGGER off")
    branch = begin()
    branch.writer(T, ["a"]).write(pa.RecordBatch.from_pydict({"a": [1]}))
    branch.connection().exec_driver_sql("INSERT INTO x SELECT v.a FROM v JOIN seen USING (a)")
    branch.write_marker(2, "")
    branch.commit()
    assert sql("SELECT a FROM log ORDER BY a") == [(1,), (7,)]


def test_without_the_check_a_crash_empties_what_was_committed(
    own_postgresql: PostgreSQL, identity: BranchId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rescind.targets.postgresql.relations.check", lambda cursor, relation: None)
    url = own_postgresql.make_database()
    with psycopg.connect(url) as connection:
        connection.execute(REFUSED["a trigger"].encode())
    with closing(PostgreSQLTarget("default", make_url(url))) as target:
        target.set_up()
        branch = target.open_branch(identity, Protocol.one_phase)
        branch.start()
        branch.writer(T, ["a"]).write(pa.RecordBatch.from_pydict({"a": [1]}))
        branch.write_marker(1, "")
        branch.commit()
        branch.close()
        own_postgresql.kill()
        own_postgresql.start()
        assert target.catalog().count("x") == 1
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM seen").fetchall() == []
