"""LOAD DATA's traps, and INSERT's: what does not go in as it is takes its batch back, and its row is named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.targets.mysql.conftest import Sql

from rescind.domain.schema import Limits
from rescind.errors import (
    ConstraintViolated,
    RescindError,
    TargetConflict,
    TransactionBroken,
    UnknownColumn,
    UnknownTable,
)
from rescind.targets.mysql import writer as writing
from rescind.targets.mysql.branch import MySQLBranch
from rescind.targets.mysql.target import MySQLTarget

Begin = Callable[..., MySQLBranch]
Write = Callable[..., int]

CHECKSUM = "ab" * 32


@pytest.fixture(params=["LOAD DATA", "INSERT"])
def write(request: pytest.FixtureRequest, target: MySQLTarget) -> Write:
    """Write columns of values into a table with a branch, by either road."""

    def run(branch: MySQLBranch, table: str, **columns: Any) -> int:
        if request.param == "INSERT":
            variables = {**branch._server.variables, "local_infile": "OFF"}
            branch._server = replace(branch._server, variables=variables)
        found = target.catalog().table(table)
        return branch.writer(found, list(columns)).write(pa.RecordBatch.from_pydict(columns))

    return run


def taken_back(branch: MySQLBranch, sql: Sql, table: str, rows: int) -> None:
    """Of the batch nothing is left, and the branch lives on with what it wrote before."""
    branch.write_marker(rows, CHECKSUM)
    branch.commit()
    assert sql(f"SELECT count(*) FROM {table}") == [(rows,)]


def refused(branch: MySQLBranch, sql: Sql, table: str) -> None:
    """Nothing of the branch can be committed any more, whatever the function does about the error."""
    before = sql(f"SELECT count(*) FROM {table}")
    with pytest.raises(TransactionBroken):
        branch.write_marker(1, CHECKSUM)
    with pytest.raises(TransactionBroken):
        branch.commit()
    assert sql(f"SELECT count(*) FROM {table}") == before


def test_a_duplicate_in_the_last_row_is_named(branch: MySQLBranch, write: Write, sql: Sql) -> None:
    with pytest.raises(ConstraintViolated, match="Duplicate") as error:
        write(branch, "t", a=[*range(2, 3_000), 1], b=[str(n) for n in range(2_999)])
    assert error.value.row == 2_998
    taken_back(branch, sql, "t", 1)


def test_a_duplicate_of_a_second_key_is_named(branch: MySQLBranch, write: Write, sql: Sql) -> None:
    with pytest.raises(ConstraintViolated, match="'one'") as error:
        write(branch, "t", a=[2, 3, 4], b=["x", "one", "y"])
    assert error.value.row == 1
    taken_back(branch, sql, "t", 1)


@pytest.mark.parametrize(
    ("declared", "values", "row"),
    [
        ("TINYINT UNSIGNED", [255, 256], 1),
        ("TINYINT", [-128, -129], 1),
        ("DATE", ["2024-01-13", "2024-13-45"], 1),
        ("DECIMAL(5,2)", ["123.45", "1.234"], 1),
        ("VARCHAR(3)", ["abc", "abcd"], 1),
        ("VARCHAR(3) CHARACTER SET latin1", ["ä€é", "漢"], 1),
        ("TINYTEXT CHARACTER SET koi8r", ["ю" * 255, "ю" * 256], 1),
        ("TEXT CHARACTER SET utf8mb3", ["漢", "🙂"], 1),
        ("CHAR(3)", ["ab", "a "], 1),
        ("BINARY(2)", [b"ab", b"a"], 1),
        ("ENUM('a','b')", ["a", "c"], 1),
        ("ENUM('a','b')", ["a", ""], 1),
        ("SET('a','b')", ["a,b", "a,c"], 1),
        ("SET('b','it''s','')", ["b,it's", "", "it's", None, "b,", "it's,b"], 5),
        ("SET('a','b')", ["a", "a,a"], 1),
        ("SET('a','b')", ["a", "A"], 1),
        ("SET('a','b')", ["a", "3"], 1),
        ("DATETIME", ["2024-01-01 00:00:00", "2024-01-01 00:00:00.5"], 1),
        ("TIME", [time(23, 59, 59), time(0, 0, 0, 500_000)], 1),
        ("YEAR", [1901, 1900], 1),
        ("BIT(3)", [7, 8], 1),
        ("INT NOT NULL", [1, None], 1),
        ("TIMESTAMP NOT NULL", [datetime(2024, 1, 1, tzinfo=UTC), None], 1),
        ("TIMESTAMP", [datetime(2024, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)], 1),
        ("FLOAT", [0.5, float("nan")], 1),
        ("FLOAT", [16777216.0, 16777217.0], 1),
        ("UUID", ["0192f0c0-0000-7000-8000-000000000001", "no"], 1),
        ("INET6", ["::1", "nowhere"], 1),
        ("JSON", ["{}", "{"], 1),
        ("POINT", [bytes.fromhex("000000000101000000000000000000F03F0000000000000040"), b"nowhere"], 1),
        ("INT CHECK (v < 5)", [4, 5], 1),
        ("INT, FOREIGN KEY (v) REFERENCES u(a)", [None, 9], 1),
    ],
)
def test_what_a_column_cannot_hold_is_named_and_nothing_is_kept(
    declared: str, values: list[Any], row: int, write: Write, begin: Begin, sql: Sql
) -> None:
    sql("CREATE TABLE u(a INT PRIMARY KEY) ENGINE=InnoDB")
    sql(f"CREATE TABLE v(n INT PRIMARY KEY AUTO_INCREMENT, v {declared}) ENGINE=InnoDB")
    branch = begin()
    assert write(branch, "v", v=values[:row]) == row
    with pytest.raises(ConstraintViolated) as error:
        write(branch, "v", v=values)
    assert error.value.row == row
    taken_back(branch, sql, "v", row)


def test_a_column_is_looked_at_unless_just_this_one_is_known(begin: Begin, target: MySQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE v(v VARCHAR(3)) ENGINE=InnoDB")
    table = target.catalog().table("v")
    (column,) = table.columns
    writer = begin().writer(table, ["v"])
    for known, says in {replace(column, limits=Limits()): "that the column holds", column: "Data too long"}.items():
        with pytest.raises(ConstraintViolated, match=says) as error:
            writer.write(pa.RecordBatch.from_pydict({"v": ["two", "three"]}), [known])
        assert error.value.row == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [(["abc", "a ", "abcd"], "cuts spaces off the end"), (["abc", "abcd", "a "], "longer than the 3 characters")],
)
def test_of_what_does_not_fit_and_what_would_be_altered_the_first_row_is_told(
    values: list[str], says: str, begin: Begin, target: MySQLTarget, sql: Sql
) -> None:
    sql("CREATE TABLE v(v CHAR(3)) ENGINE=InnoDB")
    writer = begin().writer(target.catalog().table("v"), ["v"])
    with pytest.raises(ConstraintViolated, match=rf"^A value does not fit column v: .*{says}") as error:
        writer.write(pa.RecordBatch.from_pydict({"v": values}))
    assert error.value.row == 1


def test_what_would_be_altered_is_refused_in_a_known_column_too(begin: Begin, target: MySQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE v(v CHAR(3)) ENGINE=InnoDB")
    table = target.catalog().table("v")
    with pytest.raises(ConstraintViolated, match="cuts spaces off the end"):
        begin().writer(table, ["v"]).write(pa.RecordBatch.from_pydict({"v": ["a "]}), table.columns)


def test_a_trigger_that_refuses_a_row_is_heard(begin: Begin, write: Write, sql: Sql) -> None:
    sql("CREATE TABLE v(n INT PRIMARY KEY) ENGINE=InnoDB")
    sql("CREATE TRIGGER w BEFORE INSERT ON v FOR EACH ROW IF NEW.n = 7 THEN SIGNAL SQLSTATE '45000' "
        "SET MESSAGE_TEXT = 'no sevens'; END IF")  # fmt: skip
    branch = begin()
    with pytest.raises(ConstraintViolated, match="no sevens") as error:
        write(branch, "v", n=[1, 7])
    assert error.value.row == 1
    taken_back(branch, sql, "v", 0)


def test_a_trigger_that_hides_what_it_does_is_heard(begin: Begin, write: Write, sql: Sql) -> None:
    sql("CREATE TABLE v(n INT PRIMARY KEY, m TINYINT) ENGINE=InnoDB")
    sql("CREATE TRIGGER w BEFORE INSERT ON v FOR EACH ROW SET NEW.m = NEW.n * 100")
    branch = begin()
    with pytest.raises(ConstraintViolated) as error:
        write(branch, "v", n=[1, 2])
    assert error.value.row == 1
    taken_back(branch, sql, "v", 0)


def test_numbers_of_an_identity_are_taken_or_given(begin: Begin, write: Write, sql: Sql) -> None:
    sql("CREATE TABLE v(n INT PRIMARY KEY AUTO_INCREMENT, x INT DEFAULT 7) ENGINE=InnoDB")
    branch = begin()
    write(branch, "v", n=[0, 10, None])
    write(branch, "v", x=[1])
    branch.write_marker(4, CHECKSUM)
    branch.commit()
    rows = sql("SELECT n, x FROM v ORDER BY n")
    assert rows[:3] == [(0, 7), (10, 7), (11, 7)]
    assert [x for _, x in rows[3:]] == [1]


def test_a_computed_column_is_not_written(begin: Begin, write: Write, sql: Sql) -> None:
    sql("CREATE TABLE v(n INT PRIMARY KEY, m INT AS (n + 1) STORED) ENGINE=InnoDB")
    branch = begin()
    with pytest.raises(UnknownColumn, match="computed"):
        write(branch, "v", n=[1], m=[5])
    assert write(branch, "v", n=[1]) == 1


def test_an_only_column_may_be_empty(begin: Begin, write: Write, sql: Sql) -> None:
    sql("CREATE TABLE v(x VARCHAR(9)) ENGINE=InnoDB")
    branch = begin()
    write(branch, "v", x=["", None, "NULL", "\\N", "\r", "", "a\tb\n"])
    branch.write_marker(7, CHECKSUM)
    branch.commit()
    assert [x for (x,) in sql("SELECT x FROM v")] == ["", None, "NULL", "\\N", "\r", "", "a\tb\n"]


def test_names_are_only_names(begin: Begin, write: Write, sql: Sql) -> None:
    sql("CREATE TABLE `a``b %s`(`c``d %s` INT PRIMARY KEY, `'` BLOB) ENGINE=InnoDB")
    branch = begin()
    assert write(branch, "a`b %s", **{"c`d %s": [1], "'": [b"\t"]}) == 1


@pytest.mark.parametrize("write", ["INSERT"], indirect=True)
def test_a_row_longer_than_a_packet_is_named(begin: Begin, write: Write, sql: Sql) -> None:
    sql("CREATE TABLE v(n INT PRIMARY KEY, x LONGBLOB) ENGINE=InnoDB")
    branch = begin()
    with pytest.raises(ConstraintViolated, match="max_allowed_packet") as error:
        write(branch, "v", n=[1, 2], x=[b"", b"x" * (16 << 20)])
    assert error.value.row == 1


def test_rows_beyond_one_packet_are_loaded(begin: Begin, target: MySQLTarget, sql: Sql) -> None:
    sql("CREATE TABLE v(n INT PRIMARY KEY, x LONGBLOB) ENGINE=InnoDB")
    branch = begin()
    value = bytes(range(256)) * (80 << 10)
    batch = pa.RecordBatch.from_pydict({"n": [1], "x": [value]})
    branch.writer(target.catalog().table("v"), ["n", "x"]).write(batch)
    branch.write_marker(1, CHECKSUM)
    branch.commit()
    assert sql("SELECT md5(x) FROM v") == [(hashlib.md5(value, usedforsecurity=False).hexdigest(),)]


def test_load_data_that_was_switched_off_meanwhile_becomes_inserts(
    branch: MySQLBranch, target: MySQLTarget, sql: Sql
) -> None:
    writer = branch.writer(target.catalog().table("t"), ["a", "b"])
    sql("SET GLOBAL local_infile = 0")
    try:
        assert writer.write(pa.RecordBatch.from_pydict({"a": [2, 3], "b": ["two", "three"]})) == 2
    finally:
        sql("SET GLOBAL local_infile = 1")
    branch.write_marker(2, CHECKSUM)
    branch.commit()
    assert sql("SELECT a FROM t ORDER BY a") == [(1,), (2,), (3,)]


def test_a_producer_that_dies_leaves_no_half_a_row(branch: MySQLBranch, target: MySQLTarget, sql: Sql) -> None:
    def dying() -> Any:
        yield b"2\ttwo\n3\tth"
        raise OSError("the producer is dead")

    with pytest.raises(OSError, match="dead"), branch._own_write():
        branch._connection.load(branch.writer(target.catalog().table("t"), ["a", "b"])._load, dying())
    refused(branch, sql, "t")
    branch.close()
    assert sql("SELECT a FROM t") == [(1,)]


def test_a_cancel_while_rows_are_sent_ends_it(branch: MySQLBranch, target: MySQLTarget, sql: Sql) -> None:
    writer = branch.writer(target.catalog().table("t"), ["a", "b"])
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"".join(b"%d\t%d\n" % (n, n) for n in range(sent * 1_000, (sent + 1) * 1_000))

    def load() -> None:
        with branch._own_write():
            branch._connection.load(writer._load, endless())

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        while sent < 5:
            pass
        branch.cancel()
        assert isinstance(loading.exception(), TargetConflict)
    branch.rollback()
    refused(branch, sql, "t")
    sql("ALTER TABLE t COMMENT 'no lock is left'")


@pytest.mark.parametrize("change", ["ALTER TABLE t DROP COLUMN b", "DROP TABLE t", "RENAME TABLE t TO s"])
def test_a_table_that_changed_before_the_write_is_a_conflict(
    target: MySQLTarget, begin: Begin, branch: MySQLBranch, sql: Sql, change: str
) -> None:
    described = target.catalog().table("t")
    branch.rollback()
    sql(change)
    later = begin(1)
    with pytest.raises((RescindError, UnknownTable)):
        later.writer(described, ["a", "b"]).write(pa.RecordBatch.from_pydict({"a": [2], "b": ["two"]}))


def test_a_table_cannot_be_altered_while_it_is_written(branch: MySQLBranch, write: Write, sql: Sql) -> None:
    write(branch, "t", a=[2], b=["two"])
    with pytest.raises(Exception, match="1205"):
        sql("SET STATEMENT lock_wait_timeout = 1 FOR ALTER TABLE t DROP COLUMN b")
    write(branch, "t", a=[3], b=["three"])
    branch.write_marker(2, CHECKSUM)
    branch.commit()
    assert sql("SELECT a, b FROM t ORDER BY a") == [(1, "one"), (2, "two"), (3, "three")]


def test_a_batch_of_many_statements_arrives_whole(
    begin: Begin, write: Write, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ROWS_PER_STATEMENT", 7)
    monkeypatch.setattr(writing, "PACKET_BYTES", 10)
    monkeypatch.setattr(writing, "INSERT_BYTES", 50)
    sql("CREATE TABLE v(n INT PRIMARY KEY, x TEXT) ENGINE=InnoDB")
    branch = begin()
    assert write(branch, "v", n=list(range(100)), x=["x" * n for n in range(100)]) == 100
    branch.write_marker(100, CHECKSUM)
    branch.commit()
    assert sql("SELECT count(*), sum(length(x) = n) FROM v") == [(100, 100)]


def test_what_was_encoded_before_load_data_was_switched_off_is_inserted(
    branch: MySQLBranch, target: MySQLTarget, sql: Sql
) -> None:
    writer = branch.writer(target.catalog().table("t"), ["a", "b"])
    ahead = [writer.encode(pa.RecordBatch.from_pydict({"a": [n], "b": [str(n)]})) for n in (2, 3)]
    sql("SET GLOBAL local_infile = 0")
    try:
        assert [writer.send(rows) for rows in ahead] == [1, 1]
    finally:
        sql("SET GLOBAL local_infile = 1")
    branch.write_marker(2, CHECKSUM)
    branch.commit()
    assert sql("SELECT a, b FROM t ORDER BY a") == [(1, "one"), (2, "2"), (3, "3")]


def test_a_row_that_does_not_fit_is_found_while_it_is_encoded_and_breaks_nothing(
    branch: MySQLBranch, target: MySQLTarget
) -> None:
    writer = branch.writer(target.catalog().table("t"), ["a", "b"])
    with pytest.raises(ConstraintViolated) as error:
        writer.encode(pa.RecordBatch.from_pydict({"a": [2, 3], "b": ["two", "x" * 21]}))
    assert error.value.row == 1
    assert writer.write(pa.RecordBatch.from_pydict({"a": [2], "b": ["two"]})) == 1


def test_a_duplicate_in_rows_that_were_encoded_before_is_named(branch: MySQLBranch, target: MySQLTarget) -> None:
    writer = branch.writer(target.catalog().table("t"), ["a", "b"])
    rows = writer.encode(pa.RecordBatch.from_pydict({"a": [2, 3], "b": ["two", "one"]}))
    with pytest.raises(ConstraintViolated, match="'one'") as error:
        writer.send(rows)
    assert error.value.row == 1
