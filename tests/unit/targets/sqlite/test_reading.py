"""Reads of an SQLite file: cancelled from another thread, bounded in memory, and exact where that is asked for."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.targets.reading import ENDED_SECONDS, reading

from rescind.errors import TargetError, Unwritable
from rescind.targets.portions import BYTES_PER_BATCH
from rescind.targets.sqlite.catalog import SQLiteCatalog

SLOW = "CREATE TABLE slow(n INTEGER PRIMARY KEY, v AS (length(hex(zeroblob(20000000)))) VIRTUAL)"
NUMBERS = "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i LIMIT ?)"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "data.db", isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def catalog(tmp_path: Path, connection: sqlite3.Connection) -> SQLiteCatalog:
    return SQLiteCatalog(tmp_path / "data.db")


def test_a_read_is_cancelled_while_the_database_thinks(catalog: SQLiteCatalog, connection: sqlite3.Connection) -> None:
    connection.execute(SLOW)
    connection.execute(f"INSERT INTO slow {NUMBERS} SELECT n FROM i", (100_000,))  # minutes
    with reading(catalog, "slow") as (cancel, rows):
        while not rows.done():  # the statement may not have begun yet
            cancel()
            time.sleep(0.01)
        with pytest.raises(TargetError, match="interrupt"):
            rows.result(ENDED_SECONDS)


def test_rows_that_are_wide_come_few_at_a_time(catalog: SQLiteCatalog, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE wide(n INTEGER PRIMARY KEY, a BLOB, b TEXT)")
    connection.execute(
        f"INSERT INTO wide {NUMBERS} SELECT n, zeroblob(50000), replace(hex(zeroblob(25000)), '0', 'x') FROM i",
        (1_000,),
    )
    with catalog.rows("wide") as batches:
        sizes = [(batch.num_rows, batch.nbytes) for batch in batches]
    assert sum(rows for rows, _ in sizes) == 1_000
    assert max(size for _, size in sizes) < 2 * BYTES_PER_BATCH + 250 * 100_000


NOT_UTF8 = "CAST(x'6180' AS TEXT)"

#: The column's type, what is in it, and how that is called.
ALTERED = [
    ("TEXT", NOT_UTF8, "a text that is not valid UTF-8"),
    ("TEXT", "CAST(x'eda080' AS TEXT)", "a text that is not valid UTF-8"),  # half of a surrogate pair
    ("TEXT", "x'6162'", "a blob"),  # although it reads like text
    ("UUID", "x'0192f0c000007000800000000000abcd'", "a blob"),
    ("INTEGER", "x'00'", "a blob"),
    ("INTEGER", NOT_UTF8, "a text that is not valid UTF-8"),
    ("NUMERIC", "x'31'", "a blob"),
    ("NUMERIC", NOT_UTF8, "a text that is not valid UTF-8"),
    ("DATE", "x'323032342d30312d3031'", "a blob"),
    ("BLOB", "'abc'", "a value that is no blob"),
    ("BLOB", "5", "a value that is no blob"),
]


@pytest.mark.parametrize(("declared", "value", "what"), ALTERED)
def test_what_would_be_altered_is_shown_and_not_given_where_it_is_to_be_exact(
    catalog: SQLiteCatalog, connection: sqlite3.Connection, declared: str, value: str, what: str
) -> None:
    connection.execute(f"CREATE TABLE t(n INTEGER PRIMARY KEY, v {declared})")
    connection.execute(f"INSERT INTO t {NUMBERS} SELECT n, NULL FROM i", (10_000,))
    connection.execute(f"INSERT INTO t VALUES (20000, NULL), (20001, {value})")
    with catalog.rows("t") as batches:
        assert sum(batch.num_rows for batch in batches) == 10_002
    place = f"Row 10,002 of table 't', .* holds {what} in column 'v'"
    with catalog.rows("t", exact=True) as batches, pytest.raises(Unwritable, match=place):
        list(batches)
    with catalog.rows("t", columns=["n"], exact=True) as batches:
        assert sum(batch.num_rows for batch in batches) == 10_002


def test_exact_rows_are_what_is_stored(catalog: SQLiteCatalog, connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE t(a TEXT, b BLOB, c INTEGER, d, e NUMERIC)")
    connection.execute("INSERT INTO t VALUES ('é😀' || char(0), x'80', 'abc', 5, 0.1), (NULL, NULL, 7, 'x', 'y')")
    with catalog.rows("t", exact=True) as batches:
        (batch,) = batches
    assert batch.to_pylist() == [
        {"a": "é😀\0", "b": b"\x80", "c": "abc", "d": "5", "e": "0.1"},
        {"a": None, "b": None, "c": "7", "d": "x", "e": "y"},
    ]
