"""COPY: which row it was, all of a batch or nothing of it, and an end in the middle."""

from __future__ import annotations

import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from tests.support.waiting import until
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.schema import Column, Limits, Table, Type
from rescind.errors import ConstraintViolated, RescindError, TargetConflict
from rescind.targets.postgresql import binary
from rescind.targets.postgresql.branch import PostgreSQLBranch
from rescind.targets.postgresql.target import PostgreSQLTarget

T = Table("t", (Column("a", Type.integer, "", key=1), Column("b", Type.text, "")))
NAMES = ["a", "b"]


def batch(*values: tuple[int | None, str | None]) -> pa.RecordBatch:
    columns: list[pa.Array[Any]] = [
        pa.array([a for a, _ in values], pa.int64()),
        pa.array([b for _, b in values], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, names=NAMES)


def hide(write: Callable[[pa.RecordBatch], int], values: pa.RecordBatch) -> int | None:
    """Write, and hide the error as a careless function would; the row that the error names."""
    with pytest.raises(ConstraintViolated) as error:
        write(values)
    return error.value.row


@pytest.fixture(params=["binary", "text"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are sent in either form."""
    if request.param == "text":
        monkeypatch.setattr(binary, "encoder", lambda columns, bases: None)


@pytest.mark.usefixtures("road")
@pytest.mark.parametrize("text", ["x", "two\nlines", "\n", "\r\n\r", '"\n"', 'a""\n\n\\.\n'])
@pytest.mark.parametrize("row", [0, 1, 2, 39_999])
def test_the_row_is_named_whatever_lines_its_text_and_others_have(
    branch: PostgreSQLBranch, sql: Sql, text: str, row: int
) -> None:
    values: list[tuple[int | None, str | None]] = [(n, f"{text}{n}") for n in range(10, 40_010)]
    values[row] = (1, text)  # 1 is taken
    assert hide(branch.writer(T, NAMES).write, batch(*values)) == row
    branch.write_marker(0, "")
    branch.commit()
    assert sql("SELECT * FROM t") == [(1, "one")]


@pytest.mark.usefixtures("road")
@pytest.mark.parametrize(
    ("bad", "row"), [((None, "x"), 2), ((5, "one"), 2), ((2, "a\0b"), 2), ((2**31, "x"), 2), ((2, "x" * 4), 2)]
)
def test_every_kind_of_bad_value_names_its_row(
    begin: Begin, sql: Sql, bad: tuple[int | None, str | None], row: int
) -> None:
    sql("CREATE TABLE t(a integer PRIMARY KEY CHECK (a <> 5), b varchar(3))")
    values = batch((1, "\n"), (3, "\n\n"), bad, (4, "y"))
    assert hide(begin().writer(T, NAMES).write, values) == row


@pytest.mark.parametrize("bad", [(2**31, "x"), (2, "xxxx"), (None, "x"), (2, "\0")])
def test_what_the_catalogue_knows_is_refused_before_anything_is_sent(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, bad: tuple[int | None, str | None]
) -> None:
    sql("CREATE TABLE t(a integer PRIMARY KEY, b varchar(3))")
    writer = begin().writer(target.catalog().table("t"), NAMES)
    with pytest.raises(ConstraintViolated, match=r"^A value does not fit column [ab]: ") as error:
        writer.write(batch((1, ""), bad))
    assert error.value.row == 1


@pytest.mark.parametrize("key", [[], ["a"]], ids=["append", "upsert"])
@pytest.mark.parametrize("declared", ["char(5)", "code"])
def test_spaces_that_a_column_cuts_off_are_refused_in_a_known_column_too(
    begin: Begin, target: PostgreSQLTarget, sql: Sql, declared: str, key: list[str]
) -> None:
    sql(f"CREATE DOMAIN code AS char(5); CREATE TABLE t(a integer PRIMARY KEY, b {declared})")
    table = target.catalog().table("t")
    writer = begin().writer(table, NAMES, key)
    assert writer.write(batch((1, " a"), (2, None)), table.columns) == 2
    with pytest.raises(ConstraintViolated, match="column b: the column cuts spaces off the end") as error:
        writer.write(batch((3, "ab"), (4, "ab ")), table.columns)
    assert error.value.row == 1


def test_a_column_is_looked_at_unless_just_this_one_is_known(begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE t(a integer, b text)")
    short = replace(T.columns[1], limits=Limits(characters=3))  # of which the database knows nothing
    writer = begin().writer(replace(T, columns=(T.columns[0], short)), NAMES)
    assert hide(lambda values: writer.write(values, T.columns), batch((1, "two"), (2, "three"))) == 1
    assert writer.write(batch((1, "two"), (2, "three")), [short]) == 2


def test_a_trigger_that_raises_names_the_row(begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE t(a integer, b text); CREATE TABLE log(a int CHECK (a < 3))")
    sql(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (NEW.a); RETURN NEW;"
        " END $$; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
    )
    assert hide(begin().writer(T, NAMES).write, batch((1, "x"), (2, "x"), (3, "x"))) == 2


def test_a_trigger_that_skips_rows_is_not_believed(begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE t(a integer, b text)")
    sql(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.a = 2 THEN RETURN NULL; END IF;"
        " RETURN NEW; END $$; CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
    )
    branch = begin()
    writer = branch.writer(T, NAMES)
    with pytest.raises(ConstraintViolated, match="2 of 3 rows"):
        writer.write(batch((1, "x"), (2, "x"), (3, "x")))
    assert writer.write(batch((3, "y"))) == 1
    branch.write_marker(1, "")
    branch.commit()
    assert sql("SELECT * FROM t") == [(3, "y")]


def test_columns_with_any_name_and_a_generated_one(begin: Begin, sql: Sql, target: PostgreSQLTarget) -> None:
    sql('CREATE TABLE "T %s" ("a,b" int, "c""d" text DEFAULT \'x\', e int GENERATED ALWAYS AS ("a,b" * 2) STORED)')
    table = target.catalog().table("T %s")
    branch = begin()
    assert branch.writer(table, ["a,b"]).write(pa.RecordBatch.from_pydict({"a,b": [21]})) == 1
    branch.write_marker(1, "")
    branch.commit()
    assert sql('SELECT * FROM "T %s"') == [(21, "x", 42)]


def test_an_empty_batch_and_slices(branch: PostgreSQLBranch, sql: Sql) -> None:
    writer = branch.writer(T, NAMES)
    values = batch(*((n, None if n % 3 else "\\.") for n in range(2, 9)))
    assert [writer.write(values.slice(0, 0)), writer.write(values.slice(1, 1)), writer.write(values.slice(5))] == [
        0,
        1,
        2,
    ]
    branch.write_marker(3, "")
    branch.commit()
    assert sql("SELECT * FROM t ORDER BY a") == [(1, "one"), (3, "\\."), (7, None), (8, None)]


def test_a_cancel_stops_the_feeding_too(branch: PostgreSQLBranch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server looks at a cancel only when the next rows have come: a slow reader would never be stopped."""
    sent: list[int] = []

    def slow(encoder: binary.Encoder, values: pa.RecordBatch) -> Any:
        yield b"PGCOPY\n\xff\r\n\0" + bytes(8)
        for number in range(10, 10**9):
            sent.append(number)
            yield struct.pack("!hiiii", 2, 4, number, 4, number)

    monkeypatch.setattr(binary.Encoder, "pieces", slow)
    writer = branch.writer(T, NAMES)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(writer.write, batch((2, "two")))
        until(lambda: len(sent) > 10, "rows are sent")
        branch.cancel()
        with pytest.raises(TargetConflict):
            writing.result(20)
    count = len(sent)
    with pytest.raises(TargetConflict):
        writer.write(batch((2, "two")))
    assert len(sent) == count


def test_a_statement_that_waits_is_cancelled(begin: Begin, branch: PostgreSQLBranch, sql: Sql) -> None:
    branch.clear_table("t")
    second = begin()
    pid = int(second.session.split("@")[0])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.clear_table, "t")
        until(lambda: sql("SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s", pid), "it waits")
        second.cancel()
        with pytest.raises(RescindError):
            waiting.result(20)


def test_a_row_that_no_page_holds_is_not_taken_for_the_one_after_the_last(begin: Begin, sql: Sql) -> None:
    """COPY finds it when the rows are over, and names the line where it is then."""
    names = [f"c{n}" for n in range(1_200)]
    sql(f"CREATE TABLE wide({', '.join(f'{name} bigint' for name in names)})")
    wide = Table("wide", tuple(Column(name, Type.integer, "") for name in names))
    values = pa.RecordBatch.from_arrays([pa.array([1, 2, 3], pa.int64())] * len(names), names=names)
    assert hide(begin().writer(wide, names).write, values) is None
