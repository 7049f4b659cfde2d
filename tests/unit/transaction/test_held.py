"""Held commits and dry runs: everything is written, and a person or nobody decides."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from sqlalchemy import Connection
from tests.support.protocol import ROWS, SHAPES, World, body

from rescind import failpoints
from rescind.domain.branch import BranchId
from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.domain.task import Commit, Task, Terms
from rescind.errors import BranchGone, ConstraintViolated, Contradiction, TargetUnavailable
from rescind.ledger import guarded, tasks, transitions
from rescind.testing.memory import Fault
from rescind.transaction import held
from rescind.transaction.work import Work

HELD = Terms(commit=Commit.manual, hold_seconds=900)
DRY = Terms(dry_run=True)
TIMEOUT_SECONDS = 30
ABLE = ("two-phase", "two branches", "two branches in one target")

TAKING_BACK = ("abort.before_kill", "abort.before_rollback", "abort.sent_no_reply", "abort.before_final")

able = pytest.mark.parametrize("shape", ABLE)
any_shape = pytest.mark.parametrize("shape", SHAPES)


def hold(w: World, shape: str) -> str:
    task_id = w.submit(SHAPES[shape], HELD)
    assert w.attempt(w.claim(task_id)) is State.prepared
    return task_id


@able
def test_a_held_task_is_prepared_and_unseen(w: World, shape: str) -> None:
    task_id = hold(w, shape)
    task = w.task(task_id)
    assert (task.state, task.worker) == (State.prepared, None)
    assert task.hold_until is not None
    assert 890 < (task.hold_until - w.ledger_clock()).total_seconds() <= 900
    assert task.locks is not None
    assert len(task.locks) == len(SHAPES[shape])
    for name in SHAPES[shape]:
        assert w.rows(name) == 0
        assert len(w.prepared(name)) == SHAPES[shape].count(name)
    assert w.recovery.release(task) is None  # a sweep leaves it as it is
    assert w.task(task_id).state is State.prepared


@able
def test_a_commit_carries_it_out(w: World, shape: str) -> None:
    task_id = hold(w, shape)
    assert w.commit(task_id)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@able
def test_a_stop_takes_it_back(w: World, shape: str) -> None:
    task_id = hold(w, shape)
    w.stop(task_id)
    assert not w.commit(task_id)
    assert w.finish(task_id) is State.stopped
    w.check(task_id)


def test_nobody_commits_in_time(w: World) -> None:
    task_id = hold(w, "two branches")
    w.expire(task_id)
    assert not w.commit(task_id)
    assert w.finish(task_id) is State.failed
    problem = w.task(task_id).problem
    assert problem is not None
    assert problem.code == "hold-expired"
    w.check(task_id)


def test_after_the_commit_a_stop_is_too_late(w: World) -> None:
    task_id = hold(w, "two-phase")
    assert w.commit(task_id)
    w.stop(task_id)
    assert not w.task(task_id).stop_requested
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_second_commit_changes_nothing(w: World) -> None:
    task_id = hold(w, "two-phase")
    assert w.commit(task_id)
    assert not w.commit(task_id)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@pytest.mark.parametrize("shape", ["one-phase", "mixed"])
def test_what_cannot_prepare_cannot_be_held(w: World, shape: str) -> None:
    task_id = w.submit(SHAPES[shape], HELD)
    assert w.finish(task_id) is State.failed
    problem = w.task(task_id).problem
    assert problem is not None
    assert problem.code == "target-refused"
    w.check(task_id)


@pytest.mark.parametrize("point", ["hold.before_close", "hold.after_close", "prepare.after_list"])
def test_a_worker_that_dies_before_the_mark_is_taken_back_and_tried_again(w: World, point: str) -> None:
    task_id = w.submit(SHAPES["two branches"], HELD)
    failpoints.arm(point, failpoints.Action.fail)
    w.attempt(w.claim(task_id))
    assert w.finish(task_id) is State.prepared
    assert w.commit(task_id)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_lost_answer_to_the_mark_is_asked_for_again(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"], HELD)
    failpoints.arm("decide.sent_no_reply", failpoints.Action.lose)
    assert w.attempt(w.claim(task_id)) is State.prepared
    assert w.commit(task_id)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_stop_before_the_mark_wins(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"], HELD)
    failpoints.arm("hold.after_close", lambda: w.stop(task_id))
    w.attempt(w.claim(task_id))
    assert w.finish(task_id) is State.stopped
    w.check(task_id)


def test_a_zombie_cannot_mark_what_was_taken_over(w: World) -> None:
    task_id = w.submit(SHAPES["two-phase"], HELD)
    reached, go = w.hang("hold.after_close")
    zombie = w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    assert w.recover(task_id) is State.queued
    go.set()
    zombie.join(TIMEOUT_SECONDS)
    assert w.task(task_id).state is State.queued
    assert w.finish(task_id) is State.prepared
    w.stop(task_id)
    assert w.finish(task_id) is State.stopped
    w.check(task_id)


@pytest.mark.parametrize("point", ["commit2p.before", "recover.before_scan", "finish.before", "finish.sent_no_reply"])
def test_a_sweeper_that_dies_while_it_commits(w: World, point: str) -> None:
    task_id = hold(w, "two branches")
    assert w.commit(task_id)
    failpoints.arm(point, failpoints.Action.fail)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@pytest.mark.parametrize(
    "point", ["abort.before_kill", "abort.before_rollback", "abort.sent_no_reply", "abort.before_final"]
)
def test_a_sweeper_that_dies_while_it_takes_back(w: World, point: str) -> None:
    task_id = hold(w, "two branches")
    w.stop(task_id)
    failpoints.arm(point, failpoints.Action.fail)
    assert w.finish(task_id) is State.stopped
    w.check(task_id)


@pytest.mark.parametrize("kept", [True, False], ids=["guard kept", "guard gone"])
def test_negative_control_a_commit_after_a_stop(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """An accepted stop never commits, when it comes after the look too: without the guard in the commit it would."""

    def careless(connection: Connection, task: Task) -> bool:
        return guarded.move(connection, task, State.prepared, State.committing)

    if not kept:
        monkeypatch.setattr(transitions, "commit_held", careless)
    task_id = hold(w, "two-phase")
    held.commit(w.ledger, w.task(task_id), lambda: w.stop(task_id))
    assert (w.finish(task_id) is State.stopped) is kept


@any_shape
def test_a_dry_run_leaves_nothing_and_says_what_it_would_have_done(w: World, shape: str) -> None:
    task_id = w.submit(SHAPES[shape], DRY)
    assert w.attempt(w.claim(task_id)) is State.checked
    receipt = w.task(task_id).receipt
    assert receipt is not None
    assert receipt["rows_written"] > 0
    w.check(task_id)


def test_a_dry_run_finds_what_the_commit_would_have_refused(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def violated(self: Work) -> None:
        raise ConstraintViolated("A deferred constraint is violated.")

    monkeypatch.setattr(Work, "check_constraints", violated)
    task_id = w.submit(SHAPES["two-phase"], DRY)
    assert w.finish(task_id) is State.failed
    w.check(task_id)


def test_a_dry_run_that_is_stopped_is_stopped(w: World) -> None:
    task_id = w.submit(SHAPES["two-phase"], DRY)

    def stopped(work: Work) -> Draft:
        draft = body(work)
        w.stop(task_id)
        return draft

    w.attempt(w.claim(task_id), stopped)
    assert w.finish(task_id) is State.stopped
    w.check(task_id)


@pytest.mark.parametrize(
    "point", ["decide.after", "abort.before_rollback", "abort.before_final", "finish.sent_no_reply"]
)
def test_a_dry_run_whose_worker_dies_after_the_check_is_checked(w: World, point: str) -> None:
    task_id = w.submit(SHAPES["two branches"], DRY)
    failpoints.arm(point, failpoints.Action.fail)
    w.attempt(w.claim(task_id))
    assert w.finish(task_id) is State.checked
    w.check(task_id)


def test_a_dry_run_is_tried_again_after_an_error_that_passes(w: World) -> None:
    task_id = w.submit(SHAPES["two-phase"], DRY)
    w.operators["two"].arm("write_marker", Fault.refused)
    assert w.finish(task_id) is State.checked
    with w.ledger.read() as connection:
        task = tasks.get(connection, task_id)
    assert task is not None
    assert task.attempt == 2
    w.check(task_id)


def test_a_branch_that_is_gone_with_its_session_is_not_held(w: World) -> None:
    """A server that forgets what is prepared when its owner leaves: found out before anybody is told "held"."""
    task_id = w.submit(SHAPES["two-phase"], HELD)
    failpoints.arm("hold.after_close", lambda: w.targets["two"].rollback_prepared(w.prepared("two")[0]))
    assert w.attempt(w.claim(task_id)) is State.failed
    w.check(task_id)


def by_hand(w: World, target: str, *, commit: bool) -> BranchId:
    """Somebody ends the task's first branch in that target."""
    (branch, *_) = sorted(w.prepared(target), key=str)
    (w.targets[target].commit_prepared if commit else w.targets[target].rollback_prepared)(branch)
    return branch


