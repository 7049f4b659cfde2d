"""Long reads of MariaDB: cancelled from another thread, and bounded in memory."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pymysql
import pytest
from tests.support.servers.mariadb import MariaDB
from tests.support.waiting import until
from tests.unit.targets.mysql.conftest import Sql
from tests.unit.targets.reading import ENDED_SECONDS, reading

from rescind.errors import RescindError
from rescind.targets.mysql.target import MySQLTarget
from rescind.targets.portions import BYTES_PER_BATCH
from rescind.urls import database_url

WAITING = (
    "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT `a`%' AND state LIKE 'Waiting for table%'"
)


def test_a_read_is_cancelled_while_the_database_waits(
    target: MySQLTarget, sql: Sql, mariadb: MariaDB, mariadb_url: str
) -> None:
    sql("CREATE TABLE t(a INT) ENGINE=InnoDB")
    place: dict[str, Any] = {"host": "127.0.0.1", "port": mariadb.port, "database": database_url(mariadb_url).database}
    with closing(pymysql.connect(**place, user="root")) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLES t WRITE")
        with reading(target.catalog(), "t") as (cancel, rows):
            until(lambda: sql(WAITING), "the read to wait")
            cancel()
            with pytest.raises(RescindError, match="interrupted"):
                rows.result(ENDED_SECONDS)
    assert not sql(WAITING)


def test_rows_that_are_wide_come_few_at_a_time(target: MySQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE wide(n INT PRIMARY KEY, a LONGBLOB, b LONGTEXT) ENGINE=InnoDB")
    sql("INSERT INTO wide SELECT seq, REPEAT('a', 50000), REPEAT('b', 50000) FROM seq_1_to_1000")
    with target.catalog().rows("wide") as batches:
        sizes = [(batch.num_rows, batch.nbytes) for batch in batches]
    assert sum(rows for rows, _ in sizes) == 1_000
    assert max(size for _, size in sizes) < 2 * BYTES_PER_BATCH + 250 * 100_000
