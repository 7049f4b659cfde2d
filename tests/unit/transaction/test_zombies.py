"""An attempt that hangs at some point, is taken for dead and taken over, and then goes on."""

from __future__ import annotations

import pytest
from tests.support.protocol import SHAPES, World

from rescind import failpoints
from rescind.domain.states import State

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
