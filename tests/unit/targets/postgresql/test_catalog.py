"""PostgreSQL's types as Rescind's, with their limits; and values that no type of Rescind's can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url
from tests.support.servers.postgresql import PostgreSQL
from tests.unit.targets.postgresql.conftest import Sql

from rescind.domain.schema import Limits, Type
from rescind.errors import InvalidArguments
from rescind.targets.portions import ROWS_PER_BATCH
from rescind.targets.postgresql.target import PostgreSQLTarget

DAYS = Limits(low=-719_162, high=2_932_896)
MICROSECONDS = Limits(low=-62_135_596_800_000_000, high=253_402_300_799_999_999)

TYPES: dict[str, tuple[Type, Limits]] = {
    "smallint": (Type.integer, Limits(low=-32768, high=32767)),
    "integer": (Type.integer, Limits(low=-(2**31), high=2**31 - 1)),
    "bigint": (Type.integer, Limits()),
    "oid": (Type.integer, Limits(low=0, high=2**32 - 1)),
    "numeric": (Type.decimal, Limits()),
    "numeric(9,2)": (Type.decimal, Limits(precision=9, scale=2)),
    "numeric(5)": (Type.decimal, Limits(precision=5, scale=0)),
    "numeric(3,-2)": (Type.decimal, Limits(precision=3, scale=-2)),
    "real": (Type.real, Limits(single=True)),
    "double precision": (Type.real, Limits()),
    "boolean": (Type.boolean, Limits()),
    "date": (Type.date, DAYS),
    "time": (Type.time, Limits()),
    "time(3)": (Type.time, Limits(scale=3)),
    "timestamp": (Type.timestamp, MICROSECONDS),
    "timestamp(0)": (Type.timestamp, replace(MICROSECONDS, scale=0)),
    "timestamptz": (Type.timestamptz, MICROSECONDS),
    "text": (Type.text, Limits(nul=False)),
    "varchar(7)": (Type.text, Limits(characters=7, nul=False)),
    "char(7)": (Type.text, Limits(characters=7, nul=False)),
    "name": (Type.text, Limits(bytes=63, nul=False)),
    "bytea": (Type.binary, Limits()),
    "json": (Type.json, Limits()),
    "jsonb": (Type.json, Limits(nul=False)),
    "uuid": (Type.uuid, Limits()),
    "mood": (Type.text, Limits(values=("sad", "ok", "it's"), nul=False)),
    "code": (Type.text, Limits(characters=4, nul=False)),
    "moods": (Type.text, Limits(values=("sad", "ok", "it's"), nul=False)),
    "integer[]": (Type.text, Limits(nul=False)),
    "interval": (Type.text, Limits(nul=False)),
    "timetz": (Type.text, Limits(nul=False)),
    "inet": (Type.text, Limits(nul=False)),
    "int4range": (Type.text, Limits(nul=False)),
    "bit(3)": (Type.text, Limits(nul=False)),
    "money": (Type.text, Limits(nul=False)),
    "point": (Type.text, Limits(nul=False)),
}

OWN = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
CREATE DOMAIN code4 AS varchar(4); CREATE DOMAIN code AS code4 DEFAULT 'none' NOT NULL;
CREATE DOMAIN moods AS mood;
"""


def read(target: PostgreSQLTarget, table: str, **how: Any) -> list[tuple[Any, ...]]:
    with target.catalog().rows(table, **how) as batches:
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def test_types_and_limits(target: PostgreSQLTarget, sql: Sql) -> None:
    sql(OWN + f"CREATE TABLE t ({', '.join(f'c{n} {declared}' for n, declared in enumerate(TYPES))})")
    columns = target.catalog().table("t").columns
    found = {declared: (c.type, c.limits) for declared, c in zip(TYPES, columns, strict=True)}
    assert found == TYPES
    (code,) = (c for c in columns if c.declared == "code")
    assert (code.nullable, code.has_default) == (False, True)


