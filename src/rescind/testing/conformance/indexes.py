"""Indexes of a table that a task makes: built from its rows, or made with it, and taken back with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest

from rescind.domain.branch import Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.errors import RescindError
from rescind.targets.target import Branch
from rescind.testing.conformance.elsewhere import elsewhere
from rescind.testing.conformance.scene import (
    CHECKSUM,
    DEADLINE_SECONDS,
    ITEMS,
    Scene,
    Suite,
    eventually,
    items,
    new_branch,
    write,
)

#: The columns of each index of the table of that name but its primary key's, as others see them, sorted.
IndexesOf = Callable[[str], Sequence[tuple[str | None, ...]]]

INDEXED = replace(ITEMS, indexes=(("name",), ("name", "id"), ("id", "name")))

#: Longer together than any database has a name; alike for long, and of two bytes at whatever place they are cut.
A, B = f"a{'ä' * 30}a", f"a{'ä' * 30}b"
LONG = Table(
    "long_names",
    (Column(A, Type.integer, ""), Column(B, Type.integer, "")),
    indexes=((A,), (B,), (A, B), (B, A)),
)
MANY_ROWS = 20_000


class Indexes(Suite):
    """Where DDL is transactional they come with the commit; elsewhere they are there before, like their table."""

    @pytest.fixture
    def indexes(self) -> IndexesOf:
        raise NotImplementedError("a target's test class supplies `indexes`")

    def test_they_are_there_with_the_commit_and_in_the_columns_order(self, empty: Scene, indexes: IndexesOf) -> None:
        branch = _built(empty, INDEXED, items(2, 1))
        branch.write_marker(2, CHECKSUM)
        branch.commit()
        assert indexes(ITEMS.name) == sorted(INDEXED.indexes)
        assert empty.values(ITEMS.name) == [(1, "item 1"), (2, "item 2")]

    def test_a_table_without_rows_has_them_too(self, empty: Scene, indexes: IndexesOf) -> None:
        branch = _built(empty, INDEXED)
        branch.write_marker(0, CHECKSUM)
        branch.commit()
        assert indexes(ITEMS.name) == sorted(INDEXED.indexes)

    def test_long_names_that_begin_alike_are_not_mixed_up(self, empty: Scene, indexes: IndexesOf) -> None:
        branch = _built(empty, LONG, pa.RecordBatch.from_pydict({A: [1, 2], B: [3, None]}))
        branch.write_marker(2, CHECKSUM)
        branch.commit()
        assert indexes(LONG.name) == sorted(LONG.indexes)

    @pytest.mark.parametrize("end", ["rollback", "lost session"])
    def test_they_are_gone_with_the_table_and_can_be_made_again(
        self, empty: Scene, indexes: IndexesOf, end: str
    ) -> None:
        branch = _built(empty, INDEXED, items(1))
        if end == "rollback":
            branch.rollback()
            branch.close()
        eventually(lambda: empty.fresh().end_session(branch.session), "the session is gone")
        if empty.makes_before():
            empty.fresh().undo_table(ITEMS.name, branch.id)
        empty.sees(branch, prepared=False, rows=None, marked=False)
        again = _built(empty, INDEXED, items(1))
        again.write_marker(1, CHECKSUM)
        again.commit()
        assert indexes(ITEMS.name) == sorted(INDEXED.indexes)

    def test_a_killed_worker_leaves_none(self, empty: Scene, indexes: IndexesOf) -> None:
        with elsewhere(empty.connect, new_branch(), Protocol.one_phase, item=1, made=INDEXED) as other:
            other.kill()
            eventually(lambda: empty.fresh().end_session(other.session), "the session is gone")
        if empty.makes_before():
            empty.fresh().undo_table(ITEMS.name, other.branch)
        assert (empty.count(), empty.kinds(other.branch)) == (None, [])
        again = _built(empty, INDEXED, items(1))
        again.write_marker(1, CHECKSUM)
        again.commit()
        assert indexes(ITEMS.name) == sorted(INDEXED.indexes)

    def test_they_are_not_built_where_they_would_commit_by_themselves(self, empty: Scene) -> None:
        if not empty.makes_before():
            pytest.skip(f"DDL is part of the transaction: {empty.fresh().capabilities().transactional_ddl.reason}")
        branch = empty.making(ITEMS)
        write(branch, items(1))
        with pytest.raises(RescindError):
            branch.create_indexes(INDEXED)
        branch.rollback()
        branch.close()
        assert empty.count() == 0

    def test_a_cancel_ends_their_building_and_all_is_taken_back(self, empty: Scene) -> None:
        if empty.makes_before():
            pytest.skip("nothing is left to build when the rows are there")
        branch = empty.making(INDEXED)
        write(branch, items(*range(MANY_ROWS)))
        with ThreadPoolExecutor(1) as pool:
            building = pool.submit(branch.create_indexes, INDEXED)

            def ended() -> bool:
                branch.cancel()
                return building.done()

            eventually(ended, "the building has ended")
            assert isinstance(building.exception(DEADLINE_SECONDS), RescindError)
        branch.rollback()
        branch.close()
        empty.sees(branch, prepared=False, rows=None, marked=False)


def _built(scene: Scene, table: Table, *batches: pa.RecordBatch) -> Branch:
    """A branch that made the table, wrote those rows and has all of its indexes."""
    branch = scene.making(table)
    write(branch, *batches, table=table)
    if not scene.makes_before():
        branch.create_indexes(table)
    return branch
