"""Arrow batches into a table, many rows a statement."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, RescindError, TargetConflict, TransactionBroken
from rescind.targets.sqlite.branch import SQLiteBranch
from rescind.targets.sqlite.session import Session
from rescind.targets.sqlite.writer import ROWS_PER_STATEMENT, VALUES_PER_CHUNK, python_values

T = Table("t", (Column("a", Type.integer, "INTEGER"), Column("b", Type.text, "TEXT")))


def batch(first: int, count: int, **replaced: Any) -> pa.RecordBatch:
    """Rows (n, 'n'); `replaced` gives other values by row, as `at_3=(…)`."""
    rows = [(n, str(n)) for n in range(first, first + count)]
    for where, row in replaced.items():
        rows[int(where.removeprefix("at_"))] = row
    return pa.RecordBatch.from_pydict({"b": [b for _, b in rows], "a": pa.array([a for a, _ in rows], pa.int64())})


@pytest.mark.parametrize(
    "count",
    [0, 1, ROWS_PER_STATEMENT - 1, ROWS_PER_STATEMENT, ROWS_PER_STATEMENT + 1, VALUES_PER_CHUNK // 2 + 7],
)
def test_every_row_arrives_once_at_every_edge(branch: SQLiteBranch, count: int) -> None:
    writer = branch.writer(T, ["a", "b"])
    assert writer.write(batch(10, count)) == count
    writer.close()
    found = branch.connection().exec_driver_sql("SELECT a, b FROM t WHERE a >= 10 ORDER BY a").fetchall()
    assert found == [(n, str(n)) for n in range(10, 10 + count)]


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        ([1, None, -(2**63), 2**63 - 1], pa.int64(), [1, None, -(2**63), 2**63 - 1]),
        ([1.5, None, float("nan")], pa.float64(), [1.5, None, None]),
        ([True, False, None], pa.bool_(), [1, 0, None]),
        (["", None, "ü\N{PILE OF POO}\0x"], pa.string(), ["", None, "ü\N{PILE OF POO}\0x"]),
        ([b"\0\xff", None], pa.binary(), [b"\0\xff", None]),
        (["007.50", None], pa.string(), ["007.50", None]),
        ([Decimal("1.50"), None], pa.decimal128(5, 2), ["1.50", None]),
        ([date(1582, 10, 15), None], pa.date32(), ["1582-10-15", None]),
        (
            [datetime(1969, 12, 31, 23, 59, 59), datetime(1969, 12, 31, 23, 59, 59, 5), None],  # noqa: DTZ001  # no zone
            pa.timestamp("us"),
            ["1969-12-31 23:59:59", "1969-12-31 23:59:59.000005", None],
        ),
        ([None, None], pa.timestamp("us"), [None, None]),
    ],
)
def test_values_as_sqlite_stores_them(
    session: Session, values: list[Any], kind: pa.DataType, stored: list[Any]
) -> None:
    plain = python_values(pa.array(values, kind))
    found = [session.execute("SELECT ?", (value,)).fetchone()[0] for value in plain]
    assert found == stored


def test_a_dictionary_column_is_written_as_its_values() -> None:
    assert python_values(pa.array(["x", None, "x"]).dictionary_encode()) == ["x", None, "x"]


@pytest.mark.parametrize("at", [0, 1, ROWS_PER_STATEMENT, 2 * ROWS_PER_STATEMENT + 3, VALUES_PER_CHUNK // 2 + 1])
def test_the_row_that_breaks_a_constraint_is_named(branch: SQLiteBranch, at: int) -> None:
    rows = batch(10, at + 5, **{f"at_{at}": (9, "one")})
    with pytest.raises(ConstraintViolated, match=r"t\.b") as error:
        branch.writer(T, ["a", "b"]).write(rows)
    assert error.value.row == at


def test_two_rows_of_one_batch_that_break_it_together_name_the_second(branch: SQLiteBranch) -> None:
    with pytest.raises(ConstraintViolated) as error:
        branch.writer(T, ["a", "b"]).write(batch(10, 20, at_7=(100, "twin"), at_12=(101, "twin")))
    assert error.value.row == 12


def test_a_constraint_that_rolls_back_ends_the_transaction_and_nothing_is_written_alone(
    branch: SQLiteBranch, reopen: Callable[[], SQLiteBranch], sql: Callable[..., Any]
) -> None:
    branch.close()
    sql("CREATE TRIGGER no AFTER INSERT ON t WHEN new.b = '13' BEGIN SELECT RAISE(ROLLBACK, 'never 13'); END")
    again = reopen()
    with pytest.raises(RescindError):
        again.writer(T, ["a", "b"]).write(batch(10, 20))
    with pytest.raises(TransactionBroken):
        again.writer(T, ["a", "b"]).write(batch(50, 1))
    again.close()
    assert sql("SELECT a FROM t") == [(1,)]


def test_rows_that_the_table_itself_ignores_are_not_counted(
    reopen: Callable[[], SQLiteBranch], sql: Callable[..., Any]
) -> None:
    sql("CREATE TABLE once(a INTEGER UNIQUE ON CONFLICT IGNORE)")
    table = Table("once", (Column("a", Type.integer, "INTEGER"),))
    again = reopen()
    assert again.writer(table, ["a"]).write(pa.RecordBatch.from_pydict({"a": [1, 1, 2]})) == 2


def test_a_cancel_ends_a_long_write(branch: SQLiteBranch) -> None:
    writer = branch.writer(T, ["a", "b"])
    rows = batch(10, 20_000)

    def for_ever() -> None:
        while True:
            branch.clear_table("t")
            writer.write(rows)

    timer = threading.Timer(0.1, branch.cancel)
    timer.start()
    with pytest.raises(RescindError):
        for_ever()
    timer.join()


def test_a_cancel_between_two_statements_ends_the_write_before_the_next(
    reopen: Callable[[], SQLiteBranch], sql: Callable[..., Any]
) -> None:
    sql("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")
    sql("CREATE TRIGGER late AFTER INSERT ON t WHEN new.a = 10 BEGIN SELECT cancelled(); END")
    branch = reopen()
    session: Any = branch.connection().connection.driver_connection
    session.create_function("cancelled", 0, lambda: setattr(session, "cancelled", True))
    with pytest.raises(TargetConflict):
        branch.writer(T, ["a", "b"]).write(batch(10, 10 * ROWS_PER_STATEMENT))
    session.cancelled = False
    assert session.execute("SELECT count(*) FROM t").fetchone() == (ROWS_PER_STATEMENT,)


def test_a_table_wider_than_sqlites_limit_of_parameters_still_fits(branch: SQLiteBranch) -> None:
    names = [f"c{n}" for n in range(1_000)]
    table = Table("wide", tuple(Column(name, Type.integer, "") for name in names))
    branch.create_table(table)
    rows = pa.RecordBatch.from_pydict({name: list(range(130)) for name in names})
    assert branch.writer(table, names).write(rows) == 130
    assert branch.connection().exec_driver_sql("SELECT sum(c999) FROM wide").scalar() == sum(range(130))
