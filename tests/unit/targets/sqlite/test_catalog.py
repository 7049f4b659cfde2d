"""What the tables of a file are and hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Table, Type
from rescind.errors import InvalidArguments, NotATable, TargetUnavailable, UnknownTable
from rescind.targets.portions import ROWS_PER_BATCH
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.catalog import SQLiteCatalog
from rescind.targets.sqlite.columns import type_of
from rescind.targets.sqlite.target import SQLiteTarget

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def catalog(target: SQLiteTarget) -> SQLiteCatalog:
    return target.catalog()


def rows(catalog: SQLiteCatalog, name: str, **how: Any) -> list[tuple[Any, ...]]:
    with catalog.rows(name, **how) as batches:
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def test_only_ordinary_tables_are_tables(catalog: SQLiteCatalog, sql: Sql) -> None:
    sql('CREATE TABLE "b""ä"(x INTEGER PRIMARY KEY AUTOINCREMENT)')
    sql("CREATE TABLE a(x)")
    sql("CREATE VIEW v AS SELECT * FROM a")
    sql("CREATE VIRTUAL TABLE f USING fts5(x)")
    assert catalog.tables() == ["a", 'b"ä']


@pytest.mark.parametrize(
    "name", ["nowhere", "A", "V", "rescind_marker", "sqlite_master", "sqlite_sequence", 'a";drop--', ""]
)
def test_everything_else_is_unknown(catalog: SQLiteCatalog, sql: Sql, name: str) -> None:
    sql("CREATE TABLE a(x INTEGER PRIMARY KEY AUTOINCREMENT)")
    sql("CREATE VIEW v AS SELECT * FROM a")
    sql("CREATE VIRTUAL TABLE f USING fts5(x)")
    for read in (catalog.table, catalog.count, lambda n: rows(catalog, n)):
        with pytest.raises(UnknownTable):
            read(name)


@pytest.mark.parametrize(
    ("name", "what"), [("v", "a view"), ("f", "a virtual table"), ("f_data", "virtual table's own")]
)
def test_what_else_has_a_name_is_called_what_it_is(catalog: SQLiteCatalog, sql: Sql, name: str, what: str) -> None:
    sql("CREATE VIEW v AS SELECT 1 AS x")
    sql("CREATE VIRTUAL TABLE f USING fts5(x)")
    for read in (catalog.table, catalog.count, lambda n: rows(catalog, n)):
        with pytest.raises(NotATable, match=what):
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
    for after in ([1], [2**63, "x"]):
        with pytest.raises(InvalidArguments):
            rows(catalog, "k", after=after)


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
    sql(
        "CREATE TABLE v(i INT, r REAL, d DECIMAL, b BOOL, a DATE, t TIMESTAMP, x TEXT, o BLOB, "
        "u INT UNSIGNED, m TIME, z TIMESTAMPTZ, j JSON, k UUID)"
    )
    sql(
        "INSERT INTO v VALUES (1, 1.5, 2.5, 1, '2020-02-29', '2020-02-29 01:02:03.000004', 'ü', x'00ff', "
        "7, '01:02:03.5', '2020-02-29 01:02:03+01:00', '{\"a\": 1}', '0192f0c0-0000-7000-8000-00000000abcd')"
    )
    sql(f"INSERT INTO v VALUES ({', '.join(['NULL'] * 13)})")
    with catalog.rows("v") as batches:
        batch = next(batches)
    assert batch.schema.types == [ARROW[column.type] for column in catalog.table("v").columns]
    one, nulls = (tuple(row.values()) for row in batch.to_pylist())
    when = datetime.fromisoformat("2020-02-29T01:02:03.000004")
    assert one[:8] == (1, 1.5, "2.5", True, date(2020, 2, 29), when, "ü", b"\0\xff")
    instant = datetime(2020, 2, 29, 0, 2, 3, tzinfo=UTC)
    assert one[8:] == (7, time(1, 2, 3, 500_000), instant, '{"a": 1}', "0192f0c0-0000-7000-8000-00000000abcd")
    assert nulls == (None,) * 13


@pytest.mark.parametrize(
    ("stored", "shown"), [(1e-5, "0.00001"), (1e16, "10000000000000000"), (float("inf"), "inf"), (7, "7")]
)
def test_decimals_are_shown_without_an_exponent(catalog: SQLiteCatalog, sql: Sql, stored: float, shown: str) -> None:
    sql("CREATE TABLE d(x NUMERIC)")
    sql("INSERT INTO d VALUES (?)", stored)
    assert rows(catalog, "d") == [(shown,)]


@pytest.mark.parametrize(
    ("declared", "keys"),
    [
        ("NUMERIC", ["2", "10", "10.5"]),
        ("TIME", [time(9), time(9, 0, 0, 1), time(10)]),
        ("TIMESTAMPTZ", [datetime(2024, 1, 1, 0, 0, 0, n, UTC) for n in (0, 1, 10)]),
        ("BIGINT UNSIGNED", [2, 10, 2**63 - 1]),
        ("UUID", ["0192f0c0-0000-7000-8000-00000000abcd", "a192f0c0-0000-7000-8000-00000000abcd"]),
        ("BLOB", [b"", b"\0", b"\xff"]),
    ],
)
def test_keys_of_every_type_lead_from_page_to_page(
    catalog: SQLiteCatalog, reopen: Callable[[], SQLiteBranch], declared: str, keys: list[Any]
) -> None:
    branch = reopen()
    table = Table("p", (Column("k", type_of(declared), declared, nullable=False, key=1),))
    branch.create_table(table)
    kind = ARROW[type_of(declared)]
    branch.writer(table, ["k"]).write(pa.RecordBatch.from_arrays([pa.array(reversed(keys), kind)], names=["k"]))
    branch.write_marker(len(keys), "")
    branch.commit()
    pages = [rows(catalog, "p", limit=1, after=[key] if key is not None else None) for key in (None, *keys)]
    assert pages == [[(key,)] for key in keys] + [[]]


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
        ("DATE", "0000-01-01", "0000-01-01"),
        ("TIMESTAMP", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("TEXT", b"\0\xff", "00ff"),
        ("INT UNSIGNED", -1, "-1"),
        ("TIME", "9:30", "9:30"),
        ("TIMESTAMPTZ", "2020-01-01 00:00:00", "2020-01-01 00:00:00"),
        ("JSON", 1.5, "1.5"),
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
