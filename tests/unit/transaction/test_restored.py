"""A ledger that was restored from a backup: it knows less than the databases show (PROTOCOL R9)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, delete, update
from tests.support.protocol import ROWS, SHAPES, World

from rescind.domain.receipt import Draft
from rescind.domain.states import State, StopAnswer
from rescind.domain.task import Commit, Task, Terms
from rescind.errors import Contradiction, Stopped, TargetRefused
from rescind.ledger import incarnation, tables, transitions
from rescind.testing.memory import MemoryTarget
from rescind.transaction.control import Control
from rescind.transaction.verdict import Verdict, judge

HELD = Terms(commit=Commit.manual, hold_seconds=900)


def held(w: World, *targets: str) -> str:
    task_id = w.submit(targets, HELD)
    assert w.attempt(w.claim(task_id)) is State.prepared
    return task_id


def decided(w: World, *targets: str) -> str:
    """A task that was decided: its branch in `two` has committed, the one in `three` is prepared still."""
    task_id = held(w, *targets)
    assert w.commit(task_id)
    w.targets["two"].commit_prepared(w.prepared("two")[0])
    expect_kept(w)
    return task_id


def expect_kept(w: World) -> None:
    assert (w.rows("two"), w.rows("three"), len(w.prepared("three"))) == (ROWS, 0, 1)


def committed(w: World) -> str:
    task_id = w.submit(SHAPES["two-phase"])
    assert w.attempt(w.claim(task_id)) is State.committed
    return task_id


def set_back(w: World, task_id: str, state: State = State.queued, *, attempt: int = 0, registered: int = 0) -> None:
    """The ledger as it was then: of what came later it knows nothing."""
    b, t = tables.branch, tables.task
    values: dict[str, Any] = dict.fromkeys(("receipt", "protocol", "finished_at", "worker", "hold_until"))
    with w.ledger.write() as connection:
        connection.execute(delete(b).where(b.c.task == task_id, b.c.branch >= registered))
        connection.execute(update(t).where(t.c.id == task_id).values(values | {"state": state, "attempt": attempt}))


def declare(w: World) -> None:
    with w.ledger.write() as connection:
        assert incarnation.begin(connection, 1, 2, {})
    w.ledger._identity = None  # as in a process that began after it


@pytest.mark.parametrize("stop", [False, True], ids=["the next attempt looks", "a stop comes"])
def test_a_branch_that_was_never_registered_is_left_to_an_operator(w: World, stop: bool) -> None:
    """Attempt 1 is claimed a second time and dies before it has looked: its number proves nothing."""
    task_id = decided(w, "two", "three")
    set_back(w, task_id)
    assert w.recovery.take_over(w.claim(task_id), lost=True) is State.queued
    w.recovery.sweep_target(w.targets["three"])
    assert judge(w.ledger, w.prepared("three")[0]) is Verdict.quarantine
    if stop:
        w.stop(task_id)
    assert (w.recover(task_id) if stop else w.attempt(w.claim(task_id))) is State.hazard
    expect_kept(w)


@pytest.mark.parametrize("stop", [False, True], ids=["the next attempt looks", "a stop comes"])
def test_a_held_branch_that_was_never_registered_calls_an_operator(w: World, stop: bool) -> None:
    """Nothing of it has committed, so that no marker tells; it may have been decided all the same."""
    task_id = held(w, "two")
    set_back(w, task_id)
    assert w.recovery.take_over(w.claim(task_id), lost=True) is State.queued
    if stop:
        w.stop(task_id)
    assert (w.recover(task_id) if stop else w.attempt(w.claim(task_id))) is State.hazard
    assert len(w.prepared("two")) == 1


@pytest.mark.parametrize("registered", [2, 1], ids="{} branches registered".format)
def test_nothing_is_rolled_back_before_every_marker_is_read(w: World, registered: int) -> None:
    """The backup is of the running attempt, from before its decision; the branch that is prepared still comes first."""
    task_id = decided(w, "three", "two")
    set_back(w, task_id, State.running, attempt=1, registered=registered)
    assert w.recovery.take_over(w.task(task_id), lost=True) is State.hazard
    expect_kept(w)


def test_nothing_is_rolled_back_beside_a_prepared_branch_that_is_unknown(w: World) -> None:
    task_id = held(w, "three", "two")
    set_back(w, task_id, State.running, attempt=1, registered=1)
    assert w.recovery.take_over(w.task(task_id), lost=True) is State.hazard
    assert len(w.prepared("two")) == len(w.prepared("three")) == 1


def test_a_stop_of_a_queued_task_is_proven_where_an_attempt_was_made(w: World) -> None:
    task_id = committed(w)
    set_back(w, task_id)
    assert w.recovery.take_over(w.claim(task_id), lost=True) is State.queued
    w.stop(task_id)
    assert w.recover(task_id) is State.hazard


def test_a_stop_of_a_queued_task_is_proven_where_the_ledger_was_restored(w: World) -> None:
    task_id, fresh = committed(w), w.submit(SHAPES["two-phase"])
    set_back(w, task_id)
    declare(w)
    for stopped in (task_id, fresh):
        with w.ledger.write() as connection:
            assert transitions.request_stop(connection, stopped) is StopAnswer.accepted
    assert w.recover(task_id) is State.hazard
    assert w.recover(fresh) is State.stopped


def test_a_stop_of_a_queued_task_waits_for_a_target_that_is_down(w: World) -> None:
    task_id = committed(w)
    set_back(w, task_id)
    assert w.recovery.take_over(w.claim(task_id), lost=True) is State.queued
    w.operators["two"].down()
    w.stop(task_id)
    with pytest.raises(Exception, match="memory"):
        w.recover_once(w.task(task_id))
    assert w.task(task_id).state is State.aborting
    w.operators["two"].up()
    assert w.recover(task_id) is State.hazard


@pytest.mark.parametrize("lost", [5, 1])
def test_no_end_is_told_beside_a_marker(w: World, lost: int) -> None:
    """Workers that die before they look use up the attempts; before that the next attempt is the one that looks."""
    task_id = committed(w)
    set_back(w, task_id)
    for _ in range(lost - 1):
        assert w.recovery.take_over(w.claim(task_id), lost=True) is State.queued
    assert w.recovery.take_over(w.claim(task_id), lost=True) is (State.hazard if lost == 5 else State.queued)


def test_a_stop_that_comes_while_an_attempt_is_taken_back_is_proven_too(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end was to be `queued`, before which nobody looks; then the stop comes."""
    end_abort = transitions.end_abort

    def late(connection: Connection, task: Task, to: State, back_off_seconds: float) -> State | None:
        transitions.request_stop(connection, task.id)
        return end_abort(connection, task, to, back_off_seconds)

    task_id = committed(w)
    set_back(w, task_id)
    monkeypatch.setattr(transitions, "end_abort", late)
    assert w.recovery.take_over(w.claim(task_id), lost=True) is State.hazard


