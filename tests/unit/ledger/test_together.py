"""Transactions that meet: each pair ends as if one had come after the other, on ledgers of every kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select
from tests.support.ledgers import on_every_ledger
from tests.unit.ledger.test_transitions import FINAL, claimed, do, queued

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.states import State, StopAnswer
from rescind.domain.task import Task
from rescind.domain.upload import Upload
from rescind.ledger import branches, idempotency, retention, tables, tasks, transitions, uploads
from rescind.ledger.engine import Ledger, now
from rescind.tasks.registry import TaskRegistry
from rescind.tasks.submission import Key, Submission, new_id

pytestmark = on_every_ledger

WAIT_SECONDS = 30


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A patient one: the second transaction waits for the first."""
    with closing(Ledger(ledger_url)) as opened:
        yield opened


class Second:
    """A transaction in a thread, which is begun while the first one is open and has done its work."""

    def __init__(self, ledger: Ledger, act: Callable[[Connection], Any]) -> None:
        self._ledger, self._act = ledger, act
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answer: Any = None

    def _run(self) -> None:
        self._begun.set()
        with self._ledger.write() as connection:
            self.answer = self._act(connection)

    def begin(self) -> None:
        self._thread.start()
        assert self._begun.wait(WAIT_SECONDS)
        self._thread.join(0.3)  # it has the time to come as far as it gets

    def end(self) -> Any:
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()
        return self.answer


def meet(ledger: Ledger, first: Callable[[Connection], Any], second: Callable[[Connection], Any]) -> tuple[Any, Any]:
    """What both answer: the second begins when the first has done its work, and is not committed yet."""
    other = Second(ledger, second)
    with ledger.write() as connection:
        answer = first(connection)
        other.begin()
    return answer, other.end()


