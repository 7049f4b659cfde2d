"""Long reads of an SQLite file: cancelled from another thread, and bounded in memory."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.targets.reading import ENDED_SECONDS, reading

from rescind.errors import TargetError
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
