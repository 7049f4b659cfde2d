"""Keys of an SQLite table, and what else than the key may be in the way of a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from rescind.errors import ConstraintViolated, TargetRefused
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.target import SQLiteTarget

Sql = Callable[..., list[tuple[Any, ...]]]


def upsert(target: SQLiteTarget, branch: SQLiteBranch, key: list[str], **columns: Any) -> int:
    """Write columns of values into table `v`."""
    table = target.catalog().table("v")
    return branch.writer(table, list(columns), key).write(pa.RecordBatch.from_pydict(columns))


def finish(branch: SQLiteBranch) -> None:
    branch.write_marker(0, "")
    branch.commit()


@pytest.mark.parametrize(
    ("declared", "keys"),
    [
        ("a INTEGER PRIMARY KEY, b TEXT UNIQUE, c", (("a",), ("b",))),
        ("a, b, c UNIQUE, PRIMARY KEY (b, a)", (("b", "a"), ("c",))),
        ("a, b, c, PRIMARY KEY (c, a)) WITHOUT ROWID --", (("c", "a"),)),
        ("a UNIQUE, b, c, UNIQUE (c, b), UNIQUE (a)", (("a",), ("c", "b"))),
        ("a, b, c); CREATE UNIQUE INDEX some ON v(a) WHERE a > 5 --", ()),
        ("a, b, c); CREATE UNIQUE INDEX sum ON v(a, b + c) --", ()),
        ("a, b, c); CREATE INDEX many ON v(a) --", ()),
    ],
)
def test_keys_are_what_finds_one_row(target: SQLiteTarget, sql: Sql, declared: str, keys: object) -> None:
    for statement in f"CREATE TABLE v({declared}\n)".replace(" --\n)", "").split("; "):
        sql(statement)
    assert target.catalog().table("v").unique == keys


def test_a_row_in_the_way_of_another_key_is_left_alone_and_the_row_named(
    target: SQLiteTarget, sql: Sql, reopen: Callable[[], SQLiteBranch]
) -> None:
    sql("CREATE TABLE v(id INTEGER PRIMARY KEY, mail TEXT UNIQUE, x INT)")
    sql("INSERT INTO v VALUES (1, 'a', 1), (2, 'b', 2)")
    branch = reopen()
    with pytest.raises(ConstraintViolated, match=r"v\.mail") as error:
        upsert(target, branch, ["id"], id=[1, 2, 3], mail=["c", "d", "c"])
    assert error.value.row == 2
    with pytest.raises(ConstraintViolated, match=r"v\.id") as error:
        upsert(target, branch, ["mail"], id=[3, 1], mail=["x", "b"])
    assert error.value.row == 1
    assert upsert(target, branch, ["mail"], mail=["b", "z"], x=[20, 30]) == 2
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, "a", 1), (2, "b", 20), (3, "z", 30)]


def test_keys_that_differ_in_case_only_are_one_where_the_index_says_so(
    target: SQLiteTarget, sql: Sql, reopen: Callable[[], SQLiteBranch]
) -> None:
    sql("CREATE TABLE v(k TEXT COLLATE NOCASE PRIMARY KEY, x INT)")
    sql("INSERT INTO v VALUES ('Anna', 0)")
    branch = reopen()
    assert upsert(target, branch, ["k"], k=["ANNA", "anna", "Bob", "BOB"], x=[1, 2, 3, 4]) == 4
    finish(branch)
    assert sql("SELECT * FROM v ORDER BY k") == [("Anna", 2), ("Bob", 4)]


def test_what_the_database_computes_and_triggers_are_as_for_any_update(
    target: SQLiteTarget, sql: Sql, reopen: Callable[[], SQLiteBranch]
) -> None:
    sql("CREATE TABLE v(k INT PRIMARY KEY, x INT, y INT AS (x * 2) STORED, z DEFAULT 7)")
    sql("CREATE TABLE log(what, k INT)")
    sql("CREATE TRIGGER i AFTER INSERT ON v BEGIN INSERT INTO log VALUES ('insert', NEW.k); END")
    sql("CREATE TRIGGER u AFTER UPDATE ON v BEGIN INSERT INTO log VALUES ('update', NEW.k); END")
    sql("CREATE TRIGGER d AFTER DELETE ON v BEGIN INSERT INTO log VALUES ('delete', OLD.k); END")
    sql("INSERT INTO v(k, x, z) VALUES (1, 1, 1)")
    branch = reopen()
    assert upsert(target, branch, ["k"], k=[1, 2], x=[10, 20]) == 2
    finish(branch)
    assert sql("SELECT * FROM v") == [(1, 10, 20, 1), (2, 20, 40, 7)]
    assert sql("SELECT * FROM log") == [("insert", 1), ("update", 1), ("insert", 2)]


def test_rows_that_refer_to_one_that_is_replaced_stay(
    target: SQLiteTarget, sql: Sql, reopen: Callable[[], SQLiteBranch]
) -> None:
    sql("CREATE TABLE v(k INT PRIMARY KEY, x)")
    sql("CREATE TABLE child(k REFERENCES v(k) ON DELETE CASCADE ON UPDATE CASCADE)")
    sql("INSERT INTO v VALUES (1, 1)")
    sql("INSERT INTO child VALUES (1)")
    branch = reopen()
    upsert(target, branch, ["k"], k=[1], x=[2])
    finish(branch)
    assert sql("SELECT * FROM child") == [(1,)]


def test_a_key_that_is_gone_since_is_refused(
    target: SQLiteTarget, sql: Sql, reopen: Callable[[], SQLiteBranch]
) -> None:
    sql("CREATE TABLE v(k, x)")
    sql("CREATE UNIQUE INDEX one ON v(k)")
    described = target.catalog().table("v")
    assert described.has_key(["k"])
    sql("DROP INDEX one")
    with pytest.raises(TargetRefused, match=r"\(k\)"):
        reopen().writer(described, ["k", "x"], ["k"])
