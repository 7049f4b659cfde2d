"""An attempt from claim to receipt, and the ways it is taken back."""

from __future__ import annotations

import pytest
from tests.support.protocol import ROWS, SHAPES, World, body, share

from rescind import failpoints
from rescind.domain.branch import Protocol
from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.errors import ConstraintViolated, LedgerUnavailable, ShuttingDown, Stopped, TargetConflict
from rescind.testing.memory import Fault
from rescind.transaction.control import Control
from rescind.transaction.work import Work

shapes = pytest.mark.parametrize("targets", SHAPES.values(), ids=SHAPES)


@shapes
def test_all_is_committed_once(w: World, targets: tuple[str, ...]) -> None:
    task = w.claim(w.submit(targets))
    assert w.attempt(task) is State.committed
    w.check(task.id)


@shapes
def test_the_receipt_names_protocol_and_branches(w: World, targets: tuple[str, ...]) -> None:
    task = w.claim(w.submit(targets))
    w.attempt(task)
    receipt = w.task(task.id).receipt
    assert receipt is not None
    expected = Protocol.one_phase if targets == ("one",) else Protocol.two_phase
    assert (receipt["protocol"], receipt["rows_written"]) == (expected, ROWS * len(set(targets)))
    written = [len(share(task, number)) for number in range(len(targets))]
    assert [branch["rows"] for branch in receipt["branches"]] == written


def test_two_targets_that_cannot_prepare_are_refused(w: World) -> None:
    w.targets["three"] = w.targets["one"].__class__("three", w.operators["three"].address, two_phase=False)
    task = w.claim(w.submit(("one", "three")))
    assert w.attempt(task) is State.failed
    problem = w.task(task.id).problem
    assert problem is not None
    assert problem.code == "target-refused"
    w.check(task.id)


@shapes
def test_a_stop_before_the_decision_takes_all_back(w: World, targets: tuple[str, ...]) -> None:
    task = w.claim(w.submit(targets))
    failpoints.arm("decide.before", lambda: w.stop(task.id))
    assert w.attempt(task) is State.stopped
    w.check(task.id)


@shapes
@pytest.mark.parametrize("point", ["branch.after_start", "branch.mid_data", "branch.after_data", "branch.after_marker"])
def test_a_stop_by_the_watchdog_takes_all_back(w: World, targets: tuple[str, ...], point: str) -> None:
    task, control = w.claim(w.submit(targets)), Control()

    def stop() -> None:
        w.stop(task.id)
        control.interrupt(Stopped("A stop was asked for."))

    failpoints.arm(point, stop)
    assert w.attempt(task, control=control) is State.stopped
    w.check(task.id)


@shapes
def test_a_stop_after_the_decision_is_too_late(w: World, targets: tuple[str, ...]) -> None:
    task = w.claim(w.submit(targets))
    failpoints.arm("decide.after", lambda: w.stop(task.id))
    assert w.attempt(task) is State.committed
    assert not w.task(task.id).stop_requested
    w.check(task.id)


@shapes
@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ConstraintViolated("bad row"), State.failed),
        (TargetConflict("deadlock"), State.queued),
        (ShuttingDown("leave"), State.queued),
        (KeyboardInterrupt(), State.queued),
        (ValueError("a fault"), State.queued),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_in_the_body_takes_all_back(
    w: World, targets: tuple[str, ...], error: BaseException, end: State
) -> None:
    def fails(work: Work) -> Draft:
        body(work)
        raise error

    task = w.claim(w.submit(targets))
    assert w.attempt(task, fails) is end
    assert [w.rows(name) for name in targets] == [0] * len(targets)
    assert [w.prepared(name) for name in targets] == [[]] * len(targets)
    assert w.finish(task.id) is (State.failed if end is State.failed else State.committed)
    w.check(task.id)


def test_a_retryable_error_is_tried_three_times(w: World) -> None:
    def fails(work: Work) -> Draft:
        raise TargetConflict("deadlock")

    task_id = w.submit(("two",))
    assert [w.attempt(w.claim(task_id), fails) for _ in range(3)] == [State.queued, State.queued, State.failed]
    w.check(task_id)


@shapes
def test_a_lost_reply_to_the_decision_is_asked_for_again(w: World, targets: tuple[str, ...]) -> None:
    task = w.claim(w.submit(targets))
    failpoints.arm("decide.sent_no_reply", failpoints.Action.lose)
    assert w.attempt(task) is State.committed
    w.check(task.id)


@shapes
def test_a_lost_reply_to_a_refused_decision_takes_all_back(w: World, targets: tuple[str, ...]) -> None:
    task = w.claim(w.submit(targets))
    failpoints.arm("decide.before", lambda: w.stop(task.id))
    failpoints.arm("decide.sent_no_reply", failpoints.Action.lose)
    assert w.attempt(task) is State.stopped
    w.check(task.id)


def test_a_ledger_that_is_away_at_the_decision_is_waited_for(w: World) -> None:
    task = w.claim(w.submit(("two",)))

    def away() -> None:
        raise LedgerUnavailable("away")

    failpoints.arm("decide.before", lambda: failpoints.arm("ledger.io_error", away))
    assert w.attempt(task) is State.committed
    w.check(task.id)


@pytest.mark.parametrize("point", ["finish.sent_no_reply", "commit2p.sent_no_reply", "prepare.sent_no_reply"])
def test_lost_replies_elsewhere_end_well(w: World, point: str) -> None:
    task_id = w.submit(("two", "one"))
    failpoints.arm(point, failpoints.Action.lose)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_marker_under_another_attempt_is_a_hazard(w: World) -> None:
    task = w.claim(w.submit(("two",)))
    w.attempt(task)
    with w.ledger.engine.begin() as connection:  # as a ledger restored from a backup stands
        connection.exec_driver_sql("UPDATE task SET state = 'queued'")
    assert w.attempt(w.claim(task.id)) is State.hazard
    assert w.rows("two") == ROWS


def test_a_target_that_is_down_costs_no_attempt(w: World) -> None:
    task_id = w.submit(("two",))
    w.operators["two"].down()
    for _ in range(7):
        assert w.attempt(w.claim(task_id)) is State.queued
    waiting = w.task(task_id)
    assert (waiting.errors, waiting.losses) == (0, 0)
    assert waiting.waiting_for
    w.operators["two"].up()
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_target_that_goes_down_after_the_decision_is_waited_for(w: World) -> None:
    task_id = w.submit(("two", "three"))
    w.operators["three"].arm("commit", Fault.down)
    assert w.attempt(w.claim(task_id)) is None
    assert w.task(task_id).state is State.committing
    w.operators["three"].up()
    assert w.finish(task_id) is State.committed
    w.check(task_id)
