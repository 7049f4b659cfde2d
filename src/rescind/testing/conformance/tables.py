"""Tables and rows inside a branch: made, cleared, filled, refused."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, RescindError
from rescind.testing.conformance.scene import CHECKSUM, ITEMS, Scene, Suite, items, write

EVERY_TYPE = Table(
    "every_type",
    (
        Column("n", Type.integer, "", nullable=False, key=1),
        *(Column(f"a_{t}", t, "") for t in Type),
    ),
)


_time = datetime.fromisoformat

#: Values at the edges of each type, in the order of `Type`; times are without a zone, as in the database.
ROWS: list[tuple[Any, ...]] = [
    (1, 0, 0.5, "12.50", True, date(2024, 2, 29), _time("2024-02-29T23:59:59.999999"), "text", b"\x00\xff"),
    (2, 2**63 - 1, 1.7976931348623157e308, "-0.01", False, date(1, 1, 1), _time("1970-01-01"), "", b""),
    (3, -(2**63), -5e-324, "79228162514.3375", True, date(9999, 12, 31), _time("9999-12-31"), "NA", b"x"),
    (4, *[None] * 8),
    (5, -1, -0.25, "100", False, date(1969, 12, 31), _time("1969-12-31T00:00:00.000001"), "ü\t\n'\"\\ 漢🙂", b"'\n\\"),
]


class Tables(Suite):
    """DDL where it is transactional, and the writer."""

    def test_a_made_table_is_seen_only_after_the_commit(self, empty: Scene) -> None:
        branch = empty.begin()
        branch.create_table(ITEMS)
        write(branch, items(1))
        assert empty.count() is None
        branch.write_marker(1, CHECKSUM)
        branch.commit()
        assert empty.count() == 1

    def test_a_made_table_is_taken_back(self, empty: Scene) -> None:
        ability = empty.fresh().capabilities().transactional_ddl
        if not ability:
            pytest.skip(f"no transactional DDL: {ability.reason}")
        branch = empty.begin()
        branch.create_table(ITEMS)
        write(branch, items(1))
        branch.rollback()
        branch.close()
        empty.sees(branch, prepared=False, rows=None, marked=False)
        empty.make(ITEMS)
        assert empty.count() == 0

    def test_a_table_that_is_there_is_not_made_again(self, scene: Scene) -> None:
        scene.written(1).commit()
        branch = scene.begin()
        with pytest.raises(RescindError):
            branch.create_table(ITEMS)
        branch.rollback()
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
        empty.make(EVERY_TYPE, _batch(ROWS[:cut]), _batch(ROWS[cut:]))
        assert [_exact(row) for row in empty.values(EVERY_TYPE.name)] == [_exact(row) for row in ROWS]

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
    """The row with its decimal as a number: 12.50 and 12.5 are the same."""
    place = 1 + list(Type).index(Type.decimal)
    return tuple(Decimal(value) if n == place and value is not None else value for n, value in enumerate(row))


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    fields = [("n", pa.int64()), *((f"a_{t}", ARROW[t]) for t in Type)]
    columns = zip(*rows, strict=True) if rows else [()] * len(fields)
    arrays = [pa.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
