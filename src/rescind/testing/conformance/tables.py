"""Tables and rows inside a branch: made, cleared, filled, refused."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, RescindError, TargetConflict
from rescind.testing.conformance.scene import CHECKSUM, ITEMS, Scene, Suite, eventually, items, write

EVERY_TYPE = Table(
    "every_type",
    (
        Column("n", Type.integer, "", nullable=False, key=1),
        *(Column(f"a_{t}", t, "") for t in Type),
    ),
)


_time = datetime.fromisoformat

#: Per type values at the edges that every database has. A timestamp is without a zone, as in the database; an instant
#: is in the years that MySQL's TIMESTAMP knows.
EDGES: dict[Type, tuple[Any, ...]] = {
    Type.integer: (0, 2**63 - 1, -(2**63), None, -1),
    Type.unsigned: (0, 2**63 - 1, 1, None, 2**32),
    Type.real: (0.5, 1.7976931348623157e308, -5e-324, None, -0.25),
    Type.decimal: ("12.50", "-0.01", "79228162514.3375", None, "100"),
    Type.boolean: (True, False, True, None, False),
    Type.date: (date(2024, 2, 29), date(1, 1, 1), date(9999, 12, 31), None, date(1969, 12, 31)),
    Type.time: (time(0), time(23, 59, 59, 999_999), time(12, 30), None, time(0, 0, 0, 1)),
    Type.timestamp: (
        _time("2024-02-29T23:59:59.999999"), _time("1970-01-01"), _time("9999-12-31"), None,
        _time("1969-12-31T00:00:00.000001"),
    ),
    Type.timestamptz: (
        _time("2024-02-29T23:59:59.999999+00:00"), _time("1970-01-01T00:00:01+00:00"),
        _time("2038-01-19T03:14:07+00:00"), None, _time("2024-07-01T00:30:00.5+02:00"),
    ),
    Type.text: ("text", "", "NA", None, "ü\t\n\r'\"\\ \\N 漢🙂"),
    Type.binary: (b"\x00\xff", b"", b"x", None, b"'\n\\"),
    Type.json: ('{"a":[1,-2.5,null,"ü\\n"]}', '""', "[]", None, '"\\\\ 🙂"'),
    Type.uuid: (str(UUID(int=0)), str(UUID(int=2**128 - 1)), "0192f0c0-0000-7000-8000-00000000abcd", None,
                str(UUID(int=1))),
}  # fmt: skip

ROWS: list[tuple[Any, ...]] = [(n, *values) for n, values in enumerate(zip(*EDGES.values(), strict=True), 1)]

#: Values that not every database has: one comes back equal, or its row is refused.
HARD: list[tuple[Type, Any]] = [
    (Type.unsigned, 2**64 - 1),
    (Type.real, float("nan")),
    (Type.real, float("inf")),
    (Type.decimal, "12345678901234567890.1234567890"),
    (Type.decimal, "0.000000000000000000000000000001"),
    (Type.timestamp, _time("0001-01-01T00:00:00.000001")),
    (Type.timestamp, _time("9999-12-31T23:59:59.999999")),
    (Type.timestamptz, _time("1000-01-01T00:00:00+00:00")),
    (Type.timestamptz, _time("9999-12-31T23:59:59.999999+00:00")),
    (Type.text, "\0"),
    (Type.text, "a\0b\x1a\x7f"),
    (Type.text, " \t "),
    (Type.text, "007"),
    (Type.text, "ä" * 70_000),
    (Type.binary, bytes(range(256)) * 300),
    (Type.json, "123456789012345678901234567890"),
    (Type.json, "1.50"),
    (Type.json, "1e400"),
    (Type.json, r'"\u0000"'),
    (Type.json, "null"),
]


class Tables(Suite):
    """DDL where it is transactional, and the writer."""

    def test_a_made_tables_rows_are_seen_only_after_the_commit(self, empty: Scene) -> None:
        branch = empty.making(ITEMS)
        write(branch, items(1))
        assert empty.count() == (0 if empty.makes_before() else None)
        branch.write_marker(1, CHECKSUM)
        branch.commit()
        assert empty.count() == 1

    def test_a_made_table_is_taken_back(self, empty: Scene) -> None:
        branch = empty.making(ITEMS)
        write(branch, items(1))
        branch.rollback()
        branch.close()
        if empty.makes_before():
            eventually(lambda: empty.fresh().end_session(branch.session), "the session is gone")
            empty.fresh().undo_table(ITEMS.name, branch.id)
        empty.sees(branch, prepared=False, rows=None, marked=False)
        empty.make(ITEMS)
        assert empty.count() == 0

    def test_a_table_that_is_there_is_not_made_again(self, scene: Scene) -> None:
        scene.written(1).commit()
        with pytest.raises(TargetConflict):
            scene.making(ITEMS)
        assert scene.count() == 1

    def test_a_cleared_table_counts_its_rows_and_comes_back_on_rollback(self, scene: Scene) -> None:
        scene.written(1, 2).commit()
        branch = scene.begin()
        write(branch, items(3))
        assert branch.clear_table(ITEMS.name) == 3
        assert scene.count() == 2
        branch.rollback()
        branch.close()
        assert scene.count() == 2

    def test_a_cleared_table_is_empty_after_the_commit_and_takes_the_same_keys(self, scene: Scene) -> None:
        scene.written(1, 2).commit()
        branch = scene.begin()
        assert branch.clear_table(ITEMS.name) == 2
        write(branch, items(2, 3))
        branch.write_marker(2, CHECKSUM)
        branch.commit()
        assert scene.values(ITEMS.name) == [(2, "item 2"), (3, "item 3")]

    def test_an_unknown_table_cannot_be_cleared(self, scene: Scene) -> None:
        branch = scene.begin()
        with pytest.raises(RescindError):
            branch.clear_table("nowhere")
        branch.rollback()

    @pytest.mark.parametrize("cut", [0, 2, 5])
    def test_every_type_and_null_reads_back_equal(self, empty: Scene, cut: int) -> None:
        empty.make(EVERY_TYPE, every_type_batch(ROWS[:cut]), every_type_batch(ROWS[cut:]))
        assert [_exact(row) for row in empty.values(EVERY_TYPE.name)] == [_exact(row) for row in ROWS]

    @pytest.mark.parametrize(("kind", "value"), HARD, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(HARD)])
    def test_a_hard_value_reads_back_equal_or_its_row_is_refused(self, empty: Scene, kind: Type, value: Any) -> None:
        empty.make(EVERY_TYPE)
        branch = empty.begin()
        names = ["n", f"a_{kind}"]
        columns = [pa.array([1, 2], pa.int64()), pa.array([None, value], ARROW[kind])]
        refused: list[int | None] = []
        try:
            writer = branch.writer(EVERY_TYPE, names)
            writer.write(pa.RecordBatch.from_arrays(columns, names=names))
            writer.close()
        except ConstraintViolated as error:
            refused.append(error.row)
        if refused:
            assert refused == [1]
            branch.rollback()
            return
        branch.write_marker(2, CHECKSUM)
        branch.commit()
        place = 1 + list(Type).index(kind)
        found = [row[place] for row in empty.values(EVERY_TYPE.name)]
        assert [comparable(kind, read) for read in found] == [None, comparable(kind, value)]

    def test_columns_may_come_in_another_order_and_be_absent(self, scene: Scene) -> None:
        branch = scene.begin()
        writer = branch.writer(ITEMS, ["name", "id"])
        assert writer.write(pa.RecordBatch.from_pydict({"name": ["one"], "id": [1]})) == 1
        writer.close()
        writer = branch.writer(ITEMS, ["id"])
        assert writer.write(pa.RecordBatch.from_pydict({"id": [2]})) == 1
        writer.close()
        branch.write_marker(2, CHECKSUM)
        branch.commit()
        assert scene.values(ITEMS.name) == [(1, "one"), (2, None)]

    @pytest.mark.parametrize("ids", [(2, 3, 1), (2, 3, 2)])
    def test_a_key_that_is_taken_is_refused(self, scene: Scene, ids: tuple[int, ...]) -> None:
        scene.written(1).commit()
        branch = scene.begin()
        with pytest.raises(ConstraintViolated):
            write(branch, items(*ids))
        branch.rollback()
        branch.close()
        assert scene.count() == 1

    def test_null_is_refused_where_it_may_not_be(self, empty: Scene) -> None:
        columns = (ITEMS.columns[0], Column("name", Type.text, "", nullable=False))
        empty.make(Table(ITEMS.name, columns))
        branch = empty.begin()
        nameless = pa.RecordBatch.from_pydict({"id": [1, 2], "name": pa.array(["one", None], pa.string())})
        with pytest.raises(ConstraintViolated):
            write(branch, nameless)
        branch.rollback()
        branch.close()
        assert empty.count() == 0

    def test_many_rows_arrive(self, scene: Scene) -> None:
        scene.written(*range(2_500)).commit()
        assert scene.values(ITEMS.name) == [(n, f"item {n}") for n in range(2_500)]


def _exact(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with its values as `comparable`."""
    return (row[0], *(comparable(kind, value) for kind, value in zip(Type, row[1:], strict=True)))


def comparable(kind: Type, value: Any) -> Any:
    """What must be equal: a number's value, not its digits (12.50 is 12.5), and JSON's, not its spaces.

    A database without 64 bits unsigned may keep them as decimals.
    """
    match kind:
        case _ if value is None:
            return None
        case Type.decimal | Type.unsigned:
            return Decimal(value)
        case Type.json:
            return "JSON", json.loads(value, parse_float=Decimal)
        case Type.real:
            return repr(value)
        case _:
            return value


def every_type_batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    fields = [("n", pa.int64()), *((f"a_{t}", ARROW[t]) for t in Type)]
    columns = zip(*rows, strict=True) if rows else [()] * len(fields)
    arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
