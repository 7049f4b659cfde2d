"""An attempt that hangs at some point, is taken for dead and taken over, and then goes on."""

from __future__ import annotations

import pytest
from tests.support.ledgers import on_every_ledger
from tests.support.protocol import SHAPES, World

from rescind import failpoints
from rescind.domain.receipt import Draft
from rescind.domain.rejects import Reject
from rescind.domain.states import State
from rescind.errors import RowsRejected, TargetUnavailable
from rescind.ledger import branches, rejects
from rescind.transaction.work import Work

pytestmark = on_every_ledger

BEFORE = (
    "branch.before_register",
    "branch.after_register",
    "branch.after_start",
    "branch.mid_data",
    "branch.before_marker",
    "branch.after_marker",
    "prepare.before",
    "prepare.before_list",
    "prepare.after_list",
    "decide.before",
)
AFTER = (
    "decide.after",
    "commit1p.before",
    "commit1p.after",
    "commit2p.before",
    "commit2p.after",
    "recover.before_scan",
    "finish.before",
    "finish.after",
)
TIMEOUT_SECONDS = 30


@pytest.mark.parametrize("point", BEFORE)
@pytest.mark.parametrize("goes_on", ["before", "after"], ids="goes on {} the next attempt".format)
def test_it_has_no_effect_before_its_decision(w: World, point: str, goes_on: str) -> None:
    task_id = w.submit(SHAPES["mixed"])
    reached, go = w.hang(point)
    zombie = w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    assert w.recover(task_id) is State.queued
    assert w.task(task_id).losses == 1
    if goes_on == "before":
        go.set()
        zombie.join(TIMEOUT_SECONDS)
        assert w.task(task_id).state is State.queued
        assert [w.rows(name) for name in ("one", "two")] == [0, 0]
    assert w.attempt(w.claim(task_id)) is State.committed
    go.set()
    zombie.join(TIMEOUT_SECONDS)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@pytest.mark.parametrize("point", AFTER)
def test_its_decision_is_carried_out_or_proven_impossible(w: World, point: str) -> None:
    task_id = w.submit(SHAPES["mixed"])
    reached, go = w.hang(point)
    zombie = w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    state = w.recover(task_id)
    # Before its one-phase branch committed, the tombstone proves that it never will: taken back and done again.
    assert state is (State.queued if point in ("decide.after", "commit1p.before") else State.committed)
    assert w.finish(task_id) is State.committed
    go.set()
    zombie.join(TIMEOUT_SECONDS)
    w.check(task_id)


@pytest.mark.parametrize("shape", ["two-phase", "two branches"])
@pytest.mark.parametrize("point", ["decide.after", "commit2p.before"])
def test_prepared_branches_are_committed_for_it(w: World, shape: str, point: str) -> None:
    task_id = w.submit(SHAPES[shape])
    reached, _ = w.hang(point)
    w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    assert w.recover(task_id) is State.committed
    assert w.task(task_id).attempt == 1
    w.join()
    w.check(task_id)


def test_a_fenced_attempt_leaves_the_next_ones_branch_alone(w: World) -> None:
    task_id = w.submit(SHAPES["two-phase"])
    reached, go = w.hang("decide.before")
    zombie = w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    w.recover(task_id)
    second, go_second = w.hang("decide.before")
    next_one = w.beside(w.attempt, w.claim(task_id))
    assert second.wait(TIMEOUT_SECONDS)
    (prepared,) = w.prepared("two")
    go.set()
    zombie.join(TIMEOUT_SECONDS)
    assert w.prepared("two") == [prepared]
    assert prepared.attempt == w.task(task_id).attempt == 2
    go_second.set()
    next_one.join(TIMEOUT_SECONDS)
    assert w.task(task_id).state is State.committed
    w.check(task_id)


def test_five_lost_workers_are_enough(w: World) -> None:
    task_id = w.submit(SHAPES["two-phase"])
    for _ in range(5):
        failpoints.arm("decide.before", failpoints.Action.fail)
        w.claim(task_id)
        w.recover(task_id)
    assert w.task(task_id).state is State.failed
    w.check(task_id)


def test_its_rejects_are_not_those_of_the_task(w: World) -> None:
    """The row that broke a constraint for the first attempt may be gone when the second one comes."""

    def rejecting(work: Work) -> Draft:
        failpoints.hit("branch.mid_data")
        reject = Reject(1, None, None, "the key was taken")
        raise RowsRejected("Nothing was loaded.", [reject], 1)

    task_id = w.submit(SHAPES["one-phase"])
    reached, go = w.hang("branch.mid_data")
    zombie = w.beside(w.attempt, w.claim(task_id), rejecting)
    assert reached.wait(TIMEOUT_SECONDS)
    w.recover(task_id)
    assert w.attempt(w.claim(task_id)) is State.committed
    go.set()
    zombie.join(TIMEOUT_SECONDS)
    with w.ledger.read() as connection:
        assert rejects.of_task(connection, task_id) == []
    w.check(task_id)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_session_that_was_closed_is_not_ended_by_the_sweeper(w: World, shape: str) -> None:
    """With SQLite that would kill the worker, which may be at another task by then."""

    def out_of_reach() -> None:
        raise TargetUnavailable("The target is down.")

    task_id = w.submit(SHAPES[shape])
    failpoints.arm("recover.between_scan_and_act", out_of_reach)
    task = w.claim(task_id)
    assert w.attempt(task) is None
    assert w.task(task_id).state is State.committing
    with w.ledger.read() as connection:
        registered = branches.of_attempt(connection, task, w.ledger.identity()[0])
    assert [branch.ended for branch in registered] == [True] * len(SHAPES[shape])
    assert w.finish(task_id) is State.committed
    w.check(task_id)
