"""Indexes in PostgreSQL: after the rows, refused before them where they cannot be, and cancelled like any statement."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url
from tests.support.servers.postgresql import PostgreSQL
from tests.support.waiting import until
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, RescindError, TargetRefused
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

TIMEOUT_SECONDS = 30
INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'made' ORDER BY indexname"
MADE = Table("made", (Column("a", Type.integer, ""), Column("b", Type.text, "")), indexes=(("b",), ("a", "b")))
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE INDEX%'"


def filled(branch: PostgreSQLBranch, *texts: str) -> None:
    branch.create_table(MADE)
    writer = branch.writer(MADE, ["a", "b"])
    writer.write(pa.RecordBatch.from_pydict({"a": list(range(len(texts))), "b": list(texts)}))
    writer.close()


@pytest.fixture
def slow(begin: Begin, postgresql: PostgreSQL, postgresql_url: str) -> Begin:
    """Every CREATE INDEX takes a minute from now on, which the marker table's did not."""
    with psycopg.connect(postgresql.admin_url(make_url(postgresql_url).database or "")) as admin:
        admin.execute(
            "CREATE FUNCTION doze() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); END'"
        )
        admin.execute(
            "CREATE EVENT TRIGGER doze ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION doze()"
        )
    return begin


def test_there_is_none_while_rows_are_written(begin: Begin, sql: Sql) -> None:
    branch = begin()
    filled(branch, "x", "y")
    assert branch.connection().exec_driver_sql(INDEXES).all() == []
    branch.create_indexes(MADE)
    assert branch.connection().exec_driver_sql(INDEXES).all() == [("made_a_b_idx",), ("made_b_idx",)]
    assert sql(INDEXES) == []
    branch.write_marker(2, "sum")
    branch.commit()
    assert sql(INDEXES) == [("made_a_b_idx",), ("made_b_idx",)]


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda target, branch: branch.cancel(), "57014"),
        (lambda target, branch: target.end_session(branch.session), "57P01"),
    ],
    ids=["cancel", "end of the session"],
)
def test_one_that_is_being_built_is_ended(
    slow: Begin,
    target: PostgreSQLTarget,
    sql: Sql,
    end: Callable[[PostgreSQLTarget, PostgreSQLBranch], object],
    error: str,
) -> None:
    branch = slow()
    filled(branch, "x")
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(branch.create_indexes, MADE)
        until(lambda: sql(RUNNING) == [(1,)], "the index to be built")
        end(target, branch)
        with pytest.raises(RescindError, match=error):
            building.result(TIMEOUT_SECONDS)
    branch.rollback()
    branch.close()
    assert sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'made%'") == [(0,)]


def test_a_value_that_is_too_long_for_an_index_takes_all_back(begin: Begin, sql: Sql) -> None:
    """A page of an index holds three rows at least; what PostgreSQL can compress may be longer."""
    branch = begin()
    filled(branch, "short", "".join(random.Random(1).choices(string.printable, k=5_000)))
    with pytest.raises(ConstraintViolated, match=r"index row .*made_b_idx"):
        branch.create_indexes(MADE)
    branch.rollback()
    assert sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'made%'") == [(0,)]


@pytest.mark.parametrize(
    ("index", "named"),
    [(("j",), "Column 'j' is JSON"), (("a0", "j"), "'j'"), (tuple(f"a{n}" for n in range(33)), "33 columns: 32")],
)
def test_what_an_index_cannot_be_is_refused_before_a_row(begin: Begin, index: tuple[str, ...], named: str) -> None:
    columns = (Column("j", Type.json, ""), *(Column(f"a{n}", Type.integer, "") for n in range(33)))
    branch = begin()
    with pytest.raises(TargetRefused, match=named):
        branch.create_table(Table("made", columns, indexes=(index,)))
    assert branch.connection().exec_driver_sql("SELECT to_regclass('made')").scalar() is None


def test_an_index_has_as_many_columns_as_postgresql_takes(begin: Begin, sql: Sql) -> None:
    names = tuple(f"a{n}" for n in range(32))
    made = Table("made", tuple(Column(name, Type.integer, "") for name in names), indexes=(names,))
    branch = begin()
    branch.create_table(made)
    branch.create_indexes(made)
    branch.write_marker(0, "sum")
    branch.commit()
    assert len(sql(INDEXES)) == 1