def all_at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    together = threading.Barrier(len(acts))
    answers: list[Any] = [None] * len(acts)

    def run(number: int) -> None:
        together.wait()
        answers[number] = acts[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
    return answers


def current(ledger: Ledger, task: Task) -> Task:
    with ledger.read() as connection:
        found = tasks.get(connection, task.id)
    assert found is not None
    return found


def register(task: Task) -> Callable[[Connection], bool]:
    branch = BranchId("0" * 12, 1, task.id, task.attempt, 0)
    return lambda connection: branches.register(connection, task, branch, "default", Protocol.two_phase, "session")


def abort(task: Task) -> Callable[[Connection], Any]:
    """Recovery: the mark, then the branches of the attempt, as they are found after it."""

    def act(connection: Connection) -> Any:
        return transitions.begin_abort(connection, task, State.running, FINAL)

    return act


def test_a_branch_is_registered_before_recovery_or_never(ledger: Ledger) -> None:
    """An INSERT … WHERE EXISTS would slip past: it does not wait for the row, and looks at what was (PROTOCOL R6)."""
    task = claimed(ledger, queued(ledger))
    assert meet(ledger, abort(task), register(task)) == (True, False)
    assert do(ledger, branches.of_attempt, task, ("0" * 12, 1)) == []
    other = claimed(ledger, queued(ledger))
    assert meet(ledger, register(other), abort(other)) == (True, True)
    assert len(do(ledger, branches.of_attempt, other, ("0" * 12, 1))) == 1


def decide(task: Task) -> Callable[[Connection], bool]:
    return lambda connection: transitions.decide(connection, task, Protocol.one_phase, {})


def stop(task: Task) -> Callable[[Connection], Any]:
    return lambda connection: transitions.request_stop(connection, task.id)


def test_a_stop_and_the_decision_exclude_each_other(ledger: Ledger) -> None:
    task = claimed(ledger, queued(ledger))
    assert meet(ledger, stop(task), decide(task)) == (StopAnswer.accepted, False)
    other = claimed(ledger, queued(ledger))
    assert meet(ledger, decide(other), stop(other)) == (True, StopAnswer.too_late)
    assert not current(ledger, other).stop_requested


def test_a_stop_that_meets_a_claim_is_heard(ledger: Ledger) -> None:
    task_id = queued(ledger)
    claim = lambda connection: transitions.claim(connection, task_id, "worker")  # noqa: E731
    task, answer = meet(ledger, claim, lambda connection: transitions.request_stop(connection, task_id))
    assert answer is StopAnswer.accepted
    assert current(ledger, task).stop_requested
    assert not do(ledger, transitions.decide, task, Protocol.one_phase, {})


def test_a_stop_while_the_task_turns_back_from_its_decision_is_no_empty_promise(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between "it is decided" and "how does it stand?" the tombstone may have sent it back to the queue."""
    task = claimed(ledger, queued(ledger))
    assert do(ledger, transitions.decide, task, Protocol.one_phase, {})
    get = tasks.get
    back = Second(ledger, lambda connection: _turn_back(connection, task))

    def get_late(connection: Connection, task_id: str) -> Task | None:
        monkeypatch.setattr(transitions, "get", get)
        back.begin()
        return get(connection, task_id)

    monkeypatch.setattr(transitions, "get", get_late)
    answer = do(ledger, transitions.request_stop, task.id)
    back.end()
    assert (answer is StopAnswer.accepted) == current(ledger, task).stop_requested


def _turn_back(connection: Connection, task: Task) -> None:
    assert transitions.begin_abort(connection, task, State.committing, None)
    assert transitions.end_abort(connection, task, State.queued, 0.0) is State.queued


def test_one_of_many_claims_wins(ledger: Ledger) -> None:
    task_id = queued(ledger)
    claim = lambda: do(ledger, transitions.claim, task_id, "worker")  # noqa: E731
    won = [task for task in all_at_once([claim] * 8) if task is not None]
    assert [task.attempt for task in won] == [1]


def submission(ledger: Ledger) -> Submission:
    return Submission(ledger, TaskRegistry((), 1_000), lambda _: None)


def tasks_in(ledger: Ledger) -> int:
    with ledger.read() as connection:
        return len(connection.execute(select(tables.task.c.id)).all())


def test_submissions_with_one_key_make_one_task(ledger: Ledger) -> None:
    submit = lambda: submission(ledger).submit("generate", {"rows": 1}, key=Key("key", "hash"))  # noqa: E731
    answers = all_at_once([submit, submit])
    assert len({task_id for task_id, _ in answers}) == 1
    assert sorted(made for _, made in answers) == [False, True]
    assert tasks_in(ledger) == 1
    with ledger.read() as connection:
        assert idempotency.find(connection, "key") == idempotency.Found("hash", answers[0][0])


def test_two_retries_make_one_task(ledger: Ledger) -> None:
    task_id, _ = submission(ledger).submit("generate", {"rows": 1})
    do(ledger, transitions.request_stop, task_id)
    retry = lambda: submission(ledger).retry(task_id)  # noqa: E731
    answers = all_at_once([retry, retry])
    assert len({retried for retried, _ in answers}) == 1
    assert tasks_in(ledger) == 2


UPLOAD = Upload("u", 1, "0" * 64, None, None, None)


def kept(connection: Connection) -> bool:
    """A task is submitted that wants the upload."""
    if uploads.get(connection, UPLOAD.id) is None:
        return False
    tasks.insert_task(connection, new_id(), "load", {}, ["default"], upload=UPLOAD.id)
    return True


def given_up(connection: Connection) -> bool:
    return uploads.mark_deleted(connection, UPLOAD.id)


@pytest.mark.parametrize("first", ["submitted", "swept"])
def test_an_upload_is_not_given_up_under_a_task(ledger: Ledger, first: str) -> None:
    do(ledger, uploads.insert_upload, UPLOAD)
    answers = meet(ledger, kept, given_up) if first == "submitted" else meet(ledger, given_up, kept)
    assert answers == (True, False)


def test_two_sweeps_forget_a_task_once(ledger: Ledger) -> None:
    task = claimed(ledger, queued(ledger))
    assert do(ledger, transitions.begin_abort, task, State.running, FINAL)
    assert do(ledger, transitions.end_abort, current(ledger, task), State.failed, 0.0) is State.failed
    (old,) = do(ledger, retention.ended_before, now() + timedelta(seconds=1))
    forget = lambda connection: retention.forget(connection, old)  # noqa: E731
    assert meet(ledger, forget, forget) == (True, False)
    assert do(ledger, retention.forgotten) == [(task.id, "default")]
