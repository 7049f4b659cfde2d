"""The thread beside an attempt."""

from __future__ import annotations

import pytest
from tests.support.waiting import until

from rescind.domain.branch import Protocol
from rescind.domain.receipt import Draft
from rescind.domain.states import State
from rescind.domain.task import LOST_WORKER, Task
from rescind.errors import Fenced, Interruption, ShuttingDown, Stopped
from rescind.ledger import tasks, transitions
from rescind.ledger.engine import Ledger
from rescind.tasks.submission import new_id
from rescind.transaction.control import Control
from rescind.worker import watchdog
from rescind.worker.watchdog import Watchdog


@pytest.fixture
def running(ledger: Ledger) -> Task:
    return claimed(ledger)


def claimed(ledger: Ledger) -> Task:
    with ledger.write() as connection:
        task_id = new_id()
        tasks.insert_task(connection, task_id, "load", {}, ["default"])
        task = transitions.claim(connection, task_id, "worker")
    assert task is not None
    return task


def beats(ledger: Ledger, task: Task) -> int:
    with ledger.read() as connection:
        current = tasks.get(connection, task.id)
    assert current is not None
    return current.beat


def heard(ledger: Ledger, task: Task, *, leaving: bool = False) -> Interruption:
    control = Control()
    with Watchdog(ledger, task, control, lambda: leaving):
        until(lambda: control.interruption is not None, "an interruption")
    assert control.interruption is not None
    return control.interruption


def decide(ledger: Ledger, task: Task) -> None:
    with ledger.write() as connection:
        assert transitions.decide(connection, task, Protocol.one_phase, Draft().document())


def test_it_hears_a_stop(ledger: Ledger, running: Task) -> None:
    with ledger.write() as connection:
        transitions.request_stop(connection, running.id)
    assert isinstance(heard(ledger, running), Stopped)


def test_it_hears_the_word_to_leave(ledger: Ledger, running: Task) -> None:
    assert isinstance(heard(ledger, running, leaving=True), ShuttingDown)


def test_it_hears_that_recovery_has_taken_the_attempt(ledger: Ledger, running: Task) -> None:
    with ledger.write() as connection:
        transitions.begin_abort(connection, running, State.running, LOST_WORKER, lost=True)
    assert isinstance(heard(ledger, running), Fenced)


def test_it_cancels_again_and_again_until_the_attempt_has_ended(ledger: Ledger, running: Task) -> None:
    cancels: list[None] = []
    control = Control()
    control.on_interrupt(lambda: cancels.append(None))
    with Watchdog(ledger, running, control, lambda: True):
        until(lambda: len(cancels) >= 3, "three cancels")


def test_its_heart_beats_while_a_commit_is_carried_out(ledger: Ledger, running: Task) -> None:
    decide(ledger, running)
    control = Control()
    with Watchdog(ledger, running, control, lambda: False):
        until(lambda: beats(ledger, running) >= 2, "two beats")
    assert control.interruption is None


def test_a_commit_that_hangs_has_no_heartbeat(ledger: Ledger, running: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "COMMIT_SECONDS", 0.0)
    decide(ledger, running)
    other = claimed(ledger)
    with Watchdog(ledger, running, Control(), lambda: False), Watchdog(ledger, other, Control(), lambda: False):
        until(lambda: beats(ledger, other) >= 2, "two beats of another attempt")
    assert beats(ledger, running) == 0