@pytest.mark.parametrize("forgotten", [State.committed, State.prepared])
def test_the_next_attempt_looks_before_it_writes(w: World, forgotten: State) -> None:
    """It would find no key taken: what it writes is new each time."""
    task_id = committed(w) if forgotten is State.committed else held(w, "two")
    set_back(w, task_id)
    assert w.recovery.take_over(w.claim(task_id), lost=True) is State.queued
    assert w.attempt(w.claim(task_id), lambda work: Draft()) is State.hazard
    assert {marker.branch.attempt for marker in w.targets["two"].markers(w.ledger.identity()[0], task_id)} <= {1}


def test_a_branch_of_an_earlier_life_is_not_the_one_that_has_its_key(w: World) -> None:
    """Attempt 1 was made in both lives; the one that the ledger knows is not the one that is prepared."""
    task_id = held(w, "two")
    set_back(w, task_id, State.queued, attempt=1, registered=1)
    declare(w)
    with w.ledger.write() as connection:
        connection.execute(update(tables.branch).where(tables.branch.c.task == task_id).values(incarnation=2))
    w.stop(task_id)
    assert w.recover(task_id) is State.hazard
    assert [branch.incarnation for branch in w.prepared("two")] == [1]


def test_a_stop_does_not_hide_what_the_attempt_has_found(w: World) -> None:
    task_id = committed(w)
    set_back(w, task_id)
    control, task = Control(), w.claim(task_id)
    w.stop(task_id)
    control.interrupt(Stopped("The task was stopped; nothing was changed."))
    assert w.attempt(task, control=control) is State.hazard


def test_a_refusal_does_not_hide_a_marker(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: MemoryTarget) -> None:
        raise TargetRefused("A power cut would undo commits.")

    task_id = committed(w)
    set_back(w, task_id)
    monkeypatch.setattr(MemoryTarget, "preflight", refused)
    assert w.attempt(w.claim(task_id)) is State.hazard


def test_a_held_task_of_an_earlier_life_is_not_decided(w: World) -> None:
    """It may have been decided in the life that the ledger has forgotten: an operator is called at once."""
    task_id = held(w, "two", "three")
    declare(w)
    with pytest.raises(Contradiction, match="before this ledger was restored"):
        w.commit(task_id)
    assert w.recover(task_id) is State.hazard
    assert (len(w.prepared("two")), len(w.prepared("three"))) == (1, 1)


def test_a_task_that_the_ledger_takes_to_be_held_still(w: World) -> None:
    """The backup is from between its last PREPARE and a person's commit, which was carried out."""
    task_id = held(w, "two")
    hold_until = w.task(task_id).hold_until
    assert w.commit(task_id)
    assert w.recover(task_id) is State.committed
    set_back(w, task_id, State.prepared, attempt=1, registered=1)
    with w.ledger.write() as connection:
        connection.execute(update(tables.task).values(hold_until=hold_until))
    assert w.recover(task_id) is State.hazard
    assert w.rows("two") == ROWS
