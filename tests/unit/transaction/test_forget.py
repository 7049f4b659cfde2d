"""Letting go of a task: only when nothing of it can be prepared any more, row first, markers after it (step 13)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.support.protocol import SHAPES, World

from rescind import failpoints
from rescind.domain.branch import BranchId
from rescind.domain.states import State
from rescind.domain.task import Task
from rescind.errors import Undecided
from rescind.ledger import tasks
from rescind.ledger.engine import now
from rescind.testing.memory import MemoryTarget
from rescind.transaction.forget import Forgetter

DAYS = 30.0


def long_after() -> datetime:
    return now() + timedelta(days=DAYS + 1)


def ended(w: World, shape: str = "two-phase") -> Task:
    task_id = w.submit(SHAPES[shape])
    assert w.attempt(w.claim(task_id)) is State.committed
    return w.task(task_id)


def forget(w: World, at: datetime | None = None) -> int:
    return Forgetter(w.ledger, w.targets, DAYS).forget(at or long_after())


def known(w: World, task: Task) -> bool:
    with w.ledger.read() as connection:
        return tasks.get(connection, task.id) is not None


def marked(w: World, task: Task) -> bool:
    return any(w.targets[name].markers(w.ledger.identity()[0], task.id) for name in task.targets)


def test_row_and_markers_go_when_their_time_is_over(w: World) -> None:
    task = ended(w)
    assert (forget(w, now()), known(w, task), marked(w, task)) == (0, True, True)
    assert (forget(w), known(w, task), marked(w, task)) == (1, False, False)


def test_a_task_with_a_prepared_branch_is_kept(w: World) -> None:
    """Without its row nobody would know what is to become of it."""
    task = ended(w)
    late = w.late_branch(task, "two")
    assert (forget(w), known(w, task), marked(w, task)) == (0, True, True)
    w.operators["two"].roll_back_by_hand(late)
    assert forget(w) == 1


def test_one_look_is_not_enough(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PREPARE can land between two looks."""
    task, landed = ended(w), list[BranchId]()
    look = MemoryTarget.list_prepared

    def land_afterwards(self: MemoryTarget, ledger: str) -> list[BranchId]:
        found = look(self, ledger)
        if not landed:
            landed.append(BranchId(*w.ledger.identity(), task.id, task.attempt, 1))
            w.late_branch(task, "two")
        return found

    monkeypatch.setattr(MemoryTarget, "list_prepared", land_afterwards)
    assert (forget(w), known(w, task)) == (0, True)
    w.operators["two"].roll_back_by_hand(landed[0])


def test_who_may_not_see_the_list_forgets_only_what_was_never_prepared(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(self: MemoryTarget, ledger: str) -> list[BranchId]:
        raise Undecided("What is prepared cannot be seen.")

    prepared, simple = ended(w), ended(w, "one-phase")
    monkeypatch.setattr(MemoryTarget, "list_prepared", blind)
    monkeypatch.setattr(MemoryTarget, "seen_prepared", lambda self, ledger: [])
    assert forget(w) == 1
    assert (known(w, prepared), known(w, simple)) == (True, False)


def test_markers_that_a_killed_sweep_has_left_go_with_the_next(w: World) -> None:
    task = ended(w)
    failpoints.arm("forget.between", failpoints.Action.fail)
    with pytest.raises(failpoints.Injected):
        forget(w)
    assert (known(w, task), marked(w, task)) == (False, True)
    forget(w)
    assert not marked(w, task)