def test_defaults_identities_generated_columns_and_keys(target: PostgreSQLTarget, sql: Sql) -> None:
    sql(
        "CREATE TABLE t (a serial, b int GENERATED ALWAYS AS IDENTITY, c int DEFAULT 1, d int NOT NULL, dropped int,"
        " e int GENERATED ALWAYS AS (d * 2) STORED, f text, PRIMARY KEY (f, a) INCLUDE (c))"
    )
    sql("ALTER TABLE t DROP COLUMN dropped")
    table = target.catalog().table("t")
    facts = {c.name: (c.nullable, c.has_default, c.generated, c.key) for c in table.columns}
    assert facts == {
        "a": (False, True, False, 2),
        "b": (False, True, False, 0),
        "c": (True, True, False, 0),
        "d": (False, False, False, 0),
        "e": (True, False, True, 0),
        "f": (False, False, False, 1),
    }
    assert [column.name for column in table.key] == ["f", "a"]


def test_values_without_a_type_of_ours_come_as_text_and_are_not_lost(target: PostgreSQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE t(n int PRIMARY KEY, d date, s timestamp, z timestamptz, k time, f float8, b boolean, c char(5))")
    sql("INSERT INTO t VALUES (1, 'infinity', '0044-03-15 BC', '-infinity', '24:00', 'NaN', NULL, 'ab')")
    assert str(read(target, "t")) == (
        "[(1, 'infinity', '0044-03-15 00:00:00 BC', '-infinity', '24:00:00', nan, None, 'ab')]"
    )


def test_rows_go_on_after_a_key_of_any_type(target: PostgreSQLTarget, sql: Sql) -> None:
    sql('CREATE TABLE t("K" text, n numeric, d date, PRIMARY KEY ("K", n, d))')
    series = "generate_series(1, 3) k, generate_series(1.0, 5) n"
    sql(f"INSERT INTO t SELECT '''' || k, n / 2, '2024-01-01'::date + k FROM {series}")
    everything, page = read(target, "t"), read(target, "t", limit=4)
    seen = list(page)
    while page := read(target, "t", limit=4, after=seen[-1]):
        seen += page
    assert seen == everything
    assert len(everything) == 15


@pytest.mark.parametrize("after", [(), (1, 2), ("x",)])
def test_a_key_that_cannot_be_is_refused(target: PostgreSQLTarget, sql: Sql, after: tuple[Any, ...]) -> None:
    sql("CREATE TABLE t(a int PRIMARY KEY)")
    with pytest.raises(InvalidArguments):
        read(target, "t", after=after)


def test_a_reader_that_leaves_early_does_not_read_the_rest(target: PostgreSQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE t AS SELECT n, repeat('x', 100) FROM generate_series(1, 200000) n")
    with target.catalog().rows("t") as batches:
        assert next(batches).num_rows == ROWS_PER_BATCH
    assert sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'") == [(0,)]


def test_tables_without_columns_and_with_strange_names(target: PostgreSQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE empty(); INSERT INTO empty DEFAULT VALUES; CREATE SCHEMA other")
    sql('CREATE TABLE "Ü ""% \'t"("%s" int)')
    sql("CREATE TABLE other.elsewhere(a int); CREATE VIEW v AS SELECT 1; CREATE TABLE p(a int) PARTITION BY LIST (a)")
    sql('CREATE TABLE part PARTITION OF p DEFAULT; INSERT INTO "Ü ""% \'t" VALUES (7)')
    assert target.catalog().tables() == ["empty", "p", "Ü \"% 't"]
    assert target.catalog().count("empty") == 1
    assert read(target, "empty") == []
    assert read(target, "Ü \"% 't") == [(7,)]


def test_another_encoding_of_the_database_limits_text(postgresql: PostgreSQL) -> None:
    with psycopg.connect(postgresql.admin_url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' OWNER rescind")
    target = PostgreSQLTarget("default", make_url(postgresql.url("latin")))
    target.set_up()
    with psycopg.connect(postgresql.url("latin")) as connection:
        connection.execute("CREATE TABLE t(a text); INSERT INTO t VALUES ('ü')")
    assert target.catalog().table("t").columns[0].limits.codec == "iso8859-1"
    assert read(target, "t") == [("ü",)]
    target.close()
