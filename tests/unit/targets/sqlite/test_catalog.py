"""What the tables of a file are and hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.schema import Type
from rescind.errors import InvalidArguments, TargetUnavailable, UnknownTable
from rescind.targets.sqlite.arrow import ROWS_PER_BATCH
from rescind.targets.sqlite.catalog import SQLiteCatalog, type_of
from rescind.targets.sqlite.target import SQLiteTarget

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def catalog(target: SQLiteTarget) -> SQLiteCatalog:
    return target.catalog()


def rows(catalog: SQLiteCatalog, name: str, **how: Any) -> list[tuple[Any, ...]]:
    with catalog.rows(name, **how) as batches:
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("INTEGER", Type.integer),
        ("bigint unsigned", Type.integer),
        ("BOOLEAN", Type.boolean),
        ("bool", Type.boolean),
        ("DATE", Type.date),
        ("DATETIME", Type.timestamp),
        ("timestamp(6)", Type.timestamp),
        ("VARCHAR(50)", Type.text),
        ("CLOB", Type.text),
        ("TIME", Type.text),
        ("UUID", Type.text),
        ("JSON", Type.text),
        ("", Type.text),
        ("BLOB", Type.binary),
        ("DOUBLE PRECISION", Type.real),
        ("FLOAT", Type.real),
        ("DECIMAL(10, 2)", Type.decimal),
        ("NUMERIC", Type.decimal),
    ],
)
def test_types_by_their_declaration(declared: str, kind: Type) -> None:
    assert type_of(declared) is kind


def test_only_ordinary_tables_are_tables(catalog: SQLiteCatalog, sql: Sql) -> None:
    sql('CREATE TABLE "b""ä"(x INTEGER PRIMARY KEY AUTOINCREMENT)')
    sql("CREATE TABLE a(x)")
    sql("CREATE VIEW v AS SELECT * FROM a")
    sql("CREATE VIRTUAL TABLE f USING fts5(x)")
    assert catalog.tables() == ["a", 'b"ä']


@pytest.mark.parametrize(
    "name", ["nowhere", "A", "v", "f", "f_data", "rescind_marker", "sqlite_master", "sqlite_sequence", 'a";drop--', ""]
)
def test_everything_else_is_unknown(catalog: SQLiteCatalog, sql: Sql, name: str) -> None:
    sql("CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT)")
    sql("CREATE VIEW v AS SELECT * FROM a")
    sql("CREATE VIRTUAL TABLE f USING fts5(x)")
    for read in (catalog.table, catalog.count, lambda n: rows(catalog, n)):
        with pytest.raises(UnknownTable):
            read(name)


def test_columns(catalog: SQLiteCatalog, sql: Sql) -> None:
    sql(
        "CREATE TABLE c(id INTEGER PRIMARY KEY, n TEXT NOT NULL, d DATE DEFAULT '2020-01-01', "
        "g INT GENERATED ALWAYS AS (id + 1), s INT AS (id + 2) STORED)"
    )
    identity, needed, default, virtual, stored = catalog.table("c").columns
    assert (identity.has_default, identity.nullable, identity.key) == (True, True, 1)
    assert (needed.nullable, needed.optional) == (False, False)
    assert (default.type, default.has_default, default.nullable) == (Type.date, True, True)
    assert (virtual.generated, stored.generated) == (True, True)


@pytest.mark.parametrize(
    "table",
    [
        "k(x INT PRIMARY KEY)",
        "k(x INTEGER PRIMARY KEY DESC)",
        "k(x INTEGER PRIMARY KEY) WITHOUT ROWID",
        "k(x TEXT PRIMARY KEY)",
    ],
)
def test_a_key_that_is_not_the_rowid_must_be_given(catalog: SQLiteCatalog, sql: Sql, table: str) -> None:
    sql(f"CREATE TABLE {table}")
    (key,) = catalog.table("k").columns
    assert (key.has_default, key.nullable, key.key) == (False, False, 1)


def test_rows_in_the_order_of_a_key_of_two_columns_page_by_page(catalog: SQLiteCatalog, sql: Sql) -> None:
    sql("CREATE TABLE k(v, b TEXT, a INT, PRIMARY KEY(a, b))")
    sql("INSERT INTO k VALUES (1, 'y', 2), (2, 'x', 2), (3, 'z', 1), (4, 'a', 3)")
    assert [row[1:] for row in rows(catalog, "k")] == [("z", 1), ("x", 2), ("y", 2), ("a", 3)]
    assert [row[1:] for row in rows(catalog, "k", limit=2, after=[1, "z"])] == [("x", 2), ("y", 2)]
    with pytest.raises(InvalidArguments):
        rows(catalog, "k", after=[1])


def test_rows_without_a_key_are_in_the_rowids_order_whatever_index_covers_them(
    catalog: SQLiteCatalog, sql: Sql
) -> None:
    sql("CREATE TABLE n(rowid TEXT)")
    sql("CREATE INDEX i ON n(rowid)")
    sql("INSERT INTO n VALUES ('c'), ('a'), ('b')")
    assert rows(catalog, "n") == [("c",), ("a",), ("b",)]
    with pytest.raises(InvalidArguments):
        rows(catalog, "n", after=["c"])


def test_rows_come_in_batches_of_one_snapshot(catalog: SQLiteCatalog, sql: Sql) -> None:
    sql("CREATE TABLE n(x INTEGER PRIMARY KEY)")
    sql(
        "INSERT INTO n WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i LIMIT ?) SELECT x FROM i",
        2 * ROWS_PER_BATCH + 1,
    )
    with catalog.rows("n") as batches:
        first = next(batches)
        sql("DELETE FROM n")
        assert [first.num_rows, *(batch.num_rows for batch in batches)] == [ROWS_PER_BATCH, ROWS_PER_BATCH, 1]


def test_values_of_each_type(catalog: SQLiteCatalog, sql: Sql) -> None:
    sql("CREATE TABLE v(i INT, r REAL, d DECIMAL, b BOOL, a DATE, t TIMESTAMP, x TEXT, o BLOB)")
    sql("INSERT INTO v VALUES (1, 1.5, 2.5, 1, '2020-02-29', '2020-02-29 01:02:03.000004', 'ü', x'00ff')")
    sql("INSERT INTO v VALUES (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)")
    with catalog.rows("v") as batches:
        batch = next(batches)
    assert batch.schema.types == [
        pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.date32(), pa.timestamp("us"), pa.string(), pa.binary()
    ]  # fmt: skip
    one, nulls = (tuple(row.values()) for row in batch.to_pylist())
    when = datetime(2020, 2, 29, 1, 2, 3, 4)  # noqa: DTZ001  # a timestamp here has no zone
    assert one == (1, 1.5, "2.5", True, date(2020, 2, 29), when, "ü", b"\0\xff")
    assert nulls == (None,) * 8


@pytest.mark.parametrize(
    ("declared", "value", "shown"),
    [
        ("INT", "abc", "abc"),
        ("INT", 1.5, "1.5"),
        ("INT", b"\0\xff", "00ff"),
        ("REAL", "abc", "abc"),
        ("BOOL", 7, "7"),
        ("DATE", "31.12.2020", "31.12.2020"),
        ("DATE", 1577836800, "1577836800"),
        ("TIMESTAMP", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("TEXT", b"\0\xff", "00ff"),
        ("", 7, "7"),
    ],
)
def test_a_value_of_another_type_turns_its_batch_to_text(
    catalog: SQLiteCatalog, sql: Sql, declared: str, value: object, shown: str
) -> None:
    sql(f"CREATE TABLE m(x {declared})")
    sql("INSERT INTO m VALUES (NULL), (?)", value)
    assert rows(catalog, "m") == [(None,), (shown,)]


def test_text_in_a_blob_is_its_bytes_and_invalid_text_does_not_end_the_read(catalog: SQLiteCatalog, sql: Sql) -> None:
    sql("CREATE TABLE m(o BLOB, x TEXT)")
    sql("INSERT INTO m VALUES ('ü', CAST(x'61ff62' AS TEXT))")
    assert rows(catalog, "m") == [("ü".encode(), "a\N{REPLACEMENT CHARACTER}b")]


def test_a_read_cannot_write_and_makes_no_file(tmp_path: Path) -> None:
    catalog = SQLiteCatalog(tmp_path / "none.db")
    assert catalog.tables() == []
    with pytest.raises(UnknownTable):
        catalog.count("t")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TargetUnavailable):
        SQLiteCatalog(tmp_path / "missing" / "none.db").tables()
