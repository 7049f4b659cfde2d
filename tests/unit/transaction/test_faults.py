"""Every fault of a database at every verb of the protocol: all or none, once, whatever was answered."""

from __future__ import annotations

import pytest
from tests.support.protocol import ROWS, SHAPES, World

from rescind.domain.states import State
from rescind.testing.memory import Fault

OF_ATTEMPT = ("open", "start", "write", "write_marker", "read_markers")
ANY_FAULT = (Fault.refused, Fault.refused_after, Fault.cut, Fault.lost, Fault.crash, Fault.crash_after)
OF_COMMIT = (*ANY_FAULT, Fault.late)


@pytest.mark.parametrize("fault", ANY_FAULT)
@pytest.mark.parametrize("verb", OF_ATTEMPT)
def test_before_the_prepare_the_attempt_is_taken_back_and_tried_again(w: World, verb: str, fault: Fault) -> None:
    task_id = w.submit(SHAPES["mixed"])
    for operator in (w.operators["one"], w.operators["two"]):
        operator.arm(verb, fault)
    assert w.finish(task_id) is State.committed
    assert [w.operators[name].disarm() for name in ("one", "two")] == [[], []]
    w.check(task_id)


@pytest.mark.parametrize("shape", ["two-phase", "mixed", "two branches"])
@pytest.mark.parametrize("fault", OF_COMMIT)
@pytest.mark.parametrize("verb", ["prepare", "list_prepared", "commit"])
def test_a_two_phase_branch_ends_as_decided(w: World, verb: str, fault: Fault, shape: str) -> None:
    task_id = w.submit(SHAPES[shape])
    w.operators["two"].arm(verb, fault)
    assert w.finish(task_id) is State.committed
    assert w.operators["two"].disarm() == []
    w.check(task_id)


@pytest.mark.parametrize("shape", ["one-phase", "mixed"])
@pytest.mark.parametrize("fault", [*OF_COMMIT, Fault.hollow])
def test_a_one_phase_commit_is_what_its_marker_says(w: World, fault: Fault, shape: str) -> None:
    task_id = w.submit(SHAPES[shape])
    w.operators["one"].arm("commit", fault)
    assert w.finish(task_id) is State.committed
    assert w.operators["one"].disarm() == []
    w.check(task_id)


@pytest.mark.parametrize("fault", ANY_FAULT)
@pytest.mark.parametrize("verb", ["commit_prepared", "list_prepared", "end_session", "read_markers"])
def test_recovery_of_a_decided_branch_meets_faults_too(w: World, verb: str, fault: Fault) -> None:
    task_id = w.submit(SHAPES["two branches"])
    w.operators["three"].arm("commit", Fault.cut)
    w.operators["three"].arm(verb, fault, nth=2 if verb in ("list_prepared", "read_markers") else 1)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


@pytest.mark.parametrize("fault", ANY_FAULT)
@pytest.mark.parametrize("verb", ["insert_tombstone", "end_session", "read_markers"])
def test_fencing_meets_faults_too(w: World, verb: str, fault: Fault) -> None:
    task_id = w.submit(SHAPES["mixed"])
    w.operators["one"].arm("commit", Fault.cut)
    w.operators["one"].arm(verb, fault, nth=2 if verb == "read_markers" else 1)
    assert w.finish(task_id) is State.committed
    assert w.task(task_id).attempt == 2
    w.check(task_id)


@pytest.mark.parametrize("fault", ANY_FAULT)
@pytest.mark.parametrize("verb", ["rollback", "rollback_prepared", "end_session"])
def test_a_rollback_meets_faults_too(w: World, verb: str, fault: Fault) -> None:
    task = w.claim(w.submit(SHAPES["two branches"]))
    w.operators["three"].arm("prepare", Fault.refused)
    for operator in (w.operators["two"], w.operators["three"]):
        operator.arm(verb, fault)
    w.attempt(task)
    w.stop(task.id)
    assert w.finish(task.id) is State.stopped
    w.check(task.id)


def test_a_prepare_that_prepared_nothing_is_not_decided(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"])
    w.operators["three"].arm("prepare", Fault.hollow)
    assert w.finish(task_id) is State.failed
    problem = w.task(task_id).problem
    assert problem is not None
    assert problem.code == "transaction-broken"
    w.check(task_id)


def test_a_prepare_that_lands_after_its_attempt_is_rolled_back(w: World) -> None:
    task = w.claim(w.submit(SHAPES["two-phase"]))
    w.operators["two"].arm("prepare", Fault.late, seconds=0.5)
    w.stop(task.id)
    assert w.attempt(task) is State.stopped
    w.check(task.id)  # at once: stopped is shown only when nothing can land any more


def test_a_second_phase_that_lost_the_branch_is_a_hazard(w: World) -> None:
    task_id = w.submit(SHAPES["two branches"])
    w.operators["three"].arm("commit", Fault.hollow)
    assert w.finish(task_id) is State.hazard
    assert (w.rows("two"), w.rows("three")) == (ROWS, 0)


@pytest.mark.parametrize("verb", ["start", "prepare", "commit"])
def test_a_target_that_goes_down_and_comes_back(w: World, verb: str) -> None:
    task_id = w.submit(SHAPES["mixed"])
    w.operators["two"].arm(verb, Fault.down)
    w.attempt(w.claim(task_id))
    w.operators["two"].up()
    assert w.finish(task_id) is State.committed
    w.check(task_id)
