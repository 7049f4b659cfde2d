"""Long reads of PostgreSQL: cancelled from another thread, and bounded in memory."""

from __future__ import annotations

import psycopg
import pytest
from tests.support.waiting import until
from tests.unit.targets.postgresql.conftest import Sql
from tests.unit.targets.reading import ENDED_SECONDS, reading

from rescind.errors import RescindError
from rescind.targets.portions import BYTES_PER_BATCH
from rescind.targets.postgresql import arrow
from rescind.targets.postgresql.target import PostgreSQLTarget

WAITING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%' AND wait_event_type = 'Lock'"


def test_a_read_is_cancelled_while_the_database_waits(target: PostgreSQLTarget, sql: Sql, postgresql_url: str) -> None:
    sql("CREATE TABLE t(a int)")
    with psycopg.connect(postgresql_url) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with reading(target.catalog(), "t") as (cancel, rows):
            until(lambda: sql(WAITING), "the read to wait")
            cancel()
            with pytest.raises(RescindError):
                rows.result(ENDED_SECONDS)
    assert not sql(WAITING)


def test_rows_that_are_wide_come_few_at_a_time(target: PostgreSQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE wide AS SELECT n, repeat('x', 100000) FROM generate_series(1, 1000) n")
    with target.catalog().rows("wide") as batches:
        sizes = [(batch.num_rows, batch.nbytes) for batch in batches]
    assert sum(rows for rows, _ in sizes) == 1_000
    assert max(size for _, size in sizes) < 2 * BYTES_PER_BATCH


@pytest.mark.parametrize("value", ["\ufeff", "\ufeffx", "\ufeff\ufeff", '\ufeff"'])
def test_a_value_keeps_the_byte_order_mark_that_a_batch_begins_with(
    target: PostgreSQLTarget, sql: Sql, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setattr(arrow, "ROWS_PER_BATCH", 2)
    sql("CREATE TABLE t(a text, n int)")
    for n in range(4):
        sql("INSERT INTO t VALUES (%s, %s)", value, n)
    with target.catalog().rows("t") as batches:
        assert [batch.to_pydict()["a"] for batch in batches] == [[value, value]] * 2
