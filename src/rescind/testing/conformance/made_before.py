"""Tables that are made before the transaction, because DDL commits by itself; and taken back (PROTOCOL R12)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rescind.domain.branch import BranchId
from rescind.errors import RescindError, TargetBusy
from rescind.testing.conformance.scene import ITEMS, Scene, Suite, items, new_branch, write


class MadeBefore(Suite):
    """A table goes only if the task made it and, under a write lock, it is empty."""

    @pytest.fixture
    def before(self, empty: Scene) -> Scene:
        """A database where tables are made before the transaction."""
        if not empty.makes_before():
            pytest.skip(f"DDL is part of the transaction: {empty.fresh().capabilities().transactional_ddl.reason}")
        return empty

    @pytest.fixture
    def made(self, before: Scene) -> BranchId:
        """A branch that made ITEMS, and then was lost."""
        branch = before.open()
        branch.create_table(ITEMS)
        branch.close()
        return branch.id

    def test_it_is_not_made_inside_the_transaction(self, before: Scene) -> None:
        branch = before.begin()
        with pytest.raises(RescindError):
            branch.create_table(ITEMS)
        assert before.count() is None

    def test_an_empty_table_of_the_task_is_undone(self, before: Scene, made: BranchId) -> None:
        before.fresh().undo_table(ITEMS.name, made)
        assert before.count() is None

    def test_undoing_it_again_does_nothing(self, before: Scene, made: BranchId) -> None:
        before.fresh().undo_table(ITEMS.name, made)
        before.fresh().undo_table(ITEMS.name, made)
        assert before.count() is None

    def test_a_later_attempt_undoes_what_an_earlier_one_made(self, before: Scene, made: BranchId) -> None:
        before.fresh().undo_table(ITEMS.name, replace(made, attempt=2))
        assert before.count() is None

    def test_an_earlier_attempt_leaves_what_a_later_one_made(self, before: Scene) -> None:
        branch = before.open(branch=new_branch(attempt=2))
        branch.create_table(ITEMS)
        before.fresh().undo_table(ITEMS.name, replace(branch.id, attempt=1))
        assert before.count() == 0

    @pytest.mark.parametrize("whose", ["another task", "another ledger"])
    def test_somebody_elses_table_is_left(self, before: Scene, made: BranchId, whose: str) -> None:
        stranger = new_branch() if whose == "another task" else replace(made, ledger="c0ffee000002")
        before.fresh().undo_table(ITEMS.name, stranger)
        assert before.count() == 0

    def test_a_table_with_rows_is_left(self, before: Scene, made: BranchId) -> None:
        before.written(1).commit()
        before.fresh().undo_table(ITEMS.name, made)
        assert before.count() == 1

    def test_a_table_that_somebody_is_writing_to_is_left(self, before: Scene, made: BranchId) -> None:
        writing = before.begin()
        write(writing, items(1))
        with pytest.raises(TargetBusy):
            before.fresh().undo_table(ITEMS.name, made)
        writing.rollback()
        assert before.count() == 0
