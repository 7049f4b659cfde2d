"""Recovery beside recovery, operators, unknown branches, tombstones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.ledgers import on_every_ledger
from tests.support.protocol import ROWS, SHAPES, World

from rescind import failpoints
from rescind.domain.branch import BranchId, MarkerKind, Protocol
from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.domain.task import Problem, Progress
from rescind.errors import RescindError, Retry, TargetConflict
from rescind.ledger import branches, transitions
from rescind.testing.memory import Fault, MemoryTarget

pytestmark = on_every_ledger

OF_ABORT = (
    "recover.before_scan",
    "recover.between_scan_and_act",
    "abort.before_kill",
    "abort.after_kill",
    "abort.before_rollback",
    "abort.sent_no_reply",
    "abort.after_rollback",
    "abort.before_final",
    "finish.sent_no_reply",
)
OF_COMMIT = (
    "recover.before_scan",
    "recover.between_scan_and_act",
    "abort.before_kill",
    "recover.before_tombstone",
    "recover.after_tombstone",
    "abort.before_rollback",
    "abort.before_final",
)
TIMEOUT_SECONDS = 30


def dead_before(w: World, point: str, shape: str = "mixed") -> str:
    """A task whose worker hangs at the point for good; its id."""
    task_id = w.submit(SHAPES[shape])
    reached, _ = w.hang(point)
    w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    return task_id


@pytest.mark.parametrize("again", [State.queued, State.committed], ids="goes on when {}".format)
@pytest.mark.parametrize("point", OF_ABORT)
def test_two_recoverers_take_one_attempt_back(w: World, point: str, again: State) -> None:
    task_id = dead_before(w, "decide.before")
    reached, go = w.hang(point)
    first = w.beside(w.recover_once, w.task(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    assert w.recover(task_id) is State.queued
    if again is State.committed:
        assert w.attempt(w.claim(task_id)) is State.committed
    go.set()
    first.join(TIMEOUT_SECONDS)
    assert w.task(task_id).state is again
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@pytest.mark.parametrize("point", OF_COMMIT)
def test_two_recoverers_find_one_outcome_of_a_one_phase_branch(w: World, point: str) -> None:
    task_id = dead_before(w, "commit1p.before")
    reached, go = w.hang(point)
    first = w.beside(w.recover_once, w.task(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    assert w.recover(task_id) is State.queued
    assert w.attempt(w.claim(task_id)) is State.committed
    go.set()
    first.join(TIMEOUT_SECONDS)
    w.check(task_id)


@pytest.mark.parametrize("point", ["recover.before_scan", "recover.between_scan_and_act", "finish.before"])
def test_two_recoverers_commit_once(w: World, point: str) -> None:
    task_id = dead_before(w, "commit2p.before", "two branches")
    reached, go = w.hang(point)
    first = w.beside(w.recover_once, w.task(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    assert w.recover(task_id) is State.committed
    go.set()
    first.join(TIMEOUT_SECONDS)
    w.check(task_id)


@pytest.mark.parametrize("point", OF_ABORT)
def test_a_recoverer_that_dies_is_followed_by_another(w: World, point: str) -> None:
    task_id = dead_before(w, "decide.before")
    failpoints.arm(point, failpoints.Action.fail)
    assert w.recover(task_id) is State.queued
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@pytest.mark.parametrize("action", [failpoints.Action.fail, failpoints.Action.lose])
def test_an_earlier_recoverers_tombstone_is_no_commit(w: World, action: failpoints.Action) -> None:
    task_id = dead_before(w, "commit1p.before", "one-phase")
    failpoints.arm("recover.tombstone_sent_no_reply", action)
    assert w.recover(task_id) is State.queued
    found = w.targets["one"].markers(w.ledger.identity()[0], task_id)
    assert [marker.kind for marker in found] == [MarkerKind.tombstone]
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_two_phase_branch_gets_no_tombstone(w: World) -> None:
    task_id = dead_before(w, "commit2p.before", "two branches")
    w.recover(task_id)
    assert w.finish(task_id) is State.committed
    for name in ("two", "three"):
        found = w.targets[name].markers(w.ledger.identity()[0], task_id)
        assert {marker.kind for marker in found} == {MarkerKind.marker}


def test_an_operator_who_agrees_is_fine(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"])
    w.operators["three"].arm("commit", Fault.refused)
    failpoints.arm("decide.after", lambda: w.operators["three"].commit_by_hand(w.prepared("three")[0]))
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_an_operator_who_rolls_a_decided_branch_back_makes_a_hazard(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"])
    failpoints.arm("decide.after", lambda: w.operators["three"].roll_back_by_hand(w.prepared("three")[0]))
    assert w.finish(task_id) is State.hazard
    problem = w.task(task_id).problem
    assert problem is not None
    assert problem.code == "contradiction"


def test_an_operator_who_rolls_an_undecided_branch_back_is_obeyed(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"])
    w.operators["three"].arm("prepare", Fault.rolled_back_by_hand)
    assert w.finish(task_id) is State.failed
    w.check(task_id)


def test_an_operator_who_commits_a_branch_of_a_stopped_task_makes_a_hazard(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"])
    task = w.claim(task_id)
    w.operators["three"].arm("prepare", Fault.committed_by_hand)
    w.stop(task_id)
    assert w.attempt(task) is State.hazard
    assert w.rows("three") == ROWS


@pytest.mark.parametrize("change", ["task", "incarnation", "attempt"])
def test_an_unknown_branch_of_ours_is_left_alone(w: World, change: str) -> None:
    task_id = dead_before(w, "commit2p.before", "two-phase")
    ledger, incarnation = w.ledger.identity()
    stranger = BranchId(ledger, incarnation, "unknown-task", 1, 0)
    if change == "incarnation":
        stranger = replace(stranger, incarnation=incarnation + 1, task=task_id, attempt=1, branch=7)
    if change == "attempt":  # the ledger was restored from before that attempt
        stranger = replace(stranger, task=task_id, attempt=2)
    w.prepare(stranger, "two")
    assert w.recover(task_id) is State.committed
    assert w.prepared("two") == [stranger]
    w.operators["two"].roll_back_by_hand(stranger)


def test_a_branch_of_an_attempt_that_a_queued_task_has_not_made_is_left_alone(w: World) -> None:
    task_id = w.submit(SHAPES["two-phase"])
    stranger = BranchId(*w.ledger.identity(), task_id, 1, 0)
    w.prepare(stranger, "two")
    w.recovery.sweep_target(w.targets["two"])
    assert w.prepared("two") == [stranger]
    w.operators["two"].roll_back_by_hand(stranger)


def test_a_decided_task_without_its_branches_is_a_hazard_and_not_committed(w: World) -> None:
    task = w.claim(w.submit(SHAPES["two-phase"]))
    with w.ledger.write() as connection:
        assert transitions.decide(connection, task, Protocol.two_phase, Draft().document())
    assert w.recovery.commit(task) is State.hazard


def test_a_target_that_is_out_of_reach_at_every_commit_costs_attempts(w: World) -> None:
    task = w.claim(w.submit(SHAPES["one-phase"]))
    away = Problem("target-unavailable", "it is away", "wait", Retry.free)
    branch = BranchId(*w.ledger.identity(), task.id, task.attempt, 0)
    with w.ledger.write() as connection:
        assert branches.register(connection, task, branch, "one", Protocol.one_phase, "0@a session that is gone")
        assert transitions.decide(connection, task, Protocol.one_phase, Draft().document())
    assert w.recovery.commit(task, [branch], away) is State.queued
    assert w.task(task.id).errors == 1


def test_a_foreign_ledgers_branch_is_not_even_seen(w: World) -> None:
    foreign = BranchId("feedfeedfeed", 1, "their-task", 1, 0)
    w.prepare(foreign, "two")
    w.recovery.sweep_target(w.targets["two"])
    assert w.targets["two"].list_prepared("feedfeedfeed") == [foreign]


@pytest.mark.parametrize("state", [State.committed, State.stopped])
def test_a_branch_that_turns_up_after_the_end_follows_it(w: World, state: State) -> None:
    task = w.claim(w.submit(SHAPES["two-phase"]))
    if state is State.stopped:
        w.stop(task.id)
    assert w.attempt(task) is state
    late = w.late_branch(task, "two")
    w.recovery.sweep_target(w.targets["two"])
    assert w.prepared("two") == []
    found = w.targets["two"].markers(late.ledger, late.task)
    assert (late in [marker.branch for marker in found]) == (state is State.committed)


def test_a_branch_of_the_running_attempt_is_left_alone(w: World) -> None:
    task_id = dead_before(w, "decide.before", "two-phase")
    (branch,) = w.prepared("two")
    w.recovery.sweep_target(w.targets["two"])
    assert w.prepared("two") == [branch]
    with pytest.raises(TargetConflict):  # its owner is alive: nobody else can finish it
        w.targets["two"].commit_prepared(branch)
    assert w.recover(task_id) is State.queued


@pytest.mark.parametrize("decided", [False, True], ids=["taken back", "committed"])
def test_a_target_that_is_down_holds_no_lock_in_another(w: World, decided: bool) -> None:
    task_id = w.submit(SHAPES["two branches"])
    reached, _ = w.hang("commit2p.before" if decided else "decide.before")
    w.beside(w.attempt, w.claim(task_id))
    assert reached.wait(TIMEOUT_SECONDS)
    w.operators["two"].down()
    with pytest.raises(RescindError):
        w.recover_once(w.task(task_id))
    assert w.prepared("three") == []
    assert w.rows("three") == (ROWS if decided else 0)
    assert w.task(task_id).state is (State.committing if decided else State.aborting)
    w.operators["two"].up()
    w.recover(task_id)
    w.join()
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@pytest.mark.parametrize("decided", [False, True], ids=["taken back", "committed"])
def test_a_target_that_refuses_to_end_a_session_holds_no_lock_in_another(w: World, decided: bool) -> None:
    task_id = dead_before(w, "commit2p.before" if decided else "decide.before", "two branches")
    w.operators["two"].arm("end_session", Fault.refused)
    with pytest.raises(TargetConflict):
        w.recover_once(w.task(task_id))
    assert (len(w.prepared("two")), w.prepared("three"), w.rows("three")) == (1, [], ROWS if decided else 0)
    w.recover(task_id)
    w.join()
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_branch_that_cannot_be_finished_keeps_no_sweep_from_the_others(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of its session is none that the target understands."""
    end_session = MemoryTarget.end_session

    def choosy(self: MemoryTarget, session: str) -> bool:
        if session == "nonsense":
            raise ValueError(session)
        return end_session(self, session)

    task = w.claim(w.submit(SHAPES["two-phase"]))
    w.stop(task.id)
    assert w.attempt(task) is State.stopped
    stuck = w.late_branch(task, "two", 1, "nonsense")
    w.late_branch(task, "two", 2)
    monkeypatch.setattr(MemoryTarget, "end_session", choosy)
    w.recovery.sweep_target(w.targets["two"])
    assert w.prepared("two") == [stuck]
    w.operators["two"].roll_back_by_hand(stuck)


def test_a_worker_that_has_beaten_since_is_not_taken_over(w: World) -> None:
    task = w.claim(w.submit(SHAPES["two-phase"]))
    with w.ledger.write() as connection:
        assert transitions.beat(connection, task, Progress("writing", 1))
    assert w.recovery.take_over(task, lost=True) is None
    assert w.task(task.id).state is State.running
