"""Rows by their key: replaced where they are there, inserted where not; and a batch that is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from rescind.domain.arrow import ARROW
from rescind.domain.branch import Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import ConstraintViolated, TargetRefused, UnknownColumn
from rescind.targets.target import Branch, Writer
from rescind.testing.conformance.elsewhere import elsewhere
from rescind.testing.conformance.scene import CHECKSUM, ITEMS, Scene, Suite, eventually, items, new_branch, write
from rescind.testing.conformance.tables import EDGES, EVERY_TYPE, ROWS, comparable, every_type_batch

PARTS = Table(
    "parts",
    (
        Column("place", Type.text, "", nullable=False, key=1),
        Column("number", Type.integer, "", nullable=False, key=2),
        Column("a", Type.integer, ""),
        Column("b", Type.text, ""),
    ),
)

#: Every type but JSON, of which no database says when two values are the same.
KEYS = [kind for kind in Type if kind is not Type.json]


def named(*rows: tuple[int | None, str | None]) -> pa.RecordBatch:
    """Rows of ITEMS."""
    ids, names = zip(*rows, strict=True)
    return pa.RecordBatch.from_pydict({"id": pa.array(ids, pa.int64()), "name": pa.array(names, pa.string())})


def by_id(branch: Branch, columns: Sequence[str] = ("id", "name")) -> Writer:
    return branch.writer(ITEMS, columns, ["id"])


def finish(branch: Branch, rows: int = 0) -> None:
    branch.write_marker(rows, CHECKSUM)
    branch.commit()
    branch.close()


class Upserts(Suite):
    """A writer with a key. `scene` has ITEMS, whose key is `id`."""

    @pytest.fixture
    def there(self, scene: Scene) -> Scene:
        """Items 1 to 3 are there."""
        scene.written(1, 2, 3).commit()
        return scene

    def test_a_row_that_is_there_is_replaced_and_any_other_inserted(self, there: Scene) -> None:
        branch = there.begin()
        writer = by_id(branch)
        assert writer.write(named((2, "two"), (4, "four"), (3, None))) == 3
        writer.close()
        assert there.values(ITEMS.name) == [(1, "item 1"), (2, "item 2"), (3, "item 3")]
        finish(branch, 3)
        assert there.values(ITEMS.name) == [(1, "item 1"), (2, "two"), (3, None), (4, "four")]

    def test_of_rows_of_one_key_the_last_one_stands(self, there: Scene) -> None:
        branch = there.begin()
        writer = by_id(branch)
        assert writer.write(named((2, "a"), (9, "a"), (2, "b"), (9, "b"), (8, "x"))) == 5
        assert writer.write(named((9, "c"), (2, "c"), (2, "d"))) == 3
        writer.close()
        finish(branch, 8)
        assert there.values(ITEMS.name) == [(1, "item 1"), (2, "d"), (3, "item 3"), (8, "x"), (9, "c")]

    def test_texts_that_are_not_the_same_are_keys_of_their_own(self, empty: Scene) -> None:
        table = Table("words", (Column("k", Type.text, "", nullable=False, key=1), Column("n", Type.integer, "")))
        empty.make(table)
        keys = ["a", "a ", "a  ", "A", "\u00e4", "a\u0308", "", " ", "a\t"]
        branch = empty.begin()
        rows = pa.RecordBatch.from_pydict({"k": keys, "n": list(range(len(keys)))})
        assert write(branch, rows, table=table, key=["k"]) == len(keys)
        finish(branch, len(keys))
        assert sorted(empty.values(table.name)) == sorted(zip(keys, range(len(keys)), strict=True))

    def test_columns_that_are_not_written_keep_their_values(self, empty: Scene) -> None:
        rows = [("x", 1, 10, "one"), ("x", 2, 20, "two")]
        kinds = [ARROW[column.type] for column in PARTS.columns]
        names = [column.name for column in PARTS.columns]
        arrays = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        empty.make(PARTS, pa.RecordBatch.from_arrays(arrays, names=names))
        branch = empty.begin()
        writer = branch.writer(PARTS, ["a", "number", "place"], ["number", "place"])
        writer.write(pa.RecordBatch.from_pydict({"a": [21, 31], "number": [2, 1], "place": ["x", "y"]}))
        writer.close()
        finish(branch, 2)
        assert empty.values(PARTS.name) == [("x", 1, 10, "one"), ("x", 2, 21, "two"), ("y", 1, 31, None)]

    def test_the_key_may_be_all_that_is_written(self, there: Scene) -> None:
        branch = there.begin()
        writer = by_id(branch, ["id"])
        assert writer.write(pa.RecordBatch.from_pydict({"id": [3, 4, 3]})) == 3
        writer.close()
        finish(branch, 3)
        assert there.values(ITEMS.name) == [(1, "item 1"), (2, "item 2"), (3, "item 3"), (4, None)]

    def test_many_rows_of_which_half_are_there(self, scene: Scene) -> None:
        scene.written(*range(0, 5_000, 2)).commit()
        branch = scene.begin()
        writer = by_id(branch)
        assert writer.write(named(*((n, "new") for n in reversed(range(2_500))))) == 2_500
        writer.close()
        finish(branch, 2_500)
        assert scene.values(ITEMS.name) == [
            (n, "new" if n < 2_500 else f"item {n}") for n in range(5_000) if n < 2_500 or n % 2 == 0
        ]

    def test_every_type_is_replaced_by_what_is_written(self, empty: Scene) -> None:
        empty.make(EVERY_TYPE, every_type_batch(ROWS))
        replaced = [(n, *values[1:]) for n, values in enumerate(ROWS[1:] + ROWS[:1], 1)]
        branch = empty.begin()
        writer = branch.writer(EVERY_TYPE, [column.name for column in EVERY_TYPE.columns], ["n"])
        writer.write(every_type_batch(replaced))
        writer.close()
        finish(branch, len(replaced))
        found = [
            [comparable(kind, value) for kind, value in zip(Type, row[1:], strict=True)]
            for row in empty.values(EVERY_TYPE.name)
        ]
        assert found == [
            [comparable(kind, value) for kind, value in zip(Type, row[1:], strict=True)] for row in replaced
        ]

    @pytest.mark.parametrize("kind", KEYS)
    def test_a_key_of_any_type_is_found_again(self, empty: Scene, kind: Type) -> None:
        keyed = Table("keyed", (Column("k", kind, "", nullable=False, key=1), Column("v", Type.integer, "")))
        values = list(dict.fromkeys(value for value in EDGES[kind] if value is not None))
        empty.make(keyed)
        for new in (1, 2):
            branch = empty.begin()
            writer = branch.writer(keyed, ["k", "v"], ["k"])
            keys = pa.array([*values, *values], ARROW[kind])
            numbers = pa.array([0] * len(values) + [new] * len(values), pa.int64())
            writer.write(pa.RecordBatch.from_arrays([keys, numbers], names=["k", "v"]))
            writer.close()
            finish(branch, 2 * len(values))
        found = [(comparable(kind, key), value) for key, value in empty.values("keyed")]
        assert len(found) == len(values)
        read: pa.Array[Any] = pa.array(values, ARROW[kind])
        assert dict(found) == {comparable(kind, key): 2 for key in read.to_pylist()}

    def test_nothing_is_seen_but_the_rows(self, there: Scene) -> None:
        branch = there.begin()
        writer = by_id(branch)
        writer.write(named((1, "one")))
        assert there.fresh().catalog().tables() == [ITEMS.name]
        finish(branch, 1)  # the writer was not closed: a function may have hidden an error
        assert there.fresh().catalog().tables() == [ITEMS.name]
        assert there.values(ITEMS.name)[0] == (1, "one")

    def test_it_can_be_prepared_and_committed_by_others(self, there: Scene) -> None:
        ability = there.fresh().capabilities().two_phase
        if not ability:
            pytest.skip(f"no two-phase commit: {ability.reason}")
        branch = there.begin(Protocol.two_phase)
        writer = by_id(branch)
        writer.write(named((1, "one"), (4, "four")))
        writer.close()
        branch.write_marker(2, CHECKSUM)
        branch.prepare()
        branch.close()
        there.sees(branch, prepared=True, rows=3, marked=False)
        there.fresh().commit_prepared(branch.id)
        there.sees(branch, prepared=False, rows=4, marked=True)
        assert there.values(ITEMS.name)[0] == (1, "one")

    @pytest.mark.parametrize("end", ["rollback", "close"])
    def test_a_rollback_leaves_the_old_rows(self, there: Scene, end: str) -> None:
        branch = there.begin()
        by_id(branch).write(named((1, "one"), (4, "four")))
        getattr(branch, end)()
        branch.close()
        assert there.values(ITEMS.name) == [(1, "item 1"), (2, "item 2"), (3, "item 3")]
        assert there.fresh().catalog().tables() == [ITEMS.name]

    def test_case_c20_a_worker_that_is_killed_in_an_upsert_leaves_the_old_rows(self, scene: Scene) -> None:
        branch = scene.begin()
        write(branch, named((1, "old"), (2, "old")))
        finish(branch, 2)
        with elsewhere(scene.connect, new_branch(), Protocol.one_phase, item=1, key=["id"]) as other:
            other.kill()
            target = scene.fresh()
            eventually(lambda: target.end_session(other.session), "the session is gone")
        assert scene.values(ITEMS.name) == [(1, "old"), (2, "old")]
        assert scene.fresh().catalog().tables() == [ITEMS.name]

    def test_a_row_without_a_key_is_refused_and_named(self, there: Scene) -> None:
        branch = there.begin()
        writer = by_id(branch)
        with pytest.raises(ConstraintViolated, match="part of the key") as error:
            writer.write(named((1, "one"), (None, "none"), (None, "none")))
        assert error.value.row == 1
        writer.write(named((2, "two")))
        writer.close()
        finish(branch, 1)
        assert there.values(ITEMS.name) == [(1, "item 1"), (2, "two"), (3, "item 3")]

    def test_a_batch_that_is_refused_leaves_nothing_and_the_branch_goes_on(self, there: Scene) -> None:
        branch = there.begin()
        writer = branch.writer(ITEMS, ["id", "name"])
        assert writer.write(items(4)) == 1
        for _ in range(2):
            with pytest.raises(ConstraintViolated) as error:
                writer.write(items(5, 6, 3, 7))
            assert error.value.row in (2, None)
        assert writer.write(items(5)) == 1
        writer.close()
        finish(branch, 2)
        assert [row[0] for row in there.values(ITEMS.name)] == [1, 2, 3, 4, 5]

    def test_the_row_of_a_taken_key_is_named(self, there: Scene) -> None:
        branch = there.begin()
        with pytest.raises(ConstraintViolated) as error:
            branch.writer(ITEMS, ["id", "name"]).write(items(*range(10, 2_000), 2, *range(2_000, 3_000)))
        assert error.value.row == 1_990

    def test_the_keys_of_a_table_are_told(self, scene: Scene, there: Scene) -> None:
        table = scene.fresh().catalog().table(ITEMS.name)
        assert table.unique == (("id",),)
        assert [table.has_key(names) for names in (["id"], ["name"], ["id", "name"], ["id", "id"], [])] == [
            True,
            False,
            False,
            False,
            False,
        ]

    def test_a_key_that_the_table_does_not_have_is_refused(self, there: Scene) -> None:
        branch = there.begin()
        with pytest.raises(TargetRefused, match=r"\(name\).*\(id\)"):
            branch.writer(there.fresh().catalog().table(ITEMS.name), ["id", "name"], ["name"])
        with pytest.raises(UnknownColumn, match="'id'"):
            branch.writer(ITEMS, ["name"], ["id"])
        assert by_id(branch).write(named((1, "one"))) == 1