def expect_rolled_back_by_hand(w: World, task_id: str, branch: BranchId, target: str) -> None:
    problem = w.task(task_id).problem
    assert problem is not None
    assert problem.code == "branch-gone"
    assert f"{branch} in target {target}" in problem.detail
    assert "by hand" in problem.detail
    w.check(task_id)


@able
@pytest.mark.parametrize("which", [0, -1], ids=["the first", "the last"])
def test_a_branch_that_was_rolled_back_by_hand_takes_the_task_back(w: World, shape: str, which: int) -> None:
    """Found by the sweeper while the task is held: no person is invited to a commit that cannot be carried out."""
    task_id = hold(w, shape)
    target = SHAPES[shape][which]
    branch = by_hand(w, target, commit=False)
    assert w.recover(task_id) is State.failed
    expect_rolled_back_by_hand(w, task_id, branch, target)


@able
def test_a_commit_does_not_decide_what_was_rolled_back_by_hand(w: World, shape: str) -> None:
    """Found by the commit itself, if it comes before the sweeper: decided, the rest would be half a task."""
    task_id = hold(w, shape)
    branch = by_hand(w, SHAPES[shape][0], commit=False)
    with pytest.raises(BranchGone, match="by hand"):
        w.commit(task_id)
    assert w.task(task_id).state is State.prepared
    assert w.finish(task_id) is State.failed
    expect_rolled_back_by_hand(w, task_id, branch, SHAPES[shape][0])


