"""The guarded transitions: each takes what it expects, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.ledgers import on_every_ledger

from rescind.domain.branch import Protocol
from rescind.domain.receipt import Draft, complete
from rescind.domain.states import State, StopAnswer
from rescind.domain.task import Problem, Progress, Task
from rescind.errors import Retry
from rescind.ledger import events, tasks, transitions
from rescind.ledger.engine import Ledger
from rescind.tasks.submission import new_id

pytestmark = on_every_ledger

RETRYABLE = Problem("x", "detail", "advice", Retry.counted)
FREE = Problem("x", "the disk is away", "advice", Retry.free)
FINAL = Problem("x", "detail", "advice", Retry.never)


def queued(ledger: Ledger) -> str:
    task_id = new_id()
    with ledger.write() as connection:
        tasks.insert_task(connection, task_id, "load", {"table": "t"}, ["default"])
    return task_id


def claimed(ledger: Ledger, task_id: str) -> Task:
    with ledger.write() as connection:
        task = transitions.claim(connection, task_id, "worker")
    assert task is not None
    return task


def now(ledger: Ledger, task: Task | str) -> Task:
    with ledger.read() as connection:
        found = tasks.get(connection, task if isinstance(task, str) else task.id)
    assert found is not None
    return found


def do(ledger: Ledger, act: Any, *args: Any, **kwargs: Any) -> Any:
    with ledger.write() as connection:
        return act(connection, *args, **kwargs)


@pytest.fixture
def running(ledger: Ledger) -> Task:
    return claimed(ledger, queued(ledger))


def aborting(ledger: Ledger, task: Task, problem: Problem | None = RETRYABLE, *, lost: bool = False) -> Task:
    assert do(ledger, transitions.begin_abort, task, State.running, problem, lost=lost)
    return now(ledger, task)


def test_a_claim_makes_the_next_attempt_and_only_one_wins(ledger: Ledger) -> None:
    task_id = queued(ledger)
    assert claimed(ledger, task_id).attempt == 1
    assert do(ledger, transitions.claim, task_id, "another") is None
    assert now(ledger, task_id).worker == "worker"


def test_a_stopped_task_is_not_claimed(ledger: Ledger) -> None:
    task_id = queued(ledger)
    assert do(ledger, transitions.request_stop, task_id) is StopAnswer.accepted
    assert do(ledger, transitions.claim, task_id, "worker") is None
    assert now(ledger, task_id).state is State.stopped


def test_the_decision_names_the_attempt(ledger: Ledger, running: Task) -> None:
    aborted = aborting(ledger, running)
    assert do(ledger, transitions.end_abort, aborted, State.queued, 0.0) is State.queued
    second = claimed(ledger, running.id)
    assert not do(ledger, transitions.decide, running, Protocol.one_phase, {})
    assert now(ledger, running).state is State.running
    assert do(ledger, transitions.decide, second, Protocol.one_phase, {})


def test_a_stop_before_the_decision_wins_and_one_after_it_is_too_late(ledger: Ledger, running: Task) -> None:
    assert do(ledger, transitions.request_stop, running.id) is StopAnswer.accepted
    assert not do(ledger, transitions.decide, running, Protocol.one_phase, {})
    other = claimed(ledger, queued(ledger))
    assert do(ledger, transitions.decide, other, Protocol.one_phase, {})
    assert do(ledger, transitions.request_stop, other.id) is StopAnswer.too_late
    assert not now(ledger, other).stop_requested


def test_finish_makes_the_tables_ours_and_ends_once(ledger: Ledger, running: Task) -> None:
    draft = Draft(rows_written=3, made=(("default", "t"),)).document()
    assert do(ledger, transitions.decide, running, Protocol.one_phase, draft)
    receipt = complete(draft, Protocol.one_phase, [])
    assert do(ledger, transitions.finish, running, receipt)
    assert not do(ledger, transitions.finish, running, receipt)
    with ledger.read() as connection:
        assert tasks.made_here(connection, "default", "t")
        assert not tasks.made_here(connection, "default", "other")
        kinds = [event.kind for event in events.of_task(connection, running.id)]
    assert kinds == ["submitted", "running", "committing", "committed"]


@pytest.mark.parametrize(
    ("problem", "lost", "attempts", "end"),
    [
        (RETRYABLE, False, 3, State.failed),
        (RETRYABLE, True, 5, State.failed),
        (FINAL, False, 1, State.failed),
    ],
)
def test_attempts_are_bounded(ledger: Ledger, problem: Problem, lost: bool, attempts: int, end: State) -> None:
    task_id = queued(ledger)
    for attempt in range(1, attempts + 1):
        to = end if attempt == attempts else State.queued
        aborted = aborting(ledger, claimed(ledger, task_id), problem, lost=lost)
        assert do(ledger, transitions.end_abort, aborted, to, 0.0) is to


def test_waiting_costs_no_attempt_and_says_what_for(ledger: Ledger) -> None:
    task_id = queued(ledger)
    for _ in range(10):
        aborted = aborting(ledger, claimed(ledger, task_id), FREE)
        assert do(ledger, transitions.end_abort, aborted, State.queued, 0.0) is State.queued
    assert now(ledger, task_id).waiting_for == "the disk is away"


def test_a_stop_wins_over_any_problem(ledger: Ledger, running: Task) -> None:
    aborted = aborting(ledger, running, FINAL)
    assert do(ledger, transitions.request_stop, running.id) is StopAnswer.accepted
    for seen in (State.failed, State.queued):  # as it was before the stop came
        assert do(ledger, transitions.end_abort, aborted, seen, 0.0) is None
    assert do(ledger, transitions.end_abort, aborted, State.stopped, 0.0) is State.stopped


def test_an_end_is_for_ever(ledger: Ledger, running: Task) -> None:
    assert do(ledger, transitions.end_abort, aborting(ledger, running, FINAL), State.failed, 0.0) is State.failed
    assert do(ledger, transitions.request_stop, running.id) is StopAnswer.finished
    assert not do(ledger, transitions.begin_abort, running, State.running, FINAL)
    assert do(ledger, transitions.claim, running.id, "worker") is None


def test_a_beat_is_refused_once_the_attempt_is_taken(ledger: Ledger, running: Task) -> None:
    assert do(ledger, transitions.beat, running, Progress("writing", 5))
    assert now(ledger, running).progress == Progress("writing", 5)
    aborting(ledger, running)
    assert not do(ledger, transitions.beat, running, Progress("writing", 6))


def test_a_retry_is_unique(ledger: Ledger) -> None:
    first = queued(ledger)
    with ledger.write() as connection:
        tasks.insert_task(connection, new_id(), "load", {}, ["default"], retry_of=first)
    with ledger.read() as connection:
        assert tasks.retry_of(connection, first) is not None
