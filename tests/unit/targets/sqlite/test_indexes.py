"""Indexes in an SQLite file: after the rows, under names that nobody has taken, and interruptible."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.schema import Column, Table, Type
from rescind.errors import TargetConflict
from rescind.targets.sqlite.branch import SQLiteBranch

Sql = Callable[..., list[tuple[Any, ...]]]
NAMES = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? ORDER BY name"
TIMEOUT_SECONDS = 30


def table(name: str, *indexes: tuple[str, ...]) -> Table:
    return Table(name, (Column("a", Type.integer, ""), Column("b", Type.text, "")), indexes=indexes)


def filled(branch: SQLiteBranch, made: Table, rows: int = 3) -> None:
    branch.create_table(made)
    writer = branch.writer(made, ["a", "b"])
    writer.write(pa.RecordBatch.from_pydict({"a": list(range(rows)), "b": [f"text {n}" for n in range(rows)]}))
    writer.close()


def seen_inside(branch: SQLiteBranch, name: str) -> list[str]:
    rows = branch.connection().exec_driver_sql(NAMES, (name,))
    return [row[0] for row in rows]


def test_there_is_none_while_rows_are_written(branch: SQLiteBranch, sql: Sql) -> None:
    made = table("made", ("b",), ("a", "b"))
    filled(branch, made)
    assert seen_inside(branch, "made") == []
    branch.create_indexes(made)
    assert seen_inside(branch, "made") == ["ix_made_a_b", "ix_made_b"]
    assert sql("SELECT name FROM sqlite_schema WHERE name LIKE '%made%'") == []
    branch.write_marker(3, "sum")
    branch.commit()
    assert sql(NAMES, "made") == [("ix_made_a_b",), ("ix_made_b",)]
    assert sql("SELECT a FROM made INDEXED BY ix_made_b WHERE b = 'text 2'") == [(2,)]


@pytest.mark.parametrize(
    "taker",
    ["CREATE INDEX ix_made_b ON made(a)", "CREATE INDEX IX_MADE_B ON made(a)", "CREATE TABLE ix_made_b(x)"],
)
def test_whoever_has_the_name_keeps_it(reopen: Callable[[], SQLiteBranch], sql: Sql, taker: str) -> None:
    """As after a table was renamed to make room for a new one: its indexes keep their names."""
    sql("CREATE TABLE made(a INTEGER)")
    sql(taker)
    sql("ALTER TABLE made RENAME TO before")
    made = table("made", ("b",))
    branch = reopen()
    filled(branch, made)
    branch.create_indexes(made)
    branch.write_marker(3, "sum")
    branch.commit()
    assert sql(NAMES, "made") == [("ix_made_b_2",)]


@pytest.mark.parametrize("name", ["sqlite", 'we"ird', "a;b--", "IX"])
def test_a_table_of_any_name_has_indexes(reopen: Callable[[], SQLiteBranch], sql: Sql, name: str) -> None:
    made = table(name, ("a",))
    branch = reopen()
    filled(branch, made)
    branch.create_indexes(made)
    branch.write_marker(3, "sum")
    branch.commit()
    assert sql(NAMES, name) == [(f"ix_{name}_a",)]


def test_names_that_are_put_together_alike_are_two_indexes(reopen: Callable[[], SQLiteBranch], sql: Sql) -> None:
    """(a_b) and (a, b)."""
    columns = tuple(Column(name, Type.integer, "") for name in ("a", "b", "a_b"))
    made = Table("made", columns, indexes=(("a_b",), ("a", "b")))
    branch = reopen()
    branch.create_table(made)
    branch.create_indexes(made)
    branch.write_marker(0, "sum")
    branch.commit()
    assert sql(NAMES, "made") == [("ix_made_a_b",), ("ix_made_a_b_2",)]
    assert sql("SELECT name FROM pragma_index_info('ix_made_a_b_2')") == [("a",), ("b",)]


def test_a_cancel_interrupts_the_building_of_one(reopen: Callable[[], SQLiteBranch], sql: Sql) -> None:
    """It comes while SQLite is at work: its progress handler waits for it."""
    made = table("made", ("b",))
    branch = reopen()
    filled(branch, made, 20_000)
    at_work, cancelled = threading.Event(), threading.Event()

    def step() -> int:
        at_work.set()
        assert cancelled.wait(TIMEOUT_SECONDS)
        return 0

    connection: Any = branch.connection().connection.driver_connection
    connection.set_progress_handler(step, 5_000)
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(branch.create_indexes, made)
        assert at_work.wait(TIMEOUT_SECONDS)
        branch.cancel()
        cancelled.set()
        with pytest.raises(TargetConflict, match="SQLITE_INTERRUPT"):
            building.result(TIMEOUT_SECONDS)
    branch.rollback()
    branch.close()
    assert sql("SELECT name FROM sqlite_schema WHERE name LIKE '%made%'") == []
