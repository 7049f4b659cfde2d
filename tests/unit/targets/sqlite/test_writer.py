"""Arrow batches into a table, many rows a statement."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, RescindError, TargetConflict, TransactionBroken
from rescind.targets.sqlite import catalog
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
        ([1.5, None, float("inf")], pa.float64(), [1.5, None, float("inf")]),
        ([True, False, None], pa.bool_(), [1, 0, None]),
        (["", None, "ü\N{PILE OF POO}\0x"], pa.string(), ["", None, "ü\N{PILE OF POO}\0x"]),
        ([b"\0\xff", None], pa.binary(), [b"\0\xff", None]),
        (["007.50", None], pa.string(), ["007.50", None]),
        ([time(1, 2), time(1, 2, 3, 4), None], pa.time64("us"), ["01:02:00", "01:02:03.000004", None]),
        ([time(1, 2), None], pa.time64("us"), ["01:02:00", None]),
        ([date(1582, 10, 15), None], pa.date32(), ["1582-10-15", None]),
        (
            [datetime(1969, 12, 31, 23, 59, 59), datetime(1969, 12, 31, 23, 59, 59, 5), None],  # noqa: DTZ001  # no zone
            pa.timestamp("us"),
            ["1969-12-31 23:59:59", "1969-12-31 23:59:59.000005", None],
        ),
        ([None, None], pa.timestamp("us"), [None, None]),
        (
            [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 5, UTC), None],
            pa.timestamp("us", "UTC"),
            ["2024-01-01 00:00:00+00:00", "2024-01-01 00:00:00.000005+00:00", None],
        ),
        ([2**63 - 1, None], pa.uint64(), [2**63 - 1, None]),
    ],
)
def test_values_as_sqlite_stores_them(
    session: Session, values: list[Any], kind: pa.DataType, stored: list[Any]
) -> None:
    plain = python_values(pa.array(values, kind))
    found = [session.execute("SELECT ?", (value,)).fetchone()[0] for value in plain]
    assert found == stored


def test_other_arrow_types_become_the_columns_own(branch: SQLiteBranch) -> None:
    kinds = {"a": Type.text, "b": Type.decimal, "c": Type.timestamptz, "d": Type.integer}
    table = Table("others", tuple(Column(name, kind, "") for name, kind in kinds.items()))
    branch.create_table(table)
    rows = pa.RecordBatch.from_pydict(
        {
            "a": pa.array(["x", None]).dictionary_encode(),
            "b": pa.array([Decimal("1.50"), None]),
            "c": pa.array([datetime.fromisoformat("2024-01-01"), None]),
            "d": pa.array([7.0, None]),
        }
    )
    assert branch.writer(table, list(kinds)).write(rows) == 2
    found = branch.connection().exec_driver_sql("SELECT * FROM others").fetchall()
    assert found == [("x", 1.5, "2024-01-01 00:00:00+00:00", 7), (None,) * 4]


@pytest.mark.parametrize("beside", [[], ["9223372036854775807"], ["+1.0"]])
def test_decimals_become_the_nearest_double(branch: SQLiteBranch, beside: list[str]) -> None:
    """SQLite 3.40 itself reads each of the first four as a double next to it."""
    texts = ["735.4695422506", "19170.032672886", "5.282721", "34817.345867", "-2", "1e3", None, *beside]
    table = Table("kept", (Column("x", Type.decimal, "NUMERIC"),))
    branch.create_table(table)
    assert branch.writer(table, ["x"]).write(pa.RecordBatch.from_pydict({"x": texts})) == len(texts)
    found = branch.connection().exec_driver_sql("SELECT x FROM kept").scalars().all()
    assert [None if value is None else Decimal(repr(value)) for value in found] == [
        None if text is None else Decimal(text) for text in texts
    ]


def test_the_first_row_that_a_column_cannot_hold_is_refused_and_nothing_is_written(branch: SQLiteBranch) -> None:
    table = Table("narrow", (Column("a", Type.real, "REAL"), Column("b", Type.unsigned, "BIGINT UNSIGNED")))
    branch.create_table(table)
    rows = pa.RecordBatch.from_pydict({"a": [0.5, 0.5, float("nan")], "b": pa.array([1, 2**63, 3], pa.uint64())})
    with pytest.raises(
        ConstraintViolated, match=r"column b: more than 9223372036854775807, .* \('9223372036854775808'\)"
    ) as error:
        branch.writer(table, ["a", "b"]).write(rows)
    assert error.value.row == 1
    assert branch.connection().exec_driver_sql("SELECT count(*) FROM narrow").scalar() == 0


def test_limits_are_those_of_the_table_as_it_is(reopen: Callable[[], SQLiteBranch], sql: Callable[..., Any]) -> None:
    sql("CREATE TABLE odd(x STRING)")
    as_if = Table("odd", (Column("x", Type.text, "TEXT"),))
    with pytest.raises(ConstraintViolated, match=r"^A value does not fit column x: a number that"):
        reopen().writer(as_if, ["x"]).write(pa.RecordBatch.from_pydict({"x": ["007"]}))


def test_a_column_is_looked_at_unless_just_this_one_is_known(
    reopen: Callable[[], SQLiteBranch], sql: Callable[..., Any]
) -> None:
    sql("CREATE TABLE odd(x STRING)")
    as_if = Table("odd", (Column("x", Type.text, "TEXT"),))
    rows = pa.RecordBatch.from_pydict({"x": ["007"]})
    branch = reopen()
    writer = branch.writer(as_if, ["x"])
    with pytest.raises(ConstraintViolated):
        writer.write(rows, as_if.columns)
    assert writer.write(rows, catalog.describe(branch._session, "odd").columns) == 1


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


@pytest.mark.parametrize("key", [[], ["a"]], ids=["append", "upsert"])
@pytest.mark.parametrize(
    "skips",
    ["", "CREATE TRIGGER skips BEFORE INSERT ON once WHEN new.b = 7 BEGIN SELECT RAISE(IGNORE); END"],
    ids=["on conflict ignore", "trigger"],
)
def test_rows_that_the_table_itself_skips_are_refused_with_all_of_their_batch(
    reopen: Callable[[], SQLiteBranch], sql: Callable[..., Any], skips: str, key: list[str]
) -> None:
    """The key that is twice in the rows does not matter to an upsert, nor that a row is changed and not new."""
    sql("CREATE TABLE once(a INTEGER PRIMARY KEY, b INTEGER UNIQUE ON CONFLICT IGNORE)")
    sql("INSERT INTO once VALUES (1, 1)")
    if skips:
        sql(skips)
    table = Table("once", (Column("a", Type.integer, "INTEGER", key=1), Column("b", Type.integer, "INTEGER")))
    writer = (branch := reopen()).writer(table, ["a", "b"], key)
    good = {"a": [1, 2, 2], "b": [1, 2, 3]} if key else {"a": [2, 3, 4], "b": [2, 3, 4]}
    assert writer.write(pa.RecordBatch.from_pydict(good)) == 3
    before = branch.connection().exec_driver_sql("SELECT * FROM once").all()
    bad = {"a": [5, 6, 8], "b": [5, 7 if skips else 5, 8]}
    with pytest.raises(ConstraintViolated, match="took 2 of 3 rows") as error:
        writer.write(pa.RecordBatch.from_pydict(bad))
    assert error.value.row is None
    assert branch.connection().exec_driver_sql("SELECT * FROM once").all() == before


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
