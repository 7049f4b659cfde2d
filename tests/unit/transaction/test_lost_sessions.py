"""A session that is lost though its database is there: the task's own fault for all that anybody knows, and counted."""

from __future__ import annotations

from tests.support.protocol import World

from rescind.domain.states import State
from rescind.domain.task import MOST_COUNTED_ATTEMPTS
from rescind.testing.memory import Fault


def test_a_session_that_is_lost_each_time_ends_the_task(w: World) -> None:
    task_id = w.submit(("two",))
    ends = []
    for _ in range(MOST_COUNTED_ATTEMPTS):
        w.operators["two"].arm("write", Fault.cut)
        ends.append(w.attempt(w.claim(task_id)))
    assert ends == [State.queued, State.queued, State.failed]
    task = w.task(task_id)
    assert task.problem is not None
    assert (task.problem.code, task.errors) == ("target-unavailable", MOST_COUNTED_ATTEMPTS)
    assert "log of the database" in task.problem.advice
    w.check(task_id)


def test_a_database_that_goes_down_costs_nothing(w: World) -> None:
    """However often: what it is asked for right after that it does not answer."""
    task_id = w.submit(("two",))
    for _ in range(MOST_COUNTED_ATTEMPTS + 1):
        w.operators["two"].arm("write", Fault.down)
        w.attempt(w.claim(task_id))
        w.operators["two"].up()
        assert w.recover(task_id) is State.queued
    assert (w.task(task_id).errors, w.task(task_id).losses) == (0, 0)
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_a_branch_that_cannot_be_opened_beside_an_open_one_costs_nothing(w: World) -> None:
    task_id = w.submit(("two", "three"))
    for _ in range(MOST_COUNTED_ATTEMPTS + 1):
        w.operators["three"].arm("open", Fault.cut, nth=2)  # the first is to see whether it is there
        assert w.attempt(w.claim(task_id)) is State.queued
        assert w.operators["three"].disarm() == []
    assert w.task(task_id).errors == 0
    assert w.finish(task_id) is State.committed
    w.check(task_id)


def test_one_of_two_that_is_down_is_an_outage(w: World) -> None:
    task_id = w.submit(("two", "three"))
    w.operators["three"].arm("write", Fault.down)
    w.attempt(w.claim(task_id))
    w.operators["three"].up()
    assert w.recover(task_id) is State.queued
    assert w.task(task_id).errors == 0