@pytest.mark.parametrize("asked", [True, False], ids=["by a commit", "by the sweeper"])
def test_a_branch_that_was_committed_by_hand_calls_an_operator_at_once(w: World, asked: bool) -> None:
    """Before any decision nothing may be committed; and nothing is rolled back beside it."""
    task_id = hold(w, "two branches")
    branch = by_hand(w, "two", commit=True)
    if asked:
        with pytest.raises(Contradiction, match=re.escape(f"{branch} committed already")):
            w.commit(task_id)
        assert w.task(task_id).state is State.prepared
    assert w.recover(task_id) is State.hazard
    assert (w.rows("two"), w.rows("three"), len(w.prepared("three"))) == (ROWS, 0, 1)


def test_a_stop_of_what_was_rolled_back_by_hand_is_a_stop(w: World) -> None:
    task_id = hold(w, "two branches")
    by_hand(w, "two", commit=False)
    w.stop(task_id)
    assert w.finish(task_id) is State.stopped
    w.check(task_id)


@pytest.mark.parametrize("act", ["commit", "watch"])
def test_nothing_is_decided_and_nothing_taken_back_while_a_target_is_away(w: World, act: str) -> None:
    task_id = hold(w, "two branches")
    by_hand(w, "two", commit=False)
    w.operators["three"].arm("list_prepared", Fault.down)
    with pytest.raises(TargetUnavailable):
        w.commit(task_id) if act == "commit" else w.recovery.watch(w.task(task_id))
    assert w.task(task_id).state is State.prepared


@pytest.mark.parametrize("kept", [True, False], ids=["guard kept", "guard gone"])
def test_negative_control_the_look_before_the_decision(w: World, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """Without it the commit of a task that has lost a branch ends in hazard, half of it committed."""
    task_id = hold(w, "two branches")
    by_hand(w, "three", commit=False)
    if not kept:
        monkeypatch.setattr(held, "expect_whole", lambda *_: None)
    with suppress(BranchGone):
        w.commit(task_id)
    assert w.finish(task_id) is (State.failed if kept else State.hazard)
    assert w.rows("two") == (0 if kept else ROWS)


@pytest.mark.parametrize("carried_out", [True, False], ids=["committed", "committing"])
@pytest.mark.parametrize("by", ["look", "marker"])
def test_a_commit_during_the_look_is_no_contradiction(
    w: World, monkeypatch: pytest.MonkeyPatch, by: str, carried_out: bool
) -> None:
    """Somebody else's look finds what a commit has just done: in the look itself, or between it and the mark."""
    task_id = hold(w, "two branches")
    seen = w.task(task_id)

    def commit() -> None:
        with w.ledger.write() as connection:
            transitions.commit_held(connection, seen)
        for name in ("two", "three") if carried_out else ("two",):
            by_hand(w, name, commit=True)
        if carried_out:
            assert w.recover(task_id) is State.committed

    def look(*_: object) -> None:
        commit()
        raise Contradiction("The look was before the commit had been decided.")

    if by == "look":
        commit()
    else:
        monkeypatch.setattr(held, "expect_whole", look)
    assert w.recovery.watch(seen) is None
    assert w.finish(task_id) is State.committed
    w.check(task_id)
